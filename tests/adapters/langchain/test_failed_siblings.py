"""A call that failed beside one that waits: told again when the graph goes on, and run again where somebody retries it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ToolRetryMiddleware
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy

from adapters.langchain.kit import (
    ADA,
    BOTH,
    Desk,
    Guard,
    Script,
    Session,
    call,
    everything_recorded,
    go,
    kinds_of_records,
    says,
    tool_graph,
)
from toolguard_langchain import GraphSuspended, GuardMiddleware, failures, guard_tools
from toolguard_langchain.failures import Failures

QUICK = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=3, retry_on=TimeoutError)

TRIED: list[str] = []
SENT: list[str] = []
HEALS: list[int] = []


def look(patient: str) -> str:
    """Look a patient up in a place that does not answer, or only the time that HEALS says."""
    TRIED.append(patient)
    if HEALS and len(TRIED) >= HEALS[0]:
        return f"{patient} is here"
    raise TimeoutError(f"no answer about {patient}")


async def alook(patient: str) -> str:
    return look(patient)


plain_look = StructuredTool.from_function(look, alook, name="plain_look")


@tool
def send_letter(to: str) -> str:
    """Send a letter."""
    SENT.append(to)
    return f"sent to {to}"


LOOK = call("plain_look", {"patient": "<PERSON_1>"}, "look")
LETTER = call("send_letter", {"to": "bob"}, "letter")


@pytest.fixture(autouse=True)
def nothing_tried(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    for kept in (TRIED, SENT, HEALS):
        kept.clear()
    forget(monkeypatch)
    assert session.mask(ADA) == "<PERSON_1>"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process knows of the failures of this one: nothing."""
    monkeypatch.setattr("toolguard_langchain.attempt.FAILURES", Failures())


async def until_tried(graph: Any, way: str, given: Any, guard: Guard, times: int = 1) -> dict[str, Any]:
    """Begin, and go on until the looking is over. LangGraph may cancel a call whose thread has not begun; one that has
    begun runs on by itself on an event loop, while the graph has paused already.
    """
    found = await go(graph, way, given)
    for _ in range(50):
        for _ in range(50 if TRIED else 2):
            if kinds_of_records(guard).count("call.failed") == times and found.get("__interrupt__"):
                return found
            await asyncio.sleep(0.02)
        found = await go(graph, way, Command(resume=True))
    raise AssertionError("one of the calls never began, or never ended")


def answers(found: dict[str, Any]) -> dict[str, str]:
    return {m.tool_call_id: str(m.content) for m in found["messages"] if isinstance(m, ToolMessage)}


def one_node(guard: Guard) -> tuple[Any, dict[str, Any]]:
    tools = guard_tools([plain_look, send_letter], guard=guard, mode="interrupt")
    return tool_graph(tools, InMemorySaver(), handle_tool_errors=True), {"messages": [says(LOOK, LETTER)]}


def letter_first(guard: Guard) -> tuple[Any, dict[str, Any]]:
    return one_node(guard)[0], {"messages": [says(LETTER, LOOK)]}


def sub_graph(guard: Guard) -> tuple[Any, dict[str, Any]]:
    tools = guard_tools([plain_look, send_letter], guard=guard, mode="interrupt")
    inner = (
        StateGraph(MessagesState).add_node("tools", ToolNode(tools, handle_tool_errors=True)).add_edge(START, "tools")
    )
    outer = StateGraph(MessagesState).add_node("ward", inner.compile()).add_edge(START, "ward")
    return outer.compile(checkpointer=InMemorySaver()), {"messages": [says(LOOK, LETTER)]}


def unwrapped(guard: Guard) -> tuple[Any, dict[str, Any]]:
    m = GuardMiddleware(guard, mode="interrupt")
    node = ToolNode(
        [plain_look, send_letter],
        handle_tool_errors=True,
        wrap_tool_call=m.wrap_tool_call,
        awrap_tool_call=m.awrap_tool_call,
    )
    graph = StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools")
    return graph.compile(checkpointer=InMemorySaver()), {"messages": [says(LOOK, LETTER)]}


def agent(guard: Guard, **more: Any) -> tuple[Any, dict[str, Any]]:

    made = create_agent(
        Script(lines=[says(LOOK, LETTER), AIMessage("done")]),
        guard_tools([plain_look, send_letter], guard=guard, mode="interrupt"),
        middleware=[ToolRetryMiddleware(max_retries=0, on_failure="continue"), GuardMiddleware(guard)],
        checkpointer=InMemorySaver(),
    )
    return made, {"messages": [HumanMessage("look, and write")]}


BUILDS: dict[str, Callable[[Guard], tuple[Any, dict[str, Any]]]] = {
    "a tool node": one_node,
    "a tool node, the letter first": letter_first,
    "a sub-graph": sub_graph,
    "tools nobody wrapped": unwrapped,
    "an agent": agent,
}


@pytest.mark.holds("S11", adapter="langchain", path="failed sibling", mode="interrupt")
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@BOTH
async def test_s11_a_call_that_failed_beside_one_that_waits_runs_once(
    way: str, build: Callable[[Guard], tuple[Any, dict[str, Any]]], guard: Guard, desk: Desk
) -> None:
    graph, given = build(guard)
    paused = await until_tried(graph, way, given, guard)
    for _ in range(3):
        paused = await go(graph, way, Command(resume=True))
    assert (TRIED, SENT) == ([ADA], [])
    desk.approve(paused["__interrupt__"][0].value["approval_id"])
    said = answers(await go(graph, way, Command(resume=True)))
    assert (TRIED, SENT) == ([ADA], ["bob"])
    assert "no answer about <PERSON_1>" in said["look"]
    assert ADA not in said["look"]
    assert said["letter"] == "sent to bob"
    assert kinds_of_records(guard).count("call.failed") == 1
    assert ADA not in everything_recorded(guard)


@BOTH
async def test_a_process_that_only_resumes_tries_it_again(
    way: str, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, given = one_node(guard)
    await until_tried(graph, way, given, guard)
    forget(monkeypatch)
    await until_tried(graph, way, Command(resume=True), guard, times=2)
    await go(graph, way, Command(resume=True))
    assert TRIED == [ADA, ADA], "once there, and once here"


@BOTH
async def test_a_retrying_middleware_retries_in_its_run_and_not_at_every_resume(
    way: str, guard: Guard, desk: Desk
) -> None:
    retry = ToolRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False, on_failure="continue")
    node = ToolNode(
        guard_tools([plain_look, send_letter], guard=guard, mode="interrupt"),
        wrap_tool_call=retry.wrap_tool_call,
        awrap_tool_call=retry.awrap_tool_call,
    )
    made = StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools")
    graph = made.compile(checkpointer=InMemorySaver())
    paused = await until_tried(graph, way, {"messages": [says(LOOK, LETTER)]}, guard, times=3)
    assert len(TRIED) == 3
    await go(graph, way, Command(resume=True))
    desk.approve(paused["__interrupt__"][0].value["approval_id"])
    await go(graph, way, Command(resume=True))
    assert (len(TRIED), SENT) == (3, ["bob"])


@BOTH
async def test_a_retrying_middleware_gets_what_a_later_try_brings(way: str, guard: Guard) -> None:
    HEALS.append(3)
    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0.0, jitter=False)
    graph = create_agent(
        Script(lines=[says(LOOK), AIMessage("done")]),
        guard_tools([plain_look], guard=guard, mode="interrupt"),
        middleware=[retry, GuardMiddleware(guard)],
        checkpointer=InMemorySaver(),
    )
    said = answers(await go(graph, way, {"messages": [HumanMessage("look")]}))
    assert (len(TRIED), said["look"]) == (3, "<PERSON_1> is here")


def by_hand(guard: Guard, way: str, *, catches: bool, mode: Any = "interrupt") -> Any:
    """A node of one's own that LangGraph retries: it looks first, then writes."""
    find, letter = guard_tools([plain_look, send_letter], guard=guard, mode=mode)

    def looked(fault: TimeoutError) -> ToolMessage:
        if not catches:
            raise fault
        return ToolMessage(str(fault), tool_call_id="look")

    def node(state: MessagesState, config: RunnableConfig) -> dict[str, list[AnyMessage]]:
        try:
            first = find.invoke(LOOK, config)
        except TimeoutError as fault:
            first = looked(fault)
        return {"messages": [first, letter.invoke(LETTER, config)]}

    async def anode(state: MessagesState, config: RunnableConfig) -> dict[str, list[AnyMessage]]:
        try:
            first = await find.ainvoke(LOOK, config)
        except TimeoutError as fault:
            first = looked(fault)
        return {"messages": [first, await letter.ainvoke(LETTER, config)]}

    made = StateGraph(MessagesState)
    made.add_node("ward", {"sync": node, "async": anode}[way], retry_policy=QUICK)
    return made.add_edge(START, "ward").compile(checkpointer=InMemorySaver())


@BOTH
async def test_langgraphs_own_retry_of_a_node_runs_it_again(way: str, guard: Guard, desk: Desk) -> None:
    HEALS.append(3)
    graph = by_hand(guard, way, catches=False)
    paused = await go(graph, way, {"messages": [says(LOOK, LETTER)]})
    assert len(TRIED) == 3, "twice without an answer, in one run of the node"
    desk.approve(paused["__interrupt__"][0].value["approval_id"])
    said = answers(await go(graph, way, Command(resume=True)))
    assert (len(TRIED), SENT, said["look"]) == (3, ["bob"], "<PERSON_1> is here")


@BOTH
async def test_a_failure_the_node_went_on_with_is_told_again_at_every_resume(
    way: str, guard: Guard, desk: Desk
) -> None:
    graph = by_hand(guard, way, catches=True)
    paused = await go(graph, way, {"messages": [says(LOOK, LETTER)]})
    for _ in range(2):
        paused = await go(graph, way, Command(resume=True))
    desk.approve(paused["__interrupt__"][0].value["approval_id"])
    said = answers(await go(graph, way, Command(resume=True)))
    assert (TRIED, SENT, said["look"]) == ([ADA], ["bob"], "no answer about <PERSON_1>")


@BOTH
async def test_a_run_that_failed_may_be_made_again(way: str, guard: Guard) -> None:
    graph = by_hand(guard, way, catches=False)
    with pytest.raises(TimeoutError, match="no answer about <PERSON_1>"):
        await go(graph, way, {"messages": [says(LOOK, LETTER)]})
    assert len(TRIED) == 3
    HEALS.append(4)
    paused = await go(graph, way, None)  # the application tries the node once more
    assert len(TRIED) == 4
    assert paused["__interrupt__"][0].value["tool"] == "send_letter"


async def test_a_failure_that_ends_the_graph_after_a_pause_does_not_stay_for_ever(guard: Guard, desk: Desk) -> None:
    way = "sync"  # on an event loop the failure cancels the letter, somewhere
    graph, _ = one_node(guard)
    strict = tool_graph(
        guard_tools([plain_look, send_letter], guard=guard, mode="interrupt"),
        graph.checkpointer,
        handle_tool_errors=False,
    )
    paused = await until_tried(graph, way, {"messages": [says(LETTER, LOOK)]}, guard)
    desk.approve(paused["__interrupt__"][0].value["approval_id"])
    with pytest.raises(TimeoutError):  # told again: it happened before the pause
        await go(strict, way, Command(resume=True))
    assert (TRIED, SENT) == ([ADA], ["bob"])
    HEALS.append(2)
    said = answers(await go(strict, way, None))
    assert (TRIED, SENT) == ([ADA, ADA], ["bob"])
    assert said == {"look": "<PERSON_1> is here", "letter": "sent to bob"}


@BOTH
async def test_s11_a_call_that_leaves_the_graph_is_such_a_pause_too(way: str, guard: Guard, desk: Desk) -> None:
    graph = by_hand(guard, way, catches=True, mode="raise")
    with pytest.raises(GraphSuspended) as waits:
        await go(graph, way, {"messages": [says(LOOK, LETTER)]})
    desk.approve(waits.value.approval_id)
    said = answers(await go(graph, way, None))
    assert (TRIED, SENT, said["look"]) == ([ADA], ["bob"], "no answer about <PERSON_1>")


def at(began: float, *, attempt: int = 1, task: str = "task") -> Any:
    """The config of a call in a run of a node."""
    info = SimpleNamespace(task_id=task, node_first_attempt_time=began, node_attempt=attempt)
    return {"configurable": {"__pregel_runtime": SimpleNamespace(execution_info=info)}}


AGAIN = (ValueError, "masked")


@pytest.mark.parametrize(
    ("paused", "asked", "told"),
    [
        ([1.0], [at(2.0)], [True]),
        ([], [at(2.0)], [False]),  # the run ended otherwise
        ([1.0], [at(1.0)], [False]),  # a retry in it
        ([1.0], [at(1.0, attempt=2)], [False]),  # LangGraph's own
        ([1.0], [at(2.0, attempt=2)], [False]),
        ([1.0], [at(2.0, task="another")], [False]),  # another step, or a fork
        ([1.0], [None], [False]),
        (
            [1.0],
            [at(2.0), at(2.0), at(2.0, attempt=2)],
            [True, True, False],
        ),  # a middleware's retries, then LangGraph's
        ([1.0], [at(2.0), at(3.0)], [True, False]),  # the second run was not paused
        ([1.0, 2.0], [at(2.0), at(3.0)], [True, True]),
        (
            [1.0, 2.0],
            [at(2.0), at(3.0), at(2.0), at(3.0)],
            [True] * 4,
        ),  # what is left of the second run on an event loop
        ([1.0], [at(2.0), at(0.5)], [True, False]),  # the clock was set back
    ],
)
def test_told_again_is_what_only_gets_to_where_it_was(paused: list[float], asked: list[Any], told: list[bool]) -> None:
    held = Failures()
    held.keep("call", at(1.0), *AGAIN)
    for began in paused:
        held.paused(at(began))
    assert [held.again("call", config) for config in asked] == [AGAIN if again else None for again in told]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_MOST", 3)
    held = Failures()
    for number in range(5):
        held.keep(f"call-{number}", at(number), *AGAIN)
        held.paused(at(number))
    assert [held.again(f"call-{number}", at(9.0)) for number in range(5)] == [None, None, AGAIN, AGAIN, AGAIN]
    held.drop("call-4")
    held.keep("call-3", None, *AGAIN)
    assert [held.again(f"call-{number}", at(10.0)) for number in (3, 4)] == [None, None]


async def test_a_failure_outside_a_graph_is_forgotten(guard: Guard) -> None:
    (find,) = guard_tools([plain_look], guard=guard)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await find.ainvoke(LOOK)
    assert len(TRIED) == 2
