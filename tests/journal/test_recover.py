"""After a crash: everything left open gets its end, once, and nothing runs again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.lives import allowed, asked, decided, executed, executing, read
from toolguard._core.approval import State
from toolguard._core.audit import Kind
from toolguard._core.steps import Change, Claim
from toolguard.errors import ConflictError
from toolguard.journal import Recovered, recover, since, tail, timeline, verify
from toolguard.ports import Store
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractClock


@pytest.fixture
def clock() -> ContractClock:
    return ContractClock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ContractClock) -> Iterator[Store]:
    store = MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "store.db", clock)
    yield store
    store.close()


def kinds(store: Store, call: str) -> list[Kind]:
    return [r.draft.kind for r in timeline(store, call)]


def test_an_execution_whose_lease_ran_out_becomes_indeterminate(store: Store, clock: ContractClock) -> None:
    """I9, invariant 6: never retried by itself."""
    running = executing(store, decided(store, asked(store, "a")))
    assert recover(store) == Recovered()
    clock.advance(31.0)
    assert recover(store) == Recovered(indeterminate=1)
    after = read(store, running.id)
    assert after.state is State.INDETERMINATE
    began, end = timeline(store, after.request.call)[-2:]
    assert (began.draft.kind, end.draft.kind) == (Kind.CALL_EXECUTING, Kind.CALL_INDETERMINATE)
    assert end.draft.span_id == began.draft.span_id, "one execution, one span"
    assert end.draft.started == began.draft.started
    assert end.draft.body["toolguard.decision.outcome"] == "indeterminate"
    with pytest.raises(ConflictError):
        executing(store, decided(store, asked(store, "a")))
    assert recover(store) == Recovered()
    assert verify(store).ok


def test_an_allowed_call_without_an_end_becomes_indeterminate_and_is_not_claimed_again(
    store: Store, clock: ContractClock
) -> None:
    allowed(store, "lost", ended=False)
    allowed(store, "done")
    clock.advance(3599.0)
    allowed(store, "young", ended=False)
    assert recover(store) == Recovered()
    clock.advance(1.0)
    assert recover(store) == Recovered(indeterminate=1)
    assert kinds(store, "lost") == [Kind.CALL_DECIDED, Kind.CALL_EXECUTING, Kind.CALL_INDETERMINATE]
    assert recover(store) == Recovered()
    with pytest.raises(ConflictError):
        allowed(store, "lost")
    assert verify(store).running == ("young",)


def test_what_expired_is_made_visible_with_a_record(store: Store, clock: ContractClock) -> None:
    waiting, granted = asked(store, "a"), decided(store, asked(store, "b"))
    finished = executed(store, executing(store, decided(store, asked(store, "c"))))
    clock.advance(10_000.0)
    assert recover(store) == Recovered(expired=2)
    for before in (waiting, granted):
        assert read(store, before.id).state is State.EXPIRED
        end = timeline(store, before.request.call)[-1].draft
        assert (end.kind, end.body["toolguard.decision.outcome"]) == (Kind.APPROVAL_RESOLVED, "expired")
        assert end.body["toolguard.approval.wait_s"] == 10_000.0
    assert read(store, finished.id) == finished
    assert verify(store).ok


def test_many_are_recovered_in_batches(store: Store, clock: ContractClock) -> None:
    for n in range(120):
        asked(store, str(n))
    clock.advance(10_000.0)
    assert recover(store) == Recovered(expired=120)


def test_a_state_that_no_record_led_to_is_not_papered_over(tmp_path: Path, clock: ContractClock) -> None:
    store = SqliteStore(tmp_path / "store.db", clock)
    waiting = asked(store, "a")
    assert store._writer is not None
    store._writer.execute("UPDATE approvals SET state = 'executing', lease_until = 1, deadline = 1")
    assert recover(store) == Recovered()
    assert read(store, waiting.id).state is State.EXECUTING
    assert [f.code for f in verify(store).states] == ["unrecorded"]
    store.close()


def test_the_tail_is_the_newest_of_all_logs(tmp_path: Path, clock: ContractClock) -> None:
    one, two = SqliteStore(tmp_path / "store.db", clock), SqliteStore(tmp_path / "store.db", clock)
    for n in range(6):
        allowed((one, two)[n % 2], f"c{n}")
        clock.advance(1.0)
    assert [r.draft.call for r in tail(one, 4)] == ["c4", "c5", "c5", "c5"]
    assert len(tail(one, 1000)) == 20
    assert tail(one, 0) == ()
    seen = {head.log_id: head.seq for head in two.heads()}
    assert since(one, seen) == ()
    allowed(two, "c6")
    assert [r.draft.call for r in since(one, seen)] == ["c6"] * 3
    assert since(one, seen) == ()
    one.close()
    two.close()


def test_a_claim_that_was_recovered_cannot_be_taken(store: Store, clock: ContractClock) -> None:
    running = executing(store, decided(store, asked(store, "a")))
    clock.advance(31.0)
    recover(store)
    request = running.request
    with pytest.raises(ConflictError):
        store.commit(Change(tenant="north", claim=Claim(ref=request.ref, call_digest=request.call_digest, asked=False)))
