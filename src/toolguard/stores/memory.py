"""The store in memory: for tests, notebooks and calls that need no trail after the process ends.

It keeps every rule of the durable stores but durability. It lives in one process: after a fork the child
would hold a second authority, so there every method refuses.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from toolguard._core.approval import Answer, Approval, Grant, State
from toolguard._core.audit import GENESIS, AuditRecord, Kept, Kind, seal
from toolguard._core.call import CallRef
from toolguard._core.frozen import maker
from toolguard._core.history import Ask, Mark
from toolguard._core.register import ALL, Heads, make_heads
from toolguard._core.steps import Cap, Change, Claim, LedgerRow, Notice, Prune, Standing
from toolguard._core.stored import Stored
from toolguard._core.vault import Namespace, Need, Token, canonical_form
from toolguard.errors import ConflictError, NotFoundError, StoreError
from toolguard.ports import Announcement, Clock, LogHead, Sealer, SessionKey
from toolguard.stores import _log
from toolguard.stores._rows import record_row
from toolguard.stores._rules import (
    check_act,
    check_cap,
    check_claim,
    check_heads,
    check_limit,
    check_prune,
    check_registers,
    check_settle,
    check_shape,
    check_update,
    check_use,
    deadline,
)
from toolguard.stores._time import StoreTime
from toolguard.stores._tokens import MAX_INDEX, MAX_VARIANT
from toolguard.stores._watch import Watchers

__all__ = ["MemoryStore"]


_make_row = maker(LedgerRow)
_PRUNE = 3600.0
"""Seconds between looks for marks nobody needs."""


_Call: TypeAlias = tuple[str, str, str, int]
"""A call of a tenant, as it is looked up: faster to hash than a reference."""


def _call(tenant: str, ref: CallRef) -> _Call:
    return tenant, ref.run, ref.call_id, ref.ordinal


def _announced(change: Change) -> str | None:
    """The approval whose state channels are to show, unless making it says so already."""
    return None if change.create is not None and change.announce == change.create.id else change.announce


class _Session:
    """One session's tokens."""

    def __init__(self) -> None:
        self.tokens: dict[Need, Token] = {}
        self.values: dict[Token, str] = {}
        self.identities: dict[tuple[str, Namespace, str], Token] = {}
        self.counters: dict[tuple[str, Namespace], int] = {}


class _Waiting:
    """A row of the outbox: until when it is somebody's, or not due."""

    def __init__(self, what: Announcement) -> None:
        self.what = what
        self.until = 0.0


class MemoryStore:
    """A `toolguard.ports.Store` in memory. Thread-safe; ``clock`` defaults to this machine's."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._time = StoreTime(clock)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._epoch = _log.new_id()
        self._log_id = _log.new_id()
        self._records: list[AuditRecord] = []
        self._opening: AuditRecord | None = None
        self._taken = 0
        """How many of the first records were taken out."""
        self._contents: dict[tuple[str, str], Kept] = {}
        self._approvals: dict[str, Approval] = {}
        self._by_ref: dict[_Call, str] = {}
        self._ledger: dict[_Call, tuple[LedgerRow, bool]] = {}
        self._outbox: dict[int, _Waiting] = {}
        self._outbox_row = 0
        self._keys: set[tuple[str, str]] = set()
        self._acts: dict[str, list[Grant]] = {}
        self._uses: dict[tuple[str, str], int] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._marks: dict[tuple[str, str, str], dict[str, tuple[float, float | None]]] = {}
        self._pruned = 0.0
        self._watchers = Watchers()
        self._vaults: dict[SessionKey, _Session] = {}
        self._cursors: dict[str, dict[str, int]] = {}

    def __repr__(self) -> str:
        return f"MemoryStore(log={self._log_id!r})"

    @property
    def blocking(self) -> bool:
        return False

    @property
    def epoch(self) -> str:
        """Random id of this store's life."""
        return self._epoch

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                "this process was forked from the one that holds the memory store; "
                "open a store after the fork, or use 'sqlite:///…', which processes can share"
            )

    def now(self) -> float:
        return self._time.read()

    # --- one transaction: everything is checked before anything is changed

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        self._check_process()
        check_shape(change)
        records = self._commit(change)
        if change.update is not None:
            self._watchers.fire([change.update.approval.id])
        return records

    def _commit(self, change: Change) -> tuple[AuditRecord, ...]:
        with self._lock:
            now = self._time.read()
            self._check(change, now)
            records = self._seal(change, now)
            self._write(change, now)
            self._opening = self._opening or next(iter(records), None)
            self._records += records
            if change.prune is not None:
                self._prune(change.prune)
            return records[len(records) - len(change.records) :]

    def _check(self, change: Change, now: float) -> None:
        """Every refusal there is, before anything is written."""
        tenant, update, create, claim = change.tenant, change.update, change.create, change.claim
        if update is not None:
            check_update(self._approval(tenant, update.approval.id), update, now)
        if create is not None and (create.id in self._approvals or _call(tenant, create.ref) in self._ledger):
            raise ConflictError("this call was already asked or made; nothing was written")
        for cap in change.caps if create is not None else ():
            check_cap(self._asked(tenant, cap), cap)
        if change.act is not None:
            check_act(len(self._acts.get(change.act.tenant, ())), change.act)
        if claim is not None:
            check_heads(self._heads(tenant), change.heads)
            if change.use is not None:
                check_use(self._uses.get((tenant, change.use.act), 0), change.use, now)
            row, asked = self._ledger.get(_call(tenant, claim.ref), (None, False))
            check_claim(row, asked, claim)
        for limit in change.limits:
            check_limit(self._count(tenant, limit.ask), limit)
        if change.settle is not None:
            check_settle(self._settling(tenant, change.settle.ref, claim), change.settle)
        notify = change.notify
        for told in (_announced(change), notify.approval if notify else None):
            if told is not None and self._approval(tenant, told) is None:
                raise ConflictError("the approval to announce does not exist; nothing was written")
        if notify is not None and notify.key and (tenant, notify.key) in self._keys:
            raise ConflictError("this was announced already; nothing was written")
        for draft in change.records:
            if draft.kept is not None and (draft.kept.tenant, draft.kept.id) in self._contents:
                raise ConflictError("this content is kept already; nothing was written")
        if change.prune is not None:
            prune = change.prune
            check_registers({tenant: len(self._acts.get(tenant, ())) for tenant in prune.acts}, prune)
            check_prune(prune, (d.body for d in (*change.records, *(r.draft for r in self._records))))

    def _write(self, change: Change, now: float) -> None:
        """Everything but the records."""
        tenant, update, create, claim, settle = change.tenant, change.update, change.create, change.claim, change.settle
        if update is not None:
            self._approvals[update.approval.id] = update.approval
        if create is not None:
            self._approvals[create.id] = Approval(request=create, changed=create.created)
            self._by_ref[_call(tenant, create.ref)] = create.id
            self._ledger[_call(tenant, create.ref)] = (
                _make_row(call_digest=create.call_digest, standing=Standing.ASKED),
                True,
            )
            self._announce(tenant, create.id)
        if claim is not None:
            taken = _make_row(call_digest=claim.call_digest, standing=Standing.EXECUTING)
            self._ledger[_call(tenant, claim.ref)] = taken, claim.asked
        if settle is not None:
            key = _call(tenant, settle.ref)
            row, asked = self._ledger[key]
            ended = _make_row(call_digest=row.call_digest, standing=check_settle(row, settle), result=settle.result)
            self._ledger[key] = ended, asked
        if change.act is not None:
            self._acts.setdefault(change.act.tenant, []).append(change.act.grant)
        if change.use is not None:
            used = (tenant, change.use.act)
            self._uses[used] = self._uses.get(used, 0) + 1
        if change.marks:
            self._mark(tenant, change.marks, now)
        announce, notify = _announced(change), change.notify
        if announce is not None:
            self._announce(tenant, announce)
        if notify is not None:
            self._keys |= {(tenant, notify.key)} if notify.key else set()
            self._announce(tenant, notify.approval, notify.notice)
        for draft in change.records:
            if draft.kept is not None:
                self._contents[draft.kept.tenant, draft.kept.id] = draft.kept
        for content in change.shred:
            self._contents.pop((tenant, content), None)

    def _prune(self, prune: Prune) -> None:
        if prune.log_id == self._log_id:
            count = max(0, min(prune.upto - self._taken, prune.most, len(self._records) - 1))
            self._records = self._records[count:]
            self._taken += count

    def _settling(self, tenant: str, ref: CallRef, claim: Claim | None) -> LedgerRow | None:
        if claim is not None and claim.ref == ref:
            return _make_row(call_digest=claim.call_digest, standing=Standing.EXECUTING)
        return self._ledger.get(_call(tenant, ref), (None, False))[0]

    def _seal(self, change: Change, now: float) -> tuple[AuditRecord, ...]:
        if not change.records:
            return ()
        if self._records:
            last = self._records[-1]
            return seal(change.records, log_id=self._log_id, seq=last.seq, prev=last.hash)
        first = _log.opening(self._log_id, now=now, epoch=self._epoch)
        return seal((first, *change.records), log_id=self._log_id, seq=0, prev=GENESIS)

    def _announce(self, tenant: str, approval_id: str, notice: Notice = Notice.STATE) -> None:
        self._outbox_row += 1
        what = Announcement(row=self._outbox_row, tenant=tenant, approval=approval_id, notice=notice)
        self._outbox[self._outbox_row] = _Waiting(what)

    def _heads(self, tenant: str) -> Heads:
        return make_heads(tenant=len(self._acts.get(tenant, ())), all=len(self._acts.get(ALL, ())))

    def _asked(self, tenant: str, cap: Cap) -> int:
        def value(approval: Approval) -> str:
            return approval.request.ref.run if cap.by == "run" else approval.request.requester_person

        return sum(
            a.request.tenant == tenant and value(a) == cap.value and a.request.created >= cap.since
            for a in self._approvals.values()
        )

    # --- marks

    def _mark(self, tenant: str, marks: Iterable[Mark], now: float) -> None:
        for mark in marks:
            values = self._marks.setdefault((tenant, mark.subject, mark.kind), {})
            _, until = values.get(mark.value, (0.0, 0.0))
            values[mark.value] = (now, None if until is None or not mark.keep else max(until, now + mark.keep))
        if now > self._pruned + _PRUNE:
            self._pruned = now
            self.forget_marks()

    def _count(self, tenant: str, ask: Ask) -> int:
        values = self._marks.get((tenant, ask.subject, ask.kind), {})
        some = values if ask.value is None else {v: values[v] for v in (ask.value,) if v in values}
        count = 0
        for value, (at, _) in some.items():
            count += at >= ask.since and value not in ask.apart
            if count >= ask.upto:
                break
        return count

    def tally(self, tenant: str, asks: Sequence[Ask]) -> tuple[int, ...]:
        self._check_process()
        with self._lock:
            return tuple(self._count(tenant, ask) for ask in asks)

    def marked(self, tenant: str, subject: str, kind: str, limit: int = 64) -> tuple[str, ...]:
        self._check_process()
        with self._lock:
            return tuple(sorted(self._marks.get((tenant, subject, kind), ())))[:limit]

    def forget_marks(self, limit: int = 1000) -> int:
        self._check_process()
        with self._lock:
            now, left = self._time.read(), limit
            for name in [name for name, (_, until) in self._leases.items() if until <= now][:limit]:
                del self._leases[name]
            for key, values in list(self._marks.items()):
                old = [v for v, (_, until) in values.items() if until is not None and until <= now][:left]
                for value in old:
                    del values[value]
                if not values:
                    del self._marks[key]
                left -= len(old)
            return limit - left

    # --- approvals

    def _approval(self, tenant: str, approval_id: str) -> Approval | None:
        found = self._approvals.get(approval_id)
        return found if found is not None and found.request.tenant == tenant else None

    def get(self, tenant: str, approval_id: str) -> Approval | None:
        self._check_process()
        return self._approval(tenant, approval_id)

    def find(self, tenant: str, ref: CallRef) -> Approval | None:
        self._check_process()
        found = self._by_ref.get(_call(tenant, ref))
        return self._approvals[found] if found is not None else None

    def ledger(self, tenant: str, ref: CallRef) -> LedgerRow | None:
        self._check_process()
        return self._ledger.get(_call(tenant, ref), (None, False))[0]

    def list(
        self, tenant: str, *, states: Sequence[State] = (), limit: int = 100, before: str | None = None
    ) -> tuple[Approval, ...]:
        self._check_process()
        with self._lock:
            mine = [a for a in reversed(self._approvals.values()) if a.request.tenant == tenant]
        if before is not None:
            ids = [a.id for a in mine]
            mine = mine[ids.index(before) + 1 :] if before in ids else []
        return tuple([a for a in mine if not states or a.state in states][:limit])

    def recent(self, tenant: str, person: str, tool: str, since: float, limit: int = 500) -> tuple[Approval, ...]:
        self._check_process()
        with self._lock:
            found = [
                a
                for a in reversed(self._approvals.values())
                if (a.request.tenant, a.request.requester_person, a.request.tool) == (tenant, person, tool)
                and a.state is State.DENIED
                and a.changed >= since
            ]
        return tuple(found[:limit])

    def given(self, tenant: str, person: str, since: float) -> int:
        self._check_process()
        with self._lock:
            return sum(
                (v.answer, v.person) == (Answer.APPROVE, person) and v.at >= since
                for a in self._approvals.values()
                if a.request.tenant == tenant
                for v in a.verdicts
            )

    def overdue(self, limit: int = 100) -> tuple[Approval, ...]:
        self._check_process()
        with self._lock:
            now = self._time.read()
            late = [a for a in self._approvals.values() if (end := deadline(a)) is not None and now >= end]
        return tuple(late[:limit])

    def watch(self, tenant: str, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        return self._watchers.add(approval_id, wake)

    # --- tokens

    def allocate(self, key: SessionKey, needs: Sequence[Need], sealer: Sealer) -> Mapping[Need, Token]:
        self._check_process()
        with self._lock:
            session = self._vaults.setdefault(key, _Session())
            return {need: session.tokens.get(need) or self._new_token(session, need) for need in needs}

    def _new_token(self, session: _Session, need: Need) -> Token:
        identity = (need.type, need.namespace, canonical_form(need.type, need.text))
        known = session.identities.get(identity)
        if known is not None and known.variant < MAX_VARIANT:
            token = replace(known, variant=known.variant + 1)
        else:
            index = session.counters.get((need.type, need.namespace), 0) + 1
            if index > MAX_INDEX:
                raise StoreError(f"this session has more than {MAX_INDEX} identifiers of one type; begin a new session")
            session.counters[need.type, need.namespace] = index
            token = Token(type=need.type, index=index, namespace=need.namespace)
        session.identities[identity] = token
        session.tokens[need] = token
        session.values[token] = need.text
        return token

    def values(self, key: SessionKey, sealer: Sealer, tokens: Iterable[Token] | None = None) -> Mapping[Token, str]:
        self._check_process()
        with self._lock:
            session = self._vaults.get(key)
            if session is None:
                return {}
            if tokens is None:
                return dict(session.values)
            return {token: session.values[token] for token in tokens if token in session.values}

    def purge(self, key: SessionKey) -> int:
        self._check_process()
        with self._lock:
            session = self._vaults.get(key)
            if session is None:
                return 0
            count = len(session.values)
            session.tokens.clear()
            session.values.clear()
            session.identities.clear()
            return count  # the counters stay: a token that was once shown never comes to mean something else

    # --- records

    def records(
        self, *, log_id: str | None = None, after: int = 0, limit: int | None = None, call: str | None = None
    ) -> Iterator[AuditRecord]:
        self._check_process()
        if log_id is not None and log_id != self._log_id:
            return iter(())
        with self._lock:
            found = self._records[max(0, after - self._taken) :]
        if call is not None:
            found = [r for r in found if r.draft.call == call]
        return iter(found if limit is None else found[:limit])

    def operations(self, kind: Kind) -> Iterator[AuditRecord]:
        self._check_process()
        with self._lock:
            return iter([r for r in self._records if r.draft.kind is kind and not r.draft.call])

    def stored(self, log_id: str, after: int = 0, limit: int = 4000) -> Sequence[Stored]:
        return [record_row(record) for record in self.records(log_id=log_id, after=after, limit=limit)]

    def hashes(self, log_id: str, after: int = 0, limit: int = 20_000) -> Sequence[tuple[int, str]]:
        return [(record.seq, record.hash) for record in self.records(log_id=log_id, after=after, limit=limit)]

    def written(self) -> tuple[str, ...]:
        return self.logs()

    def logs(self) -> tuple[str, ...]:
        self._check_process()
        return (self._log_id,) if self._records else ()

    def heads(self) -> tuple[LogHead, ...]:
        self._check_process()
        with self._lock:
            if not self._records:
                return ()
            first, last = self._opening or self._records[0], self._records[-1]
            opened = first.draft.at
            place = LogHead(
                log_id=self._log_id, opened=opened, first=first.hash, seq=last.seq, hash=last.hash, number=1
            )
            return (place,)

    def cursor(self, sink: str) -> Mapping[str, int]:
        self._check_process()
        with self._lock:
            return dict(self._cursors.get(sink, {}))

    def delivered(self) -> Mapping[str, Mapping[str, int]]:
        self._check_process()
        with self._lock:
            return {sink: {log: seen.get(log, 0) for log in self.logs()} for sink, seen in self._cursors.items()}

    def advance(self, sink: str, log_id: str, seq: int) -> None:
        self._check_process()
        with self._lock:
            seen = self._cursors.setdefault(sink, {})
            seen[log_id] = max(seq, seen.get(log_id, 0))

    # --- announcements

    def outbox(self, limit: int = 100) -> tuple[Announcement, ...]:
        self._check_process()
        with self._lock:
            return tuple(waiting.what for waiting in list(self._outbox.values())[:limit])

    def take(self, holder: str, seconds: float, limit: int = 100) -> tuple[Announcement, ...]:
        self._check_process()
        with self._lock:
            now = self._time.read()
            due = [waiting for waiting in self._outbox.values() if now >= waiting.until][:limit]
            for waiting in due:
                waiting.until = now + seconds
                waiting.what = replace(waiting.what, attempts=waiting.what.attempts + 1)
            return tuple(waiting.what for waiting in due)

    def outbox_done(self, row: int) -> None:
        self._check_process()
        with self._lock:
            if self._outbox.pop(row, None) is None:
                raise NotFoundError(f"no announcement {row!r} waits for delivery")

    def outbox_later(self, row: int, seconds: float) -> None:
        self._check_process()
        with self._lock:
            if row not in self._outbox:
                raise NotFoundError(f"no announcement {row!r} waits for delivery")
            self._outbox[row].until = self._time.read() + seconds

    # --- the register, and who may do what only one does

    def acts(self, tenant: str, after: int = 0, limit: int = 1000) -> tuple[Grant, ...]:
        self._check_process()
        with self._lock:
            return tuple(self._acts.get(tenant, [])[max(0, after) :][:limit])

    def contents(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Kept]:
        self._check_process()
        with self._lock:
            return {name: self._contents[tenant, name] for name in ids if (tenant, name) in self._contents}

    def content_ids(self, tenant: str, after: str = "", limit: int = 5000) -> Sequence[str]:
        self._check_process()
        with self._lock:
            return sorted(name for of, name in self._contents if of == tenant and name > after)[:limit]

    def uses(self, tenant: str, act: str) -> int:
        self._check_process()
        with self._lock:
            return self._uses.get((tenant, act), 0)

    def lead(self, name: str, holder: str, seconds: float) -> bool:
        self._check_process()
        with self._lock:
            now = self._time.read()
            has, until = self._leases.get(name, (holder, now))
            if has != holder and now < until:
                return False
            self._leases[name] = (holder, now + seconds)
            return True

    def close(self) -> None:
        """Nothing to close: what is in memory stays readable."""
