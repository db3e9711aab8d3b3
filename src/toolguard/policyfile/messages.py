"""A tool's JSON Schema as a protobuf message, which CEL's checker knows the fields and types of.

What a schema leaves open (several types, no type, any further properties) is a `google.protobuf.Value`: anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2

__all__ = ["PACKAGE", "Messages"]

PACKAGE = "toolguard.args"
_FIELD = descriptor_pb2.FieldDescriptorProto
_ANYTHING = (_FIELD.TYPE_MESSAGE, ".google.protobuf.Value")
_SCALARS: Mapping[str, tuple[Any, str]] = {
    "string": (_FIELD.TYPE_STRING, ""),
    "integer": (_FIELD.TYPE_INT64, ""),
    "number": (_FIELD.TYPE_DOUBLE, ""),
    "boolean": (_FIELD.TYPE_BOOL, ""),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST = 500
_DEEP = 24


class Messages:
    """The messages of one schema. ``pool`` holds them, ``root`` is the name of the one for all arguments."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._file = descriptor_pb2.FileDescriptorProto(
            name="toolguard/args.proto", package=PACKAGE, syntax="proto3", dependency=["google/protobuf/struct.proto"]
        )
        self._made: dict[int, str] = {}
        self._kept: list[Mapping[str, Any]] = []  # what is known by its id must stay
        self._fields: dict[str, tuple[str, ...]] = {}
        self.root = self._message(schema, 0)
        self.pool = descriptor_pool.DescriptorPool()
        self.pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
        self.pool.AddSerializedFile(self._file.SerializeToString())

    def fields(self, message: str) -> tuple[str, ...]:
        """The fields a message has."""
        return self._fields.get(message, ())

    def _message(self, schema: Mapping[str, Any], depth: int) -> str:
        known = self._made.get(id(schema))
        if known is not None:
            return known
        short = f"M{len(self._made)}"
        name = self._made[id(schema)] = f"{PACKAGE}.{short}"
        message = self._file.message_type.add(name=short)
        properties = {k: v for k, v in schema["properties"].items() if isinstance(v, Mapping)}
        self._fields[name] = tuple(sorted(properties))
        for number, (field, part) in enumerate(properties.items(), 1):
            if not _NAME.fullmatch(field):
                continue  # can be reached by args["…"] alone, which the checker takes for anything
            repeated, (kind, type_name) = self._type(part, depth + 1)
            label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            message.field.add(name=field, number=number, label=label, type=kind, type_name=type_name or None)
        return name

    def _type(self, schema: Mapping[str, Any], depth: int) -> tuple[bool, tuple[Any, str]]:
        """Whether it is a list, and what it, or each element, is."""
        only = self._only(schema, depth)
        if only is None or depth > _DEEP or len(self._made) >= _MOST:
            return False, _ANYTHING
        kind = only.get("type")
        if kind == "array":
            items = only.get("items")
            if not isinstance(items, Mapping) or "prefixItems" in only:
                return True, _ANYTHING
            nested, element = self._type(items, depth + 1)
            return True, _ANYTHING if nested else element
        if kind == "object" or "properties" in only:
            closed = isinstance(only.get("properties"), Mapping) and only["properties"]
            if not closed or only.get("additionalProperties") or "patternProperties" in only:
                return False, _ANYTHING
            return False, (_FIELD.TYPE_MESSAGE, f".{self._message(only, depth)}")
        return False, _SCALARS.get(str(kind), _ANYTHING)

    def _only(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any] | None:
        """The one thing a value can be besides null; None if there are several, or nobody says."""
        for _ in range(_DEEP):
            if "$ref" not in schema:
                break
            schema = self._target(schema["$ref"])
        kinds = schema.get("type")
        if isinstance(kinds, list):
            left = [k for k in kinds if k != "null"]
            if len(left) != 1:
                return None
            self._kept.append({**schema, "type": left[0]})
            return self._kept[-1]
        for word in ("anyOf", "oneOf"):
            parts = schema.get(word)
            if isinstance(parts, list):
                left = [p for p in parts if isinstance(p, Mapping) and p.get("type") != "null"]
                return self._only(left[0], depth + 1) if len(left) == 1 and depth < _DEEP else None
        if isinstance(schema.get("allOf"), list):
            parts = schema["allOf"]
            return self._only(parts[0], depth + 1) if len(parts) == 1 and depth < _DEEP else None
        return schema if kinds or "properties" in schema else None

    def _target(self, reference: object) -> Mapping[str, Any]:
        here: Any = self._schema
        for step in str(reference).removeprefix("#").split("/")[1:]:
            here = here.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(here, Mapping) else None
        return here if isinstance(here, Mapping) else {}
