"""All rule families over one text."""

from __future__ import annotations

import re

from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.addresses import addresses
from toolguard.detection.rules.ages import AGE_WORDS, ages
from toolguard.detection.rules.contact import emails, internet, phones
from toolguard.detection.rules.dates import dates
from toolguard.detection.rules.facilities import facilities
from toolguard.detection.rules.hl7 import hl7
from toolguard.detection.rules.identifiers import identifiers
from toolguard.detection.rules.labelled import initials, labelled
from toolguard.detection.rules.names import people
from toolguard.detection.rules.secrets import secrets
from toolguard.detection.rules.spaced import spaced
from toolguard.detection.rules.spoken import spoken_numbers
from toolguard.detection.rules.sql import sql
from toolguard.detection.rules.tables import tables
from toolguard.detection.rules.towns import towns
from toolguard.detection.spans import Span

__all__ = ["recognize"]

_LETTER = re.compile(r"[^\W\d_]")


def recognize(lexed: Lexed) -> list[Span]:
    """Every identifier the rules see in a text (normalised); spans may overlap."""
    text = lexed.text
    digits = bool(lexed.numbers)
    out: list[Span] = []
    if _LETTER.search(text):
        out += people(lexed)
        out += facilities(lexed)
        out += towns(lexed)
        out += secrets(lexed)
        if any(mark in text for mark in (":", "=", "|", "..", ". .", " like ", " LIKE ")):
            out += labelled(lexed)
        out += initials(lexed)
        out += tables(text)
        out += sql(lexed)
        out += spoken_numbers(lexed)
        out += spaced(lexed)
        out += emails(lexed)
    out += dates(lexed, digits)
    out += internet(text)
    if digits or not lexed.vocabulary.isdisjoint(AGE_WORDS):
        out += ages(lexed)
    if digits:
        out += phones(lexed)
        out += identifiers(lexed)
        out += addresses(lexed)
    if "|" in text:
        fields, lexed.fences = hl7(text)
        if lexed.fences:
            out = [span for span in out if not lexed.fenced(span.start, span.end)]
            out += fields
    return out
