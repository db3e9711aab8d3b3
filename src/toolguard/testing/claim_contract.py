"""What every store promises of claims: a call runs once, and a change that loses writes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolguard._core.approval import State, move
from toolguard._core.audit import Kind
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim, LedgerRow, Settle, Standing
from toolguard._core.vault import Need
from toolguard.errors import ConflictError, StoreError
from toolguard.ports import SessionKey, Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import (
    ContractSealer,
    a_draft,
    a_request,
    all_of,
    claimed,
    in_threads,
    step,
)

__all__ = ["ClaimContract"]


class ClaimContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

    def test_an_approved_call_is_claimed_once(self, store: Store) -> None:
        approved = self.approved(store)
        store.commit(claimed(approved, now=store.now()))
        with pytest.raises(ConflictError):
            store.commit(claimed(approved, now=store.now()))
        row = store.ledger("north", approved.request.ref)
        assert row is not None
        assert row.standing is Standing.EXECUTING

    def test_an_allowed_call_is_claimed_once(self, store: Store) -> None:
        claim = Claim(ref=CallRef(run="r", call_id="1"), call_digest="d", asked=False)
        store.commit(Change(tenant="north", claim=claim))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", claim=claim))

    def test_an_allowed_call_that_failed_may_be_tried_again_with_the_same_digest_only(self, store: Store) -> None:
        ref = CallRef(run="r", call_id="1")
        claim = Claim(ref=ref, call_digest="d", asked=False)
        store.commit(Change(tenant="north", claim=claim))
        store.commit(Change(tenant="north", settle=Settle(ref=ref, ok=False)))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", claim=replace(claim, call_digest="e")))
        store.commit(Change(tenant="north", claim=claim))
        store.commit(Change(tenant="north", settle=Settle(ref=ref, ok=True, result=b"\x00sealed")))
        assert store.ledger("north", ref) == LedgerRow(
            call_digest="d", standing=Standing.EXECUTED, result=b"\x00sealed"
        )
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", claim=claim))

    def test_an_asked_call_cannot_be_claimed_around_its_approval(self, store: Store) -> None:
        approval = self.asked(store)
        request = approval.request
        claim = Claim(ref=request.ref, call_digest=request.call_digest, asked=False)
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", claim=claim))
        with pytest.raises(StoreError):
            store.commit(Change(tenant="north", claim=replace(claim, asked=True)))
        row = store.ledger("north", request.ref)
        assert row is not None
        assert row.standing is Standing.ASKED

    def test_an_approved_call_that_failed_is_not_tried_again(self, store: Store) -> None:
        approved = self.approved(store)
        store.commit(claimed(approved, now=store.now()))
        running = store.get("north", approved.id)
        assert running is not None
        ended = move(running, State.EXECUTED, now=store.now(), outcome="error")
        settle = Settle(ref=approved.request.ref, ok=False)
        store.commit(Change(tenant="north", update=step(running, ended), settle=settle))
        for asked in (True, False):
            claim = Claim(ref=approved.request.ref, call_digest=approved.request.call_digest, asked=asked)
            with pytest.raises(StoreError):
                store.commit(Change(tenant="north", claim=claim))

    def test_a_claim_and_the_move_to_executing_are_one_change_for_one_call(self, store: Store) -> None:
        approved, other = self.approved(store, "a"), self.approved(store, "b")
        whole = claimed(approved, now=store.now())
        for broken in (
            replace(whole, claim=None),
            replace(whole, update=None),
            replace(whole, claim=Claim(ref=other.request.ref, call_digest=other.request.call_digest, asked=True)),
            replace(whole, claim=Claim(ref=approved.request.ref, call_digest="v1:swapped", asked=True)),
        ):
            before = all_of(store)
            with pytest.raises(StoreError):
                store.commit(broken)
            assert all_of(store) == before

    def test_what_is_not_executing_cannot_be_settled(self, store: Store) -> None:
        approval = self.asked(store)
        for ref in (approval.request.ref, CallRef(run="r", call_id="unknown")):
            with pytest.raises(ConflictError):
                store.commit(Change(tenant="north", settle=Settle(ref=ref, ok=True)))

    def test_of_many_claims_at_once_one_wins(self, store: Store) -> None:
        """Invariant 5, over threads."""
        approvals = [self.approved(store, f"r{i}") for i in range(10)]
        won: list[str] = []

        def work(_: int) -> None:
            for approval in approvals:
                try:
                    store.commit(claimed(approval, now=store.now()))
                except ConflictError:
                    continue
                won.append(approval.id)

        in_threads(work, range(8))
        assert sorted(won) == sorted(a.id for a in approvals)
        executing = [r for r in store.records() if r.draft.kind is Kind.CALL_EXECUTING]
        assert len(executing) == 10, "a claim that lost left a record"

    # --- all or nothing, and for one tenant

    def test_a_losing_change_writes_nothing_at_all(self, store: Store) -> None:
        """Everything else in the change would have been fine; one part loses, so nothing happens."""
        one, two = self.approved(store, "a"), self.asked(store, "b")
        fresh = CallRef(run="r", call_id="fresh")
        fine = Change(tenant="north", records=(a_draft(), a_draft()), create=a_request("new"), announce=two.id)
        stale = replace(step(one, move(one, State.REVOKED, now=store.now())), from_version=1)
        losers = {
            "update": replace(fine, update=stale),
            "create": replace(fine, create=replace(a_request("new"), ref=two.request.ref)),
            "claim": replace(fine, claim=Claim(ref=two.request.ref, call_digest="x", asked=False)),
            "settle": replace(fine, settle=Settle(ref=fresh, ok=True)),
            "announce": replace(fine, announce="no-such-approval"),
            "tenant": replace(fine, tenant="south"),
            "record": replace(fine, records=(a_draft(), a_draft(bad=float("nan")))),
        }
        for name, change in losers.items():
            before = all_of(store)
            with pytest.raises(Exception, match=r".") as caught:
                store.commit(change)
            assert caught.value.__class__.__module__ == "toolguard.errors", name
            assert all_of(store) == before, name
        store.commit(fine)

    def test_tenants_do_not_meet(self, store: Store, sealer: ContractSealer) -> None:
        """T25: every method, with the other tenant's ids in hand."""
        mine = self.approved(store)
        ref = mine.request.ref
        key, theirs = SessionKey(tenant="north", session="s"), SessionKey(tenant="south", session="s")
        tokens = store.allocate(key, [Need(type="PERSON", text="Ann Lee")], sealer)
        assert store.get("south", mine.id) is None
        assert store.find("south", ref) is None
        assert store.ledger("south", ref) is None
        assert store.list("south") == ()
        assert store.list("south", before=mine.id) == ()
        assert store.values(theirs, sealer) == {}
        assert store.values(theirs, sealer, tokens.values()) == {}
        assert store.purge(theirs) == 0
        with pytest.raises(StoreError):
            store.commit(replace(claimed(mine, now=store.now()), tenant="south"))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="south", announce=mine.id))
        store.commit(Change(tenant="south", claim=Claim(ref=ref, call_digest="d", asked=False)))
        row = store.ledger("north", ref)
        assert row is not None
        assert row.standing is Standing.ASKED
        assert list(store.values(key, sealer).values()) == ["Ann Lee"]
