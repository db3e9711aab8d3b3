"""The OpenAI SDK against a server on loopback: runs of a tool box, and loops of an application's own."""

from __future__ import annotations

import inspect
import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel

from adapters.contract.driver import Call, Driver, Outcome
from adapters.contract.ward import USER, Ward
from toolguard import Suspended, ToolguardError
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, say, use
from toolguard_openai import SuspendedRun, ToolBox, guard_client


class Letter(BaseModel):
    """A letter."""

    to: str
    text: str = ""


class Heard(logging.Handler):
    """What the SDK writes into its own log at its chattiest."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Box(Driver):
    adapter = "openai"
    modes = ("block", "raise")
    masks_context = True

    def __init__(self, ward: Ward, **settings: Any) -> None:
        super().__init__(ward, **settings)
        self.box = ToolBox(*ward.tools().values(), guard=ward.guard)
        self.calls: tuple[Call, ...] = ()
        self.text: str | None = None
        self.server: OpenAIServer | None = None
        self.clients: list[Any] = []
        self.numbers = itertools.count(1)
        self.heard = Heard()
        self.log = logging.getLogger("openai")
        self.base_url = ""

    async def __aenter__(self) -> Any:
        self.level = self.log.level
        self.log.addHandler(self.heard)
        self.log.setLevel(logging.DEBUG)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.log.removeHandler(self.heard)
        self.log.setLevel(self.level)
        for client in self.clients:
            closed = client.close()
            if closed is not None:
                await closed
        if self.server is not None:
            self.server.stop()

    def answer(self, request: ModelRequest) -> Reply:
        """The model: makes its calls, then says what the tools said."""
        if self.text is not None:
            return say(self.text)
        if request.outputs:
            return say(" | ".join(request.outputs))
        return use(*(Use(c.name, c.arguments, id=c.id) for c in self.calls))

    @property
    def client(self) -> Any:
        if not self.clients:
            if not self.base_url:
                self.server = OpenAIServer(self.answer).start()
                self.base_url = self.server.base_url
            given: dict[str, Any] = {"base_url": self.base_url, "api_key": "test", "max_retries": 0}
            if self.ward.way == "sync":  # without certificates: loading them takes longer than most tests here
                plain: Any = OpenAI(**given, http_client=DefaultHttpxClient(verify=False))
            else:
                plain = AsyncOpenAI(**given, http_client=DefaultAsyncHttpxClient(verify=False))
            self.clients += [plain, guard_client(plain, guard=self.ward.guard)]
        return self.clients[1]

    @property
    def model_saw(self) -> str:
        return "" if self.server is None else self.server.seen

    @property
    def tracers_saw(self) -> str:
        return "\n".join(self.heard.lines)

    def inner(self, name: str, arguments: dict[str, Any]) -> str:
        inner = ToolBox(inspect.unwrap(self.ward.tools()[name]), guard=self.ward.guard)
        function = {"name": name, "arguments": json.dumps(arguments)}
        try:
            return str(
                inner.execute({"id": f"inner-{next(self.numbers)}", "type": "function", "function": function})[
                    "content"
                ]
            )
        except ToolguardError as fault:
            return type(fault).__name__

    async def faces(self) -> list[tuple[Any, Any]]:
        found: list[tuple[Any, Any]] = []
        offered = {t["function"]["name"]: t["function"] for t in self.box.chat_tools()}
        assert offered == {t["name"]: {k: v for k, v in t.items() if k != "type"} for t in self.box.response_tools()}
        for name, function in self.ward.tools().items():
            bare = (name, inspect.getdoc(function), list(inspect.signature(function).parameters))
            seen = offered[name]
            found.append((bare, (seen["name"], seen["description"], list(seen["parameters"]["properties"]))))
        (model,) = ToolBox({Letter: lambda letter: "sent"}, guard=self.ward.make_guard()).chat_tools()
        found.append((("Letter", "A letter.", Letter.model_json_schema()), tuple(model["function"][k] for k in ("name", "description", "parameters"))))  # fmt: skip
        client = self.client
        found.append((type(self.clients[0]).__mro__, type(client).__mro__[-len(type(self.clients[0]).__mro__) :]))
        return found


class Runs(Box):
    """`ToolBox.run`: the box holds the conversation."""

    verb = "run"

    async def start(self, *calls: Call, user: str = USER) -> Outcome:
        self.calls = calls
        client = self.client
        said: dict[str, Any] = (
            {"messages": [{"role": "user", "content": user}]} if self.verb == "run" else {"input": user}
        )
        with self.ward.open():
            return self._seen(await self.do(self.box, self.verb, client, model="m", **said))

    async def resume(self) -> Outcome:
        with self.ward.open():
            return self._seen(await self.do(self.box, "resume", self.client, self.blob))

    def _seen(self, result: Any) -> Outcome:
        if isinstance(result, SuspendedRun):
            self.blob = result.to_json()
            return Outcome(waiting=tuple(p.approval_id for p in result.pending))
        answers = {
            str(item.get("tool_call_id") or item.get("call_id")): str(item.get("content") or item.get("output"))
            for item in result.messages
            if item.get("role") == "tool" or str(item.get("type", "")).endswith("_output")
        }
        return Outcome(answers=answers, said=result.text)

    def swap(self, old: str, new: str) -> None:
        assert old in self.blob
        self.blob = self.blob.replace(old, new)

    def freeze(self) -> dict[str, Any]:
        return {"blob": self.blob, "base_url": self.base_url}

    def thaw(self, kept: Mapping[str, Any]) -> None:
        self.blob, self.base_url = kept["blob"], kept["base_url"]

    @property
    def at_rest(self) -> str:
        return getattr(self, "blob", "")


class ChatRuns(Runs):
    path = "ToolBox.run"


class ResponsesRuns(Runs):
    path = "ToolBox.run_responses"
    verb = "run_responses"


class OwnLoop(Box):
    """`ToolBox.execute` in a loop of somebody's own, with a guarded client."""

    path = "ToolBox.execute"

    def __init__(self, ward: Ward, **settings: Any) -> None:
        super().__init__(ward, **settings)
        self.history: list[dict[str, Any]] = []

    async def ask(self, history: list[dict[str, Any]]) -> Any:
        made = self.client.chat.completions.create(model="m", messages=history, tools=self.box.chat_tools())
        done = made if self.ward.way == "sync" else await made
        return done.choices[0].message

    async def start(self, *calls: Call, user: str = USER) -> Outcome:
        self.calls = calls
        with self.ward.open():
            asked = [{"role": "user", "content": user}]
            message = await self.ask(asked)
        self.history = [*asked, message.to_dict()]
        return await self.resume()

    async def resume(self) -> Outcome:
        outputs, waiting = list[dict[str, Any]](), list[str]()
        with self.ward.open():
            for at, call in enumerate(self.history[-1]["tool_calls"]):
                try:
                    outputs.append(await self.do(self.box, "execute", call, ordinal=at, replays=True))
                except Suspended as pause:
                    waiting.append(pause.approval_id)
            answers = {o["tool_call_id"]: o["content"] for o in outputs}
            if waiting:
                return Outcome(answers=answers, waiting=tuple(waiting))
            last = await self.ask([*self.history, *outputs])
        return Outcome(answers=answers, said=last.content)

    def swap(self, old: str, new: str) -> None:
        self.history = json.loads(json.dumps(self.history).replace(old, new))

    def freeze(self) -> dict[str, Any]:
        return {"history": self.history, "base_url": self.base_url}

    def thaw(self, kept: Mapping[str, Any]) -> None:
        self.history, self.base_url = kept["history"], kept["base_url"]


def put_together(deltas: Sequence[Any]) -> ChatCompletionMessage:
    """The message that a stream's deltas are the pieces of."""
    text, calls = "", dict[int, dict[str, Any]]()
    for delta in deltas:
        text += delta.content or ""
        for piece in delta.tool_calls or ():
            call = calls.setdefault(piece.index, {"type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = piece.id or call.get("id")
            call["function"]["name"] += piece.function.name or ""
            call["function"]["arguments"] += piece.function.arguments or ""
    made = {"role": "assistant", "content": text, "tool_calls": list(calls.values()) or None}
    return ChatCompletionMessage.model_validate(made)


class StreamedLoop(OwnLoop):
    """The same, with answers that stream: calls are put together from deltas."""

    path = "streamed, ToolBox.execute"

    async def ask(self, history: list[dict[str, Any]]) -> Any:
        made = self.client.chat.completions.create(
            model="m", messages=history, tools=self.box.chat_tools(), stream=True
        )
        chunks = list(made) if self.ward.way == "sync" else [chunk async for chunk in await made]
        return put_together([chunk.choices[0].delta for chunk in chunks])

    async def stream(self, text: str) -> list[str]:
        self.text = text
        made = self.client.chat.completions.create(model="m", messages=[{"role": "user", "content": "go"}], stream=True)
        if self.ward.way == "sync":
            return [chunk.choices[0].delta.content or "" for chunk in made]
        return [chunk.choices[0].delta.content or "" async for chunk in await made]
