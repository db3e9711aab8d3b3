"""What every store promises of acts, uses, caps, leases and announcements. Part of `StoreContract`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from toolguard._core.approval import Approval, State, move
from toolguard._core.audit import Kind
from toolguard._core.call import CallRef
from toolguard._core.comments import comments_of
from toolguard._core.register import ALL, ActKind, Heads
from toolguard._core.steps import Announce, Cap, Change, Claim, Notice, Standing, Use
from toolguard.errors import ConflictError, LimitError, NotFoundError, RegisterMovedError, StoreError
from toolguard.ports import Store
from toolguard.testing.store_samples import (
    START,
    ContractClock,
    a_draft,
    a_request,
    acts_of,
    all_of,
    an_act,
    claimed,
    in_threads,
    step,
)

__all__ = ["RegisterContract"]


def _allowed(name: str, heads: Heads | None = None, use: Use | None = None) -> Change:
    """The claim of a call that needs no question of its own."""
    return Change(
        tenant="north",
        records=(a_draft(Kind.CALL_EXECUTING, call=name),),
        claim=Claim(ref=CallRef(run="r", call_id=name), call_digest="d", asked=False),
        heads=heads or Heads(),
        use=use,
    )


class RegisterContract:
    """See the module. The fixtures and helpers are those of `StoreContract`."""

    durable = False

    def asked(self, store: Store, name: str = "a", **changes: Any) -> Approval:
        raise NotImplementedError("part of StoreContract")

    def approved(self, store: Store, name: str = "a", **changes: Any) -> Approval:
        raise NotImplementedError("part of StoreContract")

    def acted(self, store: Store, count: int, tenant: str = "north") -> None:
        """A register with ``count`` acts."""
        for act in acts_of(count, tenant):
            store.commit(Change(tenant=tenant, act=act))

    # --- acts

    def test_acts_come_back_in_order_byte_for_byte(self, store: Store) -> None:
        assert store.acts("north") == ()
        self.acted(store, 5)
        wanted = tuple(act.grant for act in acts_of(5))
        assert store.acts("north") == wanted
        assert store.acts("north", 2) == wanted[2:]
        assert store.acts("north", 2, 2) == wanted[2:4]
        assert store.acts("north", 5) == ()

    @pytest.mark.parametrize("n", [0, 1, 2, 4, 5])
    def test_only_the_next_act_is_taken(self, store: Store, n: int) -> None:
        self.acted(store, 2)
        before = all_of(store)
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", act=an_act(n=n), records=(a_draft(),)))
        assert all_of(store) == before

    def test_registers_of_tenants_and_of_all_tenants_are_apart(self, store: Store) -> None:
        self.acted(store, 2, "north")
        self.acted(store, 1, "south")
        self.acted(store, 3, ALL)
        assert [len(store.acts(t)) for t in ("north", "south", ALL, "east")] == [2, 1, 3, 0]

    def test_an_act_is_written_to_its_own_tenants_register_only(self, store: Store) -> None:
        before = all_of(store)
        for change in (
            Change(tenant="south", act=an_act()),
            Change(tenant="north", act=an_act(tenant=ALL)),
            Change(tenant=ALL, act=an_act()),
            Change(tenant=ALL, records=(a_draft(),)),
            Change(tenant=ALL),
        ):
            with pytest.raises(StoreError):
                store.commit(change)
        assert all_of(store) == before

    def test_comments_have_a_chain_of_their_own_that_holds_up_no_claim(self, store: Store) -> None:
        approved = self.approved(store)
        chain, before = comments_of("north"), Heads()
        first = an_act(ActKind.COMMENT, tenant=chain)
        store.commit(Change(tenant="north", act=first, records=(a_draft(Kind.ACT_RECORDED, call=""),)))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", act=first))
        store.commit(Change(tenant="north", act=an_act(ActKind.COMMENT, n=2, prev=first.hash, tenant=chain)))
        assert [len(store.acts(t)) for t in (chain, "north", ALL)] == [2, 0, 0]
        store.commit(claimed(approved, now=store.now(), heads=before))
        after = all_of(store)
        for change in (
            Change(tenant="north", act=an_act(ActKind.COMMENT)),  # a comment in the register
            Change(tenant="north", act=an_act(ActKind.FREEZE, n=3, tenant=chain)),  # an act among comments
            Change(tenant="south", act=an_act(ActKind.COMMENT, n=3, tenant=chain)),  # another tenant's
        ):
            with pytest.raises(StoreError):
                store.commit(change)
        assert all_of(store) == after

    def test_an_act_and_a_change_of_state_happen_together_or_not_at_all(self, store: Store) -> None:
        approved = self.approved(store)
        revoked = step(approved, move(approved, State.REVOKED, now=store.now()))
        void = an_act(ActKind.VOID, n=2, body={"approval": approved.id})
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=revoked, act=void))
        found = store.get("north", approved.id)
        assert found == approved
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=replace(revoked, from_version=1), act=replace(void, n=1)))
        assert store.acts("north") == ()
        store.commit(Change(tenant="north", update=revoked, act=replace(void, n=1)))
        assert len(store.acts("north")) == 1

    def test_of_many_who_add_the_next_act_one_does(self, store: Store) -> None:
        lost: list[int] = []

        def work(n: int) -> None:
            for act in acts_of(6):
                try:
                    store.commit(Change(tenant="north", act=act))
                except ConflictError:
                    lost.append(n)

        in_threads(work, range(6))
        assert len(store.acts("north")) <= 6
        assert len(lost) == 36 - len(store.acts("north"))
        assert store.acts("north") == tuple(act.grant for act in acts_of(len(store.acts("north"))))

    # --- claims under a register

    @pytest.mark.parametrize("tenant", ["north", ALL])
    def test_a_claim_under_an_older_register_never_runs(self, store: Store, tenant: str) -> None:
        """T19: what was frozen, voided or revoked a moment ago holds for every claim after it."""
        approved = self.approved(store)
        self.acted(store, 1, tenant)
        before = all_of(store)
        for change in (claimed(approved, now=store.now()), _allowed("one")):
            with pytest.raises(RegisterMovedError):
                store.commit(change)
        assert all_of(store) == before
        heads = Heads(tenant=int(tenant == "north"), all=int(tenant == ALL))
        store.commit(claimed(approved, now=store.now(), heads=heads))
        store.commit(_allowed("one", heads))
        row = store.ledger("north", approved.request.ref)
        assert row is not None
        assert row.standing is Standing.EXECUTING

    def test_a_claim_under_more_acts_than_there_are_never_runs(self, store: Store) -> None:
        """T4: a register that was set back is not the one the claim was judged by."""
        self.acted(store, 1)
        for heads in (Heads(tenant=2), Heads(tenant=1, all=1)):
            with pytest.raises(RegisterMovedError):
                store.commit(_allowed("one", heads))
        assert store.ledger("north", CallRef(run="r", call_id="one")) is None

    def test_another_tenants_acts_hold_up_nobody(self, store: Store) -> None:
        self.acted(store, 3, "south")
        store.commit(_allowed("one"))

    def test_no_claim_passes_an_act_that_came_first(self, store: Store) -> None:
        """Invariant 5 for acts, over threads: each claim is before the act, or it is lost."""
        ran: list[str] = []

        def work(n: int) -> None:
            if n == 0:
                store.commit(Change(tenant="north", act=an_act(), records=(a_draft(Kind.ACT_RECORDED, call=""),)))
                return
            for i in range(10):
                try:
                    store.commit(_allowed(f"{n}-{i}"))
                except RegisterMovedError:
                    return
                ran.append(f"{n}-{i}")

        in_threads(work, range(6))
        kinds = [r.draft.kind for r in store.records() if r.draft.kind is not Kind.LOG_OPENED]
        after = kinds[kinds.index(Kind.ACT_RECORDED) + 1 :]
        assert Kind.CALL_EXECUTING not in after
        assert kinds.count(Kind.CALL_EXECUTING) == len(ran)

    # --- uses

    def test_a_standing_approval_is_used_as_often_as_it_may_and_no_longer_than_it_stands(
        self, store: Store, clock: ContractClock
    ) -> None:
        use = Use(act="act-1", most=2, until=START + 50.0)
        assert store.uses("north", "act-1") == 0
        store.commit(_allowed("one", use=use))
        store.commit(_allowed("two", use=use))
        assert store.uses("north", "act-1") == 2
        before = all_of(store)
        with pytest.raises(LimitError):
            store.commit(_allowed("three", use=use))
        assert all_of(store) == before
        store.commit(_allowed("three", use=replace(use, act="act-2")))
        clock.advance(50.0)
        with pytest.raises(LimitError):
            store.commit(_allowed("four", use=replace(use, act="act-2")))
        assert (store.uses("north", "act-2"), store.uses("south", "act-1")) == (1, 0)

    def test_only_a_claim_that_is_won_uses_anything(self, store: Store) -> None:
        use = Use(act="act-1", most=9, until=START + 50.0)
        store.commit(_allowed("one", use=use))
        with pytest.raises(ConflictError):
            store.commit(_allowed("one", use=use))
        with pytest.raises(RegisterMovedError):
            store.commit(_allowed("two", Heads(tenant=1), use))
        with pytest.raises(StoreError):
            store.commit(Change(tenant="north", use=use))
        assert store.uses("north", "act-1") == 1

    def test_of_many_at_once_no_more_use_it_than_may(self, store: Store) -> None:
        use = Use(act="act-1", most=5, until=START + 50.0)
        won: list[str] = []

        def work(n: int) -> None:
            for i in range(4):
                try:
                    store.commit(_allowed(f"{n}-{i}", use=use))
                except LimitError:
                    continue
                won.append(f"{n}-{i}")

        in_threads(work, range(8))
        assert len(won) == store.uses("north", "act-1") == 5

    # --- caps

    @pytest.mark.parametrize(("by", "value"), [("run", "run/1"), ("person", "ana")])
    def test_no_more_requests_than_a_cap_allows(self, store: Store, by: str, value: str) -> None:
        """Invariant 17. Requests of another run, person, tenant or time do not count."""
        cap = Cap(by=by, value=value, most=2, since=START)
        other: dict[str, Any] = (
            {"requester_person": "ben"} if by == "person" else {"ref": CallRef(run="2", call_id="x")}
        )
        self.asked(store, "old", created=START - 1.0)
        self.asked(store, "other", **other)
        self.asked(store, "elsewhere", tenant="south")
        store.commit(Change(tenant="north", create=a_request("a"), caps=(cap,)))
        store.commit(Change(tenant="north", create=a_request("b"), caps=(cap,)))
        before = all_of(store)
        with pytest.raises(LimitError):
            store.commit(Change(tenant="north", create=a_request("c"), caps=(cap,), records=(a_draft(),)))
        assert all_of(store) == before
        with pytest.raises(LimitError):
            store.commit(Change(tenant="north", create=a_request("c"), caps=(replace(cap, most=99), cap)))
        store.commit(Change(tenant="north", create=a_request("c"), caps=(replace(cap, value="nobody"),)))

    @pytest.mark.parametrize(("by", "value"), [("run", "run/1"), ("person", "ana")])
    def test_of_many_who_ask_at_once_no_more_than_the_cap_get_through(self, store: Store, by: str, value: str) -> None:
        cap = Cap(by=by, value=value, most=7, since=START)

        def work(n: int) -> None:
            for i in range(3):
                try:
                    store.commit(Change(tenant="north", create=a_request(f"{n}-{i}"), caps=(cap,)))
                except LimitError:
                    continue

        in_threads(work, range(8))
        assert len(store.list("north")) == 7

    # --- what was asked lately

    def denied(self, store: Store, name: str, **changes: Any) -> Approval:
        before = self.asked(store, name, **changes)
        after = move(before, State.DENIED, now=store.now())
        store.commit(Change(tenant=before.request.tenant, update=step(before, after, before.request.expires)))
        return after

    def test_what_a_person_was_denied_lately_is_found_newest_first(self, store: Store, clock: ContractClock) -> None:
        self.denied(store, "old", created=START - 3600.0, expires=START + 600.0)
        clock.advance(10.0)
        waited = self.asked(store, "waits", created=START - 3600.0, expires=START + 600.0)
        for name in "abc":
            self.denied(store, name)
        self.denied(store, "tool", tool="files.delete")
        self.denied(store, "person", requester_person="ben")
        self.denied(store, "tenant", tenant="south")
        self.approved(store, "approved")
        later = START + 10.0

        def names(**given: Any) -> list[str]:
            wanted = {"tenant": "north", "person": "ana", "tool": "mail.send", "since": later, **given}
            return [a.id.rpartition("-")[2] for a in store.recent(**wanted)]

        assert names() == ["c", "b", "a"]
        assert names(since=START) == ["c", "b", "a", "old"]
        assert names(limit=2) == ["c", "b"]
        assert names(tool="files.delete") == ["tool"]
        assert names(person="nobody") == []
        assert names(tenant="south") == ["tenant"]
        after = move(waited, State.DENIED, now=store.now())
        store.commit(Change(tenant="north", update=step(waited, after, waited.request.expires)))
        assert after in store.recent("north", "ana", "mail.send", later), "by the no, however long it had waited"

    # --- the outbox: rows are somebody's for a while

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

    # --- what else a row keeps

    def test_a_proposal_and_who_made_it_come_back(self, store: Store) -> None:
        before = self.asked(store)
        for proposal, name in (({"to": "<EMAIL_1>", "n": [1, 2.5, True, None]}, "a"), ([], "b"), (0, "c")):
            asked = before if name == "a" else self.asked(store, name)
            after = move(asked, State.SUPERSEDED, now=store.now(), proposal=proposal, editor="bo")
            store.commit(Change(tenant="north", update=step(asked, after)))
            assert store.get("north", asked.id) == after

    def test_broken_glass_runs_once_and_only_while_it_lasts(self, store: Store, clock: ContractClock) -> None:
        glass = [
            move(asked, State.BREAK_GLASS, now=store.now(), grant_expires=START + 50.0)
            for asked in (self.asked(store, "a"), self.asked(store, "b"))
        ]
        for each in glass:
            store.commit(Change(tenant="north", update=step(self.read(store, each.id), each)))
            assert store.get("north", each.id) == each
        assert [a.id for a in store.list("north", states=[State.BREAK_GLASS])] == [glass[1].id, glass[0].id]
        store.commit(claimed(glass[0], now=store.now()))
        with pytest.raises(ConflictError):
            store.commit(claimed(glass[0], now=store.now()))
        late = claimed(glass[1], now=store.now())
        assert store.overdue() == ()
        clock.advance(50.0)
        assert [a.id for a in store.overdue()][-1:] == [glass[1].id]
        with pytest.raises(ConflictError):
            store.commit(late)

    def read(self, store: Store, approval_id: str) -> Approval:
        found = store.get("north", approval_id)
        assert found is not None
        return found

    def test_a_durable_store_keeps_acts_uses_leases_and_keys(
        self, store: Store, make: Callable[[ContractClock], Store], clock: ContractClock
    ) -> None:
        if not self.durable:
            assert store.acts("north") == ()
            return
        approval = self.asked(store)
        self.acted(store, 2)
        use = Use(act="act-1", most=2, until=START + 50.0)
        store.commit(_allowed("one", Heads(tenant=2), use))
        remind = Announce(approval=approval.id, notice=Notice.REMINDER, key="remind/1")
        store.commit(Change(tenant="north", notify=remind))
        assert store.lead("sweeper", "one", 30.0)
        taken = store.take("worker-1", 30.0)
        store.close()
        again = make(clock)
        try:
            assert again.acts("north") == tuple(act.grant for act in acts_of(2))
            assert again.uses("north", "act-1") == 1
            assert not again.lead("sweeper", "two", 30.0)
            assert again.take("worker-2", 30.0) == ()
            assert [(r.row, r.attempts) for r in again.outbox()] == [(t.row, 1) for t in taken]
            with pytest.raises(ConflictError):
                again.commit(Change(tenant="north", notify=remind))
            with pytest.raises(RegisterMovedError):
                again.commit(_allowed("two", Heads(tenant=1), use))
        finally:
            again.close()
