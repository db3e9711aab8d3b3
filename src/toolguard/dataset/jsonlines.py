"""One line of JSON, read strictly and written back whole."""

from __future__ import annotations

import json
import re
from typing import Any, Never

from toolguard._core.call import Json

__all__ = ["BadLine", "dump", "load"]


class BadLine(Exception):  # noqa: N818 - not an error that leaves the room: each driver decides what becomes of it
    """A line that is no record. The message names the line by its number, never by its content."""


def load(line: bytes, number: int, encoding: str = "utf-8") -> tuple[int, Json]:
    """The value of line ``number``.

    Raises:
        BadLine: it is not text in ``encoding``, not JSON, or says two things under one key.
    """
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadLine(f"line {number} is not {encoding} (byte {error.start} of the line)") from None
    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_unique, parse_constant=_constant)
        return number, _whole(value) if _HALF_ESCAPED.search(text) else value
    except json.JSONDecodeError as error:
        raise BadLine(f"line {number} is not JSON (at character {error.pos + 1} of the line)") from None
    except RecursionError:
        raise BadLine(f"line {number} is nested too deeply") from None
    except ValueError as error:
        raise BadLine(f"line {number} {error if isinstance(error, _RefusedError) else 'is not JSON'}") from None


_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def _whole(value: Any) -> Any:
    """``value`` with U+FFFD for each half of a surrogate pair: text that cannot be encoded cannot be looked into."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return _unique([(_HALF.sub("\ufffd", key), _whole(item)) for key, item in value.items()])
    return [_whole(item) for item in value] if isinstance(value, list) else value


class _RefusedError(ValueError):
    """Constant words only."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise _RefusedError("names a key twice")
    return out


def _constant(_: str) -> Never:
    raise _RefusedError("holds NaN or Infinity, which is not JSON")


def dump(value: Json, *, compact: bool = False) -> str:
    """``value`` as one line of JSON, without its line break."""
    # U+2028 and the like: some readers take them for line breaks
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")
