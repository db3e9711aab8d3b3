"""After a crash: what was under way is made visible. Nothing is run again, and nothing depends on this having run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from toolguard._core.approval import Approval, State, is_expired, move
from toolguard._core.audit import AuditRecord, Draft, Kind, Outcome
from toolguard._core.call import Json
from toolguard._core.steps import Change, Update
from toolguard._core.stored import stored_record
from toolguard.errors import ConflictError
from toolguard.journal._facts import APPROVAL_ID, OUTCOME, TENANT, Facts
from toolguard.journal._pages import pages
from toolguard.ports import Store

__all__ = ["Recovered", "close_overdue", "recover"]

_REASON = "toolguard.decision.reason_code"
_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How many executions became indeterminate, and how many approvals were shown as expired."""

    indeterminate: int = 0
    expired: int = 0


def recover(store: Store, now: float | None = None, *, stale_after: float = 3600.0) -> Recovered:
    """Write down what a crash left open: `close_overdue`, and allowed calls that began and never ended.

    An execution of an allowed call that began more than ``stale_after`` seconds ago and has no end gets the
    record that it is indeterminate. Reads the whole journal; run it when a service starts.

    Args:
        now: UTC seconds; the store's own time by default.
        stale_after: seconds.
    """
    moment = store.now() if now is None else now
    closed = close_overdue(store, moment)
    indeterminate = closed.indeterminate
    facts = Facts()
    for log_id in store.written():
        for page in pages(store, log_id):
            facts.learn(page)
    for record in map(stored_record, facts.running.values()):
        if not record.draft.body.get(APPROVAL_ID) and record.draft.at + stale_after <= moment:
            tenant = str(record.draft.body.get(TENANT, ""))
            store.commit(Change(tenant=tenant, records=(_indeterminate(record, "no_end", moment),)))
            indeterminate += 1
    return replace(closed, indeterminate=indeterminate)


def close_overdue(store: Store, now: float | None = None) -> Recovered:
    """Make visible which approvals time has ended, each with its record. Nothing depends on it having run.

    An execution whose lease ran out becomes INDETERMINATE, a pending or approved request past its time
    EXPIRED. A state that no record led to is left for `verify` to report.
    """
    moment = store.now() if now is None else now
    indeterminate = expired = 0
    while batch := store.overdue(_BATCH):
        moved = [_end(store, approval, moment) for approval in batch]
        indeterminate += moved.count(State.INDETERMINATE)
        expired += moved.count(State.EXPIRED)
        if not any(moved):
            break
    return Recovered(indeterminate=indeterminate, expired=expired)


def _end(store: Store, approval: Approval, now: float) -> State | None:
    """The state an overdue approval was moved to; None where someone else was first or it is not overdue yet."""
    if approval.state is State.EXECUTING:
        if approval.lease_until is None or now < approval.lease_until:
            return None
        to, began = State.INDETERMINATE, _record_of(store, approval, Kind.CALL_EXECUTING)
        records = (_indeterminate(began, "lease_lost", now),) if began else ()
    elif is_expired(approval, now):
        to, asked = State.EXPIRED, _record_of(store, approval, Kind.APPROVAL_REQUESTED)
        records = (_expired(asked, now),) if asked else ()
    else:
        return None
    if not records:
        return None  # a state without records: `verify` says so, and it must not be papered over
    update = Update(approval=move(approval, to, now=now), from_version=approval.version, from_state=approval.state)
    change = Change(tenant=approval.request.tenant, records=records, update=update, announce=approval.id)
    try:
        store.commit(change)
    except ConflictError:
        return None
    return to


def _record_of(store: Store, approval: Approval, kind: Kind) -> AuditRecord | None:
    return next(
        (
            record
            for record in store.records(call=approval.request.call)
            if record.draft.kind is kind and record.draft.body.get(APPROVAL_ID) == approval.id
        ),
        None,
    )


def _indeterminate(began: AuditRecord, reason: str, now: float) -> Draft:
    """The end of an execution: the same span, from its true beginning to the moment it was given up."""
    body: Mapping[str, Json] = {**began.draft.body, OUTCOME: Outcome.INDETERMINATE.value, _REASON: reason}
    return replace(began.draft, kind=Kind.CALL_INDETERMINATE, at=now, body=body)


def _expired(asked: AuditRecord, now: float) -> Draft:
    draft = asked.draft
    body: Mapping[str, Json] = {
        **draft.body,
        OUTCOME: Outcome.EXPIRED.value,
        _REASON: "expired",
        "toolguard.approval.decided_at": now,
        "toolguard.approval.wait_s": max(0.0, now - draft.at),
    }
    return Draft(
        kind=Kind.APPROVAL_RESOLVED,
        at=now,
        started=draft.at,
        call=draft.call,
        trace_id=draft.trace_id,
        span_id=asked.hash[:16],
        parent_id=draft.parent_id,
        link_id=draft.span_id,
        body=body,
    )
