"""The store's time: it comes from a clock, and never goes back."""

from __future__ import annotations

import time

from toolguard.ports import Clock

__all__ = ["StoreTime", "SystemClock"]

_STEP = 0.5
"""Seconds a clock may fall behind its own monotonic time before it counts as set back."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class StoreTime:
    """UTC seconds that never go back, so that setting a clock back revives nothing that has expired.

    While the clock is behind, time goes on at the pace of the monotonic clock from the latest time seen.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._last = (0.0, self._clock.monotonic())

    def read(self, floor: float = 0.0) -> float:
        """The time now, at least ``floor`` (the latest time the store has on disk)."""
        wall, mono = self._clock.now(), self._clock.monotonic()
        high, anchor = self._last
        expected = high + max(0.0, mono - anchor) if high else 0.0
        now = max(wall if wall >= expected - _STEP else expected, high, floor)
        self._last = (now, mono)
        return now
