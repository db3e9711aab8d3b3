"""The store in PostgreSQL: shared by guards and services on many machines."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg

from toolguard._core.approval import Approval, Grant, State
from toolguard._core.audit import AuditRecord, Kept, Kind
from toolguard._core.call import CallRef
from toolguard._core.history import Ask
from toolguard._core.steps import Change, LedgerRow
from toolguard._core.stored import Stored
from toolguard._core.vault import Need, Token
from toolguard.errors import NotFoundError, StoreError
from toolguard.ports import Announcement, Clock, LogHead, Sealer, SessionKey
from toolguard.stores import _log, _pg_schema, _pg_sql, _pg_vault, _vault
from toolguard.stores._batch import GroupCommit, Ticket
from toolguard.stores._pg_commit import Transaction, waves
from toolguard.stores._pg_faults import FAULTS, Lost, fault, is_lost, may_pass, unknown_outcome
from toolguard.stores._pg_known import Journal, tally_columns
from toolguard.stores._pg_listen import Listener
from toolguard.stores._pg_pool import Pool
from toolguard.stores._pg_time import DatabaseTime
from toolguard.stores._pg_url import parse
from toolguard.stores._rows import announcement_of, approval_of, by_sink, kept_of, ledger_row, record_of
from toolguard.stores._rules import check_shape
from toolguard.stores._schema import Schema

__all__ = ["PostgresStore"]

T = TypeVar("T")
_PAGE = 500
_ATTEMPTS = 6


class PostgresStore:
    """A `toolguard.ports.Store` in a PostgreSQL database (14 or newer).

    Every commit is one transaction with its rows locked; commits of several threads share one where they wait for
    each other anyway. Time is the database's. Each process appends to a log of its own, also after a fork.

    Args:
        url: ``postgresql://user@host:5432/database?sslmode=verify-full``; see docs/postgresql.md.
        clock: taken in the place of the database's time (for tests).
        read_only: for looking only; nothing is made or changed.
        connections: how many at most, besides one that listens.
        lock_timeout, statement_timeout: seconds to wait for a row another session holds, and for one statement.
        most_skew: seconds this machine's clock may be off the database's before every commit is refused.
    """

    def __init__(
        self,
        url: str,
        clock: Clock | None = None,
        *,
        read_only: bool = False,
        connections: int = 8,
        lock_timeout: float = 5.0,
        statement_timeout: float = 15.0,
        most_skew: float = 60.0,
    ) -> None:
        self._read_only = read_only
        self._clock, self._most_skew = clock, most_skew
        self._pool = Pool(
            parse(url),
            most=connections,
            lock_timeout=lock_timeout,
            statement_timeout=statement_timeout,
            read_only=read_only,
        )
        self._epoch = ""
        self._fresh()
        try:
            self._epoch = self._prepare().epoch
            self._journal.epoch = self._epoch
            self._refresh_time()
        except BaseException:
            self._pool.close()
            raise
        _stores.add(self)

    def __repr__(self) -> str:
        return f"PostgresStore({self._pool.shown!r}, log={self._journal.log_id!r})"

    @property
    def blocking(self) -> bool:
        return True

    @property
    def epoch(self) -> str:
        """Random id of this store's life: a restored backup shows the same one, another database does not."""
        return self._epoch

    def _fresh(self) -> None:
        """What belongs to one process: its log, its locks, what it remembers."""
        self._journal = Journal(log_id=_log.new_id(), epoch=self._epoch)
        self._commits = GroupCommit(self._run)
        self._time = DatabaseTime(self._clock, most_skew=self._most_skew)
        self._time_lock = threading.Lock()
        self._cache = _vault.Cache()
        self._listener = Listener(self._pool)

    def _after_fork(self) -> None:
        """In the child: connections, threads, locks and the log were the parent's."""
        self._pool.forget()
        self._fresh()

    def _prepare(self) -> Schema:
        """Bring the schema up to date, where this user may; else say who has to."""

        async def prepare(db: asyncpg.Connection) -> Schema:
            found = await _pg_schema.state_of(db, self._pool.shown)
            if found.pending and not self._read_only and await db.fetchval(_pg_sql.MAY_MIGRATE):
                found = await _pg_schema.migrate(db, self._pool.shown)
            return found

        found = self._read(prepare)
        if found.pending:
            raise StoreError(
                f"the store {self._pool.shown!r} has schema {found.version} and this version needs {found.latest}; "
                "run 'toolguard store migrate' as its owner"
            )
        return found

    # --- time

    def now(self) -> float:
        if self._time.is_stale:
            self._refresh_time()
        return self._time.now()

    def _refresh_time(self) -> None:
        now, floor = self._read(lambda db: db.fetchrow(_pg_sql.NOW)) or (0.0, None)
        with self._time_lock:
            self._time.read(now, floor, self._pool.shown)

    # --- one transaction

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        check_shape(change)
        records: tuple[AuditRecord, ...] = self._commits.put(change)
        return records

    def _run(self, batch: Sequence[Ticket[Any]]) -> None:
        self._may_write()
        self._pool.run(lambda: self._carry_out(batch))

    def _may_write(self) -> None:
        if self._read_only:
            raise StoreError(f"the store {self._pool.shown!r} was opened for reading only; nothing was written")

    async def _carry_out(self, batch: Sequence[Ticket[Any]]) -> None:
        for wave in waves(batch):
            await self._wave(wave)

    async def _wave(self, tickets: Sequence[Ticket[Any]]) -> None:
        """Carry out tickets in one transaction. Where it fails as a whole, each by itself, so that one spoils no other."""
        error = await self._attempts(tickets)
        if error is None:
            return
        if len(tickets) > 1 and not isinstance(error, StoreError) and not is_lost(error):
            for ticket in tickets:
                await self._wave([ticket])
            return
        for ticket in tickets:
            ticket.error = type(error)(*error.args) if isinstance(error, StoreError) else fault(error, self._pool.shown)

    async def _attempts(self, tickets: Sequence[Ticket[Any]]) -> BaseException | None:
        """Why the transaction did not happen; None if it did. Begun anew where another one came first."""
        error: BaseException | None = None
        for attempt in range(_ATTEMPTS):
            transaction = Transaction(self._journal, self._time, self._pool.shown)
            try:
                async with self._pool.connection() as db:
                    await transaction.run(db, tickets)
                return None
            except Lost:
                self._pool.drop_idle()
                happened = await self._happened(transaction)
                if happened is not False:
                    return None if happened else unknown_outcome(self._pool.shown)
            except StoreError as refused:
                return refused
            except FAULTS as raised:
                error = raised
                if is_lost(raised):
                    self._pool.drop_idle()
                    if attempt or isinstance(raised, TimeoutError):
                        return raised
                elif not may_pass(raised):
                    return raised
            await asyncio.sleep(0.002 * 2**attempt * (0.5 + secrets.randbelow(1000) / 1000) if attempt else 0)
        return error

    async def _happened(self, transaction: Transaction) -> bool | None:
        """Whether a transaction whose COMMIT got no answer was carried out; None where that cannot be told.

        The head of this process's log tells for certain that it was. That it was not, only the database's own
        word on the transaction tells, and only once it is no longer in progress.
        """
        for pause in (0.0, 0.1, 0.4, 1.0, 2.0):
            await asyncio.sleep(pause)
            try:
                async with self._pool.connection() as db:
                    moment = await db.fetchrow(_pg_sql.MOMENT, self._journal.log_id)
                    status = await db.fetchval(_pg_sql.XID_STATUS, transaction.xid)
            except (*FAULTS, StoreError):
                continue
            if transaction.head is not None and moment is not None and (moment[2], moment[3]) == transaction.head:
                self._journal.opened = True
                return True
            if status != "in progress":
                return False if status == "aborted" else None
        return None

    def _alone(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """``work`` in a transaction of its own."""
        self._may_write()

        async def attempt(last: bool) -> tuple[bool, T | None]:
            committing = False
            try:
                async with self._pool.connection() as db:
                    await db.execute("BEGIN")
                    value = await work(db)
                    committing = True
                    await db.execute("COMMIT")
                    return True, value
            except FAULTS as error:
                if is_lost(error):
                    self._pool.drop_idle()
                if committing:
                    raise unknown_outcome(self._pool.shown) from None
                if last or not (may_pass(error) or (is_lost(error) and not isinstance(error, TimeoutError))):
                    raise fault(error, self._pool.shown) from None
                return False, None

        async def attempts() -> Any:
            for n in range(_ATTEMPTS):
                done, value = await attempt(n == _ATTEMPTS - 1)
                if done:
                    return value
            raise AssertionError("unreachable")

        result: T = self._pool.run(attempts)
        return result

    # --- reading

    def _read(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        return self._pool.run(lambda: self._pool.read(ask))

    def _approvals(self, query: str, *values: object) -> tuple[Approval, ...]:
        rows = self._read(lambda db: db.fetch(query, *values))
        return tuple(approval_of(tuple(row)[:-1], list(row[-1])) for row in rows)

    def get(self, tenant: str, approval_id: str) -> Approval | None:
        return next(iter(self._approvals(_pg_sql.GET, approval_id, tenant)), None)

    def find(self, tenant: str, ref: CallRef) -> Approval | None:
        return next(iter(self._approvals(_pg_sql.FIND, tenant, ref.ref)), None)

    def ledger(self, tenant: str, ref: CallRef) -> LedgerRow | None:
        row = self._read(lambda db: db.fetchrow(_pg_sql.LEDGER, tenant, ref.ref))
        return ledger_row(None if row is None else tuple(row))[0]

    def list(
        self, tenant: str, *, states: Sequence[State] = (), limit: int = 100, before: str | None = None
    ) -> tuple[Approval, ...]:
        place = 2**62
        if before is not None:
            place = self._read(lambda db: db.fetchval(_pg_sql.PLACE, before, tenant)) or 0
        if not states:
            return self._approvals(_pg_sql.LIST, tenant, place, limit)
        return self._approvals(_pg_sql.LIST_STATES, tenant, place, [state.value for state in states], limit)

    def recent(self, tenant: str, person: str, tool: str, since: float, limit: int = 500) -> tuple[Approval, ...]:
        return self._approvals(_pg_sql.RECENT, tenant, person, since, tool, limit)

    def overdue(self, limit: int = 100) -> tuple[Approval, ...]:
        return self._approvals(_pg_sql.OVERDUE, self.now(), limit)

    def watch(self, tenant: str, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        return self._listener.watch(approval_id, wake)

    # --- tokens

    def _known(self, key: SessionKey) -> _vault.Known:
        return self._cache.at(key, self._read(lambda db: db.fetchval(_pg_sql.PURGES)))

    def allocate(self, key: SessionKey, needs: Sequence[Need], sealer: Sealer) -> Mapping[Need, Token]:
        known = self._known(key)
        missing = tuple(dict.fromkeys(n for n in needs if n not in known.tokens))
        made: dict[Need, Token] = {}
        if missing:
            made, purges = self._alone(lambda db: _pg_vault.allocate(db, key, missing, sealer))
            current = self._cache.at(key, purges)
            if current is not known:  # a session was purged meanwhile: what was known may be gone
                return self.allocate(key, needs, sealer)
            _vault.merge(known, made, {token: need.text for need, token in made.items()})
        return {need: made.get(need) or known.tokens[need] for need in needs}

    def values(self, key: SessionKey, sealer: Sealer, tokens: Iterable[Token] | None = None) -> Mapping[Token, str]:
        if tokens is None:
            return self._opened(key, sealer, None)
        known = self._known(key)
        wanted = tuple(tokens)
        missing = [t for t in wanted if t not in known.values]
        if missing:
            known.values.update(self._opened(key, sealer, missing))
        return {t: known.values[t] for t in wanted if t in known.values}

    def _opened(self, key: SessionKey, sealer: Sealer, tokens: Sequence[Token] | None) -> dict[Token, str]:
        sealed = self._read(lambda db: _pg_vault.sealed_values(db, key, tokens))
        return {token: _vault.opened(sealer, key, token, value) for token, value in sealed.items()}

    def purge(self, key: SessionKey) -> int:
        count = self._alone(lambda db: _pg_vault.purge(db, key))
        self._cache.clear()
        return count

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
        rows = self._read(lambda db: db.fetch(_pg_sql.RECORDS_OF_CALL, call, after))
        return (r for r in map(record_of, map(tuple, rows)) if log_id is None or r.log_id == log_id)

    def _in_turn(self, log_id: str | None, after: int) -> Iterator[AuditRecord]:
        for log in [log_id] if log_id is not None else self.written():
            at = after
            while True:
                rows = self._page(log, at)
                yield from map(record_of, map(tuple, rows))
                if len(rows) < _PAGE:
                    break
                at = rows[-1][1]

    def _page(self, log: str, after: int) -> Sequence[Any]:
        return self._read(lambda db: db.fetch(_pg_sql.RECORDS, log, after, _PAGE))

    def operations(self, kind: Kind) -> Iterator[AuditRecord]:
        def page(log: str, seq: int) -> Sequence[Any]:
            return self._read(lambda db: db.fetch(_pg_sql.OPERATIONS, kind.value, log, seq, _PAGE))

        log, seq = "", 0
        while True:
            rows = page(log, seq)
            yield from map(record_of, map(tuple, rows))
            if len(rows) < _PAGE:
                return
            log, seq = rows[-1][0], rows[-1][1]

    def stored(self, log_id: str, after: int = 0, limit: int = 4000) -> Sequence[Stored]:
        return self._read(lambda db: db.fetch(_pg_sql.RECORDS, log_id, after, limit))

    def hashes(self, log_id: str, after: int = 0, limit: int = 20_000) -> Sequence[tuple[int, str]]:
        return self._read(lambda db: db.fetch(_pg_sql.HASHES, log_id, after, limit))

    def written(self) -> tuple[str, ...]:
        async def every(db: asyncpg.Connection) -> tuple[str, ...]:
            known = dict.fromkeys(row[0] for row in await db.fetch(_pg_sql.HEADS))
            log = await db.fetchval(_pg_sql.FIRST_LOG)
            while log is not None:
                known.setdefault(log)
                log = await db.fetchval(_pg_sql.NEXT_LOG, log)
            return tuple(known)

        return self._read(every)

    def logs(self) -> tuple[str, ...]:
        return tuple(head.log_id for head in self.heads())

    def heads(self) -> tuple[LogHead, ...]:
        rows = self._read(lambda db: db.fetch(_pg_sql.HEADS))
        return tuple(LogHead(log_id=i, opened=o, first=f, seq=s, hash=h, number=n) for i, o, f, s, h, n in rows)

    def cursor(self, sink: str) -> Mapping[str, int]:
        return dict(self._read(lambda db: db.fetch(_pg_sql.CURSOR, sink)))

    def delivered(self) -> Mapping[str, Mapping[str, int]]:
        return by_sink(self._read(lambda db: db.fetch(_pg_sql.DELIVERED)))

    def advance(self, sink: str, log_id: str, seq: int) -> None:
        self._alone(lambda db: db.execute(_pg_sql.ADVANCE, sink, log_id, seq))

    # --- announcements, acts, leases

    def outbox(self, limit: int = 100) -> tuple[Announcement, ...]:
        rows = self._read(lambda db: db.fetch(_pg_sql.OUTBOX, limit))
        return tuple(announcement_of(tuple(row)) for row in rows)

    def take(self, holder: str, seconds: float, limit: int = 100) -> tuple[Announcement, ...]:
        rows = self._timed(lambda db, now: db.fetch(_pg_sql.OUTBOX_TAKE, now, holder, now + seconds, limit))
        return tuple(announcement_of(tuple(row)) for row in sorted(rows))

    def outbox_done(self, row: int) -> None:
        self._of_outbox(row, self._alone(lambda db: db.fetchval(_pg_sql.OUTBOX_DONE, row)))

    def outbox_later(self, row: int, seconds: float) -> None:
        self._of_outbox(row, self._timed(lambda db, now: db.fetchval(_pg_sql.OUTBOX_LATER, now + seconds, row)))

    def _of_outbox(self, row: int, done: object) -> None:
        if done is None:
            raise NotFoundError(f"no announcement {row!r} waits for delivery")

    def acts(self, tenant: str, after: int = 0, limit: int = 1000) -> tuple[Grant, ...]:
        rows = self._read(lambda db: db.fetch(_pg_sql.ACTS, tenant, after, limit))
        return tuple(Grant(payload=p, signature=s, key_id=k) for p, s, k in rows)

    def given(self, tenant: str, person: str, since: float) -> int:
        return self._read(lambda db: db.fetchval(_pg_sql.GIVEN, tenant, person, since)) or 0

    def tally(self, tenant: str, asks: Sequence[Ask]) -> tuple[int, ...]:
        if not asks:
            return ()
        columns = tally_columns([(tenant, ask) for ask in asks])
        return tuple(row[0] for row in self._read(lambda db: db.fetch(_pg_sql.TALLY, *columns)))

    def marked(self, tenant: str, subject: str, kind: str, limit: int = 64) -> tuple[str, ...]:
        rows = self._read(lambda db: db.fetch(_pg_sql.MARKED, tenant, subject, kind, limit))
        return tuple(value for (value,) in rows)

    def forget_marks(self, limit: int = 1000) -> int:
        async def job(db: asyncpg.Connection, now: float) -> int:
            await db.execute(_pg_sql.PRUNE_LEASES, now, limit)
            return len(await db.fetch(_pg_sql.PRUNE_MARKS, now, limit))

        return self._timed(job)

    def contents(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Kept]:
        rows = self._read(lambda db: db.fetch(_pg_sql.CONTENTS, tenant, list(ids)))
        return {row[0]: kept_of(tenant, tuple(row)) for row in rows}

    def content_ids(self, tenant: str, after: str = "", limit: int = 5000) -> Sequence[str]:
        return [row[0] for row in self._read(lambda db: db.fetch(_pg_sql.CONTENT_IDS, tenant, after, limit))]

    def uses(self, tenant: str, act: str) -> int:
        return self._read(lambda db: db.fetchval(_pg_sql.USES, tenant, act)) or 0

    def lead(self, name: str, holder: str, seconds: float) -> bool:
        taken = self._timed(lambda db, now: db.fetchval(_pg_sql.LEAD, name, holder, now + seconds, now))
        return taken is not None

    def _timed(self, work: Callable[[asyncpg.Connection, float], Awaitable[T]]) -> T:
        """``work`` in a transaction of its own, told the time."""

        async def at_the_time(db: asyncpg.Connection) -> T:
            database, floor = await db.fetchrow(_pg_sql.NOW) or (0.0, None)
            return await work(db, self._time.read(database, floor, self._pool.shown))

        return self._alone(at_the_time)

    def close(self) -> None:
        """Close every connection. Waits for commits under way; a second close does nothing."""
        with self._commits.idle():
            self._cache.clear()
            self._pool.close()


_stores: weakref.WeakSet[PostgresStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
