"""Connections to PostgreSQL, served by one event loop in a thread of its own, and called from any thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from toolguard.errors import StoreError
from toolguard.stores._pg_faults import FAULTS, fault, is_lost
from toolguard.stores._pg_url import Place

__all__ = ["Pool"]

T = TypeVar("T")

_inherited: list[object] = []
"""Loops and connections of a parent process: never used and never closed, for closing says goodbye to the server."""


class Pool:
    """Up to ``most`` connections. Thread-safe outside, one loop inside; nothing is made before it is needed.

    Args:
        lock_timeout, statement_timeout: seconds the server waits for a lock and works on one statement.
    """

    def __init__(
        self, place: Place, *, most: int, lock_timeout: float, statement_timeout: float, read_only: bool
    ) -> None:
        self._place = place
        self._arguments = place.arguments()
        self._most = most
        self._patience = statement_timeout + 5.0
        self._settings = {
            "application_name": "toolguard",
            "search_path": "toolguard, pg_temp",
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": "on" if read_only else "off",
            "lock_timeout": f"{int(lock_timeout * 1000)}",
            "statement_timeout": f"{int(statement_timeout * 1000)}",
            "idle_in_transaction_session_timeout": f"{int(self._patience * 1000)}",
            "row_security": "on",
            "jit": "off",
        }
        self.forget()

    @property
    def shown(self) -> str:
        """The place, without its password."""
        return self._place.shown

    def forget(self) -> None:
        """After a fork, in the child: the parent's thread and connections are not ours."""
        _inherited.append(vars(self).get("_loop"))
        _inherited.append(vars(self).get("_idle"))
        self._start = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._idle: list[asyncpg.Connection] = []
        self._room = asyncio.Semaphore(self._most)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # --- from any thread

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine on the loop. An interrupt cancels it, waits until it has ended, and is raised."""
        loop = self._running()
        future = asyncio.run_coroutine_threadsafe(make(), loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                with suppress(BaseException):
                    concurrent.futures.wait([future], timeout=self._patience)
            raise

    def spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a coroutine that runs until the pool is closed."""
        loop = self._running()

        def begin() -> None:
            task = loop.create_task(make())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        loop.call_soon_threadsafe(begin)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._start:
            if self._closed:
                raise StoreError(f"the store {self.shown!r} is closed; open it again")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="toolguard-postgresql", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Close every connection and end the thread. A second close does nothing."""
        with self._start:
            already, self._closed = self._closed, True
            loop, thread = self._loop, self._thread
        if already or loop is None or thread is None:
            return
        with suppress(concurrent.futures.TimeoutError):
            asyncio.run_coroutine_threadsafe(self._wind_up(), loop).result(timeout=5.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5.0)
        if not thread.is_alive():
            loop.close()

    async def _wind_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._idle:
            try:
                await connection.close(timeout=2.0)
            except Exception:  # noqa: BLE001 - it is given up either way
                connection.terminate()

    # --- on the loop

    async def connect(self) -> asyncpg.Connection:
        """A connection of one's own.

        Raises:
            StoreError: the database cannot be reached or refuses.
        """
        try:
            connection = await asyncpg.connect(
                **self._arguments, server_settings=self._settings, timeout=5.0, command_timeout=self._patience
            )
        except FAULTS as error:
            raise fault(error, self.shown) from None
        # a default of the role or database must not take durability away
        await connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        return connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection for a while. After an error it is rolled back; one that broke is thrown away."""
        async with self._room:
            while self._idle and self._idle[-1].is_closed():
                self._idle.pop()
            connection = self._idle.pop() if self._idle else await self.connect()
            try:
                yield connection
            except Exception as error:
                if not is_lost(error) and connection.is_in_transaction():
                    with suppress(*FAULTS):
                        await connection.execute("ROLLBACK")
                raise
            finally:
                if connection.is_closed() or connection.is_in_transaction():
                    connection.terminate()
                else:
                    self._idle.append(connection)

    async def read(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """What ``ask`` reads. Where an idle connection turns out to be gone, the question is put once more."""
        for last in (False, True):
            try:
                async with self.connection() as connection:
                    return await ask(connection)
            except FAULTS as error:
                if last or not is_lost(error) or isinstance(error, TimeoutError):
                    raise fault(error, self.shown, tail="") from None
                self.drop_idle()
        raise AssertionError("unreachable")

    def drop_idle(self) -> None:
        """Throw away connections that wait: after one was lost, the others most likely are too."""
        while self._idle:
            self._idle.pop().terminate()
