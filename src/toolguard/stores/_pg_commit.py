"""One transaction for the changes that wait: each is judged by itself, and what may be is written as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg

from toolguard.stores import _pg_sql
from toolguard.stores._batch import Ticket
from toolguard.stores._pg_faults import FAULTS, Lost, is_lost
from toolguard.stores._pg_known import Journal, Known, Row, marks, reads, touches
from toolguard.stores._pg_plan import IN_ORDER, Plan
from toolguard.stores._pg_time import DatabaseTime

__all__ = ["Transaction", "waves"]

_TIME_STEP = 1.0
"""Seconds between notes of the latest time in the database."""


def waves(batch: Sequence[Ticket[Any]]) -> Iterator[list[Ticket[Any]]]:
    """The batch in parts, in order, such that no two changes of one part are about the same thing."""
    left = list(batch)
    while left:
        wave: list[Ticket[Any]] = []
        later: list[Ticket[Any]] = []
        touched: set[object] = set()
        read: set[object] = set()
        for ticket in left:
            keys, looks = touches(ticket.job), reads(ticket.job) | marks(ticket.job)
            (later if keys & (touched | read) or looks & touched else wave).append(ticket)
            touched |= keys
            read |= looks
        yield wave
        left = later


class Transaction:
    """One attempt. ``xid`` and ``head`` tell afterwards whether it happened, if the answer was lost."""

    def __init__(self, journal: Journal, time: DatabaseTime, shown: str) -> None:
        self._journal = journal
        self._time = time
        self._shown = shown
        self.head: tuple[int, str] | None = None
        self.xid = ""

    async def run(self, db: asyncpg.Connection, tickets: Sequence[Ticket[Any]]) -> None:
        """Carry out the tickets; each that may not be has its error, and the others are durable.

        Raises:
            Lost: it is not known whether it was written. Whatever else is raised: nothing was written.
        """
        await db.execute("BEGIN")
        known = Known()
        await known.read(db, [t.job for t in tickets], self._journal, self._time, self._shown)
        self.xid = known.xid
        writes: dict[str, list[Row]] = defaultdict(list)
        hints: list[str] = []
        head = known.start
        for ticket in tickets:
            plan = Plan(known, self._journal, ticket.job, head)
            ticket.value = ticket.error = None
            try:
                ticket.value = plan.make()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one change is that change's error
                ticket.error = error
                continue
            for statement, rows in plan.writes.items():
                writes[statement] += rows
            hints += plan.hints
            head = plan.head
            if ticket.job.create is not None:
                known.created.append(ticket.job.create)
        if not any(ticket.error is None for ticket in tickets):
            await db.execute("ROLLBACK")
            return
        if head is not None and head != known.start:
            self.head = head
            writes[_pg_sql.MOVE_HEAD] = [(*head, self._journal.log_id)]
        await self._write(db, known, writes, hints)
        try:
            await db.execute("COMMIT")
        except FAULTS as error:
            if is_lost(error):
                raise Lost from None
            raise
        self._journal.opened = self._journal.opened or head is not None

    async def _write(
        self, db: asyncpg.Connection, known: Known, writes: dict[str, list[Row]], hints: list[str]
    ) -> None:
        if known.now > known.floor + _TIME_STEP and self._time.may_note(known.now, known.database):
            await db.execute(_pg_sql.SET_TIME, known.now)
        for statement in (_pg_sql.ADD_LEDGER, _pg_sql.ADD_USE, _pg_sql.ANNOUNCE_ONCE):
            writes[statement].sort()
        writes[_pg_sql.ADD_MARK].sort(key=lambda row: row[:4])
        for statement in IN_ORDER:
            if writes[statement]:
                await db.executemany(statement, writes[statement])
        if hints:
            await db.execute(_pg_sql.NOTIFY, hints)
