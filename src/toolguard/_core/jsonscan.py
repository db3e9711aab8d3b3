"""JSON text that arrives in pieces, cut anywhere: what stands in strings, decoded, and what stands outside them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator
from enum import StrEnum

__all__ = ["JsonScan", "Part", "Utf8", "in_string"]


class Part(StrEnum):
    """What a piece of JSON text is. ``OPEN`` and ``CLOSE`` are the quotes of a string."""

    OUTSIDE = "outside"
    OPEN = "open"
    TEXT = "text"
    CLOSE = "close"


class Utf8:
    """Bytes cut anywhere, as text. Text passes as it is."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def take(self, delta: str | bytes, *, final: bool = False) -> str:
        return delta if isinstance(delta, str) else self._decoder.decode(delta, final)

    def rest(self) -> str:
        return self._decoder.decode(b"", True)


_RUN = re.compile(r'[^"\\]+')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNICODE = len("\\u0000")
_FIRST_HALF = re.compile(r"\\u[dD][89abAB]")
_LONE = re.compile("[\ud800-\udfff]")


class JsonScan:
    """Tells strings from the rest, and decodes them; an escape that is cut in two waits for its end."""

    def __init__(self) -> None:
        self._inside = False
        self._escape = ""

    def take(self, text: str) -> Iterator[tuple[Part, str]]:
        at = 0
        while at < len(text):
            if self._inside:
                at = yield from self._string(text, at)
                continue
            quote = text.find('"', at)
            end = len(text) if quote < 0 else quote
            if end > at:
                yield Part.OUTSIDE, text[at:end]
            if quote >= 0:
                self._inside = True
                yield Part.OPEN, '"'
            at = end + 1

    def _string(self, text: str, at: int) -> Generator[tuple[Part, str], None, int]:
        """One step inside a string; where to go on."""
        if self._escape:
            return (yield from self._escaped(text, at))
        run = _RUN.match(text, at)
        if run:
            yield Part.TEXT, run[0]
            return run.end()
        if text[at] == "\\":
            self._escape = "\\"
        else:
            self._inside = False
            yield Part.CLOSE, '"'
        return at + 1

    def _escaped(self, text: str, at: int) -> Generator[tuple[Part, str], None, int]:
        """One more character of an escape. The first half of a pair of surrogates waits for the second."""
        if len(self._escape) == _UNICODE and text[at] != "\\":
            yield Part.TEXT, self._decoded()
            return at
        self._escape += text[at]
        escape = self._escape
        if len(escape) == 2 and escape[1] != "u":
            yield Part.TEXT, _SHORT.get(escape[1], escape[1])
            self._escape = ""
        elif len(escape) == _UNICODE + 2 and escape[-1] != "u":
            self._escape = escape[:_UNICODE]
            yield Part.TEXT, self._decoded() + _SHORT.get(escape[-1], escape[-1])
        elif len(escape) == 2 * _UNICODE or (len(escape) == _UNICODE and not _FIRST_HALF.match(escape)):
            yield Part.TEXT, self._decoded()
        return at + 1

    def _decoded(self) -> str:
        escape, self._escape = self._escape, ""
        try:
            return str(json.loads(f'"{escape}"'))
        except ValueError:
            return escape

    def rest(self) -> str:
        """An escape that never ended, as it was written."""
        return self._decoded() if len(self._escape) == _UNICODE else self._taken()

    def _taken(self) -> str:
        text, self._escape = self._escape, ""
        return text


def in_string(text: str) -> str:
    """``text`` as it stands between the quotes of a JSON string."""
    return _LONE.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False)[1:-1])
