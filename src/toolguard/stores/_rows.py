"""Rows of the SQLite store as the core's values, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from toolguard._core.approval import Approval, Grant, Request, State, Verdict
from toolguard._core.audit import AuditRecord, Draft, Kept
from toolguard._core.steps import LedgerRow, Notice, Standing
from toolguard._core.stored import stored_record as record_of
from toolguard.errors import StoreError
from toolguard.ports import Announcement
from toolguard.stores import _codec
from toolguard.stores._rules import deadline

__all__ = [
    "announcement_of",
    "approval_of",
    "blob",
    "by_sink",
    "create_row",
    "kept_of",
    "kept_rows",
    "ledger_row",
    "record_of",
    "record_row",
    "update_row",
]

Row: TypeAlias = tuple[Any, ...]

_BLOBS = frozenset({"sealed"})


def create_row(approval: Approval) -> Row:
    """The row of a new approval, in the order of ``_sql.CREATE``."""
    r = approval.request
    return (
        r.id,
        r.tenant,
        approval.state.value,
        approval.version,
        r.session,
        r.ref.ref,
        r.tool,
        r.args_digest,
        r.call_digest,
        r.view_digest,
        r.policy_sha256,
        r.risk_level,
        r.requester_person,
        r.agent,
        r.created,
        r.expires,
        deadline(approval),
        approval.outcome,
        approval.changed,
        r.sealed,
        _codec.dump(r, leave_out=_BLOBS),
        r.ref.run,
    )


def update_row(after: Approval) -> Row:
    """What may change of an approval, in the order of ``_sql.UPDATE``."""
    grant = after.grant
    return (
        after.state.value,
        after.version,
        deadline(after),
        after.grant_expires,
        after.lease_until,
        after.outcome,
        after.changed,
        grant.payload if grant else None,
        grant.signature if grant else None,
        grant.key_id if grant else None,
        None if after.proposal is None else _codec.dump_json(after.proposal),
        after.editor,
    )


def approval_of(row: Row, verdicts: list[str]) -> Approval:
    """The approval of a row and its verdicts.

    Raises:
        StoreError: the row cannot be read, or its columns say something else than its body.
    """
    (id_, tenant, state, version, ref, call_digest, expires, grant_expires, lease_until, outcome, changed) = row[:11]
    payload, signature, key_id, proposal, editor, sealed, body = row[11:]
    request = _codec.load(Request, body, sealed=blob(sealed))
    said = (request.id, request.tenant, request.ref.ref, request.call_digest, request.expires)
    times = (grant_expires, lease_until)
    if (
        said != (id_, tenant, ref, call_digest, expires)
        or not all(t is None or isinstance(t, float) for t in times)
        or not (isinstance(version, int) and isinstance(outcome, str) and isinstance(changed, float))
    ):
        raise StoreError("an approval does not fit its own row: the store was edited; see the audit trail")
    grant = None
    if payload is not None:
        grant = Grant(payload=blob(payload), signature=blob(signature), key_id=str(key_id))
    try:
        return Approval(
            request=request,
            state=State(state),
            version=version,
            verdicts=tuple(_codec.load(Verdict, v) for v in verdicts),
            grant=grant,
            grant_expires=grant_expires,
            lease_until=lease_until,
            outcome=outcome,
            changed=changed,
            proposal=None if proposal is None else json.loads(proposal),
            editor=str(editor),
        )
    except (TypeError, ValueError) as error:
        raise StoreError(f"the row of approval {str(id_)!r} cannot be read ({type(error).__name__})") from None


def announcement_of(row: Row) -> Announcement:
    """A row of the outbox."""
    try:
        notice = Notice(row[3])
    except ValueError:
        raise StoreError("an announcement cannot be read: the store was edited; see the audit trail") from None
    return Announcement(row=row[0], tenant=row[1], approval=row[2], notice=notice, attempts=row[4])


def by_sink(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Rows of sink, log and number: sink → log → how far it was delivered."""
    found: dict[str, dict[str, int]] = {}
    for sink, log_id, seq in rows:
        found.setdefault(sink, {})[log_id] = seq
    return found


def blob(value: object) -> bytes:
    """SQLite keeps any type in any column, and ``bytes`` of a number is as many zeros."""
    if not isinstance(value, bytes):
        raise StoreError("a stored value is not of its column's type: the store was edited; see the audit trail")
    return value


def ledger_row(row: Row | None) -> tuple[LedgerRow | None, bool]:
    """Where a call stands, and whether an approval made the row."""
    if row is None:
        return None, False
    try:
        standing = Standing(row[1])
    except ValueError:
        raise StoreError("a ledger row cannot be read: the store was edited; see the audit trail") from None
    return LedgerRow(call_digest=row[0], standing=standing, result=blob(row[2])), bool(row[3])


def kept_rows(drafts: Sequence[Draft]) -> list[Row]:
    """What drafts keep, in the order of ``_sql.KEEP``."""
    return [(d.kept.tenant, d.kept.id, d.kept.key, d.kept.body) for d in drafts if d.kept is not None]


def kept_of(tenant: str, row: Row) -> Kept:
    return Kept(tenant=tenant, id=str(row[0]), key=blob(row[1]), body=blob(row[2]))


def record_row(record: AuditRecord) -> Row:
    """A record, in the order of ``_sql.APPEND``."""
    d = record.draft
    return (
        record.log_id,
        record.seq,
        record.prev,
        record.hash,
        d.kind.value,
        float(d.at),
        float(d.started),
        d.call,
        d.trace_id,
        d.span_id,
        d.parent_id,
        d.link_id,
        record.text or _codec.dump_json(d.body),
    )
