"""What a template's slots turn into: people, dates, places, identifiers, and the look-alikes that are none.

Every slot is a method of `Scene` and returns segments ``(text, label or None)``. A scene is one document: its
people and its facility stay the same wherever the template names them again.
"""

from __future__ import annotations

import datetime
import string
from functools import cache
from random import Random
from typing import TypeAlias

from training.dates import Dates, spoken_number
from training.people import Inventor, Origin, faker_names, is_latin, lines, word_names, world_names
from training.places import Places

__all__ = ["Scene", "Segment"]

Segment: TypeAlias = tuple[str, str | None]


@cache
def _pool() -> tuple[tuple[Origin, ...], tuple[Origin, ...], tuple[Origin, ...], Inventor]:
    latin = []
    other = []
    for origin in faker_names():
        given = tuple(name for name in origin.given if is_latin(name))
        family = tuple(name for name in origin.family if is_latin(name))
        if len(given) > 20 and len(family) > 20:
            latin.append(Origin(name=origin.name, given=given, family=family))
        elif len(given) < 5:
            other.append(origin)
    everyone = [name for origin in (*latin, *world_names()) for name in (*origin.given, *origin.family)]
    return tuple(latin), world_names(), tuple(other), Inventor(everyone)


class Person:
    """One person; the methods are the ways a text may write the name."""

    def __init__(self, random: Random) -> None:
        latin, world, other, invent = _pool()
        draw = random.random()
        if draw < 0.34:
            origin = random.choice(world)
        elif draw < 0.57:
            origin = random.choice(latin)
        elif draw < 0.59:
            origin = random.choice(other)
        elif draw < 0.68:
            origin = word_names()[0]
        else:
            origin = None
        names = world if random.random() < 0.6 else latin
        self.first = random.choice((origin or random.choice(names)).given)
        self.last = random.choice((origin or random.choice(names)).family)
        if origin is None:
            english = [o for o in latin if o.name in ("en_US", "en_GB", "en")]
            if random.random() < 0.5:
                self.last = invent(random)
            else:
                self.last = random.choice(random.choice(english).family)
            self.first = random.choice(random.choice(english).given) if random.random() < 0.6 else invent(random)
        elif origin.name == "word":
            english = [o for o in latin if o.name in ("en_US", "en_GB")]
            which = random.random()
            if which < 0.4:
                self.last = random.choice(random.choice((*english, *world)).family)
            elif which < 0.75:
                self.first = random.choice(random.choice((*english, *world)).given)
        if random.random() < 0.05:
            self.last += "-" + random.choice(random.choice(world).family)
        if random.random() < 0.03:
            self.first += "-" + random.choice(random.choice(latin).given)
        self.middle = random.choice(string.ascii_uppercase[:23])
        self.style = random.choices(
            ["full", "fm", "fl", "fi", "il", "lf", "lfm", "ffl", "one", "suffix", "nick", "two", "lastonly", "init"],
            [44, 8, 9, 3, 6, 8, 3, 3, 7, 2, 1, 3, 5, 2],
        )[0]
        self._random = random

    def write(self, style: str) -> str:
        first, last, middle, random = self.first, self.last, self.middle, self._random
        match style:
            case "full":
                return f"{first} {last}"
            case "fm":
                return f"{first} {middle}. {last}" if random.random() < 0.7 else f"{first} {middle} {last}"
            case "fl":
                return f"{first} {last[0].upper()}."
            case "fi":
                return f"{first} {last[0].upper()}"
            case "il":
                return f"{first[0]}. {last}" if random.random() < 0.8 else f"{first[0]} {last}"
            case "lf":
                return f"{last}, {first}"
            case "lfm":
                return f"{last}, {first} {middle}" + random.choice(["", "."])
            case "ffl":
                other = Person(random).first
                return f"{first} {other} {last}"
            case "one" | "first":
                return first
            case "suffix":
                return f"{first} {last}{random.choice([' Jr.', ' Jr', ', Jr.', ' Sr.', ' III', ' II'])}"
            case "nick":
                return f'{first} "{Person(random).first[:5]}" {last}'
            case "two":
                return f"{first} {last} {Person(random).last}"
            case "lastonly" | "last":
                return last
            case "init":
                return random.choice([f"{first[0]}.{last[0]}.".upper(), f"{first[0]}{last[0]}".upper(),
                                      f"{first[0]}. {last[0]}.".upper()])
            case "hl7":
                return random.choice([f"{last}^{first}^{middle}", f"{last}^{first}", f"{last}^{first}^{middle}^^"]).rstrip("^")
            case "hl7u":
                return f"{last}^{first}^{middle}".upper()
            case "under":
                return random.choice([f"{last}_{first}", f"{first}_{last}", f"{last}-{first}"])
            case "spell":
                return random.choice(["-", " ", ". "]).join(last.upper().replace(" ", ""))
            case "lastu":
                return last.upper()
            case "both":
                return random.choice([f"{first} {last}", f"{first} {last}", f"{last}, {first}", f"{first} {middle}. {last}"])
        raise ValueError(f"no way of writing a name is called {style!r}; see training/slots.py")

    def handle(self) -> str:
        keep = str.maketrans("", "", " '’-.")
        first, last = (name.lower().translate(keep) for name in (self.first, self.last))
        return self._random.choice([f"{first}.{last}", f"{first[0]}{last}", f"{first}{last}", f"{first}_{last}",
                                    f"{first}{self._random.randint(1, 99)}", f"{last}{first[0]}", first])


class Scene:
    """Slots of one document. ``random`` decides everything."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._people: dict[str, Person] = {}
        self._facility: str | None = None
        self.dates = Dates(random)
        self.places = Places(random, lambda: Person(random))

    def fill(self, slot: str, style: str) -> list[Segment]:
        """The segments of ``@slot`` or ``@slot.style``."""
        if len(slot) == 1 and slot in "abcdef":
            person = self._people.setdefault(slot, Person(self.random))
            return self._name(person.write(style or person.style))
        found = getattr(self, "slot_" + slot)(style) if style else getattr(self, "slot_" + slot)()
        return [(found, None)] if isinstance(found, str) else found

    def _name(self, text: str) -> list[Segment]:
        return [(text, "PERSON")]

    def _pick(self, *options: str) -> str:
        return self.random.choice(options)

    def _digits(self, pattern: str) -> str:
        """``9`` a digit, ``A`` a capital, ``h`` a hex digit, ``Â`` and ``ĥ`` those letters themselves; the rest stands."""
        random = self.random
        return "".join(
            random.choice(string.digits) if char == "9" else random.choice("ABCDEFGHJKLMNPRSTUVWXYZ") if char == "A"
            else random.choice("0123456789abcdef") if char == "h" else char
            for char in pattern
        ).replace("Â", "A").replace("ĥ", "h")

    # People
    def slot_p(self, style: str = "") -> list[Segment]:
        person = Person(self.random)
        return self._name(person.write(style or person.style))

    def slot_doc(self) -> list[Segment]:
        person = Person(self.random)
        style = self.random.choice(["last", "last", "last", "full", "fl", "il", "fm"])
        title = self._pick("Dr. ", "Dr. ", "Dr. ", "Dr ", "Doctor ", "Prof. ")
        tail = self._pick("MD", "DO", "NP", "PA-C", "RN", "M.D.", "PhD", "PharmD", "FNP", "LCSW", "DPT", "MBBS")
        if self.random.random() < 0.7:
            return [(title, None), (person.write(style), "PERSON")]
        return [(person.write("full" if style == "last" else style), "PERSON"), (self._pick(", ", " ") + tail, None)]

    def slot_mr(self) -> list[Segment]:
        person = Person(self.random)
        title = self._pick("Mr. ", "Mrs. ", "Ms. ", "Mr ", "Mrs ", "Ms ", "Miss ", "Sr. ", "Sra. ", "Nurse ", "Mx. ", "Judge ", "Rev. ",
                           "Capt. ", "Officer ", "Prof. ")
        return [(title, None), (person.write(self.random.choice(["last", "last", "last", "full", "fl", "il"])), "PERSON")]

    def slot_email(self) -> list[Segment]:
        person = self._people.get("a") or Person(self.random)
        host = self._pick("gmail.com", "yahoo.com", "outlook.com", "hotmail.co.uk", "example.org", "mercy-health.org", "proton.me",
                          "clinic.example.com", "hospital.nhs.uk", "correo.es", "uni-heidelberg.de", "mail.ru", "163.com")
        return [(f"{person.handle()}@{host}", "EMAIL")]

    def slot_spokenemail(self) -> list[Segment]:
        person = self._people.get("a") or Person(self.random)
        return [(f"{person.first.lower()} dot {person.last.lower()} at {self._pick('gmail', 'yahoo', 'outlook', 'hotmail', 'aol')} dot "
                 f"{self._pick('com', 'org', 'net', 'com', 'co dot uk')}", "EMAIL")]

    def slot_user(self) -> list[Segment]:
        person = self._people.get("a") or Person(self.random)
        return [(person.handle(), "ID")]

    # Times
    def slot_date(self, style: str = "") -> list[Segment]:
        return [(self.dates.write(style), "DATE")]

    def slot_dob(self, style: str = "") -> list[Segment]:
        return [(self.dates.birth(style), "DATE")]

    def slot_year(self) -> str:
        return str(self.random.randint(1985, 2026))

    def slot_time(self) -> str:
        hour, minute = self.random.randint(0, 23), self.random.randint(0, 59)
        return self._pick(f"{hour:02}:{minute:02}", f"{hour % 12 + 1}:{minute:02} {self._pick('am', 'pm', 'AM', 'PM', 'a.m.')}",
                          f"{hour:02}{minute:02}", f"{hour % 12 + 1}{self._pick('am', 'pm', ' PM')}", f"{hour:02}{minute:02}h")

    def slot_dur(self) -> str:
        count = self.random.randint(2, 12)
        return self._pick(f"{count} days", f"{count} weeks", f"{count} months", f"{count} years", "a week", "two weeks", "3-4 days", "6 mo",
                          "the last month", f"{count}d", f"{count}h", f"{count} hours", "24 hours", "90 days", "48-72 hours", f"{count}-week")

    # Ages
    def slot_age(self) -> str:
        age = self.random.randint(1, 89)
        return self._pick(f"{age}-year-old", f"{age} year old", f"{age}yo", f"{age} y/o", f"{age} yo", f"{age}-yr-old", f"{age}y",
                          f"{spoken_number(age)} year old", f"{age} years old", f"{age}-year old")

    def slot_agesex(self) -> str:
        age = self.random.randint(1, 89)
        return self._pick(f"{age}F", f"{age}M", f"{age} F", f"{age} M", f"{age}yoF", f"{age}yo M", f"{age}yo female", f"{age} y.o. male",
                          f"{age}-year-old woman", f"{age}-year-old man", f"{age}f", f"{age}m", f"{age} yo f")

    def slot_oldage(self) -> list[Segment]:
        age = self.random.randint(90, 108)
        tail = self._pick("-year-old", " year old", "yo", " y/o", " years old", "-yr-old", " yo")
        if self.random.random() < 0.2:
            return [(spoken_number(age), "AGE"), (" year old", None)]
        return [(str(age), "AGE"), (tail, None)]

    # Places
    def slot_fac(self, style: str = "") -> list[Segment]:
        if self._facility and self.random.random() < 0.3 and not style:
            return [(self._facility, "FACILITY")]
        self._facility = self.places.facility(style)
        return [(self._facility, "FACILITY")]

    def slot_city(self, style: str = "") -> list[Segment]:
        return [(self.places.city(style), "LOCATION")]

    def slot_town(self) -> list[Segment]:
        return [(self.places.town(), "LOCATION")]

    def slot_country(self) -> list[Segment]:
        return [(self.places.country(), "LOCATION")]

    def slot_state(self) -> list[Segment]:
        return [(self.places.state(), "LOCATION")]

    def slot_addr(self, style: str = "") -> list[Segment]:
        return [(self.places.address(style), "ADDRESS")]

    def slot_street(self) -> list[Segment]:
        return [(self.places.street(), "ADDRESS")]

    def slot_zip(self) -> list[Segment]:
        return [(self.places.postcode(), "ADDRESS")]

    def slot_hl7addr(self) -> list[Segment]:
        return [(self.places.hl7_address(), "ADDRESS")]

    # Identifiers
    def slot_mrn(self) -> list[Segment]:
        pattern = self._pick("9999999", "99999999", "999999", "9999999999", "99-99-99", "999-99-9999", "AA-999999", "AA-9999999", "A999999",
                             "AA999999", "AAA-999-999", "999-999-999", "9999-9999", "A-99999999", "AAA999999", "#9999999", "99999", "E-9999999",
                             "AA-9999-99", "99-9999999", "AAA-99999")
        return [(self._digits(pattern), "ID")]

    def slot_id(self) -> list[Segment]:
        pattern = self._pick("AAA999999999", "A99999999", "AA-99999-999", "999999999", "AAA-2024-99999", "AAA-99999", "9A99-AA9-AA99", "AA9999999",
                             "9999-9999-99", "AA-9999999", "99-AA-9999", "AAAA99999999", "AAA-999999", "A9999999", "AAA-9999-AA99", "99999-99999",
                             "AAA_999999", "AA99 9AA", "AAA 9999", "9999 9999 9999", "AA999-99-9999A", "AAA-AA-99999", "999999-AA", "A9-9999-AAA")
        return [(self._digits(pattern), "ID")]

    def slot_order(self) -> list[Segment]:
        pattern = self._pick("ORD-99999", "ORD-2024-99999", "ORD999999", "ord_99999999", "ÂCC-99-999999", "RX9999999", "RX-999999", "CLM-9999-9999",
                             "CLM999999999", "ENC-999999", "ENC99999999", "PÂ-9999999", "REF-99999", "REQ999999", "TKT-99999", "INC0099999",
                             "CÂSE-99999", "PT-99999", "PÂT-999999", "ÂPPT-99999", "S99-99999", "INV-99999", "LÂB-999999", "VST999999", "pt_99999",
                             "patient-99999", "usr_hhhhhhhh", "GRP-99999", "MBR999999999", "SUB-9999999", "S24-9999", "P-99999")
        return [(self._digits(pattern), "ID")]

    def slot_ssn(self) -> list[Segment]:
        return [(self._digits(self._pick("999-99-9999", "999-99-9999", "999 99 9999", "999999999")), "ID")]

    def slot_vin(self) -> list[Segment]:
        return [(self._digits(self._pick("9AAAA99AAA9999999", "AAA 9999", "9AAA999", "AA-999-AA", "AAA-9999", "AA99 AAA")), "ID")]

    def slot_card(self) -> list[Segment]:
        return [(self._digits(self._pick("4999 9999 9999 9999", "4999999999999999", "3799 999999 99999", "5399-9999-9999-9999")), "ID")]

    def slot_phone(self) -> list[Segment]:
        random = self.random
        if random.random() < 0.12:
            words = "zero one two three four five six seven eight nine".split()
            digits = [random.choice([*words, "oh"]) for _ in range(random.choice([7, 10]))]
            return [(" ".join(digits), "PHONE")]
        pattern = self._pick("(999) 999-9999", "999-999-9999", "999.999.9999", "9999999999", "+1 999 999 9999", "1-999-999-9999", "999-9999",
                             "(999)999-9999", "+44 7999 999999", "020 7999 9999", "+49 30 9999999", "06 99 99 99 99", "+91 99999 99999",
                             "+234 809 999 9999", "+52 55 9999 9999", "+34 699 999 999", "999 999 9999", "x9999", "+1-999-999-9999",
                             "999-999-9999 x999", "07999 999999", "+61 4 9999 9999", "+86 139 9999 9999", "+254 7 99999999", "0499 999 999")
        return [(self._digits(pattern), "PHONE")]

    def slot_ip(self) -> list[Segment]:
        return [(".".join(str(self.random.randint(1, 254)) for _ in range(4)), "ID")]

    # Clinical facts and other things that stay
    def slot_dx(self) -> str:
        return self.random.choice(lines("conditions.txt")) if self.random.random() < 0.85 else self.slot_epo()

    def slot_epo(self) -> str:
        return self.random.choice(lines("eponyms.txt"))

    def slot_sx(self) -> str:
        return self.random.choice(lines("symptoms.txt"))

    def slot_proc(self) -> str:
        return self.random.choice(lines("procedures.txt"))

    def slot_drug(self) -> str:
        generic, brand = lines("drugs.txt")
        if self.random.random() < 0.7:
            name = self.random.choice(generic.split())
            return name.capitalize() if self.random.random() < 0.2 else name
        return self.random.choice(brand.split())

    def slot_dose(self) -> str:
        return self._pick("5 mg", "10 mg", "20 mg daily", "40 mg PO daily", "500 mg BID", "1000 mg twice daily", "0.5 mg", "81 mg", "25 mcg", "100 mg qhs",
                          "2 puffs q4h PRN", "10 units subq", "1 g IV q24h", "3.375 g IV q6h", "50/12.5 mg", "1-2 tabs q6h prn", "5mg", "20mg po qd",
                          "300 mg tid", "12.5 mg BID", "1 tab PO qAM", "0.25 mg weekly")

    def slot_rx(self) -> str:
        return f"{self.slot_drug()} {self.slot_dose()}"

    def slot_vit(self) -> str:
        r = self.random.randint
        return self._pick(f"BP {r(90, 180)}/{r(50, 100)}", f"HR {r(50, 130)}", f"RR {r(12, 28)}", f"SpO2 {r(86, 100)}% RA", f"T {r(97, 103)}.{r(0, 9)}",
                          f"temp 3{r(6, 9)}.{r(0, 9)} C", f"bp {r(90, 180)}/{r(50, 100)}", f"o2 sat {r(88, 99)} on 2L", f"weight {r(45, 130)} kg",
                          f"BMI {r(18, 44)}.{r(0, 9)}", f"pain {r(1, 10)}/10", f"pulse {r(50, 120)}", f"hr {r(50, 130)} rr {r(12, 26)}", f"GCS {r(3, 15)}")

    def slot_lab(self) -> str:
        r = self.random.randint
        return self._pick(f"WBC {r(3, 20)}.{r(0, 9)}", f"Hgb {r(6, 17)}.{r(0, 9)}", f"creatinine {r(0, 4)}.{r(1, 9)}", f"A1c {r(5, 13)}.{r(0, 9)}%",
                          f"K {r(3, 6)}.{r(0, 9)}", f"Na {r(125, 148)}", f"INR {r(1, 4)}.{r(0, 9)}", f"troponin <0.0{r(1, 9)} ng/mL", f"glucose {r(60, 420)}",
                          f"TSH {r(0, 9)}.{r(10, 99)}", f"LDL {r(50, 210)} mg/dL", f"eGFR {r(15, 95)} mL/min/1.73 m2", f"lactate {r(0, 5)}.{r(0, 9)}",
                          f"plt {r(40, 400)}", f"EF {r(20, 65)}%", f"FEV1 {r(30, 90)}% predicted", f"BNP {r(50, 2000)}", f"vitamin D {r(10, 50)} ng/mL",
                          f"CRP {r(1, 200)}", f"ferritin {r(5, 600)}", f"pH 7.{r(10, 55)}")

    def slot_frac(self) -> str:
        return self._pick("5/5 strength", "2/6 systolic murmur", "3/4", "1/2 tab", "10/10 pain", "20/20 vision", "4/5", "2+ pulses", "1:1", "3-5 times", "II/VI",
                          "2/4 reflexes", "6/10", "24/7", "50/50", "1/3", "0/3", "20/40")

    def slot_code(self) -> str:
        r = self.random.randint
        return self._pick(f"ICD-10 {self._digits('A99.9')}", self._digits("A99.9"), f"CPT {self._digits('99999')}", f"LOINC {self._digits('9999-9')}",
                          f"SNOMED {self._digits('99999999')}", f"RxNorm {self._digits('999999')}", f"NDC {self._digits('99999-999-99')}", f"HCPCS {self._digits('A9999')}",
                          f"DRG {r(100, 900)}", f"NCT0{self._digits('9999999')}", f"PMID {self._digits('99999999')}", f"doi:10.{r(1000, 9999)}/{self._digits('aaa')}.{r(1, 99)}",
                          f"rs{self._digits('9999999')}", f"HLA-B*{r(10, 57)}:0{r(1, 9)}", f"v{r(0, 9)}.{r(0, 30)}.{r(0, 9)}", f"BRCA{r(1, 2)}", f"CD{r(3, 45)}+", f"T{r(1, 4)}N{r(0, 3)}M0",
                          f"ASA {r(1, 4)}", f"G{r(1, 6)}P{r(0, 5)}", f"L{r(1, 4)}-L5", f"C{r(3, 6)}-C7", f"stage {self._pick('II', 'III', 'IIIB', 'IV')}",
                          f"room {r(100, 900)}", f"bed {r(1, 40)}", f"RFC {r(1000, 9000)}", f"port {r(1024, 65000)}", f"section {r(1, 20)}.{r(1, 9)}")

    def slot_hash(self) -> str:
        return self._digits(self._pick("hhhhhhh", "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh", "hhhhhhhh-hhhh-4hhh-ahhh-hhhhhhhhhhhh", "hhhhhhhhhhhhhhhh", "sĥa256:hhhhhhhhhhhh"))

    def slot_org(self) -> str:
        return self.random.choice("|".join(lines("organisations.txt")).split("|"))

    def slot_company(self) -> str:
        """A company with a person-like name: the model sees both, unlabelled."""
        person = Person(self.random)
        return f"{person.last} {self._pick('Inc', 'LLC', 'Ltd', 'Group', 'Industries', 'Corp.', '& Sons', 'Foundation', 'Partners', 'Pharma', 'GmbH', 'Holdings')}"

    def slot_n(self) -> str:
        return str(self.random.randint(1, self.random.choice([9, 30, 99, 500, 5000])))

    def slot_w(self) -> str:
        return self.random.choice(lines("words_en.txt"))

    def slot_W(self) -> str:
        return self.slot_w().capitalize()

    def slot_T(self) -> str:
        return " ".join(self.slot_W() for _ in range(self.random.randint(1, 4)))

    def slot_U(self) -> str:
        return " ".join(self.slot_w().upper() for _ in range(self.random.randint(1, 3)))

    def slot_acr(self) -> str:
        return "".join(self.random.choice(string.ascii_uppercase) for _ in range(self.random.randint(2, 5)))

    def slot_salad(self) -> str:
        """Plain words in a row: whatever stands around them, they are no names."""
        words = [self.slot_w() for _ in range(self.random.randint(4, 12))]
        if self.random.random() < 0.4:
            words[self.random.randrange(len(words))] = self._pick(self.slot_drug(), self.slot_acr(), self.slot_epo(), self.slot_org(), self.slot_code(), self.slot_n())
        if self.random.random() < 0.7:
            words[0] = words[0].capitalize()
        return " ".join(words) + self._pick(".", ".", "", "?", "!", ":")

    def slot_job(self) -> str:
        return self._pick("nurse", "truck driver", "teacher", "retired engineer", "farmer", "accountant", "electrician", "chef", "student", "lawyer", "mechanic",
                          "software developer", "veteran", "cashier", "firefighter", "carpenter", "artist", "librarian", "pharmacist", "janitor")

    def slot_kin(self) -> str:
        return self._pick("wife", "husband", "son", "daughter", "mother", "father", "brother", "sister", "caregiver", "partner", "neighbor", "niece", "nephew",
                          "granddaughter", "grandson", "aunt", "guardian", "friend", "roommate", "mom", "dad", "emergency contact", "next of kin")

    def slot_unit(self) -> str:
        return self._pick("the ED", "the ICU", "a local hospital", "the emergency department", "urgent care", "an outside hospital", "the clinic", "a nursing home",
                          "our office", "the cardiology clinic", "outpatient rehab", "a community clinic", "the VA", "a skilled nursing facility", "the infusion center",
                          "primary care", "the pain clinic", "a tertiary center", "the operating room", "radiology", "the dialysis unit", "hospice")
