"""One change, judged against what its transaction knows: the rows it would write, or why it may not be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from toolguard._core.approval import Approval
from toolguard._core.audit import GENESIS, AuditRecord, Draft, seal
from toolguard._core.call import CallRef
from toolguard._core.history import Mark
from toolguard._core.register import Act
from toolguard._core.steps import Announce, Change, Claim, Notice, Settle, Standing, Update, Use
from toolguard.errors import ConflictError
from toolguard.stores import _codec, _log, _pg_sql
from toolguard.stores._pg_known import Journal, Known, Row
from toolguard.stores._rows import create_row, kept_rows, ledger_row, record_row, update_row
from toolguard.stores._rules import (
    check_act,
    check_cap,
    check_claim,
    check_heads,
    check_limit,
    check_not_ended,
    check_not_pruned,
    check_registers,
    check_settle,
    check_update,
    check_use,
)

__all__ = ["IN_ORDER", "Plan"]

IN_ORDER = (
    _pg_sql.CREATE,
    _pg_sql.UPDATE,
    _pg_sql.MOVE,
    _pg_sql.ADD_VERDICT,
    _pg_sql.ADD_ACT,
    _pg_sql.ADD_USE,
    _pg_sql.SET_USE,
    _pg_sql.ADD_LEDGER,
    _pg_sql.SET_LEDGER,
    _pg_sql.ADD_MARK,
    _pg_sql.ANNOUNCE_ONCE,
    _pg_sql.ANNOUNCE,
    _pg_sql.OPEN_LOG,
    _pg_sql.APPEND,
    _pg_sql.KEEP,
    _pg_sql.SHRED,
    _pg_sql.MOVE_HEAD,
    _pg_sql.PRUNE,
)
"""Statements in the order they are carried out. Rows of one that others may insert too are sorted, against deadlocks."""


class Plan:
    """What one change would write: ``writes`` by statement, ``hints`` for who waits, ``head`` of the log after it."""

    def __init__(self, known: Known, journal: Journal, change: Change, head: tuple[int, str] | None) -> None:
        self.writes: dict[str, list[Row]] = defaultdict(list)
        self.hints: list[str] = []
        self.head = head
        self._known = known
        self._journal = journal
        self._change = change
        self._ledger: dict[str, Row] = {}

    def make(self) -> tuple[AuditRecord, ...]:
        """The records of the change. Raises what `toolguard.ports.Store.commit` does."""
        change = self._change
        if change.update is not None:
            self._update(change.update)
        if change.create is not None:
            for cap in change.caps:
                check_cap(self._known.asked(change.tenant, cap), cap)
            self._create(Approval(request=change.create, changed=change.create.created))
        if change.act is not None:
            self._act(change.act)
        if change.claim is not None:
            check_heads(self._known.heads(change.tenant), change.heads)
            self._claim(change.claim)
            if change.use is not None:
                self._use(change.use)
        for limit in change.limits:
            check_limit(self._known.counted(change.tenant, limit.ask), limit)
        self._mark(change.marks)
        self.writes[_pg_sql.SHRED] += [(change.tenant, content) for content in change.shred]
        if change.settle is not None:
            self._settle(change.settle)
        if change.announce is not None and (change.create is None or change.create.id != change.announce):
            self._announce(change.announce, Notice.STATE)
        if change.notify is not None:
            self._notify(change.notify)
        if change.prune is not None:
            prune = change.prune
            check_registers({tenant: self._known.acts(tenant) for tenant in prune.acts}, prune)
            self.writes[_pg_sql.PRUNE].append((prune.log_id, prune.upto, prune.most))
        return self._append(change.records) if change.records else ()

    # --- approvals

    def _update(self, update: Update) -> None:
        after, tenant = update.approval, self._change.tenant
        stored = self._known.approval(tenant, after.id)
        check_update(stored, update, self._known.now)
        assert stored is not None  # noqa: S101 - narrows the type; check_update refuses None
        values, where = update_row(after), (after.id, tenant)
        if _granted(after) == _granted(stored):
            state, version, deadline, _, lease, outcome, changed = values[:7]
            self.writes[_pg_sql.MOVE].append((state, version, deadline, lease, outcome, changed, *where))
        else:
            self.writes[_pg_sql.UPDATE].append((*values, *where))
        for n, v in enumerate(after.verdicts[len(stored.verdicts) :], start=len(stored.verdicts)):
            row = (after.id, n, tenant, v.answer.value, v.person, v.at, _codec.dump(v))
            self.writes[_pg_sql.ADD_VERDICT].append(row)
        self.hints.append(f"{after.id} {after.version}")

    def _create(self, approval: Approval) -> None:
        request = approval.request
        if self._known.has_id(request.id) or self._stands(request.ref) is not None:
            raise ConflictError("this call was already asked or made; nothing was written")
        self.writes[_pg_sql.CREATE].append(create_row(approval))
        self._stand(request.ref, request.call_digest, Standing.ASKED, asked=True)
        self.writes[_pg_sql.ANNOUNCE].append((request.tenant, request.id, Notice.STATE.value))
        self.hints.append(f"{request.id} {approval.version}")

    def _announce(self, approval_id: str, notice: Notice) -> None:
        self._known.check_told(self._change.tenant, approval_id)
        self.writes[_pg_sql.ANNOUNCE].append((self._change.tenant, approval_id, notice.value))

    def _notify(self, what: Announce) -> None:
        if what.key:
            if self._known.was_announced(self._change.tenant, what.key):
                raise ConflictError("this was announced already; nothing was written")
            self.writes[_pg_sql.ANNOUNCE_ONCE].append((self._change.tenant, what.key))
        if self._change.create is not None and self._change.create.id == what.approval:
            self.writes[_pg_sql.ANNOUNCE].append((self._change.tenant, what.approval, what.notice.value))
        else:
            self._announce(what.approval, what.notice)

    # --- the register

    def _act(self, act: Act) -> None:
        check_act(self._known.heads(act.tenant).tenant, act)
        self.writes[_pg_sql.ADD_ACT].append((act.tenant, act.n, act.payload, act.signature, act.key_id))

    def _use(self, use: Use) -> None:
        used = self._known.used(self._change.tenant, use.act)
        check_use(used or 0, use, self._known.now)
        statement = _pg_sql.ADD_USE if used is None else _pg_sql.SET_USE
        self.writes[statement].append(((used or 0) + 1, self._change.tenant, use.act))

    def _mark(self, marks: Sequence[Mark]) -> None:
        now = self._known.now
        for mark in dict.fromkeys(marks):
            until = now + mark.keep if mark.keep else None
            row = (self._change.tenant, mark.subject, mark.kind, mark.value, now, until)
            self.writes[_pg_sql.ADD_MARK].append(row)

    # --- the ledger

    def _claim(self, claim: Claim) -> None:
        row, asked = ledger_row(self._stands(claim.ref))
        check_claim(row, asked, claim)
        self._stand(claim.ref, claim.call_digest, Standing.EXECUTING, asked=claim.asked)
        if claim.asked:  # state rows can be set back by whoever writes to the database; the journal still tells
            for kind, body in self._known.ends(self._change):
                check_not_ended(kind, body)
            check_not_pruned(is_asked=not self._known.are_gone(self._change), is_pruned=True)

    def _settle(self, settle: Settle) -> None:
        row, asked = ledger_row(self._stands(settle.ref))
        standing = check_settle(row, settle)
        assert row is not None  # noqa: S101 - narrows the type; check_settle refuses None
        self._stand(settle.ref, row.call_digest, standing, asked=asked, result=settle.result)

    def _stands(self, ref: CallRef) -> Row | None:
        return self._ledger.get(ref.ref) or self._known.ledger(self._change.tenant, ref)

    def _stand(self, ref: CallRef, digest: str, to: Standing, *, asked: bool, result: bytes = b"") -> None:
        key, now = (self._change.tenant, ref.ref), self._known.now
        if self._stands(ref) is None:
            self.writes[_pg_sql.ADD_LEDGER].append((*key, digest, to.value, asked, result, now))
        else:
            self.writes[_pg_sql.SET_LEDGER].append((*key, to.value, result, now))
        self._ledger[ref.ref] = (digest, to.value, result, asked)

    # --- the journal

    def _append(self, drafts: Sequence[Draft]) -> tuple[AuditRecord, ...]:
        """Records at the end of this process's log. Where it ends is read in the transaction, never remembered."""
        journal, tenant, opens = self._journal, self._change.tenant, self.head is None
        count = len(drafts)
        if opens:
            number, before = self._known.registry
            first = _log.opening(
                journal.log_id, now=self._known.now, epoch=journal.epoch, number=number + 1, prev=before
            )
            drafts = (first, *drafts)
        seq, prev = self.head or (0, GENESIS)
        records = seal(drafts, log_id=journal.log_id, seq=seq, prev=prev)
        if opens:
            self.writes[_pg_sql.OPEN_LOG] = [(number + 1, journal.log_id, self._known.now, records[0].hash, 0, GENESIS)]
        self.writes[_pg_sql.APPEND] += [
            (*record_row(r), "" if opens and n == 0 else tenant) for n, r in enumerate(records)
        ]
        self.writes[_pg_sql.KEEP] += kept_rows(drafts)
        self.head = (records[-1].seq, records[-1].hash)
        return records[len(records) - count :]


def _granted(approval: Approval) -> Row:
    """What only the approval service writes."""
    return (approval.grant, approval.grant_expires, approval.proposal, approval.editor)
