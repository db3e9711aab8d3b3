"""What every store keeps that records can be taken out of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from toolguard._core.audit import Draft, Kind
from toolguard._core.pruning import Begin
from toolguard._core.steps import Change, Claim, Prune
from toolguard._core.tree import Frontier
from toolguard.errors import ConflictError, RegisterMovedError, StoreError
from toolguard.ports import Clock, Prunable, Store
from toolguard.testing.store_samples import ContractClock, a_draft, a_request

__all__ = ["PruneContract"]


def told(store: Store, last: int) -> Draft:
    """A record of pruning that fits; its note is nobody's business here."""
    log_id = store.logs()[0]
    leaves = [hash_ for _, hash_ in store.hashes(log_id)][:last]
    tree = Frontier(leaves)
    begin = Begin(
        log_id=log_id,
        last=last,
        root=tree.root,
        hash=leaves[-1],
        peaks=tree.peaks,
        newest=store.now(),
        segment="ab" * 32,
    )
    at = store.now()
    return Draft(kind=Kind.AUDIT_PRUNED, at=at, started=at, span_id="ab" * 8, body=begin.body(1))


class PruneContract:
    """Subclass it with a fixture ``make``: a function from a clock to a fresh store."""

    @pytest.fixture
    def store(self, make: Callable[[Clock], Store]) -> Iterator[Store]:
        store = make(ContractClock())
        store.commit(Change(tenant="north", records=tuple(a_draft() for _ in range(9))))
        yield store
        store.close()

    def numbers(self, store: Store) -> list[int]:
        return [seq for seq, _ in store.hashes(store.logs()[0])]

    def test_the_first_ones_go_and_the_log_goes_on(self, store: Store) -> None:
        (head,) = store.heads()
        prune = Prune(log_id=head.log_id, upto=6, most=4)
        store.commit(Change(tenant="", records=(told(store, 6),), prune=prune))
        assert self.numbers(store) == [5, 6, 7, 8, 9, 10, 11]
        store.commit(Change(tenant="", prune=prune))
        assert self.numbers(store) == [7, 8, 9, 10, 11]
        (record,) = store.commit(Change(tenant="north", records=(a_draft(),)))
        assert record.seq == 12
        (after,) = store.heads()
        assert (after.first, after.opened, after.seq) == (head.first, head.opened, 12)
        assert [r.seq for r in store.records(log_id=head.log_id, after=3, limit=2)] == [7, 8]
        assert [row[1] for row in store.stored(head.log_id, 8, 2)] == [9, 10]

    def test_the_newest_stays(self, store: Store) -> None:
        log_id, made = store.logs()[0], told(store, 10)
        store.commit(Change(tenant="", records=(made,), prune=Prune(log_id=log_id, upto=10)))
        assert self.numbers(store)[-1] == 11
        store.commit(Change(tenant="", prune=Prune(log_id=log_id, upto=10)))
        assert self.numbers(store) == [11]

    def test_nothing_goes_that_no_record_tells_of(self, store: Store) -> None:
        log_id, before = store.logs()[0], self.numbers(store)
        for change in (
            Change(tenant="", prune=Prune(log_id=log_id, upto=3)),
            Change(tenant="", records=(a_draft(),), prune=Prune(log_id=log_id, upto=3)),
            Change(tenant="north", records=(told(store, 3),), prune=Prune(log_id=log_id, upto=3)),
            Change(tenant="", records=(told(store, 3),)),
        ):
            with pytest.raises(StoreError):
                store.commit(change)
        assert self.numbers(store) == before

    def test_a_register_that_moved_on_is_looked_at_again(self, store: Store) -> None:
        log_id, before = store.logs()[0], self.numbers(store)
        prune = Prune(log_id=log_id, upto=3, acts={"north": 1})
        with pytest.raises(RegisterMovedError):
            store.commit(Change(tenant="", records=(told(store, 3),), prune=prune))
        assert self.numbers(store) == before

    def test_a_reference_is_used_once_for_good(self, store: Store) -> None:
        ref = a_request("x").ref
        claim = Change(tenant="north", claim=Claim(ref=ref, call_digest="d", asked=False))
        store.commit(claim)
        store.commit(Change(tenant="", records=(told(store, 5),), prune=Prune(log_id=store.logs()[0], upto=5)))
        with pytest.raises(ConflictError):
            store.commit(claim)

    def test_it_says_what_each_sink_has_got(self, store: Store) -> None:
        assert isinstance(store, Prunable)
        log_id = store.logs()[0]
        assert store.delivered() == {}
        store.advance("there", log_id, 4)
        assert {sink: dict(logs) for sink, logs in store.delivered().items()} == {"there": {log_id: 4}}
