"""One attempt to call one guarded tool: decided once, run at most once, its result masked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp, ParentCommand

from toolguard import BoundTool, DeniedError, Done, Guard, Permit, ResultShape, Session, Tool, ToolguardError
from toolguard.errors import (
    BadArgumentsError,
    ConfigError,
    IdentityError,
    NotAllowedError,
    Suspended,
    ToolFailedError,
    UnknownToolError,
)
from toolguard_langchain.failures import FAILURES
from toolguard_langchain.faults import ToolFault, masked_fault
from toolguard_langchain.place import (
    Mode,
    SessionSource,
    check_checkpointer,
    in_graph,
    leave,
    pause,
    place,
    session_for,
)
from toolguard_langchain.results import Parcel

__all__ = ["BINDING", "Attempt", "Binding", "binding_of", "current", "face_of", "inside", "refusal_message"]

_log = logging.getLogger("toolguard.langchain")

BINDING = "__toolguard__"
_PAUSES: tuple[type[BaseException], ...] = (GraphBubbleUp,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What ties one tool to a guard, worked out once when it is wrapped.

    Attributes:
        injected: arguments that come from the graph and not from the model.
        outside: `injected` and what LangChain itself adds to a call (callbacks, config).
        positional: the name of the argument that a bare string stands for.
        single: a tool of one unnamed string (`langchain_core.tools.Tool` without a schema).
        face: what the tool said of itself then; a tool that says otherwise later is refused.
    """

    guard: Guard
    tool: Tool
    session: SessionSource | None
    mode: Mode | None
    allow: frozenset[str]
    injected: frozenset[str]
    outside: frozenset[str]
    positional: str
    single: bool
    face: tuple[Any, ...]

    def __deepcopy__(self, memo: object) -> Binding:
        return self

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "a guarded tool cannot be pickled: a guard lives in its process; wrap the tool again over there"
        )


def face_of(tool: BaseTool) -> tuple[Any, ...]:
    """What a tool says it is and runs."""
    return (
        tool.name,
        tool.description,
        tool.args_schema,
        getattr(tool, "func", None),
        getattr(tool, "coroutine", None),
    )


def binding_of(tool: object) -> Binding | None:
    """How ``tool`` is guarded; None if it is not."""
    found = getattr(tool, "__dict__", {}).get(BINDING)
    return found if isinstance(found, Binding) else None


current: ContextVar[Attempt | None] = ContextVar("toolguard_langchain_attempt", default=None)


def inside(name: str) -> bool:
    """Whether this code runs inside the gate of the tool called ``name``."""
    attempt = current.get()
    return attempt is not None and attempt.inside and attempt.binding.tool.name == name


class Attempt:
    """One attempt to call one tool."""

    def __init__(
        self, tool: BaseTool, binding: Binding, given: Any, config: RunnableConfig | None, call_id: str | None
    ) -> None:
        if face_of(tool) != binding.face:
            raise UnknownToolError(f"tool {binding.tool.name!r} was changed after it was guarded; guard it again")
        self.tool = tool
        self.binding = binding
        self.call_id = call_id
        self.inside = False
        self.reached = False
        self.permit: Permit | None = None
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self._config = config
        self._as_text = isinstance(given, str)
        self.injected: dict[str, Any] = {}
        self.written = self._take_in(given)
        self._parcel: Parcel | None = None
        self._leaves = False
        self._run: Callable[[], Any] | None = None
        self.session: Session = session_for(binding.guard, binding.session, config)
        self.ref = place(self.session, config, call_id, self.written)
        self.bound = BoundTool(
            tool=binding.tool, validate=self._validate, invoke=self._invoke, shape=ResultShape(open=_open, close=_close)
        )

    # --- the first half

    def _take_in(self, given: Any) -> dict[str, Any]:
        """The arguments the model wrote, apart from what the graph put in."""
        if isinstance(given, str):
            return {self.binding.positional: given}
        if not isinstance(given, Mapping):
            raise BadArgumentsError(
                f"the arguments of {self.binding.tool.name!r} are not an object; the tool did not run"
            )
        written = {k: v for k, v in given.items() if k not in self.binding.injected}
        self.injected = {k: v for k, v in given.items() if k in self.binding.injected}
        if self.injected and self.call_id is not None and not in_graph(self._config):
            raise BadArgumentsError(
                f"a call of {self.binding.tool.name!r} came with arguments that only a graph may put in, and there is no "
                "graph around it; run the tool through a ToolNode or create_agent"
            )
        if self.binding.single and len(written) == 1:
            return {self.binding.positional: next(iter(written.values()))}
        return written

    def _validate(self, data: Any) -> dict[str, Any]:
        """Resolved JSON → the objects the tool gets, by the tool's own schema; injected ones stay out of sight."""
        given: Any = data[self.binding.positional] if self._as_text else {**data, **self.injected}
        self.args, self.kwargs = self.tool._guarded_parse(given, self.call_id)  # type: ignore[attr-defined]  # of the guarded class
        return self._passed(self.args, self.kwargs)

    def _passed(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        passed = {k: v for k, v in kwargs.items() if k not in self.binding.outside}
        if args:
            passed[self.binding.positional] = args[0] if len(args) == 1 else list(args)
        return passed

    @property
    def _how(self) -> str | None:
        mode = self.binding.mode
        return mode if mode is None or mode == "block" else "raise"

    def authorise(self) -> None:
        """Decide; wait as the mode says. Raises what `Session.authorise` raises, a suspension as `GraphSuspended`."""
        self._begin()
        while self.permit is None:
            try:
                self.permit = self.session.authorise(
                    self.bound, self.written, ref=self.ref, replays=True, suspend=self._how
                )
            except Suspended as waits:
                self._wait(waits)

    async def aauthorise(self) -> None:
        """`authorise` on the event loop."""
        self._begin()
        while self.permit is None:
            try:
                self.permit = await self.session.aauthorise(
                    self.bound, self.written, ref=self.ref, replays=True, suspend=self._how
                )
            except Suspended as waits:
                self._wait(waits)

    def _begin(self) -> None:
        if self.binding.mode == "interrupt":
            check_checkpointer(self._config)

    def _wait(self, waits: Suspended) -> None:
        try:
            if self.binding.mode == "interrupt":
                pause(waits)  # returns only when resumed; then the store is asked again
            else:
                leave(waits)
        except GraphBubbleUp:
            FAILURES.paused(self._config)
            raise

    @property
    def shown(self) -> Any:
        """The input as callbacks and tracers see it: placeholders, and what the graph put in."""
        view = cast("Permit", self.permit).view
        return view[self.binding.positional] if self._as_text else {**view, **self.injected}

    # --- the second half

    def execute(self, run: Callable[[], Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The last gate: digest over what is really passed, claim, run once, mask."""
        permit = self._enter(run)
        try:
            self._told_again(permit)
            done = self.session.execute(self.bound, permit, self._passed(args, kwargs), replays=True, pauses=_PAUSES)
        except ToolFailedError as failed:
            fault = self._fault(permit, failed)
        except GraphBubbleUp:  # something inside the tool waits
            FAILURES.paused(self._config)
            raise
        else:
            return self._result(done)
        finally:
            self.inside = False
        raise fault

    async def aexecute(self, run: Callable[[], Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """`execute` on the event loop; ``run`` gives an awaitable."""
        permit = self._enter(run)
        bound = BoundTool(tool=self.bound.tool, validate=self._validate, invoke=self._ainvoke, shape=self.bound.shape)
        try:
            self._told_again(permit)
            done = await self.session.aexecute(bound, permit, self._passed(args, kwargs), replays=True, pauses=_PAUSES)
        except ToolFailedError as failed:
            fault = self._fault(permit, failed)
        except GraphBubbleUp:  # something inside the tool waits
            FAILURES.paused(self._config)
            raise
        else:
            return self._result(done)
        finally:
            self.inside = False
        raise fault

    def _enter(self, run: Callable[[], Any]) -> Permit:
        if self.permit is None:
            raise DeniedError(
                f"tool {self.binding.tool.name!r} was reached before its call was decided; it did not run"
            )
        self.reached = True
        self.inside = True
        self._run = run
        return self.permit

    def _told_again(self, permit: Permit) -> None:
        """Raises the failure of a call that ran before its node was paused, and does so no second time."""
        failed = FAILURES.again(permit.judged.call_digest, self._config)
        if failed is not None:
            raise masked_fault(*failed)

    def _fault(self, permit: Permit, failed: ToolFailedError) -> Exception:
        kind = type(failed.original)
        FAILURES.keep(permit.judged.call_digest, self._config, kind, failed.masked_message)
        return masked_fault(kind, failed.masked_message)

    def _invoke(self, passed: Any) -> Any:
        try:
            return self._pack(cast("Callable[[], Any]", self._run)())
        except ParentCommand as leaving:
            return self._pack(self._left(leaving))

    async def _ainvoke(self, passed: Any) -> Any:
        try:
            return self._pack(await cast("Callable[[], Any]", self._run)())
        except ParentCommand as leaving:
            return self._pack(self._left(leaving))

    def _left(self, leaving: ParentCommand) -> Any:
        """A graph inside the tool hands over to one around it: the command it goes with is the tool's result."""
        self._leaves = True
        return leaving.args[0]

    def _pack(self, result: Any) -> Any:
        if isinstance(result, str):
            return result
        decision = cast("Permit", self.permit).judged.decision
        parcel = self._parcel = Parcel(
            result,
            pair=self.tool.response_format == "content_and_artifact",
            passes=decision.obligations.results == "pass",
            allow=self.binding.allow,
            known=_known(self.injected),
        )
        return parcel.json if parcel.lasting and not parcel.fault else parcel

    def _result(self, done: Done) -> Any:
        FAILURES.drop(cast("Permit", self.permit).judged.call_digest)
        if done.replayed:
            return Parcel.again(done.value, call_id=self.call_id, name=self.tool.name)
        result = done.value if self._parcel is None else self._parcel.shut(done.value)
        if self._leaves:
            raise ParentCommand(result)
        return result

    # --- the end

    def unused(self) -> bool:
        """Whether the call was let through and then never reached its gate."""
        return self.permit is not None and not self.reached

    def refusal(self, fault: ToolguardError) -> ToolMessage | str:
        """The tool message that a refusal is to the model; raises it where there is no model, or nobody behind it.

        Loops of before ``create_agent`` give no call id; there it is the text alone, if the tool is to answer errors.
        """
        if isinstance(fault, IdentityError | ConfigError | Suspended | ToolFault):
            raise fault
        if self.call_id is None:
            if not self.tool.handle_tool_error:
                raise fault
            return str(refusal_message(fault, None, self.tool.name).content)
        return refusal_message(fault, self.call_id, self.tool.name)


def refusal_message(fault: ToolguardError, call_id: str | None, name: str) -> ToolMessage:
    """Constant text for the model; the machine-readable reason for the application, and a broken part in its log."""
    if not isinstance(fault, NotAllowedError | ToolFailedError | Suspended) or fault.code == "internal_error":
        _log.warning("%s", fault)
    return ToolMessage(
        content=fault.model_text,
        name=name,
        tool_call_id=call_id or "",
        status="error",
        artifact={"toolguard": fault.code},
    )


def _open(value: Any) -> Any:
    return value.open() if isinstance(value, Parcel) else value


def _close(value: Any, masked: Any) -> Any:
    return masked


def _known(injected: Mapping[str, Any]) -> frozenset[int]:
    """Objects of the graph's state that the tool was handed, to tell what it merely hands back."""
    found: set[int] = set()
    for value in injected.values():
        state = getattr(value, "state", value)
        for part in (state, *(state.values() if isinstance(state, Mapping) else ())):
            found.add(id(part))
            if isinstance(part, list):
                found.update(id(item) for item in part if not isinstance(item, str | int | float))
    return frozenset(found)
