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
    """

    tool: Tool
    invoke: Callable[[Any], Any]
    validate: Callable[[Json], Any] | None = None
    shape: ResultShape = PLAIN


@functools.lru_cache(maxsize=4096)
def from_function(function: Callable[..., Any]) -> BoundTool:
    """A function as a tool; its schema comes from its annotations, through pydantic (lax mode).

    Raises:
        ConfigError: the function takes positional-only, ``*args`` or ``**kwargs`` parameters.
    """
    name = getattr(function, "__name__", "") or type(function).__name__
    given: dict[str, Any] = {}
    signature = inspect.signature(function, eval_str=True)
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(
                f"tool {name!r} has the parameter {parameter.name!r} that cannot be passed by name; "
                "give it named parameters only"
            )
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        given[parameter.name] = (kind, Field() if parameter.default is parameter.empty else parameter.default)
    model = create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **given)
    schema = model.model_json_schema()
    source = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', name)}"

    def validate(data: Json) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise BadArgumentsError(f"the arguments of {name!r} are not an object; the tool did not run")
        checked = model.model_validate(data)
        return {field: getattr(checked, field) for field in model.model_fields}

    def invoke(passed: Mapping[str, Any]) -> Any:
        return function(**passed)

    tool = Tool.describe(name, source=source, description=inspect.getdoc(function) or "", schema=schema)
    shape = ResultShape(open=_shown, close=_masked, schema=_result_schema(signature.return_annotation))
    return BoundTool(tool=tool, invoke=invoke, validate=validate, shape=shape)


def _result_schema(annotation: Any) -> Mapping[str, Json] | None:
    """The JSON Schema of what a function says it returns; None where it says nothing, or nothing JSON can show."""
    if annotation in (inspect.Signature.empty, Any, None, str):
        return None
    try:
        return TypeAdapter(annotation).json_schema(mode="serialization", by_alias=False)
    except Exception:  # noqa: BLE001 - an annotation may be anything; without a schema any token may stand anywhere
        return None
