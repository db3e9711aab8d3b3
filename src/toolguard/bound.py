"""Bound tools: a tool's description together with how to validate its arguments, run it and shape its result."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, create_model

from toolguard._core.call import Json, Tool
from toolguard._core.flow.setting import ResultShape
from toolguard.errors import BadArgumentsError, ConfigError

__all__ = ["PLAIN", "BoundTool", "from_function"]


def _shown(value: Any) -> Any:
    """A result as its own classes would show it: a model's dump, without the fields it leaves out."""
    return _opened(value, {})


def _opened(value: Any, done: dict[int, Any]) -> Any:
    kind = type(value)
    if kind is str or value is None or kind in (bool, int, float):
        return value
    if id(value) not in done:  # what is shared is opened once
        if isinstance(value, Mapping):
            done[id(value)] = {key: _opened(item, done) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            done[id(value)] = [_opened(item, done) for item in value]
        elif is_dataclass(value) and not isinstance(value, type):
            done[id(value)] = {f.name: _opened(getattr(value, f.name), done) for f in fields(value)}
        else:
            dump = getattr(kind, "model_dump", None)
            return value if dump is None else dump(value, mode="python")
    return done[id(value)]


def _masked(value: Any, masked: Json) -> Json:
    return masked


PLAIN = ResultShape(open=_shown, close=_masked)
"""Results that are JSON, or objects with ``model_dump``: the masked JSON takes their place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundTool:
    """A tool the guard can run.

    Attributes:
        tool: what it says it is.
        invoke: runs it on what ``validate`` returned; may return an awaitable (`Session.acall`).
        validate: JSON arguments → the objects the tool gets. Whatever it raises, no value is shown.
        shape: how its result becomes JSON and back.
        awaits: it is a coroutine function, which only `Session.acall` can run.
    """

    tool: Tool
    invoke: Callable[[Any], Any]
    validate: Callable[[Json], Any] | None = None
    shape: ResultShape = PLAIN
    awaits: bool = False


def from_function(function: Callable[..., Any]) -> BoundTool:
    """A function as a tool; its schema comes from its annotations, through pydantic (lax mode).

    A bound method, a class's instance with ``__call__`` and a `functools.partial` are functions, too; what a partial
    has filled in is no argument, and nobody can pass it.

    Raises:
        ConfigError: the function takes positional-only, ``*args`` or ``**kwargs`` parameters, or a ``self`` that
            nothing fills in, or it is a generator, whose code runs only when somebody reads it.
    """
    try:
        return _from_function(function)
    except TypeError:
        if _is_hashable(function):
            raise
        return _described(function)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


@functools.lru_cache(maxsize=4096)
def _from_function(function: Callable[..., Any]) -> BoundTool:
    return _described(function)


def _described(function: Callable[..., Any]) -> BoundTool:
    inner, filled = _inner(function)
    name = getattr(inner, "__name__", "") or type(inner).__name__
    given: dict[str, Any] = {}
    signature = inspect.signature(function, eval_str=True)
    if _is(function, inspect.isgeneratorfunction) or _is(function, inspect.isasyncgenfunction):
        raise ConfigError(f"tool {name!r} is a generator, which runs only when it is read; give back a list instead")
    for parameter in signature.parameters.values():
        if parameter.name in filled:
            continue
        if not given and parameter.name in ("self", "cls") and "." in getattr(inner, "__qualname__", ""):
            raise ConfigError(f"tool {name!r} is a method that belongs to no object; pass it bound, as thing.{name}")
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(
                f"tool {name!r} has the parameter {parameter.name!r} that cannot be passed by name; "
                "give it named parameters only"
            )
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        given[parameter.name] = (kind, Field() if parameter.default is parameter.empty else parameter.default)
    model = create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **given)
    schema = model.model_json_schema()
    read, named = model.__pydantic_validator__.validate_python, tuple(model.model_fields)
    source = f"{getattr(inner, '__module__', '')}:{getattr(inner, '__qualname__', name)}"

    def validate(data: Json) -> dict[str, Any]:
        if type(data) is not dict and not isinstance(data, Mapping):
            raise BadArgumentsError(f"the arguments of {name!r} are not an object; the tool did not run")
        checked = read(data)
        return {field: getattr(checked, field) for field in named}

    def invoke(passed: Mapping[str, Any]) -> Any:
        return function(**passed)

    tool = Tool.describe(name, source=source, description=inspect.getdoc(inner) or "", schema=schema)
    shape = ResultShape(open=_shown, close=_masked, schema=_result_schema(signature.return_annotation))
    awaits = _is(function, inspect.iscoroutinefunction)
    return BoundTool(tool=tool, invoke=invoke, validate=validate, shape=shape, awaits=awaits)


def _inner(function: Callable[..., Any]) -> tuple[Callable[..., Any], frozenset[str]]:
    """What a partial is made of, and the arguments it has filled in by name."""
    filled: frozenset[str] = frozenset()
    while isinstance(function, functools.partial):
        filled |= function.keywords.keys()
        function = function.func
    return function, filled


def _is(function: Callable[..., Any], kind: Callable[[Any], bool]) -> bool:
    """Whether a function, or the ``__call__`` of an object, is of a kind of functions."""
    inner, _ = _inner(function)
    return kind(inner) or (not inspect.isroutine(inner) and kind(type(inner).__call__))


def _result_schema(annotation: Any) -> Mapping[str, Json] | None:
    """The JSON Schema of what a function says it returns; None where it says nothing, or nothing JSON can show."""
    if annotation in (inspect.Signature.empty, Any, None, str):
        return None
    try:
        return TypeAdapter(annotation).json_schema(mode="serialization", by_alias=False)
    except Exception:  # noqa: BLE001 - an annotation may be anything; without a schema any token may stand anywhere
        return None
