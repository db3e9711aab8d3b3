"""One person and the ways a text may write the name."""

from __future__ import annotations

import string
from functools import cache
from random import Random
from typing import Final

from training.people import Inventor, Origin, faker_names, is_latin, word_names, world_names

__all__ = ["Person"]

_STYLES: Final = {
    "full": 44,
    "fm": 8,
    "fl": 9,
    "fi": 3,
    "il": 6,
    "lf": 8,
    "lfm": 3,
    "ffl": 3,
    "first": 7,
    "suffix": 2,
    "nick": 1,
    "two": 3,
    "last": 5,
    "init": 2,
}
_SECOND: Final = [
    "de los Ángeles", "del Carmen", "de Jesús", "de la Luz", "del Rosario", "de Dios", "Isabel", "Luis", "José", "Elena", "Antonio", "Guadalupe",
]  # fmt: skip
_SUFFIXES: Final = (" Jr.", " Jr", ", Jr.", " Sr.", " III", " II")


@cache
def _origins() -> tuple[tuple[Origin, ...], tuple[Origin, ...], tuple[Origin, ...]]:
    """Faker's origins in Latin script, those in other scripts, and the English-speaking ones."""
    latin, other = [], []
    for origin in faker_names():
        given = tuple(name for name in origin.given if is_latin(name))
        family = tuple(name for name in origin.family if is_latin(name))
        if len(given) > 20 and len(family) > 20:
            latin.append(Origin(name=origin.name, given=given, family=family))
        elif len(given) < 5:
            other.append(origin)
    english = [origin for origin in latin if origin.name in ("en_US", "en_GB", "en")]
    return tuple(latin), tuple(other), tuple(english)


@cache
def _inventor() -> Inventor:
    everyone = (*_origins()[0], *world_names())
    return Inventor(name for origin in everyone for name in (*origin.given, *origin.family))


class Person:
    """Someone of a random origin; half of all names stand in no list we ship."""

    def __init__(self, random: Random) -> None:
        latin, other, english = _origins()
        world, words = world_names(), word_names()[0]
        draw = random.random()
        if draw < 0.34:
            origin = random.choice(world)
        elif draw < 0.57:
            origin = random.choice(latin)
        elif draw < 0.59:
            origin = random.choice(other)
        else:
            origin = random.choice(world if random.random() < 0.6 else latin)
        self.first, self.last = random.choice(origin.given), random.choice(origin.family)
        if draw >= 0.71:
            invent = _inventor()
            self.last = invent(random) if random.random() < 0.5 else random.choice(random.choice(english).family)
            self.first = random.choice(random.choice(english).given) if random.random() < 0.6 else invent(random)
        elif draw >= 0.59:
            which = random.random()
            if which < 0.65:
                self.first = random.choice(words.given)
            if not 0.25 <= which < 0.65:
                self.last = random.choice(words.family)
        if origin.name in ("latin", "es", "es_ES", "es_MX", "es_CO", "es_AR", "es_CL") and random.random() < 0.2:
            self.first = random.choice([self.first, "María", "José", "Juan", "Ana"]) + " " + random.choice(_SECOND)
            if random.random() < 0.2:
                self.last += random.choice([" Vda. de ", " de ", " y "]) + random.choice(origin.family)
        if random.random() < 0.05:
            self.last += "-" + random.choice(random.choice(world).family)
        if random.random() < 0.03:
            self.first += "-" + random.choice(random.choice(latin).given)
        self.middle = random.choice(string.ascii_uppercase[:23])
        self.style = random.choices(list(_STYLES), list(_STYLES.values()))[0]
        self._random = random

    def write(self, style: str) -> str:
        """The name in one of its styles."""
        first, last, middle, random = self.first, self.last, self.middle, self._random
        match style:
            case "full":
                return f"{first} {last}"
            case "fm":
                return random.choice(
                    [f"{first} {middle}. {last}", f"{first} {middle}. {last}", f"{first} {middle} {last}"]
                )
            case "fl":
                return f"{first} {last[0].upper()}."
            case "fi":
                return f"{first} {last[0].upper()}"
            case "il":
                return random.choice(
                    [f"{first[0]}. {last}", f"{first[0]}. {last}", f"{first[0]}. {last}", f"{first[0]} {last}"]
                )
            case "lf":
                return f"{last}, {first}"
            case "lfm":
                return f"{last}, {first} {middle}{random.choice(['', '.'])}"
            case "ffl":
                return f"{first} {Person(random).first} {last}"
            case "first":
                return first
            case "suffix":
                return f"{first} {last}{random.choice(_SUFFIXES)}"
            case "nick":
                return f'{first} "{Person(random).first[:5]}" {last}'
            case "two":
                return f"{first} {last} {Person(random).last}"
            case "last":
                return last
            case "lastu":
                return last.upper()
            case "init":
                return random.choice(
                    [f"{first[0]}.{last[0]}.", f"{first[0]}{last[0]}", f"{first[0]}. {last[0]}."]
                ).upper()
            case "hl7":
                return random.choice([f"{last}^{first}^{middle}", f"{last}^{first}"])
            case "hl7u":
                return f"{last}^{first}^{middle}".upper()
            case "under":
                return random.choice([f"{last}_{first}", f"{first}_{last}", f"{last}-{first}"])
            case "spell":
                return random.choice(["-", " ", ". "]).join(last.upper().replace(" ", ""))
            case "both":
                return random.choice(
                    [f"{first} {last}", f"{first} {last}", f"{last}, {first}", f"{first} {middle}. {last}"]
                )
        raise ValueError(f"no way of writing a name is called {style!r}; see training/person.py")

    def handle(self) -> str:
        """A user name made of the name."""
        drop = str.maketrans("", "", " '’-.")
        first, last = self.first.lower().translate(drop), self.last.lower().translate(drop)
        number = self._random.randint(1, 99)
        return self._random.choice(
            [
                f"{first}.{last}",
                f"{first[0]}{last}",
                f"{first}{last}",
                f"{first}_{last}",
                f"{first}{number}",
                f"{last}{first[0]}",
                first,
            ]
        )
