"""Records leave the store once segments have them and nothing has to do with them; store and segments read as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit_keep.shelf import DAY, LATER, Shelf
from journal.insiders import SIGNER, VERIFIER, codes
from journal.lives import allowed, asked, decided, executed, executing, read
from toolguard._core.audit import Draft, Kind
from toolguard._core.pruning import begin_of
from toolguard._core.steps import Change, Prune
from toolguard.errors import StoreError, TamperedError
from toolguard.evidence import build_pack
from toolguard.journal import joined, mend_of, prune, recover, timeline
from toolguard.population import Population, read_period
from toolguard.population.evidence import KINDS
from toolguard.ports import Store
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry.delivery import backlog
from toolguard.testing.store_contract import START


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.close()


def test_old_records_leave_the_store_and_the_segments_have_every_one(shelf: Shelf) -> None:
    before = set(shelf.payloads(shelf.service))
    report = shelf.shelve()
    left = set(shelf.payloads(shelf.service))
    assert report.records == len(before - left) > 10
    assert before <= set(shelf.payloads(joined(shelf.service, shelf.folder)))
    assert shelf.exit() == 0


def test_without_segments_verify_says_what_it_did_not_see(shelf: Shelf) -> None:
    report = shelf.shelve()
    found = shelf.verify()
    assert (found.exit_code, found.tampered, found.unseen, codes(found)) == (2, False, report.records, {"pruned"})
    assert not found.states
    assert not found.acts


def test_with_segments_everything_is_read_again(shelf: Shelf) -> None:
    whole = shelf.verify()
    report = shelf.shelve()
    found = shelf.whole()
    assert (found.exit_code, found.unseen) == (0, 0)
    assert found.approvals == whole.approvals
    assert found.records > whole.records
    assert sum(log.pruned for log in found.logs) == report.records


def test_a_dry_run_says_the_same_and_does_nothing(shelf: Shelf) -> None:
    shelf.archive()
    before = shelf.payloads(shelf.service)
    said = shelf.prune(dry_run=True)
    assert shelf.payloads(shelf.service) == before
    assert shelf.prune().records == said.records > 0


def test_a_second_run_finds_nothing_more(shelf: Shelf) -> None:
    shelf.shelve()
    assert shelf.prune().records == 0
    assert shelf.exit() == 0


def test_nothing_that_stands_in_no_segment_goes(shelf: Shelf) -> None:
    report = shelf.prune()
    assert report.records == 0
    assert {log.why for log in report.logs} == {"not_archived"}


def test_a_logs_newest_record_stays_however_old(shelf: Shelf) -> None:
    shelf.archive(before=LATER + 1e9)
    shelf.prune(before=LATER + 1e9)
    assert all(rows for rows in shelf.rows().values())
    assert {log.log_id for log in shelf.whole().logs} == set(shelf.rows())
    assert shelf.exit() == 0


def test_a_call_that_lives_across_the_border_stays_whole(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, old=("one",), new=())
    waiting = asked(shelf.guard, "slow")
    shelf.tick()
    allowed(shelf.guard, "after")
    shelf.tick()
    shelf.clock.advance(1.0)
    shelf.archive(before=LATER + 1e9)
    report = shelf.prune(before=LATER + 1e9)
    log = next(log for log in report.logs if log.log_id == shelf.guards_log)
    assert (log.why, log.what) == ("open", waiting.request.call)
    assert len(timeline(shelf.service, waiting.request.call)) == 2
    executed(shelf.guard, executing(shelf.guard, decided(shelf.guard, waiting)))
    assert shelf.exit() == 0
    shelf.close()


def test_an_execution_without_an_end_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, old=("one",), new=())
    allowed(shelf.guard, "running", ended=False)
    allowed(shelf.guard, "after")
    shelf.tick()
    shelf.archive(before=LATER + 1e9)
    log = next(log for log in shelf.prune(before=LATER + 1e9).logs if log.log_id == shelf.guards_log)
    assert (log.why, log.what) == ("open", "running")
    assert len(timeline(shelf.service, "running")) == 2
    shelf.close()


def test_a_call_that_nobody_resolved_is_named_with_what_ends_it(tmp_path: Path) -> None:
    """One old call keeps everything newer of its log: that is said, and it ends when somebody says what became of it."""
    shelf = Shelf(tmp_path, old=(), new=())
    lost = executing(shelf.guard, decided(shelf.guard, asked(shelf.guard, "lost")))
    shelf.clock.advance(3600.0)
    recover(shelf.service)
    shelf.live("after", "more")
    shelf.tick()
    shelf.archive(before=LATER + 1e9)
    report = shelf.prune(before=LATER + 1e9)
    (call,) = report.unfinished
    assert (call.call, call.state, call.approval) == (lost.request.call, "indeterminate", lost.id)
    assert f"approvals resolve {lost.id}" in mend_of(call)
    log = next(log for log in report.logs if log.log_id == shelf.guards_log)
    assert (log.why, log.what, log.count) == ("open", lost.request.call, 1), "its opening record alone may go"
    assert report.held >= log.held > 5
    executed(shelf.service, read(shelf.service, lost.id))  # as somebody says who found out
    shelf.tick()
    shelf.archive(before=LATER + 2e9)
    after = shelf.prune(before=LATER + 2e9)
    assert (after.unfinished, after.held) == ((), 0)
    assert after.records >= report.held
    assert shelf.exit() == 0
    shelf.close()


def test_who_was_not_waited_for_is_on_record_and_signed(shelf: Shelf) -> None:
    log = shelf.guards_log
    shelf.service.advance("otlp:jaeger", log, 5)
    shelf.service.advance("otlp:fast", log, 10_000)
    shelf.archive()
    report = shelf.prune(without=["otlp:jaeger", "otlp:fast", "otlp:unheard-of"])
    assert {p.log_id: p.without for p in report.logs if p.count}[log] == ("otlp:jaeger",), "the others missed nothing"
    record = next(
        r for r in shelf.service.operations(Kind.AUDIT_PRUNED) if r.draft.body["toolguard.prune.log_id"] == log
    )
    begin = begin_of(record.draft.body)
    assert begin is not None
    assert begin.without == ("otlp:jaeger",)
    signed = VERIFIER.checkpoint(begin.note)
    assert signed == begin.checkpoint(shelf.service.epoch)
    assert signed != replace(begin, without=()).checkpoint(shelf.service.epoch)
    assert signed != replace(begin, without=("otlp:other",)).checkpoint(shelf.service.epoch)
    assert shelf.exit() == 0
    now = shelf.clock.now()
    found = Population(read_period(joined(shelf.service, shelf.folder), since=0.0, until=now + 1.0)).exceptions
    assert [(e.code, e.subject, e.reason) for e in found if e.subject == log] == [
        ("receiver_left_out", log, "otlp:jaeger")
    ]


def test_what_a_receiver_has_not_got_stays_unless_it_is_not_waited_for(shelf: Shelf) -> None:
    log = shelf.guards_log
    shelf.service.advance("otlp:jaeger", log, 5)
    shelf.archive()
    held = {p.log_id: p for p in shelf.prune().logs}
    assert (held[log].last, held[log].why, held[log].what) == (3, "sink", "otlp:jaeger") or held[log].last <= 5
    assert shelf.prune(without=["otlp:jaeger"]).records > 0
    assert shelf.exit() == 0


def test_checkpoints_go_on_from_where_a_log_begins(shelf: Shelf) -> None:
    shelf.shelve()
    shelf.live("next")
    fresh = shelf.checkpoints()
    assert fresh.tick(final=True)
    assert shelf.exit() == 0
    assert shelf.verify().exit_code == 2
    assert not shelf.verify().tampered


def test_where_a_log_begins_stands_for_older_checkpoints(tmp_path: Path) -> None:
    """Its newest checkpoint before that stood in an anchor alone, which nobody consults."""
    shelf = Shelf(tmp_path, new=())
    log_id = shelf.service.logs()[0]
    shelf.archive(before=LATER + 1e9)
    shelf.prune(before=LATER + 1e9, signer=SIGNER)
    shelf.live("next")
    for _ in range(3):
        shelf.clock.advance(DAY)
        assert shelf.checkpoints(anchors=[]).tick(final=True)
        shelf.archive(before=LATER + 1e9)
        shelf.prune(before=LATER + 1e9)
    assert shelf.rows()[log_id][0] > 1
    assert shelf.whole().exit_code == 0
    shelf.close()


def test_a_later_pruning_goes_on_after_an_earlier_one(shelf: Shelf) -> None:
    shelf.shelve()
    shelf.live("next")
    shelf.checkpoints().tick(final=True)
    shelf.clock.advance(100 * DAY)
    shelf.live("last")
    shelf.checkpoints().tick(final=True)
    again = START + 150 * DAY
    shelf.archive(before=again)
    report = shelf.prune(before=again)
    assert report.records > 5
    assert shelf.exit() == 0
    assert all(log.first > 1 for log in report.logs if log.log_id == shelf.guards_log)


def test_what_only_old_records_knew_is_written_down_once_more(tmp_path: Path) -> None:
    """A dead log's newest checkpoint stood in a record that goes; the one that follows holds it all the same."""
    shelf = Shelf(tmp_path, new=())
    shelf.service.close()
    shelf.service = SqliteStore(shelf.path, shelf.clock)
    shelf.live("later")
    shelf.checkpoints(shelf.service).tick(final=True)
    shelf.shelve()
    found = shelf.verify()
    assert not found.tampered
    sizes = {
        c.body["toolguard.audit.checkpoint.log_id"]
        for c in (r.draft for r in shelf.service.operations(Kind.AUDIT_CHECKPOINT))
    }
    assert set(shelf.rows()) - {shelf.service.logs()[-1]} <= sizes
    assert shelf.exit() == 0
    shelf.close()


def test_a_period_has_the_same_pack_before_and_after(shelf: Shelf) -> None:
    def pack(store: SqliteStore | None = None) -> bytes:
        source = joined(shelf.service, shelf.folder) if store is None else store
        period = read_period(source, since=START - 1.0, until=START + DAY)
        return build_pack(Population(period), SIGNER, anchors=shelf.notes).bytes

    before = pack(shelf.service)
    shelf.shelve()
    assert pack() == pack() == before


def test_a_period_after_the_beginning_needs_no_segments(shelf: Shelf) -> None:
    def shown(store: Store) -> Population:
        period = read_period(store, since=LATER, until=LATER + 51 * DAY)
        assert not period.unseen
        return Population(period)

    def pack(store: Store) -> dict[str, bytes]:
        return build_pack(shown(store), SIGNER, anchors=shelf.notes).members

    shelf.shelve()
    with_them, without = pack(joined(shelf.service, shelf.folder)), pack(shelf.service)
    differ = {name for name in with_them if with_them[name] != without.get(name)}
    # how far back records are kept is counted from what was read
    assert differ <= {"control-matrix.html", "oscal/assessment-results.json", "manifest.json", "manifest.note"}
    assert (
        KINDS["kept"].count(shown(joined(shelf.service, shelf.folder))),
        KINDS["kept"].count(shown(shelf.service)),
    ) == (
        101,
        51,
    )


def test_a_period_that_reaches_before_the_beginning_says_so(shelf: Shelf) -> None:
    shelf.shelve()
    period = read_period(shelf.service, since=START - 1.0, until=LATER + 51 * DAY)
    assert shelf.guards_log in period.unseen
    assert not read_period(joined(shelf.service, shelf.folder), since=START - 1.0, until=LATER).unseen


def test_a_calls_story_comes_from_wherever_it_stands(shelf: Shelf) -> None:
    before = [r.hash for r in timeline(shelf.service, "plain-one")]
    shelf.shelve()
    assert [r.hash for r in timeline(joined(shelf.service, shelf.folder), "plain-one")] == before != []
    assert timeline(shelf.service, "plain-one") == ()


def test_a_receiver_that_comes_later_is_told_of_what_is_there(shelf: Shelf) -> None:
    shelf.shelve()
    left = sum(len(rows) for rows in shelf.rows().values())
    assert backlog(shelf.service, "otlp:new").records == left


def test_many_records_go_in_small_transactions(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, old=(), new=())
    for n in range(60):
        shelf.guard.commit(Change(tenant="", records=tuple(_note(shelf, n, i) for i in range(100))))
    shelf.tick()
    shelf.clock.advance(100 * DAY)
    shelf.live("late")
    shelf.tick()
    told: list[tuple[int, int]] = []
    until = START + 150 * DAY
    shelf.archive(before=until)
    report = shelf.prune(before=until, progress=lambda done, total: told.append((done, total)))
    assert report.records > 6000
    assert len(told) > 3
    assert told[-1] == (report.records, report.records)
    assert shelf.exit() == 0
    shelf.close()


def _note(shelf: Shelf, n: int, i: int) -> Draft:
    at = shelf.clock.now()
    return Draft(kind=Kind.POLICY_LOADED, at=at, started=at, span_id="ab" * 8, body={"n": n * 100 + i})


def test_long_logs_are_cut_into_segments_at_checkpoints(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, old=(), new=())
    for n in range(5):
        shelf.live(f"a{n}")
        shelf.tick()
    made = [s for s in shelf.archive(before=LATER + 1e9, most=10) if s.log_id == shelf.guards_log]
    assert len(made) > 2
    assert [s.first for s in made] == [1, *(s.last + 1 for s in made[:-1])]
    shelf.prune(before=LATER + 1e9)
    assert shelf.exit() == 0
    shelf.close()


def test_a_store_in_memory_keeps_the_same_rules() -> None:
    store = MemoryStore()
    allowed(store, "one")
    with pytest.raises(StoreError, match="no record of pruning"):
        store.commit(Change(tenant="", prune=Prune(log_id=store.logs()[0], upto=2)))
    with pytest.raises(StoreError, match="of its own"):
        store.commit(Change(tenant="north", prune=Prune(log_id=store.logs()[0], upto=2)))


def test_a_key_that_is_not_pinned_takes_nothing_out(shelf: Shelf) -> None:
    shelf.archive()
    with pytest.raises(StoreError, match="no folder"):
        prune(shelf.service, shelf.path.parent / "elsewhere", before=LATER, signer=SIGNER, verifier=VERIFIER)
    next(shelf.folder.glob("*.gz")).write_bytes(b"nothing")
    with pytest.raises(TamperedError):
        shelf.prune()
