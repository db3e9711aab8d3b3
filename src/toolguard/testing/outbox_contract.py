"""What every store promises of announcements: each is one worker's for a while, who leads, and that who waits is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from toolguard._core.steps import Announce, Change, Notice
from toolguard.errors import ConflictError, NotFoundError
from toolguard.ports import Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import (
    ContractClock,
    a_draft,
    all_of,
    approve,
    claimed,
    in_threads,
    step,
)

__all__ = ["OutboxContract"]


class OutboxContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

    # --- rows are somebody's for a while

    def test_announcements_wait_in_order_until_they_are_done(self, store: Store) -> None:
        one, two = self.asked(store, "a"), self.asked(store, "b", tenant="south")
        store.commit(Change(tenant="north", announce=one.id))
        rows = store.outbox()
        assert [(row.tenant, row.approval) for row in rows] == [
            ("north", one.id),
            ("south", two.id),
            ("north", one.id),
        ]
        assert store.outbox(limit=1) == rows[:1]
        store.outbox_done(rows[0].row)
        assert store.outbox() == rows[1:]
        with pytest.raises(NotFoundError):
            store.outbox_done(rows[0].row)

    def test_an_announcement_is_one_workers_until_its_lease_lapses(self, store: Store, clock: ContractClock) -> None:
        one, two = self.asked(store, "a"), self.asked(store, "b")
        taken = store.take("worker-1", 30.0)
        assert [(t.approval, t.notice, t.attempts) for t in taken] == [
            (one.id, Notice.STATE, 1),
            (two.id, Notice.STATE, 1),
        ]
        assert store.take("worker-2", 30.0) == ()
        assert store.take("worker-1", 30.0) == (), "a lease is not renewed by asking again"
        assert [row.row for row in store.outbox()] == [t.row for t in taken], "what is taken still waits"
        clock.advance(29.0)
        assert store.take("worker-2", 30.0) == ()
        clock.advance(1.0)
        again = store.take("worker-2", 30.0, limit=1)
        assert [(t.approval, t.attempts) for t in again] == [(one.id, 2)]
        assert [t.approval for t in store.take("worker-3", 30.0)] == [two.id]

    def test_what_is_delivered_is_gone_and_what_is_not_comes_later(self, store: Store, clock: ContractClock) -> None:
        self.asked(store, "a")
        two = self.asked(store, "b")
        first, second = store.take("worker-1", 30.0)
        store.outbox_done(first.row)
        store.outbox_later(second.row, 100.0)
        clock.advance(99.0)
        assert store.take("worker-2", 30.0) == ()
        clock.advance(1.0)
        (again,) = store.take("worker-2", 30.0)
        assert (again.approval, again.attempts) == (two.id, 2)
        store.outbox_done(again.row)
        assert store.outbox() == store.take("worker-2", 30.0) == ()
        for method in (store.outbox_done, lambda row: store.outbox_later(row, 1.0)):
            with pytest.raises(NotFoundError):
                method(first.row)

    def test_many_workers_take_each_announcement_once(self, store: Store) -> None:
        for i in range(20):
            self.asked(store, f"r{i}")
        taken: list[int] = []

        def work(n: int) -> None:
            while mine := store.take(f"worker-{n}", 60.0, limit=3):
                taken.extend(each.row for each in mine)

        in_threads(work, range(6))
        assert sorted(taken) == [row.row for row in store.outbox()]

    # --- one at a time leads

    def test_one_at_a_time_leads(self, store: Store, clock: ContractClock) -> None:
        assert store.lead("sweeper", "one", 30.0)
        assert not store.lead("sweeper", "two", 30.0)
        assert store.lead("other", "two", 30.0)
        clock.advance(20.0)
        assert store.lead("sweeper", "one", 30.0), "who has it can renew it"
        clock.advance(20.0)
        assert not store.lead("sweeper", "two", 30.0)
        clock.advance(10.0)
        assert store.lead("sweeper", "two", 30.0)
        assert not store.lead("sweeper", "one", 30.0)
        store.forget_marks()
        assert not store.lead("sweeper", "one", 30.0), "what is swept away is over"
        clock.advance(31.0)
        store.forget_marks()
        assert store.lead("sweeper", "one", 30.0)

    def test_of_many_at_once_one_leads(self, store: Store) -> None:
        leads: list[int] = []
        in_threads(lambda n: leads.append(n) if store.lead("sweeper", f"w{n}", 60.0) else None, range(8))
        assert len(leads) == 1

    # --- announcements that say more

    def test_a_notice_with_a_key_is_given_once(self, store: Store) -> None:
        approval, other = self.asked(store, "a"), self.asked(store, "a", tenant="south")
        for row in store.outbox():
            store.outbox_done(row.row)
        remind = Announce(approval=approval.id, notice=Notice.REMINDER, key="remind/1")
        store.commit(Change(tenant="north", notify=remind, records=(a_draft(),)))
        before = all_of(store)
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", notify=remind, records=(a_draft(),)))
        assert all_of(store) == before
        (row,) = store.outbox()
        store.outbox_done(row.row)
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", notify=remind))
        store.commit(Change(tenant="north", notify=replace(remind, key="remind/2")))
        store.commit(Change(tenant="south", notify=replace(remind, approval=other.id)))
        store.commit(Change(tenant="north", notify=replace(remind, key="", notice=Notice.BREAK_GLASS)))
        store.commit(Change(tenant="north", notify=replace(remind, key="", notice=Notice.BREAK_GLASS)))
        assert [(r.tenant, r.approval, r.notice) for r in store.outbox()] == [
            ("north", approval.id, Notice.REMINDER),
            ("south", other.id, Notice.REMINDER),
            ("north", approval.id, Notice.BREAK_GLASS),
            ("north", approval.id, Notice.BREAK_GLASS),
        ]

    def test_a_notice_of_no_approval_of_this_tenant_is_refused(self, store: Store) -> None:
        approval = self.asked(store)
        for tenant, told in (("north", "no-such-approval"), ("south", approval.id)):
            with pytest.raises(ConflictError):
                store.commit(
                    Change(tenant=tenant, notify=Announce(approval=told, notice=Notice.REMINDER, key="remind/1"))
                )
        store.commit(
            Change(tenant="north", notify=Announce(approval=approval.id, notice=Notice.REMINDER, key="remind/1"))
        )

    def test_of_many_who_remind_at_once_one_does(self, store: Store) -> None:
        approval = self.asked(store)
        said: list[int] = []

        def work(n: int) -> None:
            notify = Announce(approval=approval.id, notice=Notice.REMINDER, key="remind/1")
            try:
                store.commit(Change(tenant="north", notify=notify))
            except ConflictError:
                return
            said.append(n)

        in_threads(work, range(8))
        assert len(said) == 1
        assert [r.notice for r in store.outbox()].count(Notice.REMINDER) == 1

    # --- who waits is told

    def test_who_waits_is_told_of_a_change_and_of_none_after_it_stopped_waiting(self, store: Store) -> None:
        before, told = self.asked(store), threading.Event()
        stop = store.watch("north", before.id, told.set)
        time.sleep(0.3)  # a store may tell for nothing when it begins to look
        told.clear()
        after = approve(before, store.now())
        store.commit(Change(tenant="north", update=step(before, after)))
        assert told.wait(30.0)
        stop()
        told.clear()
        store.commit(claimed(after, now=store.now()))
        assert not told.wait(0.3)
        stop()

    def test_who_waits_is_told_of_what_another_process_changed(
        self, store: Store, make: Callable[[ContractClock], Store], clock: ContractClock
    ) -> None:
        if not self.durable:
            return
        before, told = self.asked(store), threading.Event()
        other = make(clock)
        stop = store.watch("north", before.id, told.set)
        try:
            time.sleep(0.3)
            told.clear()
            other.commit(Change(tenant="north", update=step(before, approve(before, other.now()))))
            assert told.wait(30.0)
        finally:
            stop()
            other.close()
