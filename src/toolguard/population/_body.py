"""Reading a record's body: a value of the type it should have, or the empty one."""

from __future__ import annotations

from collections.abc import Mapping

from toolguard._core.audit import whole
from toolguard._core.call import Json

__all__ = ["count_of", "decimal", "texts", "word"]


def word(body: Mapping[str, Json], key: str) -> str:
    """A text, ``""`` where there is none."""
    value = body.get(key)
    return value if isinstance(value, str) else ""


def texts(body: Mapping[str, Json], key: str) -> tuple[str, ...]:
    """A list of texts."""
    value = body.get(key)
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def decimal(body: Mapping[str, Json], key: str) -> float | None:
    """A number."""
    value = body.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count_of(body: Mapping[str, Json], key: str) -> int:
    """A count, 0 where there is none."""
    return whole(body.get(key)) or 0
