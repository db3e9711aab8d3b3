"""Identifiers spelled out character by character: ``2 1 9 0 9 9 9 9 9``, ``M.a.r.i.a``."""

from __future__ import annotations

import re
from itertools import pairwise

from toolguard.detection.gazetteer import CLINICAL, FAMILY, GIVEN, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.normalise import fold
from toolguard.detection.spans import Span

__all__ = ["spaced"]

_SOURCE = "spaced"
_DIGITS = re.compile(r"(?<![\w.,])\d(?:[ ._*·-]{1,2}\d){6,18}(?![\w]|[.,]\d)")
_LETTERS = re.compile(r"(?<!\w)[^\W\d_]([ ._*·-])[^\W\d_](?:\1[^\W\d_]){1,24}(?!\w)")
_QUICK = re.compile(r"[ ._*·-](?<=\w.)\w[ ._*·-]\w[ ._*·-]\w(?!\w)")
_NINE, _TEN = 9, (10, 11)


def spaced(lexed: Lexed) -> list[Span]:
    """Numbers of seven or more single digits, and names, one character at a time."""
    text = lexed.text
    if not _QUICK.search(text):
        return []
    out = []
    for match in _DIGITS.finditer(text):
        digits = "".join(char for char in match[0] if char.isdigit())
        if not _counts(digits):
            kind = "SSN" if len(digits) == _NINE else "PHONE" if len(digits) in _TEN else "ID"
            out.append(Span(*match.span(), kind, 0.6, _SOURCE))
    out += [
        Span(*match.span(), "PERSON", 0.6, _SOURCE)
        for match in _LETTERS.finditer(text)
        if _names(fold("".join(char for char in match[0] if char.isalpha())))
    ]
    return out


def _names(word: str) -> bool:
    """A name, or a given and a family name run together."""
    get = gazetteer().flags.get
    if get(word, 0) & (GIVEN | FAMILY) and not get(word, 0) & (WORD | CLINICAL):
        return True
    return any(
        get(word[:at], 0) & GIVEN and get(word[at:], 0) & FAMILY and not get(word[:at], 0) & WORD
        for at in range(3, len(word) - 2)
    )


def _counts(digits: str) -> bool:
    """``1 2 3 4 5 6 7``, ``0 0 0 1 0 0 0``: a scale or a row of a table, no number."""
    steps = {int(b) - int(a) for a, b in pairwise(digits)}
    return len(steps) == 1 or len(set(digits)) < 3
