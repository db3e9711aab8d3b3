"""What every store promises of acts, of claims made under them, and of what they let be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from toolguard._core.approval import State, move
from toolguard._core.audit import Kind
from toolguard._core.call import CallRef
from toolguard._core.comments import comments_of
from toolguard._core.register import ALL, ActKind, Heads
from toolguard._core.steps import Announce, Change, Claim, Notice, Standing, Use
from toolguard.errors import ConflictError, LimitError, RegisterMovedError, StoreError
from toolguard.ports import Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import (
    START,
    ContractClock,
    a_draft,
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


class RegisterContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

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

    # --- and afterwards

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
