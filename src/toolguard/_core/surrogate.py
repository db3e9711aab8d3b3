"""Surrogates: stand-ins for fields that cannot carry a token, because a schema wants a date, a number, an address.

A surrogate is a number written as a value of the field's type, from a range in which no real value lies: dates of
the years 9000 to 9899, integers from 900,000,000,000,000 on, addresses under ``masked.example``, and the like. The
session's vault says for which token the number stands (`toolguard._core.vault`), so a surrogate can be put anywhere a
token can, and turns back where its token would. Number 0 stands for nothing: what was redacted.
"""

from __future__ import annotations

import datetime as _dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Form", "Found", "find", "hints", "spell"]


class Form(StrEnum):
    """The type of field a surrogate fits. The value is the type its number counts under in the vault."""

    DATE = "AS_DATE"
    INTEGER = "AS_INTEGER"
    EMAIL = "AS_EMAIL"
    UUID = "AS_UUID"
    URI = "AS_URI"
    HOSTNAME = "AS_HOSTNAME"
    IPV4 = "AS_IPV4"
    IPV6 = "AS_IPV6"


_FIRST_DAY = _dt.date(9000, 1, 1)
_DAYS = (_dt.date(9900, 1, 1) - _FIRST_DAY).days  # beyond lies 9999-12-31, which many systems write for "no end"
_MILLION = 1_000_000
_INTEGER = 900_000_000_000_000
_UUID = "70676400-7467-8000-8000-"
_IPV6 = "2001:db8:7467::"


def spell(form: Form, number: int, *, time: bool = False) -> str | int | None:
    """Surrogate ``number`` of a form: text, or an integer for `Form.INTEGER`; None if the form has no more.

    Args:
        time: a date with a time of day (RFC 3339), for a field that wants both.
    """
    if not 0 <= number < (_DAYS if form is Form.DATE else _MILLION):
        return None
    if form is Form.DATE:
        return f"{_FIRST_DAY + _dt.timedelta(days=number)}" + "T00:00:00Z" * time
    return _INTEGER + number if form is Form.INTEGER else _WRITTEN[form](number)


_WRITTEN: Mapping[Form, Callable[[int], str]] = {
    Form.EMAIL: lambda n: f"m{n}@masked.example",
    Form.UUID: lambda n: f"{_UUID}{n:012x}",
    Form.URI: lambda n: f"https://masked.example/{n}",
    Form.HOSTNAME: lambda n: f"h{n}.masked.example",
    Form.IPV4: lambda n: f"240.{n >> 16}.{n >> 8 & 255}.{n & 255}",
    Form.IPV6: lambda n: f"{_IPV6}{n >> 16:x}:{n & 65535:x}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A surrogate in a text, half-open range."""

    start: int
    end: int
    form: Form
    number: int


_TIME = r"(?:[T ]00:00(?::00(?:\.0{1,9})?)?(?:Z|[+-]00:?00)?)?"
# what may not stand before is looked for after the first letter: so each pattern begins with a letter to search for
_SHAPES: tuple[tuple[Form, str, re.Pattern[str]], ...] = tuple(
    (form, hint, re.compile(pattern, re.ASCII))
    for form, hint, pattern in (
        (Form.DATE, "-", rf"9(?<![\w.-]9)([0-8][0-9]{{2}}-[01][0-9]-[0-3][0-9]){_TIME}(?![\w-])"),
        (Form.INTEGER, "900000000", r"900000000(?<![\w.-]900000000)([0-9]{6})(?:\.0)?(?![\w-]|\.[0-9])"),
        (Form.EMAIL, "masked.example", r"m(?<![\w.+-]m)([0-9]{1,6})@masked\.example(?![\w-]|\.[\w-])"),
        (Form.UUID, _UUID, rf"{_UUID}(?<![\w-]{_UUID})([0-9a-fA-F]{{12}})(?![\w-])"),
        (Form.URI, "masked.example", r"https://(?<!\whttps://)masked\.example/([0-9]{1,6})(?!\w)"),
        (Form.HOSTNAME, "masked.example", r"h(?<![\w.-]h)([0-9]{1,6})\.masked\.example(?![\w-]|\.[\w-])"),
        (Form.IPV4, "240.", r"240\.(?<![\w.-]240\.)([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})(?![\w-]|\.[0-9])"),
        (Form.IPV6, _IPV6, rf"{_IPV6}(?<![\w:.]{_IPV6})([0-9a-f]{{1,2}}:[0-9a-f]{{1,4}})(?![\w:])"),
    )
)
_DATE_HINT = re.compile(r"9[0-8][0-9]{2}-[01]")
_HINTS = tuple(dict.fromkeys(hint for form, hint, _ in _SHAPES if form is not Form.DATE))


def hints(text: str) -> bool:
    """A fast and safe no: False only if ``text`` holds no surrogate."""
    for hint in _HINTS:
        if hint in text:
            return True
    return _DATE_HINT.search(text) is not None


def find(text: str) -> list[Found]:
    """Every surrogate in ``text``, in order."""
    found = [
        Found(start=match.start(), end=match.end(), form=form, number=number)
        for form, hint, pattern in _SHAPES
        if hint in text
        for match in pattern.finditer(text)
        if (number := _READ.get(form, int)(match[1])) is not None and number < _MILLION
    ]
    found.sort(key=lambda f: f.start)
    return [f for n, f in enumerate(found) if n == 0 or f.start >= found[n - 1].end]


def _read_date(text: str) -> int | None:
    try:
        return (_dt.date.fromisoformat(f"9{text}") - _FIRST_DAY).days
    except ValueError:
        return None


def _read_ipv4(text: str) -> int | None:
    high, middle, low = map(int, text.split("."))
    return None if max(high, middle, low) > 255 else high << 16 | middle << 8 | low


def _read_ipv6(text: str) -> int:
    high, low = text.split(":")
    return int(high, 16) << 16 | int(low, 16)


_READ: Mapping[Form, Callable[[str], int | None]] = {
    Form.DATE: _read_date,
    Form.UUID: lambda text: int(text, 16),
    Form.IPV4: _read_ipv4,
    Form.IPV6: _read_ipv6,
}
