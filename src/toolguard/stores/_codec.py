"""Frozen dataclasses as JSON text and back, exactly: no pickle, no field that is not in the class."""

from __future__ import annotations

import base64
import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from toolguard.errors import StoreError

__all__ = ["dump", "dump_json", "load"]

T = TypeVar("T")


def dump(value: object, *, leave_out: frozenset[str] = frozenset()) -> str:
    """A dataclass as JSON text with sorted keys, without the fields in ``leave_out``."""
    return dump_json({f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in leave_out})  # type: ignore[arg-type] # dataclasses only, see _plain


def dump_json(value: object) -> str:
    """JSON text with sorted keys. What JSON cannot hold exactly is refused, so that nothing is half kept."""
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        why = type(error).__name__
        raise StoreError(f"something in this change is not plain JSON ({why}); nothing was written") from None


def load(kind: type[T], text: str, **extra: object) -> T:
    """The dataclass ``kind`` from JSON text; ``extra`` are the fields that were left out.

    Raises:
        StoreError: the text is not what `dump` wrote for this class.
    """
    try:
        return _build(kind, json.loads(text), extra)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"a stored {kind.__name__.lower()} cannot be read ({type(error).__name__}); "
            "the store was edited or written by another version"
        ) from None


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: type[T], data: Any, extra: Mapping[str, object]) -> T:
    hints = _hints(cast("Any", kind))
    return kind(**{name: _typed(hints[name], item) for name, item in data.items()}, **extra)


def _typed(hint: Any, item: Any) -> Any:
    origin = get_origin(hint)
    if origin is tuple:
        return tuple(_typed(get_args(hint)[0], part) for part in item)
    if origin is frozenset:
        return frozenset(_typed(get_args(hint)[0], part) for part in item)
    if origin in (Union, types.UnionType):
        inner = [a for a in get_args(hint) if a is not type(None)]
        return None if item is None else _typed(inner[0], item)
    if isinstance(hint, type):
        if is_dataclass(hint):
            return _build(hint, item, {})
        if issubclass(hint, Enum):
            return hint(item)
        if hint is bytes:
            return base64.b64decode(item, validate=True)
        if hint is float and isinstance(item, int) and not isinstance(item, bool):
            return float(item)
        if hint in (str, int, float, bool) and not isinstance(item, hint):
            raise TypeError(hint.__name__)
    return item
