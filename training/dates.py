"""Dates as people write and say them, in the formats of many systems."""

from __future__ import annotations

import datetime
from random import Random
from typing import Final

__all__ = ["Dates", "spoken_number"]

_MONTHS: Final = "January February March April May June July August September October November December".split()
_SHORT: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SPANISH: Final = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS: Final = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINAL: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth "
    "twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"
).split()
_HOLIDAYS: Final = (
    "Christmas", "Christmas Eve", "Christmas Day", "Thanksgiving", "New Year's Eve", "New Year's Day", "Easter", "Labor Day", "Memorial Day",
    "the Fourth of July", "Halloween", "Valentine's Day", "Mother's Day", "Boxing Day", "Diwali", "Eid", "Passover",
)  # fmt: skip


def spoken_number(value: int) -> str:
    """``value`` below 10,000 in words: 52 is fifty two."""
    if value < 20:
        return _ONES[value]
    if value < 100:
        return _TENS[value // 10] + (f" {_ONES[value % 10]}" if value % 10 else "")
    if value < 1000:
        return f"{_ONES[value // 100]} hundred" + (f" {spoken_number(value % 100)}" if value % 100 else "")
    return f"{_ONES[value // 1000]} thousand" + (f" {spoken_number(value % 1000)}" if value % 1000 else "")


class Dates:
    """Writes dates of one document in one of many styles."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._habit = random.choice(list(_STYLES))

    def write(self, style: str = "") -> str:
        """A date of the last years; half of the time in the document's own habit."""
        random = self._random
        day = datetime.date(2015, 1, 1) + datetime.timedelta(days=random.randrange(365 * 12))
        if style in ("", "full"):
            names = list(_STYLES)
            partial = [] if style == "full" else ["md", "month", "weekday", "holiday", "monthyear", "mdslash", "dayonly", "range"]
            draw = random.random()
            style = self._habit if draw < 0.45 else random.choice(partial) if partial and draw < 0.68 else random.choice(names)
        return self._say(day, style)

    def birth(self, style: str = "") -> str:
        """A date of birth."""
        day = datetime.date(1925, 1, 1) + datetime.timedelta(days=self._random.randrange(365 * 98))
        return self._say(day, style or (self._habit if self._random.random() < 0.6 else self._random.choice(list(_STYLES))))

    def _say(self, day: datetime.date, style: str) -> str:
        random = self._random
        y, m, d = day.year, day.month, day.day
        two = f"{y % 100:02}"
        name = random.choice([_MONTHS[m - 1], _MONTHS[m - 1], _SHORT[m - 1], _SHORT[m - 1] + "."]).replace("May.", "May")
        suffix = "th" if 10 < d < 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th")
        spoken_year = random.choice([
            f"{spoken_number(y // 100)} {spoken_number(y % 100)}" if y % 100 > 9 else spoken_number(y),
            spoken_number(y) if y >= 2000 else f"{spoken_number(y // 100)} {spoken_number(y % 100)}" if y % 100 > 9 else f"{spoken_number(y // 100)} oh {spoken_number(y % 100)}",
        ])
        hour, minute, second = random.randrange(24), random.randrange(60), random.randrange(60)
        match style:
            case "us":
                return random.choice([f"{m}/{d}/{y}", f"{m:02}/{d:02}/{y}", f"{m:02}/{d:02}/{two}", f"{m}/{d}/{two}"])
            case "dash":
                return random.choice([f"{m:02}-{d:02}-{y}", f"{m}-{d}-{two}", f"{d:02}-{m:02}-{y}"])
            case "eu":
                return random.choice([f"{d:02}.{m:02}.{y}", f"{d}.{m}.{y}", f"{d:02}/{m:02}/{y}", f"{d:02}.{m:02}.{two}"])
            case "iso":
                return random.choice([f"{y}-{m:02}-{d:02}", f"{y}/{m:02}/{d:02}", f"{y}-{m:02}-{d:02}", f"{y}.{m:02}.{d:02}"])
            case "compact":
                return f"{y}{m:02}{d:02}"
            case "hl7":
                return random.choice([f"{y}{m:02}{d:02}", f"{y}{m:02}{d:02}{hour:02}{minute:02}", f"{y}{m:02}{d:02}{hour:02}{minute:02}{second:02}"])
            case "stamp":
                return random.choice([f"{y}-{m:02}-{d:02}T{hour:02}:{minute:02}:{second:02}Z", f"{y}-{m:02}-{d:02} {hour:02}:{minute:02}:{second:02}",
                                      f"{y}-{m:02}-{d:02}T{hour:02}:{minute:02}:{second:02}.{random.randrange(1000):03}Z",
                                      f"{y}-{m:02}-{d:02}T{hour:02}:{minute:02}:{second:02}+0{random.randrange(9)}:00",
                                      f"{y}-{m:02}-{d:02} {hour:02}:{minute:02}:{second:02},{random.randrange(1000):03}",
                                      f"{y}-{m:02}-{d:02}T{hour:02}:{minute:02}", f"{d:02}/{_SHORT[m - 1]}/{y}:{hour:02}:{minute:02}:{second:02}",
                                      f"{_SHORT[m - 1]} {d:2} {hour:02}:{minute:02}:{second:02}"])
            case "long":
                return random.choice([f"{name} {d}, {y}", f"{name} {d}{suffix}, {y}", f"{name} {d} {y}", f"{name} {d}{suffix} {y}"])
            case "dlong":
                return random.choice([f"{d} {name} {y}", f"{d}{suffix} {name} {y}", f"{d}{suffix} of {_MONTHS[m - 1]} {y}", f"the {d}{suffix} of {_MONTHS[m - 1]}, {y}"])
            case "mil":
                return random.choice([f"{d:02}-{_SHORT[m - 1]}-{y}", f"{d:02}{_SHORT[m - 1].upper()}{y}", f"{d:02}-{_SHORT[m - 1].upper()}-{two}", f"{d}{_SHORT[m - 1]}{two}"])
            case "md":
                return random.choice([f"{name} {d}{suffix}", f"{name} {d}", f"{d} {name}", f"{d}{suffix} of {_MONTHS[m - 1]}", f"the {d}{suffix} of {_MONTHS[m - 1]}"])
            case "month":
                return _MONTHS[m - 1] if random.random() < 0.75 or m == 5 else _SHORT[m - 1]
            case "monthyear":
                return random.choice([f"{_MONTHS[m - 1]} {y}", f"{_SHORT[m - 1]} {y}", f"{_MONTHS[m - 1]} of {y}", f"{m:02}/{y}", f"{_MONTHS[m - 1]}, {y}", f"{m}/{y}"])
            case "mdslash":
                return random.choice([f"{m}/{d}", f"{m:02}/{d:02}", f"{m}-{d}"])
            case "dayonly":
                return f"the {d}{suffix}"
            case "weekday":
                day_name = random.choice(_DAYS)
                return random.choice([day_name, day_name, day_name[:3], f"{day_name}, {name} {d}", f"{day_name} {m}/{d}", f"{day_name} the {d}{suffix}",
                                      f"{day_name}, {_MONTHS[m - 1]} {d}{suffix}, {y}", f"{day_name[:3]} {d} {_SHORT[m - 1]} {y}", "Tues" if random.random() < 0.3 else "Thurs"])
            case "holiday":
                return random.choice(_HOLIDAYS)
            case "range":
                return random.choice([f"{_MONTHS[m - 1]} {min(d, 20)}-{min(d, 20) + 6}", f"{m}/{min(d, 20)}-{m}/{min(d, 20) + 5}", f"{_MONTHS[m - 1]} {min(d, 20)} to {min(d, 20) + 4}"])
            case "spoken":
                ordinal = _ORDINAL[d - 1].replace("-", random.choice(["-", " "]))
                return random.choice([f"{_MONTHS[m - 1]} {ordinal} {spoken_year}", f"{_MONTHS[m - 1]} {ordinal}", f"the {ordinal} of {_MONTHS[m - 1]} {spoken_year}",
                                      f"the {ordinal} of {_MONTHS[m - 1]}", f"{_MONTHS[m - 1]} {spoken_number(d)} {spoken_year}", f"{_MONTHS[m - 1]} {ordinal}, {y}",
                                      f"{spoken_number(m)} {spoken_number(d)} {spoken_number(y % 100)}" if d > 12 and y % 100 > 20 else f"{_MONTHS[m - 1]} {ordinal} {spoken_year}",
                                      f"{_MONTHS[m - 1]} {ordinal} of {spoken_year}", f"{_MONTHS[m - 1]} the {ordinal}"])
            case "es":
                return random.choice([f"{d} de {_SPANISH[m - 1]} de {y}", f"{d} de {_SPANISH[m - 1]}", f"{_SPANISH[m - 1]} de {y}", f"el {d} de {_SPANISH[m - 1]}".removeprefix("el "),
                                      f"{d:02}/{m:02}/{y}", f"{spoken_es(d)} de {_SPANISH[m - 1]}", f"{d} {_SPANISH[m - 1]} {y}", f"{d} de {_SPANISH[m - 1]} del {y}"])
        raise ValueError(f"no way of writing a date is called {style!r}; see training/dates.py")


def spoken_es(day: int) -> str:
    """Small numbers in Spanish."""
    words = "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte"
    return words.split()[(day - 1) % 20]


_STYLES: Final = ("us", "us", "us", "dash", "eu", "iso", "iso", "long", "long", "dlong", "mil", "spoken", "stamp", "compact")
