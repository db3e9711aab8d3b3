"""Places smaller than a state: street addresses, ZIP codes, towns, hospitals and other facilities.

States and countries stay (45 CFR 164.514(b)(2)(i)(B)) except where they close an address or ``Town, ST``.
"""

from __future__ import annotations

import re

from toolguard.detection.gazetteer import CITY, CITY_HEAD, CLINICAL, FACILITY, FACILITY_HEAD, FAMILY, GIVEN, REGION, WORD, gazetteer
from toolguard.detection.lexer import Lexed
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
_UNIT = r"(?:,?\s{1,3}(?:apt|apartment|suite|ste|unit|floor|fl|room|rm|bldg|building|lot|#)\.?\s{0,2}#?\s?[\w-]{1,8}|,?\s?#\s?[\w-]{1,8})"
_STATE = r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]|ZZ)"
_TOWN = r"[^\W\d_a-z][\w'.-]{1,24}(?:[ -](?:of\s|on\s|de\s|la\s|upon\s)?[^\W\d_a-z][\w'.-]{0,24}){0,3}"
_TAIL = rf"(?:\s{{0,2}}[,\n]\s{{0,4}}{_TOWN})?(?:\s{{0,2}},?\s{{1,4}}{_STATE}\b)?(?:\s{{0,2}},?\s{{0,4}}(?<=[\s,])\d{{5}}(?:-\d{{4}})?\b)?"
_STREET = re.compile(
    rf"(?<![\w.$/-])\d{{1,6}}(?:[A-Za-z]|-\d{{1,4}}| 1/2)?,?\s{{1,2}}(?:[NSEWnsew]{{1,2}}\.?\s{{1,2}})?(?:[^\W\d_][\w'.-]{{0,24}}\s{{1,2}}|\d{{1,3}}(?:st|nd|rd|th)\s{{1,2}}){{1,4}}?"
    rf"(?:(?i:{_SUFFIX}))\b\.?(?:\s{{1,2}}(?:[NSEW]{{1,2}}|North|South|East|West)\b)?{_UNIT}?{_UNIT}?{_TAIL}"
)
_FOREIGN = re.compile(
    rf"(?<![\w.$/-])(?:\d{{1,5}}[A-Za-z]?,?\s{{1,2}})?(?:(?i:rue|calle|avenida|avenue|via|viale|piazza|plaza|rua|carrera|ulica|ul\.|chemin|boulevard|bd|paseo|camino|strada|allée|impasse|place|cours|c/))\s{{1,2}}"
    rf"(?:(?:de|des|du|la|las|los|le|les|del|della|dei|di|d'|l')\s{{0,2}}){{0,3}}[^\W\d_a-z][\w'-]{{1,24}}(?:\s[^\W\d_a-z][\w'-]{{1,24}}){{0,3}}(?:,?\s{{1,2}}(?:n[°ºo]\.?\s?)?\d{{1,5}}[A-Za-z]?\b)?{_UNIT}?{_TAIL}"
)
_GERMANIC = re.compile(rf"(?<!\w)[^\W\d_a-z][\w.-]{{2,24}}(?:straße|strasse|str\.|gasse|weg|platz|allee|straat|laan|gatan|vägen|veien|gata|gade|vej|katu|tie|utca)\s{{1,2}}\d{{1,4}}[A-Za-z]?\b{_UNIT}?{_TAIL}")
_LOOSE = re.compile(rf"(?<![\w.$/-])\d{{1,6}},?\s{{1,2}}(?:[^\W\d_][\w'.-]{{0,24}}\s{{1,2}}|\d{{1,4}}\s{{1,2}}){{1,5}}?(?:apt|apartment|suite|ste|unit)\.?\s{{0,2}}#?\s?\d[\w-]{{0,6}}{_TAIL}", re.IGNORECASE)
_PO_BOX = re.compile(rf"(?<!\w)(?:P\.?\s?O\.?\s?Box|Post Office Box|Apartado|Postfach)\s{{1,2}}#?\d{{1,7}}{_TAIL}", re.IGNORECASE)
_MILITARY = re.compile(r"(?<!\w)(?:(?:PSC|CMR|Unit|USS|USNS|USCGC|USNV)\s{1,2}\w{1,20},?\s{1,2}(?:Box\s\d{1,6},?\s{1,2})?)(?:APO|FPO|DPO)\s{0,2},?\s(?:AE|AP|AA)\s{1,2}\d{5}(?:-\d{4})?")
_STATE_ZIP = re.compile(rf"(?<!\w)({_STATE}),?\s{{1,3}}(\d{{5}}(?:-\d{{4}})?)(?![\w-])")
_TOWN_STATE = re.compile(rf"(?<![\w])({_TOWN}),\s{{1,2}}({_STATE})\b(?!\s?[-:=])(?:,?\s{{1,3}}\d{{5}}(?:-\d{{4}})?\b)?")
_UK_POST = re.compile(r"(?<!\w)[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}(?!\w)")
_CA_POST = re.compile(r"(?<!\w)[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d(?!\w)")
_ZIP4 = re.compile(r"(?<![\w-])\d{5}-\d{4}(?![\w-])")
_NOT_STREET = frozenset("mg mcg ml mmhg year years day days week weeks month months hours hour minutes times patients people male female y yo percent cm mm units doses tablets points old of in on at to and or with for".split())

_NOUNS = frozenset(
    "hospital hospitals hosp clinic clinics infirmary hospice sanatorium pediatrics paediatrics surgery oncology cardiology neurology orthopedics orthopaedics dermatology ophthalmology "
    "pharmacy healthcare rehabilitation rehab polyclinic dispensary hôpital klinik krankenhaus clinica clínica".split()
)
_CENTRES = frozenset("center centre ctr institute pavilion facility foundation campus".split())
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
_ENDS = frozenset("medical med health general memorial presbyterian methodist va office university practice surgery hospice labs laboratory laboratories diagnostics imaging".split())
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
_WHERE = frozenset("at from to in via near by".split())
_PLACE_CUES = frozenset("in from near at to of living lives resides residing resident residence located outside around visiting visited moved relocated via city town travelling traveling live lived born based staying".split())
_TRUE_PLACE_CUES = frozenset("in near outside around lives resides living reside live".split())
_VISIT = re.compile(
    r"\b(?:seen|evaluated|treated|admitted|presented|transferred|discharged|referred|visited|hospitali[sz]ed|operated|reviewed|diagnosed|consulted|examined|scheduled|managed|followed|seen|"
    r"done|performed|assessed|appointment|appt|visit|surgery|procedure|hospitalized|stay|clinic|care|records|presented|presenting|currently|works|worked|admit|admission|f/u|eval)\b[^.;\n]{0,28}?\b(?:at|to|from|in|@)\s$|@\s?$",
    re.IGNORECASE,
)


def addresses(text: str) -> list[Span]:
    """Street and postal addresses and ZIP codes in a text with digits."""
    out: list[Span] = []
    for match in _STREET.finditer(text):
        words = match[0].lower().split()
        if any(word.strip(".,") in _NOT_STREET for word in words[1:3]):
            continue
        if len(words) < 3 or not any(c.isupper() for c in match[0]) and words[-1].strip(".,") not in ("street", "st", "avenue", "ave", "road", "rd", "drive", "lane", "ln", "blvd", "boulevard"):
            continue
        out.append(Span(*match.span(), "ADDRESS", 0.8, _SOURCE))
    for pattern, score in ((_FOREIGN, 0.7), (_GERMANIC, 0.75), (_LOOSE, 0.75), (_PO_BOX, 0.85), (_MILITARY, 0.85)):
        for match in pattern.finditer(text):
            if any(c.isdigit() for c in match[0]):
                out.append(Span(*match.span(), "ADDRESS", score, _SOURCE))
    out += [Span(*m.span(2), "ZIP", 0.85, _SOURCE) for m in _STATE_ZIP.finditer(text)]
    out += [Span(*m.span(), "ZIP", 0.5, _SOURCE) for m in _ZIP4.finditer(text)]
    for pattern in (_UK_POST, _CA_POST):
        out += [Span(*m.span(), "ZIP", 0.6, _SOURCE) for m in pattern.finditer(text)]
    return out


def towns(lexed: Lexed) -> list[Span]:
    """Towns: ``Town, ST``; a known city after a preposition or standing apart; cities of several words."""
    text = lexed.text
    out = []
    for match in _TOWN_STATE.finditer(text):
        head = match[1].split()[0].lower()
        if head in ("dr", "mr", "mrs", "ms") or match[2] in ("OR", "IN", "ME", "OK", "HI", "MD", "PA", "MS", "DC", "MA") and _last_is_word(match[1]):
            continue
        out.append(Span(*match.span(), "LOCATION", 0.75, _SOURCE))
    words, flags, caps = lexed.folded, lexed.flags, lexed.caps
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
        if not flag & CITY or flag & CLINICAL or len(words[i]) < 4 and words[i] != "nyc":
            continue
        cue = words[i - 1] if i and lexed.gap(i - 1) == " " else ""
        named = flag & (GIVEN | FAMILY)
        if flag & WORD:
            if not caps[i] or cue not in _TRUE_PLACE_CUES or lexed.shouting(i):
                continue
        elif named:
            if cue not in _PLACE_CUES and not (i and lexed.gap(i - 1) == ", " and flags[i - 1] & FACILITY):
                continue
            if not caps[i] and cue not in _TRUE_PLACE_CUES:
                continue
        elif not caps[i] or lexed.shouting(i) and cue not in _PLACE_CUES:
            if cue not in _PLACE_CUES:
                continue
        out.append(Span(lexed.starts[i], lexed.ends[i], "LOCATION", 0.6, _SOURCE))
    return out


def _last_is_word(town: str) -> bool:
    get = gazetteer().flags.get
    flags = get(town.split()[-1].lower(), 0)
    return bool(flags & (WORD | GIVEN | FAMILY)) and not flags & CITY


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
    for i in range(count):
        word = words[i]
        if _is_noun(lexed, i):
            start = _left(lexed, i)
            if start is not None:
                out.append(_facility(lexed, start, i, 0.8))
                continue
        if flags[i] & (FACILITY | FACILITY_HEAD) and (caps[i] or lexed.lower_style):
            last = _phrase(lexed, i, institutions) if flags[i] & FACILITY_HEAD else None
            if last is None and flags[i] & FACILITY and not (flags[i] & WORD) and (lexed.words[i].isupper() or caps[i] and word not in ("uw", "nyp")):
                last = i
            if last is not None and (flags[i] & (GIVEN | FAMILY) == 0 or last > i or not _name_before(lexed, i)):
                out.append(_facility(lexed, i, last, 0.75))
                continue
        if word in ("st", "saint", "mt", "mount", "sankt") and caps[i] and i + 1 < count and caps[i + 1] and lexed.gap(i) in (". ", " ", "."):
            possessive = lexed.text[lexed.ends[i + 1] : lexed.ends[i + 1] + 2] == "'s"
            cue = words[i - 1] if i else ""
            if (possessive or cue in _WHERE) and not (i and words[i - 1][0].isdigit()):
                out.append(_facility(lexed, i, i + 1, 0.7))
    out += _after_visit(lexed)
    return out


def _name_before(lexed: Lexed, i: int) -> bool:
    return i > 0 and lexed.gap(i - 1) == " " and bool(lexed.flags[i - 1] & GIVEN) and lexed.caps[i - 1]


def _is_noun(lexed: Lexed, i: int) -> bool:
    word = lexed.folded[i]
    if word in _NOUNS:
        return True
    before = lexed.folded[i - 1] if i else ""
    if word in _CENTRES:
        return before in _BEFORE_CENTRE or bool(lexed.caps[i] and i and lexed.caps[i - 1]) or bool(i and lexed.flags[i - 1] & CITY and word == "facility")
    return (before, word) in _ENDINGS or word in _ENDS and bool(i) and (lexed.caps[i] or word == "office") and lexed.caps[i - 1] and lexed.gap(i - 1) in (" ", "'s ", "-")


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
        if lexed.caps[i] or lower_ok or lexed.words[i][0].isdigit() and False:
            shout = lexed.shouting(i)
            if word in ("dr", "mr", "mrs") and gap != ". ":
                break
            if word in ("the", "at", "in", "to", "from", "our", "a", "this", "see", "seen", "visit", "contact", "call", "when", "after", "before", "by", "hospitals", "facility", "clinic", "admitted", "transfer", "transferred", "discharged", "location", "site"):
                break
            if shout and lexed.flags[i] & WORD and word not in _BEFORE_CENTRE and word not in _ENDS and not lexed.flags[i] & (FAMILY | CITY):
                break
            start = i
            if word not in _GENERIC and not lexed.flags[i] & CLINICAL and not (word in ("dr",)):
                proper = True
        elif word in _JOIN and i and lexed.caps[i - 1] and lexed.folded[i - 1] not in _GENERIC and start is not None:
            pass
        elif word in _BEFORE_CENTRE or word in _ENDS or word in ("downtown", "office", "walk", "urgent", "primary"):
            pass
        else:
            break
        i -= 1
        steps += 1
    if start is None or not proper:
        if start is not None and (noun - start) >= 1 and lexed.caps[noun] and lexed.folded[start] in ("general", "county", "city", "central", "children's", "childrens", "community", "university", "veterans", "regional", "women's") and not lexed.shouting(noun):
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
        if gap in (" ", "-", "'s ", ". ", " & ") and (_is_tail(word) and (caps[nxt] or word in ("clinic", "hospital", "hosp", "center", "office", "facility", "er", "health", "med", "medical", "downtown"))):
            j = nxt
            end = lexed.ends[j]
        elif gap == " " and word in ("of", "in") and nxt + 1 < count and caps[nxt + 1] and lexed.gap(nxt) == " " and (lexed.flags[nxt + 1] & (CITY | CITY_HEAD) or lexed.flags[nxt + 1] & REGION and word == "of"):
            j = nxt + 1
            end = lexed.ends[j]
            if nxt + 2 < count and lexed.gap(nxt + 1) == " " and caps[nxt + 2] and (f"{words[nxt + 1]} {words[nxt + 2]}" in gazetteer().cities):
                j = nxt + 2
                end = lexed.ends[j]
        elif gap == " " and caps[nxt] and lexed.flags[nxt] & (CITY | CITY_HEAD) and not lexed.shouting(nxt) and not lexed.flags[nxt] & WORD:
            j = nxt
            end = lexed.ends[j]
        else:
            break
    return Span(lexed.starts[start], end, "FACILITY", score, _SOURCE)


def _is_tail(word: str) -> bool:
    return word in _NOUNS or word in _CENTRES or word in _BEFORE_CENTRE or word in _ENDS or word in ("er", "icu", "ed", "system", "network", "presbyterian", "sinai", "langone", "downtown", "group", "associates", "partners", "college")


def _after_visit(lexed: Lexed) -> list[Span]:
    """``evaluated at Westside``, ``admitted to Orlando Health``: capitals after a word of care and a preposition."""
    out: list[Span] = []
    text, caps, words, flags, count = lexed.text, lexed.caps, lexed.folded, lexed.flags, len(lexed.folded)
    for i in range(1, count):
        if not caps[i] or caps[i - 1] and words[i - 1] not in _WHERE:
            continue
        before = words[i - 1]
        if before not in _WHERE and text[max(0, lexed.starts[i] - 2) : lexed.starts[i]].strip() != "@":
            continue
        start = lexed.starts[i]
        if len(lexed.words[i]) < 2 or flags[i] & (CLINICAL | REGION) or lexed.shouting(i) or words[i] in _GENERIC or lexed.words[i].isupper() and len(words[i]) < 5 and not flags[i] & (FACILITY | CITY):
            continue
        if not _VISIT.search(text, max(0, start - 64), start):
            continue
        last = i
        while last + 1 < count and last - i < 5 and caps[last + 1] and lexed.gap(last) in (" ", "-", "'s ", ". ") and words[last + 1] not in ("dr",):
            last += 1
        if last == i and flags[i] & WORD and before not in ("at",):
            continue
        if before in ("to", "by", "from", "in") and flags[i] & (GIVEN | FAMILY) and last <= i + 1 and not flags[i] & (CITY | FACILITY):
            continue
        end = lexed.ends[last]
        if text[end : end + 2] == "'s":
            end += 2
        out.append(Span(start, end, "FACILITY", 0.55, _SOURCE))
    return out
