"""Street and postal addresses and ZIP codes.

A state closes an address and goes along with it; alone it stays (45 CFR 164.514(b)(2)(i)(B)).
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from itertools import repeat

from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.places import CAP, SOURCE, STATE, TOWN
from toolguard.detection.rules.scan import at_starts
from toolguard.detection.spans import Span

__all__ = ["addresses"]

_SUFFIX = (
    "street|st|avenue|ave|av|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|pl|terrace|ter|circle|cir|way|parkway|pkwy|highway|hwy|square|sq|trail|trl|loop"
    "|alley|aly|crescent|cres|close|row|pike|turnpike|plaza|point|pt|ridge|run|path|walk|mews|grove|hollow|crossing|xing|bend|cove|gardens|glen|heights|hill|hills|island"
    "|junction|knoll|landing|manor|meadow|meadows|mill|mission|orchard|park|pass|passage|pine|pines|ranch|rapids|rest|shoal|shore|shores|skyway|spring|springs|spur"
    "|station|stravenue|stream|summit|trace|track|trafficway|tunnel|union|valley|via|viaduct|view|views|village|ville|vista|ways|well|wells|wharf|corner|corners|cliff|common|commons"
    "|course|estate|estates|expressway|extension|falls|ferry|field|fields|flat|flats|ford|forest|forge|fork|fort|freeway|gateway|green|haven|harbor|inlet|isle|key|lake|lakes|light"
    "|lights|locks|lodge|mall|motorway|mount|mountain|neck|oval|overpass|plain|plains|port|prairie|radial|ramp|river|rue|burg|burgs|brook|brooks|bluff|bluffs|bridge|branch|bypass|camp|canyon|cape|causeway|center|club|creek|crest|curve|dale|dam|divide"
)
_UNIT = r"(?:,?\s{1,3}(?i:apt|apartment|suite|ste|unit|floor|fl|room|rm|bldg|building|lot|#)\.?\s{0,2}#?\s?[\w-]{1,8}|,?\s?#\s?[\w-]{1,8})"
_TAIL = rf"(?:\s{{0,2}}[,\n]\s{{0,4}}{TOWN})?(?:(?:\s{{0,2}},?\s{{1,4}}{STATE})?(?:\s{{0,2}},?\s{{0,4}}(?<=[\s,])\d{{5}}(?:-\d{{4}})?\b)|\s{{0,2}},\s{{1,4}}{STATE}\b)?"
_HOUSE = r"(?<![\w.$/-])\d{1,6}(?:[A-Za-z]|-\d{1,4}| 1/2)?,?\s{1,2}(?:[NSEWnsew]{1,2}\.?\s{1,2})?"
_STREET = re.compile(
    rf"{_HOUSE}(?:[^\W\d_a-z][\w'-]{{0,24}}\.?\s{{1,2}}|\d{{1,3}}(?:st|nd|rd|th|ST|ND|RD|TH)\s{{1,2}}|(?:of|the|de|la)\s){{1,4}}"
    rf"(?:(?i:{_SUFFIX}))\b\.?(?:\s{{1,2}}(?:[NSEW]{{1,2}}|North|South|East|West)\b)?{_UNIT}?{_UNIT}?{_TAIL}"
)
_STREET_LOWER = re.compile(
    rf"{_HOUSE}(?:[a-z][a-z'-]{{1,20}}\s|\d{{1,3}}(?:st|nd|rd|th)\s){{1,3}}?(?:street|st|avenue|ave|road|rd|drive|dr|lane|ln|boulevard|blvd|court|ct|way|place|terrace|circle|highway|hwy)\b\.?{_UNIT}?"
)
_STREET_NAMED = re.compile(
    rf"\b(?:on|at|from|near|off) ((?:{CAP}\s){{1,3}}(?:Street|Avenue|Road|Boulevard|Lane|Drive|Terrace|St|Ave|Rd|Blvd|Ln)\b\.?{_TAIL})"
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
_STATE_ZIP = re.compile(rf"(?<!\w)({STATE}),?\s{{1,3}}(\d{{5}}(?:-\d{{4}})?)(?![\w-])")
_ROUTE = re.compile(
    r"(?<![\w-])(?i:(?:RR|R\.R\.|rural route|HC)\s?#?\d{1,4},?\s{1,2}box\s#?\d{1,6}[A-Z]?"
    r"|(?:I|US|SR|CR|FM|RM|hwy|highway|route|rte|interstate|state road|county road|turnpike)[- ]?\d{1,4}\s?(?:[NSEW]B?|north(?:bound)?|south(?:bound)?|east(?:bound)?|west(?:bound)?)?\s?(?:at|@|near|,)?\s?(?:MM|mile(?:\s?(?:marker|post))?|exit|mp)\s?#?\d{1,4}(?:\.\d)?"
    r"|\d{1,6}\s(?:[NSEW]\.?\s)?(?:county road|county rd|state road|state route|highway|hwy|route|rte|FM|CR|SR|US)\s(?:hwy\s)?\d{1,4}(?:\s(?:rd|road|[NSEW]))?"
    r"|(?:FM|CR|SR|county road|highway|hwy)\s\d{1,4}\s(?:rd|road))\b"
)
_ROUTE_WORDS = frozenset("rr rural i us sr cr fm rm hwy highway route rte interstate county turnpike hc".split())
_CORNER = re.compile(
    rf"(?:\b(?:of|at|on|near|to) |@ )((?:\d{{1,3}}(?:st|nd|rd|th)(?:\s(?:St|Ave|Street|Avenue)\b\.?)?\s(?:and|&|at|@)\s{CAP}(?:\s(?:St|Ave|Rd|Blvd|Street|Avenue|Road)\b\.?)?"
    rf"|{CAP}(?:\s(?:St|Ave|Rd|Blvd|Street|Avenue|Road)\b\.?)?\s(?:and|&|at|@)\s\d{{1,3}}(?:st|nd|rd|th)(?:\s(?:St|Ave|Street|Avenue)\b\.?)?))(?!\w)"
)
_UNIT_ALONE = re.compile(r"(?<!\w)(?i:apt|apartment|suite|ste)\.?\s?#?\s?(?:\d{1,5}[A-Za-z]?|[A-Z]-?\d{1,4})(?!\w)")
_HOUSE_NAMED = re.compile(rf"(?:\b(?:at|to|on) |@ )(\d{{1,5}} {CAP}(?: {CAP})?)(?=\s?(?:[.,;)]|\n|$))")
_LETTERED_POST = re.compile(
    r"(?<!\w)(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d)(?!\w)"
)  # UK, Canada
_AFTER_STATE = re.compile(r",?\s{1,3}$")
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
_STREET_NAMES = frozenset(
    "main oak elm maple pine cedar walnut chestnut washington lincoln jefferson jackson madison adams franklin park broadway market church hill high spring center central union state front water grove prospect "
    "pleasant highland lakeview sunset ridge river willow birch cherry spruce hickory magnolia dogwood linden mulberry vine college university locust peachtree canal harrison monroe cleveland lafayette".split()
)
_NOT_STREET = frozenset(
    "admitted transferred presented from lives alone who is c/o by seen patient pt her his under managed female this that is was has f m yo pain mg mcg ml mmhg year years day days week weeks month months hours hour minutes times patients people male female y yo percent cm mm units doses tablets points old of in on at to and or with for".split()
)


def addresses(lexed: Lexed) -> list[Span]:
    """Street and postal addresses and ZIP codes in a text with digits."""
    text, vocabulary = lexed.text, lexed.vocabulary
    out: list[Span] = []
    if not vocabulary.isdisjoint(_SUFFIXES):
        streets = [*at_starts(_STREET, text, lexed.digits)]
        if lexed.lower_style:
            streets += at_starts(_STREET_LOWER, text, lexed.digits)
        for match in streets:
            words = match[0].lower().split()
            if any(word.strip(".,") in _NOT_STREET for word in words[1:4]):
                continue
            out.append(Span(match.start(), match.end(), "ADDRESS", 0.8, SOURCE))
        out += [Span(m.start(1), m.end(1), "ADDRESS", 0.7, SOURCE) for m in _STREET_NAMED.finditer(text)]
    for pattern, needed, score in _OTHER_STREETS:
        if not vocabulary.isdisjoint(needed):
            out += [
                Span(*m.span(), "ADDRESS", score, SOURCE)
                for m in pattern.finditer(text)
                if any(map(str.isdigit, m[0])) and _NOT_STREET.isdisjoint(m[0].lower().split()[1:4])
            ]
    if _GERMANIC_TAIL.search(text):
        out += [
            Span(*m.span(), "ADDRESS", 0.75, SOURCE) for m in _GERMANIC.finditer(text) if any(map(str.isdigit, m[0]))
        ]
    if not vocabulary.isdisjoint(_ROUTE_WORDS):
        out += _routes(lexed)
    if not vocabulary.isdisjoint(("st", "nd", "rd", "th")):
        out += [Span(*m.span(1), "ADDRESS", 0.6, SOURCE) for m in _CORNER.finditer(text)]
    if not vocabulary.isdisjoint(("apt", "apartment", "suite", "ste")):
        out += [Span(*m.span(), "ADDRESS", 0.55, SOURCE) for m in _UNIT_ALONE.finditer(text)]
    houses = () if vocabulary.isdisjoint(_STREET_NAMES) else map(_house_start, repeat(text), lexed.digits)
    for match in at_starts(_HOUSE_NAMED, text, houses):
        words = match[0].lower().split()
        if words[1] in _STREET_NAMES and not _NOT_STREET.intersection(words):
            out.append(Span(*match.span(1), "ADDRESS", 0.55, SOURCE))
    if 5 in lexed.numbers:
        fives = [lexed.starts[i] for i in lexed.figures if len(lexed.words[i]) == 5]
        states = (_AFTER_STATE.search(text, max(0, five - 4), five) for five in fives)
        starts = [gap.start() - 2 for gap in states if gap and gap.start() > 1]
        out += [Span(m.start(2), m.end(2), "ZIP", 0.85, SOURCE) for m in at_starts(_STATE_ZIP, text, starts)]
        out += [Span(*m.span(), "ZIP", 0.5, SOURCE) for m in at_starts(_ZIP4, text, fives)]
    if 1 in lexed.numbers or 2 in lexed.numbers:
        lettered = [at for at in lexed.digits if at and text[at - 1].isupper()]
        starts = [at - back for at in lettered for back in (2, 1) if at >= back]
        out += [Span(*m.span(), "ZIP", 0.6, SOURCE) for m in at_starts(_LETTERED_POST, text, starts)]
    return out


def _house_start(text: str, at: int) -> int:
    """Where ``at 12 Oak`` begins if a number is at ``at``; the number itself, where nothing can begin, if it does not."""
    if at > 2 and text[at - 3 : at] in ("at ", "to ", "on "):
        return at - 3
    return at - 2 if at > 1 and text[at - 2 : at] == "@ " else at


def _routes(lexed: Lexed) -> list[Span]:
    """``I-80 MM 118``, ``RR 2 Box 14``: a road's letters with a number behind."""
    out = []
    folded, starts, text = lexed.folded, lexed.starts, lexed.text
    for i, word in enumerate(folded):
        if (
            word in _ROUTE_WORDS
            and i + 1 < len(folded)
            and (folded[i + 1][0] <= "9" or folded[i + 1] in ("route", "road", "rd"))
        ):
            match = _ROUTE.search(text, max(0, starts[i] - 10), starts[i] + 60)
            if match and match.end() > starts[i]:
                out.append(Span(*match.span(), "ADDRESS", 0.7, SOURCE))
    return out
