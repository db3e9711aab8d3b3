"""Towns: ``Town, ST``, known cities, and what people live in. States and countries stay."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re

from toolguard.detection.gazetteer import CITY, CITY_HEAD, CLINICAL, FAMILY, GIVEN, REGION, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.dates import MONTHS
from toolguard.detection.rules.places import CENTRES, NOUNS, SOURCE, STATE, TOWN, phrase
from toolguard.detection.spans import Span

__all__ = ["towns"]

_TOWN_STATE = re.compile(rf"(?<![\w])({TOWN}),\s{{1,2}}({STATE})\b(?!\s?[-:=])(?:,?\s{{1,3}}\d{{5}}(?:-\d{{4}})?\b)?")
_COMMA_STATE = re.compile(rf",\s{{1,2}}{STATE}\b")
_NUMBER_AFTER = re.compile(r"\s?[:#]|\s(?=[A-Z0-9-]{0,20}\d)(?!\d{5}(?!\d))")
_CAPITALS = re.compile(r"\s[A-Z]{2,}")
_THINGS = frozenset(
    "disease syndrome virus fever score risk scale study trial criteria classification rule rules protocol consensus guideline guidelines statement declaration convention index "
    "method test equation formula staging grading heart cohort".split()
)
_THING_HEADS = frozenset("risk coma heart ankle knee equine sleep ethnic stroke pain".split())
_STREETS = frozenset("street st avenue ave road rd lane drive boulevard blvd way court".split())
_PLACE_CUES = frozenset(
    "in from near at to of living lives resides residing resident residence located outside around visiting visited moved relocated via city town travelling traveling live lived born based staying".split()
)
_TRUE_PLACE_CUES = frozenset("in near outside around lives resides living reside live".split())


def towns(lexed: Lexed) -> list[Span]:
    """Towns: ``Town, ST``; a known city after a preposition or standing apart; cities of several words."""
    text = lexed.text
    out = []
    states = gazetteer().states
    for match in (
        _TOWN_STATE.finditer(text)
        if (5 in lexed.numbers or not states.isdisjoint(lexed.words)) and _COMMA_STATE.search(text)
        else ()
    ):
        head = match[1].split()[0].lower()
        if match[2] == "ID" and _NUMBER_AFTER.match(text, match.end(2)):
            continue  # "Precious Moyo, ID XQF992817364"
        if head in ("dr", "mr", "mrs", "ms") or (
            match[2] in ("MD", "PA", "MS", "MA", "DC", "DE", "LA", "CO", "AL") and _is_person(match[1])
        ):
            continue
        if match[2] in ("OR", "IN", "ME", "OK", "HI", "AL", "LA", "DE") and _CAPITALS.match(text, match.end()):
            continue
        begin = match.start() + (len(head) + 1 if head in _PLACE_CUES and " " in match[1] else 0)
        out.append(Span(begin, match.end(), "LOCATION", 0.75, SOURCE))
    words, flags, caps = lexed.folded, lexed.flags, lexed.caps
    _dwelling(lexed, out)
    cities = gazetteer().cities
    skip = -1
    for i, flag in enumerate(flags):
        if i <= skip or not flag & (CITY | CITY_HEAD) or not (caps[i] or lexed.lower_style):
            continue
        if flag & CITY_HEAD:
            last = phrase(lexed, i, cities)
            if last is not None and (caps[last] or lexed.lower_style):
                out.append(Span(lexed.starts[i], lexed.ends[last], "LOCATION", 0.7, SOURCE))
                skip = last
                continue
        if (
            not flag & CITY
            or flag & CLINICAL
            or (len(words[i]) < 4 and words[i] != "nyc")
            or words[i] in MONTHS
            or _names_a_thing(lexed, i)
            or (caps[i] and not lexed.words[i][1:].islower() and not lexed.words[i].isupper())
        ):
            continue
        cue = words[i - 1] if i and lexed.gap(i - 1) == " " else ""
        if lexed.words[i].isupper() and len(words[i]) < 6 and cue not in _PLACE_CUES and not lexed.shouting(i):
            continue  # "HIDA neg"
        named = flag & (GIVEN | FAMILY)
        if flag & WORD:
            if not caps[i] or cue not in _TRUE_PLACE_CUES or lexed.shouting(i):
                continue
        elif named:
            placed = (
                i
                and lexed.gap(i - 1) in (", ", ",")
                and (words[i - 1] in NOUNS or words[i - 1] in CENTRES or words[i - 1] in _STREETS)
            )
            branch = i + 1 < len(words) and words[i + 1] in (
                "branch",
                "office",
                "campus",
                "location",
                "area",
                "suburbs",
            )
            if not placed and not branch and (cue not in _PLACE_CUES or cue == "of"):
                continue
            if not caps[i] and cue not in _TRUE_PLACE_CUES:
                continue
        elif (not caps[i] or lexed.shouting(i)) and cue not in _PLACE_CUES:
            continue
        out.append(Span(lexed.starts[i], lexed.ends[i], "LOCATION", 0.6, SOURCE))
    return out


_DWELL = re.compile(
    r"\b(?:liv(?:es|ing|ed) (?:alone |with [a-z]+ )?(?:in|near|at|outside)|resid(?:es|ing|ent of|ed) (?:in|at|near)?|stay(?:s|ing|ed) (?:in|at|near|with)|born in|moved (?:to|from)|hometown(?: is| of)?|native of|reloca\w+ to|travel+(?:s|ed|ing) (?:to|from)|based in|grew up in|city of|town of|village of|county of|home in|commutes from|visiting(?: from)?)\s(?:the )?$",
    re.IGNORECASE,
)
_DWELL_ENDS = _PLACE_CUES | {"the", "with", "is"}


def _dwelling(lexed: Lexed, out: list[Span]) -> None:
    """``lives in Orchid Bay``: capitals after a word of dwelling, known as a city or not."""
    text, caps, flags = lexed.text, lexed.caps, lexed.flags
    folded = lexed.folded
    for i in [i for i, cap in enumerate(caps) if cap and i and folded[i - 1] in _DWELL_ENDS]:
        if flags[i] & (CLINICAL | REGION):
            continue
        start = lexed.starts[i]
        if not _DWELL.search(text, max(0, start - 40), start):
            continue
        last = i
        while (
            last + 1 < len(caps)
            and last - i < 4
            and caps[last + 1]
            and lexed.gap(last) in (" ", "-", ". ")
            and (lexed.gap(last) != ". " or lexed.folded[last] in ("st", "mt", "ft"))
        ):
            last += 1
        out.append(Span(start, lexed.ends[last], "LOCATION", 0.65, SOURCE))


def _names_a_thing(lexed: Lexed, i: int) -> bool:
    """``Framingham risk score``, ``Lyme disease``, ``Glasgow Coma Scale``."""
    if i + 1 >= len(lexed.folded) or lexed.gap(i) not in (" ", "-", "'s "):
        return False
    after = lexed.folded[i + 1 : i + 3]
    return bool(_THINGS.intersection(after[:1])) or (
        bool(_THINGS.intersection(after)) and lexed.gap(i + 1) == " " and after[0] in _THING_HEADS
    )


def _is_person(town: str) -> bool:
    """``Anna Oakhart, MD`` is a person with a degree, not a town in Maryland."""
    get = gazetteer().flags.get
    words = town.lower().split()
    return bool(get(words[0], 0) & GIVEN and len(words) > 1 and not get(words[-1], 0) & CITY)
