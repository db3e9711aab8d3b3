"""Bound tools: a tool's description together with how to validate its arguments, run it and shape its result."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, Field, create_model

from toolguard._core.call import Json, Tool
from toolguard._core.flow.setting import ResultShape
from toolguard.errors import BadArgumentsError, ConfigError

__all__ = ["PLAIN", "BoundTool", "from_function"]


def _as_is(value: Any) -> Any:
    return value


def _masked(value: Any, masked: Json) -> Json:
    return masked


PLAIN = ResultShape(open=_as_is, close=_masked)
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
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(
                f"tool {name!r} has the parameter {parameter.name!r} that cannot be passed by name; "
                "give it named parameters only"
            )
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        fields[parameter.name] = (kind, Field() if parameter.default is parameter.empty else parameter.default)
    model = create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields)
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
    return BoundTool(tool=tool, invoke=invoke, validate=validate)
