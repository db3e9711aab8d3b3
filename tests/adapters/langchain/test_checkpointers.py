"""Calls that wait in a graph's checkpoints: SQLite and PostgreSQL, sync and async, and what stands in those databases."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from adapters.langchain.kit import (
    ADA,
    MRN,
    Desk,
    Guard,
    Script,
    call,
    caller,
    kinds_of_records,
    make_guard,
    revealing_guard,
    says,
)
from toolguard.errors import InvalidatedError, ReplayError
from toolguard_langchain import GuardMiddleware, guard_tools

SENT: list[tuple[str, str]] = []
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "thread-1"}}
KEY = b"sixteen bytes ok"


@tool
def send_letter(to: str, text: str) -> str:
    """Send a letter."""
    SENT.append((to, text))
    return f"sent to {to}, {MRN}"


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    SENT.clear()


@dataclass
class Kept:
    """A real checkpointer of one kind, sync and async, and what its database holds."""

    kind: str
    place: str

    async def saver(self, stack: AsyncExitStack, way: str, serde: Any = None) -> Any:
        if self.kind == "sqlite" and way == "sync":
            connection = sqlite3.connect(self.place, check_same_thread=False)
            stack.callback(connection.close)
            return SqliteSaver(connection, serde=serde)
        made: Any
        if self.kind == "sqlite":
            made = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(self.place))
            made.serde = serde or made.serde
            return made
        if way == "sync":
            made = stack.enter_context(PostgresSaver.from_conn_string(self.place))
            made.setup()
        else:
            made = await stack.enter_async_context(AsyncPostgresSaver.from_conn_string(self.place))
            await made.setup()
        made.serde = serde or made.serde
        return made

    def holds(self) -> str:
        """Everything in the checkpointer's tables, as text."""
        if self.kind == "sqlite":
            connection = sqlite3.connect(self.place)
            tables = [t for (t,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = [row for t in tables for row in connection.execute(f"SELECT * FROM {t}")]
            connection.close()
        else:
            tables = ["checkpoints", "checkpoint_blobs", "checkpoint_writes"]
            with psycopg.connect(self.place) as reader:
                rows = [row for t in tables for row in reader.execute(f"SELECT * FROM {t}")]  # type: ignore[call-overload] # rows by position, in either database
        assert rows
        return "\n".join(
            cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for row in rows for cell in row
        )


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "sqlite":
        return Kept("sqlite", str(tmp_path / "checkpoints.db"))
    return Kept("postgres", request.getfixturevalue("database"))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def office(tmp_path: Path) -> Any:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def model() -> Script:
    return Script(
        lines=[says(call("send_letter", {"to": "<PERSON_1>", "text": "hello"})), AIMessage("<PERSON_1> was told.")]
    )


def agent_of(guard: Guard, saver: Any, *, wrapped: bool = True) -> Any:
    tools = guard_tools([send_letter], guard=guard, mode="interrupt") if wrapped else [send_letter]
    middleware = GuardMiddleware(guard, mode="interrupt")
    return create_agent(model(), tools, middleware=[middleware], checkpointer=saver)


async def go(agent: Any, way: str, given: Any, config: Any = None) -> dict[str, Any]:
    config = config or CONFIG
    found: dict[str, Any] = await agent.ainvoke(given, config) if way == "async" else agent.invoke(given, config)
    return found


def waiting(result: dict[str, Any]) -> dict[str, Any]:
    (pause,) = result["__interrupt__"]
    value: dict[str, Any] = pause.value
    return value


# --- waiting and going on -----------------------------------------------------------------------------------------


@pytest.mark.holds("S10", "S11", "S12", "S17", adapter="langchain", path="create_agent", mode="interrupt")
@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "not wrapped"])
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s17_a_call_waits_in_the_checkpoint_and_goes_on_in_another_guard_and_graph(
    way: str, wrapped: bool, kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    guard = make_guard(office, store=office.store_url)
    agent = agent_of(guard, await kept.saver(stack, way), wrapped=wrapped)
    with guard.session(caller=caller(), run="thread-1"):
        asked = waiting(await go(agent, way, {"messages": [HumanMessage(f"Write to {ADA}.")]}))
    guard.close()
    assert SENT == []

    again = make_guard(office, store=office.store_url)
    agent = agent_of(again, await kept.saver(stack, way), wrapped=wrapped)
    with again.session(caller=caller(), run="thread-1"):
        assert (
            waiting(await go(agent, way, Command(resume={"decision": "approve"})))["approval_id"]
            == asked["approval_id"]
        )
        assert SENT == []
        office.approve(asked["approval_id"])
        done = await go(agent, way, Command(resume=True))
    assert SENT == [(ADA, "hello")]
    assert [m.content for m in done["messages"] if isinstance(m, ToolMessage)] == ["sent to <PERSON_1>, <MRN_1>"]
    assert done["messages"][-1].content == "<PERSON_1> was told."
    assert kinds_of_records(again).count("approval.requested") == 1
    again.close()


@pytest.mark.holds("S10", adapter="langchain", path="create_agent", mode="interrupt")
async def test_s10_four_threads_that_resume_one_checkpoint_run_it_once(
    kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    guard = make_guard(office)
    agent = agent_of(guard, await kept.saver(stack, "sync"))
    with guard.session(caller=caller(), run="thread-1"):
        asked = waiting(agent.invoke({"messages": [HumanMessage(f"Write to {ADA}.")]}, CONFIG))
    office.approve(asked["approval_id"])
    gate, told = threading.Barrier(4), []

    def one() -> None:
        gate.wait()
        with guard.session(caller=caller(), run="thread-1"):
            done = agent.invoke(Command(resume=True), CONFIG)
        told.extend(m.content for m in done["messages"] if isinstance(m, ToolMessage))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SENT == [(ADA, "hello")]
    assert "sent to <PERSON_1>, <MRN_1>" in told
    assert set(told) <= {"sent to <PERSON_1>, <MRN_1>", ReplayError.model_text}
    assert kinds_of_records(guard).count("call.executing") == 1


@pytest.mark.holds("S10", adapter="langchain", path="create_agent", mode="interrupt")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s10_time_travel_gives_the_result_again_and_runs_nothing(
    way: str, kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    guard = make_guard(office)
    agent = agent_of(guard, await kept.saver(stack, way))
    with guard.session(caller=caller(), run="thread-1"):
        asked = waiting(await go(agent, way, {"messages": [HumanMessage(f"Write to {ADA}.")]}))
        office.approve(asked["approval_id"])
        await go(agent, way, Command(resume=True))
        past = (
            [s async for s in agent.aget_state_history(CONFIG)]
            if way == "async"
            else list(agent.get_state_history(CONFIG))
        )
        before = [s for s in past if s.next == ("tools",)]
        assert before
        for state in before:
            done = await go(agent, way, None, state.config)
            assert done["messages"][-2].content == "sent to <PERSON_1>, <MRN_1>"
    assert SENT == [(ADA, "hello")]


@pytest.mark.holds("S9", "S10", adapter="langchain", path="create_agent", mode="interrupt")
async def test_s9_a_fork_with_other_arguments_is_another_call_or_none(
    kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    """The yes was for one letter. A fork that changes it in place is refused; one with a message of its own asks anew."""
    guard = make_guard(office)
    agent = agent_of(guard, await kept.saver(stack, "sync"))
    with guard.session(caller=caller(), run="thread-1"):
        asked = waiting(agent.invoke({"messages": [HumanMessage(f"Write to {ADA}.")]}, CONFIG))
        office.approve(asked["approval_id"])
        state = agent.get_state(CONFIG)
        said = state.values["messages"][-1]
        other = {**said.tool_calls[0], "args": {"to": "eve", "text": "all of it"}}

        forked = agent.update_state(
            state.config, {"messages": [said.model_copy(update={"tool_calls": [other]})]}, "model"
        )
        done = agent.invoke(None, forked)
        told = [m for m in done["messages"] if isinstance(m, ToolMessage)]
        assert [(m.content, m.status) for m in told] == [(InvalidatedError.model_text, "error")]

        anew = AIMessage("", tool_calls=[other], id="another-message")
        forked = agent.update_state(state.config, {"messages": [anew]}, "model")
        assert waiting(agent.invoke(None, forked))["approval_id"] != asked["approval_id"]
    assert SENT == []


# --- what the databases hold ----------------------------------------------------------------------------------------


def sealed() -> EncryptedSerializer:
    return EncryptedSerializer.from_pycryptodome_aes(JsonPlusSerializer(), key=KEY)


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_what_a_person_typed_stands_in_a_plain_checkpoint_as_typed(
    way: str, kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    """The hole that the next two tests close. Results and calls are placeholders even here."""
    guard = make_guard(office)
    agent = agent_of(guard, await kept.saver(stack, way))
    with guard.session(caller=caller(), run="thread-1"):
        asked = waiting(await go(agent, way, {"messages": [HumanMessage(f"Write to {ADA}.")]}))
        office.approve(asked["approval_id"])
        await go(agent, way, Command(resume=True))
    assert SENT == [(ADA, "hello")]
    assert ADA in kept.holds()
    assert MRN not in kept.holds()


@pytest.mark.holds("S5", adapter="langchain", path="create_agent", mode="interrupt")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s5_masked_before_invoke_no_identifier_is_at_rest(
    way: str, kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    guard = make_guard(office)
    agent = agent_of(guard, await kept.saver(stack, way))
    with guard.session(caller=caller(), run="thread-1") as session:
        typed = await session.amask(f"Write to {ADA}.")
        asked = waiting(await go(agent, way, {"messages": [HumanMessage(typed)]}))
        office.approve(asked["approval_id"])
        await go(agent, way, Command(resume=True))
    assert SENT == [(ADA, "hello")]
    assert ADA not in kept.holds()
    assert MRN not in kept.holds()


@pytest.mark.holds("S17", adapter="langchain", path="create_agent", mode="interrupt")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_with_the_encrypted_serializer_messages_are_sealed_and_the_call_still_goes_on(
    way: str, kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    guard = make_guard(office)
    agent = agent_of(guard, await kept.saver(stack, way, sealed()))
    with guard.session(caller=caller(), run="thread-1"):
        asked = waiting(await go(agent, way, {"messages": [HumanMessage(f"Write to {ADA}.")]}))
        agent = agent_of(guard, await kept.saver(stack, way, sealed()))  # another connection, the same key
        office.approve(asked["approval_id"])
        done = await go(agent, way, Command(resume=True))
    assert SENT == [(ADA, "hello")]
    assert done["messages"][0].content == f"Write to {ADA}."
    for word in (ADA, MRN, "hello", "was told"):
        assert word not in kept.holds()


PLAIN_EVEN_IF_SEALED = {"sqlite": ["metadata"], "postgres": ["metadata", "state"]}
"""What no serializer sees: a checkpoint's metadata, and on PostgreSQL every state value that is a bare text or number."""


async def test_the_serializer_does_not_see_everything(kept: Kept, office: Desk, stack: AsyncExitStack) -> None:
    """Said in the documentation; if this fails because less stands in clear, say less there."""

    class State(TypedDict):
        patient: str

    graph = StateGraph(State)
    graph.add_node("n", lambda state: {"patient": state["patient"]})
    graph.add_edge(START, "n")
    app = graph.compile(checkpointer=await kept.saver(stack, "sync", sealed()))
    app.invoke({"patient": "told-in-state"}, {**CONFIG, "metadata": {"ward": "told-in-metadata"}})
    held = kept.holds()
    found = [what for what in ("metadata", "state") if f"told-in-{what}" in held]
    assert found == PLAIN_EVEN_IF_SEALED[kept.kind]


async def test_a_session_in_the_config_leaves_nothing_in_the_checkpoint(
    kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    guard = make_guard(office)
    agent = agent_of(guard, await kept.saver(stack, "sync"))
    session = guard.session(caller=caller(), run="thread-1")
    config = {"configurable": {"thread_id": "thread-1", "toolguard_session": session}}
    asked = waiting(agent.invoke({"messages": [HumanMessage(session.mask(f"Write to {ADA}."))]}, config))
    office.approve(asked["approval_id"])
    agent.invoke(Command(resume=True), config)
    assert SENT == [(ADA, "hello")]
    for word in (ADA, "Session", "toolguard_session", "discharge-agent"):
        assert word not in kept.holds()


# --- the answer, in clear -------------------------------------------------------------------------------------------


async def test_the_final_answer_is_shown_in_clear_to_an_authorised_person(
    kept: Kept, office: Desk, stack: AsyncExitStack
) -> None:
    guard = revealing_guard(office)
    agent = agent_of(guard, await kept.saver(stack, "sync"))
    with guard.session(caller=caller(), run="thread-1") as session:
        asked = waiting(agent.invoke({"messages": [HumanMessage(session.mask(f"Write to {ADA}."))]}, CONFIG))
        office.approve(asked["approval_id"])
        answer = agent.invoke(Command(resume=True), CONFIG)["messages"][-1]
        assert answer.text == "<PERSON_1> was told."
        assert session.reveal(answer.text, purpose="treatment").text == f"{ADA} was told."
    assert ADA not in kept.holds()
    assert "toolguard.reveal" in repr([dict(r.draft.body) for r in guard.parts.store.records()])
