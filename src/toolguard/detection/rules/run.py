"""All rule families over one text."""

from __future__ import annotations

import re

from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.contact import emails, internet, phones
from toolguard.detection.rules.dates import ages, dates
from toolguard.detection.rules.identifiers import identifiers
from toolguard.detection.rules.names import people
from toolguard.detection.rules.places import addresses, facilities, towns
from toolguard.detection.rules.secrets import secrets
from toolguard.detection.spans import Span

__all__ = ["recognize"]

_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")


def recognize(text: str) -> list[Span]:
    """Every identifier the rules see in normalised ``text``; spans may overlap."""
    digits = _DIGIT.search(text) is not None
    out: list[Span] = []
    if _LETTER.search(text):
        lexed = Lexed(text)
        out += people(lexed)
        out += facilities(lexed)
        out += towns(lexed)
        out += dates(lexed, digits)
        out += secrets(text)
        out += emails(text)
        out += internet(text)
        out += ages(text, digits)
    elif digits:
        out += dates(Lexed(text), digits)
        out += internet(text)
    if digits:
        out += phones(text)
        out += identifiers(text)
        out += addresses(text)
    return out
