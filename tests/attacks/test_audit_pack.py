"""Whoever exports, and holds the audit key, wants the evidence to look better than it is; whoever sends a pack means harm.

What got through when it was first tried: rows taken out of every table but the population, and figures changed in it; a
pack whose samples were drawn by another seed than the auditor's; an anchor that says nothing of what is shown, and counted
as one; a zip that unpacks to gigabytes; names that lead out of the folder; formulas behind a semicolon or a hidden letter.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evidence.conftest import packed
from evidence.forge import Members, resealed
from evidence.hospital import JULY, JUNE, Hospital, june, period_of
from toolguard._core.tree import root
from toolguard.evidence import Pack, verify
from toolguard.evidence.csvtext import cell
from toolguard.keys import NoteSigner, Purpose, SecretKey


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    hospital = june(tmp_path_factory.mktemp("june"), rounds=1)
    yield hospital
    hospital.store.close()


@pytest.fixture(scope="module")
def pack(hospital: Hospital) -> Pack:
    return packed(hospital, period_of(hospital, JUNE, JULY))


def written(folder: Path, members: Members, compression: int = zipfile.ZIP_STORED) -> Path:
    path = folder / "pack.zip"
    with zipfile.ZipFile(path, "w", compression) as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return path


def checked(folder: Path, hospital: Hospital, members: Members, *, seed: str | None = None) -> verify.Report:
    """As an auditor checks it who has the key, an anchor, and the seed if one is given."""
    sealed = resealed(members, hospital.audit)
    return verify.verify(str(written(folder, sealed)), [hospital.audit.public_key.line], [str(hospital.anchor)], seed)


def edited(members: Members, table: str, change: Callable[[list[dict[str, str]]], object]) -> Members:
    rows = list(csv.DictReader(io.StringIO(members[table].decode(), newline="")))
    header = list(rows[0])
    change(rows)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return {**members, table: out.getvalue().encode()}


def drop(rows: list[dict[str, str]], **where: str) -> None:
    found = next(n for n, row in enumerate(rows) if all(row[k] == v for k, v in where.items()))
    del rows[found]


def put(rows: list[dict[str, str]], column: str, value: str, **where: str) -> None:
    row = next(row for row in rows if all(row[k] == v for k, v in where.items()) and row[column] != value)
    row[column] = value


def total(members: Members, **figures: int) -> Members:
    manifest = json.loads(members["manifest.json"])
    manifest["totals"] |= figures
    return {**members, "manifest.json": json.dumps(manifest).encode()}


def count(members: Members, table: str) -> int:
    return len(list(csv.DictReader(io.StringIO(members[table].decode(), newline=""))))


def without(table: str, name: str, **where: str) -> Callable[[Members], Members]:
    """A row taken out, and the manifest's total with it."""

    def change(members: Members) -> Members:
        fewer = edited(members, table, lambda rows: drop(rows, **where))
        return total(fewer, **{name: count(fewer, table)}) if name else fewer

    return change


def instead(table: str, column: str, value: str, **where: str) -> Callable[[Members], Members]:
    return lambda members: edited(members, table, lambda rows: put(rows, column, value, **where))


BETTER: list[tuple[str, Callable[[Members], Members], str]] = [
    ("no broken glass", without("exceptions.csv", "exceptions", exception="break_glass"), "exceptions"),
    ("no call let through", without("exceptions.csv", "exceptions", exception="let_through"), "exceptions"),
    ("no lost call", without("exceptions.csv", "exceptions", exception="indeterminate"), "exceptions"),
    (
        "no attempt on one's own request",
        without("exceptions.csv", "exceptions", exception="refused_attempt"),
        "exceptions",
    ),
    ("no request without an answer", without("exceptions.csv", "exceptions", exception="unanswered"), "exceptions"),
    ("an exception of a record that is not there", instead("exceptions.csv", "seq", "999999"), "exceptions"),
    ("a failure that was none", instead("population.csv", "outcome", "executed", outcome="failed"), "row says"),
    (
        "a lost call that came back",
        instead("population.csv", "outcome", "executed", outcome="indeterminate"),
        "row says",
    ),
    ("a lower risk", instead("population.csv", "risk_level", "low", risk_level="high"), "row says"),
    ("fewer identifiers", instead("population.csv", "identifiers", "", effect="deny"), "row says"),
    ("nothing in clear", instead("population.csv", "released", "", tool="find_patient"), "row says"),
    ("another tool", instead("population.csv", "tool", "search_papers", tool="send_letter"), "row says"),
    ("another person", instead("population.csv", "actor", "local:general:zoe"), "row says"),
    ("an enforcing policy", instead("population.csv", "would", "", would="deny"), "row says"),
    ("an identifier less", without("phi.csv", ""), "identifiers"),
    ("a smaller count", instead("phi.csv", "count", "0"), "identifiers"),
    ("an approval less", without("approvals.csv", "approvals"), "approvals"),
    (
        "an answer by somebody else",
        instead("approvals.csv", "answers", "rena approve 2026-06-01", outcome="executed"),
        "answers",
    ),
    (
        "a review more",
        lambda m: {
            **m,
            "reviews.csv": m["reviews.csv"] + m["reviews.csv"].split(b"\r\n")[1].replace(b",", b",x", 1) + b"\r\n",
        },
        "",
    ),
    ("a review less", without("reviews.csv", "reviews"), "reviews"),
    ("a larger population by the manifest's word", lambda m: total(m, calls=10**6), "totals"),
    ("samples of another seed", lambda m: m, "your seed"),
]


@pytest.mark.parametrize(("what", "change", "said"), BETTER, ids=[b[0] for b in BETTER])
def test_evidence_is_not_made_better_by_whoever_signs_it(
    tmp_path: Path, hospital: Hospital, pack: Pack, what: str, change: Callable[[Members], Members], said: str
) -> None:
    seed = "mine" if said == "your seed" else "auditor"
    report = checked(tmp_path, hospital, change(dict(pack.members)), seed=seed)
    assert report.exit_code == 1
    assert any(said in fault for fault in report.faults), report.faults


def test_a_good_pack_holds_and_says_which_seed_drew_its_samples(tmp_path: Path, hospital: Hospital, pack: Pack) -> None:
    report = checked(tmp_path, hospital, dict(pack.members), seed="auditor")
    assert (report.exit_code, report.faults, report.gaps) == (0, [], [])
    assert any("'auditor'" in line and "4" in line for line in report.holds)


def test_a_pack_without_samples_does_not_pass_for_one_that_has_them(tmp_path: Path, hospital: Hospital) -> None:
    bare = packed(hospital, period_of(hospital, JUNE, JULY), sampling=None)
    assert checked(tmp_path, hospital, dict(bare.members), seed="auditor").exit_code == 1


def test_an_anchor_that_says_nothing_of_what_is_shown_is_no_anchor(
    tmp_path: Path, hospital: Hospital, pack: Pack
) -> None:
    mark = tmp_path / "marks.txt"
    log = json.loads(pack.members["integrity/logs.json"])[0]
    keys = [hospital.audit.public_key.line]
    path = written(tmp_path, pack.members)
    for line in (f"{log['log']} {10**9} {'ab' * 32}\n", ""):  # later than what is shown; nothing at all
        mark.write_text(line)
        report = verify.verify(str(path), keys, [str(mark)])
        assert report.exit_code == 2, line
        assert any("none of your anchors" in gap for gap in report.gaps)


def test_a_pack_of_an_attackers_own_key_is_not_believed_for_bringing_the_key(
    tmp_path: Path, hospital: Hospital, pack: Pack
) -> None:
    own = NoteSigner(SecretKey.generate(Purpose.AUDIT))
    members = {**pack.members, "integrity/keys.txt": f"{own.public_key.line}\n".encode()}
    sealed = resealed(members, own)
    path = written(tmp_path, sealed)
    assert verify.verify(str(path), [hospital.audit.public_key.line]).exit_code == 1
    alone = verify.verify(str(path))
    assert alone.exit_code in (1, 2)
    assert any("taken from the pack itself" in gap for gap in alone.gaps)


def test_a_zip_that_unpacks_to_more_than_any_pack_is_not_unpacked(tmp_path: Path, pack: Pack) -> None:
    members = {**pack.members, **{f"integrity/records-{n:04d}.jsonl": bytes(25_000_000) for n in range(9, 17)}}
    path = written(tmp_path, members, zipfile.ZIP_DEFLATED)
    with pytest.raises(verify.Unreadable, match="larger than any pack"):
        verify.verify(str(path))


NAMES = [
    "../../etc/cron.d/x",
    "/etc/passwd",
    "C:\\x",
    "a\\..\\b",
    "a//b",
    "a/./b",
    "\u202efdp.exe",
    "a\nb",
    ".hidden",
    "x/.y",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_member_that_leads_out_of_its_folder_is_said(
    tmp_path: Path, hospital: Hospital, pack: Pack, name: str
) -> None:
    report = checked(tmp_path, hospital, {**pack.members, name: b"x"})
    assert report.exit_code == 1
    assert any("do not unpack" in fault for fault in report.faults)


FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(1)", "|x", "%x", "\uff1d1"]
LEADS = ["", " ", "\t", "\u00a0", "\u200b", "\u2060", "\u00ad", "\u202e", "\u3000", "\x00", "\x1b", "\x7f", "\ufeff"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula_whatever_stands_before_it(formula: str) -> None:
    for lead in LEADS:
        assert cell(lead + formula).startswith("'"), repr(lead)


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_part_of_a_cell_is_a_formula_where_semicolons_or_tabs_end_cells(formula: str) -> None:
    for end in (";", "; ", "\t", "\r\n", ";\u200b", ";;", "; \t"):
        shown = cell(f"chen approve{end}{formula}")
        tail = shown[len("chen approve") :].lstrip("".join(LEADS) + ";\r\n")
        assert tail.startswith("'"), (end, shown)
    assert cell(["a", formula]) == f"a; '{formula}"


def shortened(members: Members, *, begins: int, ends: int) -> Members:
    """The same log with fewer of its records shown: those left out stand there as leaf hashes, so every root is right."""
    (log,) = json.loads(members["integrity/logs.json"])
    lines = members["integrity/records-0001.jsonl"].split(b"\n")[:-1]
    leaves = [hashlib.sha256(b"\x00" + line).hexdigest() for line in lines]
    kept = lines[begins : len(lines) - ends]
    hidden = leaves[len(lines) - ends :] if ends else []
    peaks, at = [], 0
    while at < begins:
        step = 1 << ((begins - at).bit_length() - 1)
        peaks.append(root(leaves[at : at + step]))
        at += step
    log |= {"start": begins, "end": begins + len(kept), "after": [*hidden, *log["after"]], "peaks": peaks}
    log["prev"] = leaves[begins - 1] if begins else log["prev"]
    ahead = lines[begins - 1].decode() if begins else log["next_to"][0]
    behind = lines[len(lines) - ends].decode() if ends else log["next_to"][1]
    log["next_to"] = [ahead, behind]
    calls = {json.loads(line)["call"] for line in kept}
    told = {json.loads(line)["call"] for line in lines} - calls
    fewer = {**members, "integrity/logs.json": json.dumps([log]).encode()}
    fewer["integrity/records-0001.jsonl"] = b"".join(line + b"\n" for line in kept)
    fewer["integrity/consistency.json"] = b"[]"
    for table in ("population.csv", "phi.csv", "approvals.csv", "exceptions.csv"):
        fewer = edited(fewer, table, lambda rows: [rows.remove(row) for row in list(rows) if row["call"] in told])
    return fewer


@pytest.mark.parametrize(("begins", "ends"), [(0, 6), (6, 0), (5, 5)], ids=["the end", "the beginning", "both"])
def test_records_of_the_period_are_not_left_out_at_its_edges(
    tmp_path: Path, hospital: Hospital, begins: int, ends: int
) -> None:
    """Got through: every hash and root is right, and the calls are in no table."""
    whole = packed(hospital, period_of(hospital, JUNE, JULY), sampling=None)
    report = checked(tmp_path, hospital, shortened(dict(whole.members), begins=begins, ends=ends))
    assert any("is not of the period" in fault for fault in report.faults), report.faults
    assert not any("its tree has its root" in fault or "without a gap" in fault for fault in report.faults)
