"""Running under another's name, vault or approval: contexts, threads, forks, nested calls."""

import asyncio
import os
import threading

import pytest

from toolguard import BoundTool, Caller, Suspended, current_call, current_session
from toolguard._core.call import Tool
from toolguard.errors import DeniedError, IdentityError, ReplayError, ToolguardError
from toolguard.testing import WordDetector

ADA = "Ada Byron"


def tool(name, invoke):
    return BoundTool(tool=Tool.describe(name, source="app"), invoke=invoke)


@pytest.fixture
def lee():
    return Caller.of("lee", agent="discharge-agent", tenant="general", roles={"clinician"})


# --- whose session this is ------------------------------------------------------------------------------


def test_sessions_that_end_in_another_order_leave_the_right_one(desk, policy, ana, lee):
    guard = desk.guard(policy)
    one, two = guard.session(caller=ana), guard.session(caller=lee)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert current_session() is two
    two.__exit__(None, None, None)
    with pytest.raises(IdentityError):
        current_session()


def test_leaving_a_session_twice_or_elsewhere_ends_nobody_elses(desk, policy, ana, lee):
    guard = desk.guard(policy)
    one, two = guard.session(caller=ana), guard.session(caller=lee)
    with two:
        with one:
            pass
        one.__exit__(None, None, None)
        assert current_session() is two


def test_a_session_entered_twice_is_left_twice(desk, policy, ana):
    session = desk.guard(policy).session(caller=ana)
    with session:
        with session:
            pass
        assert current_session() is session


def test_tasks_side_by_side_never_see_each_others_session(desk, policy, ana, lee):
    guard = desk.guard(policy)

    async def one(caller):
        with guard.session(caller=caller) as session:
            for _ in range(20):
                await asyncio.sleep(0)
                assert current_session() is session

    async def go():
        await asyncio.gather(*(one(c) for c in [ana, lee] * 10))

    asyncio.run(go())


def test_a_thread_has_no_session_it_was_not_given(desk, policy, ana):
    seen = []

    def look():
        try:
            seen.append(current_session())
        except IdentityError as error:
            seen.append(type(error))

    with desk.guard(policy).session(caller=ana):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [IdentityError]


def test_an_async_generator_closed_elsewhere_takes_no_session_with_it(desk, policy, ana, lee):
    guard = desk.guard(policy)

    async def stream():
        with guard.session(caller=ana):
            yield 1
            yield 2

    async def go():
        running = stream()
        await anext(running)
        with guard.session(caller=lee) as session:
            await asyncio.create_task(running.aclose())
            assert current_session() is session

    asyncio.run(go())


# --- on another's approval ------------------------------------------------------------------------------


def test_invariant_2_nobody_runs_on_anothers_approval_or_voids_it(desk, policy, ana, lee, drive):
    ran = []
    bound = tool("export", lambda passed: ran.append(passed) or "ok")
    guard = desk.guard(policy)
    with guard.session(caller=ana, run="thread") as session:
        with pytest.raises(Suspended) as waits:
            drive(session, "call", bound, {"to": "x"}, call_id="c")
    with guard.session(caller=lee, run="thread") as session:
        for given in ({"to": "x"}, {"to": "other"}):
            with pytest.raises(DeniedError) as refused:
                drive(session, "call", bound, given, call_id="c")
            assert refused.value.code == "requester"
    desk.approve(waits.value.approval_id)
    with guard.session(caller=lee, run="thread") as session:
        for given in ({"to": "x"}, {"to": "other"}):
            with pytest.raises(DeniedError):
                drive(session, "call", bound, given, call_id="c")
    assert ran == []
    with guard.session(caller=ana, run="thread") as session:
        assert drive(session, "call", bound, {"to": "x"}, call_id="c") == "ok"


def test_nobody_gets_the_kept_result_of_anothers_approved_call(desk, policy, ana, lee, drive):
    bound = tool("export", lambda passed: "for ana's eyes")
    guard = desk.guard(policy)
    with guard.session(caller=ana, run="thread") as session:
        with pytest.raises(Suspended) as waits:
            session.call(bound, {"to": "x"}, call_id="c")
        desk.approve(waits.value.approval_id)
        for replayed in (False, True):
            permit = session.authorise(bound, {"to": "x"}, ref=session.ref("c"), replays=True)
            assert session.execute(bound, permit, replays=True).replayed is replayed
    with guard.session(caller=lee, run="thread") as session, pytest.raises(DeniedError):
        drive(session, "authorise", bound, {"to": "x"}, ref=session.ref("c"), replays=True)


def test_a_no_to_one_person_does_not_void_anothers_approval(desk, ana, lee, drive):
    from toolguard.policyfile import load_policy

    text = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: p, version: 1, owner: x}
approvals: {default: {approvers: ["group:privacy-office"]}}
tools: {export: {risk: high}}
rules:
  - {id: not-lee, because: "Not Lee.", when: 'caller.subject == "lee"', effect: deny}
"""
    ran = []
    bound = tool("export", ran.append)
    guard = desk.guard(load_policy(text, name="p"))
    with guard.session(caller=ana, run="thread") as session, pytest.raises(Suspended) as waits:
        session.call(bound, {}, call_id="c")
    desk.approve(waits.value.approval_id)
    with guard.session(caller=lee, run="thread") as session, pytest.raises(DeniedError):
        drive(session, "call", bound, {}, call_id="c")
    with guard.session(caller=ana, run="thread") as session:
        drive(session, "call", bound, {}, call_id="c")
    assert len(ran) == 1


def test_invariant_20_two_calls_of_one_message_are_two_questions(desk, policy, ana):
    ran = []
    bound = tool("export", ran.append)
    with desk.guard(policy).session(caller=ana, run="r") as session:
        ids = []
        for ordinal in (0, 1):
            with pytest.raises(Suspended) as waits:
                session.call(bound, {"to": "x"}, call_id="c", ordinal=ordinal)
            ids.append(waits.value.approval_id)
        desk.approve(ids[0])
        with pytest.raises(Suspended):
            session.call(bound, {"to": "x"}, call_id="c", ordinal=1)
        session.call(bound, {"to": "x"}, call_id="c", ordinal=0)
    assert len(set(ids)) == 2
    assert len(ran) == 1


@pytest.mark.parametrize("parts", [("a", "b:c"), ("a:b", "c"), ("1:a/1:b", "c"), ("a/1", "b")])
def test_references_that_read_alike_are_different_calls(desk, policy, ana, parts):
    ran = []
    bound = tool("send", ran.append)
    guard = desk.guard(policy)
    for run, call in (parts, ("a", "b")):
        with guard.session(caller=ana, run=run) as session:
            session.call(bound, {}, call_id=call)
    assert len(ran) == 2


# --- inside a tool --------------------------------------------------------------------------------------


def test_a_guarded_call_inside_a_tool_meets_the_gate_itself(desk, policy, ana, drive):
    """Invariant 21: an approved outer call says nothing about an inner one."""
    ran = []
    guard = desk.guard(policy)
    inner = tool("export", ran.append)
    denied = tool("wipe", ran.append)

    def outer(passed):
        session = current_session()
        outside = current_call()
        with pytest.raises(DeniedError):
            session.call(denied, {})
        assert current_call() == outside
        return session.call(inner, {"to": "x"}, call_id="inner")

    with guard.session(caller=ana, run="r") as session:
        with pytest.raises(Suspended):
            drive(session, "call", tool("send", outer), {}, call_id="outer")
        assert current_call() is None
        with pytest.raises(Suspended) as waits:
            drive(session, "call", tool("send", outer), {}, call_id="outer")
        desk.approve(waits.value.approval_id)
        drive(session, "call", tool("send", outer), {}, call_id="outer")
        with pytest.raises(ReplayError):
            drive(session, "call", tool("send", outer), {}, call_id="outer")
    assert ran == [{"to": "x"}]


def test_a_tool_that_claims_to_wait_gains_no_second_run_of_an_approved_call(desk, policy, ana, drive):
    """It raises a suspension of its own making after its effect: the approval is used up."""
    ran = []

    def sly(passed):
        ran.append(1)
        raise Suspended("later", approval_id="0" * 32, call_digest="x", tool="export", expires_at=9e9)

    with desk.guard(policy).session(caller=ana, run="r") as session:
        with pytest.raises(Suspended) as waits:
            drive(session, "call", tool("export", sly), {}, call_id="c")
        desk.approve(waits.value.approval_id)
        with pytest.raises(Suspended):
            drive(session, "call", tool("export", sly), {}, call_id="c")
        with pytest.raises(ReplayError):
            drive(session, "call", tool("export", sly), {}, call_id="c")
    assert ran == [1]


def test_a_tool_cannot_run_its_own_call_again_from_inside(desk, policy, ana, drive):
    ran = []

    def again(passed):
        ran.append(1)
        with pytest.raises(ReplayError):
            current_session().call(tool("send", again), {}, call_id="c")
        return "ok"

    with desk.guard(policy).session(caller=ana, run="r") as session:
        drive(session, "call", tool("send", again), {}, call_id="c")
    assert ran == [1]


# --- many at once ---------------------------------------------------------------------------------------


def test_invariant_5_threads_and_tasks_share_one_run(filed, policy, ana):
    ran, outcomes = [], []
    bound = tool("export", lambda passed: ran.append(passed) or "ok")
    guard = filed.guard(policy)
    with guard.session(caller=ana, run="r") as session:
        with pytest.raises(Suspended) as waits:
            session.call(bound, {"to": "x"}, call_id="c")
        filed.approve(waits.value.approval_id)

        def attempt(call):
            try:
                outcomes.append(call())
            except ToolguardError as refused:
                outcomes.append(type(refused).__name__)

        async def tasks():
            async def one():
                try:
                    outcomes.append(await session.acall(bound, {"to": "x"}, call_id="c"))
                except ToolguardError as refused:
                    outcomes.append(type(refused).__name__)

            await asyncio.gather(*(one() for _ in range(4)))

        threads = [
            threading.Thread(target=attempt, args=(lambda: session.call(bound, {"to": "x"}, call_id="c"),))
            for _ in range(4)
        ]
        threads.append(threading.Thread(target=lambda: asyncio.run(tasks())))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes.count("ok") == 1
    assert len(ran) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_invariant_5_a_forked_child_and_its_parent_share_one_run(filed, policy, ana):
    marks = filed.folder / "ran"
    marks.mkdir()
    bound = tool("export", lambda passed: (marks / str(os.getpid())).write_text("x") and "ok")
    with filed.guard(policy).session(caller=ana, run="r") as session:
        with pytest.raises(Suspended) as waits:
            session.call(bound, {"to": "x"}, call_id="c")
        filed.approve(waits.value.approval_id)
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    session.call(bound, {"to": "x"}, call_id="c")
                    code = 0
                except ReplayError:
                    code = 7
                finally:
                    os._exit(code)
            children.append(child)
        try:
            session.call(bound, {"to": "x"}, call_id="c")
            codes = [0]
        except ReplayError:
            codes = [7]
        codes += [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(codes) == [0, 7, 7, 7]
    assert len(list(marks.iterdir())) == 1


def test_threads_that_mask_at_once_agree_on_every_token(desk, policy, ana):
    names = [f"Name{i} Surname{i}" for i in range(40)]
    detector = WordDetector(dict.fromkeys(names, "PERSON"))
    with desk.guard(policy, detector=detector).session(caller=ana) as session:
        found = []
        threads = [threading.Thread(target=lambda: found.append(session.mask(names))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({tuple(f) for f in found}) == 1
    assert len(set(found[0])) == len(names)
