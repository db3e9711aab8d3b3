"""What is in a pack, that it is the same twice, and that nothing in it tells of a patient."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evidence.conftest import packed
from evidence.hospital import CANARIES, DAY, JULY, JUNE, Hospital, period_of
from toolguard._core.audit import Kind
from toolguard.errors import EvidenceError
from toolguard.evidence import Pack, Sampling, verify
from toolguard.evidence.zipped import LARGEST, zip_bytes
from toolguard.population import Population

EXPECTED = frozenset(
    {
        "approvals.csv",
        "samples/call-0001.json",
        "agentack/agentack.toml",
        "approvers.csv",
        "integrity/records-0001.jsonl",
        "manifest.json",
        "phi.csv",
        "README.html",
        "traces/jaeger-0001.json",
        "traces/otlp-0001.json",
        "verify.py",
        "integrity/checkpoints.txt",
        "integrity/consistency.json",
        "reciprocity.csv",
        "integrity/keys.txt",
        "manifest.note",
        "population.csv",
        "control-matrix.html",
        "reviews.csv",
        "oscal/assessment-results.json",
        "agentack/run-00001.jsonl",
        "integrity/anchors.txt",
        "integrity/registry.json",
        "exceptions.csv",
        "integrity/logs.json",
        "samples/samples.csv",
        "policies.csv",
    }
)


def rows(pack: Pack, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(pack.members[name].decode(), newline="")))


def data(pack: Pack, name: str) -> Any:
    return json.loads(pack.members[name])


def test_everything_an_auditor_asks_for_is_in_it(pack: Pack) -> None:
    assert set(pack.members) >= EXPECTED


def test_the_same_period_gives_the_same_bytes(hospital: Hospital, pack: Pack) -> None:
    again = packed(hospital, period_of(hospital, JUNE, JULY))
    assert again.bytes == pack.bytes


def test_what_happens_after_the_period_changes_nothing(tmp_path: Path) -> None:
    from evidence.hospital import june, search_papers, session

    hospital = june(tmp_path, rounds=1)
    before = packed(hospital, period_of(hospital, JUNE, JULY)).bytes
    hospital.clock.advance(DAY)
    with session(hospital, "ana", "later") as s:
        s.call(search_papers, {"query": "x"})
    hospital.checkpoints.tick(final=True)
    after = packed(hospital, period_of(hospital, JUNE, JULY)).bytes
    hospital.store.close()
    assert after == before


def test_the_zip_says_nothing_of_the_machine_it_was_made_on(pack: Pack) -> None:
    with zipfile.ZipFile(io.BytesIO(pack.bytes)) as zipped:
        infos = zipped.infolist()
    assert [i.filename for i in infos] == sorted(pack.members)
    assert {(i.date_time, i.create_system, i.external_attr, i.compress_type) for i in infos} == {
        ((1980, 1, 1, 0, 0, 0), 3, 0o100644 << 16, zipfile.ZIP_DEFLATED)
    }


def test_no_member_is_larger_than_it_may_be_and_parts_come_together_again(
    tmp_path: Path, hospital: Hospital, population: Population, pack: Pack
) -> None:
    everything = Sampling(seed="auditor", n=10_000)
    small = packed(hospital, population, largest=2_000, sampling=everything)
    split = [n for n in small.members if n.endswith((".csv", ".jsonl", ".txt")) and "0002" in n]
    assert {n.partition("-0002")[0] for n in split} >= {"population", "integrity/records", "samples/samples"}
    assert "integrity/checkpoints-0002.txt" in split
    assert all(len(small.members[n]) <= 2_000 for n in split if not n.endswith(".jsonl"))
    assert all(small.members[n].count(b"\n") == 1 or len(small.members[n]) <= 2_000 for n in split)
    path = tmp_path / "small.zip"
    path.write_bytes(small.bytes)
    assert verify.verify(str(path), [hospital.audit.public_key.line], [str(hospital.anchor)]).exit_code == 0
    whole = verify.Pack(str(path)).rows("population")
    assert whole == rows(pack, "population.csv")


def test_a_member_beyond_the_limit_is_refused() -> None:
    with pytest.raises(EvidenceError, match="export a shorter period"):
        zip_bytes({"x": bytes(LARGEST + 1)})


def test_t15_no_identifier_is_anywhere_in_a_pack(hospital: Hospital, pack: Pack) -> None:
    """The canaries went through arguments, results, errors, reasons and messages: none comes out here."""
    inside = b"\x00".join([*pack.members.values(), *(name.encode() for name in pack.members)])
    assert b"PERSON:" in inside
    for canary in CANARIES:
        for spelling in (canary, canary.lower(), canary.replace(" ", "_"), canary.encode().hex()):
            assert spelling.encode() not in inside, spelling
    for reason in ("is bleeding", "should not have been merged", "looked at it with"):
        assert reason.encode() not in inside


def test_the_population_is_every_call_judged_in_the_period_once(hospital: Hospital, pack: Pack) -> None:
    decided = [
        r.draft.call
        for r in hospital.store.records()
        if r.draft.kind is Kind.CALL_DECIDED and JUNE <= r.draft.at < JULY
    ]
    assert len(decided) == len(set(decided)) > 20
    assert [row["call"] for row in rows(pack, "population.csv")] == decided
    assert data(pack, "manifest.json")["totals"]["calls"] == len(decided)


def test_tables_say_what_happened(hospital: Hospital, pack: Pack) -> None:
    calls = {row["call"]: row for row in rows(pack, "population.csv")}
    assert calls[hospital.calls["cohort"]]["outcome"] == "executed"
    cohort = calls[hospital.calls["cohort"]]
    assert cohort["arguments_hmac"] == cohort["executed_hmac"] != ""
    assert calls[hospital.calls["denied"]]["decided_as"] == "denied"
    assert calls[hospital.calls["let through"]]["would"] == "deny"
    approvals = {row["call"]: row for row in rows(pack, "approvals.csv")}
    assert approvals[hospital.calls["cohort"]]["quorum"] == "2"
    assert "dora browser stepped_up" in approvals[hospital.calls["cohort"]]["authenticated"]
    kinds = {row["exception"]: row for row in rows(pack, "exceptions.csv")}
    assert (kinds["break_glass"]["review"], kinds["break_glass"]["reviewer"]) == ("justified", "rena")
    assert kinds["indeterminate"]["review"] == "not_justified"
    assert kinds["standing_approval"]["review"] == "awaits review"
    assert {row["type"] for row in rows(pack, "phi.csv")} >= {"PERSON", "MRN", "DATE_OF_BIRTH"}
    assert [(r["one"], r["other"]) for r in rows(pack, "reciprocity.csv")] == [("ana", "chen")]
    assert [r["kind"] for r in rows(pack, "reviews.csv")] == ["break_glass", "indeterminate"]
    assert {r["mode"] for r in rows(pack, "policies.csv")} == {"enforce", "shadow"}


def test_samples_are_drawn_by_the_auditors_seed_and_can_be_drawn_again_by_hand(pack: Pack, hospital: Hospital) -> None:
    drawn = rows(pack, "samples/samples.csv")
    calls = [row["call"] for row in rows(pack, "population.csv")]
    first = subprocess.run(
        "for c in $CALLS; do printf 'auditor\\n%s' $c | sha256sum | cut -c1-64 | tr '\\n' ' '; echo $c; done | sort | head -4",
        shell=True,
        env={"CALLS": " ".join(calls), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")[:-1]
    assert [f"{row['rank']} {row['call']}" for row in drawn] == first
    other = packed(hospital, pack.population, sampling=Sampling(seed="other", n=4))
    assert [r["call"] for r in rows(other, "samples/samples.csv")] != [r["call"] for r in drawn]


def test_spans_are_there_for_jaeger_and_as_otlp(pack: Pack) -> None:
    jaeger, otlp = data(pack, "traces/jaeger-0001.json"), data(pack, "traces/otlp-0001.json")
    names = {span["operationName"] for trace in jaeger["data"] for span in trace["spans"]}
    assert {"toolguard.evaluate send_letter", "execute_tool find_patient", "toolguard.approval.decision"} <= names
    spans = [s for r in otlp["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]]
    assert len(spans) == sum(len(trace["spans"]) for trace in jaeger["data"])


def test_an_empty_period_gives_a_pack_that_says_none(tmp_path: Path, hospital: Hospital) -> None:
    empty = packed(hospital, period_of(hospital, JUNE - 300 * DAY, JUNE - 200 * DAY))
    assert empty.is_empty
    assert rows(empty, "population.csv") == rows(empty, "approvals.csv") == rows(empty, "exceptions.csv") == []
    readme, matrix = empty.members["README.html"].decode(), empty.members["control-matrix.html"].decode()
    assert "No call was judged in this period." in readme
    assert matrix.count('<span class="none">none</span>') > 50
    assert '<ul class="evidence">' not in matrix
    oscal = data(empty, "oscal/assessment-results.json")["assessment-results"]["results"][0]["observations"]
    assert {p["value"] for o in oscal for p in o["props"] if p["name"] == "evidence"} == {"none"}
    path = tmp_path / "empty.zip"
    path.write_bytes(empty.bytes)
    report = verify.verify(str(path), [hospital.audit.public_key.line])
    assert (report.exit_code, report.faults) == (2, [])
    assert any("no evidence of anything" in gap for gap in report.gaps)


def test_a_log_of_which_nothing_is_left_is_said(tmp_path: Path, hospital: Hospital) -> None:
    from dataclasses import replace

    whole = period_of(hospital, JUNE, JULY).period
    lost = Population(replace(whole, missing=("ab" * 16,)))
    path = tmp_path / "lost.zip"
    path.write_bytes(packed(hospital, lost).bytes)
    report = verify.verify(str(path), [hospital.audit.public_key.line], [str(hospital.anchor)])
    assert report.exit_code == 2
    assert report.gaps == [f"log {'ab' * 16} is in the registry, but none of its records is there"]
