"""A JSON value taken apart: which leaves are identifiers by their place, which are codes, which are prose.

The order of evidence: the schema's ``x-phi``, FHIR's element table, the name of the field. What is left is prose
and goes to the rules. A hint is believed only as far as the value can be what it says (`toolguard.detection.values.fits`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from toolguard._core.call import Json
from toolguard._core.mask import Finding, Path
from toolguard.detection import fhir
from toolguard.detection.fields import SAFE, field_type
from toolguard.detection.jsontext import looks_like_json, parse
from toolguard.detection.values import fits
from toolguard.errors import DetectionError

__all__ = ["Piece", "Walk"]

MAX_DEPTH = 128
_NESTED = 4
_SIMPLE_KEY = re.compile(r"[A-Za-z_$@][A-Za-z_.$:-]{0,60}\d{0,3}[A-Za-z_]{0,20}")
_YEAR = re.compile(r"\s*(?:1[89]|20)\d\d\s*")
_PERSONAL = frozenset({"DATE_OF_BIRTH", "SSN", "MRN", "PHONE", "EMAIL", "ADDRESS", "AGE", "HEALTH_PLAN_ID"})
_TOO_WEAK = frozenset({"name", "id", "type", "code", "value", "key", "text", "title"})


class Piece(NamedTuple):
    """Prose to look into: its leaf, and whether it is a key."""

    path: Path
    text: str
    key: bool


class Walk:
    """One walk over one value: ``findings`` by structure, and ``prose`` for the rules.

    Args:
        fhir_ids: report logical ids of patients (``Patient/123``) as ``FHIR_ID``.
    """

    def __init__(self, *, fhir_ids: bool, nested: int = 0) -> None:
        self.findings: list[Finding] = []
        self.prose: list[Piece] = []
        self.embedded: list[tuple[Piece, Json, str | None]] = []
        self.fenced: list[Piece] = []
        self._fhir_ids = fhir_ids
        self._nested = nested
        self._root: Mapping[str, Json] = {}

    def walk(self, value: Json, schema: Mapping[str, Json] | None = None) -> None:
        self._root = schema or {}
        self._value(value, (), "", {}, "", schema, None)

    def _value(
        self,
        value: Json,
        path: Path,
        key: str,
        obj: Mapping[str, Any],
        parent: str,
        schema: Mapping[str, Json] | None,
        resource: str | None,
    ) -> None:
        if len(path) > MAX_DEPTH:
            raise DetectionError("value is nested too deeply to be inspected, pass a flatter one")
        declared: Any = None
        if schema:
            schema = _resolved(schema, self._root)
            declared = schema.get("x-phi")
        if isinstance(value, Mapping):
            kind = value.get("resourceType")
            if isinstance(kind, str):
                resource = kind
            for name, item in value.items():
                here = (*path, name)
                if not isinstance(name, str):
                    raise DetectionError("an object has a key that is not a string, use strings as keys")
                if not _SIMPLE_KEY.fullmatch(name):
                    self.prose.append(Piece(here, name, True))
                self._value(item, here, name, value, key or parent, _member(schema, name, declared), resource)
        elif isinstance(value, list | tuple):
            item_schema = _items(schema, declared)
            for index, item in enumerate(value):
                self._value(item, (*path, index), key, obj, parent, item_schema, resource)
        elif value is None or isinstance(value, bool):
            return
        elif isinstance(value, str):
            if value:
                self._text(value, path, key, obj, parent, declared, resource)
        else:
            self._number(value, path, key, parent, declared)

    def _text(
        self, value: str, path: Path, key: str, obj: Mapping[str, Any], parent: str, declared: Any, resource: str | None
    ) -> None:
        if declared is not None:
            kind = str(declared).strip().upper().replace("-", "_")
            if kind == "NONE":
                self.fenced.append(Piece(path, value, False))
                return
            if kind != "TEXT":
                self._add(path, 0, len(value), _TYPES.get(kind, kind), 1.0, "schema")
                return
        elif resource is not None:
            if self._fhir(value, path, key, obj, parent, resource):
                return
        elif key and self._hinted(value, path, key, obj, parent):
            return
        if self._nested < _NESTED and looks_like_json(value):
            inner = parse(value)
            if inner is not None:
                self.embedded.append((Piece(path, value, False), inner, resource))
                return
        self.prose.append(Piece(path, value, False))

    def _add(self, path: Path, start: int, end: int, type: str, score: float, source: str) -> None:
        self.findings.append(Finding(path=path, start=start, end=end, type=type, score=score, source=source))

    def _fhir(self, value: str, path: Path, key: str, obj: Mapping[str, Any], parent: str, resource: str) -> bool:
        """Place a leaf of a FHIR resource; False: it is prose."""
        if key == "id" and obj.get("resourceType") in fhir.PATIENT_LIKE:
            if self._fhir_ids:
                self._add(path, 0, len(value), "FHIR_ID", 0.9, "fhir")
            return True
        if key in ("reference", "fullUrl", "url") and self._reference(value, path):
            return True
        if fhir.is_definition(resource):
            return key != "text" and " " not in value
        kind = fhir.element_type(resource, parent, key, obj, value)
        if kind == fhir.TEXT:
            return False
        if kind != SAFE:
            if kind in ("DATE", "DATE_OF_BIRTH") and _YEAR.fullmatch(value):
                return True
            self._add(path, 0, len(value), kind, 1.0, "fhir")
        return True

    def _reference(self, value: str, path: Path) -> bool:
        match = fhir.REFERENCE.search(value)
        if match:
            if self._fhir_ids:
                self._add(path, *match.span(2), "FHIR_ID", 0.9, "fhir")
            return value.find("?") < 0
        return value.startswith("urn:") or ("://" not in value and " " not in value)

    def _hinted(self, value: str, path: Path, key: str, obj: Mapping[str, Any], parent: str) -> bool:
        """Place a leaf by the name of its field; False: the name says nothing, or the value is not what it says."""
        kind = field_type(key)
        if parent and (kind is None or key.lower() in _TOO_WEAK or kind == "DATE"):
            joined = field_type(f"{key} {parent}") or field_type(f"{parent} {key}")
            if joined not in (None, SAFE) and field_type(parent) != "FACILITY":
                kind = joined
        if kind is None:
            return False
        if kind == SAFE:
            return " " not in value.strip() and len(value) <= 48 and "@" not in value
        lowered = key.lower()
        if lowered == "name" and not any(field_type(k) in _PERSONAL for k in obj):
            return False
        if lowered == "id" and not any(field_type(k) in _PERSONAL for k in obj):
            return False
        span = fits(kind, value)
        if span is None:
            return False
        if span[1] > span[0]:
            self._add(path, *span, kind, 0.95, "field")
        return True

    def _number(self, value: float, path: Path, key: str, parent: str, declared: Any) -> None:
        text = str(value)
        kind: str | None
        if declared is not None:
            kind = str(declared).strip().upper().replace("-", "_")
            kind = None if kind in ("NONE", "TEXT") else _TYPES.get(kind, kind)
        else:
            kind = field_type(key) if key else None
            if kind in (
                SAFE,
                "DATE",
                "DATE_OF_BIRTH",
                "PERSON",
                "ADDRESS",
                "LOCATION",
                "FACILITY",
                "SECRET",
                "PHOTO",
                "URL",
                "EMAIL",
            ):
                kind = "DATE_OF_BIRTH" if kind == "DATE_OF_BIRTH" and len(text) > 4 else None
            elif kind == "AGE":
                kind = "AGE" if 89 < value < 140 else None
            elif key.lower() in _TOO_WEAK or sum(map(str.isdigit, text)) < 4:
                kind = None
        if kind:
            self._add(path, 0, len(text), kind, 0.95, "field")


_TYPES = {
    "NAME": "PERSON", "PATIENT": "PERSON", "DOB": "DATE_OF_BIRTH", "BIRTH_DATE": "DATE_OF_BIRTH", "CITY": "LOCATION", "STREET": "ADDRESS",
    "MEMBER_ID": "HEALTH_PLAN_ID", "IP": "IP_ADDRESS", "VIN": "VEHICLE", "LICENCE": "LICENSE", "CARD": "CREDIT_CARD", "HOSPITAL": "FACILITY",
    "TRUE": "ID", "YES": "ID", "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "DATE_TIME": "DATE",
}  # fmt: skip


def _resolved(schema: Mapping[str, Json], root: Mapping[str, Json]) -> Mapping[str, Json]:
    """The schema behind a local ``$ref`` and inside ``anyOf`` / ``oneOf`` / ``allOf``; the first that says ``x-phi`` wins."""
    for _ in range(8):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            break
        target: Any = root
        for part in reference[1:].strip("/").split("/"):
            if part:
                target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            return {}
        schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
    if "x-phi" in schema:
        return schema
    for union in ("anyOf", "oneOf", "allOf"):
        options = schema.get(union)
        if isinstance(options, list):
            merged: dict[str, Json] = dict(schema)
            for option in options:
                if isinstance(option, Mapping):
                    for name, item in _resolved({k: v for k, v in option.items() if k != union}, root).items():
                        if name == "properties" and isinstance(item, Mapping) and isinstance(merged.get(name), Mapping):
                            merged[name] = {**item, **merged[name]}
                        else:
                            merged.setdefault(name, item)
            return merged
    return schema


def _member(schema: Mapping[str, Json] | None, name: str, declared: Any) -> Mapping[str, Json] | None:
    if schema is None:
        return None
    properties = schema.get("properties")
    found = properties.get(name) if isinstance(properties, Mapping) else None
    if found is None:
        extra = schema.get("additionalProperties")
        found = extra if isinstance(extra, Mapping) else None
    if isinstance(found, Mapping):
        return found if "x-phi" in found or declared is None else {"x-phi": declared, **found}
    return {"x-phi": declared} if declared is not None else None


def _items(schema: Mapping[str, Json] | None, declared: Any) -> Mapping[str, Json] | None:
    found = schema.get("items") if schema else None
    if isinstance(found, Mapping):
        return found if "x-phi" in found or declared is None else {"x-phi": declared, **found}
    return {"x-phi": declared} if declared is not None else None
