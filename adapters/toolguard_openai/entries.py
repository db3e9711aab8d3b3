"""The tools of a box: each described once, as the guard knows it and as the model is offered it."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import jsonschema  # type: ignore[import-untyped] # ships no types
import referencing
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from toolguard import BoundTool, Effect, Guard, Tool, from_function
from toolguard.errors import BadArgumentsError, ConfigError
from toolguard_openai.native import ApplyPatchTool, ComputerTool, NativeTool, ShellTool, bound_of
from toolguard_openai.requests import CUSTOM

__all__ = ["CustomTool", "Entry", "ToolLike", "entries_of"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomTool:
    """A tool that takes free text: ``function(text)``. To the policy it has one argument, ``input``.

    ``format`` is the provider's grammar, as in its ``custom`` tools.
    """

    function: Callable[[str], Any]
    name: str = ""
    description: str = ""
    format: Mapping[str, Any] | None = None


ToolLike: TypeAlias = Callable[..., Any] | CustomTool | NativeTool | BoundTool | tuple[Any, Any] | Mapping[Any, Any]
"""A function, a `CustomTool`, a provider tool that is carried out here (`ShellTool`, …), a `BoundTool`, or pairs (one, or a mapping): pydantic model → function that takes
the model, name → function, name → (JSON Schema, function)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tool. ``custom`` is what is offered where the tool takes free text, ``native`` the definition of a provider tool
    that is carried out here; ``awaits``: it is a coroutine function."""

    bound: BoundTool
    custom: CustomTool | None = None
    native: Mapping[str, Any] | None = None
    awaits: bool = False

    @property
    def name(self) -> str:
        return self.bound.tool.name

    def chat(self) -> dict[str, Any]:
        """The definition for chat completions.

        Raises:
            ConfigError: only Responses knows this tool.
        """
        tool = self.bound.tool
        if self.native is not None:
            raise ConfigError(f"chat completions have no {tool.name!r} tool; use Responses")
        if self.custom is not None:
            return {"type": "custom", "custom": self._custom(self.custom, nested=True)}
        function = {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.schema),
            "strict": False,
        }
        return {"type": "function", "function": function}

    def response(self) -> dict[str, Any]:
        """The definition for Responses."""
        tool = self.bound.tool
        if self.native is not None:
            return dict(self.native)
        if self.custom is not None:
            return {"type": "custom", **self._custom(self.custom, nested=False)}
        function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
        # strict schemas would keep the model from writing a token where a date or a number belongs
        return {"type": "function", **function, "strict": False}

    def _custom(self, custom: CustomTool, *, nested: bool) -> dict[str, Any]:
        offered: dict[str, Any] = {"name": self.name, "description": self.bound.tool.description}
        if custom.format is not None:
            offered["format"] = _format(dict(custom.format), nested=nested)
        return offered


def _format(format: dict[str, Any], *, nested: bool) -> dict[str, Any]:
    """The two APIs write a grammar differently: nested in chat completions, flat in Responses."""
    if format.get("type") != "grammar":
        return format
    inner = format.get("grammar", format)
    grammar = {"syntax": inner["syntax"], "definition": inner["definition"]}
    return {"type": "grammar", "grammar": grammar} if nested else {"type": "grammar", **grammar}


def entries_of(guard: Guard, tools: Iterable[ToolLike]) -> dict[str, Entry]:
    """The entries by name, made known to the guard.

    Raises:
        ConfigError: what is given is no tool, its name or schema is unusable, or a name occurs twice.
        UnknownToolError: another tool has this name in the guard already.
    """
    found: dict[str, Entry] = {}
    for tool in tools:
        for entry in _entries(tool):
            if entry.name in found:
                raise ConfigError(f"two tools of this box are named {entry.name!r}; a name means one tool")
            if not _NAME.fullmatch(entry.name):
                raise ConfigError(
                    f"tool name {entry.name!r} cannot be offered: letters, digits, '_' and '-' only, 64 at most"
                )
            _introduce(guard, entry)
            found[entry.name] = entry
    if not found:
        raise ConfigError("a tool box needs at least one tool")
    return found


def _introduce(guard: Guard, entry: Entry) -> None:
    """Make the tool known, and say aloud what the policy will do to it."""
    plan = guard.know(entry.bound.tool).plan
    if plan.drifted:
        raise ConfigError(
            f"tool {entry.name!r} is not the one the policy names: its source is {entry.bound.tool.identity.source!r} and "
            f"its digest {entry.bound.tool.identity.digest!r}; correct the policy or the tool"
        )
    if not plan.known and guard.parts.policy.defaults.unknown_tool is Effect.DENY:
        warnings.warn(
            f"the policy does not name tool {entry.name!r}, so every call of it will be denied; name it under tools:",
            stacklevel=4,
        )


def described(offered: Any) -> list[Tool] | None:
    """What the guard will know a `ToolBox`'s tools as (entry point ``toolguard.tools``); None if it takes none such."""
    pairs = isinstance(offered, Mapping) and offered and all(map(_is_pair, offered.items()))
    ours = CustomTool | ShellTool | ApplyPatchTool | ComputerTool
    if not pairs and not isinstance(offered, ours) and not (isinstance(offered, tuple) and len(offered) == 2):
        return None
    return [entry.bound.tool for entry in _entries(offered)]


def _is_pair(pair: tuple[Any, Any]) -> bool:
    key, value = pair
    return callable(value) or isinstance(key, type) or (isinstance(value, tuple) and len(value) == 2)


def _entries(tool: ToolLike) -> Iterable[Entry]:
    if isinstance(tool, Mapping):
        return [_pair(key, value) for key, value in tool.items()]
    if isinstance(tool, tuple) and len(tool) == 2:
        return [_pair(*tool)]
    if isinstance(tool, CustomTool):
        return [_custom(tool)]
    if isinstance(tool, ShellTool | ApplyPatchTool | ComputerTool):
        return [_native(tool)]
    if isinstance(tool, BoundTool):
        return [_entry(tool, tool.invoke)]
    if not isinstance(tool, type) and callable(tool):
        return [_entry(from_function(tool), tool)]
    raise ConfigError(
        f"{type(tool).__name__!r} is no tool; pass functions, CustomTool, BoundTool, or {{Model: function}} and "
        "{'name': (schema, function)} pairs"
    )


def _pair(key: Any, value: Any) -> Entry:
    if isinstance(key, type) and issubclass(key, BaseModel) and callable(value):
        return _entry(_from_model(key, value), value)
    if isinstance(key, str) and isinstance(value, tuple) and len(value) == 2 and callable(value[1]):
        return _entry(_from_schema(key, *value), value[1])
    if isinstance(key, str) and callable(value):
        bound = from_function(value)
        tool = bound.tool
        named = Tool.describe(key, source=tool.identity.source, description=tool.description, schema=tool.schema)
        return _entry(replace(bound, tool=named), value)
    raise ConfigError("a pair is (pydantic model, function), (name, function) or (name, (JSON Schema, function))")


def _entry(bound: BoundTool, function: Callable[..., Any], custom: CustomTool | None = None) -> Entry:
    return Entry(bound=_as_json(bound), custom=custom, awaits=inspect.iscoroutinefunction(function))


def _from_model(model: type[BaseModel], function: Callable[[Any], Any]) -> BoundTool:
    description = inspect.cleandoc(model.__doc__) if model.__doc__ else inspect.getdoc(function) or ""
    tool = Tool.describe(
        model.__name__, source=_source(function), description=description, schema=model.model_json_schema()
    )
    return BoundTool(tool=tool, invoke=function, validate=model.model_validate)


def _from_schema(name: str, schema: Mapping[str, Any], function: Callable[..., Any]) -> BoundTool:
    try:
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
    except jsonschema.SchemaError as fault:
        raise ConfigError(f"the schema of tool {name!r} is no JSON Schema: {fault.validator!r} is violated") from None
    validator = kind(schema, registry=referencing.Registry())  # an empty registry: a $ref never reaches out

    def validate(data: Any) -> Any:
        fitted = _fit(data, schema)
        if not isinstance(fitted, dict) or not validator.is_valid(fitted):
            raise BadArgumentsError(f"the arguments of {name!r} do not fit its schema; the tool did not run")
        return fitted

    def invoke(passed: Mapping[str, Any]) -> Any:
        return function(**passed)

    description = str(schema.get("description") or inspect.getdoc(function) or "")
    tool = Tool.describe(name, source=_source(function), description=description, schema=schema)
    return BoundTool(tool=tool, invoke=invoke, validate=validate)


def _fit(value: Any, schema: Any) -> Any:
    """A number that travelled as a token comes back as text: written as the number the schema asks for."""
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {k: _fit(v, properties.get(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_fit(v, schema.get("items")) for v in value]
    convert = {"integer": int, "number": float}.get(str(schema.get("type")))
    if isinstance(value, str) and convert is not None:
        try:
            return convert(value)
        except ValueError:
            return value
    return value


def _native(native: NativeTool) -> Entry:
    bound, offered = bound_of(native)
    awaits = inspect.iscoroutinefunction(native.function)
    return Entry(bound=bound if isinstance(native, ComputerTool) else _as_json(bound), native=offered, awaits=awaits)


def _custom(custom: CustomTool) -> Entry:
    function = custom.function
    name = custom.name or getattr(function, "__name__", "")
    description = custom.description or inspect.getdoc(function) or ""
    tool = Tool.describe(name, source=_source(function), description=description, schema=CUSTOM)

    def invoke(passed: Mapping[str, Any]) -> Any:
        return function(passed["input"])

    return _entry(BoundTool(tool=tool, invoke=invoke), function, custom)


def _source(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', '')}:{name}"


def _as_json(bound: BoundTool) -> BoundTool:
    """Results as plain JSON: what the model gets is text anyway, and plain JSON can be kept and given again."""
    run = bound.invoke

    async def later(result: Any) -> Any:
        return _jsonable(await result)

    def invoke(passed: Any) -> Any:
        result = run(passed)
        return later(result) if inspect.isawaitable(result) else _jsonable(result)

    return replace(bound, invoke=invoke)


def _jsonable(result: Any) -> Any:
    return to_jsonable_python(result, serialize_unknown=False)
