"""When checkpoints are made, what they are made of, and what stops one."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.insiders import NOTE, SIGNER, VERIFIER, Place, codes
from journal.lives import allowed
from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.checkpoint import log_of
from toolguard._core.tree import root
from toolguard.errors import StoreError, TamperedError
from toolguard.journal import Checkpointer, FileAnchor, Keeper, read_anchor, verify
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractClock


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def made(place: Place) -> list[AuditRecord]:
    return list(place.service.operations(Kind.AUDIT_CHECKPOINT))


def test_a_log_that_grew_gets_a_checkpoint_of_exactly_what_is_in_it(place: Place) -> None:
    place.live("one")
    notes = [VERIFIER.checkpoint(note) for note in place.tick()]
    (guards, registry, cover) = notes
    hashes = [r.hash for r in place.guard.records() if r.draft.kind is not Kind.AUDIT_CHECKPOINT]
    log_id = place.guard.logs()[0]
    assert log_of(guards.origin) == (place.guard.epoch, log_id)
    assert (guards.size, guards.root) == (9, root(hashes[:9]))
    assert (log_of(registry.origin)[1], registry.size, registry.root) == ("", 1, root(hashes[:1]))
    own = [r for r in place.service.records() if r.log_id == log_of(cover.origin)[1]]
    assert (cover.size, cover.root) == (3, root([r.hash for r in own]))
    assert place.checkpointer.stamp == cover.stamp


def test_checkpoints_are_records_that_say_no_more_than_they_should(place: Place) -> None:
    place.live("one")
    notes = place.tick()
    assert [record.draft.body[NOTE] for record in made(place)] == list(notes[:2])
    assert {key for record in made(place) for key in record.draft.body} == {
        "toolguard.audit.checkpoint.log_id",
        "toolguard.audit.checkpoint.size",
        "toolguard.audit.checkpoint.root",
        "toolguard.audit.checkpoint.note",
    }
    place.live("two")
    place.tick()
    assert made(place)[-1].draft.body["toolguard.audit.anchored"] == [
        entry for entry in read_anchor(place.anchor_path).entries if ":3:" in entry
    ]


def test_one_comes_after_sixty_seconds_or_a_thousand_records_and_none_while_idle(place: Place) -> None:
    tick = place.checkpoints(anchors=[]).tick
    place.live("one")
    assert len(tick()) == 3
    assert tick() == ()
    place.clock.advance(1000.0)
    assert len(tick()) == 2, "its own log is new in the registry"
    place.clock.advance(1000.0)
    assert tick() == (), "nothing grew but by its own records"
    place.live("two")
    assert len(tick()) == 2, "a minute has gone by"
    place.live("three")
    place.clock.advance(59.0)
    assert tick() == ()
    place.clock.advance(1.0)
    assert len(tick()) == 2, "the registry is as it was"
    for n in range(334):
        allowed(place.guard, f"many-{n}")
    assert len(tick()) == 2, "a thousand records"


def test_at_the_end_everything_that_grew_gets_one(place: Place) -> None:
    place.live("one")
    keeper = Keeper(place.checkpoints(every=10_000.0), pause=0.01)
    until = time.monotonic() + 30.0
    while not keeper.stamp and time.monotonic() < until:
        time.sleep(0.01)
    place.live("two")
    keeper.close()
    keeper.close()
    sizes = {log_of(VERIFIER.checkpoint(str(r.draft.body[NOTE])).origin)[1]: r for r in made(place)}
    assert sizes[place.guard.logs()[0]].draft.body["toolguard.audit.checkpoint.size"] == 17
    assert place.verify().exit_code == 0


def test_another_process_goes_on_where_one_ended_reading_hashes_only(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.live("one")
    place.tick()
    place.live("two")
    other = SqliteStore(place.path, place.clock)

    def no(*_: object, **__: object) -> None:
        raise AssertionError("records are not read to make a checkpoint")

    monkeypatch.setattr(SqliteStore, "stored", no)
    monkeypatch.setattr(SqliteStore, "records", no)
    assert len(place.checkpoints(other).tick(final=True)) >= 3
    monkeypatch.undo()
    other.close()
    assert place.verify().exit_code == 0


def test_of_two_services_one_makes_them_at_a_time(place: Place) -> None:
    other = SqliteStore(place.path, place.clock)
    one, two = place.checkpoints(holder="one", anchors=[]), place.checkpoints(other, holder="two", anchors=[])
    place.live("a")
    assert (len(one.tick()), two.tick()) == (3, ())
    place.clock.advance(61.0)
    place.live("b")
    assert len(two.tick()) >= 2
    assert one.tick() == ()
    place.clock.advance(61.0)
    place.live("c")
    assert len(one.tick()) >= 2
    other.close()
    assert place.verify(anchored=False).exit_code == 0


_END = "UPDATE logs SET seq = 4, hash = (SELECT hash FROM records r WHERE r.log_id = logs.log_id AND seq = 4)"


@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM records WHERE log_id = ? AND seq > 4", f"{_END} WHERE log_id = ?"],
        ["UPDATE records SET hash = prev WHERE log_id = ? AND seq = 3"],
        ["UPDATE records SET hash = 'gone' WHERE log_id = ? AND seq = 3"],
        ["DELETE FROM records WHERE log_id = ? AND seq = 3"],
        ["UPDATE records SET seq = seq + 100 WHERE log_id = ? AND seq = 3"],
    ],
)
def test_a_log_that_does_not_go_on_from_its_last_checkpoint_gets_none_and_the_alarm_is_raised(
    place: Place, statements: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    place.live("one")
    place.tick()
    guards, other = place.guard.logs()[0], SqliteStore(place.path, place.clock)
    allowed(other, "plain-other")
    with sqlite3.connect(place.path) as db:
        for statement in statements:
            assert db.execute(statement, (guards,)).rowcount > 0
    db.close()
    allowed(place.guard, "plain-after")
    again, before = SqliteStore(place.path, place.clock), made(place)
    with caplog.at_level(logging.CRITICAL), pytest.raises(TamperedError, match="no checkpoint was made"):
        place.checkpoints(again).tick(final=True)
    assert f"log {guards!r} does not go on from its last checkpoint" in caplog.text
    signed = {r.draft.body["toolguard.audit.checkpoint.log_id"] for r in made(place) if r not in before}
    assert guards not in signed, "nothing was signed of it"
    assert list(other.written())[2] in signed, "the others got theirs"
    again.close()
    other.close()


def test_a_log_that_the_registry_cut_short_gets_no_checkpoint(place: Place) -> None:
    place.live("one")
    place.edit(f"{_END} WHERE log_id = '{place.guard.logs()[0]}'", "UPDATE logs SET hash = first WHERE seq = 4")
    with pytest.raises(TamperedError, match="no checkpoint was made"):
        place.tick()
    assert [record.draft.body["toolguard.audit.checkpoint.log_id"] for record in made(place)] == ["registry"]


def test_a_registry_that_lost_a_log_gets_no_checkpoint(place: Place) -> None:
    place.live("one")
    newest = SqliteStore(place.path, place.clock)
    allowed(newest, "plain-x")
    place.tick()
    newest.close()
    gone = place.guard.logs()[1]
    place.edit(f"DELETE FROM logs WHERE log_id = '{gone}'", f"DELETE FROM records WHERE log_id = '{gone}'")
    again = SqliteStore(place.path, place.clock)
    with pytest.raises(TamperedError, match="'registry'"):
        place.checkpoints(again).tick(final=True)
    again.close()


def test_a_checkpoint_that_could_not_be_written_was_not_made(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.live("one")

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(place.service, "commit", full)
    with pytest.raises(StoreError, match="full"):
        place.tick()
    assert (made(place), read_anchor(place.anchor_path).codes) == ([], ("missing",))
    monkeypatch.undo()
    assert len(place.tick()) == 3


def test_an_anchor_that_cannot_be_reached_gets_everything_later(place: Place, tmp_path: Path) -> None:
    away = tmp_path / "mount"
    tick = place.checkpoints(anchors=[FileAnchor(away / "far.anchor"), place.anchor]).tick
    place.live("one")
    with pytest.raises(StoreError, match="cannot be written"):
        tick()
    assert len(read_anchor(place.anchor_path).notes) == 3, "the other anchor has them"
    away.mkdir()
    place.live("two")
    tick()
    assert len(read_anchor(away / "far.anchor").notes) == 3
    assert len(read_anchor(place.anchor_path).notes) == 3


def test_what_was_killed_between_the_journal_and_the_anchor_reaches_it_at_the_next_start(place: Place) -> None:
    place.live("one")
    place.checkpoints(anchors=[]).tick()  # as if it had died right after the commit
    assert place.verify().exit_code == 2
    allowed(place.guard, "plain-after")
    place.clock.advance(61.0)
    place.checkpoints().tick()
    found = place.verify()
    assert (found.exit_code, codes(found)) == (0, set())
    sizes = [VERIFIER.checkpoint(note).size for note in read_anchor(place.anchor_path).notes]
    assert {2, 12} <= set(sizes), "the newest of each log, which stands for those before"


def test_an_anchor_that_was_cut_while_the_service_runs_takes_no_more(place: Place) -> None:
    place.live("one")
    place.tick()
    place.anchor_path.write_bytes(place.anchor_path.read_bytes()[:100])
    place.live("two")
    with pytest.raises(TamperedError, match="shorter than it was"):
        place.tick()


def test_a_half_line_at_an_anchors_end_is_passed_over(place: Place) -> None:
    place.live("one")
    place.tick()
    whole = read_anchor(place.anchor_path).notes
    for torn in (b'{"n": 4, "prev": "ab', b"\x00\x00", b"{}"):
        with place.anchor_path.open("ab") as file:
            file.write(torn)
        FileAnchor(place.anchor_path).publish(whole[0])
        copy = read_anchor(place.anchor_path)
        assert copy.codes == ()
    assert len(copy.notes) == len(whole) + 3
    lines = place.anchor_path.read_bytes()
    place.anchor_path.write_bytes(lines[:-1])  # all of the line but its end
    FileAnchor(place.anchor_path).publish(whole[0])
    assert (read_anchor(place.anchor_path).codes, len(read_anchor(place.anchor_path).notes)) == ((), len(whole) + 4)


def test_processes_share_an_anchor(place: Place) -> None:
    place.live("one")
    place.tick()
    one, two = FileAnchor(place.anchor_path), FileAnchor(place.anchor_path)
    for n in range(6):
        (one, two)[n % 2].publish("x")
    copy = read_anchor(place.anchor_path)
    assert (copy.codes, len(copy.entries)) == ((), 9)
    assert two.head == copy.entries[-1]
    assert one.head == copy.entries[-2]


def test_an_anchor_is_its_owners_alone_and_never_a_link(place: Place, tmp_path: Path) -> None:
    place.live("one")
    place.tick()
    assert place.anchor_path.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link.anchor"
    link.symlink_to(tmp_path / "target")
    with pytest.raises(StoreError, match="cannot be written"):
        FileAnchor(link).publish("x")
    assert not (tmp_path / "target").exists()


def test_time_set_back_makes_no_checkpoint_go_back(place: Place) -> None:
    place.live("one")
    place.tick()
    place.clock.wall -= 5000.0
    place.live("two")
    place.tick()
    times = [record.draft.at for record in made(place)]
    assert times == sorted(times)
    assert place.verify().exit_code == 0


def test_a_fork_writes_a_log_of_its_own_and_both_get_checkpoints(place: Place) -> None:
    place.live("one")
    child = os.fork()
    if child == 0:
        try:
            allowed(place.guard, "plain-child")
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    place.live("two")
    place.tick()
    found = place.verify()
    assert (found.exit_code, len(found.logs)) == (0, 3)


def test_since_a_checkpoint_only_what_is_newer_is_read(place: Place) -> None:
    place.live("one")
    since = [VERIFIER.checkpoint(note) for note in place.tick()]
    place.live("two")
    place.tick()
    found = place.verify(since=since)
    assert found.exit_code == 0
    assert [(log.after, log.records) for log in found.logs] == [(9, 8), (3, 2)]
    place.edit("UPDATE records SET call = 'x' WHERE call = 'plain-two' AND kind = 'call.decided'")
    assert codes(place.verify(since=since)) == {"hash"}


def test_since_a_checkpoint_what_is_older_is_held_against_its_root(place: Place) -> None:
    place.live("one")
    since = [VERIFIER.checkpoint(note) for note in place.tick()]
    place.live("two")
    place.close()
    place.rewrite(lambda draft: None if draft.call == "plain-one" else draft)
    assert "anchor" in codes(place.verify(anchored=False, since=since))


def test_progress_is_told_to_the_end(place: Place) -> None:
    place.live("one", "two")
    told: list[tuple[int, int]] = []
    found = verify(place.guard, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (found.records, found.records)


def test_the_memory_store_gets_checkpoints_too() -> None:
    clock = ContractClock()
    store = MemoryStore(clock)
    allowed(store, "plain")
    checkpointer = Checkpointer(store, SIGNER, VERIFIER, monotonic=clock.monotonic)
    assert len(checkpointer.tick()) == 3
    found = verify(store, verifier=VERIFIER)
    assert (found.exit_code, found.checkpoints) == (0, 2)
