"""What a recognizer of text returns, and how spans of several recognizers become one answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from toolguard._core.mask import Finding
from toolguard._core.masking import TYPES

__all__ = ["DENY", "TYPES", "Reports", "Span", "Tagger", "remains", "unite"]


DENY = "deny"
"""The source of spans of the tenant's deny list: they win their characters."""


class Span(NamedTuple):
    """An identifier in one text: half-open range, type, confidence in [0, 1], recognizer."""

    start: int
    end: int
    type: str
    score: float
    source: str


@runtime_checkable
class Tagger(Protocol):
    """A statistical recognizer of names, places and the like, run beside the rules.

    ``tag`` gets normalised text (see `toolguard.detection.normalise`) and returns findings whose offsets
    point into that text; ``path`` and ``key`` are ignored. It must be thread-safe and must not raise on
    any text. A tagger with a ``version`` attribute has it recorded in the detector's version.
    """

    def tag(self, text: str) -> list[Finding]: ...


class Reports(Protocol):
    """What people reported of detection (`toolguard.feedback.Feedback`). Thread-safe."""

    def match(self, text: str) -> list[Span]:
        """Identifiers reported as missed that stand in ``text`` (normalised; offsets into it)."""
        ...

    def keeps(self, text: str) -> bool:
        """Whether ``text``, found as a whole, was reported to be no identifier."""
        ...


def unite(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, none overlapping: overlapping ones unite, so nothing that any recognizer marked stays in clear.

    A span that holds the other gives its type (an address holds a town); of two that cross, the one with the
    higher score, then the longer. A weak span gives way to a sure one inside it. What the tenant denies keeps its
    type and its characters: what covers it is cut there.
    """
    ordered: Sequence[Span] = sorted(_yielding(spans))
    out: list[Span] = []
    for span in ordered:
        if span.end <= span.start:
            continue
        if out and span.start < out[-1].end:
            last = out[-1]
            best = max(last, span, key=_rank)
            if last.end >= span.end and last.end - last.start > span.end - span.start and last.score >= _SURE:
                best = last
            elif span.start == last.start and span.end > last.end and span.score >= _SURE:
                best = span
            out[-1] = Span(last.start, max(last.end, span.end), best.type, best.score, best.source)
        else:
            out.append(span)
    return out


_SURE = 0.6


def _rank(span: Span) -> tuple[float, int]:
    return span.score, span.end - span.start


def _yielding(spans: Iterable[Span]) -> list[Span]:
    """The spans, cut where the tenant's deny list claims their characters."""
    every = list(spans)
    denied = sorted({(s.start, s.end) for s in every if s.source == DENY})
    if not denied:
        return every
    out: list[Span] = []
    for span in every:
        if span.source == DENY:
            out.append(span)
        else:
            out += [span._replace(start=start, end=end) for start, end in remains(span.start, span.end, denied)]
    return out


def remains(start: int, end: int, taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of a range that no range of ``taken`` (in order) covers."""
    out = []
    for begin, stop in taken:
        if stop <= start or begin >= end:
            continue
        if begin > start:
            out.append((start, begin))
        start = max(start, stop)
    if start < end:
        out.append((start, end))
    return out
