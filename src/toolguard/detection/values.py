"""Whether a value can be what the name of its field says; shared by JSON fields, table cells and form labels."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re

__all__ = ["fits"]

_YEAR = re.compile(r"\A\s*(?:1[89]|20)\d\d\s*")
_NUMBER = re.compile(r"\A\s*(\d{1,3})")
_NO_PLACE = frozenset("home inpatient outpatient emergency none unknown n/a na null same other self".split())


def fits(kind: str, value: str) -> tuple[int, int] | None:
    """The range of ``value`` that is an identifier of this kind; empty if none is; None if it must be read as prose."""
    size = len(value)
    whole = (0, size)
    digits = sum(map(str.isdigit, value))
    words = value.count(" ") + 1
    letters = any(map(str.isalpha, value))
    if kind == "PERSON":
        if digits:  # a code in place of a name
            return whole if words == 1 and 3 < size <= 64 and "/" not in value else None
        prose = words > 7 or size > 80 or "@" in value or any(c in value for c in "{}<>=;\n")
        return whole if letters and not prose and value.strip().lower() not in _NO_PLACE else None
    if kind in ("DATE", "DATE_OF_BIRTH"):
        if _YEAR.fullmatch(value):
            return 0, 0
        return whole if digits >= 3 and words <= 6 and size <= 40 else None
    if kind == "AGE":
        number = _NUMBER.match(value)
        return None if not number else (number.span(1) if 89 < int(number[1]) < 140 else (0, 0))
    if kind in ("PHONE", "FAX"):
        return whole if digits >= 5 and size <= 40 else None
    if kind == "EMAIL":
        return whole if "@" in value and words == 1 else None
    if kind in ("URL", "IP_ADDRESS"):
        return whole if words == 1 and ("." in value or ":" in value) else None
    if kind == "ADDRESS":
        return whole if size <= 240 and words <= 30 and letters and "@" not in value and (digits or words > 1) else None
    if kind == "ZIP":
        return whole if digits and size <= 12 else None
    if kind in ("LOCATION", "FACILITY"):
        return whole if size <= 100 and words <= 10 and letters and value.strip().lower() not in _NO_PLACE else None
    if kind == "SECRET":
        return whole if size >= 4 and words <= 3 else None
    if kind in ("PHOTO", "BIOMETRIC"):
        return whole if words <= 3 and size > 3 else None
    coded = digits or (value.isupper() and words == 1 and size > 4)
    return whole if 3 <= size <= 80 and words <= 4 and coded else None
