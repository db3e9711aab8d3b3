"""Surrogates: stand-ins for fields that cannot carry a token, because a schema wants a date, a number, an address.

A surrogate is a number written as a value of the field's type, from a range in which no real value lies: dates of
the years 9000 to 9899, integers from 900,000,000,000,000 on, addresses under ``masked.example``, and the like. The
session's vault says for which token the number stands (`toolguard._core.vault`), so a surrogate can be put anywhere a
token can, and turns back where its token would. Number 0 stands for nothing: what was redacted.
"""

from __future__ import annotations

import datetime as _dt
import re
from collections.abc import Callable, Iterator, Mapping
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
_SHAPES = re.compile(
    rf"(?<![\w.-])(?P<date>9[0-8][0-9]{{2}}-[01][0-9]-[0-3][0-9]){_TIME}(?![\w-])"
    r"|(?<![\w.-])900000000(?P<integer>[0-9]{6})(?:\.0)?(?![\w-]|\.[0-9])"
    r"|(?<![\w.+-])m(?P<email>[0-9]{1,6})@masked\.example(?![\w-]|\.[\w-])"
    rf"|(?<![\w-]){_UUID}(?P<uuid>[0-9a-fA-F]{{12}})(?![\w-])"
    r"|(?<!\w)https://masked\.example/(?P<uri>[0-9]{1,6})(?!\w)"
    r"|(?<![\w.-])h(?P<hostname>[0-9]{1,6})\.masked\.example(?![\w-]|\.[\w-])"
    r"|(?<![\w.-])240\.(?P<ipv4>[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})(?![\w-]|\.[0-9])"
    rf"|(?<![\w:.]){_IPV6}(?P<ipv6>[0-9a-f]{{1,2}}:[0-9a-f]{{1,4}})(?![\w:])",
    re.ASCII,
)
_DATE_HINT = re.compile(r"9[0-8][0-9]{2}-[01]")
_HINTS = ("masked.example", "900000000", _UUID, "240.", _IPV6)


def hints(text: str) -> bool:
    """A fast and safe no: False only if ``text`` holds no surrogate."""
    return any(hint in text for hint in _HINTS) or _DATE_HINT.search(text) is not None


def find(text: str) -> Iterator[Found]:
    """Every surrogate in ``text``, in order."""
    for match in _SHAPES.finditer(text):
        name = str(match.lastgroup)
        number = _READ.get(name, int)(match[name])
        if number is not None and number < _MILLION:
            yield Found(start=match.start(), end=match.end(), form=Form[name.upper()], number=number)


def _read_date(text: str) -> int | None:
    try:
        return (_dt.date.fromisoformat(text) - _FIRST_DAY).days
    except ValueError:
        return None


def _read_ipv4(text: str) -> int | None:
    high, middle, low = map(int, text.split("."))
    return None if max(high, middle, low) > 255 else high << 16 | middle << 8 | low


def _read_ipv6(text: str) -> int:
    high, low = text.split(":")
    return int(high, 16) << 16 | int(low, 16)


_READ: Mapping[str, Callable[[str], int | None]] = {
    "date": _read_date,
    "uuid": lambda text: int(text, 16),
    "ipv4": _read_ipv4,
    "ipv6": _read_ipv6,
}
