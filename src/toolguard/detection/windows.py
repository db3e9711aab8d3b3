"""Long text in windows, so that no leaf, however long, holds more than one window's work between two looks at the clock.

A window is cut at the end of a line, a sentence or a word, and sees a margin on both sides; of what is found in it
only what begins in its own part counts. So a cut through an identifier, or between a label and its value, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from toolguard.detection.spans import Span

__all__ = ["MARGIN", "SIZE", "Check", "Window", "in_windows", "windows"]

SIZE = 12_000
"""Characters of a window's own part; shorter texts are read at once."""
MARGIN = 600
"""Characters seen before and after it."""
_BREAKS = ("\n\n", "\n", ". ", "; ", ", ", " ", "\t")

Check: TypeAlias = Callable[[], None]
"""Called between windows; raises DetectionError when time is up."""


class Window(NamedTuple):
    """``text[begin:end]`` is read; what begins in ``[first, last)`` counts."""

    begin: int
    first: int
    last: int
    end: int


def windows(text: str, size: int = SIZE, margin: int = MARGIN) -> Iterator[Window]:
    """The windows of ``text``, in order; their own parts cover it without overlap."""
    total = len(text)
    first = 0
    while first < total:
        last = total if total - first <= size + margin else _cut(text, first + size // 2, first + size)
        begin = 0 if first <= margin else _cut(text, first - margin, first - margin // 2)
        end = total if last + margin >= total else _cut(text, last + margin // 2, last + margin)
        yield Window(begin, first, last, end)
        first = last


def _cut(text: str, low: int, high: int) -> int:
    """A good place to cut in ``(low, high]``."""
    for mark in _BREAKS:
        at = text.rfind(mark, low, high)
        if at >= 0:
            return at + len(mark)
    return high


def in_windows(text: str, read: Callable[[str], list[Span]], check: Check | None = None) -> list[Span]:
    """What ``read`` finds in ``text``, window by window."""
    out: list[Span] = []
    for begin, first, last, end in windows(text):
        if check is not None:
            check()
        for span in read(text[begin:end]):
            start = span.start + begin
            if first <= start < last:
                out.append(Span(start, span.end + begin, span.type, span.score, span.source))
    return out
