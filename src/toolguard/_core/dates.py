"""Dates as people and machines write them: read, moved by days, and written the same way again."""

from __future__ import annotations

import datetime as _dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Written", "read_date", "year_of"]

_MONTHS: tuple[str, ...] = ("january", "february", "march", "april", "may", "june")
_MONTHS += ("july", "august", "september", "october", "november", "december")
_WORD = r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_DAY = r"(?P<day>[0-3]?[0-9])(?P<nth>st|nd|rd|th|)"
_YEAR = r"(?P<year>[12][0-9]{3})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A date and how to write another one in its place. ``rest`` is what stands around it, a time of day for one."""

    date: _dt.date
    write: Callable[[_dt.date], str] = field(repr=False)

    def moved(self, days: int) -> str | None:
        """The date ``days`` later, written as this one; None beyond the years 1 to 9999."""
        try:
            return self.write(self.date + _dt.timedelta(days=days))
        except OverflowError:
            return None


_FORMS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(rf"(?<![0-9]){pattern}", re.IGNORECASE)
    for pattern in (
        rf"{_YEAR}(?P<s1>[-/.])(?P<m>[01]?[0-9])(?P<s2>[-/.])(?P<d>[0-3]?[0-9])(?![0-9])",
        rf"{_YEAR}(?P<m>[01][0-9])(?P<d>[0-3][0-9])(?=[0-2][0-9][0-5][0-9]|T|\b)",
        rf"(?P<a>[0-3]?[0-9])(?P<s1>[-/.])(?P<b>[0-3]?[0-9])(?P<s2>[-/.])(?:{_YEAR}|(?P<short>[0-9]{{2}}))(?![0-9])",
        rf"{_DAY}(?P<s1>[- ]|\s+of\s+){_WORD}\.?(?P<s2>,?[- ]){_YEAR}",
        rf"{_WORD}\.?(?P<s1>\s+){_DAY}(?P<s2>,?\s+){_YEAR}",
    )
)


def read_date(text: str) -> Written | None:
    """The first whole date in ``text`` (day, month and year), or None.

    ``3/4/2020`` is read as the fourth of March, with dots (``3.4.2020``) as the third of April; where the first number
    cannot be a month it is the day. Two-digit years are read as 1930 to 2029.
    """
    for form in _FORMS:
        match = form.search(text)
        date = match and _date(match)
        if match and date:
            return Written(date=date, write=_writer(text, match))
    return None


def year_of(text: str) -> int | None:
    """The year in ``text``: of a whole date, or the only number of four digits that can be one."""
    whole = read_date(text)
    if whole is not None:
        return whole.date.year
    years = set(re.findall(r"(?<![0-9])(?:1[89]|2[01])[0-9]{2}(?![0-9])", text))
    return int(years.pop()) if len(years) == 1 else None


def _date(match: re.Match[str]) -> _dt.date | None:
    part = match.groupdict()
    try:
        if part.get("month"):
            month = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(part["month"].lower()[:3]))
            return _dt.date(int(part["year"]), month, int(part["day"]))
        if "m" in part:
            return _dt.date(int(part["year"]), int(part["m"]), int(part["d"]))
        short = part["short"]
        year = int(part["year"]) if not short else int(short) + (2000 if int(short) < 30 else 1900)
        first, second = (int(part["b"]), int(part["a"])) if _day_first(match) else (int(part["a"]), int(part["b"]))
        return _dt.date(year, first, second)
    except ValueError:
        return None


def _day_first(match: re.Match[str]) -> bool:
    return match["s1"] == "." or int(match["a"]) > 12


def _writer(text: str, match: re.Match[str]) -> Callable[[_dt.date], str]:
    """Writes a date where ``match`` stood: the same order, marks, width of numbers and kind of month name."""
    edits: list[tuple[str, Callable[[_dt.date], str]]] = []
    part = match.groupdict()
    if part.get("month"):
        # "March 3rd" becomes "March 14": the ending of another day would tell what it was
        edits = [("day", _padded(part["day"], "day")), ("nth", lambda _: ""), ("month", _month_like(part["month"]))]
        edits += [("year", lambda d: f"{d.year:04}")]
    elif "m" in part:
        edits = [("year", lambda d: f"{d.year:04}")]
        edits += [("m", _padded(part["m"], "month")), ("d", _padded(part["d"], "day"))]
    else:
        names = ("day", "month") if _day_first(match) else ("month", "day")
        edits = [("a", _padded(part["a"], names[0])), ("b", _padded(part["b"], names[1]))]
        edits += [("short", lambda d: f"{d.year % 100:02}")] if part["short"] else [("year", lambda d: f"{d.year:04}")]
    spans = sorted(((match.span(group), make) for group, make in edits), key=lambda edit: edit[0])

    def write(date: _dt.date) -> str:
        out, at = "", 0
        for (start, end), make in spans:
            out += text[at:start] + make(date)
            at = end
        return out + text[at:]

    return write


def _padded(was: str, what: str) -> Callable[[_dt.date], str]:
    width = 2 if len(was) == 2 else 1
    return lambda d: f"{getattr(d, what):0{width}}"


def _month_like(was: str) -> Callable[[_dt.date], str]:
    def name(date: _dt.date) -> str:
        full = _MONTHS[date.month - 1]
        word = full if len(was) > 4 or was.lower() in ("may", "june", "july") else full[:3]
        return word.upper() if was.isupper() else word.capitalize() if was[0].isupper() else word

    return name
