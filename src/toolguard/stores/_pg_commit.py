"""One transaction for the changes that wait: what they need is read under lock, judged here, and written as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import asyncpg

from toolguard._core.approval import Approval
from toolguard._core.audit import GENESIS, AuditRecord, Draft, Kind, seal
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim, Settle, Standing, Update
from toolguard.errors import ConflictError
from toolguard.stores import _codec, _log, _pg_sql
from toolguard.stores._batch import Ticket
from toolguard.stores._pg_faults import FAULTS, Lost, is_lost
from toolguard.stores._pg_time import DatabaseTime
from toolguard.stores._rows import approval_of, create_row, ledger_row, record_row, update_row
from toolguard.stores._rules import check_claim, check_not_ended, check_settle, check_update

__all__ = ["Journal", "Transaction", "waves"]

Row: TypeAlias = tuple[Any, ...]
_TIME_STEP = 1.0
"""Seconds between notes of the latest time in the database."""

_IN_ORDER = (
    _pg_sql.CREATE,
    _pg_sql.UPDATE,
    _pg_sql.MOVE,
    _pg_sql.ADD_VERDICT,
    _pg_sql.ADD_LEDGER,
    _pg_sql.SET_LEDGER,
    _pg_sql.ANNOUNCE,
    _pg_sql.OPEN_LOG,
    _pg_sql.APPEND,
    _pg_sql.MOVE_HEAD,
)


@dataclass(slots=True)
class Journal:
    """This process's log in this store. ``opened``: its first record is known to be there."""

    log_id: str
    epoch: str
    opened: bool = False


def waves(batch: Sequence[Ticket[Any]]) -> Iterator[list[Ticket[Any]]]:
    """The batch in parts, in order, such that no two changes of one part touch the same approval or call."""
    left = list(batch)
    while left:
        wave: list[Ticket[Any]] = []
        later: list[Ticket[Any]] = []
        touched: set[object] = set()
        for ticket in left:
            keys = _touches(ticket.job)
            (later if keys & touched else wave).append(ticket)
            touched |= keys
        yield wave
        left = later


def _touches(change: Change) -> set[object]:
    refs = {(change.tenant, ref.ref) for ref in _refs(change)}
    return refs | set(_approvals(change))


def _refs(change: Change) -> Iterator[CallRef]:
    for part in (change.create, change.claim, change.settle):
        if part is not None:
            yield part.ref


def _approvals(change: Change) -> Iterator[str]:
    if change.update is not None:
        yield change.update.approval.id
    if change.create is not None:
        yield change.create.id
    if change.announce is not None:
        yield change.announce


def _executing(change: Change) -> set[str]:
    return {d.call for d in change.records if d.kind is Kind.CALL_EXECUTING}


@dataclass(slots=True)
class Transaction:
    """One attempt. ``xid`` and ``head`` tell afterwards whether it happened, if the answer was lost."""

    shown: str
    journal: Journal
    time: DatabaseTime
    xid: str = ""
    head: tuple[int, str] | None = None
    now: float = 0.0
    _start: tuple[int, str] | None = None
    _rows: dict[str, Row] = field(default_factory=dict)
    _verdicts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _ledger: dict[tuple[str, str], Row] = field(default_factory=dict)
    _ends: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    _writes: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    _hints: list[str] = field(default_factory=list)

    async def run(self, db: asyncpg.Connection, tickets: Sequence[Ticket[Any]]) -> None:
        """Carry out the tickets; each that may not be has its error, and the others are durable.

        Raises:
            Lost: it is not known whether it was written. Whatever else is raised: nothing was written.
        """
        await db.execute("BEGIN")
        if not self.journal.opened and any(t.job.records for t in tickets):
            await db.execute(_pg_sql.LOCK_LOGS)
        await self._read(db, [t.job for t in tickets])
        for ticket in tickets:
            self._one(ticket)
        if not any(ticket.error is None for ticket in tickets):
            await db.execute("ROLLBACK")
            return
        await self._write(db)
        try:
            await db.execute("COMMIT")
        except FAULTS as error:
            if is_lost(error):
                raise Lost from None
            raise
        self.journal.opened = self.journal.opened or self.head is not None

    # --- what is there

    async def _read(self, db: asyncpg.Connection, changes: Sequence[Change]) -> None:
        """Rows under lock first, then the time, so that waiting for a lock makes no one younger."""
        ids = list({i for change in changes for i in _approvals(change)})
        if ids:
            self._rows = {row[0]: tuple(row) for row in await db.fetch(_pg_sql.LOCK_APPROVALS, ids)}
        if any(change.update is not None for change in changes):
            for approval, verdict in await db.fetch(_pg_sql.THEIR_VERDICTS, list(self._rows)):
                self._verdicts[approval].append(verdict)
        refs = [(change.tenant, ref.ref) for change in changes for ref in _refs(change)]
        if refs:
            found = await db.fetch(_pg_sql.LOCK_LEDGER, [t for t, _ in refs], [r for _, r in refs])
            self._ledger = {(row[4], row[5]): tuple(row[:4]) for row in found}
        calls = {c for change in changes if change.claim and change.claim.asked for c in _executing(change)}
        if calls:
            kinds = [Kind.CALL_EXECUTING.value, Kind.APPROVAL_RESOLVED.value]
            for call, kind, body in await db.fetch(_pg_sql.ENDS, list(calls), kinds):
                self._ends[call].append((kind, body))
        moment = await db.fetchrow(_pg_sql.MOMENT, self.journal.log_id)
        self._moment(moment)
        if self._start is None and any(change.records for change in changes):
            if self.journal.opened:  # its row is gone: begin anew under the lock, and let the registry show it
                self.journal.opened = False
                await db.execute(_pg_sql.LOCK_LOGS)
            last = await db.fetchrow(_pg_sql.LAST_LOG)
            self._registry = (0, GENESIS) if last is None else tuple(last)

    _registry: Row = (0, GENESIS)
    _database: float = 0.0
    _floor: float = 0.0

    def _moment(self, row: Any) -> None:
        database, floor, seq, hash_, xid = row or (0.0, None, None, None, "")
        self.now = self.time.read(database, floor, self.shown)
        self._database, self._floor, self.xid = database, float(floor or 0.0), xid
        self._start = None if seq is None or hash_ is None else (seq, hash_)

    # --- what may happen

    def _one(self, ticket: Ticket[Any]) -> None:
        """Plan one change; what it would write counts only if all of it may happen."""
        ticket.value = ticket.error = None
        plan = _Plan(self, ticket.job)
        try:
            ticket.value = plan.make()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one change is that change's error
            ticket.error = error
            return
        for statement, rows in plan.writes.items():
            self._writes[statement] += rows
        self._hints += plan.hints
        self.head = plan.head or self.head

    # --- what is written

    async def _write(self, db: asyncpg.Connection) -> None:
        if self.head is not None and self._start is not None:
            self._writes[_pg_sql.MOVE_HEAD] = [(*self.head, self.journal.log_id)]
        elif self.head is not None:
            first = self._writes[_pg_sql.APPEND][0]
            number = self._registry[0] + 1
            self._writes[_pg_sql.OPEN_LOG] = [(number, self.journal.log_id, self.now, first[3], *self.head)]
        self._writes[_pg_sql.ADD_LEDGER].sort()
        if self.now > self._floor + _TIME_STEP and self.time.may_note(self.now, self._database):
            await db.execute(_pg_sql.SET_TIME, self.now)
        for statement in _IN_ORDER:
            rows = self._writes.get(statement)
            if rows:
                await db.executemany(statement, rows)
        if self._hints:
            await db.execute(_pg_sql.NOTIFY, self._hints)


class _Plan:
    """One change against the rows its transaction holds: what it would write, or why it may not be."""

    def __init__(self, within: Transaction, change: Change) -> None:
        self.within = within
        self.change = change
        self.writes: dict[str, list[Row]] = defaultdict(list)
        self.hints: list[str] = []
        self.head: tuple[int, str] | None = None
        self.ledger: dict[tuple[str, str], Row] = {}

    def make(self) -> tuple[AuditRecord, ...]:
        change = self.change
        if change.update is not None:
            self._update(change.update)
        if change.create is not None:
            self._create(Approval(request=change.create, changed=change.create.created))
        if change.claim is not None:
            self._claim(change.claim)
        if change.settle is not None:
            self._settle(change.settle)
        if change.announce is not None and (change.create is None or change.create.id != change.announce):
            if self._row(change.announce) is None:
                raise ConflictError("the approval to announce does not exist; nothing was written")
            self.writes[_pg_sql.ANNOUNCE].append((change.tenant, change.announce))
        return self._append(change.records) if change.records else ()

    def _row(self, approval_id: str) -> Row | None:
        row = self.within._rows.get(approval_id)
        return row if row is not None and row[1] == self.change.tenant else None

    def _update(self, update: Update) -> None:
        after = update.approval
        row = self._row(after.id)
        stored = None if row is None else approval_of(row, self.within._verdicts[after.id])
        check_update(stored, update, self.within.now)
        assert stored is not None  # noqa: S101 - narrows the type; check_update refuses None
        values, where = update_row(after), (after.id, self.change.tenant)
        if (after.grant, after.grant_expires) == (stored.grant, stored.grant_expires):
            state, version, deadline, _, lease, outcome, changed = values[:7]
            self.writes[_pg_sql.MOVE].append((state, version, deadline, lease, outcome, changed, *where))
        else:
            self.writes[_pg_sql.UPDATE].append((*values, *where))
        for n, v in enumerate(after.verdicts[len(stored.verdicts) :], start=len(stored.verdicts)):
            row = (after.id, n, self.change.tenant, v.answer.value, v.person, v.at, _codec.dump(v))
            self.writes[_pg_sql.ADD_VERDICT].append(row)
        self.hints.append(f"{after.id} {after.version}")

    def _create(self, approval: Approval) -> None:
        request = approval.request
        if self.within._rows.get(request.id) is not None or self._stands(request.ref) is not None:
            raise ConflictError("this call was already asked or made; nothing was written")
        self.writes[_pg_sql.CREATE].append(create_row(approval))
        self._stand(request.ref, request.call_digest, Standing.ASKED, asked=True)
        self.writes[_pg_sql.ANNOUNCE].append((request.tenant, request.id))
        self.hints.append(f"{request.id} {approval.version}")

    def _claim(self, claim: Claim) -> None:
        row, asked = ledger_row(self._stands(claim.ref))
        check_claim(row, asked, claim)
        self._stand(claim.ref, claim.call_digest, Standing.EXECUTING, asked=claim.asked)
        if claim.asked:  # state rows can be set back by whoever writes to the database; the journal still tells
            for call in _executing(self.change):
                for kind, body in self.within._ends[call]:
                    check_not_ended(kind, body)

    def _settle(self, settle: Settle) -> None:
        found = self._stands(settle.ref)
        row, asked = ledger_row(found)
        standing = check_settle(row, settle)
        assert row is not None  # noqa: S101 - narrows the type; check_settle refuses None
        self._stand(settle.ref, row.call_digest, standing, asked=asked, result=settle.result)

    def _stands(self, ref: CallRef) -> Row | None:
        key = (self.change.tenant, ref.ref)
        return self.ledger.get(key) or self.within._ledger.get(key)

    def _stand(self, ref: CallRef, digest: str, to: Standing, *, asked: bool, result: bytes = b"") -> None:
        key, now = (self.change.tenant, ref.ref), self.within.now
        if self._stands(ref) is None:
            self.writes[_pg_sql.ADD_LEDGER].append((*key, digest, to.value, asked, result, now))
        else:
            self.writes[_pg_sql.SET_LEDGER].append((*key, to.value, result, now))
        self.ledger[key] = (digest, to.value, result, asked)

    def _append(self, drafts: Sequence[Draft]) -> tuple[AuditRecord, ...]:
        """Records at the end of this process's log. Where it ends is read in the transaction, never remembered."""
        within, journal = self.within, self.within.journal
        head = within.head or within._start
        count = len(drafts)
        if head is None:
            number, prev = within._registry
            first = _log.opening(journal.log_id, now=within.now, epoch=journal.epoch, number=number + 1, prev=prev)
            drafts = (first, *drafts)
        seq, prev = head or (0, GENESIS)
        records = seal(drafts, log_id=journal.log_id, seq=seq, prev=prev)
        self.writes[_pg_sql.APPEND] += _rows(records, "" if head is None else self.change.tenant, self.change.tenant)
        self.head = (records[-1].seq, records[-1].hash)
        return records[len(records) - count :]


def _rows(records: Iterable[AuditRecord], first: str, tenant: str) -> list[Row]:
    """Rows of records; a log's opening belongs to no tenant."""
    return [(*record_row(r), first if n == 0 else tenant) for n, r in enumerate(records)]
