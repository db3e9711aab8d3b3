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

from toolguard.detection.gazetteer import CITY, CITY_HEAD, CLINICAL, FACILITY_HEAD, FAMILY, GIVEN, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.dates import MONTHS
from toolguard.detection.rules.facilities import GENERIC
from toolguard.detection.rules.identifiers import is_public
from toolguard.detection.rules.places import CENTRES, NOUNS
from toolguard.detection.rules.support import supported
from toolguard.detection.rules.vocabulary import is_term
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
_DOTTED = re.compile(r"\d{1,2}\.\d{1,2}\.\d{1,2}")
_TRIPLE = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.\d{1,4}(?![\d.])")
_AGE = re.compile(r"\D{0,12}(?:9\d|1[0-4]\d)\D{0,14}")
_PACKAGE = re.compile(r"@\d|@\S{0,80}/|\s\S{0,80}\s")
_WEEKS = re.compile(r"\b\d+w\d")
_COMPANY = frozenset(
    "scientific therapeutics pharmaceuticals pharma biosciences dynamics systems software technologies protocol consensus trial study criteria guideline guidelines declaration".split()
)
_INDOORS = frozenset(
    "elevator elevators entrance lobby cafeteria garage desk hall hallway wing tower floor door stairs stairwell gate bay pod unit ward room lot".split()
)
_PLACE_CUES = frozenset(
    "in from near at to of living lives resides residing resident residence located outside around visiting visited moved relocated via city town travelling traveling live lived born based staying for de en a".split()
)
_PLACED_BY = frozenset("ADDRESS ZIP LOCATION PHONE FACILITY PERSON AGE DATE_OF_BIRTH".split())
_MACHINE = frozenset(
    "offset partition port pid process shard build ts epoch modifier drg bin pcn taxonomy trace span thread worker icd cpt hcpcs loinc snomed sctid rxcui rxnorm ndc clinvar omim remark".split()
)
_NOBODY = ("127.", "0.0.0.0")  # noqa: S104 - this machine: nothing is bound
_SENTENCE = re.compile(r"[a-z]{3}\. [A-Z][a-z]+$")
_BILLED = re.compile(
    r"\d{5}(?:-[A-Z0-9]{2})?|x\d{1,2}|(?:CO|PR|OA|PI|CR)-?\d{1,3}|[NM]A?\d{1,3}|[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?|[A-Z]\d{4}|[A-Z]{2,6}\d{1,2}[A-Z]?"
)
_SPELLED_UNIT = re.compile(
    r"\b(?:milligrams?|micrograms?|grams?|kilos?|milliliters?|mils?|liters?|units?|tablets?|capsules?|pounds?|percent|degrees|puffs?|drops|times|joules|centimeters?|millimeters?)\b",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?:[^\W\d]{1,24}\s){0,6}\d{1,3}(?:\s[^\W\d]{1,24}){0,4}")
_DAY_WORDS = frozenset("the el den am on th st nd rd day dia jour".split())
_YEAR_WORDS = frozenset(
    "two thousand and nineteen twenty thirty forty fifty sixty seventy eighty ninety oh hundred one three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen".split()
)
_WEEKDAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed weds thu thur thurs fri sat sun mondays tuesdays wednesdays thursdays fridays saturdays sundays".split()
)
_SEASONS = frozenset(
    "last this next past the early late in of spring summer fall autumn winter year month same day".split()
)


def believed(rules: list[Span], guesses: Sequence[Span], lexed: Lexed) -> list[Span]:
    """Both recognizers' spans without those that do not hold against the other or against the text."""
    kept = [guess for guess in guesses if _possible(guess, lexed, rules)]
    backing = [guess for guess in guesses if guess in kept or guess.end - guess.start < 3]
    starts = [guess.start for guess in backing]
    out = [rule for rule in rules if rule.score >= _SURE or _seen(rule, backing, starts)]
    return out + kept


def _seen(rule: Span, guesses: Sequence[Span], starts: list[int]) -> bool:
    """Whether a guess overlaps the rule's span (guesses are in order and do not overlap)."""
    at = bisect_right(starts, rule.start) - 1
    return any(guess.start < rule.end and rule.start < guess.end for guess in guesses[max(at, 0) : at + 2])


def _possible(span: Span, lexed: Lexed, rules: Sequence[Span]) -> bool:
    text = lexed.text[span.start : span.end]
    if _SINGLE.fullmatch(text) or (lexed.fences and lexed.fenced(span.start, span.end)):
        return False
    first, last = bisect_left(lexed.starts, span.start), bisect_left(lexed.starts, span.end)
    words, flags = lexed.folded[first:last], lexed.flags[first:last]
    if span.type in ("PERSON", "LOCATION", "FACILITY"):
        after = lexed.folded[last] if last < len(lexed.folded) and lexed.gap(last - 1) == " " else ""
        if after in _COMPANY and lexed.caps[last]:
            return False  # "Boston Scientific", "London Protocol"
        if span.type == "LOCATION" and not _placed(lexed, first, last, rules, span):
            return False
        if span.type == "LOCATION" and " ".join(words) in gazetteer().regions:
            return False
        if all(word in _COMMON for word in words):
            return False
        if span.type != "PERSON" and len(words) == 1 and not flags[0] and is_term(lexed.words[first], words[0]):
            return False
        if span.type == "FACILITY" and all(
            word in GENERIC or word in NOUNS or word in CENTRES or flag & CLINICAL
            for word, flag in zip(words, flags, strict=True)
        ):
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
            span.type == "PERSON"
            and (_no_name(words, flags, text, lexed.shouting(first)) or not supported(span, lexed, first, last, rules))
        )
    if span.type in ("DATE", "DATE_OF_BIRTH"):
        return _dated(words, text) and not (_version(lexed.text, span) or _no_date(lexed, span, first, last))
    if span.type == "AGE":
        return bool(_AGE.fullmatch(text)) or not any(map(str.isdigit, text))
    if span.type == "EMAIL":
        return "@" not in text or not _PACKAGE.search(text)
    if span.type == "URL":
        return not all(word in _COMMON for word in words)
    digits = sum(map(str.isdigit, text))
    if first and digits and lexed.folded[first - 1] in _MACHINE and len(lexed.gap(first - 1)) < 4:
        return False  # "offset 88213"
    if _WEEKS.search(text) or (
        span.type == "PHONE" and not digits and ("hundred" in words or "thousand" in words) and "eight" not in words
    ):
        return False  # "EGA 8w3", "twenty five one hundred three times a day"
    if (
        span.type == "ADDRESS"
        and "\n" in text
        and "," in text
        and all(word[0] <= "9" or word in MONTHS for word in words)
    ):
        return False  # rows of a table: "412", "Feb,398", "Mar,455"
    if span.type in ("ID", "ADDRESS") and _public(lexed, span, first, last):
        return False
    if text.startswith(_NOBODY):
        return False
    if span.type in _CODES and (0 < digits < 3 or (digits == 0 and len(words) == 1 and words[0] in _DATED)):
        return False
    return not _MEASURE.search(text) and not _RANGE.fullmatch(text)


def _placed(lexed: Lexed, first: int, last: int, rules: Sequence[Span], span: Span) -> bool:
    """Whether a place is known, or stands where places stand: ``in Brightwater``, ``Brightwater, OH``."""
    if lexed.lower_style or lexed.shouting(first):
        return True
    if lexed.folded[last - 1] in _INDOORS:
        return False
    if any(lexed.flags[at] & (CITY | CITY_HEAD | FACILITY_HEAD) for at in range(first, last)):
        return True
    if lexed.folded[first] in _PLACE_CUES or (first and lexed.folded[first - 1] in _PLACE_CUES):
        return True
    if last < len(lexed.words) and lexed.words[last] in gazetteer().states and lexed.gap(last - 1) in (", ", " "):
        return True
    start = span.start
    line = lexed.text.rfind("\n", 0, start) + 1
    if "\n" in lexed.text and not any(map(str.isalnum, lexed.text[line:start])):
        return True  # a line of an address
    if first and ":" in lexed.gap(first - 1) and lexed.text[span.end : span.end + 1] != ",":
        return True
    return any(rule.type in _PLACED_BY and span.start - 40 < rule.end and rule.start < span.end + 40 for rule in rules)


def _public(lexed: Lexed, span: Span, first: int, last: int) -> bool:
    """Codes of billing, genetics and machines: ``99213-25, 11102``, ``N265 / MA13``, or words around one."""
    text = lexed.text[span.start : span.end]
    pieces = [piece for piece in re.split(r"[\s,;/]+", text) if piece]
    coded = [piece for piece in pieces if any(map(str.isdigit, piece))]
    if coded and all(_BILLED.fullmatch(piece.strip(".")) or is_public(piece.strip(".")) for piece in coded):
        return not (len(coded) == 1 and coded[0].isdigit())
    if span.type == "ID":
        return "_" in text and "," in text  # "(18,912,231_21,465,672)": a range of bases
    if (
        last - first == 2
        and lexed.folded[first][0] > "9"
        and lexed.folded[last - 1][0] <= "9"
        and not lexed.lower_style
    ):
        before = lexed.text[max(0, span.start - 4) : span.start].rstrip(" ")
        return not before or before[-1] in ".!"  # "Karyotype 47,XXY"
    return bool(_SENTENCE.search(text))


def _no_date(lexed: Lexed, span: Span, first: int, last: int) -> bool:
    """A number of something else, a year in words, a weekday that recurs, the state of a form."""
    text, words = lexed.text[span.start : span.end], lexed.folded[first:last]
    before = lexed.folded[first - 1] if first else ""
    after = lexed.folded[last] if last < len(lexed.folded) else ""
    if _SPELLED_UNIT.search(text):
        return True
    numbers = [word for word in words if word[0] <= "9"]
    if len(numbers) == 1 and len(numbers[0]) < 4 and _BARE.fullmatch(text):
        others = [word for word in words if word[0] > "9"]
        if others and not any(word in MONTHS or word in _DATED or word in _DAY_WORDS for word in others):
            return True
    if not numbers and len(words) > 1 and words[0] in ("two", "nineteen", "twenty") and set(words) <= _YEAR_WORDS:
        return words[0] != "twenty" and not (
            before in MONTHS or before in _DATED or before.endswith(("th", "st", "nd", "rd"))
        )
    if len(words) == 1 and words[0] in _WEEKDAYS:
        link = lexed.folded[first - 2] if first > 1 else ""
        beyond = lexed.folded[last + 1] if last + 1 < len(lexed.folded) else ""
        return (
            before in ("any", "every", "each")
            or after in ("only", "clinic", "clinics")
            or (before in ("and", "or") and link in _WEEKDAYS)
            or (after in ("and", "or") and beyond in _WEEKDAYS)
        )
    return before in ("revision", "rev", "edition", "version", "revised", "release") and len(numbers) == 2


def _version(text: str, span: Span) -> bool:
    """``4.2.11`` beside ``5.0.4``, ``NPSG.01.01.01``: numbers of a release or a section."""
    if not _DOTTED.fullmatch(text, span.start, span.end):
        return False
    if text[span.start - 1 : span.start] in (".", "v", "-", "=", "@", ":"):
        return True
    near = text[max(0, span.start - 24) : span.start] + " " + text[span.end : span.end + 24]
    return any(int(m[1]) == 0 or (int(m[1]) > 12 and int(m[2]) > 12) or int(m[2]) == 0 for m in _TRIPLE.finditer(near))


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
