"""Names of people of many origins: from the project's own lists, Faker's providers, and invented ones."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import faker.providers.person

__all__ = ["Inventor", "Origin", "faker_names", "lines", "word_names", "world_names"]

_DATA = Path(__file__).parent / "data"
_LATIN = re.compile(r"^[A-Za-z\u00c0-\u024f\u1e00-\u1eff' -]{2,}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Given and family names that belong together."""

    name: str
    given: tuple[str, ...]
    family: tuple[str, ...]


@cache
def lines(file: str) -> tuple[str, ...]:
    """The lines of one of our data files, without blanks and comments."""
    text = (_DATA / file).read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@cache
def world_names() -> tuple[Origin, ...]:
    """Our own lists, one origin a line: ``origin | given names | family names``."""
    found = []
    for line in lines("names_world.txt"):
        name, given, family = (part.strip() for part in line.split("|"))
        found.append(Origin(name=name, given=tuple(given.split()), family=tuple(_families(family))))
    return tuple(found)


def _families(text: str) -> Iterable[str]:
    """Family names of a list in which particles ("van der", "dos") belong to the next name."""
    held: list[str] = []
    for word in text.split():
        held.append(word)
        if word[0].isupper() and word not in ("Dela", "Ní", "Ó"):
            yield " ".join(held)
            held = []


@cache
def word_names() -> tuple[Origin, ...]:
    """Names that are also plain words: Grace, Will, Rose, Mark, May …"""
    rows = dict(line.split(": ", 1) for line in lines("word_names.txt"))
    return (Origin(name="word", given=tuple(rows["given"].split()), family=tuple(rows["family"].split())),)


@cache
def faker_names() -> tuple[Origin, ...]:
    """The names in Faker's person providers, one origin per locale; other scripts than Latin included."""
    found = []
    for module in sorted(pkgutil.iter_modules(faker.providers.person.__path__), key=lambda item: item.name):
        provider = importlib.import_module(f"faker.providers.person.{module.name}").Provider
        given: set[str] = set()
        family: set[str] = set()
        for attribute in dir(provider):
            if any(part in attribute for part in ("format", "prefix", "suffix", "language", "degree", "code")):
                continue
            value = getattr(provider, attribute)
            if attribute.startswith("_") or not isinstance(value, tuple | list | dict):
                continue
            words = {str(word).title() if str(word).isupper() else str(word) for word in value if isinstance(word, str)}
            if "last" in attribute or "surname" in attribute or "family" in attribute:
                family |= words
            elif "first" in attribute or "given" in attribute or "middle" in attribute:
                given |= words
        if given and family:
            found.append(Origin(name=module.name, given=tuple(sorted(given)), family=tuple(sorted(family))))
    return tuple(found)


def is_latin(name: str) -> bool:
    return bool(_LATIN.match(name))


class Inventor:
    """Makes names nobody bears, by a chain over the letters of real ones, so that names outside every list are seen."""

    def __init__(self, names: Iterable[str]) -> None:
        chain: dict[str, list[str]] = defaultdict(list)
        for name in names:
            if is_latin(name) and " " not in name and "-" not in name:
                padded = "^^" + name.lower() + "$"
                for at in range(2, len(padded)):
                    chain[padded[at - 2 : at]].append(padded[at])
        self._chain = dict(chain)

    def __call__(self, random: Random) -> str:
        while True:
            state, letters = "^^", ""
            while (letter := random.choice(self._chain[state])) != "$" and len(letters) < 13:
                letters += letter
                state = state[1] + letter
            if len(letters) >= 4:
                return letters[0].upper() + letters[1:]
