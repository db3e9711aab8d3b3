"""The benchmark's timing arithmetic, its processes, and how it shows what it could not measure."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

import phi
import phi_peers
import phi_report
from phi_plot import draw
from phi_run import DataSet, FailedError, Measured, Process, pieces_of, run
from phi_score import Tally
from phi_systems import SYSTEMS, _characters
from phi_targets import judge

DOCS = [
    {"text": "Seen by Dr. Anna Smith, MRN: 778123.", "spans": [{"start": 12, "end": 22, "label": "NAME"}, {"start": 29, "end": 35, "label": "MRN"}]},
    {"text": "Continue metformin 500 mg.", "spans": []},
]  # fmt: skip
MACHINE = {"python": "3", "system": "here", "cores": 2, "load": [0.0, 0.0]}


def one_set(name: str = "asq", docs: list[dict[str, Any]] | None = None) -> DataSet:
    return phi.dataset(name, docs or DOCS, None, None, 10_000)


def measured(system: str, cpu: list[float], **more: Any) -> Measured:
    one = Measured(system=system, loads=[(1.0, 2.0)], memory={"base": 10, "now": 20, "peak": 30}, **more)
    one.tallies["asq"] = Tally()
    one.seconds["asq"] = [(seconds, 2 * seconds) for seconds in cpu]
    return one


def test_speed_is_characters_a_second_by_round_over_all_sets() -> None:
    a, b = one_set("a"), one_set("b")
    one = Measured(system="fast", seconds={"a": [(1, 4), (2, 4)], "b": [(3, 4), (2, 12)]})
    chars = 2 * sum(len(doc["text"]) for doc in DOCS)
    assert one.speeds([a, b]) == [chars / 4, chars / 4]
    assert one.speeds([a, b], clock=1) == [chars / 8, chars / 16]


def test_the_ratio_is_taken_round_by_round_so_that_a_loaded_round_spoils_both() -> None:
    ours, vanilla = measured("fast", [1, 10, 1]), measured("presidio", [10, 100, 20])
    result = phi_report.document([ours, vanilla], [one_set()], machine=MACHINE, import_s=0.1, years_ok=False)
    assert result["systems"]["fast"]["prose"]["ratio"] == pytest.approx(10)
    assert result["systems"]["presidio"]["prose"]["ratio"] == pytest.approx(1)
    assert result["systems"]["fast"]["memory_growth"] == 20


def test_p95_is_over_pieces_each_by_its_median_over_rounds() -> None:
    slow_once = [[(1.0, 1.0)] * 100, [(1.0, 1.0)] * 100, [(9.0, 9.0)] * 100]
    assert Measured(system="fast", pieces=slow_once).p95() == 1
    rising = [[(float(at), 0.0) for at in range(1, 101)]]
    assert Measured(system="fast", pieces=rising).p95() == 95
    assert Measured(system="fast").p95() is None


def test_pieces_are_whole_words_of_about_the_size_and_never_of_structured_text() -> None:
    prose = one_set(docs=[{"text": "word " * 200, "spans": []}])
    found = pieces_of([prose, one_set(docs=[{"text": '{"a": "' + "x " * 400 + '"}', "spans": []}])], 150, 50)
    assert found
    assert all(120 <= len(piece) <= 150 and set(piece.split()) == {"word"} for piece in found)


def test_a_set_is_thinned_evenly_and_timed_within_its_limit() -> None:
    docs = [{"text": f"{at:010}", "spans": []} for at in range(100)]
    data = phi.dataset("x", docs, 10, None, 50)
    assert [int(doc["text"]) for doc in data.docs] == list(range(0, 100, 10))
    assert sum(map(len, data.timed)) <= 50
    assert len(phi.dataset("x", docs, None, 200, 50).docs) == 20
    assert phi.dataset("x", docs, None, None, 10_000).docs == docs


def test_offsets_in_bytes_become_offsets_in_characters() -> None:
    text = "é 🙂 Zoë 1"
    at = _characters(text)
    assert [at(len(text[:n].encode())) for n in range(len(text) + 1)] == list(range(len(text) + 1))


def test_a_real_system_runs_in_a_process_of_its_own_and_is_scored() -> None:
    said: list[str] = []
    (one,) = run(
        ["rules"], [one_set()], rounds=2, loads=1, pieces=["Call Anna Smith."], years_ok=False, patience=120, say=said.append
    )  # fmt: skip
    assert one.failed is None, said
    assert one.tallies["asq"].rates()["recall"] == 1
    assert one.tallies["asq"].touched == 0
    assert len(one.seconds["asq"]) == len(one.pieces) == 2
    assert min(one.speeds([one_set()])) > 0
    assert 0 < one.memory["base"] < one.memory["peak"]


def test_a_peer_that_is_not_there_is_shown_as_not_measured_and_does_not_stop_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(phi_peers, "HOME", tmp_path)
    (tmp_path / "cpex.failed").write_text("no wheel for this platform")
    said: list[str] = []
    rows = run(
        ["datafog", "cpex"], [one_set()], rounds=1, loads=1, pieces=[], years_ok=False, patience=5, say=said.append
    )
    assert [row.failed for row in rows] == [
        "not installed: run make bench-phi",
        "could not be installed: no wheel for this platform",
    ]
    result = phi_report.document(
        [*rows, measured("rules", [1.0])], [one_set()], machine=MACHINE, import_s=0.1, years_ok=False
    )
    phi_report.print_report(result, errors=True)
    shown = capsys.readouterr().out
    assert shown.count("NOT MEASURED") == 4
    assert "no wheel for this platform" in shown


def test_a_system_that_hangs_is_ended() -> None:
    process = Process("rules", max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0, 0.01)
    with pytest.raises(FailedError, match="killed if over"):
        process.ask("load")
    process.close()


def test_a_failure_on_a_text_does_not_repeat_the_text() -> None:
    process = Process("rules", 0, 60)
    with pytest.raises(FailedError) as caught:
        process.ask("find", texts=["Anna Smith"])  # not loaded
    process.close()
    assert "Anna" not in str(caught.value)
    assert "RuntimeError" in str(caught.value)


@pytest.mark.parametrize(("cpu", "met"), [([1.0, 1.0], True), ([2.1, 2.1], False)])
def test_targets_are_judged_by_the_figures(cpu: list[float], met: bool) -> None:
    rows = [measured("fast", cpu), measured("presidio", [20.0, 20.0])]
    for row in rows:
        row.tallies["asq"].add(DOCS[0], [(12, 22, "X")])
    result = phi_report.document(rows, [one_set()], machine=MACHINE, import_s=0.1, years_ok=False)
    targets = {target.what: target for target in judge(result)}
    assert targets["prose, fast: speed"].met is met
    assert not targets["asq: recall"].met  # one of two
    assert targets["asq: precision"].met


def test_the_plot_is_a_picture_with_a_mark_for_each_system_measured() -> None:
    rows = [measured(name, [1.0 + at]) for at, name in enumerate(SYSTEMS)]
    for row in rows:
        row.tallies["asq"].add(DOCS[0], [(12, 22, "X")])
    rows[-1].failed = "gone"
    result = phi_report.document(rows, [one_set()], machine=MACHINE, import_s=0.1, years_ok=False)
    picture = Xml.fromstring(draw(json.loads(json.dumps(result))))
    space = "{http://www.w3.org/2000/svg}"
    assert len(picture.findall(f"{space}circle")) == len(SYSTEMS) - 1
    labels = {text.text for text in picture.findall(f"{space}text")}
    assert {"toolguard, fast", "Presidio as it comes", "DataFog"} <= labels
    assert "cpex-pii-filter (Rust)" not in labels
