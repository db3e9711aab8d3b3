"""What every store promises of marks: counted by subject, kind and time, once for each value, and never past a limit."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from toolguard._core.history import Ask, Limit, Mark
from toolguard._core.steps import Change
from toolguard.errors import HistoryLimitError
from toolguard.ports import Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import START, ContractClock, a_draft

__all__ = ["HistoryContract"]


def _seen(*values: str, subject: str = "person:a", keep: float = 0.0) -> tuple[Mark, ...]:
    return tuple(Mark(subject=subject, kind="patient", value=value, keep=keep) for value in values)


def _ask(subject: str = "person:a", *, since: float = 0.0, upto: int = 1000, apart: tuple[str, ...] = ()) -> Ask:
    return Ask(subject=subject, kind="patient", since=since, upto=upto, apart=apart)


class HistoryContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

    def leave(self, store: Store, *marks: Mark, tenant: str = "north", limits: tuple[Limit, ...] = ()) -> None:
        store.commit(Change(tenant=tenant, records=(a_draft(),), marks=marks, limits=limits))

    def test_each_value_counts_once_however_often_it_is_marked(self, store: Store) -> None:
        self.leave(store, *_seen("p1", "p2", "p1"))
        self.leave(store, *_seen("p1", "p3"))
        assert store.tally("north", [_ask()]) == (3,)
        assert store.marked("north", "person:a", "patient") == ("p1", "p2", "p3")

    def test_only_the_subject_the_kind_the_value_and_the_time_that_are_asked_count(
        self, store: Store, clock: ContractClock
    ) -> None:
        self.leave(store, *_seen("old"), Mark(subject="person:a", kind="taint", value="phi"))
        clock.advance(100.0)
        self.leave(store, *_seen("new"), *_seen("other", subject="person:b"))
        asks = [
            _ask(),
            _ask(since=START + 50.0),
            _ask(apart=("new", "unseen")),
            _ask("person:b"),
            _ask("person:c"),
            Ask(subject="person:a", kind="patient", value="old"),
            Ask(subject="person:a", kind="patient", value="old", since=START + 50.0),
            Ask(subject="person:a", kind="patient", value="never"),
            _ask(upto=1),
            Ask(subject="person:a", kind="taint", value="phi"),
            Ask(subject="person:a", kind="taint", value="untrusted"),
        ]
        assert store.tally("north", asks) == (2, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0)
        assert store.tally("north", []) == ()

    def test_a_mark_made_again_is_as_young_as_the_last_time(self, store: Store, clock: ContractClock) -> None:
        self.leave(store, *_seen("p1"))
        clock.advance(100.0)
        self.leave(store, *_seen("p1"))
        assert store.tally("north", [_ask(since=START + 50.0)]) == (1,)

    def test_no_tenant_sees_or_limits_the_marks_of_another(self, store: Store) -> None:
        self.leave(store, *_seen("p1", "p2"))
        assert store.tally("south", [_ask()]) == (0,)
        assert store.marked("south", "person:a", "patient") == ()
        self.leave(store, *_seen("p3"), tenant="south", limits=(Limit(ask=_ask(apart=("p3",)), adds=1, most=1),))
        assert store.tally("north", [_ask()]) == (2,)

    def test_a_commit_past_its_limit_leaves_nothing(self, store: Store) -> None:
        self.leave(store, *_seen("p1", "p2"))
        before = len(list(store.records()))
        for new, fits in (("p3", True), ("p4", False), ("p1", True)):
            limit = Limit(ask=_ask(apart=(new,), upto=4), adds=1, most=3)
            if fits:
                self.leave(store, *_seen(new), limits=(limit,))
                before += 1
            else:
                with pytest.raises(HistoryLimitError):
                    self.leave(store, *_seen(new), limits=(limit,))
        assert store.marked("north", "person:a", "patient") == ("p1", "p2", "p3")
        assert len(list(store.records())) == before

    def test_marks_go_when_nothing_needs_them_and_those_for_ever_stay(self, store: Store, clock: ContractClock) -> None:
        self.leave(store, *_seen("short", keep=10.0), *_seen("long", keep=1000.0), *_seen("ever"))
        self.leave(store, *_seen("kept", keep=10.0))
        self.leave(store, *_seen("kept"))  # for ever from now on
        assert store.forget_marks() == 0
        clock.advance(11.0)
        assert store.forget_marks() == 1
        assert store.marked("north", "person:a", "patient") == ("ever", "kept", "long")
        self.leave(store, *_seen("kept", keep=1.0))
        self.leave(store, *_seen("ever", keep=1.0))
        clock.advance(2000.0)
        assert store.forget_marks() <= 1  # a store may have done it on the way
        assert store.marked("north", "person:a", "patient") == ("ever", "kept")

    def test_marks_outlive_the_process(
        self, store: Store, make: Callable[[ContractClock], Store], clock: ContractClock
    ) -> None:
        self.leave(store, Mark(subject="session:s", kind="taint", value="untrusted"))
        if not self.durable:
            assert store.marked("north", "session:s", "taint") == ("untrusted",)
            return
        store.close()
        again = make(clock)
        try:
            assert again.marked("north", "session:s", "taint") == ("untrusted",)
        finally:
            again.close()

    def test_threads_that_race_for_a_limit_never_pass_it(self, store: Store) -> None:
        done: list[str] = []

        def look_up(worker: int) -> None:
            for n in range(6):
                value = f"p{worker}-{n}"
                try:
                    self.leave(
                        store, *_seen(value), limits=(Limit(ask=_ask(apart=(value,), upto=11), adds=1, most=10),)
                    )
                except HistoryLimitError:
                    continue
                done.append(value)

        threads = [threading.Thread(target=look_up, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 10
        assert set(store.marked("north", "person:a", "patient")) == set(done)
