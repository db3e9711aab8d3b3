"""The ZIP table of HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)(B)."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

__all__ = ["zip3"]


@cache
def _table() -> frozenset[str]:
    raw = resources.files("toolguard.detection").joinpath("data", "zip3_restricted.json").read_bytes()
    data = json.loads(raw)
    return frozenset(data["zip3"])


def zip3(code: str) -> str:
    """The part of a US ZIP code that may stay: three digits, ``000`` where 20,000 people or fewer live.

    An aid, not a certificate: whether the rest of a record identifies someone is not looked at. Text without
    three digits in front gives ``000``.
    """
    head = code.strip()[:3]
    if len(head) < 3 or not (head.isascii() and head.isdigit()) or head in _table():
        return "000"
    return head
