"""A guard without the service's database: it asks, claims and reports over the wire, and runs nothing otherwise."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from authority.ward import human
from remote.clinic import Clinic
from toolguard import Guard
from toolguard._core.approval import Answer, Approval, Assured, State
from toolguard._core.audit import Kind
from toolguard._core.register import ActKind
from toolguard.errors import DeniedError, ServiceError, StoreError, Suspended, ToolguardError
from toolguard.journal import verify
from toolguard.stores import open_store
from toolguard_langchain import guard_tools


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, clinic: Clinic) -> Callable[..., Any]:
    """Make one call in a session of its own."""

    def go(guard: Guard, tool: Any, path: str = "/out/a", *, call_id: str = "c-1", **session: Any) -> Any:
        with clinic.session(guard, **session) as opened:
            given = {"name" if tool == clinic.lookup else "path": path}
            if request.param == "sync":
                return opened.call(tool, given, call_id=call_id)
            return asyncio.run(opened.acall(tool, given, call_id=call_id))

    return go


def kinds(guard: Guard, call: str) -> list[Kind]:
    return [record.draft.kind for record in guard.parts.store.records(call=call)]


def test_an_allowed_call_asks_nobody(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    call(guard, clinic.lookup, "x", call_id="c-0")
    before = len(clinic.heard)
    assert call(guard, clinic.lookup, "y") == "found"
    assert {path for _, path in clinic.heard[before:]} <= {"/v1/register"}
    assert clinic.ran == ["x", "y"]


def test_an_approved_call_runs_once_and_both_journals_hold_it(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    person = clinic.answering(Answer.APPROVE)
    assert call(guard, clinic.export) == "written"
    person.join()
    assert clinic.ran == ["/out/a"]
    until(lambda: clinic.waiting().state is State.EXECUTED)
    assert clinic.waiting().outcome == "ok"
    service = [r.draft.kind for r in clinic.ward.store.records(call=clinic.waiting().request.call)]
    assert service == [
        Kind.APPROVAL_REQUESTED,
        Kind.APPROVAL_VERDICT,
        Kind.APPROVAL_RESOLVED,
        Kind.CALL_EXECUTING,
        Kind.CALL_RETURNED,
    ]
    assert kinds(guard, clinic.waiting().request.call) == [
        Kind.CALL_DECIDED,
        Kind.APPROVAL_REQUESTED,
        Kind.APPROVAL_RESOLVED,
        Kind.CALL_EXECUTING,
        Kind.CALL_RETURNED,
    ]
    assert verify(clinic.ward.store).ok
    assert verify(guard.parts.store.local).ok  # type: ignore[attr-defined] # the store an auditor opens
    with pytest.raises(ToolguardError) as caught:
        call(guard, clinic.export)
    assert caught.value.code == "replay"


def test_a_tool_that_fails_is_said_to_have_failed(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()

    def export(path: str) -> str:
        """Write an export."""
        raise TimeoutError("no disk")

    person = clinic.answering(Answer.APPROVE)
    with pytest.raises(ToolguardError):
        call(guard, export)
    person.join()
    until(lambda: clinic.waiting().state is State.EXECUTED)
    assert clinic.waiting().outcome == "error"
    last = list(clinic.ward.store.records(call=clinic.waiting().request.call))[-1].draft
    assert (last.kind, last.body["error.type"]) == (Kind.CALL_FAILED, "TimeoutError")


def test_a_no_is_a_no_and_is_remembered_here(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    person = clinic.answering(Answer.DENY)
    with pytest.raises(DeniedError) as caught:
        call(guard, clinic.export)
    person.join()
    assert caught.value.code == "denied_by_person"
    with pytest.raises(DeniedError) as again:
        call(guard, clinic.export, call_id="c-2")
    assert again.value.code == "denied_before"
    assert clinic.ran == []


def test_nobody_answers_and_a_late_yes_misleads_nobody(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    with pytest.raises(DeniedError) as caught:
        call(guard, clinic.export, wait=0.2)
    assert caught.value.code == "wait_timeout"
    assert clinic.waiting().state is State.WITHDRAWN


def test_what_waits_can_be_called_again_by_another_process(clinic: Clinic, call: Any) -> None:
    first = clinic.guard()
    with pytest.raises(Suspended) as caught:
        call(first, clinic.export, suspend="raise")
    assert caught.value.approval_id == clinic.waiting().id
    with pytest.raises(Suspended):
        call(first, clinic.export, suspend="raise")
    first.close()
    clinic.say(Answer.APPROVE)
    assert call(clinic.guard(), clinic.export, suspend="raise") == "written"
    assert clinic.ran == ["/out/a"]
    assert len(clinic.ward.store.list("st-marys")) == 1


def test_a_memory_store_is_enough_for_a_guard_that_never_restarts(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard(clinic.store(open_store("memory:", clinic.clock)))
    person = clinic.answering(Answer.APPROVE)
    assert call(guard, clinic.export) == "written"
    person.join()


def test_the_last_moments_yes_wins_over_giving_up(clinic: Clinic, call: Any) -> None:
    """Somebody decides between the end of the wait and the withdrawal."""
    guard = clinic.guard()
    clinic.before["/withdraw"] = lambda: clinic.say(Answer.APPROVE)
    assert call(guard, clinic.export, wait=0.2) == "written"
    assert clinic.before == {}


def test_a_freeze_stops_allowed_and_approved_calls_within_seconds(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    call(guard, clinic.lookup, "x", call_id="c-0")
    freeze = clinic.ward.authority.freeze(human("sid"), agent="discharge-assistant", reason="odd")
    begun, count = time.monotonic(), 0
    with pytest.raises(DeniedError) as caught:
        while time.monotonic() < begun + 20:
            count += 1
            call(guard, clinic.lookup, "y", call_id=f"d-{count}")
    assert caught.value.code == "frozen"
    assert time.monotonic() - begun < 15
    with pytest.raises(DeniedError) as asked:
        call(guard, clinic.export, call_id="c-2")
    assert asked.value.code == "frozen"
    assert clinic.ward.store.list("st-marys") == ()
    clinic.ward.authority.unfreeze(human("tess"), freeze.id, reason="looked at")
    until(lambda: guard.parts.store._mirror.heads.tenant == 2)  # type: ignore[attr-defined] # until it was fetched
    assert call(guard, clinic.lookup, "z", call_id="c-3") == "found"


@pytest.mark.parametrize("how", ["frozen", "void"])
def test_what_is_given_up_after_the_service_gave_it_out_is_told_and_not_taken_for_lost(
    clinic: Clinic, call: Any, how: str
) -> None:
    store, authority = clinic.store(), clinic.ward.authority

    def claim(approval: Approval) -> None:
        store.claim(approval)
        if how == "frozen":
            authority.freeze(human("sid"), agent="discharge-assistant", reason="it behaves oddly")
        else:
            void = ActKind.VOID
            body = {"approval": approval.id, "how": "revoked", "reason": "x"}
            who = human("ada")
            act = authority._act(authority._registers("st-marys"), void, who, authority.person(who), body, time.time())  # type: ignore[arg-type]  # ada is in the directory
            authority._write_act(act)
        store._mirror.renew()

    guard = clinic.guard(store, confirm=claim)
    with pytest.raises(Suspended):
        call(guard, clinic.export, suspend="raise")
    clinic.say(Answer.APPROVE)
    with pytest.raises(ToolguardError):
        call(guard, clinic.export, suspend="raise")
    assert clinic.ran == []
    until(lambda: clinic.waiting().state is State.EXECUTED)
    assert clinic.waiting().outcome == "error"
    assert verify(clinic.ward.store).ok


def test_a_critical_call_is_confirmed_with_the_services_witness(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    person = clinic.answering(Answer.APPROVE)
    assert call(guard, clinic.wipe) == "gone"
    person.join()
    assert not any(path.endswith("/confirm") for _, path in clinic.heard)  # the claim does it


def test_two_of_two_and_what_each_of_them_saw(clinic: Clinic, call: Any) -> None:
    policy = clinic.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("quorum: 1", "quorum: 2"))
    guard = clinic.guard()
    with pytest.raises(Suspended):
        call(guard, clinic.export, suspend="raise")
    clinic.say(Answer.APPROVE)
    with pytest.raises(Suspended):
        call(guard, clinic.export, suspend="raise")
    clinic.ward.decide(replace(human("grace"), assured=Assured.STEPPED_UP), clinic.waiting(), Answer.APPROVE)
    assert call(guard, clinic.export, suspend="raise") == "written"


def test_what_an_approver_asks_for_instead_reaches_the_model(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    with pytest.raises(Suspended):
        call(guard, clinic.export, suspend="raise")
    approval: Approval = clinic.waiting()
    clinic.ward.authority.propose(human("ada"), approval.id, {"path": "/out/b"}, reason="not there")
    with pytest.raises(DeniedError) as caught:
        call(guard, clinic.export, suspend="raise")
    assert caught.value.code == "superseded"
    assert "/out/b" in caught.value.model_text


def graph_of(clinic: Clinic, guard: Guard, saver: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(list(guard_tools([clinic.export], guard=guard, mode="interrupt"))))
    graph.add_edge(START, "tools")
    return graph.compile(checkpointer=saver)


def test_a_graph_that_was_interrupted_goes_on_elsewhere_and_runs_it_once(clinic: Clinic) -> None:
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t-1"}}
    made = {"name": "export", "args": {"path": "/out/a"}, "id": "c-1", "type": "tool_call"}
    guard = clinic.guard()
    with clinic.session(guard):
        result = graph_of(clinic, guard, saver).invoke(
            {"messages": [AIMessage(content="", tool_calls=[made], id="m-1")]}, config
        )
    assert result["__interrupt__"][0].value["approval_id"] == clinic.waiting().id
    with clinic.session(guard):
        again = graph_of(clinic, guard, saver).invoke(Command(resume="go on"), config)
    assert again["__interrupt__"]
    guard.close()
    clinic.say(Answer.APPROVE)
    other = clinic.guard()
    graph, said = graph_of(clinic, other, saver), list[str]()

    def resume() -> None:
        with clinic.session(other):
            said.append(str(graph.invoke(Command(resume="go on"), config)["messages"][-1].content))

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clinic.ran == ["/out/a"]
    assert "written" in said
    until(lambda: clinic.waiting().state is State.EXECUTED)


def test_a_guard_that_closes_waits_for_the_outcome_that_is_on_its_way(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    clinic.slow.add("/outcome")
    answering = clinic.answering(Answer.APPROVE)
    assert call(guard, clinic.export) == "written"
    answering.join()
    until(lambda: any(path.endswith("/outcome") for _, path in clinic.heard))
    guard.close()
    assert clinic.waiting().state is State.EXECUTED


def test_a_session_that_is_forgotten_takes_its_questions_back(clinic: Clinic) -> None:
    guard = clinic.guard()
    with clinic.session(guard, suspend="raise") as session:
        with pytest.raises(Suspended):
            session.call(clinic.export, {"path": "/out/a"}, call_id="c-1")
        session.forget()
    until(lambda: clinic.waiting().state is State.WITHDRAWN)


def test_a_long_register_comes_in_pages(clinic: Clinic) -> None:
    ward, sid = clinic.ward, human("sid")
    person = ward.authority.person(sid)
    assert person is not None
    for n in range(150):
        registers = ward.authority._registers("st-marys")
        body = {"agent": f"agent-{n}", "reason": "x" * 10_000}
        ward.authority._write_act(ward.authority._act(registers, ActKind.FREEZE, sid, person, body, ward.time()))
    ward.authority.freeze(sid, agent="discharge-assistant", reason="odd")
    guard = clinic.guard()
    with clinic.session(guard) as session, pytest.raises(DeniedError) as caught:
        session.call(clinic.lookup, {"name": "x"})
    assert caught.value.code == "frozen"
    assert [path for _, path in clinic.heard].count("/v1/register") >= 6


def test_what_was_claimed_and_cannot_be_written_down_here_does_not_run_and_is_said_to_have_failed(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = clinic.guard()
    with clinic.session(guard, suspend="raise") as session:
        with pytest.raises(Suspended):
            session.call(clinic.export, {"path": "/out/a"}, call_id="c-1")
        clinic.say(Answer.APPROVE)
        local = guard.parts.store.local  # type: ignore[attr-defined] # the store behind
        commit = local.commit

        def full(change: Any) -> Any:
            if change.claim is not None:
                raise StoreError("the disk is full")
            return commit(change)

        monkeypatch.setattr(local, "commit", full)
        with pytest.raises(StoreError, match="full"):
            session.call(clinic.export, {"path": "/out/a"}, call_id="c-1")
        until(lambda: clinic.waiting().state is State.EXECUTED)
        assert clinic.waiting().outcome == "error"
        monkeypatch.undo()
        with pytest.raises(ToolguardError) as caught:
            session.call(clinic.export, {"path": "/out/a"}, call_id="c-1")
    assert caught.value.code == "replay"
    assert clinic.ran == []


# --- the service away


def test_no_call_that_needs_a_person_runs_while_nobody_can_be_asked(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    clinic.cut.add("/v1/approvals")
    with pytest.raises(DeniedError) as caught:
        call(guard, clinic.export)
    assert caught.value.code == "service"
    assert "cannot be asked for" in caught.value.model_text
    assert call(guard, clinic.lookup, "x", call_id="c-2") == "found"
    clinic.cut.clear()
    with pytest.raises(DeniedError) as again:
        call(guard, clinic.export)
    assert again.value.code == "withdrawn"
    assert clinic.ran == ["x"]


def test_nothing_at_all_runs_once_the_service_was_not_heard_of_for_too_long(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard(clinic.store(within=1.0))
    with clinic.session(guard) as session:
        clinic.heard_of(session)
    clinic.cut.add("/v1")
    time.sleep(1.2)
    with pytest.raises(ServiceError, match="was not heard of for 1 s"):
        call(guard, clinic.lookup, "y")
    assert clinic.ran == ["x"]
    refused = [r.draft for r in guard.parts.store.records() if r.draft.kind is Kind.CALL_DECIDED][-1]
    assert refused.body["toolguard.decision.reason_code"] == "service"
    clinic.cut.clear()
    with clinic.session(guard) as session:
        clinic.heard_of(session)


def test_a_service_that_is_away_for_a_while_ends_no_wait(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    clinic.cut.update({"/wait", "/by-call"})
    person = clinic.answering(Answer.APPROVE)

    def back() -> None:
        person.join()
        time.sleep(0.5)
        clinic.cut.clear()

    thread = threading.Thread(target=back)
    thread.start()
    assert call(guard, clinic.export, wait=30.0) == "written"
    thread.join()


def test_an_outcome_that_cannot_be_delivered_is_kept_and_sent_later(clinic: Clinic, call: Any) -> None:
    first = clinic.guard()
    clinic.cut.add("/outcome")
    person = clinic.answering(Answer.APPROVE)
    assert call(first, clinic.export) == "written"
    person.join()
    first.close()
    assert clinic.waiting().state is State.EXECUTING
    clinic.cut.clear()
    clinic.guard()
    until(lambda: clinic.waiting().state is State.EXECUTED)


def test_giving_up_is_told_once_the_service_is_back(clinic: Clinic, call: Any) -> None:
    guard = clinic.guard()
    clinic.cut.add("/withdraw")
    with pytest.raises(DeniedError) as caught:
        call(guard, clinic.export, wait=0.2)
    assert caught.value.code == "wait_timeout"
    clinic.say(Answer.APPROVE)  # nobody told them
    clinic.cut.clear()
    with pytest.raises(DeniedError):
        call(guard, clinic.export)
    assert clinic.ran == []
    until(lambda: clinic.waiting().state is State.WITHDRAWN)
