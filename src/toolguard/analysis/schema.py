"""The fields of a JSON Schema, nested ones included, as far as argument analysis needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolguard._core.call import Json
from toolguard.analysis.words import split_words

__all__ = ["Field", "fields_of"]

_MAX_FIELDS = 500
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One property. ``free``: it takes text of the caller's choice, so it can carry a language or an address."""

    top: str
    name: str
    words: tuple[str, ...]
    kinds: frozenset[str]
    description: str
    free: bool


def fields_of(schema: Mapping[str, Json]) -> list[Field]:
    """The properties of a JSON Schema at any depth, at most 500. References within the schema are followed."""
    found: list[Field] = []
    for field in _walk(schema, "", schema, 0):
        found.append(field)
        if len(found) >= _MAX_FIELDS:
            break
    return found


def _walk(schema: Json, top: str, root: Mapping[str, Json], depth: int) -> Iterator[Field]:
    if depth > _MAX_DEPTH or not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        yield from _walk(_resolve(reference, root), top, root, depth + 1)
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        for name, sub in properties.items():
            yield _field(str(name), sub if isinstance(sub, Mapping) else {}, top, root)
            yield from _walk(sub, top or str(name), root, depth + 1)
    for key in ("items", "additionalProperties"):
        yield from _walk(schema.get(key), top, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        options = schema.get(key)
        if isinstance(options, list):
            for option in options:
                yield from _walk(option, top, root, depth + 1)


def _resolve(reference: str, root: Mapping[str, Json]) -> Json:
    target: Json = root
    for part in reference[2:].split("/"):
        target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, Mapping) else {}
    return target


def _field(name: str, schema: Mapping[str, Json], top: str, root: Mapping[str, Json]) -> Field:
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target = _resolve(reference, root)
        schema = {**(target if isinstance(target, Mapping) else {}), **schema}
    kinds = _types(schema, 0)
    text = not kinds or not kinds.isdisjoint(("string", "array", "object"))
    return Field(
        top=top or name,
        name=name,
        words=split_words(name),
        kinds=kinds,
        description=str(schema.get("description") or ""),
        free=text and "enum" not in schema and "const" not in schema,
    )


def _types(schema: Mapping[str, Json], depth: int) -> frozenset[str]:
    kinds = schema.get("type")
    names = (
        {kinds}
        if isinstance(kinds, str)
        else {k for k in kinds if isinstance(k, str)}
        if isinstance(kinds, list)
        else set()
    )
    for key in ("anyOf", "oneOf"):
        options = schema.get(key)
        if isinstance(options, list) and depth < _MAX_DEPTH:
            names |= {k for o in options if isinstance(o, Mapping) for k in _types(o, depth + 1)}
    return frozenset(names)
