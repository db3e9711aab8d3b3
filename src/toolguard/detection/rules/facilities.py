"""Hospitals, clinics, practices and other facilities: by noun, by name, and by what happens there."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re

from toolguard.detection.gazetteer import (
    CITY,
    CITY_HEAD,
    CLINICAL,
    FACILITY,
    FACILITY_HEAD,
    FAMILY,
    GIVEN,
    REGION,
    WORD,
    gazetteer,
)
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.places import CENTRES, NOUNS, SOURCE, phrase
from toolguard.detection.spans import Span

__all__ = ["GENERIC", "facilities"]

_LOWER_NOUNS = frozenset("hospital hosp clinic infirmary hospice".split())
_BEFORE_CENTRE = frozenset(
    "medical med health cancer heart surgery surgical infusion imaging dialysis care wellness rehabilitation rehab trauma birth women's children's nursing recovery treatment community memorial "
    "regional diagnostic pain sleep eye vein spine family veterans oncology research university senior counseling therapy orthopedic orthopaedic neurology cardiac stroke transplant urgent burn".split()
)
_ENDINGS = {
    ("medical", "group"), ("nursing", "home"), ("urgent", "care"), ("primary", "care"), ("health", "system"), ("health", "care"), ("care", "home"), ("home", "health"), ("day", "surgery"),
    ("family", "practice"), ("family", "medicine"), ("medical", "associates"), ("health", "services"), ("health", "partners"), ("assisted", "living"), ("skilled", "nursing"), ("health", "network"),
    ("medical", "practice"), ("walk-in", "clinic"), ("emergency", "room"), ("medical", "school"), ("high", "school"), ("elementary", "school"), ("middle", "school"), ("general", "practice"), ("medical", "pavilion"),
    ("skilled", "facility"), ("memory", "care"), ("senior", "center"), ("community", "college"), ("community", "center"), ("critical", "access"), ("senior", "living"), ("retirement", "community"), ("nursing", "center"), ("dental", "group"), ("dental", "care"), ("eye", "care"),
}  # fmt: skip
_ENDS = frozenset(
    "medical med health general memorial presbyterian methodist va office university practice surgery hospice labs laboratory laboratories diagnostics imaging".split()
)
_OF = frozenset(
    "university college school institute church sisters sister lady our house isle city county port shrine sons daughters order society academy saint st heart hospital hospice friends village state republic college children's bay valley".split()
)
_JOIN = frozenset("of and & at for the".split())
GENERIC = frozenset(
    "past family social prior previous current present chief complete full level tier phase stage outside any several other referring admitting discharging accepting receiving sending the a an this that our my your their his her its at in to from local nearby outpatient inpatient emergency primary urgent community general rural urban same another other any each every "
    "all no some free mobile specialty tertiary academic public private major large small private pain sleep wound anticoagulation coumadin diabetes heart cancer eye dental dialysis surgical surgery "
    "medical health care walk-in virtual women's children's family pediatric cardiology oncology neurology dermatology orthopedic rheumatology gi ent psychiatric psychiatry behavioral mental home nursing "
    "nursing day teaching university acute base referring and or of for new visit clinic hospital center with seen per via by is was if when while after before current plan please contact call "
    "follow hospital-based veterans state county city district regional national international global patient facility see refer referred infusion imaging transplant stroke trauma intensive critical "
    "admission discharge history reports labs lab research radiation infectious disease physical occupational speech therapy fertility memory weight loss travel failure arrhythmia vaccine vaccination flu covid bone "
    "marrow spine hand foot ankle vein vascular thoracic endocrine endocrinology renal kidney liver hepatology lipid hypertension asthma allergy epilepsy headache movement disorders stepdown".split()
)
_SITES = frozenset(
    "village villages center centre hospital clinic residence residences commons gardens care house manor home homes lodge place".split()
)
_WHERE = frozenset("at from to in via near by".split())
_VISIT = re.compile(
    r"\b(?:seen|evaluated|treated|admitted|presented|transferred|discharged|referred|visited|hospitali[sz]ed|operated|reviewed|diagnosed|consulted|examined|scheduled|managed|followed|seen|"
    r"done|performed|assessed|appointment|appt|visit|surgery|procedure|hospitalized|stay|clinic|care|records|presented|presenting|currently|works|worked|admit|admission|f/u|eval)\b[^.;\n]{0,28}?\b(?:at|to|from|in|@)\s$|@\s?$",
    re.IGNORECASE,
)


def facilities(lexed: Lexed) -> list[Span]:
    """Hospitals, clinics, practices, pharmacies, schools by their nouns, by name, and after ``seen at``."""
    out: list[Span] = []
    words, flags, caps, count = lexed.folded, lexed.flags, lexed.caps, len(lexed.folded)
    institutions = gazetteer().institutions
    named = FACILITY | FACILITY_HEAD
    for i in [i for i, word in enumerate(words) if word in _TRIGGERS or flags[i] & named]:
        word = words[i]
        if _is_noun(lexed, i):
            start = _left(lexed, i)
            if (
                start is None
                and caps[i]
                and i
                and caps[i - 1]
                and i + 2 < count
                and words[i + 1] in ("in", "of")
                and flags[i + 2] & (CITY | CITY_HEAD)
            ):
                start = i - 1
            if start is not None:
                out.append(_facility(lexed, start, i, 0.8))
                continue
        if flags[i] & (FACILITY | FACILITY_HEAD) and (caps[i] or lexed.lower_style):
            last = phrase(lexed, i, institutions) if flags[i] & FACILITY_HEAD else None
            if (
                last is None
                and flags[i] & FACILITY
                and not (flags[i] & WORD)
                and (lexed.words[i].isupper() or (caps[i] and word not in ("uw", "nyp")))
            ):
                last = i
            if last is not None and (flags[i] & (GIVEN | FAMILY) == 0 or last > i or not _name_before(lexed, i)):
                out.append(_facility(lexed, i, last, 0.75))
                continue
        if (
            word in ("st", "saint", "mt", "mount", "sankt")
            and caps[i]
            and i + 1 < count
            and caps[i + 1]
            and lexed.gap(i) in (". ", " ", ".")
        ):
            possessive = lexed.text[lexed.ends[i + 1] : lexed.ends[i + 1] + 2] == "'s"
            if possessive and i + 2 < count and words[i + 2] in ("wort", "fire", "dance", "day"):
                continue
            cue = words[i - 1] if i else ""
            if (possessive or cue in _WHERE) and not (i and words[i - 1][0].isdigit()):
                out.append(_facility(lexed, i, i + 1, 0.7))
    out += _after_visit(lexed)
    out += _noun_first(lexed)
    return out


_TRIGGERS = frozenset(
    [*NOUNS, *CENTRES, *_ENDS, *(last for _, last in _ENDINGS), "st", "saint", "mt", "mount", "sankt"]
)


def _name_before(lexed: Lexed, i: int) -> bool:
    return i > 0 and lexed.gap(i - 1) == " " and bool(lexed.flags[i - 1] & GIVEN) and lexed.caps[i - 1]


def _is_noun(lexed: Lexed, i: int) -> bool:
    word = lexed.folded[i]
    if word in NOUNS:
        return lexed.caps[i] or word in _LOWER_NOUNS
    before = lexed.folded[i - 1] if i else ""
    if word in CENTRES:
        return (
            before in _BEFORE_CENTRE
            or bool(lexed.caps[i] and i and lexed.caps[i - 1])
            or bool(i and lexed.flags[i - 1] & CITY and word == "facility")
        )
    return (before, word) in _ENDINGS or (
        word in _ENDS
        and bool(i)
        and (lexed.caps[i] or word == "office")
        and lexed.caps[i - 1]
        and lexed.gap(i - 1) in (" ", "'s ", "-")
    )


def _left(lexed: Lexed, noun: int) -> int | None:
    """Where the name of the facility that ends in ``noun`` begins; None if it has no name of its own."""
    start = None
    proper = False
    i = noun - 1
    steps = 0
    while i >= 0 and steps < 7:
        gap = lexed.gap(i)
        word = lexed.folded[i]
        if gap not in (" ", "'s ", "' ", "-", ". ", " & ", "'s & ", "  "):
            break
        if gap == ". " and word not in ("st", "mt", "ste", "med", "dr", "ft", "univ"):
            break
        lower_ok = lexed.lower_style and not lexed.flags[i] & WORD
        if word == "at" and not (i and lexed.folded[i - 1] in _SITES):
            break
        if lexed.caps[i] or lower_ok:
            shout = lexed.shouting(i)
            if word in ("dr", "mr", "mrs", "ms", "doctor"):
                return None
            if gap in ("'s ", "' ") and noun == i + 1 and lexed.folded[noun] == "office":
                return None  # somebody's office: the name is a person's
            if word in (
                "the",
                "at",
                "in",
                "to",
                "from",
                "our",
                "a",
                "this",
                "see",
                "seen",
                "visit",
                "contact",
                "call",
                "when",
                "after",
                "before",
                "by",
                "hospitals",
                "facility",
                "clinic",
                "admitted",
                "transfer",
                "transferred",
                "discharged",
                "location",
                "site",
                "called",
                "calling",
                "calls",
                "office",
                "service",
            ):
                break
            if (
                shout
                and lexed.flags[i] & WORD
                and word not in _BEFORE_CENTRE
                and word not in _ENDS
                and not lexed.flags[i] & (FAMILY | CITY)
            ):
                break
            start = i
            if word not in GENERIC and not lexed.flags[i] & CLINICAL and word != "dr" and len(word) > 1:
                proper = True
        else:
            joins = (
                word in _JOIN
                and i
                and lexed.caps[i - 1]
                and start is not None
                and (lexed.folded[i - 1] in _OF if word == "of" else lexed.folded[i - 1] not in GENERIC)
            )
            belongs = start is None and (
                word in _BEFORE_CENTRE or word in _ENDS or word in ("downtown", "walk", "urgent", "primary")
            )
            if not joins and not belongs:
                break
        i -= 1
        steps += 1
    if start is None or not proper:
        if (
            start is not None
            and (noun - start) >= 1
            and lexed.caps[noun]
            and lexed.folded[start]
            in (
                "general",
                "county",
                "city",
                "central",
                "children's",
                "childrens",
                "community",
                "university",
                "veterans",
                "regional",
                "women's",
            )
            and not lexed.shouting(noun)
        ):
            return start
        return None
    return start


def _facility(lexed: Lexed, start: int, last: int, score: float) -> Span:
    """The span from ``start`` on, with what belongs to the name after its noun."""
    text, caps, words, count = lexed.text, lexed.caps, lexed.folded, len(lexed.folded)
    end = lexed.ends[last]
    if text[end : end + 2] == "'s":
        end += 2
    if text[end : end + 1] == "." and words[last] in ("hosp", "ctr", "med"):
        end += 1
    j = last
    while j + 1 < count:
        gap = lexed.gap(j)
        nxt = j + 1
        word = words[nxt]
        if (gap in (" ", "-", "'s ", " & ") or (gap == ". " and words[j] in ("hosp", "ctr", "med", "st", "univ"))) and (
            _is_tail(word)
            and (
                caps[nxt]
                or word
                in (
                    "clinic",
                    "hospital",
                    "hosp",
                    "center",
                    "office",
                    "facility",
                    "er",
                    "health",
                    "med",
                    "medical",
                    "downtown",
                )
            )
        ):
            j = nxt
            end = lexed.ends[j]
        elif (
            gap == " "
            and word in ("of", "in")
            and nxt + 1 < count
            and caps[nxt + 1]
            and lexed.gap(nxt) == " "
            and (lexed.flags[nxt + 1] & (CITY | CITY_HEAD) or (lexed.flags[nxt + 1] & REGION and word == "of"))
        ):
            j = nxt + 1
            end = lexed.ends[j]
            if (
                nxt + 2 < count
                and lexed.gap(nxt + 1) == " "
                and caps[nxt + 2]
                and (f"{words[nxt + 1]} {words[nxt + 2]}" in gazetteer().cities)
            ):
                j = nxt + 2
                end = lexed.ends[j]
        elif (
            gap == " "
            and caps[nxt]
            and lexed.flags[nxt] & (CITY | CITY_HEAD)
            and not lexed.shouting(nxt)
            and not lexed.flags[nxt] & WORD
        ):
            j = nxt
            end = lexed.ends[j]
        else:
            break
    return Span(lexed.starts[start], end, "FACILITY", score, SOURCE)


def _is_tail(word: str) -> bool:
    return (
        word in NOUNS
        or word in CENTRES
        or word in _BEFORE_CENTRE
        or word in _ENDS
        or word
        in (
            "er",
            "icu",
            "ed",
            "system",
            "network",
            "presbyterian",
            "sinai",
            "langone",
            "downtown",
            "group",
            "associates",
            "partners",
            "college",
        )
    )


_RESIDENCE = re.compile(
    r"\b(?i:(?:the )?(?:villages?|residences?|commons|gardens|meadows|landing|terraces?|manor|villas?|inn|lodge|arbors?|oaks|pines|estates|cottages|homestead)) (?i:at|of) (?:[A-Z][\w'-]+)(?: [A-Z][\w'-]+){0,3}"
)
_RESIDENCE_WORDS = frozenset(
    "village villages residence residences commons gardens meadows landing terrace terraces manor villa villas inn lodge arbor arbors oaks pines estates cottages homestead".split()
)
_SCHOOL = re.compile(
    r"\b(?:[A-Z][a-z'.-]+ ){1,3}(?:Elementary|Middle School|High School|Preschool|Daycare|Day Care|Academy|Montessori|High)\b(?! (?:[a-z]|School))|\b(?:Camp|Fort|Ft\.?) [A-Z][a-z]{3,}\b"
)
_SCHOOL_WORDS = frozenset("elementary middle high preschool daycare academy montessori camp fort ft".split())
_SPANISH = re.compile(
    r"\b(?i:cl[ií]nica|hospital|centro de salud|centro m[eé]dico|consultorio|farmacia|policl[ií]nic[ao]|sanatorio|h[oô]pital|clinique|klinikum) (?:(?:de|del|de la|General|Regional|Universitario) )?"
    r"(?:(?:San|Santa|Santo|La|El|Los|Las|Nuestra|Sagrado|Saint|Sainte) )(?:(?:de|del|la|los|las|Señora) ){0,3}[^\W\d_a-z][\w'-]+(?: [^\W\d_a-z][\w'-]+){0,2}"
)
_SPANISH_WORDS = frozenset(
    "clinica hospital consultorio farmacia policlinica policlinico sanatorio centro hopital clinique klinikum".split()
)


def _noun_first(lexed: Lexed) -> list[Span]:
    """``Village at Pine Run``, ``clínica Santa Rosa``: the noun stands before the name."""
    out: list[Span] = []
    if not lexed.vocabulary.isdisjoint(_RESIDENCE_WORDS):
        out += [Span(*m.span(), "FACILITY", 0.65, SOURCE) for m in _RESIDENCE.finditer(lexed.text)]
    if not lexed.vocabulary.isdisjoint(_SCHOOL_WORDS):
        out += [Span(*m.span(), "FACILITY", 0.55, SOURCE) for m in _SCHOOL.finditer(lexed.text)]
    if not lexed.vocabulary.isdisjoint(_SPANISH_WORDS):
        out += [Span(*m.span(), "FACILITY", 0.7, SOURCE) for m in _SPANISH.finditer(lexed.text)]
    return out


def _after_visit(lexed: Lexed) -> list[Span]:
    """``evaluated at Westside``, ``admitted to Orlando Health``: capitals after a word of care and a preposition."""
    out: list[Span] = []
    text, caps, words, flags, count = lexed.text, lexed.caps, lexed.folded, lexed.flags, len(lexed.folded)
    at_sign = "@" in text
    for i in [i for i, cap in enumerate(caps) if cap and i and (at_sign or words[i - 1] in _WHERE)]:
        before = words[i - 1]
        if before not in _WHERE and text[max(0, lexed.starts[i] - 2) : lexed.starts[i]] != "@ ":
            continue
        start = lexed.starts[i]
        if (
            len(lexed.words[i]) < 2
            or flags[i] & (CLINICAL | REGION)
            or lexed.shouting(i)
            or words[i] in GENERIC
            or (lexed.words[i].isupper() and len(words[i]) < 5 and not flags[i] & (FACILITY | CITY))
        ):
            continue
        alone = before == "at" and not flags[i] & (WORD | GIVEN | FAMILY) and lexed.words[i][1:].islower()
        if not alone and not _VISIT.search(text, max(0, start - 64), start):
            continue
        last = i
        while (
            last + 1 < count
            and last - i < 5
            and caps[last + 1]
            and (
                lexed.gap(last) in (" ", "-", "'s ") or (lexed.gap(last) == ". " and words[last] in ("st", "mt", "ft"))
            )
            and words[last + 1] != "dr"
        ):
            last += 1
        if last == i and flags[i] & WORD and before != "at":
            continue
        if (
            before in ("to", "by", "from", "in")
            and flags[i] & (GIVEN | FAMILY)
            and last <= i + 1
            and not flags[i] & (CITY | FACILITY)
        ):
            continue
        end = lexed.ends[last]
        if text[end : end + 2] == "'s":
            end += 2
        out.append(Span(start, end, "FACILITY", 0.55, SOURCE))
    return out
