"""Made-up values of the kinds of identifiers, from made-up family names and ranges that belong to nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["fake"]

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
_GIVEN = (
    "Alba Anouk Arlo Aster Bela Birk Calla Cato Cleo Corin Dara Dorit Edda Elio Emre Enid Farah Fenn Flora Gale Greer "
    "Hanno Hollis Ilse Indra Ivo Jory Juno Kaia Kenan Lark Leif Linus Lotte Maren Milo Nadir Nell Noor Odile Orin Otis "
    "Petra Pax Quill Rafi Rhea Runa Sable Selma Soren Tamsin Teo Thea Ula Umar Vesna Viggo Wren Xenia Yael Yuri Zane Zora"
).split()
_FAMILY = (
    "Abernash Ackerfeld Alderwyn Ashgrave Barrowby Bellgard Birkholm Blackmere Brindleton Calderas Carrowmore Coldbrook "
    "Cormick Dunmarrow Eastmere Elderton Fairlund Fennimore Garrowby Glenhaven Greymark Hallowmoor Harkwell Hazelby Heathmoor "
    "Hollowell Ironsund Kestrelby Kingsmarch Larkspur Lindholm Lockmere Marlowby Merriden Millhaven Moorgate Netherby "
    "Northgard Oakenfell Oldacreby Pennwhistle Quarrington Ravenholt Redfernley Rosedale Rowanby Saltmarsh Silverby Southmark "
    "Stonebridge Summerfell Tallowby Thornfield Underhill Valewood Wexmoor Whitlowe Wickenholm Wildmere Windholm Winterby "
    "Woodrowby Yarrowby Zellmark"
).split()
_STREET = "Alder Birch Cedar Dogwood Elm Fir Hazel Juniper Larch Maple Oak Pine Rowan Spruce Walnut Willow".split()


class _Draw:
    """Numbers from a digest: the same digest, the same numbers."""

    def __init__(self, digest: bytes) -> None:
        self._left = int.from_bytes(digest, "big")

    def below(self, count: int) -> int:
        self._left, number = divmod(self._left, count)
        return number

    def of(self, words: list[str]) -> str:
        return words[self.below(len(words))]


def fake(type: str, text: str, digest: bytes) -> str | None:
    """A made-up value for ``text``, an identifier of ``type``; None for a type without one. ``digest``: 32 bytes.

    Mail addresses and URLs end in ``.example``, telephone numbers are of 555-01xx, US social security numbers begin
    with 9, addresses of machines are from documentation ranges.
    """
    make = _MADE.get(type)
    return None if make is None else make(text, _Draw(digest))


def _person(text: str, draw: _Draw) -> str:
    given, family = draw.of(_GIVEN), draw.of(_FAMILY)
    parts = text.split()
    if len(parts) == 1 and not text.endswith(","):
        name = family
    elif "," in text:
        name = f"{family}, {given}"
    else:
        name = f"{given} {family}"
    return name.upper() if text.isupper() else name.lower() if text.islower() else name


def _digits_like(text: str, draw: _Draw, first: str) -> str:
    """``text`` with other digits, the first ones given."""
    given = iter(first)
    return re.sub(r"[0-9]", lambda _: next(given, None) or str(draw.below(10)), text)


def _ssn(text: str, draw: _Draw) -> str | None:
    return _digits_like(text, draw, f"9{draw.below(100):02}") if sum(c.isdigit() for c in text) == 9 else None


def _phone(text: str, draw: _Draw) -> str | None:
    """Ten digits and more keep their form; ``555-01`` stands before the last two."""
    places = [m.start() for m in re.finditer(r"[0-9]", text)]
    if len(places) < 7:
        return None
    wanted = f"{draw.below(800) + 200}" + "55501" + f"{draw.below(100):02}"
    chars = list(text)
    for place, digit in zip(reversed(places), reversed(wanted), strict=False):
        chars[place] = digit
    return "".join(chars)


def _email(_: str, draw: _Draw) -> str:
    return f"{draw.of(_GIVEN)}.{draw.of(_FAMILY)}{draw.below(1000)}@mail.example".lower()


def _address(_: str, draw: _Draw) -> str:
    return f"{draw.below(899) + 100} {draw.of(_STREET)} Street"


def _machine(text: str, draw: _Draw) -> str:
    return f"2001:db8::{draw.below(65536):x}" if ":" in text else f"203.0.113.{draw.below(254) + 1}"


_MADE: Mapping[str, Callable[[str, _Draw], str | None]] = {
    "PERSON": _person,
    "FACILITY": lambda text, draw: f"{draw.of(_FAMILY)} Hospital",
    "LOCATION": lambda text, draw: draw.of(_FAMILY),
    "ADDRESS": _address,
    "EMAIL": _email,
    "URL": lambda text, draw: f"https://www.example.org/{draw.below(10**8)}",
    "IP_ADDRESS": _machine,
    "PHONE": _phone,
    "FAX": _phone,
    "SSN": _ssn,
    "ZIP": lambda text, draw: _digits_like(text, draw, "000"),
    "SECRET": lambda text, draw: None,
}
