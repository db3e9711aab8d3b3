"""How long tokens are kept: sessions that nobody used for a time are purged, but never one in which something waits.

Which sessions were used in a week stands in the vault itself, in a session of its own for each week, so that every
store keeps it, sealed, and every process that shares the store adds to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from toolguard._core.approval import State
from toolguard._core.flow.forget import OPEN_STATES
from toolguard._core.vault import Need
from toolguard.ports import Clock, Sealer, SessionKey, Store

__all__ = ["Retention"]

WEEK = 7 * 86400.0
_LOOK_BACK = 60
"""Weeks that are looked at: what a store that was not opened for longer holds is kept until it is forgotten by name."""


class Retention:
    """Purges a tenant's idle sessions. Thread-safe; processes may do it at the same time.

    Args:
        ttl: seconds a session's tokens are kept at least after its last use; at most a week more.
    """

    def __init__(self, store: Store, sealer: Callable[[str], Sealer], clock: Clock, ttl: float) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._ttl = ttl
        self._lock = threading.Lock()
        self._swept: dict[str, int] = {}

    def used(self, key: SessionKey) -> int:
        """Note that a session is used now; the number of this week, after which to note it again."""
        week = int(self._clock.now() // WEEK)
        self._store.allocate(
            _book(key.tenant, week), (Need(type="SESSION", text=key.session),), self._sealer(key.tenant)
        )
        with self._lock:
            due = self._swept.get(key.tenant) != week
            self._swept[key.tenant] = week
        if due:
            self.sweep(key.tenant)
        return week

    def sweep(self, tenant: str) -> int:
        """Purge the sessions of ``tenant`` that were not used for so long; how many."""
        now = self._clock.now()
        newest = int((now - self._ttl) // WEEK) - 1  # the last week that ended before
        old = {week: self._sessions(tenant, week) for week in range(newest, newest - _LOOK_BACK, -1)}
        idle = set().union(*old.values())
        for week in range(newest + 1, int(now // WEEK) + 1):
            idle -= self._sessions(tenant, week)
        if not idle:
            return 0
        busy = self._busy(tenant)
        for session in idle - busy:
            self._store.purge(SessionKey(tenant=tenant, session=session))
        for week, sessions in old.items():
            if sessions and not sessions & busy:
                self._store.purge(_book(tenant, week))
        return len(idle - busy)

    def _sessions(self, tenant: str, week: int) -> set[str]:
        return set(self._store.values(_book(tenant, week), self._sealer(tenant)).values())

    def _busy(self, tenant: str) -> set[str]:
        """Sessions in which something waits for a person or runs."""
        found: set[str] = set()
        last: str | None = None
        while page := self._store.list(tenant, states=(*OPEN_STATES, State.EXECUTING), limit=500, before=last):
            found |= {a.request.session for a in page}
            last = page[-1].id
        return found


def _book(tenant: str, week: int) -> SessionKey:
    """Where the sessions of a week are noted. No session's label holds a stroke, so none can be this one."""
    return SessionKey(tenant=tenant, session=f"toolguard/used/{week}")
