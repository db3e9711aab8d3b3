"""The ZIP table of HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)(B)."""

from __future__ import annotations

__all__ = ["RESTRICTED", "VERSION", "zip3"]

VERSION = "2010+2000"
"""The census lists the table unites; a new list gets a new version."""

RESTRICTED = frozenset(
    {"036", "059", "063", "102", "203", "205", "369", "556", "692", "790", "821", "823", "830", "831", "878", "879"}
    | {"884", "890", "893"}
)
"""Three-digit ZIP areas in which 20,000 people or fewer live."""


def zip3(code: str) -> str:
    """The part of a US ZIP code that may stay: three digits, ``000`` where 20,000 people or fewer live.

    An aid, not a certificate: whether the rest of a record identifies someone is not looked at. Text without
    three digits in front gives ``000``.
    """
    head = code.strip()[:3]
    if len(head) < 3 or not (head.isascii() and head.isdigit()) or head in RESTRICTED:
        return "000"
    return head
