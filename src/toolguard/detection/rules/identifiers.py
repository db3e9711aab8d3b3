"""Numbers and codes: by label (``MRN: 123``), by shape (SSN, VIN, MBI, cards) and by check digit.

Candidates are found first; the few words before each one are then looked up in the table of field names.
A check digit raises the score and never vetoes.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from toolguard.detection import checks
from toolguard.detection.fields import LABEL_ENDS, SAFE, is_weak, type_of_words
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.scan import at_starts
from toolguard.detection.spans import Span

__all__ = ["SAFE_WORDS", "identifiers", "is_public"]

_SOURCE = "identifier"
_SSN = re.compile(r"(?<![\w-])(?:\d{3}([-. ])\d{2}\1\d{4}|[xX*#]{3}[- ]?[xX*#]{2}[- ]?\d{4})(?![\w-])")
_STARRED = re.compile(r"[xX*#]{3}")
_CARD = re.compile(r"(?<![\w-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|3[47]\d{2}([ -])\d{6}\2\d{5}|\d{12,19})(?![\w-])")
_CARD_PARTS = frozenset({4, 6, *range(12, 20)})
_IBAN_PARTS = frozenset({2, *range(4, 40)})
_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?(?!\w)")
_CODE = re.compile(r"(?<![\w.])(?=[A-Za-z#/_.:-]{0,20}\d)#?[A-Za-z0-9]{1,40}(?:[-/_.:][A-Za-z0-9]{1,40}){0,8}(?!\w)")
_GROUPS = re.compile(r"(?: \d{2,6}(?![\w/.%-])){1,4}")
_FILLER = frozenset(
    "number num no nbr nr is was as of the a with reads listed id identifier code be has under by: ends ending in last four digits de named given on card for file to ref reference show shows".split()
)
_THREES = re.compile(r" \d{3} \d{3} \d{3}")
_LETTERED = re.compile(r"(?<!\w)[A-Z]{2,4}(?: \d{3}){3,4}(?!\w)")
_SHAPED = re.compile(
    r"#?(?:[A-Z]{1,6}[-_]?\d{5,12}(?:-\d{1,6}){0,3}|\d{4,10}-[A-Z]{2,4}|\d{5,10}[A-Z]{2,3}|[A-Z]{2,5}(?:-[A-Z0-9]{2,8}){0,2}-\d{3,10}(?:-\d{1,6})?|(?:19|20)\d\d-[A-Z]{2}-\d{4,8}|[A-Z]{1,3}\d{2,4}-\d{3,6}(?:-\d{1,6})?)"
)
_NUMBERS = re.compile(r"(?!#?(?:19|20)\d\d-(?:19|20)\d\d$)(?:#?\d{1,12}(?:-\d{1,8}){1,4}|#?\d{7,18}|#\d{5,6})")
_RANGE = re.compile(r"(\d{1,12})-(\d{1,12})")
_LEAST_DIGITS = 7  # of an unlabelled number in groups: shorter ones are ranges, ratios and procedure codes
_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_UDI = re.compile(r"\(01\)\d{14}(?:\(\d{2}\)[A-Za-z0-9/-]{1,20}){0,6}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_PUBLIC = re.compile(
    r"(?:[VRS]CV\d{6,12}(?:\.\d+)?|HGNC:?\d+|OMIM:?\d+|ENS[A-Z]\d+|[NX][MPRC]_\d+(?:\.\d+)?|UMLS\S*|MESH\S*|EUDRACT\S*|ISRCTN\d+|NIHMS\d+|[CDGJ]\d{4}|\d{5}-[A-Z0-9]{2}|NCT\d{8}|PMID\d+|PMC\d+|CVE-\d{4}-\d+|RFC-?\d+|ISO-?\d+|IEC-?\d+|GSE\d+|GSM\d+|RS\d+|CHEMBL\d+|DOI\S+|UTF-\d+|SHA-?\d+"
    r"|AES-\d+|COVID-\d+|ICD-\d+\S*|SARS-\S+|CPT-?\d+|LOINC\S*|SNOMED\S*|HL7\S*|NDC\S*|MM-?DD\S*|YYYY\S*|F\d{2}\.\d+|[A-TV-Z]\d{2}(?:\.[0-9A-Z]{1,4})?"
    r"|\d{4,5}-\d{3,4}-\d{2}|\d{1,5}-\d|B-?\d{1,2}|CD\d+|IL-?\d+|H\dN\d)",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"\s{0,2}(?:mg|mcg|µg|g|kg|ml|dl|l|mmhg|mm|cm|m|bpm|%|units?|iu|meq|mmol|ng|pg|hours?|hrs?|days?|weeks?|wks?|months?|mos?|years?|yrs?|minutes?|mins?"
    r"|tablets?|tabs?|capsules?|caps|puffs?|doses?|times|x|beats|lbs?|pounds|kcal|cal|copies|cells|k/|°|degrees|patients|people|participants|subjects|usd|dollars|tokens|ms|seconds|bytes|kb|mb)(?![a-z])",
    re.IGNORECASE,
)
_STRONG_SHORT = frozenset(
    {"MRN", "SSN", "NPI", "DEA", "HEALTH_PLAN_ID", "ACCOUNT", "LICENSE", "DEVICE", "VEHICLE", "ID", "SECRET"}
)
_WEAK_CODES = frozenset({"MRN", "HEALTH_PLAN_ID", "ACCOUNT", "LICENSE", "ID", "DEVICE", "SSN"})
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_NO_CODE = re.compile(  # dates, times, ratios and decimals, which other rules read
    r"\d{1,2}[/.:]\d{1,2}(?:[/.]\d{2,4}|:\d\d)?|\d{1,3}[/.]\d{1,3}|(?:19|20)\d\d-\d\d-\d\d(?:T[\d:.]*)?|\d{1,2}(?:mg|ml|mcg|st|nd|rd|th|yo)"
)
_OF_PERSON = re.compile(r"patient|subject|member|person|participant|client|user", re.IGNORECASE)
_THREE = re.compile(r"#?\d{3}")
_LABELLED = frozenset({*_STRONG_SHORT, "PHONE", "FAX", "CREDIT_CARD", "ZIP", "BIOMETRIC"})
_MACHINE = frozenset(
    "trace span correlation process thread commit build job pipeline pod container image worker task batch".split()
)
SAFE_WORDS = frozenset(
    "icd cpt hcpcs loinc snomed rxnorm rxcui ndc clinvar omim hgnc ensembl transcript exon codon variant chr chromosome locus rs cvx nct pmid pmcid doi isbn version ver v stage grade grades class type level room bed page p fig figure table "
    "chapter section step line score scale dose q every x code codes dsm gold nyha asa rev build commit port pid uid trace span sha hash model step lot build sct process worker thread partition batch taxonomy sctid carc rarc remark denial modifier drg apc gems atc oid bin pcn ts epoch iat exp nbf "
    "uuid guid checksum error http status exit offset limit row rows column total count sum amount price cost usd eur gauge size french fr ph sp rs cd il".split()
)


def _label(lexed: Lexed, value: int, code: bool) -> tuple[str | None, bool]:
    """The type that the words before token ``value`` announce, and whether a separator or ``#`` stood between.

    ``code``: the value is long enough to be meant by a weak label (``policy 12345``) without a separator.
    """
    text, folded, starts, ends = lexed.text, lexed.folded, lexed.starts, lexed.ends
    separated = False
    words: list[str] = []
    k = value - 1
    while k >= 0 and len(words) < 6:
        gap = text[ends[k] : starts[k + 1]]
        if gap != " ":
            marked = ":" in gap or "=" in gap or "|" in gap
            if (words and (marked or "\n" in gap or ". " in gap or ";" in gap)) or len(gap) > 12:
                break
            separated = separated or marked or "#" in gap
            if "\n" in gap and not separated:
                break
        word = folded[k]
        if word[0] <= "9" and word != "4":  # "last 4 of SSN"
            break
        words.append(word)
        k -= 1
    if not words:
        return None, separated
    words.reverse()
    last = len(words)
    while last:
        tail = words[last - 1]
        if tail in LABEL_ENDS:
            for first in range(max(0, last - 5), last):
                name = " ".join(words[first:last])
                found = type_of_words(name)
                if found is None or (found == SAFE and first < last - 1 and tail not in SAFE_WORDS):
                    continue
                if found == "ID" and tail == "id" and last > 1 and words[last - 2] in _MACHINE:
                    return SAFE, separated
                if found != SAFE and is_weak(name) and not separated and not (code and found in _WEAK_CODES):
                    continue
                return found, separated
        if tail in SAFE_WORDS or (
            tail in ("ct", "cm", "pcs", "id", "code") and last > 1 and words[last - 2] in SAFE_WORDS
        ):
            return SAFE, separated
        if tail not in _FILLER:
            break
        last -= 1
    return None, separated


def _checked(kind: str, value: str) -> float:
    """Score of a labelled value; a right check digit raises it."""
    compact = re.sub(r"[^A-Za-z0-9]", "", value)
    good = (
        (kind == "NPI" and compact.isdigit() and checks.npi_ok(compact))
        or (kind == "DEA" and checks.dea_ok(compact))
        or (kind == "VEHICLE" and checks.vin_ok(compact))
        or (kind == "SSN" and compact.isdigit() and checks.ssn_ok(compact))
        or (kind == "HEALTH_PLAN_ID" and checks.mbi_ok(compact))
        or (kind in ("CREDIT_CARD", "DEVICE") and compact.isdigit() and checks.luhn_ok(compact))
    )
    return 0.98 if good else 0.9


def is_public(value: str) -> bool:
    """Whether a code is one of a public terminology or registry by its shape: ``NM_000546.6``, ``E11.9``."""
    return _PUBLIC.fullmatch(value) is not None


def _by_shape(value: str) -> tuple[str, float] | None:
    """The type of a code that no label announces."""
    bare = value.lstrip("#")
    if _UUID.fullmatch(bare) or _PUBLIC.fullmatch(bare):
        return None
    if len(bare) == 17 and _VIN.fullmatch(bare) and any(c.isalpha() for c in bare):
        return ("VEHICLE", 0.95) if checks.vin_ok(bare) else ("ID", 0.5)
    if checks.mbi_ok(bare):
        return "HEALTH_PLAN_ID", 0.9
    if bare.isdigit():
        if len(bare) == 10 and checks.npi_ok(bare):
            return "NPI", 0.6
        if len(bare) == 9 and value[0] != "#":
            return "ID", 0.5
        if len(bare) == 15 and checks.luhn_ok(bare):
            return "DEVICE", 0.7
    if len(bare) == 9 and bare[:2].isalpha() and bare[:2].isupper() and checks.dea_ok(bare):
        return "DEA", 0.85
    if _SHAPED.fullmatch(value) or (_NUMBERS.fullmatch(value) and not _is_range(bare)):
        return "ID", 0.5
    return None


def _is_range(bare: str) -> bool:
    """``136-145``, ``99214-25``: too few digits for an identifier, or two numbers of which the second is the larger."""
    digits = sum(map(str.isdigit, bare))
    if "-" not in bare:
        return False
    if digits < _LEAST_DIGITS and bare.count("-") < 2:
        return True
    match = _RANGE.fullmatch(bare)
    return bool(
        match and len(match[1]) < 5 and len(match[2]) < 5 and int(match[1]) < int(match[2]) and digits < _LEAST_DIGITS
    )


_GLUE = frozenset("mrn mr ssn npi acct csn fin har enc ord ref pt".split())
_GLUED = re.compile(
    r"(?<!\w)(?:(?P<MRN>mrn|mr)|(?P<SSN>ssn)|(?P<NPI>npi)|(?P<ACCOUNT>acct|csn|fin|har)|(?P<ID>enc|ord|ref|pt))#?(\d{4,12})(?!\w)",
    re.IGNORECASE,
)


_BEFORE_DIGIT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#/_.:-"
"""What `_CODE` takes before its first digit."""


def _codes(lexed: Lexed) -> Iterator[re.Match[str]]:
    """``_CODE.finditer``, tried only just before a number."""
    text, match, end = lexed.text, _CODE.match, 0
    for at in lexed.digits:
        if at < end:
            continue
        first = at
        if at and text[at - 1] in _BEFORE_DIGIT:
            before = text[max(end, at - 20) : at]
            first = at - len(before) + len(before.rstrip(_BEFORE_DIGIT))
        for start in range(first, at + 1):
            found = match(text, start)
            if found is not None:
                end = found.end()
                yield found
                break


def identifiers(lexed: Lexed) -> list[Span]:
    """Identifiers in a text that has digits."""
    text = lexed.text
    out: list[Span] = []
    if not lexed.vocabulary.isdisjoint(_GLUE):
        out += [Span(*m.span(6), m.lastgroup or "ID", 0.85, _SOURCE) for m in _GLUED.finditer(text)]
    for match in _SSN.finditer(text) if _STARRED.search(text) else at_starts(_SSN, text, lexed.joined):
        digits = re.sub(r"\D", "", match[0])
        out.append(Span(*match.span(), "SSN", 0.9 if checks.ssn_ok(digits) else 0.85, _SOURCE))
    for match in at_starts(_CARD, text, lexed.digits) if lexed.numbers & _CARD_PARTS else ():
        digits = re.sub(r"\D", "", match[0])
        if checks.luhn_ok(digits) or match[1]:
            out.append(Span(*match.span(), "CREDIT_CARD", 0.95 if checks.luhn_ok(digits) else 0.6, _SOURCE))
    if lexed.numbers & _IBAN_PARTS:
        starts = [at - 2 for at in lexed.digits if at > 1 and text[at - 1].isupper() and text[at - 2].isupper()]
        found = at_starts(_IBAN, text, starts)
        out += [Span(*m.span(), "ACCOUNT", 0.95, _SOURCE) for m in found if checks.iban_ok(m[0])]
    if 3 in lexed.numbers and _THREES.search(text):
        out += [Span(*m.span(), "ID", 0.6, _SOURCE) for m in _LETTERED.finditer(text)]
    if "(01)" in text:
        out += [Span(*m.span(), "DEVICE", 0.95, _SOURCE) for m in _UDI.finditer(text)]
    for match in _codes(lexed):
        value = match[0]
        start, end = match.span()
        size = len(value)
        if (
            size < 4
            and not (_THREE.fullmatch(value) and text[start - 3 : start].lower() == "id ")
            and text[start - 1 : start] not in (":", "#", "=")
            and text[start - 2 : start] not in (": ", "# ", "= ")
        ):
            continue
        if _NO_CODE.fullmatch(value):
            continue
        count = sum(map(str.isdigit, value))
        kind, separated = _label(
            lexed,
            bisect_left(lexed.starts, start),
            (count > 3 and not _YEAR.fullmatch(value)) or (size > 4 and 1 < count < size and value.isupper()),
        )
        if kind == SAFE:
            continue
        if (
            kind == "ID"
            and size == 36
            and _UUID.fullmatch(value)
            and not _OF_PERSON.search(text, max(0, start - 24), start)
        ):
            continue
        if kind in _LABELLED and (size >= 3 or separated):
            if _UNIT.match(text, end) and value.replace(".", "").isdigit() and not separated:
                continue
            if (size < 4 and kind not in _STRONG_SHORT) or (kind in ("PHONE", "FAX") and count < 7):
                continue
            more = _GROUPS.match(text, end) if value[-1].isdigit() else None
            stop = more.end() if more else end
            out.append(Span(start, stop, kind or "ID", _checked(kind or "ID", text[start:stop]), _SOURCE))
            continue
        if size < 6:
            continue
        shaped = _by_shape(value)
        if shaped and not (value.isdigit() and _UNIT.match(text, end)):
            out.append(Span(start, end, *shaped, _SOURCE))
    return out
