"""A box of tools: offered to a model, gated at every call, run once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from openai import AsyncOpenAI, OpenAI

from toolguard import Guard, Session, current_session
from toolguard.errors import ConfigError, IdentityError
from toolguard_openai.allow import Allowed
from toolguard_openai.chat import read_chat
from toolguard_openai.client import guarding_of, with_session
from toolguard_openai.entries import Entry, ToolLike, entries_of
from toolguard_openai.gate import agate, gate, prepare
from toolguard_openai.items import as_item, asked_of, output_item
from toolguard_openai.loop import Mask, Model, Run, go
from toolguard_openai.native import native_of
from toolguard_openai.requests import Request
from toolguard_openai.responses import read_responses
from toolguard_openai.results import Api, Conversation, RunResult, SuspendedRun
from toolguard_openai.texts import plain

if TYPE_CHECKING:
    from openai.lib.responses_tool_runner import AsyncResponsesToolRunner, ResponsesToolRunner

__all__ = ["ToolBox"]

_OURS = {"tools", "functions", "stream", "n", "background"}


class ToolBox:
    """Tools behind a guard.

        box = ToolBox(look_up, {SendLetter: send_letter, "close_bed": (schema, close_bed)}, guard=guard)

    `run` and `run_responses` hold the conversation with the model; `execute` is for a loop of your own.
    A denied call, an unknown tool or broken arguments become a constant text for the model, and the run goes on.
    """

    def __init__(
        self,
        *tools: ToolLike,
        guard: Guard,
        session: Session | None = None,
        max_turns: int = 20,
        hosted: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """
        Args:
            session: whom calls belong to; default: the session the code runs in.
            max_turns: answers of the model.
            hosted: definitions of provider tools that Responses runs are offered besides (``mcp``, ``web_search``, …); the
                client must allow them, and the policy judges each offer.
        """
        self._guard = guard
        self._hosted = [plain(dict(tool)) for tool in hosted]
        self._session = session
        self._max_turns = max_turns
        self._entries: Mapping[str, Entry] = entries_of(guard, tools)

    def chat_tools(self) -> list[dict[str, Any]]:
        """The definitions for ``client.chat.completions.create(tools=…)``."""
        return [entry.chat() for entry in self._entries.values()]

    def response_tools(self) -> list[dict[str, Any]]:
        """The definitions for ``client.responses.create(tools=…)``."""
        return [*(entry.response() for entry in self._entries.values()), *(dict(tool) for tool in self._hosted)]

    # --- one call ------------------------------------------------------------------------------------

    def execute(self, call: Any, *, ordinal: int = 0, reason: str = "", replays: bool = False) -> dict[str, Any]:
        """Gate and run one call; give the message or item that answers it.

        Args:
            call: a tool call of a chat message, or an output item of Responses (an SDK object or a dict).
            ordinal: its position among the calls of its message.
            reason: the model's words around it; approvers see them, masked and marked as untrusted.
            replays: keep the result, and give it again if this very call has run already (it never runs twice).

        Raises:
            Suspended: it waits for a person; make the same call again once it is decided.
            UnknownToolError: an action at the provider that cannot be refused in words (a computer call).
        """
        item = as_item(call)
        asked = asked_of(item, ordinal, reason)
        self._check_sync([native_of(asked.kind) or asked.name])
        answer = gate(self._current(), *prepare(self._guard, self._entries, asked), asked, replays=replays)
        return output_item(item, answer)

    async def aexecute(self, call: Any, *, ordinal: int = 0, reason: str = "", replays: bool = False) -> dict[str, Any]:
        """`execute` on the event loop; tools may be coroutine functions."""
        item = as_item(call)
        asked = asked_of(item, ordinal, reason)
        answer = await agate(self._current(), *prepare(self._guard, self._entries, asked), asked, replays=replays)
        return output_item(item, answer)

    # --- a whole run ---------------------------------------------------------------------------------

    def run(
        self, client: OpenAI, *, model: str, messages: Iterable[Any], max_turns: int | None = None, **params: Any
    ) -> RunResult | SuspendedRun:
        """Hold a conversation through chat completions until the model is done or a person is needed.

        Args:
            client: a client from `guard_client`, with this box's guard.
            messages: as for the SDK, in clear: they are masked here.
            params: further arguments of the request (``temperature``, …).
        """
        return self._start("chat", client, max_turns, {"model": model, "messages": list(messages), **params})

    async def arun(
        self, client: AsyncOpenAI, *, model: str, messages: Iterable[Any], max_turns: int | None = None, **params: Any
    ) -> RunResult | SuspendedRun:
        """`run` on the event loop."""
        return await self._astart("chat", client, max_turns, {"model": model, "messages": list(messages), **params})

    def run_responses(
        self, client: OpenAI, *, model: str, input: str | Iterable[Any], max_turns: int | None = None, **params: Any
    ) -> RunResult | SuspendedRun:
        """`run` through Responses. Nothing is kept at the provider unless ``store=True`` is given."""
        return self._start("responses", client, max_turns, _responses_body(model, input, params))

    async def arun_responses(
        self,
        client: AsyncOpenAI,
        *,
        model: str,
        input: str | Iterable[Any],
        max_turns: int | None = None,
        **params: Any,
    ) -> RunResult | SuspendedRun:
        """`run_responses` on the event loop."""
        return await self._astart("responses", client, max_turns, _responses_body(model, input, params))

    def resume(self, client: OpenAI, blob: str | bytes) -> RunResult | SuspendedRun:
        """Go on with a suspended run, in any process.

        The session must be the run's: open it with the same caller, ``run`` and ``id``. The blob is never
        believed: whether a call may run, and that it has not run yet, the store says.

        Raises:
            ConfigError: it is no suspended run.
            IdentityError: the session is not the run's.
        """
        at = Conversation.from_json(blob)
        session, client = self._bind(client)
        self._check_session(session, at)
        request = _blank(client)
        _read(at.api, request, at.body)
        request.texts.mask(session)
        return self._drive(session, client, at.model_copy(update={"body": request.body}), resumed=True)

    async def aresume(self, client: AsyncOpenAI, blob: str | bytes) -> RunResult | SuspendedRun:
        """`resume` on the event loop."""
        at = Conversation.from_json(blob)
        session, client = self._bind(client)
        self._check_session(session, at)
        request = _blank(client)
        _read(at.api, request, at.body)
        await request.texts.amask(session)
        return await self._adrive(session, client, at.model_copy(update={"body": request.body}), resumed=True)

    # --- the SDK's own loop --------------------------------------------------------------------------

    def runner(self) -> ResponsesToolRunner:
        """The SDK's ResponsesToolRunner over these functions; give its ``run`` a client from `guard_client`.

        It cannot hold a pause: a call that needs a person waits where it is, up to the session's ``wait``, whatever the
        session's ``suspend`` says, and is refused after that.
        """
        from toolguard_openai.runner import runner  # here, since it loads a great deal of the SDK

        return runner(self._entries.values(), self._current)

    def async_runner(self) -> AsyncResponsesToolRunner:
        """`runner` on the event loop."""
        from toolguard_openai.runner import async_runner

        return async_runner(self._entries.values(), self._current)

    # --- inside --------------------------------------------------------------------------------------

    def _current(self) -> Session:
        session = self._session or current_session()
        if session.guard is not self._guard:
            raise IdentityError("the session belongs to another guard than this tool box; open it with the box's guard")
        return session

    def _bind(self, client: Any) -> tuple[Session, Any]:
        session, guarding = self._current(), guarding_of(client)
        if guarding is None:
            raise ConfigError("this client is not guarded; pass it through guard_client(client, guard=...) first")
        if guarding.guard is not self._guard or guarding.session not in (None, session):
            raise ConfigError("the client is guarded for another guard or session than this tool box; use one for both")
        self._check_screens(client)
        return session, with_session(client, session)

    def _check_sync(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._entries and self._entries[name].awaits:
                raise ConfigError(f"tool {name!r} is a coroutine function; use aexecute, arun or arun_responses")

    def _check_screens(self, client: Any) -> None:
        allowed = _blank(client).allowed
        for entry in self._entries.values():
            if entry.native is not None and entry.name == "computer" and "images" not in allowed:
                raise ConfigError("a computer tool answers with screenshots; pass allow={'images'} to guard_client")

    def _check_session(self, session: Session, at: Conversation) -> None:
        if (at.tenant, at.run, at.session) != (session.caller.tenant, session.run, session.id):
            raise IdentityError(
                "this session is not the suspended run's; open it with "
                "guard.session(caller=..., run=conversation.run, id=conversation.session) of the blob"
            )

    def _begin(self, api: Api, session: Session, body: dict[str, Any], max_turns: int | None) -> Conversation:
        return Conversation(
            api=api,
            tenant=session.caller.tenant,
            run=session.run,
            session=session.id,
            body=body,
            turns=0,
            max_turns=self._max_turns if max_turns is None else max_turns,
        )

    def _start(self, api: Api, client: Any, max_turns: int | None, body: dict[str, Any]) -> RunResult | SuspendedRun:
        session, client = self._bind(client)
        request = _blank(client)
        _read(api, request, body)
        request.texts.mask(session)
        return self._drive(session, client, self._begin(api, session, request.body, max_turns), resumed=False)

    async def _astart(
        self, api: Api, client: Any, max_turns: int | None, body: dict[str, Any]
    ) -> RunResult | SuspendedRun:
        session, client = self._bind(client)
        request = _blank(client)
        _read(api, request, body)
        await request.texts.amask(session)
        return await self._adrive(session, client, self._begin(api, session, request.body, max_turns), resumed=False)

    def _drive(self, session: Session, client: Any, at: Conversation, *, resumed: bool) -> RunResult | SuspendedRun:
        self._check_sync(self._entries)
        loop = go(session, self._entries, at, resumed=resumed, blank=_blank(client))
        send: Any = None
        fault: BaseException | None = None
        while True:
            try:
                step = loop.send(send) if fault is None else loop.throw(fault)
            except StopIteration as stop:
                return cast("RunResult | SuspendedRun", stop.value)
            send, fault = None, None
            try:
                match step:
                    case Mask(request):
                        request.texts.mask(session)
                    case Model(body):
                        send = self._create(at.api, client)(**body)
                    case Run(bound, raw, asked):
                        send = gate(session, bound, raw, asked, replays=True)
            except BaseException as raised:  # noqa: BLE001 - the loop decides what a pause or failure means
                fault = raised

    async def _adrive(
        self, session: Session, client: Any, at: Conversation, *, resumed: bool
    ) -> RunResult | SuspendedRun:
        loop = go(session, self._entries, at, resumed=resumed, blank=_blank(client))
        send: Any = None
        fault: BaseException | None = None
        while True:
            try:
                step = loop.send(send) if fault is None else loop.throw(fault)
            except StopIteration as stop:
                return cast("RunResult | SuspendedRun", stop.value)
            send, fault = None, None
            try:
                match step:
                    case Mask(request):
                        await request.texts.amask(session)
                    case Model(body):
                        send = await self._create(at.api, client)(**body)
                    case Run(bound, raw, asked):
                        send = await agate(session, bound, raw, asked, replays=True)
            except BaseException as raised:  # noqa: BLE001 - the loop decides what a pause or failure means
                fault = raised

    def _create(self, api: Api, client: Any) -> Any:
        def create(**body: Any) -> Any:
            if api == "chat":
                return client.chat.completions.create(**body, tools=self.chat_tools())
            return client.responses.create(**body, tools=self.response_tools())

        return create


def _responses_body(model: str, input: str | Iterable[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    items = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
    return {"model": model, "input": items, "store": False, **params}


def _blank(client: Any) -> Request:
    guarding = guarding_of(client)
    return Request({}, guarding.allowed if guarding else Allowed())


def _read(api: Api, request: Request, body: Mapping[str, Any]) -> None:
    """The body, copied, checked and with its text collected."""
    ours = sorted(_OURS & body.keys())
    if ours:
        raise ConfigError(
            f"a tool box sets {', '.join(map(repr, ours))} itself; use a loop of your own with box.execute for that"
        )
    request.body = plain(dict(body))
    try:
        (read_chat if api == "chat" else read_responses)(request)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError("the conversation does not have the shape of this API; see the SDK's types") from None
