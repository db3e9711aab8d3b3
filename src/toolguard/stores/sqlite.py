"""The store in a SQLite file: durable, shared by threads and processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from toolguard._core.approval import Approval, Grant, State
from toolguard._core.audit import AuditRecord, Kept, Kind
from toolguard._core.call import CallRef
from toolguard._core.history import Ask
from toolguard._core.steps import Change, LedgerRow
from toolguard._core.stored import Stored
from toolguard._core.vault import Need, Token
from toolguard.errors import NotFoundError, StoreError
from toolguard.ports import Announcement, Clock, LogHead, Sealer, SessionKey
from toolguard.stores import _codec, _log, _sql, _vault
from toolguard.stores._append import Appending
from toolguard.stores._batch import GroupCommit, Ticket
from toolguard.stores._connect import check_place, connect, fault, place_of, prepare, time_of, translated
from toolguard.stores._rows import announcement_of, blob, by_sink, kept_of, ledger_row, record_of
from toolguard.stores._rules import check_shape, only_records
from toolguard.stores._sqlite_apply import Applying, count, with_verdicts
from toolguard.stores._time import StoreTime
from toolguard.stores._turn import Turns
from toolguard.stores._watch import Poller

__all__ = ["SqliteStore"]

_PAGE = 500
_TIME_STEP = 1.0
"""Seconds between notes of the latest time on disk."""
_PRUNE = 3600.0
"""Seconds between looks for marks nobody needs."""
_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process: never used and never closed, for closing one would drop its locks."""


class SqliteStore:
    """A `toolguard.ports.Store` in one file.

    Every commit is one transaction (BEGIN IMMEDIATE, write-ahead log, synchronous=FULL): when it returns,
    it is on disk. Commits of several threads share a transaction where they wait for each other anyway.
    Each process appends to a log of its own, also after a fork.

    Args:
        path: the file; it is made (mode 0600) if it is not there.
        clock: where time comes from; this machine's by default.
        read_only: for looking only; nothing is made or changed.
        busy_timeout: seconds to wait for another process before StoreError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        clock: Clock | None = None,
        *,
        read_only: bool = False,
        busy_timeout: float = 5.0,
    ) -> None:
        self._path = os.fspath(path)
        self._absolute = os.path.abspath(self._path)  # noqa: PTH100 - links stay: the path is what is watched
        self._read_only = read_only
        self._busy_timeout = busy_timeout
        self._time = StoreTime(clock)
        self._cache = _vault.Cache()
        self._closed = False
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._fresh()
        with translated(self._path):
            db = connect(self._path, busy_timeout=busy_timeout, read_only=read_only)
            try:
                self._epoch = prepare(db, self._path, read_only=read_only)
                self._place = place_of(self._absolute)
                self._time.read(time_of(db))
            except BaseException:
                db.close()
                raise
        if read_only:
            self._reader = db
        else:
            self._writer = db
        _stores.add(self)

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r}, log={self._log_id!r})"

    @property
    def blocking(self) -> bool:
        return True

    @property
    def epoch(self) -> str:
        """Random id of this file's life: a restored backup shows the same one, another file does not."""
        return self._epoch

    def _fresh(self) -> None:
        """What belongs to one process: its locks and its log."""
        self._log_id = _log.new_id()
        self._read_lock = threading.Lock()
        self._pruned = 0.0
        self._commits = GroupCommit(self._run)
        self._turns = Turns(self._absolute, self._busy_timeout / 2)
        self._poller = Poller(self._stamp, self._versions)

    def _after_fork(self) -> None:
        """In the child: connections, locks and the log were the parent's. New ones are made when they are needed."""
        _inherited.extend(c for c in (self._writer, self._reader) if c is not None)
        self._writer = self._reader = None
        self._cache = _vault.Cache()
        self._turns.leave()
        self._fresh()

    def now(self) -> float:
        return self._time.read()

    # --- one transaction

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        check_shape(change)
        records: tuple[AuditRecord, ...] = self._commits.put(change)
        if change.shred:
            self._empty_log()
        if change.update is not None:
            self._poller.watchers.fire([change.update.approval.id])
        return records

    def _run(self, batch: Sequence[Ticket[Any]]) -> None:
        """Carry out tickets in one transaction; each that fails is undone by itself."""
        if self._closed or self._read_only:
            why = "is closed; open it again" if self._closed else "was opened for reading only; nothing was written"
            raise StoreError(f"the store {self._path!r} {why}")
        with translated(self._path):
            if self._writer is None:
                self._writer = connect(self._path, busy_timeout=self._busy_timeout)
            with self._turns.turn():
                self._transact(self._writer, batch)

    def _transact(self, db: sqlite3.Connection, batch: Sequence[Ticket[Any]]) -> None:
        db.execute("BEGIN IMMEDIATE")
        try:
            check_place(self._absolute, self._place)
            floor = time_of(db)
            now = self._time.read(floor)
            if now > floor + _TIME_STEP:
                db.execute(_sql.SET_TIME, (now,))
            journal = Appending(db, now, log_id=self._log_id, epoch=self._epoch)
            applying = Applying(db, now, journal, marks_due=now > self._pruned + _PRUNE)
            for ticket in batch:
                self._one(db, ticket, now, journal, applying)
            journal.flush()
            if all(ticket.error is not None for ticket in batch):
                db.execute("ROLLBACK")
            else:
                db.execute("COMMIT")
                self._pruned = now if applying.pruned else self._pruned
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _one(
        self, db: sqlite3.Connection, ticket: Ticket[Any], now: float, journal: Appending, applying: Applying
    ) -> None:
        change = ticket.job if isinstance(ticket.job, Change) else None
        if change is not None and only_records(change):
            try:
                ticket.value = journal.add(change.records)
            except Exception as error:  # noqa: BLE001 - whatever cannot be written down is that change's error
                ticket.error = error
            return
        if change is not None and change.claim is not None and change.claim.asked:
            journal.flush()  # it looks into the journal
        db.execute("SAVEPOINT ticket")
        try:
            ticket.value = ticket.job(db, now) if change is None else applying.change(change)
        except Exception as error:
            if not db.in_transaction:
                raise  # SQLite gave up the whole transaction
            ticket.error = fault(error, self._path) if isinstance(error, sqlite3.Error) else error
            db.execute("ROLLBACK TO ticket")
        db.execute("RELEASE ticket")

    # --- reading

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._read_lock:
            if self._closed:
                raise StoreError(f"the store {self._path!r} is closed; open it again")
            with translated(self._path):
                if self._reader is None:
                    self._reader = connect(self._path, busy_timeout=self._busy_timeout, read_only=self._read_only)
                    self._reader.execute("PRAGMA query_only = ON")
                yield self._reader

    def _snapshot(self, query: str, values: tuple[Any, ...]) -> tuple[Approval, ...]:
        """Approvals with the verdicts of the same moment."""
        with self._reading() as db:
            db.execute("BEGIN")
            try:
                return tuple(with_verdicts(db, row) for row in db.execute(query, values).fetchall())
            finally:
                db.execute("COMMIT")

    def get(self, tenant: str, approval_id: str) -> Approval | None:
        return next(iter(self._snapshot(_sql.GET, (approval_id, tenant))), None)

    def find(self, tenant: str, ref: CallRef) -> Approval | None:
        return next(iter(self._snapshot(_sql.FIND, (tenant, ref.ref))), None)

    def ledger(self, tenant: str, ref: CallRef) -> LedgerRow | None:
        with self._reading() as db:
            return ledger_row(db.execute(_sql.LEDGER, (tenant, ref.ref)).fetchone())[0]

    def list(
        self, tenant: str, *, states: Sequence[State] = (), limit: int = 100, before: str | None = None
    ) -> tuple[Approval, ...]:
        place = 2**62
        if before is not None:
            with self._reading() as db:
                row = db.execute(_sql.PLACE, (before, tenant)).fetchone()
            place = row[0] if row is not None else 0
        if not states:
            return self._snapshot(_sql.LIST, (tenant, place, limit))
        wanted = _codec.dump_json([state.value for state in states])
        return self._snapshot(_sql.LIST_STATES, (tenant, place, wanted, limit))

    def recent(self, tenant: str, person: str, tool: str, since: float, limit: int = 500) -> tuple[Approval, ...]:
        return self._snapshot(_sql.RECENT, (tenant, person, since, tool, limit))

    def given(self, tenant: str, person: str, since: float) -> int:
        with self._reading() as db:
            return int(db.execute(_sql.GIVEN, (tenant, person, since)).fetchone()[0])

    def overdue(self, limit: int = 100) -> tuple[Approval, ...]:
        return self._snapshot(_sql.OVERDUE, (self._time.read(), limit))

    def watch(self, tenant: str, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        return self._poller.watch(approval_id, wake)

    def _stamp(self) -> int:
        with self._reading() as db:
            return int(db.execute(_sql.STAMP).fetchone()[0])

    def _versions(self, ids: Sequence[str]) -> dict[str, int]:
        with self._reading() as db:
            return dict(db.execute(_sql.VERSIONS, (_codec.dump_json(list(ids)),)).fetchall())

    # --- tokens

    def _known(self, key: SessionKey) -> _vault.Known:
        with self._reading() as db:
            return self._cache.at(key, int(db.execute(_sql.PURGES).fetchone()[0]))

    def allocate(self, key: SessionKey, needs: Sequence[Need], sealer: Sealer) -> Mapping[Need, Token]:
        known = self._known(key)
        missing = tuple(dict.fromkeys(n for n in needs if n not in known.tokens))
        made: dict[Need, Token] = {}
        if missing:
            made, purges = self._commits.submit(
                lambda db, _: (
                    _vault.allocate(db, key, missing, sealer),
                    int(db.execute(_sql.PURGES).fetchone()[0]),
                )
            )
            current = self._cache.at(key, purges)
            if current is not known:  # a session was purged meanwhile: what was known may be gone
                return self.allocate(key, needs, sealer)
            _vault.merge(known, made, {token: need.text for need, token in made.items()})
        return {need: made.get(need) or known.tokens[need] for need in needs}

    def values(self, key: SessionKey, sealer: Sealer, tokens: Iterable[Token] | None = None) -> Mapping[Token, str]:
        known = self._known(key)
        if tokens is None:
            with self._reading() as db:
                return _vault.read_values(db, key, sealer, None)
        wanted = tuple(tokens)
        missing = [t for t in wanted if t not in known.values]
        if missing:
            with self._reading() as db:
                known.values.update(_vault.read_values(db, key, sealer, missing))
        return {t: known.values[t] for t in wanted if t in known.values}

    def purge(self, key: SessionKey) -> int:
        count = self._commits.submit(lambda db, _: _vault.purge(db, key))
        self._cache.clear()
        self._empty_log()
        return count

    def _empty_log(self) -> None:
        """Take the pages of what was purged out of the write-ahead log, too. While another process reads, they stay
        there until the next time.
        """
        with self._commits.idle(), suppress(sqlite3.Error):
            if self._writer is not None:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # --- records

    def records(
        self, *, log_id: str | None = None, after: int = 0, limit: int | None = None, call: str | None = None
    ) -> Iterator[AuditRecord]:
        left = limit if limit is not None else 2**62
        for record in self._of_call(call, log_id, after) if call is not None else self._in_turn(log_id, after):
            if left <= 0:
                return
            left -= 1
            yield record

    def _of_call(self, call: str, log_id: str | None, after: int) -> Iterator[AuditRecord]:
        with self._reading() as db:
            rows = db.execute(_sql.RECORDS_OF_CALL, (call, after, -1)).fetchall()
        for row in rows:
            record = record_of(row)
            if log_id is None or record.log_id == log_id:
                yield record

    def _in_turn(self, log_id: str | None, after: int) -> Iterator[AuditRecord]:
        for log in [log_id] if log_id is not None else self.written():
            at = after
            while True:
                with self._reading() as db:
                    rows = db.execute(_sql.RECORDS, (log, at, _PAGE)).fetchall()
                yield from map(record_of, rows)
                if len(rows) < _PAGE:
                    break
                at = rows[-1][1]

    def operations(self, kind: Kind) -> Iterator[AuditRecord]:
        log, seq = "", 0
        while True:
            with self._reading() as db:
                rows = db.execute(_sql.OPERATIONS, (kind.value, log, seq, _PAGE)).fetchall()
            yield from map(record_of, rows)
            if len(rows) < _PAGE:
                return
            log, seq = rows[-1][:2]

    def stored(self, log_id: str, after: int = 0, limit: int = 4000) -> Sequence[Stored]:
        with self._reading() as db:
            return db.execute(_sql.RECORDS, (log_id, after, limit)).fetchall()

    def hashes(self, log_id: str, after: int = 0, limit: int = 20_000) -> Sequence[tuple[int, str]]:
        with self._reading() as db:
            return db.execute(_sql.HASHES, (log_id, after, limit)).fetchall()

    def written(self) -> tuple[str, ...]:
        known = dict.fromkeys(self.logs())
        with self._reading() as db:
            log = db.execute(_sql.FIRST_LOG).fetchone()[0]
            while log is not None:
                known.setdefault(log)
                log = db.execute(_sql.NEXT_LOG, (log,)).fetchone()[0]
        return tuple(known)

    def logs(self) -> tuple[str, ...]:
        return tuple(head.log_id for head in self.heads())

    def heads(self) -> tuple[LogHead, ...]:
        with self._reading() as db:
            rows = db.execute(_sql.HEADS).fetchall()
        return tuple(LogHead(log_id=i, opened=o, first=f, seq=s, hash=h, number=n) for i, o, f, s, h, n in rows)

    def cursor(self, sink: str) -> Mapping[str, int]:
        with self._reading() as db:
            return dict(db.execute(_sql.CURSOR, (sink,)).fetchall())

    def delivered(self) -> Mapping[str, Mapping[str, int]]:
        with self._reading() as db:
            return by_sink(db.execute(_sql.DELIVERED))

    def advance(self, sink: str, log_id: str, seq: int) -> None:
        self._commits.submit(lambda db, _: db.execute(_sql.ADVANCE, (sink, log_id, seq)).rowcount)

    # --- announcements, acts, leases

    def outbox(self, limit: int = 100) -> tuple[Announcement, ...]:
        with self._reading() as db:
            return tuple(announcement_of(row) for row in db.execute(_sql.OUTBOX, (limit,)))

    def take(self, holder: str, seconds: float, limit: int = 100) -> tuple[Announcement, ...]:
        def job(db: sqlite3.Connection, now: float) -> tuple[Announcement, ...]:
            due = tuple(announcement_of(row) for row in db.execute(_sql.OUTBOX_DUE, (now, limit)))
            db.executemany(_sql.OUTBOX_TAKE, [(holder, now + seconds, each.row) for each in due])
            return due

        return self._commits.submit(job)

    def outbox_done(self, row: int) -> None:
        self._of_outbox(row, lambda db, _: db.execute(_sql.OUTBOX_DONE, (row,)).rowcount)

    def outbox_later(self, row: int, seconds: float) -> None:
        self._of_outbox(row, lambda db, now: db.execute(_sql.OUTBOX_LATER, (now + seconds, row)).rowcount)

    def _of_outbox(self, row: int, job: Callable[[sqlite3.Connection, float], int]) -> None:
        if self._commits.submit(job) == 0:
            raise NotFoundError(f"no announcement {row!r} waits for delivery")

    def acts(self, tenant: str, after: int = 0, limit: int = 1000) -> tuple[Grant, ...]:
        with self._reading() as db:
            rows = db.execute(_sql.ACTS, (tenant, after, limit)).fetchall()
        return tuple(Grant(payload=blob(p), signature=blob(s), key_id=str(k)) for p, s, k in rows)

    def tally(self, tenant: str, asks: Sequence[Ask]) -> tuple[int, ...]:
        with self._reading() as db:
            db.execute("BEGIN")  # all of one moment
            try:
                return tuple(count(db, tenant, ask) for ask in asks)
            finally:
                db.execute("COMMIT")

    def marked(self, tenant: str, subject: str, kind: str, limit: int = 64) -> tuple[str, ...]:
        with self._reading() as db:
            return tuple(str(value) for (value,) in db.execute(_sql.MARKED, (tenant, subject, kind, limit)))

    def forget_marks(self, limit: int = 1000) -> int:
        def job(db: sqlite3.Connection, now: float) -> int:
            db.execute(_sql.PRUNE_LEASES, (now, limit))
            return db.execute(_sql.PRUNE_MARKS, (now, limit)).rowcount

        return self._commits.submit(job)

    def contents(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Kept]:
        with self._reading() as db:
            rows = db.execute(_sql.CONTENTS, (tenant, _codec.dump_json(list(ids)))).fetchall()
        return {row[0]: kept_of(tenant, row) for row in rows}

    def content_ids(self, tenant: str, after: str = "", limit: int = 5000) -> Sequence[str]:
        with self._reading() as db:
            return [str(name) for (name,) in db.execute(_sql.CONTENT_IDS, (tenant, after, limit))]

    def uses(self, tenant: str, act: str) -> int:
        with self._reading() as db:
            row = db.execute(_sql.USES, (tenant, act)).fetchone()
        return int(row[0]) if row else 0

    def lead(self, name: str, holder: str, seconds: float) -> bool:
        def job(db: sqlite3.Connection, now: float) -> bool:
            row = db.execute(_sql.LEASE, (name,)).fetchone()
            if row is not None and row[0] != holder and now < row[1]:
                return False
            db.execute(_sql.SET_LEASE, (name, holder, now + seconds))
            return True

        return self._commits.submit(job)

    def close(self) -> None:
        """Close the file. Waits for commits under way; a second close does nothing."""
        with self._commits.idle(), self._read_lock:
            if not self._closed:
                self._closed = True
                self._cache.clear()
                self._turns.close()
                for connection in (self._reader, self._writer):
                    if connection is not None:
                        connection.close()


_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
