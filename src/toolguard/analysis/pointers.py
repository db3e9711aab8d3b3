"""Which arguments point at content elsewhere: paths, URLs, FHIR references. What stands there is not in the call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from toolguard._core.call import Json
from toolguard.analysis.fhir import is_fhir
from toolguard.analysis.url import is_url

__all__ = ["pointing"]

_PATH = re.compile(r"^(?:/|\.\.?/|~/|[A-Za-z]:[\\/]|\\\\|file:)", re.IGNORECASE)
_PLACE = re.compile(r"[.:/\\\d]|localhost", re.IGNORECASE)
_MAX_VALUES = 5_000
_MAX_TEXT = 4_096
OTHER = "(undeclared)"
"""Stands for an argument that the tool's schema does not name: its name is the model's, and may hold anything."""


def pointing(
    data: Json, known: Mapping[str, tuple[str, ...]], kinds_of: Callable[[str], tuple[str, ...]]
) -> tuple[str, ...]:
    """Names of the top-level arguments that hold a reference, sorted; `OTHER` for those no schema names.

    Args:
        known: analysers by field name, as the tool's schema has them; ``()`` leaves it to the content.
        kinds_of: analysers of any other name.
    """
    if not isinstance(data, Mapping):
        return (OTHER,) if any(_points(v, ()) for v, _ in _texts(data, (), known, kinds_of)) else ()
    found = {
        name if name in known else OTHER
        for name, value in data.items()
        if any(_points(text, kinds) for text, kinds in _texts(value, _kinds(name, known, kinds_of), known, kinds_of))
    }
    return tuple(sorted(found))


def _kinds(
    name: object, known: Mapping[str, tuple[str, ...]], kinds_of: Callable[[str], tuple[str, ...]]
) -> tuple[str, ...]:
    named = known.get(str(name))
    return kinds_of(str(name)) if named is None else named


def _texts(
    value: Json,
    kinds: tuple[str, ...],
    known: Mapping[str, tuple[str, ...]],
    kinds_of: Callable[[str], tuple[str, ...]],
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every text inside, with what its own name, or else the name of what holds it, says of it."""
    waiting = [(value, kinds)]
    left = _MAX_VALUES
    while waiting and left:
        item, held = waiting.pop()
        left -= 1
        if isinstance(item, str):
            yield item, held
        elif isinstance(item, Mapping):
            waiting += [(v, _kinds(k, known, kinds_of) or held) for k, v in item.items()]
        elif isinstance(item, list | tuple):
            waiting += [(v, held) for v in item]


def _points(text: str, kinds: tuple[str, ...]) -> bool:
    start = text[:_MAX_TEXT].strip()
    if not start:
        return False
    if "path" in kinds:
        return True
    if "url" in kinds:
        return _PLACE.search(start) is not None
    if kinds or any(c.isspace() for c in start):
        return False
    return bool(_PATH.match(start)) or is_url(start) or is_fhir(start)
