"""A JSON value taken apart: which leaves are identifiers by their place, which are codes, which are prose.

The order of evidence: the schema's ``x-phi``, the tenant's own fields, FHIR's element table, the schema's ``format``
and ``enum``, the name of the field. What is left is prose and goes to the rules. A hint is believed only as far as
the value can be what it says (`toolguard.detection.values.fits`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from toolguard._core.call import Json
from toolguard._core.mask import Finding, Path
from toolguard.detection import fhir
from toolguard.detection.fields import SAFE, field_type, name_words
from toolguard.detection.jsontext import looks_like_json, parse
from toolguard.detection.schema import NEVER, PROSE, declared, item, listed, member, resolved
from toolguard.detection.siblings import LONGEST, Part, joined, named_key
from toolguard.detection.values import fits
from toolguard.detection.windows import Check
from toolguard.errors import DetectionError

__all__ = ["Piece", "Walk"]

MAX_DEPTH = 128
_NESTED = 4
_SIMPLE_KEY = re.compile(r"[A-Za-z_$@][A-Za-z_.$:-]{0,60}\d{0,3}[A-Za-z_]{0,20}")
_YEAR = re.compile(r"\A\s*(?:1[89]|20)\d\d\s*")
_PERSONAL = frozenset({"DATE_OF_BIRTH", "SSN", "MRN", "PHONE", "EMAIL", "ADDRESS", "AGE", "HEALTH_PLAN_ID"})
_PHONE_PART = re.compile(r"area|exchange|prefix|line|ext", re.IGNORECASE)
_TOO_WEAK = frozenset({"name", "id", "type", "code", "value", "key", "text", "title"})


class Piece(NamedTuple):
    """Prose to look into: its leaf, and whether it is a key."""

    path: Path
    text: str
    key: bool


class Walk:
    """One walk over one value: ``findings`` by structure, and what others must read.

    Args:
        fhir_ids: report logical ids of patients (``Patient/123``) as ``FHIR_ID``.
        nested: how many JSON texts lie around this value.
        fields: the tenant's own fields, by `name_words`.
        check: called now and then; raises when time is up.

    Attributes:
        findings: identifiers by their place.
        prose: leaves and keys to look into.
        embedded: leaves that are JSON themselves, with the value they hold.
        fenced: leaves declared to hold none; only what the session knows counts there.
        numbers: whole numbers under names that say nothing of them; as for ``fenced``.
        safe: leaves that are codes by their place.
    """

    def __init__(
        self, *, fhir_ids: bool, nested: int = 0, fields: Mapping[str, str] | None = None, check: Check | None = None
    ) -> None:
        self.findings: list[Finding] = []
        self.prose: list[Piece] = []
        self.embedded: list[tuple[Piece, Json]] = []
        self.fenced: list[Piece] = []
        self.numbers: list[Piece] = []
        self.safe: list[Piece] = []
        self._fhir_ids = fhir_ids
        self._nested = nested
        self._fields = fields or {}
        self._check = check
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
        if isinstance(value, str):
            if value:
                self._text(value, path, key, obj, parent, resolved(schema, self._root) if schema else None, resource)
        elif value is None or isinstance(value, bool):
            return
        elif isinstance(value, Mapping):
            self._object(value, path, key or parent, schema, resource)
        elif isinstance(value, list | tuple):
            self._deeper(path)
            if schema:
                schema = resolved(schema, self._root)
            begun = len(self.prose)
            for index, element in enumerate(value):
                inner = item(schema, index) if schema else None
                self._value(element, (*path, index), key, obj, parent, inner, resource)
            if len(value) > 1 and resource is None:
                self._siblings(begun, len(path) + 1, value)
        elif isinstance(value, int | float):
            self._number(value, path, key, parent, resolved(schema, self._root) if schema else None)
        else:
            raise DetectionError(
                f"a {type(value).__name__!r} cannot be looked into for identifiers, so it is withheld; "
                "pass JSON (text, numbers, lists, objects with text as keys)"
            )

    def _object(
        self, value: Mapping[str, Any], path: Path, parent: str, schema: Mapping[str, Json] | None, resource: str | None
    ) -> None:
        self._deeper(path)
        if schema:
            schema = resolved(schema, self._root)
        kind = value.get("resourceType")
        if isinstance(kind, str):
            resource = kind
        begun = len(self.prose)
        for name, element in value.items():
            if not isinstance(name, str):
                raise DetectionError("an object has a key that is not a string, use strings as keys")
            here = (*path, name)
            if not _SIMPLE_KEY.fullmatch(name):
                self.prose.append(Piece(here, name, True))
            elif resource is None and named_key(name):
                self.findings.append(
                    Finding(path=here, start=0, end=len(name), type="PERSON", score=0.7, source="key", key=True)
                )
            inner = member(schema, name) if schema else None
            self._value(element, here, name, value, parent, inner, resource)
        if value and resource is None:
            self._siblings(begun, len(path) + 1, value)

    def _deeper(self, path: Path) -> None:
        if len(path) > MAX_DEPTH:
            raise DetectionError("value is nested too deeply to be inspected, pass a flatter one")
        if self._check is not None:
            self._check()

    def _siblings(self, begun: int, depth: int, value: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> None:
        """Identifiers in parts among the short leaves that nothing else has placed."""
        open_leaves = {piece.path for piece in self.prose[begun:] if len(piece.path) == depth and not piece.key}
        if not open_leaves:
            return
        parts: list[Part] = []
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        single = isinstance(value, Mapping) and len(open_leaves) <= 4
        base = next(iter(open_leaves))[:-1]
        for name, leaf in items:
            here = (*base, name)
            if single and isinstance(name, str) and name[:1].isupper() and len(name) <= LONGEST:
                parts.append(Part(here, name, True, False))
            if here in open_leaves and isinstance(leaf, str) and len(leaf) <= LONGEST:
                parts.append(Part(here, leaf, False, False))
            else:
                parts.append(Part(here, "", False, True))
        if len(parts) > 1:
            for part, type in joined(parts):
                self.findings.append(
                    Finding(
                        path=part.path, start=0, end=len(part.text), type=type, score=0.7, source="parts", key=part.key
                    )
                )

    def _text(
        self,
        value: str,
        path: Path,
        key: str,
        obj: Mapping[str, Any],
        parent: str,
        schema: Mapping[str, Json] | None,
        resource: str | None,
    ) -> None:
        kind = declared(schema) if schema else None
        if kind is None and self._fields and key:
            kind = self._fields.get(name_words(key))
        if kind == NEVER:
            self.fenced.append(Piece(path, value, False))
            return
        if kind is not None and kind != PROSE:
            self._add(path, 0, len(value), kind, 1.0, "schema")
            return
        if kind is None:
            if resource is not None:
                if self._fhir(value, path, key, obj, parent, resource):
                    self.safe.append(Piece(path, value, False))
                    return
            elif (schema and self._formatted(value, path, schema)) or (
                key and self._hinted(value, path, key, obj, parent)
            ):
                self.safe.append(Piece(path, value, False))
                return
        if self._nested < _NESTED and looks_like_json(value):
            inner = parse(value)
            if inner is not None:
                self.embedded.append((Piece(path, value, False), inner))
                return
        self.prose.append(Piece(path, value, False))

    def _formatted(self, value: str, path: Path, schema: Mapping[str, Json]) -> bool:
        """Place a leaf by the ``format`` or ``enum`` of its schema."""
        kind = listed(schema, value)
        if kind is None:
            return False
        if kind == NEVER:
            return True
        span = fits(kind, value)
        if span is None:
            return False
        if span[1] > span[0]:
            self._add(path, *span, kind, 0.95, "schema")
        return True

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
        if span is None and kind == "PHONE" and value.isdigit() and _PHONE_PART.search(key):
            span = (0, len(value))
        if span is None:
            return False
        if span[1] > span[0]:
            self._add(path, *span, kind, 0.95, "field")
        return True

    def _number(self, value: float, path: Path, key: str, parent: str, schema: Mapping[str, Json] | None) -> None:
        text = str(value)
        kind = declared(schema) if schema else None
        if kind is None and self._fields and key:
            kind = self._fields.get(name_words(key))
        if kind is None:
            if schema and listed(schema, value) == NEVER:
                return
            kind = _of_number(value, text, key, parent)
            if kind is None and isinstance(value, int) and len(text) >= _KNOWN_DIGITS:
                self.numbers.append(Piece(path, text, False))
        if kind and kind not in (NEVER, PROSE):
            self._add(path, 0, len(text), kind, 0.95, "field")


_KNOWN_DIGITS = 6
"""A shorter number is an amount as often as somebody's."""
_NOT_NUMBERS = frozenset({SAFE, "DATE", "PERSON", "ADDRESS", "LOCATION", "FACILITY", "SECRET", "PHOTO", "URL", "EMAIL"})


def _of_number(value: float, text: str, key: str, parent: str) -> str | None:
    """The type of a number by the name of its field."""
    kind = field_type(key) if key else None
    if key and parent and (kind is None or key.lower() in _TOO_WEAK):
        kind = field_type(f"{parent} {key}") or kind
    digits = sum(map(str.isdigit, text))
    if kind in _NOT_NUMBERS:
        return None
    if kind == "DATE_OF_BIRTH":
        return kind if len(text) > 4 else None
    if kind == "AGE":
        return kind if 89 < value < 140 else None
    if kind is None or (digits < 4 and kind not in ("SSN", "MRN")) or not text.lstrip("-").isdigit():
        return None
    return None if field_type(f"{parent} {key}") != kind and key.lower() in _TOO_WEAK else kind
