"""Group commit: jobs that wait for the same lock share one transaction, and so one wait for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from toolguard.errors import StoreError

__all__ = ["GroupCommit", "Ticket"]

T = TypeVar("T")


class Ticket(Generic[T]):
    """One job and what became of it."""

    __slots__ = ("done", "error", "job", "value")

    def __init__(self, job: Callable[[Any, float], T]) -> None:
        self.job = job
        self.value: T | None = None
        self.error: Exception | None = None
        self.done = False


class GroupCommit:
    """Whoever gets the lock first runs every job that waits; the others find theirs done.

    ``run`` carries out tickets in one transaction and sets ``value`` or ``error`` of each; it raises where
    the transaction as a whole failed and nothing of it was written.
    """

    def __init__(self, run: Callable[[Sequence[Ticket[Any]]], None], *, most: int = 128) -> None:
        self._run = run
        self._most = most
        self._lock = threading.Lock()
        self._queue: list[Ticket[Any]] = []
        self._queue_lock = threading.Lock()

    def submit(self, job: Callable[[Any, float], T]) -> T:
        """The job's value, once it is durable; its error, or StoreError, if it was not done."""
        ticket = Ticket(job)
        with self._queue_lock:
            self._queue.append(ticket)
        try:
            with self._lock:
                while not ticket.done:
                    self._lead()
        except BaseException:
            with self._queue_lock:
                if ticket in self._queue:
                    self._queue.remove(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error
        return cast("T", ticket.value)

    @contextmanager
    def idle(self) -> Iterator[None]:
        """No transaction runs inside."""
        with self._lock:
            yield

    def _lead(self) -> None:
        with self._queue_lock:
            batch, self._queue = self._queue[: self._most], self._queue[self._most :]
        try:
            self._run(batch)
        except StoreError as error:
            for ticket in batch:
                ticket.error = type(error)(*error.args)
        except BaseException:
            for ticket in batch:
                ticket.error = StoreError("the commit was interrupted; nothing was written")
            raise
        finally:
            for ticket in batch:
                ticket.done = True
