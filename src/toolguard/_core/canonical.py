"""Values written down exactly: canonical JSON, and digests over it.

Canonical form follows RFC 8785 (JSON Canonicalization Scheme). Values JSON cannot hold are tagged first
(``{"$decimal": "1.0"}``); a key that itself starts with ``$`` is escaped as ``$$`` so that no plain
argument can pass for a tagged one. NaN, lone surrogates, keys that are not strings and unknown types are
refused: what cannot be written down exactly cannot be approved.
"""

from __future__ import annotations

import base64
import datetime as _dt
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias

from toolguard._core.frozen import made_fast, maker
from toolguard.errors import BadArgumentsError

__all__ = [
    "Arguments",
    "Json",
    "canonical",
    "canonical_text",
    "flat_text",
    "framed",
    "freeze",
    "keyed_digest",
    "number_text",
    "quoted",
]

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list[Json] or dict[str, Json]."""

MAX_DEPTH = 64
MAX_PIECES = 2_000_000
"""How many pieces of text one value may come to: a small graph of shared lists unfolds without end."""
_BIG = 2**53
_DIGEST_VERSION = "v1"
quoted: Callable[[str], str] = json.encoder.encode_basestring
"""A string as canonical JSON text."""


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """Arguments frozen once. ``data`` is the JSON view that is judged, ``canonical`` the bytes that are bound."""

    data: Json = field(repr=False)
    canonical: bytes = field(repr=False)
    plain: bool = False
    """Whether nothing but JSON's own types was frozen, so that equal ``data`` of these types is written the same."""

    def holds(self, value: object) -> bool:
        """Whether ``value`` is, now, exactly what was frozen. Raises what `freeze` raises."""
        return (self.plain and _same(value, self.data)) or freeze(value).canonical == self.canonical


def _same(value: Any, data: Json) -> bool:
    """Whether two values of JSON's own types are the same, types and all; what is not of these types is not."""
    kind = type(value)
    if kind is not type(data):
        return False
    if kind is str or kind is int or kind is bool or kind is float or value is None:
        return bool(value == data)
    if kind is dict and len(value) == len(data):
        for key, item in value.items():
            if type(key) is not str or key not in data or not _same(item, data[key]):
                return False
        return True
    return kind is list and len(value) == len(data) and all(map(_same, value, data))


_make_arguments = maker(Arguments)


def freeze(value: object) -> Arguments:
    """Copy ``value`` into a frozen form, detached from what the caller may still change.

    Raises:
        BadArgumentsError: the value cannot be written down exactly.
    """
    out = _Pieces()
    data = _write(value, 0, out)
    try:
        return _make_arguments(data=data, canonical="".join(out).encode(), plain=out.plain)
    except UnicodeEncodeError:
        raise BadArgumentsError("arguments hold text that is not valid Unicode; the call did not run") from None


def canonical(value: object) -> bytes:
    """The canonical bytes of ``value`` (RFC 8785 after tagging)."""
    return freeze(value).canonical


def canonical_text(value: dict[str, Json]) -> str:
    """`canonical` as text; nothing is copied where ``value`` is flat, as most records are."""
    return flat_text(value) or canonical(value).decode()


def flat_text(value: Mapping[str, Json]) -> str:
    """`canonical_text` where the standard encoder writes it letter by letter the same; else ``""``.

    Of objects that have the same keys in the same order, as records do, the keys are sorted and written once; and all
    texts are looked through at once for what has to be escaped.
    """
    layout = _layouts.get(tuple(value)) or _laid_out(value)
    if layout is None:
        return ""
    texts = list(layout.values(value))
    others = [_plain_text(texts[place]) for place in layout.others]
    for place in layout.others:
        texts[place] = ""
    try:
        joined = "".join(texts)
    except TypeError:  # what was text in the objects before is something else here
        return _flat(value)
    if len(quoted(joined)) != len(joined) + 2 or "" in others:  # something has to be escaped, or is written otherwise
        return _flat(value)
    for place, text in zip(layout.others, others, strict=True):
        texts[place] = text
    pieces = layout.frame.copy()
    pieces[1::2] = texts
    return "".join(pieces)


def _flat(value: Mapping[str, Json]) -> str:
    """`flat_text`, value by value."""
    written = [(quoted(key), _plain_text(value[key])) for key in sorted(value)]
    return f"{{{','.join([f'{key}:{text}' for key, text in written])}}}" if all(text for _, text in written) else ""


def _plain_text(item: Json) -> str:
    """A value as the standard encoder and RFC 8785 alike write it; ``""`` where they may differ."""
    kind = type(item)
    if kind is str:
        return quoted(item)
    if kind is list:
        texts = [quoted(part) for part in item if type(part) is str]
        return f"[{','.join(texts)}]" if len(texts) == len(item) else ""
    if kind is int:
        return repr(item) if -_BIG < item < _BIG else ""
    return "null" if item is None else "true" if item is True else "false" if item is False else ""


class _Layout:
    """How objects with certain keys are written: their values in the order of the keys, and the text between them.

    ``others`` are the places of values that were no text when these keys were met first; texts have their marks here.
    """

    __slots__ = ("frame", "others", "values")

    def __init__(self, value: Mapping[str, Json]) -> None:
        order = sorted(value)
        marks = ['"' if type(value[key]) is str else "" for key in order]
        self.values: Callable[[Any], tuple[Any, ...]] = itemgetter(*order)
        self.others = tuple([place for place, mark in enumerate(marks) if not mark])
        self.frame: list[str] = []
        before = "{"
        for key, mark in zip(order, marks, strict=True):
            self.frame += (f"{before}{quoted(key)}:{mark}", "")
            before = f"{mark},"
        self.frame.append(f"{before[:-1]}}}")


_MAX_LAYOUTS = 256
_layouts: dict[tuple[str, ...], _Layout] = {}


def _laid_out(value: Mapping[str, Json]) -> _Layout | None:
    """The layout of objects with the keys of ``value``; None if it is not flat."""
    keys = tuple(value)
    if not 1 < len(keys) < 100 or not all(type(key) is str and key.isascii() and key[:1] != "$" for key in keys):
        return None
    if len(_layouts) >= _MAX_LAYOUTS:
        _layouts.clear()
    return _layouts.setdefault(keys, _Layout(value))


class _Pieces(list[str]):
    """Text as it is written. ``plain``: nothing beyond JSON's own types was met."""

    __slots__ = ("plain",)

    def __init__(self) -> None:
        self.plain = True


def _write(value: Any, depth: int, out: _Pieces) -> Json:
    """Put the canonical text of ``value``; return its JSON view (a copy)."""
    kind = type(value)
    if kind is str:
        out.append(quoted(value))
        return value
    if value is None or kind is bool:
        out.append("null" if value is None else "true" if value else "false")
        return value
    if kind is int:
        out.append(repr(value) if -_BIG < value < _BIG else f'{{"$int":"{_long(value)}"}}')
        return value
    if depth > MAX_DEPTH:
        raise BadArgumentsError(f"arguments are nested more than {MAX_DEPTH} deep; the call did not run")
    if len(out) > MAX_PIECES:
        raise BadArgumentsError("arguments have too many parts; pass less at once; the call did not run")
    if kind is dict:
        return _write_object(value, depth, out)
    if kind is list or kind is tuple:
        return _write_array(value, depth, out)
    if kind is float:
        out.append(number_text(value))
        return value
    out.plain = False
    return _special(value, depth, out)


def _long(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to write out integers of thousands of digits
        raise BadArgumentsError("arguments hold an integer of too many digits; the call did not run") from None


def _write_array(value: Iterable[Any], depth: int, out: _Pieces) -> Json:
    data: list[Json] = []
    mark = "["
    for item in value:
        out.append(mark)
        data.append(_write(item, depth + 1, out))
        mark = ","
    out.append("]" if data else "[]")
    return data


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)
_make_c = getattr(json.encoder, "c_make_encoder", None)
"""CPython's own encoder: `JSONEncoder` makes one anew for every value."""
_c_encoder: Callable[[Any, int], Iterable[str]] | None = (
    None if _make_c is None else _make_c(None, _ENCODER.default, quoted, None, ":", ",", True, False, True)
)


def _encode_flat(value: dict[str, Json]) -> str:
    return _ENCODER.encode(value) if _c_encoder is None else "".join(_c_encoder(value, 0))


_FLAT_FROM = 6
"""From so many keys on the standard encoder is faster than writing key by key."""


_PLAIN = frozenset({str, bool, type(None)})


def _is_flat(value: dict[Any, Any]) -> bool:
    """Plain keys, and values the standard encoder writes exactly as RFC 8785 does: no float, nothing nested."""
    if not set(map(type, value)) <= {str}:
        return False
    keys = "".join(value)
    if not keys.isascii() or ("$" in keys and any(key[:1] == "$" for key in value)):
        return False
    if set(map(type, value.values())) <= _PLAIN:
        return True
    for item in value.values():
        kind = type(item)
        if kind in _PLAIN or (kind is int and -_BIG < item < _BIG):
            continue
        if kind is not list or not set(map(type, item)) <= {str}:
            return False
    return True


def _write_object(value: Mapping[Any, Any], depth: int, out: _Pieces) -> Json:
    if type(value) is dict and len(value) >= _FLAT_FROM and _is_flat(value):
        out.append(_encode_flat(value))
        return {key: item.copy() if type(item) is list else item for key, item in sorted(value.items())}
    try:
        keys = sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_utf16)
    except (TypeError, UnicodeEncodeError):
        raise BadArgumentsError(
            "arguments hold an object whose keys are not valid strings; the call did not run"
        ) from None
    data: dict[str, Json] = {}
    mark = "{"
    for key in keys:
        item = value[key]
        name = quoted("$" + key if key[:1] == "$" else key)
        if type(item) is str:  # most values are
            out.append(f"{mark}{name}:{quoted(item)}")
            data[key] = item
        else:
            out.append(f"{mark}{name}:")
            data[key] = _write(item, depth + 1, out)
        mark = ","
    out.append("}" if data else "{}")
    return data


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _tag(name: str, text: str, out: list[str]) -> Json:
    out.append(f'{{"${name}":{quoted(text)}}}')
    return text


def number_text(value: float) -> str:
    """ECMAScript's Number::toString, as RFC 8785 demands."""
    if not math.isfinite(value):
        raise BadArgumentsError("arguments hold NaN or an infinity; the call did not run")
    if 1e-4 <= value < 1e16:  # here Python and ECMAScript write the same digits
        text = repr(value)
        return text.removesuffix(".0")
    return "0" if value == 0 else _ecma(value)


def _ecma(value: float) -> str:
    sign = "-" if value < 0 else ""
    mantissa, exponent = f"{Decimal(repr(abs(value))).normalize():e}".split("e")
    digits = mantissa.replace(".", "")
    point = int(exponent) + 1
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    text = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{sign}{text}e{'+' if power >= 0 else '-'}{abs(power)}"


def _special(value: Any, depth: int, out: _Pieces) -> Json:
    """Types beyond JSON. Exact, or refused."""
    if isinstance(value, Enum):
        return _write(value.value, depth, out)
    if isinstance(value, int):
        return _write(int.__int__(value), depth, out)
    if isinstance(value, str):
        return _write(str.__str__(value), depth, out)
    if isinstance(value, float):
        return _write(float.__float__(value), depth, out)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise BadArgumentsError("arguments hold a NaN or infinite decimal; the call did not run")
        return _tag("decimal", str(value), out)
    if isinstance(value, _dt.datetime):
        return _tag("datetime", value.isoformat(), out)
    if isinstance(value, _dt.date):
        return _tag("date", value.isoformat(), out)
    if isinstance(value, _dt.time):
        return _tag("time", value.isoformat(), out)
    if isinstance(value, _dt.timedelta):
        return _tag("timedelta", f"{value.days}d{value.seconds}s{value.microseconds}us", out)
    if isinstance(value, bytes | bytearray):
        return _tag("bytes", base64.b64encode(bytes(value)).decode("ascii"), out)
    if isinstance(value, set | frozenset):
        frozen = sorted((freeze(item) for item in value), key=lambda a: a.canonical)
        out.append(f'{{"$set":[{",".join(a.canonical.decode() for a in frozen)}]}}')
        return [a.data for a in frozen]
    if isinstance(value, Mapping):
        return _write_object(value, depth, out)
    if isinstance(value, list | tuple):
        return _write_array(value, depth, out)
    return _object(value, depth, out)


def _object(value: Any, depth: int, out: _Pieces) -> Json:
    kind = type(value)
    if kind.__module__ == "uuid" and kind.__name__ == "UUID":
        return _tag("uuid", str(value), out)
    if is_dataclass(value) and not isinstance(value, type):
        return _write_object({f.name: getattr(value, f.name) for f in fields(value)}, depth, out)
    named = getattr(kind, "model_fields", None)
    if isinstance(named, Mapping):  # as the tool reads it: a dump leaves out and rewrites what its class says
        held = {name: getattr(value, name) for name in named} | (getattr(value, "__pydantic_extra__", None) or {})
        root = getattr(kind, "__pydantic_root_model__", False)
        return _write(held["root"] if root else held, depth + 1, out)
    dump = getattr(kind, "model_dump", None)
    if dump is not None:
        return _write(dump(value, mode="python"), depth + 1, out)
    raise BadArgumentsError(
        f"arguments hold a {kind.__name__!r}, which cannot be written as canonical JSON; "
        "pass plain data (numbers, text, lists, objects); the call did not run"
    )


def framed(*parts: bytes) -> bytes:
    """Netstring framing: no two lists of parts give the same bytes."""
    return b"".join([b"%d:%b," % (len(p), p) for p in parts])  # a list: this is on every call's path, twice


def keyed_digest(key: bytes, purpose: str, *parts: bytes) -> str:
    """``v1:`` + HMAC-SHA256 (hex) over netstring-framed ``parts``, separated by ``purpose``."""
    inner, outer = _halves(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(framed(purpose.encode(), *parts))
    outer.update(inner.digest())
    return f"{_DIGEST_VERSION}:{outer.hexdigest()}"


@lru_cache(maxsize=64)
def _halves(key: bytes) -> tuple[Any, Any]:
    """HMAC-SHA256 (RFC 2104) of ``key`` as far as the key alone goes: two hashes, each with its block of it."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return hashlib.sha256(bytes(b ^ 0x36 for b in block)), hashlib.sha256(bytes(b ^ 0x5C for b in block))
