"""Dates as people write and say them, in the formats of many systems (``data/dates.txt``)."""

from __future__ import annotations

import datetime
from functools import cache
from random import Random
from typing import Final

from training.people import lines

__all__ = ["Dates", "spoken_number"]

_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MESES: Final = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_SEMANA: Final = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"]
_DIAS: Final = [
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
]
_ONES: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS: Final = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS: Final = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
]
_HABITS: Final = [
    "us",
    "us",
    "us",
    "dash",
    "eu",
    "iso",
    "iso",
    "long",
    "long",
    "dlong",
    "mil",
    "spoken",
    "stamp",
    "compact",
]
_PARTIAL: Final = ["md", "month", "weekday", "holiday", "monthyear", "mdslash", "dayonly", "range"]


def spoken_number(value: int) -> str:
    """``value`` below 10,000 in words: 52 is fifty two."""
    if value < 20:
        return _ONES[value]
    if value < 100:
        return _TENS[value // 10] + (f" {_ONES[value % 10]}" if value % 10 else "")
    if value < 1000:
        return f"{_ONES[value // 100]} hundred" + (f" {spoken_number(value % 100)}" if value % 100 else "")
    return f"{_ONES[value // 1000]} thousand" + (f" {spoken_number(value % 1000)}" if value % 1000 else "")


@cache
def _formats() -> dict[str, list[str]]:
    rows = (line.split(":", 1) for line in lines("dates.txt"))
    return {style: [option.strip() for option in options.split("|")] for style, options in rows}


class Dates:
    """Writes the dates of one document; about half of them in the document's own habit."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._habit = random.choice(_HABITS)

    def write(self, style: str = "") -> str:
        """A date of the last years, in ``style`` or any."""
        random = self._random
        day = datetime.date(2015, 1, 1) + datetime.timedelta(days=random.randrange(365 * 12))
        if not style:
            draw = random.random()
            style = self._habit if draw < 0.45 else random.choice(_PARTIAL if draw < 0.68 else _HABITS)
        return self._say(day, style)

    def birth(self, style: str = "") -> str:
        """A date of birth."""
        random = self._random
        day = datetime.date(1925, 1, 1) + datetime.timedelta(days=random.randrange(365 * 98))
        return self._say(day, style or (self._habit if random.random() < 0.6 else random.choice(_HABITS)))

    def time(self) -> str:
        """A time of day, which alone is no identifier."""
        hour, minute = self._random.randint(0, 23), self._random.randint(0, 59)
        half = hour % 12 + 1
        return self._random.choice(
            [
                f"{hour:02}:{minute:02}",
                f"{half}:{minute:02} am",
                f"{half}:{minute:02} PM",
                f"{hour:02}{minute:02}",
                f"{half}pm",
                f"{half} PM",
                f"{hour:02}{minute:02}h",
            ]
        )

    def _say(self, day: datetime.date, style: str) -> str:
        random = self._random
        y, m, d = day.year, day.month, day.day
        month, weekday = _MONTHS[m - 1], random.choice(_DAYS)
        short = month[:3]
        pairs = f"{spoken_number(y // 100)} {'oh ' if y % 100 < 10 else ''}{spoken_number(y % 100)}"
        hour = random.randrange(24)
        return random.choice(_formats()[style]).format(
            y=y,
            m=m,
            d=d,
            two=f"{y % 100:02}",
            Month=month,
            Mon=short,
            MON=short.upper(),
            name=random.choice([month, month, short, short + ("" if m == 5 else ".")]),
            th="th" if 10 < d < 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th"),
            hour=hour,
            half=hour % 12 + 1,
            half_day=random.choice(["AM", "PM", "am"]),
            minute=random.randrange(60),
            second=random.randrange(60),
            ms=random.randrange(1000),
            one=random.randrange(9),
            weekday=weekday,
            wd=weekday[:3],
            d1=min(d, 20),
            d2=min(d, 20) + 6,
            ordinal=_ORDINALS[d - 1].replace("-", random.choice(["-", " "])),
            year_words=spoken_number(y) if y >= 2000 and random.random() < 0.5 else pairs,
            month_words=spoken_number(m),
            day_words=spoken_number(d),
            two_words=spoken_number(y % 100),
            mes=_MESES[m - 1],
            semana=random.choice(_SEMANA),
            dia=_DIAS[(d - 1) % 20],
        )
