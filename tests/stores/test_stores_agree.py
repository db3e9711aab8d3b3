"""Whatever is tried, in whatever order: both stores take the same changes and end in the same state."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from toolguard._core.approval import TRANSITIONS, Answer, Approval, State
from toolguard._core.audit import Kind, verify_chain
from toolguard._core.steps import Change, Claim, Settle, Standing, Update
from toolguard.errors import ConflictError, StoreError
from toolguard.ports import Store
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractClock, a_draft, a_request, a_verdict

NAMES = st.sampled_from("abc")
STATES = st.sampled_from(list(State))


class BothStores(RuleBasedStateMachine):
    """The memory store is the model of the durable one, and invariants hold on both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ContractClock()
        self.memory = MemoryStore(self.clock)
        self.durable = self.make()
        self.states: dict[str, list[State]] = {}
        self.runs: dict[str, int] = {}

    def make(self) -> Store:
        """The durable store, empty."""
        store = SqliteStore(Path(self.folder.name) / "store.db", self.clock)
        assert store._writer is not None
        store._writer.execute("PRAGMA synchronous = OFF")  # durability has tests of its own
        return store

    def teardown(self) -> None:
        self.durable.close()
        self.folder.cleanup()

    def attempt(self, change: Change) -> bool:
        """Whether the change was taken: by both, or by neither."""
        taken = []
        for store in (self.memory, self.durable):
            try:
                store.commit(change)
            except StoreError as error:
                taken.append(type(error).__name__)
            else:
                taken.append("taken")
        assert taken[0] == taken[1], taken
        return taken[0] == "taken"

    def current(self, name: str) -> Approval | None:
        return self.memory.get("north", f"approval-north-{name}")

    @rule(name=NAMES, expires=st.sampled_from([5.0, 600.0]))
    def ask(self, name: str, expires: float) -> None:
        request = a_request(name, created=self.clock.now(), expires=self.clock.now() + expires)
        if self.attempt(Change(tenant="north", records=(a_draft(),), create=request)):
            self.states[name] = [State.PENDING]

    @rule(name=NAMES, to=STATES, version=st.sampled_from([-1, 0, 0, 0, 0, 1]), vote=st.booleans(), alone=st.booleans())
    def move(self, name: str, to: State, version: int, vote: bool, alone: bool) -> None:
        before = self.current(name)
        if before is None:
            return
        request, now = before.request, self.clock.now()
        after = replace(
            before,
            state=to,
            version=before.version + 1 + version,
            changed=now,
            verdicts=(*before.verdicts, a_verdict(request, answer=Answer.DENY, at=now)) if vote else before.verdicts,
            grant_expires=now + 30.0 if to is State.APPROVED else before.grant_expires,
            lease_until=now + 20.0 if to is State.EXECUTING else before.lease_until,
        )
        update = Update(approval=after, from_version=before.version + version, from_state=before.state)
        claim = Claim(ref=request.ref, call_digest=request.call_digest, asked=True)
        ends = to is State.EXECUTED and before.state is State.EXECUTING
        change = Change(
            tenant="north",
            records=(a_draft(Kind.CALL_EXECUTING if to is State.EXECUTING else Kind.APPROVAL_RESOLVED),),
            update=update,
            claim=claim if to is State.EXECUTING and before.state is not State.EXECUTING and not alone else None,
            settle=Settle(ref=request.ref, ok=True) if ends else None,
        )
        if self.attempt(change):
            assert version == 0
            assert (before.state, to) in TRANSITIONS or before.state is to
            self.states[name].append(to)
            if change.claim:
                self.runs[name] = self.runs.get(name, 0) + 1

    @rule(name=NAMES, digest=st.sampled_from(["same", "other"]))
    def claim(self, name: str, digest: str) -> None:
        ref = a_request(name).ref
        value = f"v1:call-{name}" if digest == "same" else "v1:other"
        if self.attempt(Change(tenant="north", claim=Claim(ref=ref, call_digest=value, asked=False))):
            assert name not in self.states, "an asked call was claimed around its approval"
            self.runs[name] = self.runs.get(name, 0) + 1

    @rule(name=NAMES, ok=st.booleans())
    def settle(self, name: str, ok: bool) -> None:
        row = self.memory.ledger("north", a_request(name).ref)
        taken = self.attempt(Change(tenant="north", settle=Settle(ref=a_request(name).ref, ok=ok, result=b"x")))
        assert taken == (row is not None and row.standing is Standing.EXECUTING)
        if taken and not ok and name not in self.states:
            self.runs[name] -= 1

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0, -100.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.wall += seconds
        self.clock.ticks += max(0.0, seconds)

    @invariant()
    def both_are_the_same(self) -> None:
        assert self.memory.list("north") == self.durable.list("north")
        for name in "abc":
            ref = a_request(name).ref
            assert self.memory.ledger("north", ref) == self.durable.ledger("north", ref)
            assert self.memory.find("north", ref) == self.durable.find("north", ref)
        assert [(r.tenant, r.approval) for r in self.memory.outbox()] == [
            (r.tenant, r.approval) for r in self.durable.outbox()
        ]
        assert {a.id for a in self.memory.overdue()} == {a.id for a in self.durable.overdue()}

    @invariant()
    def no_call_runs_twice(self) -> None:
        """Invariant 5."""
        assert all(count <= 1 for count in self.runs.values())

    @invariant()
    def the_logs_hold_together(self) -> None:
        for store in (self.memory, self.durable):
            assert verify_chain(store.records())[1] == ()


TestBothStores = BothStores.TestCase
TestBothStores.settings = settings(max_examples=25, stateful_step_count=25)


def test_a_conflict_is_a_store_error() -> None:
    assert issubclass(ConflictError, StoreError)
