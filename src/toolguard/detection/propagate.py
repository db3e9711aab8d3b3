"""Identifiers known to a session: found again exactly and by alias, whatever the rules make of the place.

Who may add one is decided by the caller; here stands what can be one at all. A value that is an English word, a
quantity, a year or too short is refused, so that no source can declare "not" or "10 mg" to be a name.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
import threading
from typing import NamedTuple

from toolguard.detection.gazetteer import CLINICAL, FAMILY, GIVEN, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.normalise import normalise
from toolguard.detection.spans import Span

__all__ = ["MAX_TERMS", "KnownTerms"]

MAX_TERMS = 4096
"""Identifiers one session keeps; later ones are not learned (the rules still see them)."""

_SOURCE = "known"
_GAP = re.compile(r"[ \t\n.,'/()_+-]{0,3}")
_QUANTITY = re.compile(r"\d{1,12}(?:[.,]\d{1,12})?\s?(?:[a-zµ%°]{1,6}(?:/[a-z]{1,6})?)", re.IGNORECASE)
_NUMBERED = frozenset(
    "MRN SSN PHONE FAX HEALTH_PLAN_ID ACCOUNT LICENSE NPI DEA VEHICLE DEVICE ID CREDIT_CARD FHIR_ID BIOMETRIC".split()
)
_PLACED = frozenset("LOCATION FACILITY ADDRESS".split())
_NEVER = frozenset("DATE DATE_OF_BIRTH AGE ZIP PHOTO".split())
_STOP = frozenset(
    "the and for not but with from that this have has had was were are any all new old one two man men boy her his him she they them our your its who how why when "
    "patient doctor nurse hospital clinic center medical health care home street road avenue drive lane unknown none null test anonymous unnamed baby male female "
    "junior senior north south east west monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september "
    "october november december jan feb mar apr jun jul aug sep oct nov dec miss mister missus dame lord lady doe the van von der den del los las dos".split()
)


_FUNCTION = frozenset("not no a an the of and or for with in on at to is was be".split())


class _Entry(NamedTuple):
    tokens: tuple[str, ...]
    type: str
    capital: bool
    number: int


class KnownTerms:
    """Identifiers with their aliases, indexed by first word. Thread-safe; only ever grows."""

    def __init__(self, limit: int = MAX_TERMS) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str]] = set()
        self._index: dict[str, tuple[_Entry, ...]] = {}
        self._generation = 0

    @property
    def generation(self) -> int:
        """How many identifiers were accepted so far; see ``since`` of `find`."""
        return self._generation

    def add(self, type: str, value: str) -> bool:
        """Make ``value`` known. False if it cannot be an identifier, is known already, or the limit is reached."""
        value = normalise(value).text.strip()
        if not value or len(value) > 200 or type in _NEVER:
            return False
        lexed = Lexed(value)
        aliases = _aliases(type, value, lexed)
        if not aliases:
            return False
        with self._lock:
            key = (type, value.lower())
            if key in self._seen or len(self._seen) >= self._limit:
                return False
            self._seen.add(key)
            number = self._generation
            for tokens, capital in aliases:
                entries = self._index.get(tokens[0], ())
                if not any(e.tokens == tokens for e in entries):
                    self._index[tokens[0]] = (*entries, _Entry(tokens, type, capital, number))
            self._generation += 1
        return True

    def begins(self, word: str) -> bool:
        """Whether an identifier that is known begins with ``word``; a fast no for what is one word."""
        return word in self._index

    def find(self, lexed: Lexed, since: int = 0) -> list[Span]:
        """Known identifiers in ``lexed``; with ``since``, only those accepted from that generation on."""
        out: list[Span] = []
        index = self._index
        if not index or self._generation <= since:
            return out
        for i, word in enumerate(lexed.folded):
            entries = index.get(word)
            if not entries:
                continue
            for entry in entries:
                if entry.number >= since:
                    span = _match(lexed, i, entry)
                    if span is not None:
                        out.append(span)
        return out


def _match(lexed: Lexed, i: int, entry: _Entry) -> Span | None:
    last = i + len(entry.tokens) - 1
    if last >= len(lexed.folded) or (entry.capital and not lexed.caps[i]):
        return None
    for offset, token in enumerate(entry.tokens):
        if lexed.folded[i + offset] != token or (offset and not _GAP.fullmatch(lexed.gap(i + offset - 1))):
            return None
    start, end = lexed.starts[i], lexed.ends[last]
    text = lexed.text
    if (start and text[start - 1].isalnum()) or (end < len(text) and text[end].isalnum()):
        return None
    if entry.capital and last + 1 < len(lexed.folded) and lexed.folded[last + 1] in ("disease", "syndrome", "sign"):
        return None
    return Span(start, end, entry.type, 0.9, _SOURCE)


def _aliases(type: str, value: str, lexed: Lexed) -> list[tuple[tuple[str, ...], bool]]:
    """Token sequences under which ``value`` is found again, and whether each must begin with a capital."""
    tokens = tuple(lexed.folded)
    if not tokens or len(tokens) > 24:
        return []
    if type == "PERSON":
        return _person(lexed)
    alnum = sum(c.isalnum() for c in value)
    digits = sum(c.isdigit() for c in value)
    if type in _NUMBERED:
        if alnum < 5 or digits < 3 or (_QUANTITY.fullmatch(value) and not (alnum > 7 and " " not in value)):
            return []
        if value.isdigit() and len(value) == 4:
            return []
        out = [(tokens, False)]
        if len(tokens) > 1 and digits >= 7:
            out.append((tuple(Lexed("".join(c for c in value if c.isalnum())).folded), False))
        elif value.isdigit() and type == "SSN" and len(value) == 9:
            out.append(((value[:3], value[3:5], value[5:]), False))
        elif value.isdigit() and type in ("PHONE", "FAX") and len(value) == 10:
            out.append(((value[:3], value[3:6], value[6:]), False))
        return out
    if type in _PLACED:
        flags = gazetteer().flags
        content = [t for t in tokens if len(t) > 2 and t not in _STOP]
        if not content or alnum < 4 or (len(tokens) == 1 and flags.get(tokens[0], 0) & (WORD | CLINICAL)):
            return []
        if type != "LOCATION" and len(tokens) < 2:
            return []
        return [(tokens, len(tokens) == 1)]
    if type in ("EMAIL", "URL", "IP_ADDRESS", "SECRET"):
        return [(tokens, False)] if alnum >= 6 else []
    # a type of the user's own: exact only, and only if it could not be a common word
    common = len(tokens) == 1 and (gazetteer().flags.get(tokens[0], 0) & (WORD | CLINICAL) or tokens[0] in _STOP)
    return [] if common or alnum < 4 else [(tokens, False)]


def _person(lexed: Lexed) -> list[tuple[tuple[str, ...], bool]]:
    tokens = tuple(lexed.folded)
    if len(tokens) > 7 or any(not t[0].isalpha() for t in tokens):
        return []
    flags = [gazetteer().flags.get(t, 0) for t in tokens]
    named = [
        t not in _STOP and len(t) > 2 and not f & CLINICAL and (not f & WORD or bool(f & (GIVEN | FAMILY)))
        for t, f in zip(tokens, flags, strict=True)
    ]
    if not any(named):
        return []
    out: list[tuple[tuple[str, ...], bool]] = []
    if len(tokens) > 1:
        # a full name of which a part is no name ("not a", "10 mg tablet") is none
        if sum(named) * 2 < len([t for t in tokens if len(t) > 2]) or not _FUNCTION.isdisjoint(lexed.words):
            return []
        if not any(good and (not f & WORD or f & GIVEN) for good, f in zip(named, flags, strict=True)):
            return []
        out.append((tokens, False))
    for token, flag, good in zip(tokens, flags, named, strict=True):
        if good:
            out.append(((token,), bool(flag & WORD) or len(token) < 4))
    return out
