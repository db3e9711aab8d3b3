"""What these tests share: a small hospital's policy and sessions, tools of every kind, a model that follows a script."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from langchain.tools import ToolRuntime
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatResult
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, Tool, ToolException, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from pydantic import BaseModel, Field

from toolguard import Caller, Guard, Session
from toolguard.testing import WordDetector
from toolguard.testing.desk import Desk

ADA, MRN = "Ada Byron", "4711-0815"
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "thread-1"}}
BOTH = pytest.mark.parametrize("way", ["sync", "async"])
GOT: list[str] = []
"""What `plain_find`, `send_letter` and their like really got in a test."""
WORDS = {ADA: "PERSON", MRN: "MRN"}

POLICY = """
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: "1"}
defaults:
  unknown_tool: deny
  by_risk: {low: allow, medium: allow, high: allow, critical: allow}
approvals:
  default: {approvers: ["group:privacy-office"], expires: 1h, reason_required: false}
tools:
  "kind_*": {trusted_for: [PERSON, MRN]}
  "plain_*": {trusted_for: [PERSON, MRN]}
  "open_*": {results: pass}
  "closed_*": {}
  "send_*": {trusted_for: [PERSON, MRN]}
  "drop_*": {}
  write_todos: {trusted_for: [PERSON, MRN], prose: [todos]}
rules:
  - {id: never-drop, because: "Nothing is dropped.", effect: deny, match: {tool: "drop_*"}}
  - {id: ask-first, because: "What leaves is looked at.", effect: require_approval, match: {tool: "send_*"}}
"""


def caller(subject: str = "ana") -> Caller:
    return Caller.of(subject, agent="discharge-agent", tenant="general")


def make_guard(desk: Desk, **parts: Any) -> Guard:
    policy = desk.folder / "policy.yaml"
    policy.write_text(POLICY, "utf-8")
    return desk.guard(policy, **{"detector": WordDetector(WORDS), **parts})


def revealing_guard(desk: Desk, **parts: Any) -> Guard:
    """One whose policy lets people see answers in clear."""
    policy = desk.folder / "revealing.yaml"
    policy.write_text(POLICY.replace("tools:\n", "tools:\n  toolguard.reveal: {risk: low}\n"), "utf-8")
    return desk.guard(policy, **{"detector": WordDetector(WORDS), **parts})


def kinds_of_records(guard: Guard) -> list[str]:
    return [r.draft.kind.value for r in guard.parts.store.records() if r.draft.call]


def everything_recorded(guard: Guard) -> str:
    return repr([(r.draft.kind, dict(r.draft.body)) for r in guard.parts.store.records()])


def call(name: str, args: dict[str, Any], id: str = "c1") -> dict[str, Any]:
    return {"name": name, "args": args, "id": id, "type": "tool_call"}


class Script(GenericFakeChatModel):
    """Says what it is told to, and keeps what it was shown."""

    messages: Iterator[Any] = Field(default_factory=lambda: iter(()))
    lines: list[Any] = Field(default_factory=list)
    shown: list[list[BaseMessage]] = Field(default_factory=list)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Script:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.shown.append(list(messages))
        line = self.lines[len([m for m in messages if isinstance(m, AIMessage)])]
        self.messages = iter([line(messages) if callable(line) else line])
        return super()._generate(messages, *args, **kwargs)


def says(*calls: dict[str, Any], content: str = "") -> AIMessage:
    return AIMessage(content=content, tool_calls=list(calls), id=f"ai-{uuid.uuid4().hex[:8]}")


def tool_graph(tools: Sequence[BaseTool], checkpointer: Any = None, **options: Any) -> Any:
    """One real ToolNode in a graph that keeps messages and a patient."""

    class State(MessagesState):
        patient: str

    graph = StateGraph(State)
    graph.add_node("tools", ToolNode(list(tools), **options))
    graph.add_edge(START, "tools")
    return graph.compile(checkpointer=checkpointer)


def run_tools(
    graph: Any, *calls: dict[str, Any], config: dict[str, Any] | None = None, content: str = ""
) -> dict[str, Any]:
    given = {"messages": [says(*calls, content=content)], "patient": "bed 7"}
    result: dict[str, Any] = graph.invoke(given, config)
    return result


async def arun_tools(graph: Any, *calls: dict[str, Any], config: dict[str, Any] | None = None) -> dict[str, Any]:
    result: dict[str, Any] = await graph.ainvoke({"messages": [says(*calls)], "patient": "bed 7"}, config)
    return result


def last(result: dict[str, Any]) -> ToolMessage:
    message = result["messages"][-1]
    assert isinstance(message, ToolMessage)
    return message


@tool
def plain_find(patient: str) -> str:
    """Find a patient."""
    GOT.append(patient)
    return f"{patient} has {MRN}"


@tool
def send_letter(to: str) -> str:
    """Send a letter."""
    GOT.append(f"letter to {to}")
    return f"sent to {to}"


@tool
def drop_all(x: int) -> str:
    """Drop."""
    raise AssertionError("ran")


async def go(graph: Any, way: str, given: Any, config: Any = CONFIG) -> dict[str, Any]:
    """Run a graph, or an agent, one way or the other."""
    found: dict[str, Any] = await graph.ainvoke(given, config) if way == "async" else graph.invoke(given, config)
    return found


# --- tools of every kind: each looks a patient up by name and answers with the name and record number ------


@dataclass
class Kind:
    """``seen`` is what the tool really got, in order; ``expected`` its bare content."""

    name: str
    tool: BaseTool
    arguments: dict[str, Any]
    expected: str
    sync: bool = True
    seen: list[Any] = field(default_factory=list)


def _answer(seen: list[Any], *got: Any) -> str:
    seen.append(got)
    return f"{got[0]} has record {MRN}"


def kinds() -> list[Kind]:
    made: list[Kind] = []

    def add(make: Callable[[list[Any]], BaseTool], arguments: dict[str, Any] | None = None, **more: Any) -> None:
        seen: list[Any] = []
        built = make(seen)
        expected = more.pop("expected", f"{ADA} has record {MRN}")
        made.append(
            Kind(
                name=built.name,
                tool=built,
                arguments=arguments or {"patient": ADA},
                expected=expected,
                seen=seen,
                **more,
            )
        )

    def sync(seen: list[Any]) -> BaseTool:
        @tool
        def kind_sync(patient: str, born: dt.date = dt.date(1815, 12, 10)) -> str:
            """Find a patient."""
            return _answer(seen, patient, born)

        kind_sync.tags = ["ward"]
        return kind_sync

    def async_only(seen: list[Any]) -> BaseTool:
        @tool
        async def kind_async_only(patient: str) -> str:
            """Find a patient."""
            return _answer(seen, patient)

        return kind_async_only

    def artifact(seen: list[Any]) -> BaseTool:
        @tool(response_format="content_and_artifact")
        def kind_artifact(patient: str) -> tuple[str, dict[str, str]]:
            """Find a patient."""
            return _answer(seen, patient), {"patient": patient}

        return kind_artifact

    def injected_state(seen: list[Any]) -> BaseTool:
        @tool
        def kind_state(
            patient: str, state: Annotated[dict[str, Any], InjectedState], id: Annotated[str, InjectedToolCallId]
        ) -> str:
            """Find a patient."""
            return _answer(seen, patient, state["patient"], id)

        return kind_state

    def runtime(seen: list[Any]) -> BaseTool:
        @tool
        def kind_runtime(patient: str, runtime: ToolRuntime) -> str:
            """Find a patient."""
            return _answer(seen, patient, runtime.state["patient"], runtime.tool_call_id)

        return kind_runtime

    class Asked(BaseModel):
        """What is asked."""

        patient: str = Field(description="Whom to find.")

    def runtime_with_schema(seen: list[Any]) -> BaseTool:
        @tool(args_schema=Asked)
        def kind_runtime_schema(patient: str, runtime: ToolRuntime) -> str:
            """Find a patient."""
            return _answer(seen, patient, runtime.state["patient"], runtime.tool_call_id)

        return kind_runtime_schema

    def direct(seen: list[Any]) -> BaseTool:
        @tool(return_direct=True, extras={"defer_loading": True})
        def kind_direct(patient: str) -> str:
            """Find a patient."""
            return _answer(seen, patient)

        return kind_direct

    def single(seen: list[Any]) -> BaseTool:
        return Tool(name="kind_single", func=lambda text: _answer(seen, text), description="Find a patient.")

    def subclass(seen: list[Any]) -> BaseTool:
        class Finder(BaseTool):
            name: str = "kind_subclass"
            description: str = "Find a patient."

            def _run(self, patient: str, limit: int = 3) -> str:
                return _answer(seen, patient, limit)

        return Finder()

    def handles_errors(seen: list[Any]) -> BaseTool:
        @tool
        def kind_handles(patient: str) -> str:
            """Find a patient."""
            seen.append((patient,))
            raise ToolException(f"no bed for {patient}")

        kind_handles.handle_tool_error = True
        return kind_handles

    def json_schema(seen: list[Any]) -> BaseTool:
        schema = {"type": "object", "properties": {"patient": {"type": "string"}}, "required": ["patient"]}
        return StructuredTool.from_function(
            func=lambda patient: _answer(seen, patient),
            name="kind_json",
            description="Find a patient.",
            args_schema=schema,
        )

    add(sync)
    add(async_only, sync=False)
    add(artifact)
    add(injected_state)
    add(runtime)
    add(runtime_with_schema)
    add(direct)
    add(single, {"__arg1": ADA})
    add(subclass)
    add(handles_errors, expected=f"no bed for {ADA}")
    add(json_schema)
    return made


__all__ = [
    "ADA",
    "BOTH",
    "CONFIG",
    "GOT",
    "MRN",
    "POLICY",
    "WORDS",
    "Desk",
    "Guard",
    "Kind",
    "Script",
    "Session",
    "arun_tools",
    "call",
    "caller",
    "drop_all",
    "everything_recorded",
    "go",
    "kinds",
    "kinds_of_records",
    "last",
    "make_guard",
    "plain_find",
    "revealing_guard",
    "run_tools",
    "says",
    "send_letter",
    "tool_graph",
]
