"""Places smaller than a state: street addresses, ZIP codes, towns, hospitals and other facilities.

States and countries stay (45 CFR 164.514(b)(2)(i)(B)) except where they close an address or ``Town, ST``.
"""

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
from toolguard.detection.rules.dates import MONTHS
from toolguard.detection.spans import Span

__all__ = ["addresses", "facilities", "towns"]

_SOURCE = "place"
_SUFFIX = (
    "street|st|avenue|ave|av|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|terrace|ter|circle|cir|way|parkway|pkwy|highway|hwy|square|sq|trail|trl|loop"
    "|alley|aly|crescent|cres|close|row|pike|turnpike|plaza|point|pt|ridge|run|path|walk|mews|grove|hollow|crossing|xing|bend|cove|gardens|glen|heights|hill|hills|island"
    "|junction|knoll|landing|manor|meadow|meadows|mill|mission|orchard|park|pass|passage|pine|pines|ranch|rapids|rest|shoal|shore|shores|skyway|spring|springs|spur"
    "|station|stravenue|stream|summit|trace|track|trafficway|tunnel|union|valley|via|viaduct|view|views|village|ville|vista|ways|well|wells|wharf|corner|corners|cliff|common|commons"
    "|course|estate|estates|expressway|extension|falls|ferry|field|fields|flat|flats|ford|forest|forge|fork|fort|freeway|gateway|green|haven|harbor|inlet|isle|key|lake|lakes|light"
    "|lights|locks|lodge|mall|motorway|mount|mountain|neck|oval|overpass|plain|plains|port|prairie|radial|ramp|river|rue|burg|burgs|brook|brooks|bluff|bluffs|bridge|branch|bypass|camp|canyon|cape|causeway|center|club|creek|crest|curve|dale|dam|divide"
)
_UNIT = r"(?:,?\s{1,3}(?i:apt|apartment|suite|ste|unit|floor|fl|room|rm|bldg|building|lot|#)\.?\s{0,2}#?\s?[\w-]{1,8}|,?\s?#\s?[\w-]{1,8})"
_STATE = r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]|ZZ)"
_CAP = r"[^\W\d_a-z][\w'-]{1,24}"
_TOWN = rf"(?:(?:St|Ft|Mt|Pt)\.?\s)?{_CAP}(?:[ -](?:of\s|on\s|de\s|la\s|upon\s)?{_CAP}){{0,3}}"
_TAIL = rf"(?:\s{{0,2}}[,\n]\s{{0,4}}{_TOWN})?(?:(?:\s{{0,2}},?\s{{1,4}}{_STATE})?(?:\s{{0,2}},?\s{{0,4}}(?<=[\s,])\d{{5}}(?:-\d{{4}})?\b)|\s{{0,2}},\s{{1,4}}{_STATE}\b)?"
_HOUSE = r"(?<![\w.$/-])\d{1,6}(?:[A-Za-z]|-\d{1,4}| 1/2)?,?\s{1,2}(?:[NSEWnsew]{1,2}\.?\s{1,2})?"
_STREET = re.compile(
    rf"{_HOUSE}(?:[^\W\d_a-z][\w'-]{{0,24}}\.?\s{{1,2}}|\d{{1,3}}(?:st|nd|rd|th|ST|ND|RD|TH)\s{{1,2}}|(?:of|the|de|la)\s){{1,4}}"
    rf"(?:(?i:{_SUFFIX}))\b\.?(?:\s{{1,2}}(?:[NSEW]{{1,2}}|North|South|East|West)\b)?{_UNIT}?{_UNIT}?{_TAIL}"
)
_STREET_LOWER = re.compile(
    rf"{_HOUSE}(?:[a-z][a-z'-]{{1,20}}\s|\d{{1,3}}(?:st|nd|rd|th)\s){{1,3}}?(?:street|st|avenue|ave|road|rd|drive|dr|lane|ln|boulevard|blvd|court|ct|way|place|terrace|circle|highway|hwy)\b\.?{_UNIT}?"
)
_STREET_NAMED = re.compile(
    rf"\b(?:on|at|from|near|off) ((?:{_CAP}\s){{1,3}}(?:Street|Avenue|Road|Boulevard|Lane|Drive|Terrace|St|Ave|Rd|Blvd|Ln)\b\.?{_TAIL})"
)
_FOREIGN = re.compile(
    rf"(?<![\w.$/-])(?:\d{{1,5}}[A-Za-z]?,?\s{{1,2}})?(?:(?i:rue|calle|avenida|avenue|via|viale|piazza|plaza|rua|carrera|ulica|ul\.|chemin|boulevard|bd|paseo|camino|strada|allée|impasse|place|cours|c/))\s{{1,2}}"
    rf"(?:(?:de|des|du|la|las|los|le|les|del|della|dei|di|d'|l')\s{{0,2}}){{0,3}}[^\W\d_a-z][\w'-]{{1,24}}(?:\s[^\W\d_a-z][\w'-]{{1,24}}){{0,3}}(?:,?\s{{1,2}}(?:n[°ºo]\.?\s?)?\d{{1,5}}[A-Za-z]?\b)?{_UNIT}?{_TAIL}"
)
_GERMANIC = re.compile(
    rf"(?<!\w)(?:\d{{1,5}}[A-Za-z]?,?\s{{1,2}})?[^\W\d_a-z][\w.-]{{2,24}}(?:straße|strasse|str\.|gasse|weg|platz|allee|straat|laan|gatan|vägen|veien|gata|gade|vej|katu|tie|utca)\b(?:\s{{1,2}}\d{{1,4}}[A-Za-z]?\b)?{_UNIT}?{_TAIL}"
)
_LOOSE = re.compile(
    rf"(?<![\w.$/-])\d{{1,6}},?\s{{1,2}}(?:[^\W\d_][\w'.-]{{0,24}}\s{{1,2}}|\d{{1,4}}\s{{1,2}}){{1,5}}?(?i:apt|apartment|suite|ste|unit)\.?\s{{0,2}}#?\s?\d[\w-]{{0,6}}{_TAIL}"
)
_PO_BOX = re.compile(rf"(?<!\w)(?i:P\.?\s?O\.?\s?Box|Post Office Box|Apartado|Postfach)\s{{1,2}}#?\d{{1,7}}{_TAIL}")
_MILITARY = re.compile(
    r"(?<!\w)(?:(?:PSC|CMR|Unit|USS|USNS|USCGC|USNV)\s{1,2}\w{1,20},?\s{1,2}(?:Box\s\d{1,6},?\s{1,2})?)(?:APO|FPO|DPO)\s{0,2},?\s(?:AE|AP|AA)\s{1,2}\d{5}(?:-\d{4})?"
)
_STATE_ZIP = re.compile(rf"(?<!\w)({_STATE}),?\s{{1,3}}(\d{{5}}(?:-\d{{4}})?)(?![\w-])")
_TOWN_STATE = re.compile(rf"(?<![\w])({_TOWN}),\s{{1,2}}({_STATE})\b(?!\s?[-:=])(?:,?\s{{1,3}}\d{{5}}(?:-\d{{4}})?\b)?")
_CAPITALS = re.compile(r"\s[A-Z]{2,}")
_LETTERED_POST = re.compile(
    r"(?<!\w)(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d)(?!\w)"
)  # UK, Canada
_ZIP4 = re.compile(r"(?<![\w-])\d{5}-\d{4}(?![\w-])")
_SUFFIXES = frozenset(_SUFFIX.split("|"))
_FOREIGN_WORDS = frozenset(
    "rue calle avenida avenue via viale piazza plaza rua carrera ulica ul chemin boulevard bd paseo camino strada allee impasse place cours c".split()
)
_OTHER_STREETS = (
    (_FOREIGN, _FOREIGN_WORDS, 0.7),
    (_LOOSE, frozenset("apt apartment suite ste unit".split()), 0.75),
    (_PO_BOX, frozenset("box apartado postfach".split()), 0.85),
    (_MILITARY, frozenset("apo fpo dpo".split()), 0.85),
)
_GERMANIC_TAIL = re.compile(
    r"[a-z](?:stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|straat|laan|gatan|vägen|veien|gata|gade|vej|katu|tie|utca)\b"
)
_NOT_STREET = frozenset(
    "by seen patient pt her his under managed female this that is was has f m yo pain mg mcg ml mmhg year years day days week weeks month months hours hour minutes times patients people male female y yo percent cm mm units doses tablets points old of in on at to and or with for".split()
)

_NOUNS = frozenset(
    "hospital hospitals hosp clinic clinics infirmary hospice sanatorium pediatrics paediatrics surgery oncology cardiology neurology orthopedics orthopaedics dermatology ophthalmology "
    "pharmacy healthcare rehabilitation rehab polyclinic dispensary hôpital klinik krankenhaus clinica clínica".split()
)
_LOWER_NOUNS = frozenset("hospital hosp clinic infirmary hospice".split())
_CENTRES = frozenset("center centre ctr institute pavilion facility foundation campus unit branch".split())
_BEFORE_CENTRE = frozenset(
    "medical med health cancer heart surgery surgical infusion imaging dialysis care wellness rehabilitation rehab trauma birth women's children's nursing recovery treatment community memorial "
    "regional diagnostic pain sleep eye vein spine family veterans oncology research university senior counseling therapy orthopedic orthopaedic neurology cardiac stroke transplant urgent burn".split()
)
_ENDINGS = {
    ("medical", "group"), ("nursing", "home"), ("urgent", "care"), ("primary", "care"), ("health", "system"), ("health", "care"), ("care", "home"), ("home", "health"), ("day", "surgery"),
    ("family", "practice"), ("family", "medicine"), ("medical", "associates"), ("health", "services"), ("health", "partners"), ("assisted", "living"), ("skilled", "nursing"), ("health", "network"),
    ("medical", "practice"), ("walk-in", "clinic"), ("emergency", "room"), ("medical", "school"), ("high", "school"), ("elementary", "school"), ("middle", "school"), ("general", "practice"), ("medical", "pavilion"),
    ("senior", "living"), ("retirement", "community"), ("nursing", "center"), ("dental", "group"), ("dental", "care"), ("eye", "care"),
}  # fmt: skip
_ENDS = frozenset(
    "medical med health general memorial presbyterian methodist va office university practice surgery hospice labs laboratory laboratories diagnostics imaging".split()
)
_JOIN = frozenset("of and & at for the".split())
_GENERIC = frozenset(
    "the a an this that our my your their his her its at in to from local nearby outpatient inpatient emergency primary urgent community general rural urban same another other any each every "
    "all no some free mobile specialty tertiary academic public private major large small private pain sleep wound anticoagulation coumadin diabetes heart cancer eye dental dialysis surgical surgery "
    "medical health care walk-in virtual women's children's family pediatric cardiology oncology neurology dermatology orthopedic rheumatology gi ent psychiatric psychiatry behavioral mental home nursing "
    "nursing day teaching university acute base referring and or of for new visit clinic hospital center with seen per via by is was if when while after before current plan please contact call "
    "follow hospital-based veterans state county city district regional national international global patient facility see refer referred infusion imaging transplant stroke trauma intensive critical "
    "admission discharge history reports labs lab research radiation infectious disease physical occupational speech therapy fertility memory weight loss travel vaccine vaccination flu covid bone "
    "marrow spine hand foot ankle vein vascular thoracic endocrine endocrinology renal kidney liver hepatology lipid hypertension asthma allergy epilepsy headache movement disorders stepdown".split()
)
_THINGS = frozenset(
    "disease syndrome virus fever score risk scale study trial criteria classification rule rules protocol consensus guideline guidelines statement declaration convention index "
    "method test equation formula staging grading heart cohort".split()
)
_THING_HEADS = frozenset("risk coma heart ankle knee equine sleep ethnic stroke pain".split())
_STREETS = frozenset("street st avenue ave road rd lane drive boulevard blvd way court".split())
_WHERE = frozenset("at from to in via near by".split())
_PLACE_CUES = frozenset(
    "in from near at to of living lives resides residing resident residence located outside around visiting visited moved relocated via city town travelling traveling live lived born based staying".split()
)
_TRUE_PLACE_CUES = frozenset("in near outside around lives resides living reside live".split())
_VISIT = re.compile(
    r"\b(?:seen|evaluated|treated|admitted|presented|transferred|discharged|referred|visited|hospitali[sz]ed|operated|reviewed|diagnosed|consulted|examined|scheduled|managed|followed|seen|"
    r"done|performed|assessed|appointment|appt|visit|surgery|procedure|hospitalized|stay|clinic|care|records|presented|presenting|currently|works|worked|admit|admission|f/u|eval)\b[^.;\n]{0,28}?\b(?:at|to|from|in|@)\s$|@\s?$",
    re.IGNORECASE,
)


def addresses(lexed: Lexed) -> list[Span]:
    """Street and postal addresses and ZIP codes in a text with digits."""
    text, vocabulary = lexed.text, lexed.vocabulary
    out: list[Span] = []
    if not vocabulary.isdisjoint(_SUFFIXES):
        streets = [*_STREET.finditer(text), *(_STREET_LOWER.finditer(text) if lexed.lower_style else ())]
        for match in streets:
            words = match[0].lower().split()
            if any(word.strip(".,") in _NOT_STREET for word in words[1:4]):
                continue
            out.append(Span(match.start(), match.end(), "ADDRESS", 0.8, _SOURCE))
        out += [Span(m.start(1), m.end(1), "ADDRESS", 0.7, _SOURCE) for m in _STREET_NAMED.finditer(text)]
    for pattern, needed, score in _OTHER_STREETS:
        if not vocabulary.isdisjoint(needed):
            out += [
                Span(*m.span(), "ADDRESS", score, _SOURCE)
                for m in pattern.finditer(text)
                if any(map(str.isdigit, m[0]))
            ]
    if _GERMANIC_TAIL.search(text):
        out += [
            Span(*m.span(), "ADDRESS", 0.75, _SOURCE) for m in _GERMANIC.finditer(text) if any(map(str.isdigit, m[0]))
        ]
    if 5 in lexed.numbers:
        out += [Span(m.start(2), m.end(2), "ZIP", 0.85, _SOURCE) for m in _STATE_ZIP.finditer(text)]
        out += [Span(*m.span(), "ZIP", 0.5, _SOURCE) for m in _ZIP4.finditer(text)]
    out += [Span(*m.span(), "ZIP", 0.6, _SOURCE) for m in _LETTERED_POST.finditer(text)]
    return out


def towns(lexed: Lexed) -> list[Span]:
    """Towns: ``Town, ST``; a known city after a preposition or standing apart; cities of several words."""
    text = lexed.text
    out = []
    states = gazetteer().states
    for match in (
        _TOWN_STATE.finditer(text) if "ZZ" in text or any(len(w) == 2 and w in states for w in lexed.words) else ()
    ):
        head = match[1].split()[0].lower()
        if head in ("dr", "mr", "mrs", "ms") or (
            match[2] in ("MD", "PA", "MS", "MA", "DC", "DE", "LA", "CO", "AL") and _is_person(match[1])
        ):
            continue
        if match[2] in ("OR", "IN", "ME", "OK", "HI", "AL", "LA", "DE") and _CAPITALS.match(text, match.end()):
            continue
        begin = match.start() + (len(head) + 1 if head in _PLACE_CUES and " " in match[1] else 0)
        out.append(Span(begin, match.end(), "LOCATION", 0.75, _SOURCE))
    words, flags, caps = lexed.folded, lexed.flags, lexed.caps
    _dwelling(lexed, out)
    cities = gazetteer().cities
    skip = -1
    for i, flag in enumerate(flags):
        if i <= skip or not flag & (CITY | CITY_HEAD) or not (caps[i] or lexed.lower_style):
            continue
        if flag & CITY_HEAD:
            last = _phrase(lexed, i, cities)
            if last is not None and (caps[last] or lexed.lower_style):
                out.append(Span(lexed.starts[i], lexed.ends[last], "LOCATION", 0.7, _SOURCE))
                skip = last
                continue
        if (
            not flag & CITY
            or flag & CLINICAL
            or (len(words[i]) < 4 and words[i] != "nyc")
            or words[i] in MONTHS
            or _names_a_thing(lexed, i)
        ):
            continue
        cue = words[i - 1] if i and lexed.gap(i - 1) == " " else ""
        named = flag & (GIVEN | FAMILY)
        if flag & WORD:
            if not caps[i] or cue not in _TRUE_PLACE_CUES or lexed.shouting(i):
                continue
        elif named:
            placed = (
                i
                and lexed.gap(i - 1) in (", ", ",")
                and (words[i - 1] in _NOUNS or words[i - 1] in _CENTRES or words[i - 1] in _STREETS)
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
        out.append(Span(lexed.starts[i], lexed.ends[i], "LOCATION", 0.6, _SOURCE))
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
        out.append(Span(start, lexed.ends[last], "LOCATION", 0.65, _SOURCE))


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


def _phrase(lexed: Lexed, i: int, known: frozenset[str]) -> int | None:
    """The last token of the longest entry of ``known`` that begins at token ``i``."""
    found = None
    phrase = lexed.folded[i]
    for j in range(i + 1, min(i + 5, len(lexed.folded))):
        gap = lexed.gap(j - 1)
        if gap not in (" ", "-", ". ", "'s ", " & ", "'s & "):
            break
        phrase += ("'s" if gap.startswith("'s") else "") + (" & " if "&" in gap else " ") + lexed.folded[j]
        if phrase in known or phrase + "'s" in known:
            found = j
    return found


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
            last = _phrase(lexed, i, institutions) if flags[i] & FACILITY_HEAD else None
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
            cue = words[i - 1] if i else ""
            if (possessive or cue in _WHERE) and not (i and words[i - 1][0].isdigit()):
                out.append(_facility(lexed, i, i + 1, 0.7))
    out += _after_visit(lexed)
    return out


_TRIGGERS = frozenset(
    [*_NOUNS, *_CENTRES, *_ENDS, *(last for _, last in _ENDINGS), "st", "saint", "mt", "mount", "sankt"]
)


def _name_before(lexed: Lexed, i: int) -> bool:
    return i > 0 and lexed.gap(i - 1) == " " and bool(lexed.flags[i - 1] & GIVEN) and lexed.caps[i - 1]


def _is_noun(lexed: Lexed, i: int) -> bool:
    word = lexed.folded[i]
    if word in _NOUNS:
        return lexed.caps[i] or word in _LOWER_NOUNS
    before = lexed.folded[i - 1] if i else ""
    if word in _CENTRES:
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
        if lexed.caps[i] or lower_ok:
            shout = lexed.shouting(i)
            if word in ("dr", "mr", "mrs") and gap != ". ":
                break
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
            if word not in _GENERIC and not lexed.flags[i] & CLINICAL and word != "dr":
                proper = True
        else:
            joins = (
                word in _JOIN and i and lexed.caps[i - 1] and lexed.folded[i - 1] not in _GENERIC and start is not None
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
    return Span(lexed.starts[start], end, "FACILITY", score, _SOURCE)


def _is_tail(word: str) -> bool:
    return (
        word in _NOUNS
        or word in _CENTRES
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
            or words[i] in _GENERIC
            or (lexed.words[i].isupper() and len(words[i]) < 5 and not flags[i] & (FACILITY | CITY))
        ):
            continue
        if not _VISIT.search(text, max(0, start - 64), start):
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
        out.append(Span(start, end, "FACILITY", 0.55, _SOURCE))
    return out
