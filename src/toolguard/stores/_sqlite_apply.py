"""What the changes of one transaction do to a SQLite store: each is judged by what stands there, then written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from toolguard._core.approval import Approval
from toolguard._core.audit import AuditRecord, Draft, Kind
from toolguard._core.call import CallRef
from toolguard._core.history import Ask, Limit, Mark
from toolguard._core.register import ALL, Act, Heads
from toolguard._core.steps import Cap, Change, Claim, Notice, Prune, Settle, Standing, Update, Use
from toolguard.errors import ConflictError
from toolguard.stores import _codec, _sql
from toolguard.stores._append import Appending
from toolguard.stores._rows import approval_of, create_row, ledger_row, update_row
from toolguard.stores._rules import (
    check_act,
    check_cap,
    check_claim,
    check_heads,
    check_limit,
    check_not_ended,
    check_not_pruned,
    check_prune,
    check_registers,
    check_settle,
    check_update,
    check_use,
)

__all__ = ["Applying", "count", "with_verdicts"]

_PRUNED = 500
"""How many marks nobody needs go at once."""


class Applying:
    """One transaction. Records go to ``journal``, which writes them at its end; ``pruned`` says whether old marks were let go."""

    def __init__(self, db: sqlite3.Connection, now: float, journal: Appending, *, marks_due: bool) -> None:
        self._db = db
        self._now = now
        self._journal = journal
        self._marks_due = marks_due
        self.pruned = False

    def change(self, change: Change) -> tuple[AuditRecord, ...]:
        """Its records, as they will be durable. Whatever is raised: the caller undoes what was done of it."""
        tenant = change.tenant
        if change.update is not None:
            self._update(tenant, change.update)
        if change.create is not None:
            for cap in change.caps:
                check_cap(self._asked(tenant, cap), cap)
            self._create(Approval(request=change.create, changed=change.create.created))
        if change.act is not None:
            self._act(change.act)
        if change.claim is not None:
            check_heads(Heads(tenant=self._head(tenant), all=self._head(ALL)), change.heads)
            self._claim(tenant, change.claim)
            if change.use is not None:
                self._use(tenant, change.use)
            if change.claim.asked:
                self._check_journal(change)
        for limit in change.limits:
            self._limit(tenant, limit)
        if change.marks:
            self._mark(tenant, change.marks)
        if change.shred:
            self._db.executemany(_sql.SHRED, [(tenant, content) for content in change.shred])
        if change.settle is not None:
            self._settle(tenant, change.settle)
        if change.announce is not None and (change.create is None or change.create.id != change.announce):
            self._announce(tenant, change.announce, Notice.STATE)
        if change.notify is not None:
            key = change.notify.key
            if key and self._db.execute(_sql.ANNOUNCE_ONCE, (tenant, key)).rowcount != 1:
                raise ConflictError("this was announced already; nothing was written")
            self._announce(tenant, change.notify.approval, change.notify.notice)
        if change.prune is not None:
            self._prune(change.prune, change.records)
        return self._journal.add(change.records) if change.records else ()

    def _update(self, tenant: str, update: Update) -> None:
        after = update.approval
        row = self._db.execute(_sql.GET, (after.id, tenant)).fetchone()
        stored = None if row is None else with_verdicts(self._db, row)
        check_update(stored, update, self._now)
        assert stored is not None  # noqa: S101 - narrows the type; check_update refuses None
        where = (after.id, tenant, update.from_version, update.from_state.value)
        if self._db.execute(_sql.UPDATE, (*update_row(after), *where)).rowcount != 1:
            raise ConflictError("the approval has changed since it was read; read it again, nothing was written")
        for n, v in enumerate(after.verdicts[len(stored.verdicts) :], start=len(stored.verdicts)):
            self._db.execute(_sql.ADD_VERDICT, (after.id, n, tenant, v.answer.value, v.person, v.at, _codec.dump(v)))

    def _create(self, approval: Approval) -> None:
        request = approval.request
        if self._db.execute(_sql.LEDGER, (request.tenant, request.ref.ref)).fetchone() is not None:
            raise ConflictError("this call was already asked or made; nothing was written")
        self._db.execute(_sql.CREATE, create_row(approval))
        self._stand(request.tenant, request.ref, request.call_digest, Standing.ASKED, asked=True)
        self._announce(request.tenant, request.id, Notice.STATE)

    def _announce(self, tenant: str, approval_id: str, notice: Notice) -> None:
        if self._db.execute(_sql.PLACE, (approval_id, tenant)).fetchone() is None:
            raise ConflictError("the approval to announce does not exist; nothing was written")
        self._db.execute(_sql.ANNOUNCE, (tenant, approval_id, notice.value))

    def _asked(self, tenant: str, cap: Cap) -> int:
        query = _sql.ASKED_BY_RUN if cap.by == "run" else _sql.ASKED_BY_PERSON
        return int(self._db.execute(query, (tenant, cap.value, cap.since)).fetchone()[0])

    def _head(self, tenant: str) -> int:
        return int(self._db.execute(_sql.ACTS_HEAD, (tenant,)).fetchone()[0])

    def _act(self, act: Act) -> None:
        check_act(self._head(act.tenant), act)
        self._db.execute(_sql.ADD_ACT, (act.tenant, act.n, act.payload, act.signature, act.key_id))

    def _use(self, tenant: str, use: Use) -> None:
        row = self._db.execute(_sql.USES, (tenant, use.act)).fetchone()
        check_use(row[0] if row else 0, use, self._now)
        self._db.execute(_sql.ADD_USE, (tenant, use.act))

    def _claim(self, tenant: str, claim: Claim) -> None:
        row, asked = ledger_row(self._db.execute(_sql.LEDGER, (tenant, claim.ref.ref)).fetchone())
        check_claim(row, asked, claim)
        self._stand(tenant, claim.ref, claim.call_digest, Standing.EXECUTING, asked=claim.asked)

    def _check_journal(self, change: Change) -> None:
        """State rows can be set back by whoever writes to the file; the journal then still tells what happened."""
        for call in {d.call for d in change.records if d.kind is Kind.CALL_EXECUTING}:
            kinds = (Kind.CALL_EXECUTING.value, Kind.APPROVAL_RESOLVED.value)
            for kind, body in self._db.execute(_sql.ENDS, (call, *kinds)):
                check_not_ended(kind, body)
            is_pruned, is_asked = self._db.execute(_sql.GONE, (call,)).fetchone()
            check_not_pruned(bool(is_asked), bool(is_pruned))

    def _prune(self, prune: Prune, drafts: Sequence[Draft]) -> None:
        check_registers({tenant: self._head(tenant) for tenant in prune.acts}, prune)
        check_prune(
            prune, (*(d.body for d in drafts), *(json.loads(body) for (body,) in self._db.execute(_sql.PRUNED)))
        )
        self._db.execute(_sql.PRUNE, (prune.log_id, prune.upto, prune.most))

    def _stand(self, tenant: str, ref: CallRef, digest: str, to: Standing, *, asked: bool) -> None:
        self._db.execute(_sql.SET_LEDGER, (tenant, ref.ref, digest, to.value, asked, self._now))

    def _settle(self, tenant: str, settle: Settle) -> None:
        row, _ = ledger_row(self._db.execute(_sql.LEDGER, (tenant, settle.ref.ref)).fetchone())
        standing = check_settle(row, settle)
        self._db.execute(_sql.SETTLE, (standing.value, settle.result, self._now, tenant, settle.ref.ref))

    def _limit(self, tenant: str, limit: Limit) -> None:
        check_limit(count(self._db, tenant, limit.ask), limit)

    def _mark(self, tenant: str, marks: Sequence[Mark]) -> None:
        rows = [(tenant, m.subject, m.kind, m.value, self._now, self._now + m.keep if m.keep else None) for m in marks]
        self._db.executemany(_sql.ADD_MARK, rows)
        if self._marks_due and not self.pruned:
            self.pruned = True
            self._db.execute(_sql.PRUNE_MARKS, (self._now, _PRUNED))


def with_verdicts(db: sqlite3.Connection, row: tuple[Any, ...]) -> Approval:
    """The approval of a row, with the verdicts of the same moment if a transaction is open."""
    return approval_of(row, [v for (v,) in db.execute(_sql.VERDICTS, (row[0],))])


def count(db: sqlite3.Connection, tenant: str, ask: Ask) -> int:
    place = (tenant, ask.subject, ask.kind, ask.since)
    if ask.value is not None:
        row = db.execute(_sql.COUNT_MARK, (*place, ask.value)).fetchone()
    else:
        row = db.execute(_sql.COUNT_MARKS, (*place, json.dumps(ask.apart), ask.upto)).fetchone()
    return int(row[0])
