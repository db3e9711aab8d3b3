"""How much a result holds: the items of a list, the rows of a table, the lines of JSON lines."""

from __future__ import annotations

import json

from toolguard._core.call import Json

__all__ = ["most_items"]

_DEPTH = 32
_TOO_DEEP = 2**31


def most_items(value: Json, depth: int = 0) -> int:
    """How many items the longest list in ``value`` has, whether it is a list, holds one, or is text that spells one.

    JSON lines count a line as one item, other text counts as one. What is nested too deeply to be counted is too much.
    """
    if depth > _DEPTH:
        return _TOO_DEEP
    if isinstance(value, list):
        return max(len(value), max((most_items(v, depth + 1) for v in value), default=0))
    if isinstance(value, dict):
        return max((most_items(v, depth + 1) for v in value.values()), default=1)
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return most_items(json.loads(value), depth + 1)
        except (ValueError, RecursionError):
            lines = [line for line in value.splitlines() if line.strip()]
            return len(lines) if all(line.lstrip()[:1] in ("{", "[") for line in lines) else 1
    return 1
