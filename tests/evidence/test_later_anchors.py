"""An anchor that is newer than a pack says nothing of it; one that knew more while the period lasted shows that it was cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.forge import resealed
from journal.insiders import SIGNER, Place
from journal.lives import allowed
from toolguard.evidence import build_pack, verify
from toolguard.evidence.zipped import zip_bytes
from toolguard.journal import FileAnchor, read_anchor
from toolguard.population import Population, read_period
from toolguard.stores.sqlite import SqliteStore

KEYS = [SIGNER.public_key.line]
MINUTE, HOUR = 60.0, 3600.0
Members = dict[str, bytes]


class Month(Place):
    """Calls under checkpoints, and a pack of everything until now."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.since = self.clock.now() - 1.0
        self.live("one")
        self.tick()
        self.tick()  # the registry, too, is signed as it stands at the end
        self.clock.advance(MINUTE)
        self.until = self.clock.now()
        self.members = self.export()

    def export(self) -> Members:
        store = SqliteStore(self.path, read_only=True)
        try:
            period = read_period(store, since=self.since, until=self.until)
            return build_pack(Population(period), SIGNER, anchors=read_anchor(self.anchor_path).notes).members
        finally:
            store.close()

    def goes_on(self, after: float) -> None:
        """The guard makes another call, and a new process begins."""
        self.clock.advance(after)
        allowed(self.guard, "afterwards")
        another = SqliteStore(self.path, self.clock)
        allowed(another, "of-a-new-process")
        another.close()
        self.clock.advance(MINUTE)
        self.tick()

    def check(self, members: Members | None = None, anchor: Path | None = None) -> verify.Report:
        path = self.folder / "pack.zip"
        path.write_bytes(zip_bytes(members or self.members))
        return verify.verify(str(path), KEYS, [str(anchor or self.anchor_path)])


@pytest.fixture
def month(tmp_path: Path) -> Iterator[Month]:
    month = Month(tmp_path)
    yield month
    month.close()


def test_the_anchor_as_it_stood_then_holds(month: Month) -> None:
    assert (month.check().exit_code, month.check().says[:-1]) == (0, [])


def test_an_anchor_that_went_on_long_after_is_not_held_against_the_pack(month: Month) -> None:
    month.goes_on(after=2 * HOUR)
    report = month.check()
    assert (report.exit_code, report.faults, report.gaps) == (0, [], [])
    assert any("3 logs grew or began later" in said for said in report.says), report.says


def test_what_grew_right_after_the_period_is_to_be_exported_again(month: Month) -> None:
    """A checkpoint is made up to a minute after the record: who cut the last ones would have such an anchor, too."""
    month.goes_on(after=MINUTE)
    report = month.check()
    assert (report.exit_code, report.faults) == (2, [])
    assert any("have the period exported again" in gap for gap in report.gaps), report.gaps
    again = month.check(month.export())
    assert (again.exit_code, again.faults) == (2, [])
    (gap,) = again.gaps
    assert "have a period exported that ends later" in gap, (
        "a log that began right after the end is in no registry of then"
    )
    month.until = month.clock.now() + 1.0
    later = month.check(month.export())
    assert (later.exit_code, later.faults, later.gaps) == (0, [], [])


def test_a_log_that_began_well_after_the_period_is_none_of_it(month: Month) -> None:
    month.goes_on(after=5 * MINUTE)
    again = month.check(month.export())
    assert (again.exit_code, again.faults, again.gaps) == (0, [], [])


def without_times(month: Month, keep: int = 0) -> Path:
    """The anchor as an older toolguard wrote it; its first ``keep`` lines as they are."""
    path = month.folder / "old.anchor"
    lines = month.anchor_path.read_text("utf-8").splitlines()
    path.write_text("".join(line + "\n" for line in lines[:keep]), "utf-8")
    old = FileAnchor(path)
    for line in lines[keep:]:
        old.publish(json.loads(line)["note"])
    stripped, prev = [], "0" * 64
    for n, line in enumerate(path.read_text("utf-8").splitlines()):
        if n < keep:
            stripped.append(line)
        else:
            entry = {key: value for key, value in json.loads(line).items() if key != "at"}
            stripped.append(json.dumps({**entry, "prev": prev}, ensure_ascii=False))
        prev = verify.sha(stripped[-1].encode()).hex()
    path.write_text("".join(line + "\n" for line in stripped), "utf-8")
    return path


def test_an_anchor_without_times_leaves_it_open(month: Month) -> None:
    month.goes_on(after=2 * HOUR)
    report = month.check(anchor=without_times(month))
    assert (report.exit_code, report.faults) == (2, [])
    assert any("at a time that nothing tells" in gap for gap in report.gaps)


def cut(members: Members, log_id: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Members:
    """The logs of a pack as an insider with the audit key shows them."""
    logs = [log if log["log"] != log_id else change(log) for log in json.loads(members["integrity/logs.json"])]
    return resealed({**members, "integrity/logs.json": json.dumps([log for log in logs if log]).encode()}, SIGNER)


def _dropped(month: Month) -> Members:
    """The guard's log and its place in the registry are gone."""
    log_id = month.guard.logs()[0]
    registry = json.loads(month.members["integrity/registry.json"])
    at = registry["logs"].index(log_id)
    for name in ("logs", "leaves"):
        del registry[name][at]
    members = {**month.members, "integrity/registry.json": json.dumps(registry).encode()}
    records = members["integrity/records-0001.jsonl"].split(b"\n")
    members["integrity/records-0001.jsonl"] = b"\n".join(r for r in records if f'"log":"{log_id}"'.encode() not in r)
    return cut(members, log_id, lambda _: None)


def test_t21_a_log_that_is_denied_is_caught_by_an_anchor_of_the_period_however_much_it_holds_besides(
    month: Month,
) -> None:
    dropped = _dropped(month)
    assert any("is not in the registry of logs" in fault for fault in month.check(dropped).faults)
    month.goes_on(after=2 * HOUR)
    assert any("is not in the registry of logs" in fault for fault in month.check(dropped).faults)


def test_t21_a_log_that_is_cut_is_caught_by_what_was_anchored_while_the_period_lasted(month: Month) -> None:
    """Also where the pack is of a longer period: what counts is when the anchor was written."""
    before = month.export()
    month.clock.advance(MINUTE)
    allowed(month.guard, "cut-off")
    month.tick()
    month.until = month.clock.now() + 1.0
    manifest = json.loads(before["manifest.json"])
    manifest["range"]["until"] = month.until  # as if nothing had happened since
    lying = resealed({**before, "manifest.json": json.dumps(manifest).encode()}, SIGNER)
    report = month.check(lying)
    assert any("it ends before" in fault for fault in report.faults), report.faults


def test_what_the_records_say_of_an_anchor_dates_its_lines(month: Month) -> None:
    """An older toolguard's anchor has no times, but checkpoints say how far each anchor had come when they were made."""
    month.clock.advance(MINUTE)
    allowed(month.guard, "more")
    month.tick()
    month.clock.advance(MINUTE)
    month.until = month.clock.now()
    members = month.export()
    heads = [
        head
        for line in members["integrity/records-0001.jsonl"].split(b"\n")
        if line
        for head in json.loads(line)["body"].get("toolguard.audit.anchored", ())
    ]
    assert heads
    known = verify.anchor_heads({"x": members["integrity/records-0001.jsonl"].strip().split(b"\n")})
    assert set(known) == set(heads)
    assert max(known.values()) < month.until
    month.members = members
    report = month.check(_dropped(month), without_times(month))
    assert any("is not in the registry of logs" in fault for fault in report.faults), report.faults


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("1970-01-01", 86400.0),
        ("1970-01-01T00:01", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:01Z", 1.0),
    ],
)
def test_a_mark_can_say_when_it_came(day: str, end: float) -> None:
    assert verify.end_of(day) == end


@pytest.mark.parametrize(
    "line", ["log 1", "log x " + "0" * 64, "log 1 " + "0" * 63, "log 1 " + "0" * 64 + " tomorrow", "l 1 r 2 3"]
)
def test_a_mark_that_is_none_is_said(month: Month, tmp_path: Path, line: str) -> None:
    path = tmp_path / "marks.txt"
    path.write_text(line + "\n")
    with pytest.raises(verify.Unreadable):
        month.check(anchor=path)
