"""How often anyone may come: token buckets in this process, by credential once it was seen to hold, by address before.

Several replicas count apart, so all of them together let through so many times more.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Limits", "Rate", "Visits"]

_KEYS = 10_000
"""Buckets kept at most; the one that was longest untouched goes first, and it was full again by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``burst`` at once, then ``per_second``."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Requests by a credential that holds, requests of an address without one, and tries that were refused.

    Whoever has a credential that holds is not counted with their address, so that nobody behind the same proxy can
    shut them out.
    """

    known: Rate = Rate(per_second=100.0, burst=1000)
    unknown: Rate = Rate(per_second=50.0, burst=1000)
    tries: Rate = Rate(per_second=0.2, burst=20)

    @classmethod
    def of(cls, per_second: float) -> Limits:
        """So many requests a second by a credential; 0: no limit on those."""
        if per_second <= 0:
            return cls(known=Rate(per_second=1e12, burst=10**12))
        return cls(known=Rate(per_second=per_second, burst=math.ceil(10 * per_second)))


class _Buckets:
    def __init__(self, rate: Rate, now: Callable[[], float]) -> None:
        self._rate, self._now = rate, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, take: float = 1.0) -> float:
        """Takes one and returns 0.0, or takes none and returns the seconds until there is one."""
        now = self._now()
        left, then = self._left.get(key, (float(self._rate.burst), now))
        left = min(float(self._rate.burst), left + (now - then) * self._rate.per_second)
        short = 1.0 - left
        if short <= 0:
            left -= take
        self._left[key] = (left, now)
        self._left.move_to_end(key)
        if len(self._left) > _KEYS:
            self._left.popitem(last=False)
        return max(0.0, short / self._rate.per_second)


class Visits:
    """Counts visits. For one event loop. No credential is kept, only a keyed digest of it."""

    def __init__(self, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self._salt = secrets.token_bytes(32)
        self._known = _Buckets(limits.known, now)
        self._unknown = _Buckets(limits.unknown, now)
        self._tries = _Buckets(limits.tries, now)
        self._good: OrderedDict[str, None] = OrderedDict()

    def key(self, credential: str) -> str:
        """What stands for a credential; ``""`` for none."""
        if not credential:
            return ""
        return hashlib.blake2b(credential.encode("utf-8", "replace"), key=self._salt, digest_size=16).hexdigest()

    def wait(self, address: str, key: str, *, sign_in: bool) -> float:
        """Seconds this visitor has to wait; 0.0: come in."""
        if key in self._good:
            return self._known.wait(key)
        return max(self._unknown.wait(address), self._tries.wait(address, take=1.0 if sign_in else 0.0))

    def held(self, key: str) -> None:
        """The credential held."""
        self._good[key] = None
        self._good.move_to_end(key)
        if len(self._good) > _KEYS:
            self._good.popitem(last=False)

    def refused(self, address: str, key: str) -> None:
        """The credential did not hold."""
        self._good.pop(key, None)
        self._tries.wait(address)
