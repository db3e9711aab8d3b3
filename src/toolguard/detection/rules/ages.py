"""Ages. One counts from 90 (45 CFR 164.514(b)(2)(i)(C)); the span is the number alone."""

from __future__ import annotations

import re

from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.number_words import ONES, TEENS
from toolguard.detection.spans import Span

__all__ = ["AGE_WORDS", "ages"]

_SOURCE = "age"
_AGE = re.compile(
    r"(?<![\w./$-])(9\d|1[0-3]\d)(?:\+|[\s-]{0,2}(?:years?|yrs?\.?|y\.?\s?[/-]?\s?o\.?|yo|y\.o\.|años|ans|jahre|y)(?:[MFmf]\b|(?![A-Za-z]))"
    r"(?!\s(?:ago|later|of\s(?:follow|data|experience|history|service)|follow|since|prior|from\snow|after|before|survival))"
    r"|\s?/?\s?(?:M|F|male|female)\b|[- ]years?[- ]old)"
)
_FEVER = re.compile(
    r"(?:temp\w*|tmax|tm|t|fever|febrile|°|degrees|to|of)\W{0,4}(?:of\s|to\s|was\s|is\s)?$", re.IGNORECASE
)
_AGE_LABEL = re.compile(
    r"\b(?:age[ds]?|aged|age/sex|edad|âge|turn(?:ed|ing|s)|alter)(?:\s(?:is|was|of|at|now))?\s?[:=|]?\s?(9\d|1[0-3]\d)(?![\w/%]|[.-]\d)(?!\s?(?:days|months|weeks|hours|mg|min))",
    re.IGNORECASE,
)
_AGE_ASIDE = re.compile(r"(?<=[A-Za-z)], )(9\d|1[01]\d)(?=[,.;](?:\s|$))(?![,.]\d)")
_AGE_IS = re.compile(
    r"\b(?:(?:she|he|i|who|patient|pt|mom|mum|dad|mother|father|grandma|grandpa|grandmother|grandfather|husband|wife|lady|gentleman|resident|client)(?:'s|'m|\s(?:is|was|am))\s(?:now\s|almost\s|just\s|only\s)?)"
    r"(9\d|1[01]\d)(?=[,.;!?]|\s(?:and|now|but|with|who|lives|this|in|years)\b|\s{0,2}$)",
    re.IGNORECASE,
)
_AGE_KIN = re.compile(
    r"\b(?:(?:grand)?(?:mother|father|ma|pa|mom|dad)|mgm|mgf|pgm|pgf|nonagenarian|centenarian|aunt|uncle|widow|widower|lady|gentleman)\s?[,(]?\s?(9\d|1[01]\d)(?=[,.;)]|\s(?:with|w/|alive|living|and|who|has|had|in)\b|$)",
    re.IGNORECASE,
)
_AGE_AT = re.compile(
    r"(?:\b(?:died|dead|deceased|passed(?: away)?|lived|dx(?:'d)?|diagnosed|death)|\bd\.),?\s(?:(?:at|to|of)\s)?(?:age\s)?(9\d|1[01]\d)(?![\w/%]|[.-]\d)(?!\s(?:days|weeks|months|hours|home|mg))",
    re.IGNORECASE,
)
_AGE_SAID = re.compile(
    rf"(?<=[a-z], )(ninety(?:[- ](?:{ONES}))?|a hundred(?: and (?:{ONES}))?)(?=[,.;](?:\s|$))"
    rf"|\b(?:(?:cumpli[oó]|tiene|de)\s(noventa(?: y (?:uno?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve))?|cien|ciento (?:uno?|dos|tres|cuatro|cinco))\b)"
    rf"|\b(?:age[ds]?|turn(?:ed|ing|s)|i'm|he's|she's|is|am)\s(ninety(?:[- ](?:{ONES}))?|(?:one|a) hundred(?: and (?:{ONES}))?)(?=[,.;?!]|\s(?:now|and|this|next|years|in|last)\b|$)",
    re.IGNORECASE,
)
_AGE_WORDS = re.compile(
    rf"\b(ninety(?:[- ](?:{ONES}))?|(?:one|a) hundred(?:(?: and)?[- ](?:{ONES}|{TEENS}))?)(?=[- ](?:years?|year)[- ](?:old|of age)|[- ]?y/?o\b)",
    re.IGNORECASE,
)
AGE_WORDS = frozenset(("ninety", "hundred", "noventa", "cien", "ciento"))
_AGES = frozenset(map(str, range(90, 140)))

_LOCAL = ((_AGE_LABEL, 0.85), (_AGE_ASIDE, 0.6), (_AGE_IS, 0.7), (_AGE_AT, 0.7), (_AGE_KIN, 0.6))
_BEFORE, _AFTER = 40, 24
"""Characters around a number within which a pattern must match."""


def ages(lexed: Lexed) -> list[Span]:
    """Ages in digits and in words."""
    text, vocabulary = lexed.text, lexed.vocabulary
    out: list[Span] = []
    if not vocabulary.isdisjoint(_AGES):
        for i, word in enumerate(lexed.folded):
            if word in _AGES:
                out += _at(text, lexed.starts[i])
    if not vocabulary.isdisjoint(AGE_WORDS):
        out += [Span(*m.span(1), "AGE", 0.8, _SOURCE) for m in _AGE_WORDS.finditer(text)]
        out += [Span(*m.span(m.lastindex or 0), "AGE", 0.7, _SOURCE) for m in _AGE_SAID.finditer(text)]
    return out


def _at(text: str, start: int) -> list[Span]:
    """The number at ``start`` as an age."""
    match = _AGE.match(text, start)
    if match:
        return [] if _is_fever(text, match) else [Span(*match.span(1), "AGE", 0.8, _SOURCE)]
    for pattern, score in _LOCAL:
        for found in pattern.finditer(text, max(0, start - _BEFORE), min(len(text), start + _AFTER)):
            if found.start(1) == start:
                return [Span(*found.span(1), "AGE", score, _SOURCE)]
    return []


def _is_fever(text: str, match: re.Match[str]) -> bool:
    """``temp 101 F``."""
    return match[0][-1] == "F" and bool(_FEVER.search(text, max(0, match.start() - 16), match.start()))
