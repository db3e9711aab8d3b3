"""Dates: anything finer than a year; a year alone, a duration and a time of day are none."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re

from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.number_words import ONES, TEENS, TENS
from toolguard.detection.rules.scan import at_starts
from toolguard.detection.spans import Span

__all__ = ["MONTHS", "dates"]

_SOURCE = "date"
_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
    "|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre"
    "|janvier|fevrier|février|mars|avril|mai|juin|juillet|aout|août|septembre|octobre|novembre|decembre|décembre"
    "|januar|februar|märz|maerz|juni|juli|oktober|dezember"
)
MONTHS = frozenset(_MONTHS.split("|"))
_FOREIGN = frozenset("mayo mars mai marzo abril juin".split())
_FULL = frozenset("january february april june july august september october november december".split())
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:(?:1[89]|20)\d\d|'\d\d)"
_TIME = r"(?:(?:,?\s{1,2}|T|\s?@\s?)(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:\s?[AaPp]\.?[Mm]\b\.?)?(?:\s?(?:Z|UTC|GMT)\b|[+-]\d\d:?\d\d)?)?"
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|lunes|martes|mi[eé]rcoles|jueves|viernes|s[aá]bado|domingo)"
_AFTER_MONTH = re.compile(  # from the month on: "April 12th, 2023", "Apr 12", "April 2023", "Apr. '23"
    rf"\.?(?:(?:\s{{1,2}}|[-./])(?:the\s)?{_DAY}(?![\d:%/]|[.,]\d|-?\d)(?:(?:,?\s{{1,2}}(?:of\s)?|[-./,]){_YEAR}(?!\d))?"
    rf"|(?:,?\s{{1,2}}(?:of\s)?|[-./]){_YEAR}(?!\d)){_TIME}",
    re.IGNORECASE,
)
_YEAR_BEFORE = re.compile(r"(?<![\w./-])(?:18|19|20)\d\d[-/. ]$")
_YEAR_AFTER = re.compile(
    rf"\.?(?:(?:,?\s{{1,2}}(?:of\s|de\s|del\s)?|[-./])?{_YEAR}(?!\d)|-?\d\d(?!\d))?(?::[0-2]\d:[0-5]\d:[0-5]\d(?:\s[+-]\d{{4}})?|{_TIME})",
    re.IGNORECASE,
)
_DAY_BEFORE = re.compile(
    rf"(?<![\w./-])(?:{_WEEKDAY}\.?,?\s{{1,2}})?(?:the\s)?{_DAY}(?:\s{{0,2}}(?:and|&|to|-|through)\s{{0,2}}{_DAY})?"
    r"(?:\s{1,2}(?:day\s)?(?:of\s|de\s)?|[-./])?$",
    re.IGNORECASE,
)
_WEEKDAY_BEFORE = re.compile(rf"(?<!\w){_WEEKDAY}\.?,?\s{{1,2}}$", re.IGNORECASE)
_NUMERIC = re.compile(
    r"(?:(?<![\w./:$-])|(?<=/\d\d-)|(?<=/\d{4}-))(?:"
    r"(?:18|19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|1[0-2])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:18|19|20)\d\d"
    r"|(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|1[0-2])\3(?:18|19|20)\d\d"
    r"|(?:0?[1-9]|1[0-2])([-/])(?:0?[1-9]|[12]\d|3[01])\4'?\d\d|(?:0?[1-9]|[12]\d|3[01])([-/])(?:0?[1-9]|1[0-2])\5\d\d"
    r"|(?:0[1-9]|[12]\d|3[01])\.(?:0[1-9]|[12]\d|3[01])\.\d\d"  # of one digit each it is a version
    r"|(?:0?[1-9]|1[0-2])([-/.] |[ ])(?:0?[1-9]|[12]\d|3[01])\6(?:19|20)\d\d"
    r"|(?:0?[1-9]|1[0-2])/(?:19|20)\d\d"
    r"|(?:19|20)\d\d-(?:0[1-9]|1[0-2])"
    rf")(?![\w/]|\.\d|-\d(?!\d?/\d)){_TIME}"
)
_ISO_T = re.compile(
    r"(?<![\w.-])(?:18|19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])T[0-2]\d:?[0-5]\d(?::?[0-5]\d(?:[.,]\d{1,9})?)?"
    r"(?:Z|[+-]\d\d:?\d\d)?(?!\w)"
)
_COMPACT = re.compile(
    r"(?<![\w.-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[0-2]\d[0-5]\d(?:[0-5]\d)?(?:\.\d{1,4})?(?:[+-]\d{4})?)?(?![\w-]|\.\d)"
)
_SHORT = re.compile(
    r"(?<![\w/.-])(?:0?[1-9]|1[0-2])[/-](?:[12]\d|3[01]|0?[1-9])(?![\w/%]|[.-]\d|\s?(?:mg|ml|mm|of\b|strength|pain|hpf|x\b))",
    re.IGNORECASE,
)
_SHORT_RANGE = re.compile(
    r"(?<![\w/.-])(?:0?[1-9]|1[0-2])/(?:[12]\d|3[01]|0?[1-9])\s?(?:-|to|through|thru)\s?(?:0?[1-9]|1[0-2])/(?:[12]\d|3[01]|0?[1-9])(?![\w/%]|[.-]\d)",
    re.IGNORECASE,
)
_SHORT_NOT = re.compile(
    r"(?:pain|strength|score|scored|apgars?|bipap|cpap|vision|acuity|ratio|bp|reflexes|pulses?|lungs?|grade|stage|power|motor|scale|rass|gcs|mmse|moca|phq\S{0,3}|gad\S{0,3}|audit\S{0,3}|nodes?|psa|os|od|ou|va|peep|settings?|drop|factor"
    r"|gleason|epworth|audits?|burden|of|a|an|about|every|each|only|the|x|times|block|step|part|page|by|is|was|to|or|=|:|[\d.])\s?[:=]?\s?$",
    re.IGNORECASE,
)
_SHORT_THEN = re.compile(
    r"\s?(?:nodes?|lymph|ln|positive|pos\b|negative|neg\b|cores?|systolic|murmur|in\s?(?:strength|severity)|intensity|pain|on\s(?:the\s)?(?:scale|pain)|points?|criteria|strength|bilat|throughout|cc\b|hours?|days?|weeks?|split|tablets?|tabs?|pills?|inch|\"|cup|tsp|tbsp)",
    re.IGNORECASE,
)
_ORDINAL = re.compile(
    r"(?<![\w/])(?:on|the|this|coming|by|until|til|till|since|from|before|after)\s(?:the\s)?((?:1st|2nd|3rd|[4-9]th|1\dth|2[04-9]th|21st|22nd|23rd|30th|31st))"
    r"(?=\s?[?.!,;)]|\s{0,2}(?:\n|$)|\s(?:inst|at|and|for|around|before|after|from|w/|with|of\s(?:this|last|next|the)\s(?:month)?)\b)",
    re.IGNORECASE,
)
_BIRTH_SPOKEN = re.compile(
    rf"\b(?:dob|d o b|date of birth|birth\s?date|birthday|born(?: on)?)\W{{1,3}}(?:is\s|was\s|it's\s)?((?:(?:{TENS}|{TEENS}|{ONES}|oh|o|hundred|thousand|zero|and|of|the)[\s,-]{{1,2}}){{2,8}}(?:{TENS}|{TEENS}|{ONES}))\b",
    re.IGNORECASE,
)
_SPOKEN_BOTH = re.compile(
    r"\b(?:the\s)?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth"
    r"|(?:twenty|thirty)[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth))\sof\s(?:the\s)?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth)"
    r"(?:,?\s(?:(?:nineteen|twenty)\s)?(?:oh\s)?(?:(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|\d{2,4}))?\b",
    re.IGNORECASE,
)
_SHORT_CUE = re.compile(
    r"(?<![\w/])(?:on|dated?|dob|since|seen|visit|by|due|until|till|from|of|around|after|before|admitted|discharged|appt|scheduled|starting|started"
    r"|last|next|f/u|dos|filled|fill|refill|refilled|rtc|had|moved|out|back|resched|rescheduled|appointment|postponed|cancell?ed|coll|collected|rec'd|received|dc|disch|eff|effective|exp|expires|written|lmp|start|end|stop|review|return|returns|c\d{1,2}d\d{1,2}|coming|signed|sent|faxed|through|thru|to|between|d/c|d/c'd|eval|adm|born)\s?:?\s$",
    re.IGNORECASE,
)
_BIRTH = re.compile(
    r"(?:dob|d\.o\.b\.?|birth\s?date|birthday|date of birth|birth|born(?: on)?)[^\w]{1,8}(\d{1,2}[-/.]\d{1,2}[-/.]\d{1,4})(?![\w/])",
    re.IGNORECASE,
)
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())
_HOLIDAYS = frozenset("christmas thanksgiving easter halloween".split())
_NAMED_DAYS = frozenset(
    (
        "labor day",
        "memorial day",
        "independence day",
        "valentine day",
        "mother day",
        "father day",
        "new year",
        "martin luther",
        "veterans day",
        "columbus day",
        "presidents day",
    )
)
_NAMED_HEADS = frozenset(name.partition(" ")[0] for name in _NAMED_DAYS)
_THAT_DAY = frozenset("last next this past coming".split())
_BEFORE_DAY = frozenset("on since until by".split())
_BEFORE_HOLIDAY = frozenset("on since until by before after around over last next this at".split())
_CUES = frozenset(
    "in since last late early mid until till by from during this next between through and of around before after past "
    "for previous every on to en desde beginning end starting".split()
)
_SPOKEN_DAY = (
    rf"(?:(?:twenty|thirty)[- ]?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|{ONES})"
    rf"|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth"
    rf"|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|twenty|thirty|{TEENS}|{ONES})"
)
_SPOKEN_YEAR = (
    rf"(?:(?:nineteen|twenty|eighteen)[- ](?:(?:oh|o)[- ](?:{ONES})|hundred|(?:{TENS})(?:[- ](?:{ONES}))?|{TEENS})"
    rf"|two thousand(?: and)?(?: (?:(?:{TENS})(?:[- ](?:{ONES}))?|{TEENS}|{ONES}))?)"
)
_SPOKEN_AFTER = re.compile(
    rf",?\s(?:of\s)?{_SPOKEN_YEAR}\b|\s(?:the\s)?(?:{_SPOKEN_DAY}\b|{_DAY}\b)(?:,?\s(?:of\s)?(?:{_SPOKEN_YEAR}|{_YEAR})\b)?",
    re.IGNORECASE,
)
_SPOKEN_BEFORE = re.compile(rf"\b(?:the\s)?{_SPOKEN_DAY}\s(?:of\s|day\sof\s)?$", re.IGNORECASE)

_BIRTH_WORDS = frozenset("dob birth birthdate birthday born".split())
_ORDINALS = frozenset(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth".split()
)
_COMPACT_LENGTHS = frozenset({8, 12, 14})
_RELATIVE_WORDS = _DAYS | _HOLIDAYS | _NAMED_HEADS


def _month_dates(lexed: Lexed) -> list[Span]:
    """Dates with a month in letters, found at the month's name."""
    out: list[Span] = []
    text = lexed.text
    for index, word in enumerate(lexed.folded):
        if word not in MONTHS:
            continue
        start, end = lexed.starts[index], lexed.ends[index]
        if len(word) < 5 and not lexed.caps[index] and word not in ("june", "july"):
            # "may", "mar", "sep", "dec" in lower case are dates only beside a number
            near = text[max(0, start - 6) : end + 4]
            if not any(c.isdigit() for c in near) and not _SPOKEN_AFTER.match(text, end):
                continue
        before = _DAY_BEFORE.search(text, max(0, start - 36), start)
        if before:
            after = _YEAR_AFTER.match(text, end)
            out.append(Span(before.start(), after.end() if after else end, "DATE", 0.9, _SOURCE))
            continue
        weekday = _WEEKDAY_BEFORE.search(text, max(0, start - 12), start)
        begin = weekday.start() if weekday else start
        after = _AFTER_MONTH.match(text, end)
        if after and lexed.words[index].isupper() and len(word) < 5 and text[end] == "-" and after.end() - end < 4:
            after = None  # "SEP-1" is a code
        if after:
            year = _YEAR_BEFORE.search(text, max(0, start - 6), start)
            out.append(Span(year.start() if year else begin, after.end(), "DATE", 0.9, _SOURCE))
            continue
        if word in _FOREIGN:
            if _bare_month(lexed, index):
                out.append(Span(start, end, "DATE", 0.5, _SOURCE))
            continue
        spoken = _SPOKEN_BEFORE.search(text, max(0, start - 32), start)
        said = _SPOKEN_AFTER.match(text, end)
        if spoken and word != "may":
            year = _YEAR_AFTER.match(text, end)
            stop = said.end() if said else (year.end() if year else end)
            out.append(Span(spoken.start(), stop, "DATE", 0.8, _SOURCE))
        elif said:
            out.append(Span(begin, said.end(), "DATE", 0.75, _SOURCE))
        elif _bare_month(lexed, index):
            out.append(Span(start, end, "DATE", 0.5, _SOURCE))
    return out


def _bare_month(lexed: Lexed, index: int) -> bool:
    """``in March``, ``since last October``: a month alone, where its place shows that it is one."""
    if not index or lexed.gap(index - 1) not in (" ", "-", "  ", " the "):
        return False
    cue = lexed.folded[index - 1]
    word = lexed.folded[index]
    if not lexed.caps[index] and word not in _FULL:
        return False
    if word in ("may", "march", "mars", "mar", "mai") and cue in ("and", "to", "for", "of", "on", "this"):
        return False
    return cue in _CUES


def dates(lexed: Lexed, digits: bool) -> list[Span]:
    """Dates numeric, in letters, spoken, ISO 8601 and HL7; ``digits``: the text has any digit."""
    text = lexed.text
    vocabulary = lexed.vocabulary
    born = not vocabulary.isdisjoint(_BIRTH_WORDS) or ("o" in vocabulary and "b" in vocabulary)
    out = _month_dates(lexed)
    if digits:
        numbers = lexed.numbers
        out += [Span(*m.span(), "DATE", 0.85, _SOURCE) for m in at_starts(_NUMERIC, text, lexed.joined)]
        if "/" in text or "-" in text:
            for match in at_starts(_SHORT, text, lexed.joined):
                before = max(0, match.start() - 16)
                if _SHORT_CUE.search(text, before, match.start()):
                    out.append(Span(*match.span(), "DATE", 0.6, _SOURCE))
                elif (
                    int(re.split("[/-]", match[0])[1]) > 12
                    and "/" in match[0]
                    and not _SHORT_NOT.search(text, before, match.start())
                    and not _SHORT_THEN.match(text, match.end())
                ):
                    out.append(Span(*match.span(), "DATE", 0.5, _SOURCE))
        if born:
            out += [Span(*m.span(1), "DATE_OF_BIRTH", 0.95, _SOURCE) for m in _BIRTH.finditer(text)]
        if "T" in text and (4 in numbers or 8 in numbers):
            out += [Span(*m.span(), "DATE", 0.9, _SOURCE) for m in at_starts(_ISO_T, text, lexed.digits)]
        if numbers & _COMPACT_LENGTHS:
            out += [Span(*m.span(), "DATE", 0.6, _SOURCE) for m in at_starts(_COMPACT, text, lexed.digits)]
        if "/" in text:
            for match in at_starts(_SHORT_RANGE, text, lexed.joined):
                if not _SHORT_NOT.search(text, max(0, match.start() - 16), match.start()) and not _SHORT_THEN.match(
                    text, match.end()
                ):
                    out.append(Span(*match.span(), "DATE", 0.55, _SOURCE))
        if not vocabulary.isdisjoint(("st", "nd", "rd", "th")):
            out += [Span(*m.span(1), "DATE", 0.5, _SOURCE) for m in _ORDINAL.finditer(text)]
    if "of" in vocabulary and len(vocabulary & _ORDINALS) > 1:
        out += [Span(*m.span(), "DATE", 0.7, _SOURCE) for m in _SPOKEN_BOTH.finditer(text)]
    if born:
        out += [Span(*m.span(1), "DATE_OF_BIRTH", 0.85, _SOURCE) for m in _BIRTH_SPOKEN.finditer(text)]
    if not vocabulary.isdisjoint(_RELATIVE_WORDS):
        out += _relative(lexed)
    return out


def _relative(lexed: Lexed) -> list[Span]:
    """``last Tuesday``, ``since Friday``, ``before Labor Day``: a day by its name, where the word before says so."""
    out: list[Span] = []
    folded = lexed.folded
    for i, word in enumerate(folded):
        if not i or lexed.gap(i - 1) != " ":
            continue
        before = folded[i - 1]
        first, last = i, i
        if word in _DAYS:
            if before in _THAT_DAY:
                first = i - 1
            elif before not in _BEFORE_DAY:
                continue
        elif word in _HOLIDAYS:
            if before not in _BEFORE_HOLIDAY:
                continue
        elif word in _NAMED_HEADS and i + 1 < len(folded) and f"{word} {folded[i + 1]}" in _NAMED_DAYS:
            if before not in _BEFORE_HOLIDAY:
                continue
            last = i + 1
        else:
            continue
        if last + 1 < len(folded) and folded[last + 1] in ("eve", "day") and lexed.gap(last) in (" ", "'s "):
            last += 1
        out.append(Span(lexed.starts[first], lexed.ends[last], "DATE", 0.5, _SOURCE))
    return out
