"""Which patients a value is about: what the policy names, and numbers that identify patients wherever they stand.

They are counted, so one patient should have one key however a number is spelled; and two patients must never share one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from toolguard._core.call import Json
from toolguard._core.mask import Finding, leaf_text
from toolguard._core.spelling import plain
from toolguard._core.vault import Token, token_spans

__all__ = ["PATIENT_TYPES", "patient_key", "patients_in"]

PATIENT_TYPES = ("MRN", "SSN", "HEALTH_PLAN_ID")
"""Identifiers that stand for one patient, the best first."""
_LABEL = re.compile(
    r"(?:(?:patients?|pat|medical|record|mrn|ssn|id|no|nr|number|urn|uuid|oid)(?![a-z])[\s:=#./|_-]*|\#\s*)+(?=.*\d)"
)
_BETWEEN = re.compile(r"[\s._/:#-]+")
_SEVERAL = re.compile(r"[,;|\n\t\r]+")
_DEPTH = 16
"""How often a text is read as JSON inside a text."""


def patient_key(text: str) -> str:
    """One form for the spellings of one patient's number: ``MRN 12 34``, ``mrn-1234`` and ``１２３４`` are ``1234``.

    Leading zeros stay: they may tell two numbers apart.
    """
    seen = "".join(_digit(c) for c in plain(text.replace("_", " ")))
    bare = _LABEL.sub("", seen, count=1) if _LABEL.match(seen) else seen
    return _BETWEEN.sub("", bare) or _BETWEEN.sub("", seen)


def _digit(char: str) -> str:
    value = unicodedata.digit(char, None)
    return char if value is None else str(value)


def patients_in(
    data: Json, declared: Iterable[str], found: Iterable[Finding], names: Mapping[Token, str] | None = None
) -> frozenset[str]:
    """Keys of the patients ``data`` is about.

    Args:
        declared: fields that identify patients (dotted path; lists are walked, JSON inside text is read).
        found: identifiers in ``data``. Of several types, the one that tells most patients apart counts; it counts beside
            what is declared where it tells more apart.
        names: what tokens in ``data`` stand for.
    """
    names = names or {}
    named = {key for path in declared for value in _at(data, path.split("."), 0) for key in _keys(value, names, 0)}
    by_type: dict[str, set[str]] = {}
    for finding in found:
        if finding.type in PATIENT_TYPES:
            keys = set(_keys(leaf_text(data, finding), names, _DEPTH))
            by_type.setdefault(finding.type, set()).update(keys)
    best: set[str] = max((by_type.get(t, set()) for t in PATIENT_TYPES), key=len)
    return frozenset(named if len(named) >= len(best) else named | best)


def _at(data: Json, path: list[str], depth: int) -> Iterator[Json]:
    """What stands at ``path``, in every item of the lists on the way."""
    if isinstance(data, str) and path:
        inner = _inner(data) if depth < _DEPTH else None
        if inner is not None:
            yield from _at(inner, path, depth + 1)
    elif not path:
        yield data
    elif isinstance(data, list | tuple):
        for index, item in enumerate(data):
            if path[0].isdigit() and int(path[0]) == index:
                yield from _at(item, path[1:], depth)
            if isinstance(item, Mapping | list | tuple | str):
                yield from _at(item, path, depth)
    elif isinstance(data, Mapping) and path[0] in data:
        yield from _at(data[path[0]], path[1:], depth)


def _inner(text: str) -> Json | None:
    """The list or object that ``text`` is JSON of; None where it is none."""
    if text.lstrip()[:1] not in ("[", "{", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _keys(value: Json, names: Mapping[Token, str], depth: int) -> Iterator[str]:
    """The keys of every patient a named value stands for: one, a list of them, or several in one text."""
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _keys(item, names, depth)
        return
    text = str(value)
    inner = _inner(text) if depth < _DEPTH else None
    if inner is not None:
        yield from _keys(inner, names, depth + 1)
        return
    tokens = token_spans(text)
    if tokens:
        for span in tokens:
            key = patient_key(names.get(span.token, str(span.token)))
            if key:
                yield key
        return
    for part in _SEVERAL.split(text) if depth < _DEPTH else (text,):
        key = patient_key(part)
        if key:
            yield key
