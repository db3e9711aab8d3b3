"""`GuardMiddleware` for ``create_agent``: masks what goes to the model, guards what no one has wrapped."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar, cast

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, TracePolicy, omit_payload
from langchain_core.messages import AnyMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from toolguard import BoundTool, CallRef, Guard, Origin, Session, Tool
from toolguard.errors import ToolguardError, UnknownToolError
from toolguard_langchain.allow import check_allow
from toolguard_langchain.attempt import binding_of, refusal_message
from toolguard_langchain.messages import Opened
from toolguard_langchain.place import Mode, SessionSource, check_mode, pin, place, session_for
from toolguard_langchain.sending import check_sending
from toolguard_langchain.tools import guard_tool

__all__ = ["GuardMiddleware"]

_UNKNOWN = Tool.describe(
    "toolguard.unknown", source="toolguard", description="A tool nobody has; the model made it up."
)
ToolResult = ToolMessage | Command[Any]
Way = TypeVar("Way", bound=Callable[..., Any])


def _signed(way: Way) -> Way:
    """A way in with its signature worked out once: LangSmith, which LangChain puts around it, asks at every call."""
    cast("Any", way).__signature__ = inspect.signature(way)
    return way


class GuardMiddleware(AgentMiddleware):
    """Put it last in ``create_agent(middleware=[…])``, so that nothing is added after it has looked.

    Before each model call the whole context is masked: system prompt and all history, with tool call arguments
    and extra fields. Parts that cannot be looked into (images, audio, files, opaque reasoning), history kept at
    the provider, tools that run at the provider and tracers that write raw state are refused unless named in
    ``allow``. Tools that `guard_tools` has not wrapped are guarded here; names the model makes up are refused.

    Args:
        guard: the guard.
        session: see `guard_tools`.
        mode: see `guard_tools`; for tools that are guarded here.
        allow: what may pass although nobody can look into it: ``images``, ``audio``, ``files``, ``reasoning``,
            ``history``, ``tracers``, and provider tools by type (``web_search``, …).

    Raises:
        ConfigError: ``mode`` or a word in ``allow`` is not known.
    """

    trace_policy = TracePolicy(process_inputs=omit_payload, process_outputs=omit_payload)

    def __init__(
        self,
        guard: Guard,
        session: SessionSource | None = None,
        mode: Mode | None = None,
        *,
        allow: Collection[str] = (),
    ) -> None:
        super().__init__()
        check_mode(mode)
        self.tools = []
        self._guard = guard
        self._source = session
        self._mode: Mode | None = mode
        self._allow = check_allow(allow)
        self._wrapped: dict[int, tuple[weakref.ref[BaseTool], BaseTool]] = {}

    def _session(self, config: RunnableConfig | None) -> Session:
        return session_for(self._guard, self._source, config)

    # --- the model -------------------------------------------------------------------------------------

    @_signed
    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """The model sees the whole context masked."""
        config = var_child_runnable_config.get()
        session = self._session(config)
        self._check(request, config)
        opened = self._open(request)
        for origin, at, values in opened.groups():
            opened.put(at, values, session.mask(values, origin=origin))
        return handler(_masked(request, opened))

    @_signed
    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """`wrap_model_call` on the event loop."""
        config = var_child_runnable_config.get()
        session = self._session(config)
        self._check(request, config)
        opened = self._open(request)
        for origin, at, values in opened.groups():
            opened.put(at, values, await session.amask(values, origin=origin))
        return await handler(_masked(request, opened))

    def _open(self, request: ModelRequest[Any]) -> Opened:
        system: list[BaseMessage] = [request.system_message] if request.system_message is not None else []
        return Opened([*system, *request.messages], self._allow)

    def _check(self, request: ModelRequest[Any], config: RunnableConfig | None) -> None:
        """Ways past the mask are closed unless they were allowed by name."""
        check_sending(
            request.model, request.model_settings, request.tools, config, self._allow, where="GuardMiddleware"
        )

    # --- the tools -------------------------------------------------------------------------------------

    @_signed
    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolResult]) -> ToolResult:
        """Tools nobody has wrapped are guarded; unknown ones refused."""
        session = self._session(request.runtime.config)
        guarded = self._guarded(request)
        if guarded is None:
            return self._unknown(request, self._refuse(session, request))
        for origin, values in self._untold(session, request):
            session.mask(values, origin=origin)
        with pin(session, request.runtime.config):
            return handler(guarded)

    @_signed
    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        """`wrap_tool_call` on the event loop."""
        session = self._session(request.runtime.config)
        guarded = self._guarded(request)
        if guarded is None:
            return self._unknown(request, await self._arefuse(session, request))
        for origin, values in self._untold(session, request):
            await session.amask(values, origin=origin)
        with pin(session, request.runtime.config):
            return await handler(guarded)

    def _untold(self, session: Session, request: ToolCallRequest) -> list[tuple[Origin, Any]]:
        """What the session has to be told first: a process that resumes a graph begins with its tools."""
        messages = request.state.get("messages") if isinstance(request.state, dict) else None
        if not session.cold or not messages:
            return []
        return [(origin, values) for origin, _, values in Opened(list(messages), self._allow).groups()]

    def _guarded(self, request: ToolCallRequest) -> ToolCallRequest | None:
        """The request with a guarded tool; None where no tool is known by that name, or another one is."""
        tool = request.tool
        if tool is None:
            return None
        if binding_of(tool) is not None:
            return request
        known = self._wrapped.get(id(tool))
        if known is None or known[0]() is not tool:
            try:
                wrapped = guard_tool(
                    tool, guard=self._guard, session=None, mode=self._mode, source=None, allow=self._allow, seal=False
                )
            except UnknownToolError:
                return None
            known = self._wrapped[id(tool)] = (weakref.ref(tool), wrapped)
        return request.override(tool=known[1])

    def _refuse(self, session: Session, request: ToolCallRequest) -> ToolguardError:
        try:
            session.authorise(_NOBODYS, {}, ref=_ref(session, request))
        except ToolguardError as fault:
            return fault
        raise AssertionError("a tool that does not exist was let through")

    async def _arefuse(self, session: Session, request: ToolCallRequest) -> ToolguardError:
        try:
            await session.aauthorise(_NOBODYS, {}, ref=_ref(session, request))
        except ToolguardError as fault:
            return fault
        raise AssertionError("a tool that does not exist was let through")

    def _unknown(self, request: ToolCallRequest, fault: ToolguardError) -> ToolMessage:
        return refusal_message(fault, request.tool_call["id"], request.tool_call["name"])


def _masked(request: ModelRequest[Any], opened: Opened) -> ModelRequest[Any]:
    if not opened.changed:
        return request
    messages: list[Any] = opened.messages
    if request.system_message is None:
        return request.override(messages=messages)
    system, *rest = messages
    assert isinstance(system, SystemMessage)  # noqa: S101 - narrows the type: it is a copy of one
    history: list[AnyMessage] = rest
    return request.override(system_message=system, messages=history)


def _ref(session: Session, request: ToolCallRequest) -> CallRef:
    call = request.tool_call
    return place(session, request.runtime.config, call["id"], call["args"])


def _no_such_tool(data: Any) -> Any:
    raise UnknownToolError("the model called a tool that does not exist; the call did not run")


_NOBODYS = BoundTool(tool=_UNKNOWN, invoke=_no_such_tool, validate=_no_such_tool)
