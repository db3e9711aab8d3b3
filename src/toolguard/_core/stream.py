"""Streams: text, or JSON text, that arrives in pieces cut anywhere, in clear or masked on its way.

`StreamUnmask` holds back only what may be the beginning of a token. `StreamMask` holds back the sentence that has not
ended, 128 characters at most; in JSON the string that has not. Both are plain machines: they take a piece and say what
is ready, and whoever drives them looks up the values or finds the identifiers.
"""

from __future__ import annotations

import json as _json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from toolguard._core.call import Json
from toolguard._core.jsonscan import JsonScan, Part, Utf8, in_string
from toolguard._core.vault import Token, token_spans

__all__ = ["HELD", "Piece", "Scalar", "StreamMask", "StreamMaskJson", "StreamUnmask", "Window"]

HELD = 128
"""Characters a stream holds back at most (of JSON, within a string: as many, and an escape); besides, when masking, an
identifier that stands where it would be cut."""


def _partial(literal: str) -> str:
    """A pattern for every beginning of ``literal``."""
    pattern = ""
    for char in reversed(literal):
        pattern = f"(?:{re.escape(char)}{pattern})?"
    return pattern


_TAIL = re.compile(
    "(?:"
    r"&(?:l(?:t)?)?"
    r"|(?:<|\[|&lt;)(?:[A-Za-z][A-Za-z0-9_]{0,90}(?:&(?:g(?:t)?)?)?)?"
    r"|(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{0,90}(?:(?<=[0-9])[a-z]{1,2})?"
    # what may become a surrogate: a date, an integer, a mail address, a host, a URL, an id, an address of a machine
    r"|(?<![\w.-])9[0-9]{0,3}(?:-[0-9]{0,2}(?:-[0-9]{0,2}(?:[T ][0-9:.Z+-]{0,24})?)?)?"
    r"|(?<![\w.-])9[0-9]{0,14}(?:\.0?)?"
    r"|(?<![\w.+-])m(?:[0-9]{1,6}(?:@[a-z.]{0,15})?)?"
    r"|(?<![\w.-])h(?:[0-9]{1,6}(?:\.[a-z.]{0,15})?)?"
    rf"|(?<!\w)(?=h){_partial('https://masked.example/')}(?:(?<=/)[0-9]{{0,6}})?"
    rf"|(?<![\w-])(?=7){_partial('70676400-7467-8000-8000-')}(?:(?<=-8000-)[0-9a-fA-F]{{0,12}})?"
    rf"|(?<![\w.-])(?=2){_partial('240.')}(?:(?<=240\.)[0-9.]{{0,12}})?"
    rf"|(?<![\w:.])(?=2){_partial('2001:db8:7467::')}(?:(?<=::)[0-9a-f:]{{0,8}})?"
    r")\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some text of a stream, as it was written; with ``token`` it may turn back into that token's value."""

    text: str = field(repr=False)
    token: Token | None = None
    part: Part | None = None
    """Where in JSON it stood; None in plain text."""


class _Tail:
    """Cuts text into tokens and the rest, and keeps an end that may go on as a token."""

    def __init__(self, part: Part | None = None) -> None:
        self._part = part
        self._before = ""
        self._held = ""

    def take(self, delta: str, *, final: bool = False) -> Iterator[Piece]:
        text = self._before + self._held + delta
        start, end = len(self._before), len(text)
        if not final:
            tail = _TAIL.search(text, max(start, end - HELD))
            end = tail.start() if tail else end
        at = start
        for span in token_spans(text):
            if span.start < at or span.end > end:
                continue
            if span.start > at:
                yield Piece(text=text[at : span.start], part=self._part)
            yield Piece(text=text[span.start : span.end], token=span.token, part=self._part)
            at = span.end
        if end > at:
            yield Piece(text=text[at:end], part=self._part)
        self._held = text[end:]
        self._before = "" if final else text[max(0, end - 1) : end]


class StreamUnmask:
    """Finds the tokens in a stream.

    Args:
        json: the stream is JSON text, such as the arguments of a tool call: values are put in as JSON.
    """

    def __init__(self, *, json: bool = False) -> None:
        self._utf8 = Utf8()
        self._scan = JsonScan() if json else None
        self._text = _Tail(Part.TEXT if json else None)
        self._outside = _Tail(Part.OUTSIDE)

    def take(self, delta: str | bytes) -> tuple[Piece, ...]:
        """What is ready, after ``delta`` came; bytes are UTF-8 and may be cut inside a character."""
        return tuple(self._pieces(self._utf8.take(delta)))

    def close(self) -> tuple[Piece, ...]:
        """The rest, when nothing more comes."""
        pieces = list(self._pieces(self._utf8.rest()))
        if self._scan is not None:
            pieces += self._outside.take("", final=True)
            pieces += self._text.take(self._scan.rest(), final=True)
        else:
            pieces += self._text.take("", final=True)
        return tuple(pieces)

    def _pieces(self, text: str) -> Iterator[Piece]:
        if self._scan is None:
            yield from self._text.take(text)
            return
        for part, piece in self._scan.take(text):
            if part is Part.OUTSIDE:
                yield from self._outside.take(piece)
            elif part is Part.TEXT:
                yield from self._text.take(piece)
            else:
                yield from (self._outside if part is Part.OPEN else self._text).take("", final=True)
                yield Piece(text=piece, part=Part.OUTSIDE)

    @staticmethod
    def write(pieces: Iterable[Piece], values: Mapping[Token, str]) -> str:
        """The text of ``pieces`` with ``values`` for the tokens that have one."""
        return "".join(_written(p, None if p.token is None else values.get(p.token)) for p in pieces)


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


def _written(piece: Piece, value: str | None) -> str:
    text = piece.text if value is None else value
    if piece.part is Part.TEXT:
        return in_string(text)
    if piece.part is Part.OUTSIDE and value is not None and not _NUMBER.fullmatch(value):
        return _json.dumps(value, ensure_ascii=False)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What to look for identifiers in: ``text`` from ``start`` to ``end``; what stands before was given out already.

    What is found across ``end`` is not cut: the stream goes on before it.
    """

    text: str = field(repr=False)
    start: int
    end: int


_SENTENCE = re.compile(r"[.!?…。！？][\"')\]”’]*\s+|\n+")
_CONTEXT = 256


class StreamMask:
    """Cuts a stream of text where a sentence ends.

    `take` says what is to be looked at; `give` then takes that text out, up to where it may be cut.
    """

    def __init__(self) -> None:
        self._utf8 = Utf8()
        self._before = ""
        self._held = ""

    def take(self, delta: str | bytes, *, final: bool = False) -> Window | None:
        """What is ready to be looked at, after ``delta`` came; None if nothing is. ``final``: nothing more comes."""
        self._held += self._utf8.take(delta) + (self._utf8.rest() if final else "")
        end = len(self._held) if final else self._ready()
        if end == 0:
            return None
        start = len(self._before)
        return Window(text=self._before + self._held, start=start, end=start + end)

    def _ready(self) -> int:
        """How much of what is held has come to an end."""
        end = 0
        for match in _SENTENCE.finditer(self._held):
            end = match.end()
        over = len(self._held) - HELD
        if over > end:  # a sentence without end: cut between words
            space = self._held.rfind(" ", over, len(self._held) - 1)
            end = space + 1 if space >= 0 else over
        return end

    def give(self, window: Window, spans: Iterable[tuple[int, int]], *, final: bool = False) -> tuple[int, int]:
        """(start, end) of what leaves the stream now. ``spans`` are the identifiers and tokens in ``window.text``."""
        end = window.end
        for start, stop in sorted(spans, reverse=True):
            if final or start >= end or stop < end - 1:
                continue
            if end < stop < len(window.text):
                end = stop  # what comes after it was seen: it has ended
            elif start > window.start:
                end = start
            else:
                end = max(end, stop)
        given = window.text[:end]
        self._held = window.text[end:]
        self._before = given[-_CONTEXT:]
        return window.start, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A key, string or number of a JSON stream, whole. ``name`` is the key it stands under."""

    value: Json = field(repr=False)
    key: bool
    name: str | None = field(repr=False)


_MARK = re.compile(r"[{}\[\]:,]|[-+.0-9A-Za-z]+")
_WORD_END = re.compile(r"[-+.0-9A-Za-z]+\Z")


class _Open:
    """An object or list that has not ended: the key what comes next stands under, and whether that is a key itself."""

    def __init__(self, name: str | None = None, *, is_object: bool = False) -> None:
        self.name = name
        self.is_object = is_object
        self.key_next = is_object


class StreamMaskJson:
    """Cuts a stream of JSON text into its keys, strings and numbers, and what stands between them."""

    def __init__(self) -> None:
        self._utf8 = Utf8()
        self._scan = JsonScan()
        self._string: list[str] = []
        self._outside = ""
        self._open: list[_Open] = [_Open()]

    def take(self, delta: str | bytes) -> Iterator[str | Scalar]:
        """What is ready, after ``delta`` came: text as it was written, and scalars to be masked."""
        yield from self._parts(self._utf8.take(delta))

    def close(self) -> Iterator[str | Scalar]:
        """The rest, when nothing more comes; of a string that never ended, what came of it."""
        yield from self._parts(self._utf8.rest())
        yield from self._between(final=True)
        self._string.append(self._scan.rest())
        if any(self._string):
            yield self._scalar("".join(self._string))
            self._string = []

    def _parts(self, text: str) -> Iterator[str | Scalar]:
        for part, piece in self._scan.take(text):
            if part is Part.OUTSIDE:
                self._outside += piece
                yield from self._between()
            elif part is Part.TEXT:
                self._string.append(piece)
            elif part is Part.OPEN:
                yield from self._between(final=True)
            else:
                value, self._string = "".join(self._string), []
                yield self._scalar(value)

    def _scalar(self, value: Json) -> Scalar:
        inner = self._open[-1]
        key = inner.key_next and isinstance(value, str)
        if key:
            inner.name = value
        return Scalar(value=value, key=key, name=None if key else inner.name)

    def _between(self, *, final: bool = False) -> Iterator[str | Scalar]:
        """What stands outside strings: marks, which tell what comes next, and numbers, once they have ended."""
        text, self._outside = self._outside, ""
        if not final:
            cut = _WORD_END.search(text)
            if cut:
                text, self._outside = text[: cut.start()], cut[0]
        at = 0
        for match in _MARK.finditer(text):
            word = match[0]
            if word in "{[":
                self._open.append(_Open(self._open[-1].name, is_object=word == "{"))
            elif word in "}]":
                if len(self._open) > 1:
                    self._open.pop()
            elif word in ":,":
                self._open[-1].key_next = word == "," and self._open[-1].is_object
            elif word[0] in "-0123456789":
                yield text[at : match.start()]
                yield self._scalar(_json.loads(word)) if _JSON_NUMBER.fullmatch(word) else word
                at = match.end()
        yield text[at:]


_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
