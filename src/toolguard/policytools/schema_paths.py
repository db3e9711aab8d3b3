"""What a tool's JSON Schema says of one argument, found by its dotted path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolguard._core.call import Tool
from toolguard.policytools.terms import Constant, Domain

__all__ = ["Argument", "argument", "argument_names"]

_DEEP = 12
_NUMBERS = frozenset({"integer", "number"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument. ``sure``: a call cannot leave it out. ``types``: JSON types it may have; empty: any."""

    sure: bool
    types: frozenset[str] = frozenset()
    domain: Domain | None = None


def argument_names(tool: Tool) -> tuple[str, ...]:
    """The names of a tool's arguments."""
    return tuple(sorted({n for s in _plain(tool.schema, tool.schema, _DEEP) for n in s.get("properties") or ()}))


def argument(tool: Tool, path: Sequence[str]) -> Argument | None:
    """What the schema says of the argument at ``path`` (``*``: every element); None if there is no such argument.

    A schema that says nothing of what it holds says nothing against ``path`` either.
    """
    schemas, sure = [tool.schema], True
    for step in path:
        found: list[tuple[Mapping[str, Any], bool]] = []
        for schema in schemas:
            for each in _plain(schema, tool.schema, _DEEP):
                found += _step(each, step)
        if not found:
            return None
        schemas, sure = [s for s, _ in found], sure and all(s for _, s in found)
    plain = [p for s in schemas for p in _plain(s, tool.schema, _DEEP)]
    if not plain or any(not p for p in plain):
        return Argument(sure=sure)
    types = frozenset(t for p in plain for t in _types(p))
    return Argument(sure=sure, types=frozenset() if any(not _types(p) for p in plain) else types, domain=_domain(plain))


def _step(schema: Mapping[str, Any], step: str) -> Iterator[tuple[Mapping[str, Any], bool]]:
    if not schema or (schema.get("type") == "object" and "properties" not in schema):
        yield {}, False  # it may hold anything
        return
    properties = schema.get("properties") or {}
    if step in properties and isinstance(properties[step], Mapping):
        yield properties[step], step in (schema.get("required") or ()) or "default" in properties[step]
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"], False
    elif step == "*" and isinstance(schema.get("items"), Mapping):
        yield schema["items"], True
    elif step == "*" and schema.get("type") == "array":
        yield {}, True


def _plain(schema: Mapping[str, Any], root: Mapping[str, Any], deep: int) -> Iterator[Mapping[str, Any]]:
    """The alternatives of ``schema``, references followed. Too deep a nest counts as saying nothing."""
    if not deep:
        yield {}
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from _plain(_target(reference, root), root, deep - 1)
        return
    for word in ("anyOf", "oneOf", "allOf"):
        parts = schema.get(word)
        if isinstance(parts, list) and parts:
            for part in parts:
                if isinstance(part, Mapping):
                    yield from _plain(part, root, deep - 1)
            return
    yield schema


def _target(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    here: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        here = here.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    said = schema.get("type")
    if isinstance(said, str):
        return (said,)
    if isinstance(said, list):
        return tuple(t for t in said if isinstance(t, str))
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return ("string",) if values and all(isinstance(v, str) for v in values) else ()


def _domain(plain: Sequence[Mapping[str, Any]]) -> Domain | None:
    """What the argument can be, where every alternative says it."""
    listed: list[Constant] = []
    lows: list[float | None] = []
    highs: list[float | None] = []
    for schema in plain:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if values is not None and all(isinstance(v, str | int | float | None) for v in values):
            listed += values
        elif schema.get("type") == "null":
            listed.append(None)
        elif schema.get("type") in _NUMBERS:
            whole = schema["type"] == "integer"
            lows.append(_bound(schema, "minimum", "exclusiveMinimum", 1 if whole else 0))
            highs.append(_bound(schema, "maximum", "exclusiveMaximum", -1 if whole else 0))
        else:
            return None
    if not lows:
        return Domain(values=tuple(listed)) if any(v is not None for v in listed) else None
    if any(v is not None for v in listed):
        return None
    return Domain(
        low=None if None in lows else min(v for v in lows if v is not None),
        high=None if None in highs else max(v for v in highs if v is not None),
        whole=all(s.get("type") in ("integer", "null") for s in plain),
    )


def _bound(schema: Mapping[str, Any], closed: str, opened: str, step: int) -> float | None:
    for word, more in ((closed, 0), (opened, step)):
        if isinstance(schema.get(word), int | float):
            return float(schema[word] + more)
    return None
