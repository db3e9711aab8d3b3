"""How pages and terminals say figures, times and codes."""

from __future__ import annotations

import datetime as dt

from toolguard.population import LAST_MOMENT, iso

__all__ = ["FILTERS", "LIMITS", "clock", "date", "day", "duration", "figure", "minute", "plain", "words"]

LIMITS = (
    (
        "Calls that did not go through the guard. Compare with the records of the systems that tools reach "
        "('toolguard audit reconcile')."
    ),
    "Whether a control is met, and whether its evidence is enough: that is an auditor's judgement.",
    (
        "What arguments and results said. Records hold kinds, counts, times and keyed digests, never values; what people "
        "wrote as reasons stays in the store."
    ),
    "Identifiers that detection missed: recall is below one, and measured rates are in the project's documentation.",
    "The network: whether connections were encrypted, and how the store, its clock and its backups are run.",
    (
        "Separation of duties between operating-system accounts: whoever may read the service's key and write to the store "
        "on one machine is bound by no record."
    ),
    (
        "Calls that were judged and whose records were cut off at the very end of a log, unless an anchor outside the store "
        "is compared."
    ),
)
"""What no pack and no report shows."""


def plain(text: object) -> str:
    """Everything visible that could steer a reader's screen: control, bidi and zero-width characters."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(text))


def figure(number: int) -> str:
    """``12,345``."""
    return f"{number:,}"


def words(code: str) -> str:
    """A code as words: ``break_glass`` is "break glass"."""
    return str(code).replace("_", " ")


def day(at: float) -> str:
    """``1 June 2026``."""
    moment = _utc(at)
    return f"{moment.day} {moment:%B %Y}"


def date(at: float) -> str:
    """``2026-06-01``."""
    return f"{_utc(at):%Y-%m-%d}"


def minute(at: float) -> str:
    """``2026-06-01 07:00``."""
    return f"{_utc(at):%Y-%m-%d %H:%M}"


def clock(at: float) -> str:
    """``07:00:41.500``."""
    moment = _utc(at)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def duration(seconds: float) -> str:
    """Short: ``0.40 s``, ``5 min``, ``3.0 h``."""
    if seconds < 1:
        return f"{max(0.0, seconds):.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _utc(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(min(max(at, 0.0), LAST_MOMENT), dt.UTC)


FILTERS = {
    "clock": clock,
    "date": date,
    "day": day,
    "duration": duration,
    "figure": figure,
    "iso": iso,
    "minute": minute,
    "plain": plain,
    "words": words,
}
