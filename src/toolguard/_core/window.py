"""Times of day and days of the week: when a rule holds. Local time, and windows that cross midnight."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

__all__ = ["DAYS", "Moment", "TimeWindow", "moment"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment as a clock on the wall shows it: ``minute`` of the day (0–1439), ``day`` of the week (0: Monday)."""

    minute: int
    day: int


def moment(seconds: float) -> Moment:
    """What a wall clock shows at ``seconds`` since 1970 (its own time zone's, so UTC plus the offset)."""
    return _moment(int(seconds // 60))


@lru_cache(maxsize=16)
def _moment(minutes: int) -> Moment:
    return Moment(minute=minutes % _DAY, day=(minutes // _DAY + 3) % 7)  # 1970 began on a Thursday


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """Hours and days. Where both are given both must hold.

    Attributes:
        hours: spans in minutes of the day; each begins with its first minute and ends before its last. One that ends
            before it begins crosses midnight, and belongs to the day on which it begins.
        days: days of the week (0: Monday); empty for every day.
        utc_offset: seconds to add to UTC; None for the guard's own local time.
    """

    hours: tuple[tuple[int, int], ...] = ()
    days: frozenset[int] = frozenset()
    utc_offset: float | None = None

    def holds(self, now: Moment) -> bool:
        """Whether ``now`` lies in it."""
        if not self.hours:
            return self._on(now.day)
        return any(self._in(span, now) for span in self.hours)

    def _in(self, span: tuple[int, int], now: Moment) -> bool:
        start, end = span
        if start < end:
            return start <= now.minute < end and self._on(now.day)
        if now.minute >= start:
            return self._on(now.day)
        return now.minute < end and self._on((now.day - 1) % 7)  # it began yesterday

    def _on(self, day: int) -> bool:
        return not self.days or day in self.days
