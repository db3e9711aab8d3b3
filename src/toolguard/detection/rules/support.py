"""What speaks for a name that the tagger alone has seen.

A capital letter and an unknown spelling make a drug as well as a person. What no list of names holds needs company:
a title, a role, ``says`` or ``lives``, a name or an identifier beside it. What a list holds stands, unless it is an
eponym or a plain word with nothing about it that points at a person.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Sequence

from toolguard.detection.gazetteer import CITY, CLINICAL, EPONYM, FAMILY, GIVEN, REGION, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.dates import MONTHS
from toolguard.detection.rules.name_words import CREDENTIALS, CUES, NOT_AFTER, ROLES, STOP, STRONG_CUES, TITLES
from toolguard.detection.rules.vocabulary import is_maker, is_term
from toolguard.detection.spans import Span

__all__ = ["ANATOMY", "cued", "is_eponym", "is_pair", "supported"]

_SAYS = frozenset(
    "says said say writes wrote asks asked tells told calls called reports reported denies denied states stated admits admitted endorses complains complained presents presented lives lived works worked resides moved "
    "spent began grew born died married wants wanted feels felt thinks knows likes loves hates went came comes arrived left returned visited saw met signed verified notified paged consulted recommends recommended "
    "agrees agreed requests requested declined refused consented accompanied drove drives brought picked dropped is's was's turned turns cell phone email mrn dob ssn aged md wrote replied vive trabaja dice dijo tiene nacio llego "
    "vino llamo habita dit est habite".split()
)
_IS = frozenset("is was has had will".split())
_OF_ONE = frozenset(
    "from born very super here there coming late on at out back home ok okay fine doing going taking asking calling waiting requesting not being been seen admitted discharged allergic the a an my our his her their your your's "
    "be call see come bring also still now always never".split()
)
_AFTER_CUES = frozenset(
    "by says said call called named name ex- doc drs mom's kid baby it's its yo frm cousin attn cc poa spouse wife husband son daughter".split()
)
_WEAK_CUES = frozenset(
    "in on of or and with for via was is that an am a like se por con para here include including use used considering about per under see re from to by as known were been w "
    "case subject vet member message it's especially particularly specifically saw seen prescribed mark".split()
)
_NEAR = 48
_OF_THINGS = frozenset(
    "a an the this that these those my your his her our their some any no each every all start started starting stop stopped hold held on take takes took taking taken tried try continue continued add added give given gave "
    "switch switched resume apply applied use used uses using than via by in of or over under into onto like as is are was were between compare versus vs without against new old current prior initial generic brand oral iv topical local "
    "approved denied covered cover covers prescribed recommend increase decrease increased decreased refill refills refilled need needs does did do can run running runs deploy deployed install installed import imported reports "
    "reboot restart restarted rebuild click open opened press select selected check checked failed flaky".split()
)
_DOSE = re.compile(
    r"[ ]?(?:\(?\d|,? (?:mg|mcg|ml|tablets?|tabs?|caps|capsules?|pills?|patch|patches|cream|inhaler|injections?|infusions?|pen|pens|dose|doses|device|app|server|cluster|scan|test|assay|panel|kit|pump|stent|valve|monitor|trial|study|protocol)\b)",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(r"[ \t]{0,8}\r?\n[^\n]{0,60}?(?<!\d)\d{4,6}(?!\d)")
_RATHER = frozenset(
    "no not or vs versus neg negative positive pos possible probable like modified grade class type using than classic variant".split()
)
_PLACE_OF = re.compile(r"\b(?:rm|room|bed|bay|pod)\s?#?\d{1,4}[A-D]?\s?[:,-]?\s$", re.IGNORECASE)
_DEVICES = frozenset(
    "airway catheter clamp forceps retractor drain sign syndrome disease maneuver criteria score classification scale incision procedure stain sequencing blade tube stent valve graft pump pod sensor monitor".split()
)
_ARTICLES = frozenset("a an the my your our i no any some".split())
_COUNTS = frozenset(
    "two three four five six seven eight nine ten twelve weeks days months hours minutes times pounds".split()
)
ANATOMY = frozenset(
    "colon skin breast lung liver kidney stomach rectum cecum ileum duodenum esophagus prostate bladder uterus cervix ovary thyroid lymph bone marrow soft tissue brain spleen pancreas gallbladder appendix tonsil larynx oral tongue lip scalp".split()
)
_RELEASE = re.compile(r"\s(?:v\.?\s?)?\d{1,3}\.\d")
_THINGS_OF = frozenset(
    "signo signe sindrome syndrome enfermedad maladie morbo morbus prueba maniobra manoeuvre escala indice triada tiroiditis thyroidite".split()
)
_NO_ONE = frozenset(
    "line desk station note notes visit visits call calls portal team staff manager practitioner educator shift home".split()
)
_IDENTIFIERS = frozenset(
    "MRN SSN DATE_OF_BIRTH PHONE FAX EMAIL HEALTH_PLAN_ID ACCOUNT ADDRESS AGE LICENSE PERSON".split()
)
_DAY_AFTER = re.compile(r"[ ,]{1,2}\d")
_SPELLED = re.compile(r"(?:[A-Za-z][-. ]{1,2}){2,20}[A-Za-z]\.?")
_AGE_AFTER = re.compile(
    r",?\s?\(?\d{1,3}\s?(?:y|yo|yr|yrs|years?|[mMfF])\b|,\s\d{1,3},|\s\(?(?:he|she|they|age[d]?|dob)\b", re.IGNORECASE
)
_SIGNED = re.compile(r"(?:^|\n)\s{0,4}(?:[-~–—?*>]{1,3}\s?|/s/\s?)?$")


def is_eponym(lexed: Lexed, first: int, last: int) -> bool:
    """Words ``first`` to ``last`` (excluded) name a thing: ``Mallory-Weiss``, ``Murphy sign``, ``signo de Murphy``."""
    folded = lexed.folded
    if any(is_pair(lexed, at) for at in range(first, last - 1)):
        return True
    if not any(lexed.flags[at] & EPONYM for at in range(first, last)):
        return False
    if _THINGS_OF.intersection(folded[max(0, first - 2) : last]):
        return True  # "signo de Murphy"
    after = folded[last] if last < len(folded) and lexed.gap(last - 1) in (" ", "'s ", "' ", "-") else ""
    return after in NOT_AFTER


def is_pair(lexed: Lexed, at: int) -> bool:
    """Word ``at`` and the next one name a thing together: ``Dix-Hallpike``, ``Bence Jones``."""
    if at + 1 >= len(lexed.folded) or lexed.gap(at) not in ("-", " "):
        return False
    return bool(gazetteer().flags.get(f"{lexed.folded[at]}-{lexed.folded[at + 1]}", 0) & EPONYM)


def cued(lexed: Lexed, first: int, last: int) -> bool:
    """Whether the words beside ``first`` to ``last`` (excluded) point at a person."""
    folded, text = lexed.folded, lexed.text
    if first and len(lexed.gap(first - 1)) < 6:
        before = folded[first - 1]
        if before in TITLES or before in STRONG_CUES or before in ROLES or before in _AFTER_CUES:
            return True
        if before in CUES and before not in _WEAK_CUES:
            return True
        if (
            before in ("is", "was", "am", "by", "es")
            and first > 1
            and (folded[first - 2] in STRONG_CUES or folded[first - 2] in ROLES or folded[first - 2] in _SAYS)
        ):
            return True
        if before in _SAYS and before not in ("called", "left", "saw", "needs"):
            return True
    if _with_name(lexed, first - 2, first - 1) or _with_name(lexed, last + 1, last):
        return True
    if last < len(folded):
        gap, after = lexed.gap(last - 1), folded[last]
        if gap in (" ", ", ", "'s ", ', "') and (
            after in _SAYS or (after in CREDENTIALS and lexed.words[last].isupper())
        ):
            return True
        if (
            gap == ", "
            and lexed.caps[last]
            and lexed.flags[last] & (GIVEN | FAMILY)
            and not lexed.flags[last] & (CLINICAL | CITY)
        ):
            return True
        if gap == " " and after in _IS and last + 1 < len(folded) and folded[last + 1] in _OF_ONE:
            return True
    start = lexed.starts[first]
    return bool(_AGE_AFTER.match(text, lexed.ends[last - 1]) or _PLACE_OF.search(text, max(0, start - 14), start))


def _with_name(lexed: Lexed, name: int, link: int) -> bool:
    """``… and Vargas``: a listed name across the word ``and``."""
    return (
        0 <= name < len(lexed.folded)
        and 0 <= link < len(lexed.folded)
        and lexed.folded[link] in ("and", "&", "y", "et")
        and lexed.caps[name]
        and bool(lexed.flags[name] & (GIVEN | FAMILY))
        and not lexed.flags[name] & CLINICAL
    )


def supported(span: Span, lexed: Lexed, first: int, last: int, rules: Sequence[Span]) -> bool:
    """Whether the tagger's PERSON over the words ``first`` to ``last`` (excluded) has anything to go by."""
    words, flags, caps, folded = lexed.words, lexed.flags, lexed.caps, lexed.folded
    text = lexed.text[span.start : span.end]
    inside = range(first, last)
    titled = folded[first] in TITLES
    low = lexed.lower_style
    if any(map(str.isdigit, text)) and not any(flags[at] & (GIVEN | FAMILY) for at in inside):
        return False
    if _SPELLED.fullmatch(text):
        return True
    if is_eponym(lexed, first, last) and not (first and folded[first - 1] in TITLES):
        return False
    if all(folded[at] in STOP for at in inside) and not titled and not cued(lexed, first, last):
        return False
    if last - first > 1 and folded[last - 1] in _DEVICES:
        return False
    if last < len(folded) and lexed.gap(last - 1) == " " and folded[last] in _DEVICES:
        return False
    if (
        folded[first] in _ARTICLES
        and last - first > 1
        and lexed.gap(first) == " "
        and not any(flags[at] & (GIVEN | FAMILY) and not flags[at] & WORD for at in inside)
    ):
        return False
    if folded[first] in _COUNTS and all(flags[at] & WORD for at in inside):
        return False
    if last - first == 2 and len(words[first]) == 1 and folded[last - 1] in ANATOMY:
        return False  # "B. Colon, 20 cm": a specimen
    if _RELEASE.match(lexed.text, span.end):
        return False
    if last - first == 1:
        if folded[first] in _NO_ONE and lexed.lower_style:
            return False
        if folded[first] in MONTHS and _DAY_AFTER.match(lexed.text, lexed.ends[first]):
            return False
        if (
            flags[first] & EPONYM
            and not cued(lexed, first, last)
            and not _beside(span, rules)
            and (not flags[first] & FAMILY or (first and folded[first - 1] in _RATHER))
        ):
            return False
    if (
        is_maker(folded[first])
        and not any(flags[at] & GIVEN for at in inside)
        and not cued(lexed, first, last)
        and not _beside(span, rules)
    ):
        return False
    if (
        not shouted(lexed, inside)
        and all(words[at].isupper() and len(words[at]) < 5 for at in inside)
        and not cued(lexed, first, last)
        and last - first > 1
        and not _beside(span, rules)
    ):
        return False  # "LIMA-LAD, SVG-OM"
    listed = [at for at in inside if flags[at] & (GIVEN | FAMILY) and not flags[at] & (WORD | CLINICAL)]
    if all(is_term(words[at], folded[at]) for at in inside) and not titled:
        return False
    if any(caps[at] or low for at in listed):
        return True
    if titled or cued(lexed, first, last) or _beside(span, rules):
        return not all(not caps[at] and is_term(words[at], folded[at]) for at in inside)
    if not low and not any(caps[at] for at in inside):
        return bool(listed) and not any(is_term(words[at], folded[at]) for at in inside)
    worded = [at for at in inside if flags[at] & (GIVEN | FAMILY)]
    if worded:  # names that are words: "Grace Hope", "Rose" in the middle of a sentence
        return len(worded) > 1 or last - first > 1 or bool(flags[first] & GIVEN) or not _starts(lexed, first)
    if last - first == 1:
        before = folded[first - 1] if first and lexed.gap(first - 1) in (" ", ", ") else ""
        if (
            before
            and not caps[first - 1]
            and before not in _OF_THINGS
            and before[0] > "9"
            and not _DOSE.match(lexed.text, span.end)
        ):
            return True
        if _ADDRESSED.match(lexed.text, span.end) and _SIGNED.search(lexed.text, 0, span.start):
            return True
        return (
            bool(_SIGNED.search(lexed.text, 0, span.start))
            and lexed.text[span.end :].strip(" .\n") == ""
            and span.start > 0
        )
    if last - first == 2 and lexed.gap(first) == ", " and last < len(folded) and folded[last] in _IS:
        return True  # "Hazelcroft, Ulric was seen"
    plain = any(flags[at] & (WORD | CLINICAL | REGION | CITY) or is_term(words[at], folded[at]) for at in inside)
    joined = all(lexed.gap(at) in (" ", "-", ". ", ".", "' ", "'") for at in range(first, last - 1))
    return not plain and joined


def _beside(span: Span, rules: Sequence[Span]) -> bool:
    """An identifier of a person within a few words of the span."""
    return any(
        rule.type in _IDENTIFIERS
        and rule.score >= 0.6
        and span.start - _NEAR < rule.end
        and rule.start < span.end + _NEAR
        for rule in rules
    )


def shouted(lexed: Lexed, inside: range) -> bool:
    """Any of the words stands in a passage of capitals."""
    return any(lexed.shouting(at) for at in inside)


def _starts(lexed: Lexed, first: int) -> bool:
    """At the start of a sentence, where every word has its capital."""
    before = lexed.text[max(0, lexed.starts[first] - 3) : lexed.starts[first]].rstrip(" \"'(")
    return not before or before[-1] in ".!?\n:;|>-*\t"
