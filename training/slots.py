"""What a template's slots turn into: people, dates, places, identifiers, and the look-alikes that are none.

A slot is a line of ``data/plain.txt`` (nobody's identifier), a line of ``data/shapes.txt`` (identifiers by shape) or
a ``slot_…`` method here. A scene is one document: its people and its facility stay the same wherever it names them.
"""

from __future__ import annotations

import re
import string
from functools import cache
from random import Random
from typing import Final, TypeAlias

from training.dates import Dates, spoken_number
from training.people import Inventor, lines
from training.person import Person
from training.places import Places
from training.spoken import spoken_digits, spoken_house, spoken_phone

__all__ = ["SLOT", "Scene", "Segment"]

Segment: TypeAlias = tuple[str, str | None]
SLOT: Final = re.compile(
    r"@(?:(p|date|dob|fac|city|addr|[a-f])(?![a-z0-9])(?:\.([a-z0-9]+))?|([a-z]+(?:7[a-z]+)?|TT|UW|Anatword|[A-Z]))"
)
"""``@slot`` or ``@slot.style``."""

_NUMBER: Final = re.compile(r"\{(\d+)-(\d+)\}")
_SHAPE: Final = re.compile(r"\\(.)|([9Ah])|([^\\9Ah]+)")
_CLASSES: Final = {"9": string.digits, "A": "ABCDEFGHJKLMNPRSTUVWXYZ", "h": "0123456789abcdef"}
_TITLES: Final = [
    "Mr. ",
    "Mrs. ",
    "Ms. ",
    "Mr ",
    "Mrs ",
    "Ms ",
    "Miss ",
    "Sr. ",
    "Sra. ",
    "Nurse ",
    "Mx. ",
    "Judge ",
    "Rev. ",
    "Capt. ",
    "Officer ",
    "Prof. ",
]
_DOCTOR: Final = ["Dr. ", "Dr. ", "Dr. ", "Dr ", "Doctor ", "Prof. "]
_DEGREES: Final = ["MD", "DO", "NP", "PA-C", "RN", "M.D.", "PhD", "PharmD", "FNP", "LCSW", "DPT", "MBBS"]
_HOSTS: Final = [
    "gmail.com",
    "yahoo.com",
    "outlook.com",
    "hotmail.co.uk",
    "example.org",
    "mercy-health.org",
    "proton.me",
    "clinic.example.com",
    "hospital.nhs.uk",
    "correo.es",
    "uni-heidelberg.de",
    "mail.ru",
    "163.com",
]
_SPOKEN_HOSTS: Final = ["gmail", "yahoo", "outlook", "hotmail", "aol", "icloud", "proton mail", "comcast"]
_BRANCHES: Final = [
    "office",
    "clinic",
    "facility",
    "branch",
    "campus",
    "location",
    "downtown clinic",
    "site",
    "practice",
    "hospital",
    "ER",
    "center",
    "urgent care",
]
_AGE_TAILS: Final = ["-year-old", " year old", "yo", " y/o", " yo", "-yr-old", "y", " years old", "-year old"]
_OLD_TAILS: Final = [
    "-year-old",
    "-year-old",
    " year old",
    "yo",
    " y/o",
    " years old",
    "-yr-old",
    " yo",
    " years of age",
    " y",
    "F",
    "M",
    " years",
]
_OLD_HEADS: Final = ["aged ", "age ", "Age: ", "age: ", "AGE ", "âge ", "edad "]
_MILITARY: Final = ["PSC 9999, Box 9999", "Unit 9999 Box 9999", "CMR 999, Box 99"]
_BASES: Final = [r"\APO \AE 99999", r"FPO \AP 99999", r"DPO \A\A 99999", r"FPO \AE 99999"]
_UNITS: Final = [r"\Apt. 999", r"Suite 999", r"Unit 99", r"\Apt. 99", r"Flat 9", r"2nd Floor", r""]


@cache
def _plain() -> dict[str, list[str]]:
    rows = (line.split(":", 1) for line in lines("plain.txt"))
    return {name: [option.strip() for option in options.split("|")] for name, options in rows}


@cache
def _shapes() -> dict[str, tuple[str | None, list[str]]]:
    found: dict[str, tuple[str | None, list[str]]] = {}
    for line in lines("shapes.txt"):
        head, options = line.split(":", 1)
        label, name = head.split()
        found[name] = (None if label == "O" else label, [option.strip() for option in options.split("|")])
    return found


@cache
def _words(file: str) -> tuple[str, ...]:
    """All words of a file; the anatomy and pathology words for ``anatomy``; words like verbs for ``verbs``."""
    if file == "anatomy":
        return tuple(" ".join(lines("clinical_words.txt")[-2:]).split())
    if file == "verbs":
        return tuple(word for word in lines("words_en.txt") if word.endswith(("ed", "es", "ts", "ks", "ns")))
    return tuple(" ".join(lines(file)).split())


@cache
def _brands() -> Inventor:
    return Inventor(_words("drugs.txt"))


@cache
def _listed(file: str) -> tuple[str, ...]:
    return tuple("|".join(lines(file)).split("|"))


class Scene:
    """Slots of one document. ``random`` decides everything."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._people: dict[str, Person] = {}
        self._facility = ""
        self.dates = Dates(random)
        self.places = Places(random, lambda: Person(random))

    def fill(self, slot: str, style: str = "") -> list[Segment]:
        """The segments of ``@slot`` or ``@slot.style``."""
        if len(slot) == 1 and slot in "abcdef":
            person = self._people.setdefault(slot, Person(self.random))
            return [(person.write(style or person.style), "PERSON")]
        if slot in _shapes():
            return self._shaped(slot)
        if slot in _plain():
            return [(self.plain(slot), None)]
        method = getattr(self, "slot_" + slot)
        found = method(style) if style else method()
        return [(found, None)] if isinstance(found, str) else found

    def plain(self, slot: str) -> str:
        """One option of a plain slot, with its numbers and inner slots filled."""
        text = _NUMBER.sub(lambda m: str(self.random.randint(int(m[1]), int(m[2]))), self.random.choice(_plain()[slot]))
        return SLOT.sub(lambda m: "".join(part for part, _ in self.fill(m[1] or m[3], m[2] or "")), text)

    def shape(self, shape: str) -> str:
        """A string of this shape (see ``data/shapes.txt``)."""
        if shape == "?":
            return self.shape(self._new_shape())
        return "".join(m[1] or m[3] or self.random.choice(_CLASSES[m[2]]) for m in _SHAPE.finditer(shape))

    def _new_shape(self) -> str:
        random = self.random
        groups = ["9" * random.randint(2, 6)]
        groups += [
            random.choice(
                ["9" * random.randint(2, 5), "9" * random.randint(2, 5), "A" * random.randint(1, 3), "A9A", "99A"]
            )
            for _ in range(random.choice([0, 1, 1, 2]))
        ]
        if len(groups) == 1:
            groups = ["9" * random.randint(5, 10)]
        random.shuffle(groups)
        return random.choice(["", "", "#", "A", "AA", "MR", "AAA"]) + random.choice(
            ["-", "-", "-", "", "/", ".", " ", "_"]
        ).join(groups)

    def _shaped(self, slot: str) -> list[Segment]:
        label, options = _shapes()[slot]
        if slot == "phone" and self.random.random() < 0.12:
            digits = [
                self.random.choice(
                    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "oh"]
                )
                for _ in range(self.random.choice([7, 10]))
            ]
            return [(" ".join(digits), label)]
        if slot in ("mrn", "id") and self.random.random() < 0.04:
            return [
                (" ".join(spoken_number(self.random.randrange(10)) for _ in range(self.random.randint(5, 8))), label)
            ]
        return [(self.shape(self.random.choice(options)), label)]

    # People

    def slot_p(self, style: str = "") -> list[Segment]:
        person = Person(self.random)
        return [(person.write(style or person.style), "PERSON")]

    def slot_someone(self) -> str:
        """A family name that names a thing, so no identifier."""
        return Person(self.random).last.split()[-1]

    def slot_doc(self) -> list[Segment]:
        """A doctor: the title or degree stays outside."""
        person = Person(self.random)
        style = self.random.choice(["last", "last", "last", "full", "fl", "il", "fm"])
        if self.random.random() < 0.7:
            return [(self.random.choice(_DOCTOR), None), (person.write(style), "PERSON")]
        return [
            (person.write("full" if style == "last" else style), "PERSON"),
            (self.random.choice([", ", " "]) + self.random.choice(_DEGREES), None),
        ]

    def slot_mr(self) -> list[Segment]:
        style = self.random.choice(["last", "last", "last", "full", "fl", "il"])
        return [(self.random.choice(_TITLES), None), (Person(self.random).write(style), "PERSON")]

    def slot_email(self) -> list[Segment]:
        person = self._people.get("a") or Person(self.random)
        return [(f"{person.handle()}@{self.random.choice(_HOSTS)}", "EMAIL")]

    def slot_spokenemail(self) -> list[Segment]:
        person = self._people.get("a") or Person(self.random)
        random = self.random
        host, end = random.choice(_SPOKEN_HOSTS), random.choice(["com", "org", "net", "com", "edu", "co dot uk"])
        if random.random() < 0.2:
            host = self.places.town().lower() + random.choice(["", " health", " clinic"])
        joint = random.choice([" dot ", " dot ", " ", " underscore ", " dash "])
        first = random.choice([person.first, person.first, person.first[0]]).lower()
        tail = random.choice(["", "", "", f" {random.randint(1, 99)}", " " + spoken_number(random.randint(1, 99))])
        at, dot = random.choice([(" at ", " dot ")] * 5 + [(" (at) ", " (dot) "), ("[at]", "[dot]"), (" AT ", " DOT ")])
        return [(f"{first}{joint}{person.last.lower()}{tail}{at}{host}{dot}{end.replace(' dot ', dot)}", "EMAIL")]

    def slot_spokenphone(self) -> list[Segment]:
        return [(spoken_phone(self.random), "PHONE")]

    def slot_spokennumber(self) -> list[Segment]:
        return [(spoken_digits(self.random, self.random.randint(4, 9)), "ID")]

    def slot_spokenshort(self) -> list[Segment]:
        return [(spoken_digits(self.random, 4), "ID")]

    def slot_spokenaddr(self) -> list[Segment]:
        street = self.places.nature() if self.random.random() < 0.5 else Person(self.random).last
        return [(spoken_house(self.random, street, self.places.town()), "ADDRESS")]

    def slot_user(self) -> list[Segment]:
        return [((self._people.get("a") or Person(self.random)).handle(), "ID")]

    # Times and ages

    def slot_date(self, style: str = "") -> list[Segment]:
        return [(self.dates.write(style), "DATE")]

    def slot_dob(self, style: str = "") -> list[Segment]:
        return [(self.dates.birth(style), "DATE")]

    def slot_time(self) -> str:
        """A time of day alone stays."""
        return self.dates.time()

    def slot_age(self) -> str:
        age = self.random.randint(1, 89)
        return (
            spoken_number(age) + " year old"
            if self.random.random() < 0.12
            else f"{age}{self.random.choice(_AGE_TAILS)}"
        )

    def slot_oldage(self) -> list[Segment]:
        """An age from 90 on, which only counts as itself."""
        age, draw = self.random.randint(90, 108), self.random.random()
        if draw < 0.25:
            return [
                (self.random.choice(_OLD_HEADS), None),
                (str(age), "AGE"),
                (self.random.choice(["", "", " years"]), None),
            ]
        if draw < 0.38:
            return [(spoken_number(age), "AGE"), (" year old", None)]
        return [(str(age), "AGE"), (self.random.choice(_OLD_TAILS), None)]

    def slot_old(self) -> list[Segment]:
        """An age from 90 on without a word beside it."""
        return [(str(self.random.randint(90, 108)), "AGE")]

    # Places

    def slot_fac(self) -> list[Segment]:
        if not self._facility or self.random.random() < 0.7:
            self._facility = self.places.facility()
        return [(self._facility, "FACILITY")]

    def slot_facin(self) -> list[Segment]:
        """A facility with its town, which together say where someone was."""
        gap = self.random.choice([" in ", ", ", " of ", " in "])
        return [(f"{self.places.facility()}{gap}{self.places.city()}", "FACILITY")]

    def slot_our(self) -> list[Segment]:
        """A branch named after its town, or a doctor's office."""
        if self.random.random() < 0.15:
            return [
                (
                    f"Dr. {Person(self.random).last}'s {self.random.choice(['Office', 'office', 'clinic', 'practice'])}",
                    "FACILITY",
                )
            ]
        head = self.random.choice(["our ", "our ", "the ", "their "])
        return [(head, None), (f"{self.places.city('bare')} {self.random.choice(_BRANCHES)}", "FACILITY")]

    def slot_city(self, style: str = "") -> list[Segment]:
        return [(self.places.city(style), "LOCATION")]

    def slot_town(self) -> list[Segment]:
        return [(self.places.town(), "LOCATION")]

    def slot_nick(self) -> list[Segment]:
        """A facility as colleagues call it."""
        return [(self.places.nickname(), "FACILITY")]

    def slot_placename(self) -> list[Segment]:
        """Somewhere: a town, with its country or in capitals at times, or a country."""
        town, draw = self.places.town(), self.random.random()
        if draw < 0.3:
            return [(self.places.country(), "LOCATION")]
        if draw < 0.42:
            return [(town.upper(), "LOCATION")]
        if draw < 0.55:
            return [(f"{town}, {self.places.country()}", "LOCATION")]
        return [(town if draw < 0.85 else self.places.city(), "LOCATION")]

    def slot_country(self) -> list[Segment]:
        return [(self.places.country(), "LOCATION")]

    def slot_state(self) -> str:
        """A state alone, which Safe Harbor lets stay."""
        return self.places.state()

    def slot_addr(self, style: str = "") -> list[Segment]:
        return [(self.places.address(style), "ADDRESS")]

    def slot_street(self) -> list[Segment]:
        return [(self.places.street(), "ADDRESS")]

    def slot_zip(self) -> list[Segment]:
        return [(self.places.postcode(), "ADDRESS")]

    def slot_hl7addr(self) -> list[Segment]:
        return [(self.places.hl7_address(), "ADDRESS")]

    def slot_corner(self) -> list[Segment]:
        first, second = (self.places.street().split(",")[0] for _ in range(2))
        if self.random.random() < 0.5:
            first, second = (street.split(" ", 1)[-1] for street in (first, second))
        return [
            (
                f"{self.random.choice(['the corner of ', 'corner of ', ''])}{first} {self.random.choice(['and', '&'])} {second}",
                "ADDRESS",
            )
        ]

    def slot_military(self) -> list[Segment]:
        gap = self.random.choice([", ", "\n", " "])
        return [(self.shape(self.random.choice(_MILITARY)) + gap + self.shape(self.random.choice(_BASES)), "ADDRESS")]

    def slot_block(self) -> list[Segment]:
        """An address over several lines, as on a letter of some country."""
        town = self.places.town()
        parts = [
            self.places.street().split(",")[0],
            self.shape(self.random.choice(_UNITS)),
            self.random.choice([town, town.upper(), f"{town}, {self.places.state()}"]),
            self.random.choice(
                [f"{self.places.country()} {self.places.postcode()}", self.places.postcode(), self.places.country()]
            ),
        ]
        return [
            (
                self.random.choice(["\n", "\n ", "\n> ", " \n", "\n>", " "]).join(part for part in parts if part),
                "ADDRESS",
            )
        ]

    def slot_ip(self) -> list[Segment]:
        return [(".".join(str(self.random.randint(1, 254)) for _ in range(4)), "ID")]

    # What stays

    def slot_dx(self) -> str:
        draw = self.random.random()
        if draw < 0.55:
            return self.random.choice(lines("conditions.txt"))
        return self.plain("epo" if draw < 0.77 else "anat" if draw < 0.9 else "med")

    def slot_known(self) -> str:
        return self.random.choice(lines("eponyms.txt"))

    def slot_sx(self) -> str:
        return self.random.choice(lines("symptoms.txt"))

    def slot_proc(self) -> str:
        return self.random.choice(lines("procedures.txt"))

    def slot_brand(self) -> str:
        """A product nobody knows: drugs and dressings have names of their own."""
        return _brands()(self.random)

    def slot_initials(self) -> list[Segment]:
        """Initials of a study subject: R-M-V, RMV, R.M.V."""
        gap = self.random.choice(["-", "", ".", " "])
        return [(gap.join(self.random.choices(string.ascii_uppercase, k=3)), "PERSON")]

    def slot_drug(self) -> str:
        name = self.random.choice(_words("drugs.txt"))
        if self.random.random() < 0.2:
            name = _brands()(self.random).lower()
        return name.capitalize() if self.random.random() < 0.15 else name

    def slot_anatword(self) -> str:
        return self.random.choice(_words("anatomy"))

    def slot_Anatword(self) -> str:  # noqa: N802  # the template's own word: capitalised
        return self.slot_anatword().capitalize()

    def slot_race(self) -> str:
        return self.random.choice(_listed("demonyms.txt"))

    def slot_org(self) -> str:
        return self.random.choice(_listed("organisations.txt"))

    def slot_w(self) -> str:
        return self.random.choice(lines("words_en.txt"))

    def slot_ed(self) -> str:
        return self.random.choice(_words("verbs"))

    def slot_W(self) -> str:  # noqa: N802  # the template's own word: capitalised
        return self.slot_w().capitalize()

    def slot_UW(self) -> str:  # noqa: N802  # the template's own word: capitals
        return self.slot_w().upper()

    def slot_acr(self) -> str:
        return "".join(self.random.choice(string.ascii_uppercase) for _ in range(self.random.randint(2, 5)))

    def slot_salad(self) -> str:
        """Plain words in a row: whatever stands around them, they are no names."""
        words = [self.slot_w() for _ in range(self.random.randint(4, 12))]
        if self.random.random() < 0.45:
            slot = self.random.choice(["drug", "acr", "epo", "org", "code", "n", "anat", "med", "race", "num"])
            words[self.random.randrange(len(words))] = self.fill(slot)[0][0]
        if self.random.random() < 0.7:
            words[0] = words[0].capitalize()
        return " ".join(words) + self.random.choice([".", ".", "", "?", "!", ":"])
