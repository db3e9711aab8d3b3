"""A guarded call through real parts: SQLite, keys, directory, authority, policy file."""

import asyncio
import datetime as dt
import gc
import threading
import time
import weakref

import pytest

from toolguard import BoundTool, Caller, Suspended, Tool, current_call, current_session
from toolguard.errors import (
    BadArgumentsError,
    ConfigError,
    DeniedError,
    DetectionError,
    IdentityError,
    InvalidatedError,
    ReplayError,
    ToolFailedError,
    ToolguardError,
    UnknownToolError,
)
from toolguard.testing import BrokenDetector, WordDetector

RAN = []


@pytest.fixture(autouse=True)
def fresh():
    RAN.clear()


def lookup(name: str, since: dt.date | None = None) -> dict:
    """Look a patient up."""
    RAN.append(name)
    return {"name": name, "text": f"{name} was seen"}


def export(path: str, rows: list[str] | None = None) -> str:
    """Export a cohort."""
    RAN.append(path)
    return f"wrote {path}"


def send(to: str, body: str) -> str:
    """Send a message."""
    RAN.append((to, body))
    return "sent"


def wipe(path: str) -> str:
    """Delete everything."""
    RAN.append(path)
    return "gone"


def fails() -> str:
    """Fail."""
    RAN.append("fails")
    raise ValueError("no such patient: Ada Byron")


def unlisted() -> str:
    """Not in the policy."""
    RAN.append("unlisted")
    return "ran"


WORDS = WordDetector({"Ada Byron": "PERSON"})


def test_a_trusted_tool_gets_the_value_and_the_model_gets_a_token(desk, policy, ana, drive):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana) as session:
        assert drive(session, "mask", "Find Ada Byron") == "Find <PERSON_1>"
        assert drive(session, "call", lookup, {"name": "<PERSON_1>"}) == {
            "name": "<PERSON_1>",
            "text": "<PERSON_1> was seen",
        }
    assert RAN == ["Ada Byron"]


def test_an_untrusted_tool_gets_tokens(desk, policy, ana, drive):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana) as session:
        drive(session, "mask", "Find Ada Byron")
        drive(session, "call", send, {"to": "x", "body": "About <PERSON_1> and Ada Byron"})
    assert RAN == [("x", "About <PERSON_1> and <PERSON_M1>")]


def test_the_main_job_suspended_approved_run_once(desk, policy, ana, drive):
    guard = desk.guard(policy)
    with guard.session(caller=ana) as session:
        with pytest.raises(Suspended) as waiting:
            drive(session, "call", export, {"path": "/x"}, call_id="c1")
        assert RAN == []
        desk.approve(waiting.value.approval_id)
        assert drive(session, "call", export, {"path": "/x"}, call_id="c1") == "wrote /x"
        with pytest.raises(ReplayError):
            drive(session, "call", export, {"path": "/x"}, call_id="c1")
    assert RAN == ["/x"]


@pytest.mark.parametrize("by", ["ana", "okafor"])
def test_neither_requester_nor_agent_owner_approves(desk, policy, ana, by):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(Suspended) as waiting:
        session.call(export, {"path": "/x"}, call_id="c1")
    with pytest.raises(ToolguardError) as refused:
        desk.approve(waiting.value.approval_id, by=by)
    assert refused.value.code == "self_approval"


def test_the_requesters_second_identity_is_the_same_person(desk, policy, ana):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(Suspended) as waiting:
        session.call(export, {"path": "/x"}, call_id="c1")
    with pytest.raises(ToolguardError) as refused:
        desk.approve(waiting.value.approval_id, by="7781", issuer="badge")
    assert refused.value.code == "self_approval"


def test_arguments_changed_after_approval_do_not_run(desk, policy, ana, drive):
    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(Suspended) as waiting:
            drive(session, "call", export, {"path": "/x"}, call_id="c1")
        desk.approve(waiting.value.approval_id)
        with pytest.raises(InvalidatedError):
            drive(session, "call", export, {"path": "/etc"}, call_id="c1")
        with pytest.raises(InvalidatedError):
            drive(session, "call", export, {"path": "/etc"}, call_id="c1")
    assert RAN == []


@pytest.mark.parametrize(
    "variant",
    [{"path": "/x "}, {"path": "/х"}, {"path": "/X"}, {"path": "/x", "rows": []}, {"path": "/x\u200b"}],
    ids=["space", "homoglyph", "case", "an argument more", "zero width"],
)
def test_no_variant_of_the_approved_arguments_runs(desk, policy, ana, variant):
    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(Suspended) as waiting:
            session.call(export, {"path": "/x"}, call_id="c1")
        desk.approve(waiting.value.approval_id)
        with pytest.raises(InvalidatedError):
            session.call(export, variant, call_id="c1")
    assert RAN == []


def test_a_yes_for_one_call_is_no_yes_for_another(desk, policy, ana):
    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(Suspended) as waiting:
            session.call(export, {"path": "/x"}, call_id="c1")
        desk.approve(waiting.value.approval_id)
        for other in ({"call_id": "c2"}, {"call_id": "c1", "ordinal": 1}, {}):
            with pytest.raises(Suspended):
                session.call(export, {"path": "/x"}, **other)
    assert RAN == []


def test_a_denied_call_says_so(desk, policy, ana, drive):
    with desk.guard(policy).session(caller=ana) as session:
        with pytest.raises(Suspended) as waiting:
            drive(session, "call", export, {"path": "/x"}, call_id="c1")
        desk.deny(waiting.value.approval_id)
        with pytest.raises(DeniedError, match="denied by an approver"):
            drive(session, "call", export, {"path": "/x"}, call_id="c1")


def test_block_mode_waits_for_the_yes(desk, policy, ana, drive):
    guard = desk.guard(policy, suspend="block", wait=60.0)

    def approver():
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if waiting := desk.store.list("general"):
                desk.approve(waiting[0].id)
                return
            time.sleep(0.02)

    other = threading.Thread(target=approver)
    other.start()
    with guard.session(caller=ana) as session:
        assert drive(session, "call", export, {"path": "/x"}) == "wrote /x"
    other.join()


def test_block_mode_ends_at_its_bound_and_a_late_yes_is_refused(desk, policy, ana, drive):
    guard = desk.guard(policy, suspend="block", wait=0.05)
    with guard.session(caller=ana) as session, pytest.raises(DeniedError) as refused:
        drive(session, "call", export, {"path": "/x"})
    assert refused.value.code == "wait_timeout"
    (approval,) = desk.store.list("general")
    with pytest.raises(ToolguardError) as late:
        desk.approve(approval.id)
    assert late.value.code == "decided"
    assert RAN == []


# --- fail closed, aloud ---------------------------------------------------------------------------------


def test_an_unknown_tool_does_not_run(desk, policy, ana, drive):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(DeniedError, match="does not name this tool"):
        drive(session, "call", unlisted, {})
    assert RAN == []


def test_critical_risk_is_denied(desk, policy, ana, drive):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(DeniedError):
        drive(session, "call", wipe, {"path": "/"})
    assert RAN == []


def test_a_broken_detector_stops_everything_and_shows_nothing(desk, policy, ana, drive):
    with desk.guard(policy, detector=BrokenDetector()).session(caller=ana) as session:
        for verb, args in (("call", (send, {"to": "x", "body": "Ada Byron"})), ("mask", ("Ada Byron",))):
            with pytest.raises(DetectionError) as refused:
                drive(session, verb, *args)
            assert "Ada" not in str(refused.value)
    assert RAN == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": float("nan")},
        {"path": object()},
        {"path": "\ud800"},
        {"path": 5, 7: 1},
        {"nope": 1},
        {"path": ["a"]},
        {"path": "/x", "extra": 1},
        "not an object",
    ],
)
def test_arguments_that_do_not_fit_do_not_run(desk, policy, ana, drive, arguments):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(BadArgumentsError, match="did not run"):
        drive(session, "call", export, arguments)
    assert RAN == []


def test_a_validation_error_never_shows_the_value(desk, policy, ana):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session, pytest.raises(BadArgumentsError) as bad:
        session.call(lookup, {"name": "x", "since": "Ada Byron"})
    assert "Ada" not in str(bad.value)
    assert bad.value.__cause__ is None


def test_no_session_no_call():
    with pytest.raises(IdentityError, match=r"guard\.session"):
        current_session()


@pytest.mark.parametrize("caller", [None, "ana", {"subject": "ana"}])
def test_identity_is_never_guessed(desk, policy, caller):
    with pytest.raises(IdentityError):
        desk.guard(policy).session(caller=caller)


def test_a_requester_the_directory_does_not_know_gets_no_approval(desk, policy):
    ghost = Caller.of("ghost", agent="discharge-agent", tenant="general")
    with desk.guard(policy).session(caller=ghost) as session, pytest.raises(DeniedError, match="directory"):
        session.call(export, {"path": "/x"})


def test_two_tools_of_one_name_are_refused(desk, policy, ana):
    guard = desk.guard(policy)

    def make():
        def lookup(other: int) -> str:
            """Another tool under a known name."""
            return "hostile"

        return lookup

    guard.tool(lookup)
    with pytest.raises(UnknownToolError):
        guard.tool(make())


def test_a_function_the_policy_does_not_name_is_said_aloud_where_it_becomes_a_tool(desk, policy, ana):
    def lookupp(patient: str) -> str:
        """A typing error away from what the policy names."""
        raise AssertionError("ran")

    guard = desk.guard(policy)
    with pytest.warns(UserWarning, match="'lookupp' is not named in the policy") as told:
        bound = guard.tool(lookupp)
    assert told[0].filename == __file__
    with guard.session(caller=ana) as session:
        for tool in (bound, lookupp):  # a call says it by its own error
            with pytest.raises(DeniedError):
                session.call(tool, {"patient": "x"})


def test_a_durable_store_needs_a_durable_key(desk, policy):
    from toolguard import Guard

    with pytest.raises(ConfigError, match="keys init"):
        Guard(policy, store=desk.store_url)


def test_a_failing_tools_message_is_masked(desk, policy, ana, drive):
    with desk.guard(policy, detector=WORDS).session(caller=ana) as session, pytest.raises(ToolFailedError) as failed:
        drive(session, "call", fails, {})
    assert failed.value.masked_message == "no such patient: <PERSON_1>"
    assert "Ada" not in str(failed.value)
    assert isinstance(failed.value.original, ValueError)


# --- the rest of the public face ------------------------------------------------------------------------


def test_reveal_is_a_policy_decision_about_person_and_purpose(desk, policy, ana, drive):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana, run="r1") as session:
        text = drive(session, "mask", "Ada Byron is well")
        assert drive(session, "reveal", text, purpose="treatment").text == "Ada Byron is well"
        with pytest.raises(DeniedError):
            drive(session, "reveal", text, purpose="marketing")
    clerk = Caller.of("lee", agent="discharge-agent", tenant="general")
    with guard.session(caller=clerk, run="r1") as session, pytest.raises(DeniedError):
        drive(session, "reveal", text, purpose="treatment")


def test_tokens_of_one_session_mean_nothing_in_another(desk, policy, ana):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana) as one:
        one.mask("Ada Byron")
    with guard.session(caller=ana) as two:
        two.call(lookup, {"name": "<PERSON_1>"})
    assert RAN == ["<PERSON_1>"]


def test_masking_twice_changes_nothing_and_forgetting_forgets(desk, policy, ana, drive):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana) as session:
        once = drive(session, "mask", {"q": ["Ada Byron", 7]})
        assert drive(session, "mask", once) == once == {"q": ["<PERSON_1>", 7]}
        assert session.forget() == 1
        assert session.reveal("<PERSON_1>", purpose="treatment").unknown == ("<PERSON_1>",)


def test_a_running_tool_knows_its_call(desk, policy, ana, drive):
    seen = []

    def send() -> str:
        """Note the call."""
        seen.append(current_call())
        return "ok"

    with desk.guard(policy).session(caller=ana) as session:
        drive(session, "call", send, {}, call_id="c1")
    assert seen[0].idempotency_key.startswith("v1:")
    assert current_call() is None


def test_async_tools_run_on_the_loop_and_cancelling_leaves_the_call_indeterminate(desk, policy, ana):
    runs = asyncio.Event()

    async def send() -> str:
        """Take long."""
        runs.set()
        await asyncio.sleep(30)
        return "late"

    async def cancelled():
        with desk.guard(policy).session(caller=ana) as session:
            task = asyncio.create_task(session.acall(send, {}, call_id="c1"))
            await asyncio.wait_for(runs.wait(), 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(ReplayError):
                await session.acall(send, {}, call_id="c1")

    asyncio.run(cancelled())
    kinds = [r.draft.kind.value for r in desk.store.records()]
    assert "call.indeterminate" in kinds


def test_sync_calls_work_inside_a_running_loop(desk, policy, ana):
    async def notebook():
        with desk.guard(policy).session(caller=ana) as session:
            return session.call(send, {"to": "x", "body": "y"})

    assert asyncio.run(notebook()) == "sent"


def test_explain_decides_without_asking_running_or_recording(desk, policy, ana):
    guard = desk.guard(policy)
    before = len(list(desk.store.records()))
    with guard.session(caller=ana) as session:
        assert session.explain(export, {"path": "/x"}).effect.label == "require_approval"
        assert session.explain(wipe, {"path": "/"}).effect.label == "deny"
    assert len(list(desk.store.records())) == before
    assert RAN == []


def test_many_threads_one_approval_one_run(desk, policy, ana):
    guard = desk.guard(policy)
    with guard.session(caller=ana, run="r") as session:
        with pytest.raises(Suspended) as waiting:
            session.call(export, {"path": "/x"}, call_id="c1")
        desk.approve(waiting.value.approval_id)
        outcomes = []

        def attempt():
            try:
                outcomes.append(session.call(export, {"path": "/x"}, call_id="c1"))
            except ToolguardError as refused:
                outcomes.append(type(refused).__name__)

        threads = [threading.Thread(target=attempt) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes.count("wrote /x") == 1
    assert set(outcomes) == {"wrote /x", "ReplayError"}
    assert RAN == ["/x"]


class OfAFramework:
    """A tool object as agent frameworks have them: not hashable, not called by name."""

    name = "lookup"
    description = "Look a patient up."
    __hash__ = None

    def __call__(self, text: str) -> str:
        raise AssertionError("it never runs")


def test_a_frameworks_own_tool_is_refused_with_the_adapter_to_use(desk, policy, ana):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(ConfigError, match="with its adapter"):
        session.call(OfAFramework(), {"text": "x"})


def test_nothing_of_a_tool_is_held_once_its_call_is_over(desk, policy, ana, drive):
    """What an adapter binds for one call holds the objects of that call."""

    class Held:
        def run(self, passed):
            return "ok"

    tool = Tool.describe("fails", source="app", description="Say ok.")
    with desk.guard(policy).session(caller=ana) as session:
        for last in (False, True):
            held = Held()
            watched = weakref.ref(held)
            assert drive(session, "call", BoundTool(tool=tool, invoke=held.run), {}) == "ok"
            del held
            gc.collect()
            assert watched() is None, last
