"""Masked text: each placeholder in the colour of its kind. What hovers over it is the kind, the score and the finder, never the value."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

from toolguard._core.call import Json
from toolguard._core.flow.marked import MarkedSpan, MarkedText
from toolguard._core.vault import LITERAL, token_spans
from toolguard.display.page import View, el, join, lines, page

__all__ = ["marked_view", "seen_view"]

_COLOURS = 8
_SHOWN = 20_000
"""Characters of one text; a longer one is cut, and says so."""


_COLOUR = {
    name: f"c{number}"
    for number, names in enumerate(
        (
            ("PERSON", "USERNAME"),
            ("MRN", "FHIR_ID", "ACCOUNT", "HEALTH_PLAN"),
            ("DATE", "DATE_OF_BIRTH", "AGE"),
            ("ADDRESS", "LOCATION", "ZIP", "CITY"),
            ("EMAIL", "URL", "IP_ADDRESS"),
            ("PHONE", "FAX"),
            ("ORGANIZATION", "FACILITY", "PROFESSION"),
            ("SSN", "LICENSE", "SECRET", "API_KEY"),
        )
    )
    for name in names
}
"""Kinds that often stand together have different colours; others get one by their name."""


def _colour(type: str) -> str:
    return _COLOUR.get(type) or f"c{zlib.crc32(type.encode()) % _COLOURS}"


def _pieces(text: str, spans: Iterable[MarkedSpan]) -> Iterator[Markup]:
    at = 0
    for span in spans:
        yield _text(text[at : span.start])
        yield el("mark", _text(text[span.start : span.end]), class_=_colour(span.type), title=_title(span))
        at = span.end
    yield _text(text[at:])


def _title(span: MarkedSpan) -> str:
    kept = "; the policy lets it stand" if span.kept else ""
    if not span.source:
        return f"{span.type}{kept}"
    return f"{span.type}, score {span.score:.2f}, found by {span.source}{kept}"


def _text(text: str) -> Markup:
    """Escaped; line breaks and tabs stay."""
    return escape(lines(text))


def _page(title: str, text: str, spans: tuple[MarkedSpan, ...]) -> View:
    cut = text[:_SHOWN]
    seen = tuple(s for s in spans if s.end <= _SHOWN)
    counts = Counter(s.type for s in spans)
    key = el(
        "div",
        *(el("span", el("i", class_=_colour(type)), f"{type} × {n}") for type, n in sorted(counts.items())),
        class_="key",
    )
    total = sum(counts.values())
    html = page(
        title,
        el("pre", join(_pieces(cut, seen))),
        el("p", f"{len(text) - _SHOWN} more characters are not shown.", class_="foot") if len(text) > _SHOWN else None,
        key if counts else None,
        tone="info",
        sub=f"{total} identifier{'' if total == 1 else 's'} in {len(counts)} kind{'' if len(counts) == 1 else 's'}"
        if total
        else "No identifier was found.",
    )
    told = ", ".join(f"{type} × {n}" for type, n in sorted(counts.items()))
    return View(html=html, text=f"{text}\n[{told or 'no identifier was found'}]")


def marked_view(marked: MarkedText) -> View:
    return _page("What the model sees", marked.text, marked.spans)


def seen_view(value: Json) -> View:
    """Any masked JSON or text, with the placeholders in it in colour. It masks nothing: give it what was masked."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    spans = tuple(
        MarkedSpan(start=s.start, end=s.end, type=s.token.type, score=0.0, source="")
        for s in token_spans(text)
        if s.token.type != LITERAL
    )
    return _page("What the model sees", text, spans)
