"""LangChain and LangGraph: agents, a graph of somebody's own, tools called by hand. The model follows a script."""

from __future__ import annotations

import contextlib
import itertools
import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command
from pydantic import Field

from adapters.contract.driver import Call, Driver, Outcome
from adapters.contract.plain_driver import Loop
from adapters.contract.ward import RUN, USER, Ward
from toolguard import Session, ToolguardError
from toolguard_langchain import GraphSuspended, GuardMiddleware, guard_tools

Settings = tuple[Mapping[str, Any], ...]
TOOL_SETTINGS: Settings = ({}, {"tool": {"handle_tool_error": True, "handle_validation_error": True}})
NODE_SETTINGS: Settings = tuple(
    {"handle_tool_errors": handler}
    for handler in (True, False, "handled", (Exception,), Exception, lambda e: f"handled {e}")
)


class Scripted(BaseChatModel):
    """Says what stands at this place of the conversation; keeps what it was shown and offered. Streams in bits."""

    lines: list[Any] = Field(default_factory=list)
    shown: list[list[BaseMessage]] = Field(default_factory=list)
    offered: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Scripted:
        self.offered[:] = tools
        return self

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        self.shown.append(list(messages))
        line = self.lines[len([m for m in messages if isinstance(m, AIMessage)])]
        said: AIMessage = line(messages) if callable(line) else line
        return said

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        said = self._next(messages)
        text = str(said.content)
        for at in range(0, len(text), 3):
            yield ChatGenerationChunk(message=AIMessageChunk(content=text[at : at + 3], id=said.id))
        calls = [{**c, "args": json.dumps(c["args"]), "index": i} for i, c in enumerate(said.tool_calls)]
        pieces: Any = [{**c, "type": "tool_call_chunk"} for c in calls]
        yield ChatGenerationChunk(message=AIMessageChunk(content="", id=said.id, tool_call_chunks=pieces))


class Tracer(BaseCallbackHandler):
    """An application's own handler: what it hears of the tools."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        self.heard.append(repr((args, kwargs.get("inputs"))))

    def on_tool_end(self, *args: Any, **kwargs: Any) -> None:
        self.heard.append(repr(args))

    def on_tool_error(self, *args: Any, **kwargs: Any) -> None:
        self.heard.append(repr(args))


def bare_tools(ward: Ward, settings: Mapping[str, Any]) -> list[BaseTool]:
    if "tools" in settings:
        return list(settings["tools"])
    way = "func" if ward.way == "sync" else "coroutine"
    made = [StructuredTool.from_function(**{way: f}) for f in ward.tools().values()]
    return [t.model_copy(update=dict(settings.get("tool", {}))) for t in made]


class LangChain(Driver):
    adapter = "langchain"
    error_settings = TOOL_SETTINGS

    def __init__(self, ward: Ward, **settings: Any) -> None:
        super().__init__(ward, **settings)
        self.tracer = Tracer()
        self.numbers = itertools.count(1)
        self.artifacts: dict[str, Any] = {}

    def wrapped(self, tools: Sequence[Any] | None = None) -> list[BaseTool]:
        mode: Any = self.ward.mode
        return guard_tools(tools or bare_tools(self.ward, self.settings), guard=self.ward.guard, mode=mode)

    @property
    def tracers_saw(self) -> str:
        return "\n".join(self.tracer.heard)

    def inner(self, name: str, arguments: dict[str, Any]) -> str:
        (tool,) = (t for t in self.wrapped() if t.name == name)
        call = {"name": name, "args": arguments, "id": f"inner-{next(self.numbers)}", "type": "tool_call"}
        try:
            return str(tool.invoke(call).content)
        except ToolguardError as fault:
            return type(fault).__name__

    async def faces(self) -> list[tuple[Any, Any]]:
        bare = bare_tools(self.ward, self.settings)
        return [(face(b, type(b)), face(g, type(b))) for b, g in zip(bare, self.wrapped(bare), strict=True)]


SHOWN = ("name", "description", "args_schema", "return_direct", "response_format", "extras", "tags", "metadata", "args")


def face(tool: BaseTool, kind: type) -> dict[str, Any]:
    shown = {name: getattr(tool, name) for name in SHOWN}
    return {**shown, "instance": isinstance(tool, kind), "type": type(tool).__name__, "as offered": convert_to_openai_tool(tool)}  # fmt: skip


class Graphs(LangChain):
    """A graph with a model in it."""

    modes = ("block", "interrupt", "raise")

    def __init__(self, ward: Ward, **settings: Any) -> None:
        super().__init__(ward, **settings)
        self.model = Scripted()
        self.saver: Any = None
        self.paused: Any = None
        self.config: Any = {"configurable": {"thread_id": RUN}, "callbacks": [self.tracer]}

    async def __aenter__(self) -> Any:
        self.files = contextlib.AsyncExitStack()
        if self.ward.mode != "block" and not self.ward.durable:
            self.saver = InMemorySaver()
        elif self.ward.mode != "block":
            path = str(self.ward.folder / "checkpoints.db")
            if self.ward.way == "sync":
                self.saver = self.files.enter_context(SqliteSaver.from_conn_string(path))
            else:
                self.saver = await self.files.enter_async_context(AsyncSqliteSaver.from_conn_string(path))
        self.graph = self.build(None if self.settings.get("forgetful") else self.saver)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.files.aclose()

    def build(self, saver: Any) -> Any:
        raise NotImplementedError

    def speaks(self, calls: Sequence[Call]) -> None:
        """Two more turns of the model: its calls, then what the tools said."""
        made: list[Any] = [{"name": c.name, "args": c.arguments, "id": c.id, "type": "tool_call"} for c in calls]
        number = len(self.model.lines)
        self.model.lines += [
            AIMessage("", tool_calls=made, id=f"ai-{number}"),
            lambda messages: AIMessage(" | ".join(_results(messages).values()), id=f"ai-{number + 1}"),
        ]
        self.calls = list(calls)

    async def start(self, *calls: Call, user: str = USER) -> Outcome:
        if not self.model.lines or self.calls != list(calls):
            if self.saver is None:  # nothing is remembered: the model begins anew
                self.model.lines = []
            self.speaks(calls)
        with self.ward.open() as session:
            text = user if self.masks_context else str(await self.do(session, "mask", user))
        found = await self.go({"messages": [HumanMessage(text)]})
        if found.waiting:
            self.paused = (await self.do(self.graph, "get_state", self.config)).config
        return found

    async def go(self, given: Any, config: Any = None) -> Outcome:
        try:
            with self.ward.open():
                state = await self.do(self.graph, "invoke", given, config or self.config)
        except GraphSuspended as pause:
            return Outcome(waiting=(pause.approval_id,))
        asked = tuple(p.value["approval_id"] for p in state.get("__interrupt__", ()))
        messages = state["messages"]
        self.artifacts = {m.tool_call_id: m.artifact for m in messages if isinstance(m, ToolMessage)}
        return Outcome(answers=_results(messages), waiting=asked, said="" if asked else str(messages[-1].content))

    @property
    def onward(self) -> Any:
        return Command(resume={"type": "approve"}) if self.ward.mode == "interrupt" else None

    async def resume(self) -> Outcome:
        return await self.go(self.onward)

    async def again(self) -> Outcome:
        return await self.go(self.onward, {**self.config, **self.paused})

    def swap(self, old: str, new: str) -> None:
        swapped = 0
        for name in ("storage", "writes", "blobs"):
            kept = getattr(self.saver, name)
            count, changed = _replaced(kept, old.encode(), new.encode())
            swapped += count
            kept.update(changed)
        assert swapped, "the word is not in any checkpoint"

    @property
    def at_rest(self) -> str:
        return "" if self.saver is None else "".join(_texts([self.saver.storage, self.saver.writes, self.saver.blobs]))

    def freeze(self) -> dict[str, Any]:
        return {"calls": [[c.name, c.arguments, c.id] for c in self.calls]}

    def thaw(self, kept: Mapping[str, Any]) -> None:
        self.speaks([Call(*call) for call in kept["calls"]])

    @property
    def model_saw(self) -> str:
        return repr(self.model.shown)

    async def stream(self, text: str) -> list[str]:
        self.model.lines = [AIMessage(text, id="ai-0")]
        given = {"messages": [HumanMessage("go")]}
        if self.ward.way == "sync":
            said = list(self.graph.stream(given, self.config, stream_mode="messages"))
        else:
            said = [piece async for piece in self.graph.astream(given, self.config, stream_mode="messages")]
        return [str(message.content) for message, _ in said if isinstance(message, AIMessageChunk)]


def _results(messages: Sequence[BaseMessage]) -> dict[str, str]:
    return {m.tool_call_id: str(m.content) for m in messages if isinstance(m, ToolMessage)}


def _replaced(value: Any, old: bytes, new: bytes) -> tuple[int, Any]:
    """``value`` with a word changed in all bytes in it, and in how many."""
    if isinstance(value, bytes):
        return int(old in value), value.replace(old, new)
    if isinstance(value, dict):
        parts = {k: _replaced(v, old, new) for k, v in value.items()}
        value.update({k: v for k, (_, v) in parts.items()})
        return sum(n for n, _ in parts.values()), value
    if isinstance(value, list | tuple):
        items = [_replaced(v, old, new) for v in value]
        return sum(n for n, _ in items), type(value)(v for _, v in items)
    return 0, value


def _texts(value: Any) -> list[str]:
    if isinstance(value, bytes):
        return [value.decode("utf-8", "replace")]
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return reduce(operator.iadd, (_texts(v) for v in inner), [])


class AgentOfTools(Graphs):
    """`guard_tools` in ``create_agent``, without the middleware."""

    path = "create_agent, guard_tools"
    says_unknown = False

    def build(self, saver: Any) -> Any:
        return create_agent(self.model, self.wrapped(), checkpointer=saver)


class AgentWithMiddleware(Graphs):
    """Bare tools and `GuardMiddleware`."""

    path = "create_agent, GuardMiddleware"
    masks_context = True

    def build(self, saver: Any) -> Any:
        mode: Any = self.ward.mode
        guarding = GuardMiddleware(self.ward.guard, mode=mode)
        return create_agent(self.model, bare_tools(self.ward, self.settings), middleware=[guarding], checkpointer=saver)

    async def faces(self) -> list[tuple[Any, Any]]:
        await self.start(Call("find", {"patient": "x"}))
        bare = bare_tools(self.ward, self.settings)
        return [(convert_to_openai_tool(b), convert_to_openai_tool(o)) for b, o in zip(bare, self.model.offered, strict=True)]  # fmt: skip


class OwnGraph(Graphs):
    """A `ToolNode` in a graph of somebody's own, with a model node of their own."""

    path = "ToolNode, guard_tools"
    says_unknown = False
    error_settings = NODE_SETTINGS

    def node(self) -> ToolNode:
        return ToolNode(self.wrapped(), **self.handling)

    @property
    def handling(self) -> dict[str, Any]:
        return {k: v for k, v in self.settings.items() if k == "handle_tool_errors"}

    def build(self, saver: Any) -> Any:
        async def asays(state: Any) -> Any:
            return {"messages": [await self.model.ainvoke(state["messages"])]}

        graph: Any = StateGraph(MessagesState)
        graph.add_node(
            "model", RunnableLambda(lambda state: {"messages": [self.model.invoke(state["messages"])]}, afunc=asays)
        )
        graph.add_node("tools", self.node())
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", tools_condition)
        graph.add_edge("tools", "model")
        return graph.compile(checkpointer=saver)


class OwnGraphWrapping(OwnGraph):
    """A `ToolNode` of bare tools that wraps its calls with the middleware's hooks."""

    path = "ToolNode, wrap_tool_call"
    says_unknown = True

    def node(self) -> ToolNode:
        mode: Any = self.ward.mode
        guarding = GuardMiddleware(self.ward.guard, mode=mode)
        tools = bare_tools(self.ward, self.settings)
        return ToolNode(
            tools, wrap_tool_call=guarding.wrap_tool_call, awrap_tool_call=guarding.awrap_tool_call, **self.handling
        )


class ByHand(LangChain, Loop):
    """Guarded tools, each called by hand with a tool call."""

    path = "tool.invoke"
    modes = ("block", "raise")
    says_unknown = False
    more: Mapping[str, Any] = {}
    """What else stands in the config of every call."""

    async def run(self, session: Session, call: Call, at: int) -> str:
        (tool,) = (t for t in self.wrapped() if t.name == call.name)
        made = {"name": call.name, "args": call.arguments, "id": call.id, "type": "tool_call"}
        message = await self.do(tool, "invoke", made, {"callbacks": [self.tracer], **self.more})
        self.artifacts[call.id] = message.artifact
        return str(message.content)
