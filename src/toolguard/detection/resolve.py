"""Which of a tagger's findings are believed: a model guesses, and some guesses cannot be right."""

from __future__ import annotations

import re

from toolguard.detection.gazetteer import CLINICAL, EPONYM, FAMILY, GIVEN, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.dates import MONTHS
from toolguard.detection.rules.name_words import STOP
from toolguard.detection.spans import Span

__all__ = ["plausible"]

_MEASURE = re.compile(
    r"[×^/%°<>]|\d\s?(?:mg|mcg|ml|mmhg|degrees|days|weeks|months|years|hours|min|cm|mm|kg|units?)\b", re.IGNORECASE
)
_FRACTION = re.compile(r"\d{1,2}/\d{1,2}")
_CODED = frozenset(
    {
        "ID",
        "MRN",
        "ACCOUNT",
        "HEALTH_PLAN_ID",
        "LICENSE",
        "DEVICE",
        "VEHICLE",
        "SSN",
        "NPI",
        "DEA",
        "PHONE",
        "FAX",
        "ZIP",
    }
)
_PROSE = 4


def plausible(span: Span, lexed: Lexed) -> bool:
    """Whether a statistical finding can be what it says; the rules' own findings are not asked."""
    text = lexed.text[span.start : span.end]
    inside = [i for i, start in enumerate(lexed.starts) if span.start <= start < span.end]
    if not inside:
        return False
    digits = any(map(str.isdigit, text))
    short = len(lexed.words) < _PROSE
    if span.type in _CODED:
        return digits and not _MEASURE.search(text) and not (short and len(text) < 5)
    if span.type in ("DATE", "DATE_OF_BIRTH"):
        if _FRACTION.fullmatch(text):
            return False
        return digits or any(lexed.folded[i] in MONTHS or lexed.folded[i].endswith("day") for i in inside)
    if span.type == "ADDRESS":
        return len(inside) > 1 and not (digits and _MEASURE.search(text))
    if span.type in ("PERSON", "LOCATION", "FACILITY"):
        return _named(span, lexed, inside, short) and not (digits and _MEASURE.search(text))
    return True


def _named(span: Span, lexed: Lexed, inside: list[int], short: bool) -> bool:
    names = [i for i in inside if _can_name(lexed, i, span.type == "PERSON")]
    if not names:
        return False
    if short and (span.type != "PERSON" or len(names) < 2):
        return False
    if span.type == "LOCATION" and " ".join(lexed.folded[i] for i in inside) in gazetteer().regions:
        return False
    return span.type == "PERSON" or lexed.lower_style or any(lexed.caps[i] for i in names)


def _can_name(lexed: Lexed, i: int, person: bool) -> bool:
    word, flags = lexed.folded[i], lexed.flags[i]
    if not word[0].isalpha() or len(word) < 2 or word in STOP or flags & CLINICAL:
        return False
    if person:
        return not flags & WORD or (bool(flags & (GIVEN | FAMILY)) and not (flags & EPONYM and not lexed.caps[i]))
    return not flags & WORD or lexed.caps[i]
