"""Numbers in words, as people dictate and say them: ``five five five, one two one two``, ``m r n four four one``."""

from __future__ import annotations

import re

from toolguard.detection.lexer import Lexed
from toolguard.detection.spans import Span

__all__ = ["spoken_numbers"]

_SOURCE = "spoken"
_DIGIT_WORD = "zero|oh|o|one|two|three|four|five|six|seven|eight|nine|niner|double|triple|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
_SPOKEN = re.compile(
    rf"(?<![\w-])(?:(?:{_DIGIT_WORD}|dash|hyphen|\d)(?:[\s,.-]{{1,3}}|$)){{4,30}}(?:{_DIGIT_WORD}|\d)(?![\w-])",
    re.IGNORECASE,
)
_SPOKEN_PAIR = re.compile(rf"(?<![\w-])(?:{_DIGIT_WORD})[\s,.-]{{1,3}}(?:{_DIGIT_WORD})(?![\w-])", re.IGNORECASE)
_DIGIT_WORDS = frozenset(_DIGIT_WORD.split("|")) - {"o"}
_NUMBER_WORD = (
    rf"{_DIGIT_WORD}|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand"
    r"|dash|hyphen|slash|[a-z]|alpha|bravo|charlie|delta|echo|foxtrot|tango|victor|whiskey|zulu|diez|once|doce|veinte|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa|y"
)
_LABELS = {
    "MRN": r"m r n|mrn|medical record(?: number)?|record number|chart number|expediente",
    "PHONE": r"phone(?: number)?|telephone(?: number)?|number is|call(?: me| us)?(?: back)?(?: at)?|reach (?:me|us|him|her) at|cell(?: phone)?(?: number)?(?: is)?|extension|tel[eé]fono|n[uú]mero es|pager",
    "ZIP": r"zip(?: code)?",
    "SSN": r"social(?: security)?(?: number)?|ssn|s s n",
    "HEALTH_PLAN_ID": r"policy(?: number)?|member(?: id| number)?|group number|insurance(?: id| number)",
    "ACCOUNT": r"account(?: number)?|claim(?: number)?|invoice(?: number)?|routing(?: number)?",
    "ID": r"order(?: number)?|case(?: number)?|id(?: number)?|confirmation(?: number| code)?|reference(?: number)?|prescription(?: number)?|accession(?: number)?|license(?: number)?|badge(?: number)?|ticket(?: number)?",
}
_LABELLED = re.compile(
    "(?<![\\w-])(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in _LABELS.items())
    + rf")(?:\s(?:is|was|of|ends in|ending in|uh|um|es)){{0,2}}[\s,:]{{1,3}}(?P<value>(?:(?:{_NUMBER_WORD}|\d{{1,4}})[\s,.-]{{1,3}}){{2,30}}(?:{_NUMBER_WORD}|\d{{1,4}}))(?![\w-])",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    rf"(?<![\w-])(?:{_DIGIT_WORD}|ten|eleven|twelve|\w{{2,5}}teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?![\w-])",
    re.IGNORECASE,
)
_TAIL = re.compile(r"(?:[\s,.-]{1,3}[a-z]){1,12}$", re.IGNORECASE)
_CALLS = ("phone", "call", "number is", "cell", "reach", "mobile")


def spoken_numbers(lexed: Lexed) -> list[Span]:
    """Five or more digits said one by one, and shorter ones, tens and letters after the name of a number."""
    if len(lexed.vocabulary & _DIGIT_WORDS) < 2:
        return []
    text = lexed.text
    out: list[Span] = []
    for match in _SPOKEN.finditer(text):
        if _SPOKEN_PAIR.search(match[0]):
            before = text[max(0, match.start() - 40) : match.start()].lower()
            out.append(Span(*match.span(), "PHONE" if any(w in before for w in _CALLS) else "ID", 0.75, _SOURCE))
    for match in _LABELLED.finditer(text):
        value = match["value"]
        tail = _TAIL.search(value)
        end = match.end("value") - (len(tail[0]) if tail and tail.start() != 0 else 0)
        if len(_COUNTED.findall(value)) > 2:
            kind = next(kind for kind in _LABELS if match[kind])
            out.append(Span(match.start("value"), end, kind, 0.75, _SOURCE))
    return out
