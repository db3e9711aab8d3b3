"""The store, keys or directory fail at every step in turn: a tool runs once at most, and only after its record."""

import asyncio
from dataclasses import replace

import pytest

from toolguard import BoundTool, Suspended
from toolguard._core.call import Tool
from toolguard.errors import ConflictError, DeniedError, ReplayError, StoreError, ToolguardError
from toolguard.testing import CountingIds, FakeClock, WordDetector
from toolguard.testing.desk import Desk

ADA = "Ada Byron"
WORDS = WordDetector({ADA: "PERSON"})
STEPS = ("commit", "find", "get", "ledger", "allocate", "values")
FAULTS = {
    "store error": lambda: StoreError("the disk is full"),
    "lost race": lambda: ConflictError("someone was first"),
    "bug": lambda: ValueError(ADA),
    "iteration": StopIteration,
    "interrupt": KeyboardInterrupt,
    "cancelled": asyncio.CancelledError,
}


class Failing:
    """A store whose n-th step fails, before it is done or (a lost answer) after."""

    def __init__(self, store, fault, *, at, after):
        self.store, self.fault, self.at, self.after = store, fault, at, after
        self.count = 0
        self.done = False

    blocking = False

    def __getattr__(self, name):
        real = getattr(self.store, name)
        if name not in STEPS:
            return real

        def step(*args, **kwargs):
            self.count += 1
            if self.count == self.at:
                self.done = True
                if self.after:
                    real(*args, **kwargs)
                raise self.fault()
            return real(*args, **kwargs)

        return step


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", ["lookup", "export"])
def test_invariant_6_whatever_step_fails_the_tool_runs_once_at_most(desk, policy, ana, drive, name, fault, after):
    """Each step of a call fails in turn; then the same call is made again with the store mended."""
    at, results = 0, []
    while True:
        at += 1
        ran = []

        def invoke(passed, ran=ran, call=f"c{at}"):
            executing = [r for r in desk.store.records() if r.draft.kind.value == "call.executing"]
            ran.append((len(executing), call))
            return ADA

        bound = BoundTool(tool=Tool.describe(name, source="app"), invoke=invoke)
        before = sum(r.draft.kind.value == "call.executing" for r in desk.store.records())
        guard = desk.guard(policy, detector=WORDS)
        with guard.session(caller=ana, run=f"r{at}") as session:
            if name == "export":
                with pytest.raises(Suspended) as waits:
                    session.call(bound, {"to": ADA}, call_id="c")
                desk.approve(waits.value.approval_id)
            failing = Failing(desk.store, fault, at=at, after=after)
            guard.parts = replace(guard.parts, store=failing)
            told = ""
            try:
                told = str(drive(session, "call", bound, {"to": ADA}, call_id="c"))
            except ToolguardError as raised:
                results.append(type(raised).__name__)
                told = str(raised)
            except (Exception, KeyboardInterrupt, SystemExit, asyncio.CancelledError) as raised:
                results.append(type(raised).__name__)
            assert ADA not in told
            assert all(recorded == before + 1 for recorded, _ in ran), "the record comes before the effect"
            guard.parts = replace(guard.parts, store=desk.store)
            for _ in range(2):
                try:
                    session.call(bound, {"to": ADA}, call_id="c")
                except ToolguardError as raised:
                    results.append(type(raised).__name__)
        assert len(ran) <= 1, f"step {at}: ran {len(ran)} times"
        if not failing.done:
            break
    assert at > 4, "the call must have had steps to fail"
    assert "ReplayError" in results


def test_a_lost_answer_to_the_claim_does_not_run_and_is_not_tried_again(desk, policy, ana, drive):
    ran = []
    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=ran.append)
    guard = desk.guard(policy)
    guard.parts = replace(guard.parts, store=Failing(desk.store, FAULTS["store error"], at=1, after=True))
    with guard.session(caller=ana) as session:
        with pytest.raises(StoreError):
            drive(session, "call", bound, {}, call_id="c")
        with pytest.raises(ReplayError):
            drive(session, "call", bound, {}, call_id="c")
    assert ran == []


def test_what_could_not_be_recorded_after_the_tool_ran_is_never_said_not_to_have_run(desk, policy, ana, drive):
    def fails(passed):
        raise ValueError(ADA)

    for invoke in (fails, lambda passed: "ok"):
        guard = desk.guard(policy)
        bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=invoke)
        guard.parts = replace(guard.parts, store=Failing(desk.store, FAULTS["store error"], at=2, after=False))
        with guard.session(caller=ana) as session, pytest.raises(ToolguardError) as told:
            drive(session, "call", bound, {})
        assert told.value.code == "result_withheld"
        assert "did not run" not in told.value.model_text


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_interruption_is_not_hidden_by_a_store_that_fails_too(desk, policy, ana, drive, raised):
    def invoke(passed):
        raise raised

    guard = desk.guard(policy)
    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=invoke)
    guard.parts = replace(guard.parts, store=Failing(desk.store, FAULTS["store error"], at=2, after=False))
    with guard.session(caller=ana) as session:
        with pytest.raises(raised):
            drive(session, "call", bound, {}, call_id="c")
        with pytest.raises(ReplayError):
            drive(session, "call", bound, {}, call_id="c")


def test_a_loop_that_is_torn_down_while_a_tool_runs_leaves_the_call_indeterminate(filed, policy, ana):
    """The coroutine is thrown away: nothing can be awaited any more, and the record is written all the same."""
    loop, started = asyncio.new_event_loop(), asyncio.Event()

    async def send() -> str:
        """Send."""
        started.set()
        await asyncio.get_running_loop().create_future()
        return "never"

    with filed.guard(policy).session(caller=ana) as session:
        coroutine = session.acall(send, {}, call_id="c")
        task = loop.create_task(coroutine)
        task._log_destroy_pending = False  # that it is thrown away is the point
        loop.run_until_complete(asyncio.wait_for(started.wait(), 10))
        coroutine.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        with pytest.raises(ReplayError):
            asyncio.run(session.acall(send, {}, call_id="c"))
    assert [r.draft.kind.value for r in filed.store.records() if "indeterminate" in r.draft.kind.value]


# --- clocks and ids -------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-3600.0, -10 * 365 * 86400.0, 3600.0, 10 * 365 * 86400.0])
def test_invariant_8_a_clock_that_jumps_revives_nothing(tmp_path, policy, ana, drive, jump):
    clock, ran = FakeClock(), []
    desk = Desk(tmp_path, store="memory:", clock=clock)
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(Suspended) as waits:
            drive(session, "call", bound, {"to": "x"}, call_id="c")
        desk.approve(waits.value.approval_id)
        clock.advance(901.0)  # the yes has run out
        desk.store.now()
        clock.advance(jump)
        with pytest.raises((DeniedError, ReplayError, StoreError)):
            drive(session, "call", bound, {"to": "x"}, call_id="c")
    assert ran == []


@pytest.mark.parametrize("same", ["0" * 32, "not hex at all"])
def test_ids_that_collide_run_nothing_twice(tmp_path, policy, ana, same):
    class Same(CountingIds):
        def new(self):
            return same

    ran = []
    desk = Desk(tmp_path, store="memory:")
    send = BoundTool(tool=Tool.describe("send", source="app"), invoke=ran.append)
    export = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    guard = desk.guard(policy, ids=Same())
    with guard.session(caller=ana) as session:
        session.call(send, {"n": 1})
        for again in (1, 2):
            with pytest.raises(ReplayError):
                session.call(send, {"n": again})
        with pytest.raises(Suspended) as waits:
            session.call(export, {"to": "x"}, call_id="one")
        desk.approve(waits.value.approval_id)
        with pytest.raises(ToolguardError):
            session.call(export, {"to": "y"}, call_id="two")
        session.call(export, {"to": "x"}, call_id="one")
    assert ran == [{"n": 1}, {"to": "x"}]


def test_a_directory_that_cannot_be_read_approves_nothing_and_is_on_record(desk, policy, ana, drive):
    ran = []
    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=ran.append)
    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(Suspended) as waits:
            drive(session, "call", bound, {"to": "x"}, call_id="c")
        desk.approve(waits.value.approval_id)
        good = desk.directory_file.read_text()
        desk.directory_file.write_text("persons: [")
        for call in ("c", "d"):
            with pytest.raises(ToolguardError) as refused:
                drive(session, "call", bound, {"to": "x"}, call_id=call)
            assert refused.value.code == "config"
            last = list(desk.store.records())[-1].draft
            assert (last.kind.value, last.body["toolguard.decision.reason_code"]) == ("call.decided", "config")
        assert ran == []
        desk.directory_file.write_text(good)
        drive(session, "call", bound, {"to": "x"}, call_id="c")
    assert ran == [{"to": "x"}]


def test_a_reason_that_cannot_be_looked_at_is_withheld_and_stops_nothing(desk, policy, ana, drive):
    class Choking(WordDetector):
        def session(self):
            return self

        def inspect(self, value, *, origin, schema=None):
            if value == f"because of {ADA}":
                raise RuntimeError(ADA)
            return super().inspect(value, origin=origin, schema=schema)

    bound = BoundTool(tool=Tool.describe("export", source="app"), invoke=lambda passed: "ok")
    guard = desk.guard(policy, detector=Choking({ADA: "PERSON"}))
    with guard.session(caller=ana) as session, pytest.raises(Suspended) as waits:
        drive(session, "call", bound, {"to": "x"}, call_id="c", reason=f"because of {ADA}")
    request = desk.store.get("general", waits.value.approval_id).request
    assert "withheld" in request.agent_reason
    assert ADA not in repr(replace(request, sealed=b""))
