"""What every store promises, as tests. For a store of your own:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make(self, tmp_path):
            return lambda clock: MyStore(tmp_path / "store", clock)

``make(clock)`` gives a store; called twice in one test it gives the same data again if the store is durable
(then set ``durable = True``). Tests are named after what they promise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from toolguard._core.approval import Answer, Approval, State, move
from toolguard._core.audit import Kind, verify_chain
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim, LedgerRow, Settle, Standing
from toolguard._core.stored import ChainCheck, stored_record
from toolguard._core.vault import Namespace, Need, Token
from toolguard.errors import ConflictError, NotFoundError, StoreError
from toolguard.ports import SessionKey, Store
from toolguard.testing.content_contract import ContentContract
from toolguard.testing.history_contract import HistoryContract
from toolguard.testing.register_contract import RegisterContract
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

__all__ = ["ContractClock", "ContractSealer", "StoreContract", "a_draft", "a_request", "a_verdict", "all_of", "claimed"]


class StoreContract(HistoryContract, ContentContract, RegisterContract):
    """See the module."""

    durable = False

    @pytest.fixture
    def make(self) -> Callable[[ContractClock], Store]:
        raise NotImplementedError("give a fixture 'make' that returns a function from a clock to a store")

    @pytest.fixture
    def clock(self) -> ContractClock:
        return ContractClock()

    @pytest.fixture
    def store(self, make: Callable[[ContractClock], Store], clock: ContractClock) -> Iterator[Store]:
        store = make(clock)
        yield store
        store.close()

    @pytest.fixture
    def sealer(self) -> ContractSealer:
        return ContractSealer()

    def asked(self, store: Store, name: str = "a", **changes: Any) -> Approval:
        """A request that waits."""
        request = a_request(name, **changes)
        store.commit(Change(tenant=request.tenant, records=(a_draft(call=request.call),), create=request))
        found = store.get(request.tenant, request.id)
        assert found is not None
        return found

    def approved(self, store: Store, name: str = "a", **changes: Any) -> Approval:
        before = self.asked(store, name, **changes)
        after = approve(before, store.now())
        store.commit(Change(tenant=before.request.tenant, update=step(before, after, before.request.expires)))
        return after

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

    # --- claims

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

    def test_a_call_is_asked_once(self, store: Store) -> None:
        approval = self.asked(store)
        again = replace(approval.request, id="another-id")
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", create=again))
        with pytest.raises(ConflictError):
            store.commit(Change(tenant="north", create=replace(a_request("z"), id=approval.id)))
        assert store.list("north") == (approval,)

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

    # --- tenants

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

    # --- records

    def test_a_log_opens_with_its_first_record_and_holds_together(self, store: Store) -> None:
        """I3: numbers follow each other, each record carries its predecessor."""
        assert (store.logs(), store.heads(), list(store.records())) == ((), (), [])
        drafts = [a_draft(call=f"c{i}", at=START + i) for i in range(5)]
        returned = [r for d in drafts for r in store.commit(Change(tenant="north", records=(d,)))]
        assert [r.draft for r in returned] == drafts
        records = list(store.records())
        assert records[0].draft.kind is Kind.LOG_OPENED
        assert records[1:] == returned
        assert verify_chain(records) == (6, ())
        (head,) = store.heads()
        assert (head.log_id, head.first, head.seq, head.hash) == (
            records[0].log_id,
            records[0].hash,
            6,
            records[-1].hash,
        )
        assert store.logs() == (head.log_id,)

    def test_records_are_read_from_a_number_on_by_log_and_by_call(self, store: Store) -> None:
        for i in range(6):
            store.commit(Change(tenant="north", records=(a_draft(call=f"c{i % 2}", at=START + i),)))
        (log,) = store.logs()
        assert [r.seq for r in store.records(log_id=log, after=4)] == [5, 6, 7]
        assert [r.seq for r in store.records(after=2, limit=2)] == [3, 4]
        assert [r.seq for r in store.records(call="c1")] == [3, 5, 7]
        assert list(store.records(log_id="no-such-log")) == []
        assert list(store.records(call="no-such-call")) == []

    def test_records_are_there_as_they_stand_as_hashes_and_by_kind_where_they_belong_to_no_call(
        self, store: Store
    ) -> None:
        note = replace(a_draft(Kind.AUDIT_CHECKPOINT, call=""), body={"s": 2.5})
        for n in range(3):
            store.commit(Change(tenant="", records=(replace(note, body={"n": n, "s": 2.5}), a_draft(call=f"call-{n}"))))
        records = list(store.records())
        (log_id,) = store.written()
        rows = store.stored(log_id)
        assert [stored_record(tuple(row)) for row in rows] == records
        check = ChainCheck(log_id)
        check.page(rows)
        assert (check.faults, check.count, check.last) == ([], 7, 7)
        assert [row[1] for row in store.stored(log_id, 3, 2)] == [4, 5]
        assert [tuple(pair) for pair in store.hashes(log_id)] == [(r.seq, r.hash) for r in records]
        assert [tuple(pair) for pair in store.hashes(log_id, 5, 1)] == [(6, records[5].hash)]
        assert [r.draft.body["n"] for r in store.operations(Kind.AUDIT_CHECKPOINT)] == [0, 1, 2]
        assert list(store.operations(Kind.CALL_DECIDED)) == []
        assert [(head.number, head.log_id) for head in store.heads()] == [(1, log_id)]

    def test_a_sink_remembers_how_far_it_came_and_never_goes_back(self, store: Store) -> None:
        assert store.cursor("jaeger") == {}
        store.advance("jaeger", "log1", 5)
        store.advance("jaeger", "log1", 3)
        store.advance("jaeger", "log2", 1)
        store.advance("other", "log1", 9)
        assert store.cursor("jaeger") == {"log1": 5, "log2": 1}

    # --- announcements

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

    # --- waiting

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

    # --- tokens

    def test_one_identifier_has_one_token_and_its_spellings_are_variants(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        texts = ["John Smith", "JOHN  SMITH", "Ann Lee", "john smith", "John Smith"]
        needs = [Need(type="PERSON", text=t) for t in texts]
        tokens = store.allocate(key, needs, sealer)
        assert [str(tokens[n]) for n in needs] == [
            "<PERSON_1>",
            "<PERSON_1b>",
            "<PERSON_2>",
            "<PERSON_1c>",
            "<PERSON_1>",
        ]
        assert store.values(key, sealer) == {tokens[n]: n.text for n in needs}
        assert store.allocate(key, needs, sealer) == tokens

    def test_types_namespaces_and_sessions_count_apart(self, store: Store, sealer: ContractSealer) -> None:
        """T8: what the model wrote never meets what a protected source gave."""
        key = SessionKey(tenant="north", session="s")
        needs = [
            Need(type="PERSON", text="Ann Lee"),
            Need(type="PERSON", text="Ann Lee", namespace=Namespace.MODEL),
            Need(type="FACILITY", text="Ann Lee"),
        ]
        tokens = store.allocate(key, needs, sealer)
        assert [str(tokens[n]) for n in needs] == ["<PERSON_1>", "<PERSON_M1>", "<FACILITY_1>"]
        other = SessionKey(tenant="north", session="t")
        assert store.values(other, sealer) == {}
        theirs = store.allocate(other, [Need(type="PERSON", text="Bo Ek")], sealer)
        assert [str(t) for t in theirs.values()] == ["<PERSON_1>"]

    def test_texts_come_back_to_the_last_character(self, store: Store, sealer: ContractSealer) -> None:
        key = SessionKey(tenant="north", session="s")
        texts = ["  Zoë\u0301 \u202eО’Нил\t", "<PERSON_9>", "\U0001f600", "x" * 10_000, "a\x00b", ""]
        tokens = store.allocate(key, [Need(type="LITERAL", text=t) for t in texts], sealer)
        assert {n.text for n in tokens} == set(texts)
        assert all(store.values(key, sealer, [t]) == {t: n.text} for n, t in tokens.items())

    def test_tokens_nobody_issued_have_no_value(self, store: Store, sealer: ContractSealer) -> None:
        key = SessionKey(tenant="north", session="s")
        store.allocate(key, [Need(type="PERSON", text="Ann Lee")], sealer)
        strangers = [
            Token(type="PERSON", index=2),
            Token(type="PERSON", index=1, variant=1),
            Token(type="PERSON", index=1, namespace=Namespace.MODEL),
            Token(type="MRN", index=1),
        ]
        assert store.values(key, sealer, strangers) == {}

    def test_a_purged_session_is_forgotten_and_its_numbers_are_not_given_again(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        old = store.allocate(key, [Need(type="PERSON", text=t) for t in ("Ann Lee", "ANN LEE", "Bo Ek")], sealer)
        assert store.purge(key) == 3
        assert store.values(key, sealer, old.values()) == {}
        assert store.purge(key) == 0
        new = store.allocate(key, [Need(type="PERSON", text="Cy Orr")], sealer)
        assert [str(t) for t in new.values()] == ["<PERSON_3>"]

    def test_an_identifier_with_more_spellings_than_letters_goes_on_under_a_new_number(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        texts = [f"Ann{' ' * n}Lee" for n in range(1, 679)]
        tokens = store.allocate(key, [Need(type="PERSON", text=t) for t in texts], sealer)
        assert str(tokens[Need(type="PERSON", text=texts[675])]) == "<PERSON_1zz>"
        assert str(tokens[Need(type="PERSON", text=texts[676])]) == "<PERSON_2>"
        assert len(set(tokens.values())) == len(texts)

    # --- many at once

    def test_threads_append_to_one_log_without_gap_or_fork(self, store: Store) -> None:
        def work(n: int) -> None:
            for i in range(15):
                store.commit(Change(tenant="north", records=(a_draft(call=f"{n}-{i}"), a_draft(call=f"{n}-{i}"))))

        in_threads(work, range(8))
        assert verify_chain(store.records()) == (241, ())
        calls = [r.draft.call for r in store.records()][1:]
        assert calls[::2] == calls[1::2], "two records of one change were torn apart"

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

    def test_threads_that_ask_for_the_same_identifiers_get_the_same_tokens(
        self, store: Store, sealer: ContractSealer
    ) -> None:
        key = SessionKey(tenant="north", session="s")
        needs = [Need(type="PERSON", text=f"{first} Lee") for first in ("Ann", "ANN", "Bo", "Cy", "Di", "DI")]
        seen: list[dict[Need, Token]] = []
        in_threads(lambda n: seen.append(dict(store.allocate(key, needs[n % 3 :] + needs[: n % 3], sealer))), range(12))
        assert all(tokens == seen[0] for tokens in seen)
        assert len(store.values(key, sealer)) == 6
