"""Rules and tagger side by side: whose word counts where they differ.

What a rule is sure of stands. What a rule merely suspects (a capital letter after a given name) needs the tagger to
have seen something there too. Of the tagger's findings only those are refused that cannot be right: quantities,
states and countries, words no one is called by. Numbers in words, bare weekdays and fractions of a line that are
dates are the tagger's to tell; rules cannot.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from toolguard.detection.gazetteer import CLINICAL, FAMILY, GIVEN, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.dates import MONTHS
from toolguard.detection.spans import Span

__all__ = ["believed"]

_SURE = 0.5
"""Rules below this score need the tagger's support."""
_MEASURE = re.compile(
    r"[×^%°<>]|\d\s?(?:mg|mcg|ml|mmhg|degrees|hours|min|cm|mm|kg|units?|mmol|meq|bpm)\b|\d\s?(?:mg|ml|g|l)/",
    re.IGNORECASE,
)
_SINGLE = re.compile(r"\w\.?")
_COMMON = frozenset(
    "the a an this that these those our my your his her their its country street city town village place area center centre office clinic hospital".split()
)


_RANGE = re.compile(r"(?:.{0,12}[^\d-])?\d{1,3}-\d{1,4}")
_LIST_ITEM = re.compile(r"\d{1,2}\. \d{1,2}")
_VOWEL = re.compile(r"[aeiouyáéíóúäöüAEIOUY]")
_DATED = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues weds wed thu thur thurs fri sat sun lunes martes miercoles jueves viernes sabado domingo today yesterday tomorrow tonight "
    "christmas thanksgiving easter halloween hanukkah ramadan diwali eid passover juneteenth kwanzaa holiday holidays eve anniversary birthday weekend week month night nite morning evening afternoon "
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth "
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety oh "
    "uno dos tres cuatro cinco seis siete ocho nueve diez once doce quince veinte treinta ayer hoy manana navidad semana day labor memorial valentine's mother's father's mothers fathers new".split()
)
_CODES = frozenset("ID MRN ACCOUNT DEVICE LICENSE HEALTH_PLAN_ID".split())
_SEASONS = frozenset(
    "last this next past the early late in of spring summer fall autumn winter year month same day".split()
)


def believed(rules: list[Span], guesses: Sequence[Span], lexed: Lexed) -> list[Span]:
    """Both recognizers' spans without those that do not hold against the other or against the text."""
    kept = [guess for guess in guesses if _possible(guess, lexed)]
    starts = [guess.start for guess in guesses]
    out = [rule for rule in rules if rule.score >= _SURE or _seen(rule, guesses, starts)]
    return out + kept


def _seen(rule: Span, guesses: Sequence[Span], starts: list[int]) -> bool:
    """Whether a guess overlaps the rule's span (guesses are in order and do not overlap)."""
    at = bisect_right(starts, rule.start) - 1
    return any(guess.start < rule.end and rule.start < guess.end for guess in guesses[max(at, 0) : at + 2])


def _possible(span: Span, lexed: Lexed) -> bool:
    text = lexed.text[span.start : span.end]
    if _SINGLE.fullmatch(text) or (lexed.fences and lexed.fenced(span.start, span.end)):
        return False
    first, last = bisect_left(lexed.starts, span.start), bisect_left(lexed.starts, span.end)
    words, flags = lexed.folded[first:last], lexed.flags[first:last]
    if span.type in ("PERSON", "LOCATION", "FACILITY"):
        if span.type == "LOCATION" and " ".join(words) in gazetteer().regions:
            return False
        if all(word in _COMMON for word in words):
            return False
        if span.type == "FACILITY" and not lexed.lower_style and not any(lexed.caps[first:last]):
            return False  # "a community clinic" in a text that knows capitals
        if (
            span.type == "PERSON"
            and len(words) == 1
            and flags[0] & (WORD | CLINICAL)
            and not flags[0] & (GIVEN | FAMILY)
        ):
            return False
        return not _MEASURE.search(text) and not (
            span.type == "PERSON" and _no_name(words, flags, text, lexed.shouting(first))
        )
    if span.type in ("DATE", "DATE_OF_BIRTH"):
        return _dated(words, text)
    if span.type in ("AGE", "EMAIL", "URL"):
        return not all(word in _COMMON for word in words)
    digits = sum(map(str.isdigit, text))
    if span.type in _CODES and (0 < digits < 3 or (digits == 0 and len(words) == 1 and words[0] in _DATED)):
        return False
    return not _MEASURE.search(text) and not _RANGE.fullmatch(text)


def _dated(words: list[str], text: str) -> bool:
    """Whether there is anything of a date in it: a digit, a month, a day, a number; a season alone is too coarse."""
    if any(map(str.isdigit, text)):
        return not _LIST_ITEM.fullmatch(text)
    if all(word in _SEASONS for word in words):
        return False
    return any(word in MONTHS or word in _DATED or word.rpartition("-")[2] in _DATED for word in words)


def _no_name(words: list[str], flags: list[int], text: str, shouting: bool) -> bool:
    """``ECLIA``, ``wpw``, ``AUC 400-600``: letters that nobody is called by."""
    if any(flag & (GIVEN | FAMILY) for flag in flags):
        return False
    if len(words) == 1 and len(words[0]) < 5 and not _VOWEL.search(text):
        return True
    if _RANGE.fullmatch(text) or " -" in text or text.startswith("-"):
        return True
    return len(words) == 1 and len(text) < 7 and text.isupper() and not shouting
