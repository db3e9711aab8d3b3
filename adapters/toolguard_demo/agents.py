"""The same agent twice: through LangChain's `create_agent`, and through the `openai` client with a `ToolBox`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from openai import OpenAI
from pydantic import Field

from toolguard import Guard
from toolguard_demo.hospital import Hospital
from toolguard_langchain import GuardMiddleware, guard_tools
from toolguard_openai import RunResult, SuspendedRun, ToolBox, guard_client

__all__ = ["Agent", "LangChainAgent", "OpenAIAgent", "Turn"]

SYSTEM = "You are a ward assistant. Names and numbers reach you as tokens such as <PERSON_1>; use them as they are."


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One exchange, as each side saw it. ``saw`` is what the model was sent, ``calls`` what it asked for."""

    saw: str
    calls: tuple[str, ...]
    came_back: tuple[str, ...]
    answer: str
    suspended: SuspendedRun | None = None


class Agent(Protocol):
    """What the story needs of an agent."""

    name: str

    def ask(self, text: str) -> Turn: ...


class EndpointChat(BaseChatModel):
    """A LangChain chat model over any OpenAI-compatible endpoint. Keeps what it sent: the story shows it."""

    client: Any = Field(exclude=True)
    model: str
    sent: list[list[dict[str, Any]]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "endpoint"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(t) for t in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        body: Any = convert_to_openai_messages(messages)
        self.sent.append(body)
        tools = kwargs.get("tools") or []
        reply = self.client.chat.completions.create(
            model=self.model, messages=body, **({"tools": tools} if tools else {})
        )
        said = reply.choices[0].message
        calls = [
            {"name": c.function.name, "args": json.loads(c.function.arguments), "id": c.id, "type": "tool_call"}
            for c in said.tool_calls or []
        ]
        message = AIMessage(content=said.content or "", tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=message)])


class LangChainAgent:
    """``create_agent`` with guarded tools and the guard's middleware; waits in place for a person."""

    name = "LangChain"

    def __init__(self, guard: Guard, hospital: Hospital, client: OpenAI, model: str) -> None:
        self.model = EndpointChat(client=client, model=model)
        self.tools: list[BaseTool] = guard_tools(
            [StructuredTool.from_function(function) for function in hospital.tools], guard=guard
        )
        self._agent = create_agent(
            self.model,
            self.tools,
            system_prompt=SYSTEM,
            middleware=[GuardMiddleware(guard)],
            checkpointer=InMemorySaver(),
        )
        graph = StateGraph(MessagesState)
        graph.add_node("tools", ToolNode(self.tools))
        graph.add_edge(START, "tools")
        self._tools = graph.compile()
        self._seen = 0
        self._last: AIMessage | None = None

    def ask(self, text: str) -> Turn:
        config: Any = {"configurable": {"thread_id": "demo-langchain"}}
        before = len(self.model.sent)
        state = self._agent.invoke({"messages": [HumanMessage(text)]}, config)
        fresh = state["messages"][self._seen :]
        self._seen = len(state["messages"])
        first = self.model.sent[before]
        self._last = next((m for m in reversed(fresh) if isinstance(m, AIMessage) and m.tool_calls), self._last)
        return Turn(
            saw=next(str(m["content"]) for m in reversed(first) if m["role"] == "user"),
            calls=tuple(
                _call(c["name"], json.dumps(c["args"])) for m in fresh if isinstance(m, AIMessage) for c in m.tool_calls
            ),
            came_back=tuple(str(m.content) for m in fresh if isinstance(m, ToolMessage)),
            answer=str(fresh[-1].content),
        )

    def call_again(self) -> str:
        """The last tool call once more, in its own thread and message, as a replay would make it. → what came back."""
        assert self._last is not None  # noqa: S101 - the story calls this after an export
        state: dict[str, Any] = self._tools.invoke(
            {"messages": [self._last]}, {"configurable": {"thread_id": "demo-langchain"}}
        )
        return str(state["messages"][-1].content)


class OpenAIAgent:
    """A `ToolBox` around the real ``openai`` client; a waiting call suspends the run, which is resumed from JSON."""

    name = "OpenAI"

    def __init__(self, guard: Guard, hospital: Hospital, client: OpenAI, model: str) -> None:
        self.box = ToolBox(*hospital.tools, guard=guard)
        self.client = guard_client(client, guard=guard)
        self._model = model
        self._history: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]

    def ask(self, text: str) -> Turn:
        before = len(self._history)
        asked = [*self._history, {"role": "user", "content": text}]
        return self._turn(self.box.run(self.client, model=self._model, messages=asked), before)

    def resume(self, blob: str) -> Turn:
        """Go on from a suspended run, as another process would."""
        return self._turn(self.box.resume(self.client, blob), len(self._history))

    def _turn(self, result: RunResult | SuspendedRun, before: int) -> Turn:
        if isinstance(result, SuspendedRun):
            messages = json.loads(result.to_json())["body"]["messages"]
        else:
            messages = self._history = list(result.messages)
        fresh = messages[before:]
        return Turn(
            saw=next((str(m["content"]) for m in reversed(messages) if m["role"] == "user"), ""),
            calls=tuple(
                _call(c["function"]["name"], c["function"]["arguments"])
                for m in fresh
                for c in m.get("tool_calls") or []
            ),
            came_back=tuple(str(m["content"]) for m in fresh if m["role"] == "tool"),
            answer="" if isinstance(result, SuspendedRun) else result.text,
            suspended=result if isinstance(result, SuspendedRun) else None,
        )


def _call(name: str, arguments: str) -> str:
    return f"{name}({', '.join(f'{k}={json.dumps(v, ensure_ascii=False)}' for k, v in json.loads(arguments).items())})"
