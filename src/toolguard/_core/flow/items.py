"""How much a result holds: the items of a list, the rows of a table, records by their keys, in whatever text they stand."""

from __future__ import annotations

import json
import re

from toolguard._core.call import Json
from toolguard._core.flow.rows import rows_in

__all__ = ["most_items"]

_DEPTH = 32
_TOO_DEEP = 2**31
_DECODER = json.JSONDecoder()
_OPENING = re.compile(r"\[(?=\s*[\[{\"\d\-tfn\]])|\{(?=\s*[\"}])")
_MAX_READ = 500_000_000
"""Characters that are read of text that only begins like JSON, again and again; beyond, it cannot be counted."""
_BEGINS = ("[", "{", '"')


def most_items(value: Json, depth: int = 0) -> int:
    """How many items the longest list in ``value`` has, whether it is a list, holds one, or is text that spells one.

    Pages of rows count together, and so do records that are filed each under a key. Rows in text count as `rows_in` tells
    them, other text counts as one. What is nested too deeply to be counted is too much.
    """
    if depth > _DEPTH:
        return _TOO_DEEP
    if isinstance(value, list):
        counts = [most_items(v, depth + 1) for v in value]
        return max(len(value), sum(counts) if _are_pages(value) else 0, max(counts, default=0))
    if isinstance(value, dict):
        parts = list(value.values())
        counts = [most_items(v, depth + 1) for v in parts]
        own = sum(counts) if _are_pages(parts) else len(value) if _are_filed(value) else 1
        return max(own, max(counts, default=1))
    return _in_text(value.strip().removeprefix("\ufeff"), depth) if isinstance(value, str) else 1


def _are_pages(values: list[Json]) -> bool:
    """Whether these are lists of records, one like the other."""
    return len(values) > 1 and all(
        isinstance(v, list) and v and all(isinstance(item, list | dict) for item in v) for v in values
    )


def _are_filed(value: dict[str, Json]) -> bool:
    """Whether each key has a record of its own: records or rows of one form, or keys that only count."""
    if len(value) < 2:
        return False
    if all(key.isdigit() for key in value):
        return True
    forms = {frozenset(v) if isinstance(v, dict) else len(v) if isinstance(v, list) else None for v in value.values()}
    return len(forms) == 1 and None not in forms


def _in_text(text: str, depth: int) -> int:
    if text[:1] in _BEGINS:
        try:
            return most_items(json.loads(text), depth + 1)
        except (ValueError, RecursionError):
            pass
    return max(rows_in(text), _embedded(text, depth))


def _embedded(text: str, depth: int) -> int:
    """Of JSON that stands in a text: the longest list, or how many objects there are."""
    most = objects = at = spent = 0
    while (opening := _OPENING.search(text, at)) is not None:
        try:
            found, at = _DECODER.raw_decode(text, opening.start())
        except json.JSONDecodeError as fault:
            at = opening.end()
            spent += fault.pos + 50 * (
                fault.pos - opening.start()
            )  # where it failed is counted, what came before is read
            if spent > _MAX_READ:
                return _TOO_DEEP
            continue
        except RecursionError:
            return _TOO_DEEP
        objects += isinstance(found, dict)
        most = max(most, most_items(found, depth + 1))
    return max(most, objects)
