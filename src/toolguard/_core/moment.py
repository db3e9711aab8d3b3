"""Times as people and tools write them: UTC seconds as RFC 3339."""

from __future__ import annotations

import datetime as dt

__all__ = ["LAST_MOMENT", "iso"]

LAST_MOMENT = 253402300799.0
"""The end of the year 9999: a time that somebody wrote beyond it is shown as this one."""


def iso(at: float | None) -> str:
    """UTC seconds as ``2026-11-22T10:22:29.123Z``, ``""`` for None."""
    if at is None:
        return ""
    moment = dt.datetime.fromtimestamp(min(max(at, 0.0), LAST_MOMENT), dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
