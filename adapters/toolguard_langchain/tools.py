"""`guard_tools`: the same tools, of the same classes, with a gate in them."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Collection, Iterable
from typing import Any

from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import Tool as SingleTool
from langchain_core.tools import tool as as_tool
from langchain_core.tools.base import FILTERED_ARGS, _get_runnable_config_param, get_all_basemodel_annotations

from toolguard import Annotations, DeniedError, Effect, Guard, Tool
from toolguard.errors import ConfigError
from toolguard_langchain.allow import check_allow
from toolguard_langchain.attempt import Binding, binding_of, face_of, inside
from toolguard_langchain.faults import forgiving
from toolguard_langchain.gate import bind
from toolguard_langchain.place import Mode, SessionSource, check_mode

__all__ = ["guard_tool", "guard_tools"]

_ENTRIES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("invoke", (BaseTool.invoke,)),
    ("ainvoke", (BaseTool.ainvoke, StructuredTool.ainvoke, SingleTool.ainvoke)),
    ("run", (BaseTool.run,)),
    ("arun", (BaseTool.arun,)),
)


def guard_tools(
    tools: Iterable[BaseTool | Callable[..., Any]],
    *,
    guard: Guard,
    session: SessionSource | None = None,
    mode: Mode | None = None,
    source: str | None = None,
    allow: Collection[str] = (),
    seal: bool = False,
) -> list[BaseTool]:
    """Copies of ``tools`` that ask ``guard`` before they run; of the same classes, with the same schemas.

    Args:
        tools: LangChain tools, or functions to make tools of.
        session: whose calls these are: a `Session`, or a function from a run's config to one. Default: the
            session in ``config["configurable"]["toolguard_session"]``, else the one this code runs in.
        mode: how a call waits for a person: ``block`` (in place, bounded), ``interrupt`` (LangGraph's own pause;
            needs a checkpointer), ``raise`` (`GraphSuspended`). Default: the session's ``suspend``.
        source: where the tools come from, such as ``mcp:fhir-server``; trust binds to it. Default: the module and
            name of the function or class. Say it for tools that other programs describe: their functions all
            come from one client library.
        allow: kinds of content parts in results that may pass although nobody can look into them: ``images``,
            ``audio``, ``files``, ``reasoning``.
        seal: also refuse direct calls of the originals and of their ``.func`` and ``.coroutine``.

    Raises:
        ConfigError: a tool is of a kind that cannot be guarded, or a word in ``allow`` is not known; the reason is in
            the message.
        UnknownToolError: two different tools have one name.
    """
    check_mode(mode)
    allowed = check_allow(allow)
    guarded: list[BaseTool] = []
    names: set[str] = set()
    for each in tools:
        done = guard_tool(each, guard=guard, session=session, mode=mode, source=source, allow=allowed, seal=seal)
        if done.name in names:
            raise ConfigError(f"two tools are called {done.name!r}; give one of them a different name")
        names.add(done.name)
        guarded.append(done)
    return guarded


def guard_tool(
    given: BaseTool | Callable[..., Any],
    *,
    guard: Guard,
    session: SessionSource | None,
    mode: Mode | None,
    source: str | None,
    allow: frozenset[str],
    seal: bool,
) -> BaseTool:
    """One tool with a gate in it (see `guard_tools`)."""
    tool = _check_kind(given)
    held = binding_of(tool)
    if held is not None:
        if held.guard is not guard:
            raise ConfigError(f"tool {tool.name!r} is guarded by another guard already; wrap the original tool instead")
        return tool
    binding = _binding(tool, guard, session, mode, source, allow)
    _say(guard, binding.tool)
    if seal:
        _seal(tool)
        binding = _binding(tool, guard, session, mode, binding.tool.identity.source, allow)
    copy = tool.model_copy()
    if seal:
        for name in ("_run", "_arun"):
            copy.__dict__.pop(name, None)
    if callable(copy.handle_tool_error):
        copy.handle_tool_error = forgiving(copy.handle_tool_error)
    bind(copy, binding)
    return copy


def _check_kind(given: Any) -> BaseTool:
    if isinstance(given, dict):
        raise ConfigError(
            "a tool given as a dict runs at the provider or not at all, where no guard stands; "
            "give a LangChain tool, or leave it out"
        )
    if not isinstance(given, BaseTool):
        if isinstance(given, Runnable) or not callable(given):
            raise ConfigError(
                f"a {type(given).__name__!r} cannot be guarded: its calls do not pass through BaseTool.run; guard the "
                "tool itself and bind or compose the guarded one"
            )
        given = as_tool(given)
    tool: BaseTool = given
    own = type(tool) if binding_of(tool) is None else type(tool).__mro__[1]
    for name, known in _ENTRIES:
        if getattr(own, name) not in known:
            raise ConfigError(
                f"tool {tool.name!r} cannot be guarded: its class {type(tool).__name__!r} has its own {name!r}, which may "
                "pass the gate by; move that work into '_run'"
            )
    return tool


def _binding(
    tool: BaseTool,
    guard: Guard,
    session: SessionSource | None,
    mode: Mode | None,
    source: str | None,
    allow: frozenset[str],
) -> Binding:
    described = describe(tool, source)
    injected = _injected(tool)
    params = {_get_runnable_config_param(f) for f in (tool._run, tool._arun)} - {None}
    names = [n for n in _argument_names(tool) if n not in injected]
    return Binding(
        guard=guard,
        tool=described,
        session=session,
        mode=mode,
        allow=allow,
        injected=injected,
        outside=injected | {"run_manager", *(p for p in params if p)},
        positional=names[0] if names else "input",
        single=isinstance(tool, SingleTool) and tool.args_schema is None,
        face=face_of(tool),
    )


def _injected(tool: BaseTool) -> frozenset[str]:
    """The arguments LangChain itself would keep from callbacks: those that do not come from the model."""
    names = {*FILTERED_ARGS, *tool._injected_args_keys}
    if tool.args_schema is not None and not isinstance(tool.args_schema, dict):
        names.update(get_all_basemodel_annotations(tool.args_schema))
    probe = dict.fromkeys(names)
    return frozenset(probe.keys() - tool._filter_injected_args(probe).keys())


def _argument_names(tool: BaseTool) -> list[str]:
    try:
        return list(tool.args)
    except KeyError:  # a JSON schema without "properties"
        return []


def described(offered: object) -> list[Tool] | None:
    """What the guard will know a LangChain tool as (entry point ``toolguard.tools``); None if it is none."""
    return [describe(offered, None)] if isinstance(offered, BaseTool) else None


def describe(tool: BaseTool, source: str | None) -> Tool:
    """The tool as the guard knows it."""
    hints: dict[str, Any] = tool.metadata or {}
    return Tool.describe(
        tool.name,
        source=source or _source(tool),
        description=tool.description,
        schema=_schema(tool),
        annotations=Annotations(
            read_only=_hint(hints, "readOnlyHint"),
            destructive=_hint(hints, "destructiveHint"),
            idempotent=_hint(hints, "idempotentHint"),
            open_world=_hint(hints, "openWorldHint"),
        ),
    )


def _hint(hints: dict[str, Any], name: str) -> bool | None:
    value = hints.get(name)
    return value if isinstance(value, bool) else None


def _schema(tool: BaseTool) -> dict[str, Any]:
    if isinstance(tool, SingleTool) and tool.args_schema is None:
        return {"type": "object", "properties": {"tool_input": {"type": "string"}}, "required": ["tool_input"]}
    try:
        schema = tool.tool_call_schema
        found = schema if isinstance(schema, dict) else _model_schema(schema)
    except Exception as fault:  # noqa: BLE001 - whatever pydantic cannot describe, no policy can judge
        raise ConfigError(
            f"tool {tool.name!r} cannot be guarded: its arguments have no JSON schema ({type(fault).__name__}), so they "
            "could be neither judged nor carry tokens; give it plain argument types or mark the others as injected"
        ) from None
    return {k: v for k, v in found.items() if k not in ("title", "description")}


def _model_schema(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = model.model_json_schema() if hasattr(model, "model_json_schema") else model.schema()
    return found


def _source(tool: BaseTool) -> str:
    inner = getattr(tool, "func", None) or getattr(tool, "coroutine", None) or type(tool)
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = inspect.unwrap(inner) if callable(inner) else inner
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', type(inner).__module__)}:{name}"


def _say(guard: Guard, tool: Tool) -> None:
    """Make the tool known to the guard, and say so where the policy lets none of its calls through."""
    plan = guard.know(tool).plan
    if plan.drifted:
        why = "comes from elsewhere, or says something else of itself, than the policy expects"
    elif not plan.known and guard.parts.policy.defaults.unknown_tool is Effect.DENY:
        why = "is not named in the policy (a missing entry, or a typing error in one)"
    else:
        return
    warnings.warn(f"tool {tool.name!r} {why}: every call of it will be denied", stacklevel=4)


def _seal(tool: BaseTool) -> None:
    """Refuse calls of the original's code outside the gate."""
    if isinstance(tool, StructuredTool | SingleTool):
        if tool.func is not None:
            tool.func = _sealed(tool.func, tool.name)
        if tool.coroutine is not None:
            tool.coroutine = _sealed(tool.coroutine, tool.name)
        return
    for name in ("_run", "_arun"):
        object.__setattr__(tool, name, _sealed(getattr(tool, name), tool.name))


def _sealed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def only_inside(*args: Any, **kwargs: Any) -> Any:
        if not inside(name):
            raise DeniedError(f"tool {name!r} is sealed: it runs only through the guarded copy of it")
        return function(*args, **kwargs)

    if not inspect.iscoroutinefunction(function):
        return only_inside

    @functools.wraps(function)
    async def only_inside_async(*args: Any, **kwargs: Any) -> Any:
        return await only_inside(*args, **kwargs)

    return only_inside_async
