"""What every store promises of requests and their states: what is written comes back, and an old version never wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from toolguard._core.approval import Answer, Approval, State, move
from toolguard._core.call import CallRef
from toolguard._core.steps import Cap, Change, LedgerRow, Standing
from toolguard._core.vault import Need
from toolguard.errors import ConflictError, LimitError
from toolguard.ports import SessionKey, Store
from toolguard.testing.store_base import StoreBase
from toolguard.testing.store_samples import (
    START,
    ContractClock,
    ContractSealer,
    a_draft,
    a_request,
    a_verdict,
    all_of,
    approve,
    claimed,
    in_threads,
    step,
)

__all__ = ["RequestContract"]


class RequestContract(StoreBase):
    """Part of `toolguard.testing.store_contract.StoreContract`."""

    def denied(self, store: Store, name: str, **changes: Any) -> Approval:
        before = self.asked(store, name, **changes)
        after = move(before, State.DENIED, now=store.now())
        store.commit(Change(tenant=before.request.tenant, update=step(before, after, before.request.expires)))
        return after

    def read(self, store: Store, approval_id: str) -> Approval:
        found = store.get("north", approval_id)
        assert found is not None
        return found

    # --- what is written comes back

    def test_a_request_comes_back_exactly_as_it_was_asked(self, store: Store) -> None:
        approval = self.asked(store)
        assert approval == Approval(request=a_request(), changed=START)
        assert store.find("north", approval.request.ref) == approval
        assert store.ledger("north", approval.request.ref) == LedgerRow(
            call_digest=approval.request.call_digest, standing=Standing.ASKED
        )

    def test_verdicts_grant_and_times_come_back_exactly(self, store: Store) -> None:
        after = self.approved(store)
        assert store.get("north", after.id) == after

    def test_a_proposal_and_who_made_it_come_back(self, store: Store) -> None:
        before = self.asked(store)
        for proposal, name in (({"to": "<EMAIL_1>", "n": [1, 2.5, True, None]}, "a"), ([], "b"), (0, "c")):
            asked = before if name == "a" else self.asked(store, name)
            after = move(asked, State.SUPERSEDED, now=store.now(), proposal=proposal, editor="bo")
            store.commit(Change(tenant="north", update=step(asked, after)))
            assert store.get("north", asked.id) == after

    def test_a_durable_store_gives_everything_back_after_it_was_closed(
        self, store: Store, make: Callable[[ContractClock], Store], clock: ContractClock, sealer: ContractSealer
    ) -> None:
        if not self.durable:
            assert list(store.records()) == []
            return
        key = SessionKey(tenant="north", session="s1")
        approval = self.approved(store)
        tokens = store.allocate(key, [Need(type="PERSON", text="Ann Lee")], sealer)
        before = all_of(store)
        store.close()
        again = make(clock)
        try:
            assert all_of(again) == before
            assert again.get("north", approval.id) == approval
            assert list(again.values(key, sealer).items()) == [(next(iter(tokens.values())), "Ann Lee")]
        finally:
            again.close()

    def test_requests_are_listed_newest_first_in_pages_and_by_state(self, store: Store) -> None:
        for name in "abcde":
            self.asked(store, name)
        self.approved(store, "f")
        names = [a.id[-1] for a in store.list("north")]
        assert names == list("fedcba")
        page = store.list("north", limit=2)
        assert [a.id[-1] for a in page] == ["f", "e"]
        assert [a.id[-1] for a in store.list("north", limit=2, before=page[-1].id)] == ["d", "c"]
        assert [a.id[-1] for a in store.list("north", states=[State.APPROVED])] == ["f"]
        assert [a.id[-1] for a in store.list("north", states=[State.PENDING], limit=1)] == ["e"]
        assert store.list("north", states=[State.DENIED]) == ()
        assert store.list("north", before="no-such-approval") == ()

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

    # --- the compare-and-set

    def test_a_change_made_on_an_old_version_loses(self, store: Store) -> None:
        before = self.asked(store)
        now = store.now()
        veto = move(before, State.DENIED, now=now, verdicts=(a_verdict(before.request, answer=Answer.DENY),))
        store.commit(Change(tenant="north", update=step(before, veto)))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=step(before, approve(before, now))))
        assert store.get("north", before.id) == veto

    @pytest.mark.parametrize("to", [s for s in State if s not in (State.EXECUTING, State.PENDING)])
    def test_only_transitions_in_the_table_are_written(self, store: Store, to: State) -> None:
        """Invariant 7: what is denied stays denied, whatever a caller makes of it."""
        before = self.asked(store)
        denied = move(before, State.DENIED, now=store.now())
        store.commit(Change(tenant="north", update=step(before, denied)))
        forged = replace(denied, state=to, version=denied.version + 1)
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=step(denied, forged)))
        assert store.get("north", before.id) == denied

    def test_a_request_cannot_be_changed_once_it_is_asked(self, store: Store) -> None:
        before = self.asked(store)
        other = replace(before.request, call_digest="v1:another", tool="files.delete")
        forged = approve(replace(before, request=other), store.now())
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=step(before, forged)))
        assert store.get("north", before.id) == before

    def test_a_call_is_asked_once(self, store: Store) -> None:
        approval = self.asked(store)
        again = replace(approval.request, id="another-id")
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", create=again))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", create=replace(a_request("z"), id=approval.id)))
        assert store.list("north") == (approval,)

    def test_a_verdict_once_given_is_never_lost(self, store: Store) -> None:
        before = self.asked(store)
        one = replace(before, version=2, verdicts=(a_verdict(before.request, "cy"),))
        store.commit(Change(tenant="north", update=step(before, one)))
        without = replace(one, version=3, verdicts=())
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=step(one, without)))
        found = store.get("north", before.id)
        assert found is not None
        assert [v.person for v in found.verdicts] == ["cy"]

    # --- time

    def test_time_is_the_stores_own_in_the_same_transaction(self, store: Store, clock: ContractClock) -> None:
        """Invariant 8: no approve after expiry, however the caller reckons."""
        before = self.asked(store)
        after = approve(before, store.now())
        clock.advance(600.0)
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=step(before, after, before.request.expires)))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", update=step(before, after)))
        assert store.get("north", before.id) == before

    def test_no_claim_after_the_grant_expired(self, store: Store, clock: ContractClock) -> None:
        approved = self.approved(store)
        change = claimed(approved, now=store.now())
        clock.advance(60.0)
        with pytest.raises(ConflictError):
            store.commit(change)
        assert store.get("north", approved.id) == approved

    def test_setting_the_clock_back_revives_nothing(self, store: Store, clock: ContractClock) -> None:
        """Invariant 8 and the attack with the clock set back by an hour."""
        approved = self.approved(store)
        change = claimed(approved, now=store.now())
        clock.advance(61.0)
        late = store.now()
        store.commit(Change(tenant="north", records=(a_draft(),)))
        clock.wall -= 3600.0
        clock.ticks += 5.0
        assert store.now() == pytest.approx(late + 5.0)
        with pytest.raises(ConflictError):
            store.commit(change)

    def test_whose_time_ran_out_is_found_for_the_sweeper(self, store: Store, clock: ContractClock) -> None:
        waiting, granted = self.asked(store, "a", expires=START + 50.0), self.approved(store, "b")
        running = self.approved(store, "c")
        store.commit(claimed(running, now=store.now(), lease=40.0))
        self.asked(store, "d", tenant="south", expires=START + 10_000.0)
        assert store.overdue() == ()
        clock.advance(45.0)
        assert [a.id for a in store.overdue()] == [running.id]
        clock.advance(30.0)
        assert {a.id for a in store.overdue()} == {waiting.id, granted.id, running.id}
        assert len(store.overdue(limit=2)) == 2

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
