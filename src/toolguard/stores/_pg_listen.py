"""One listener per process: PostgreSQL says which approvals changed, and now and then all who wait are looked up at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from toolguard.errors import StoreError
from toolguard.stores import _pg_sql
from toolguard.stores._pg_faults import FAULTS
from toolguard.stores._pg_pool import Pool
from toolguard.stores._watch import Watchers

__all__ = ["Listener"]

_LOOK = 2.0
"""Seconds between looks for what a lost notification would have told; one query, however many wait."""


class Listener:
    """Wakes `Watchers` when their approvals change. Started by the first of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._start = threading.Lock()
        self._started = False
        self.watchers = Watchers()

    def watch(self, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """See `Watchers.add`."""
        stop = self.watchers.add(approval_id, wake)
        with self._start:
            if not self._started:
                self._started = True
                self._pool.spawn(self._listen)
        return stop

    async def _listen(self) -> None:
        while True:
            try:
                connection = await self._pool.connect()
            except StoreError:
                self.watchers.fire(self.watchers.ids())  # who looks now learns that the store is gone
                await asyncio.sleep(_LOOK / 2)
                continue
            try:
                await connection.add_listener("toolguard", self._told)
                while not connection.is_closed():
                    ids = self.watchers.ids()
                    if ids:
                        self.watchers.compare(dict(await connection.fetch(_pg_sql.VERSIONS, ids)))
                    await asyncio.sleep(_LOOK)
            except FAULTS:
                pass  # a new connection is made
            finally:
                connection.terminate()

    def _told(self, connection: object, pid: int, channel: str, payload: object) -> None:
        self.watchers.fire([str(payload).partition(" ")[0]])
