"""Frozen dataclasses as JSON text and back, exactly: no pickle, no field that is not in the class."""

from __future__ import annotations

import base64
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from toolguard.errors import StoreError

__all__ = ["dump", "dump_json", "load"]

T = TypeVar("T")


def dump(value: object, *, leave_out: frozenset[str] = frozenset()) -> str:
    """A dataclass as JSON text with sorted keys, without the fields in ``leave_out``."""
    names = (name for name in _names(cast("Any", type(value))) if name not in leave_out)
    return dump_json({name: _plain(getattr(value, name)) for name in names})


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
        return cast("T", _builder(cast("Any", kind))(json.loads(text), extra))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"a stored {kind.__name__.lower()} cannot be read ({type(error).__name__}); "
            "the store was edited or written by another version"
        ) from None


_AS_IS = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_IS:
        return value
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(kind):
        return {name: _plain(getattr(value, name)) for name in _names(kind)}
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
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


# --- reading: what a hint says is worked out once, for this is on every call's path


@cache
def _builder(kind: Any) -> Callable[[Any, Mapping[str, object]], Any]:
    """What makes a dataclass of a JSON object."""
    readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}

    def build(data: Any, extra: Mapping[str, object]) -> Any:
        return kind(**{name: readers[name](item) for name, item in data.items()}, **extra)

    return build


@cache
def _reader(hint: Any) -> Callable[[Any], Any]:
    """What makes a value of this type of its JSON form."""
    origin = get_origin(hint)
    if origin in (tuple, frozenset):
        return _collection(origin, _reader(get_args(hint)[0]))
    if origin in (Union, types.UnionType):
        inner = _reader(next(a for a in get_args(hint) if a is not type(None)))
        return lambda item: None if item is None else inner(item)
    if not isinstance(hint, type):
        return _same
    if is_dataclass(hint):
        return lambda item: _builder(hint)(item, {})
    if issubclass(hint, Enum):
        return hint
    if hint is bytes:
        return lambda item: base64.b64decode(item, validate=True)
    if hint is float:
        return _number
    return _exactly(hint) if hint in (str, int, bool) else _same


def _same(item: Any) -> Any:
    return item


def _number(item: Any) -> float:
    if type(item) not in (float, int):
        raise TypeError("float")
    return float(item)


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(item: Any) -> Any:
        if not isinstance(item, kind):
            raise TypeError(kind.__name__)
        return item

    return read


def _collection(kind: type, inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(item: Any) -> Any:
        if not isinstance(item, list):
            raise TypeError(kind.__name__)
        return kind([inner(part) for part in item])

    return read
