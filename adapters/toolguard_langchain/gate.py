"""The gate in a tool: the same class with one choke point (`run`) and one last gate (`_run`).

`run` decides before LangChain's callbacks hear of the call, and gives them placeholders; `_to_args_and_kwargs`
hands on exactly the objects that were judged; `_run` has their digest checked again, claims the call, runs it
once and masks what comes back.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast, get_type_hints

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool

from toolguard import DeniedError, Permit, ToolguardError
from toolguard.errors import BadArgumentsError, UnknownToolError
from toolguard_langchain.attempt import BINDING, Attempt, Binding, binding_of, current, refusal_message

__all__ = ["bind"]


def bind(tool: BaseTool, binding: Binding) -> None:
    object.__setattr__(tool, "__class__", guarded_class(type(tool)))
    object.__setattr__(tool, BINDING, binding)


def _start(tool: BaseTool, given: Any, kwargs: Mapping[str, Any]) -> Attempt:
    binding = binding_of(tool)
    if binding is None:
        raise UnknownToolError(
            f"tool {tool.name!r} is of a guarded class and was made without its guard (a configured or reloaded copy?); "
            "guard it with guard_tools"
        )
    return Attempt(tool, binding, given, kwargs.get("config"), kwargs.get("tool_call_id"))


def _current(tool: BaseTool) -> Attempt:
    attempt = current.get()
    if attempt is None or attempt.tool is not tool:
        raise DeniedError(f"tool {tool.name!r} was reached past its gate; call it with invoke() or run()")
    return attempt


def _like(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`functools.wraps`, with signature and annotations worked out once: LangChain asks for both at every call."""

    def dress(gate: Callable[..., Any]) -> Callable[..., Any]:
        made: Any = functools.wraps(original)(gate)
        try:
            hints = get_type_hints(original, include_extras=True)
            made.__signature__ = inspect.signature(original)
            made.__annotations__ = hints
        except Exception:  # noqa: BLE001 - annotations nobody can resolve stay as they are, as in the bare tool
            return cast("Callable[..., Any]", made)
        return cast("Callable[..., Any]", made)

    return dress


@functools.cache
def guarded_class(kind: type[BaseTool]) -> type[BaseTool]:
    """``kind`` with the gate in it: same name, same fields, same signatures."""

    def run(self: BaseTool, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        mark = None
        attempt = _early(self, tool_input, kwargs)
        if isinstance(attempt, ToolMessage):
            return attempt
        try:
            attempt.authorise()
            mark = current.set(attempt)
            return kind.run(self, attempt.shown, *args, **kwargs)
        except ToolguardError as fault:
            return attempt.refusal(fault)
        finally:
            if mark is not None:
                current.reset(mark)
            if attempt.unused():
                attempt.session.abandon(attempt.bound, cast("Permit", attempt.permit), "not_reached")

    async def arun(self: BaseTool, tool_input: Any, *args: Any, **kwargs: Any) -> Any:
        mark = None
        attempt = _early(self, tool_input, kwargs)
        if isinstance(attempt, ToolMessage):
            return attempt
        try:
            await attempt.aauthorise()
            mark = current.set(attempt)
            return await kind.arun(self, attempt.shown, *args, **kwargs)
        except ToolguardError as fault:
            return attempt.refusal(fault)
        finally:
            if mark is not None:
                current.reset(mark)
            if attempt.unused():
                await attempt.session.aabandon(attempt.bound, cast("Permit", attempt.permit), "not_reached")

    def parse(self: BaseTool, given: Any, call_id: str | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return kind._to_args_and_kwargs(self, given, call_id)

    def to_args_and_kwargs(
        self: BaseTool, tool_input: Any, tool_call_id: str | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        attempt = _current(self)
        return attempt.args, dict(attempt.kwargs)

    def filter_injected(self: BaseTool, tool_input: dict[str, Any]) -> dict[str, Any]:
        injected = cast("Binding", binding_of(self)).injected
        return {k: v for k, v in tool_input.items() if k not in injected}

    @_like(kind._run)
    def gate(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
        attempt = _current(self)
        if attempt.inside:  # the tool's own code calls itself (the default _arun does): it has been let in
            return kind._run(self, *args, **kwargs)
        return attempt.execute(lambda: kind._run(self, *args, **kwargs), args, kwargs)

    body: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "run": functools.wraps(kind.run)(run),
        "arun": functools.wraps(kind.arun)(arun),
        "_guarded_parse": parse,
        "_to_args_and_kwargs": to_args_and_kwargs,
        "_filter_injected_args": filter_injected,
        "_run": gate,
    }
    if kind._arun is not BaseTool._arun:

        @_like(kind._arun)
        async def agate(self: BaseTool, *args: Any, **kwargs: Any) -> Any:
            attempt = _current(self)
            if attempt.inside:
                return await kind._arun(self, *args, **kwargs)
            return await attempt.aexecute(lambda: kind._arun(self, *args, **kwargs), args, kwargs)

        body["_arun"] = agate
    made: Any = type(kind)
    return cast("type[BaseTool]", made(kind.__name__, (kind,), body))


def _early(tool: BaseTool, given: Any, kwargs: Mapping[str, Any]) -> Attempt | ToolMessage:
    """The attempt, or the refusal of one that cannot even begin."""
    try:
        return _start(tool, given, kwargs)
    except (BadArgumentsError, UnknownToolError) as fault:
        call_id = kwargs.get("tool_call_id")
        if call_id is None:
            raise
        return refusal_message(fault, call_id, tool.name)
