"""Tools of a real MCP server, made into LangChain tools the way `langchain-mcp-adapters` makes them.

That package (0.3.1) wants an older `mcp` than this project, so its one function is done here: a JSON schema for
arguments, content blocks and an artifact as result, an error that carries its content, an injected runtime.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from mcp import Client, StdioServerParameters

from adapters.langchain.kit import (
    ADA,
    MRN,
    Desk,
    Guard,
    Script,
    Session,
    arun_tools,
    call,
    everything_recorded,
    kinds_of_records,
    last,
    says,
    tool_graph,
)
from toolguard_langchain import GuardMiddleware, guard_tools

SERVER = Path(__file__).parent / "mcp_ward.py"
SOURCE = "mcp:mcp_ward.py"
NAMES = ["plain_find", "plain_fail", "plain_scan", "send_letter", "drop_all"]


class ExecutionError(ToolException):
    """Carries content that its handler gives the model, as theirs does."""

    def __init__(self, content: list[dict[str, Any]]) -> None:
        super().__init__("\n".join(b["text"] for b in content if b["type"] == "text"))
        self.tool_content = content


def handle(error: ToolException) -> Any:
    if isinstance(error, ExecutionError):
        return error.tool_content
    raise error


def as_langchain(client: Client, listed: Any) -> BaseTool:
    async def call_tool(
        runtime: Annotated[object | None, InjectedToolArg()] = None, **arguments: Any
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        result: Any = await client.call_tool(listed.name, arguments)
        content = [
            {"type": "text", "text": part.text}
            if part.type == "text"
            else {"type": "image", "base64": part.data, "mime_type": part.mime_type}
            for part in result.content
        ]
        if result.is_error:
            raise ExecutionError(content)
        artifact = {"structured_content": result.structured_content} if result.structured_content else None
        return content, artifact

    return StructuredTool(
        name=listed.name,
        description=listed.description or "",
        args_schema=listed.input_schema,
        coroutine=call_tool,
        response_format="content_and_artifact",
        metadata=listed.annotations.model_dump(by_alias=True) if listed.annotations else None,
        handle_tool_error=handle,  # type: ignore[arg-type]  # theirs gives blocks as well
    )


@asynccontextmanager
async def served(guard: Guard) -> AsyncIterator[tuple[dict[str, BaseTool], dict[str, BaseTool]]]:
    """The server's tools, bare and guarded."""
    async with Client(StdioServerParameters(command=sys.executable, args=[str(SERVER)])) as client:
        bare = {t.name: t for t in (as_langchain(client, each) for each in (await client.list_tools()).tools)}
        yield bare, {t.name: t for t in guard_tools(bare.values(), guard=guard, source=SOURCE, mode="interrupt")}


def thread() -> dict[str, Any]:
    return {"configurable": {"thread_id": "thread-1"}}


async def run(tool: BaseTool, made: dict[str, Any]) -> ToolMessage:
    return last(await arun_tools(tool_graph([tool], InMemorySaver()), made, config=thread()))


async def test_tools_are_known_by_the_server_they_come_from(guard: Guard) -> None:
    async with served(guard) as (_, guarded):
        assert sorted(guarded) == sorted(NAMES)
    known = [guard.known(name) for name in NAMES]
    assert {k.identity.source for k in known if k} == {SOURCE}
    found = guard.known("plain_find")
    assert found is not None
    assert found.annotations.read_only is True


@pytest.mark.holds("S4", "S5", "S6", adapter="langchain", path="MCP tools")
async def test_s5_content_and_structured_content_are_masked(guard: Guard, session: Session) -> None:
    async with served(guard) as (_, guarded):
        message = await run(guarded["plain_find"], call("plain_find", {"patient": session.mask(ADA)}))
    assert [(b["type"], b["text"]) for b in message.content] == [("text", "<PERSON_1> has <MRN_1>")]  # type: ignore[index, call-overload]  # blocks
    assert message.artifact == {"structured_content": {"patient": "<PERSON_1>", "mrn": "<MRN_1>"}}
    assert ADA not in everything_recorded(guard)


@pytest.mark.holds("S5", adapter="langchain", path="MCP tools")
async def test_s5_an_error_of_the_server_is_told_masked_and_the_run_goes_on(guard: Guard, session: Session) -> None:
    async with served(guard) as (bare, guarded):
        raw = await run(bare["plain_fail"], call("plain_fail", {"patient": ADA}))
        message = await run(guarded["plain_fail"], call("plain_fail", {"patient": session.mask(ADA)}))
    assert (raw.content, raw.status) == ([{"type": "text", "text": f"no bed for {ADA}"}], "error")
    assert (message.content, message.status) == ("no bed for <PERSON_1>", "error")


@pytest.mark.holds("S6", adapter="langchain", path="MCP tools")
async def test_s6_pictures_are_withheld_unless_allowed(guard: Guard, session: Session) -> None:
    made = call("plain_scan", {"patient": session.mask(ADA)})
    async with served(guard) as (bare, guarded):
        message = await run(guarded["plain_scan"], made)
        (seeing,) = guard_tools([bare["plain_scan"]], guard=guard, source=SOURCE, allow={"images"})
        seen = await run(seeing, {**made, "id": "c2"})
    assert "aGVsbG8=" not in repr(message)
    assert message.content[0] == {"type": "text", "text": "<PERSON_1>"}
    assert "aGVsbG8=" in repr(seen)
    assert ADA not in repr(seen)


@pytest.mark.holds("S7", "S10", "S12", adapter="langchain", path="MCP tools", mode="interrupt")
async def test_s12_calls_of_a_server_wait_are_denied_and_run_once(guard: Guard, desk: Desk, session: Session) -> None:
    made = says(call("send_letter", {"to": "<PERSON_1>"}, "c1"), call("drop_all", {"x": 1}, "c2"))
    model = Script(lines=[made, AIMessage("fine")])
    async with served(guard) as (_, guarded):
        agent: Any = create_agent(
            model, list(guarded.values()), middleware=[GuardMiddleware(guard)], checkpointer=InMemorySaver()
        )
        paused = await agent.ainvoke({"messages": [HumanMessage(f"Write to {ADA}.")]}, thread())
        desk.approve(paused["__interrupt__"][0].value["approval_id"])
        done = await agent.ainvoke(Command(resume=True), thread())
    answers = [m for m in done["messages"] if isinstance(m, ToolMessage)]
    assert [(m.tool_call_id, m.status) for m in answers] == [("c1", "success"), ("c2", "error")]
    assert "sent to <PERSON_1>" in repr(answers[0].content)
    assert ADA not in repr(model.shown)
    assert MRN not in repr(model.shown)
    assert kinds_of_records(guard).count("call.executing") == 1


@pytest.mark.holds("S16", adapter="langchain", path="MCP tools")
async def test_s16_the_same_name_from_another_server_is_another_tool(guard: Guard) -> None:
    async with served(guard) as (bare, _):
        with pytest.raises(Exception, match="another tool is already known"):
            guard_tools(bare.values(), guard=guard, source="mcp:other.py")
