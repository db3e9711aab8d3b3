"""Group commit: jobs that wait for the same file share one transaction, and so one wait for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from toolguard.errors import StoreError

__all__ = ["GroupCommit", "Ticket"]

T = TypeVar("T")


class Ticket(Generic[T]):
    """One job and what became of it. What a job is, ``run`` knows."""

    __slots__ = ("error", "job", "leads", "led", "value", "wake")

    def __init__(self, job: Any) -> None:
        self.job = job
        self.value: T | None = None
        self.error: Exception | None = None
        self.leads = False
        self.led = False
        self.wake = threading.Lock()
        self.wake.acquire()


class GroupCommit:
    """One thread leads: it runs every job that waits, wakes their threads, and hands over to the next in line.

    ``run`` carries out tickets in one transaction and sets ``value`` or ``error`` of each; it raises where
    the transaction as a whole failed and nothing of it was written.
    """

    def __init__(self, run: Callable[[Sequence[Ticket[Any]]], None], *, most: int = 128) -> None:
        self._run = run
        self._most = most
        self._mutex = threading.Lock()
        self._queue: list[Ticket[Any]] = []
        self._busy = False  # someone leads; where nobody does, nobody waits

    @property
    def waiting(self) -> int:
        """How many jobs have not begun."""
        return len(self._queue)

    def submit(self, job: Callable[[Any, float], T]) -> T:
        """The job's value, once it is durable; its error, or StoreError, if it was not done."""
        return cast("T", self.put(job))

    def put(self, job: object) -> Any:
        """The same for a job of whatever kind ``run`` knows."""
        ticket: Ticket[Any] = Ticket(job)
        try:
            self._wait(ticket)
            if ticket.leads:
                self._lead(ticket)
        except BaseException:
            self._leave(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error
        return ticket.value

    @contextmanager
    def idle(self) -> Iterator[None]:
        """No transaction runs inside."""
        ticket: Ticket[None] = Ticket(lambda *_: None)
        with self._turn(ticket):
            if ticket.leads:
                with self._mutex:
                    self._queue.remove(ticket)
                    ticket.led = True
                try:
                    yield
                finally:
                    self._hand_over()
            else:  # carried along in somebody's batch: once more
                with self.idle():
                    yield

    @contextmanager
    def _turn(self, ticket: Ticket[Any]) -> Iterator[None]:
        """Queue up, and wait until the job is done or its thread has to lead. An interrupt leaves the queue."""
        try:
            self._wait(ticket)
            yield
        finally:
            self._leave(ticket)

    def _wait(self, ticket: Ticket[Any]) -> None:
        with self._mutex:
            self._queue.append(ticket)
            if not self._busy:
                self._busy = ticket.leads = True
        if not ticket.leads:
            ticket.wake.acquire()

    def _leave(self, ticket: Ticket[Any]) -> None:
        with self._mutex:
            if ticket in self._queue:
                self._queue.remove(ticket)
        if ticket.leads and not ticket.led:
            self._hand_over()

    def _lead(self, ticket: Ticket[Any]) -> None:
        with self._mutex:
            batch, self._queue = self._queue[: self._most], self._queue[self._most :]
            ticket.led = True
        try:
            self._run(batch)
        except StoreError as error:
            for each in batch:
                each.error = type(error)(*error.args)
        except BaseException:
            for each in batch:
                each.error = StoreError("the commit was interrupted; read the store to see what it holds")
            raise
        finally:
            self._hand_over()
            for each in batch:
                if each is not ticket:
                    each.wake.release()

    def _hand_over(self) -> None:
        with self._mutex:
            if self._queue:
                self._queue[0].leads = True
                self._queue[0].wake.release()
            else:
                self._busy = False
