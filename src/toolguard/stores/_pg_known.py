"""What a transaction has to know before it can judge its changes: read under lock, in a few statements for all of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import asyncpg

from toolguard._core.approval import Approval, Request
from toolguard._core.audit import GENESIS, Kind
from toolguard._core.call import CallRef
from toolguard._core.history import Ask
from toolguard._core.register import ALL, Heads
from toolguard._core.steps import Cap, Change
from toolguard.errors import ConflictError
from toolguard.stores import _pg_sql
from toolguard.stores._pg_lock import lock
from toolguard.stores._pg_time import DatabaseTime
from toolguard.stores._rows import approval_of

__all__ = ["Journal", "Known", "Row", "executing", "marks", "reads", "tally_columns", "touches"]

Row: TypeAlias = tuple[Any, ...]


@dataclass(slots=True)
class Journal:
    """This process's log in this store. ``opened``: its first record is known to be there."""

    log_id: str
    epoch: str
    opened: bool = False


def touches(change: Change) -> set[object]:
    """What at most one change of a transaction may be about, so that each is judged by the rows as they are stored."""
    found: set[object] = {(change.tenant, ref.ref) for ref in _refs(change)}
    found.update(_approvals(change))
    if change.use is not None:
        found.add(("use", change.tenant, change.use.act))
    if change.act is not None:
        found.add(("register", change.act.tenant))
    if change.notify is not None and change.notify.key:
        found.add(("announced", change.tenant, change.notify.key))
    found.update(_limited(change))
    return found


def reads(change: Change) -> set[object]:
    """What others of the same transaction may read as well, but none may change."""
    if change.claim is None:
        return set()
    return {("register", change.tenant), ("register", ALL)}


def _limited(change: Change) -> set[object]:
    """What its limits count."""
    found: set[object] = {("marks", change.tenant, limit.ask.subject, limit.ask.kind) for limit in change.limits}
    return found


def marks(change: Change) -> set[object]:
    """What it adds to, as others may, too; but no limit of the same transaction may count it."""
    found: set[object] = {("marks", change.tenant, mark.subject, mark.kind) for mark in change.marks}
    return found - _limited(change)


def executing(change: Change) -> set[str]:
    """The calls whose execution this change begins."""
    return {d.call for d in change.records if d.kind is Kind.CALL_EXECUTING}


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
    if change.notify is not None:
        yield change.notify.approval


def _locks(changes: Sequence[Change]) -> dict[tuple[str, ...], bool]:
    """Names to lock, and whether alone. A claim holds its registers still; an act moves one on."""
    wanted: dict[tuple[str, ...], bool] = {}
    for change in changes:
        if change.claim is not None:
            for tenant in (change.tenant, ALL):
                wanted.setdefault(("register", tenant), False)
        for cap in change.caps if change.create is not None else ():
            wanted["cap", change.tenant, cap.by, cap.value] = True
        for limit in change.limits:
            wanted["marks", change.tenant, limit.ask.subject, limit.ask.kind] = True
    wanted.update({("register", change.act.tenant): True for change in changes if change.act is not None})
    return wanted


@dataclass(slots=True)
class Known:
    """Rows under lock, and the moment at which they were.

    ``start`` is the end of this process's log (None: it has no record yet, and ``registry`` is the number and the
    first hash of the last log that was opened). ``created`` are requests that changes before in this transaction make.
    """

    now: float = 0.0
    database: float = 0.0
    floor: float = 0.0
    xid: str = ""
    start: tuple[int, str] | None = None
    registry: tuple[int, str] = (0, GENESIS)
    created: list[Request] = field(default_factory=list)
    _approvals: dict[str, Row] = field(default_factory=dict)
    _verdicts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _ledger: dict[tuple[str, str], Row] = field(default_factory=dict)
    _ends: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    _gone: set[str] = field(default_factory=set)
    _uses: dict[tuple[str, str], int] = field(default_factory=dict)
    _acts: dict[str, int] = field(default_factory=dict)
    _announced: set[tuple[str, str]] = field(default_factory=set)
    _asked: dict[tuple[str, Cap], int] = field(default_factory=dict)
    _counted: dict[tuple[str, Ask], int] = field(default_factory=dict)

    # --- reading

    async def read(
        self, db: asyncpg.Connection, changes: Sequence[Change], journal: Journal, time: DatabaseTime, shown: str
    ) -> None:
        """Locks first and the time last, so that waiting for a lock makes no one younger."""
        opens = not journal.opened and any(change.records for change in changes)
        await lock(db, _locks(changes) | ({("logs",): True} if opens else {}))
        await self._read_approvals(db, changes)
        await self._read_ledger(db, changes)
        await self._read_register(db, changes)
        await self._read_caps(db, changes)
        await self._read_limits(db, changes)
        moment = await db.fetchrow(_pg_sql.MOMENT, journal.log_id)
        database, floor, seq, hash_, xid = moment or (0.0, None, None, None, "")
        self.now = time.read(database, floor, shown)
        self.database, self.floor, self.xid = database, float(floor or 0.0), xid
        self.start = None if seq is None or hash_ is None else (seq, hash_)
        if self.start is None and any(change.records for change in changes):
            if not opens:  # its row is gone: begin anew under the lock, and let the registry show it
                journal.opened = False
                await lock(db, {("logs",): True})
            last = await db.fetchrow(_pg_sql.LAST_LOG)
            self.registry = (0, GENESIS) if last is None else (last[0], last[1])

    async def _read_approvals(self, db: asyncpg.Connection, changes: Sequence[Change]) -> None:
        ids = list({i for change in changes for i in _approvals(change)})
        if ids:
            self._approvals = {row[0]: tuple(row) for row in await db.fetch(_pg_sql.LOCK_APPROVALS, ids)}
        updated = [change.update.approval.id for change in changes if change.update is not None]
        if updated:  # in a statement of its own, which sees what the lock was waited for
            for approval, verdict in await db.fetch(_pg_sql.THEIR_VERDICTS, updated):
                self._verdicts[approval].append(verdict)

    async def _read_ledger(self, db: asyncpg.Connection, changes: Sequence[Change]) -> None:
        refs = [(change.tenant, ref.ref) for change in changes for ref in _refs(change)]
        if refs:
            rows = await db.fetch(_pg_sql.LOCK_LEDGER, *_columns(refs))
            self._ledger = {(row[4], row[5]): tuple(row[:4]) for row in rows}
        calls = {c for change in changes if change.claim and change.claim.asked for c in executing(change)}
        if calls:
            kinds = [Kind.CALL_EXECUTING.value, Kind.APPROVAL_RESOLVED.value]
            for call, kind, body in await db.fetch(_pg_sql.ENDS, list(calls), kinds):
                self._ends[call].append((kind, body))
            self._gone = {row[0] for row in await db.fetch(_pg_sql.GONE, list(calls))}

    async def _read_register(self, db: asyncpg.Connection, changes: Sequence[Change]) -> None:
        tenants = {change.tenant for change in changes if change.claim is not None}
        tenants |= {change.act.tenant for change in changes if change.act is not None}
        tenants |= {tenant for change in changes if change.prune is not None for tenant in change.prune.acts}
        if tenants:
            self._acts = dict(await db.fetch(_pg_sql.HEADS_OF_ACTS, [*tenants, ALL]))
        uses = [(change.tenant, change.use.act) for change in changes if change.use is not None]
        if uses:
            rows = await db.fetch(_pg_sql.LOCK_USES, *_columns(uses))
            self._uses = {(tenant, act): used for tenant, act, used in rows}
        keys = [(change.tenant, change.notify.key) for change in changes if change.notify and change.notify.key]
        if keys:
            self._announced = {(t, k) for t, k in await db.fetch(_pg_sql.ANNOUNCED, *_columns(keys))}

    async def _read_caps(self, db: asyncpg.Connection, changes: Sequence[Change]) -> None:
        caps = [(change.tenant, cap) for change in changes if change.create is not None for cap in change.caps]
        for by, query in (("run", _pg_sql.ASKED_BY_RUN), ("person", _pg_sql.ASKED_BY_PERSON)):
            these = [(tenant, cap) for tenant, cap in caps if cap.by == by]
            if these:
                counts = await db.fetch(query, *_columns([(tenant, cap.value, cap.since) for tenant, cap in these]))
                self._asked.update({which: row[0] for which, row in zip(these, counts, strict=True)})

    async def _read_limits(self, db: asyncpg.Connection, changes: Sequence[Change]) -> None:
        asks = [(change.tenant, limit.ask) for change in changes for limit in change.limits]
        if asks:
            counts = await db.fetch(_pg_sql.TALLY, *tally_columns(asks))
            self._counted = {which: row[0] for which, row in zip(asks, counts, strict=True)}

    # --- what is there

    def has_id(self, approval_id: str) -> bool:
        """Whether any tenant's approval has this id."""
        return approval_id in self._approvals

    def check_told(self, tenant: str, approval_id: str) -> None:
        """Raises ConflictError unless the tenant has this approval."""
        if self._row(tenant, approval_id) is None:
            raise ConflictError("the approval to announce does not exist; nothing was written")

    def approval(self, tenant: str, approval_id: str) -> Approval | None:
        row = self._row(tenant, approval_id)
        return None if row is None else approval_of(row, self._verdicts[approval_id])

    def _row(self, tenant: str, approval_id: str) -> Row | None:
        row = self._approvals.get(approval_id)
        return row if row is not None and row[1] == tenant else None

    def ledger(self, tenant: str, ref: CallRef) -> Row | None:
        return self._ledger.get((tenant, ref.ref))

    def ends(self, change: Change) -> Iterator[tuple[str, str]]:
        """(kind, body) of records that say how the calls this change begins went before."""
        for call in executing(change):
            yield from self._ends[call]

    def are_gone(self, change: Change) -> bool:
        """Whether records of a call this change begins were taken out of the journal."""
        return not executing(change).isdisjoint(self._gone)

    def acts(self, tenant: str) -> int:
        """How long a tenant's register is."""
        return self._acts.get(tenant, 0)

    def heads(self, tenant: str) -> Heads:
        return Heads(tenant=self._acts.get(tenant, 0), all=self._acts.get(ALL, 0))

    def used(self, tenant: str, act: str) -> int | None:
        """How often; None: never, and there is no row."""
        return self._uses.get((tenant, act))

    def was_announced(self, tenant: str, key: str) -> bool:
        return (tenant, key) in self._announced

    def counted(self, tenant: str, ask: Ask) -> int:
        return self._counted[tenant, ask]

    def asked(self, tenant: str, cap: Cap) -> int:
        """Requests that count for ``cap``, those of this transaction included."""
        here = sum(
            r.tenant == tenant
            and r.created >= cap.since
            and cap.value == (r.ref.run if cap.by == "run" else r.requester_person)
            for r in self.created
        )
        return self._asked.get((tenant, cap), 0) + here


def tally_columns(asks: Sequence[tuple[str, Ask]]) -> list[list[Any]]:
    """The parameters of `_pg_sql.TALLY`."""
    return _columns([(t, a.subject, a.kind, a.value, a.since, json.dumps(a.apart), a.upto) for t, a in asks])


def _columns(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
