"""The time of a PostgreSQL store: the database's, never going back, and close to this machine's."""

from __future__ import annotations

import math
import time

from toolguard.errors import StoreError
from toolguard.ports import Clock
from toolguard.stores._time import StoreTime

__all__ = ["DatabaseTime"]

_FRESH = 5.0
"""Seconds for which the database's time is carried on with this machine's monotonic clock."""


class _Carried:
    """The database's clock, as last read, carried on."""

    def __init__(self) -> None:
        self.read_at = -math.inf
        self._now = 0.0

    def set(self, now: float) -> None:
        self._now, self.read_at = now, time.monotonic()

    def now(self) -> float:
        return self._now + (time.monotonic() - self.read_at)

    def monotonic(self) -> float:
        return time.monotonic()


class DatabaseTime:
    """What time it is.

    Args:
        clock: taken in the database's place (for tests); None: the database's own.
        most_skew: seconds that this machine's clock may be off.
    """

    def __init__(self, clock: Clock | None, *, most_skew: float) -> None:
        self._carried = None if clock is not None else _Carried()
        self._time = StoreTime(clock if clock is not None else self._carried)
        self._most_skew = most_skew

    @property
    def is_stale(self) -> bool:
        """Whether the database has to be asked."""
        return self._carried is not None and time.monotonic() - self._carried.read_at > _FRESH

    def now(self) -> float:
        """UTC seconds, as far as known without asking the database."""
        return self._time.read()

    def read(self, database: float, floor: float | None, shown: str) -> float:
        """The time now, where the database just said ``database`` and no later than ``floor`` was seen before.

        Raises:
            StoreError: one of them is no time, or this machine's clock is off.
        """
        if floor is None or not (math.isfinite(floor) and math.isfinite(database)):
            raise StoreError(f"the store {shown!r} has lost its time: it was edited; restore a backup")
        if self._carried is not None:
            skew = abs(time.time() - database)
            if skew > self._most_skew:
                raise StoreError(
                    f"this machine's clock and the one of the store {shown!r} are {skew:.0f} s apart; set them right, "
                    "nothing was written"
                )
            self._carried.set(database)
        return self._time.read(floor)

    def may_note(self, now: float, database: float) -> bool:
        """Whether ``now`` may be written down: what runs ahead of the database's own clock is not."""
        return self._carried is None or now <= database + 0.5
