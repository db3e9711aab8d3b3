"""Calls as the guard and the authority write them, put into a real store."""

from __future__ import annotations

from typing import Any

from toolguard._core.approval import Answer, Approval, State, move
from toolguard._core.audit import Draft, Kind
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim, Settle, Update
from toolguard.ports import Store
from toolguard.testing.store_contract import a_request, a_verdict


def draft(kind: Kind, call: str, *, at: float, outcome: str = "", approval: str = "", **body: Any) -> Draft:
    said = {"gen_ai.tool.name": "mail.send", "gen_ai.conversation.id": "run-1", "toolguard.tenant": "north", **body}
    if outcome:
        said["toolguard.decision.outcome"] = outcome
    if approval:
        said["toolguard.approval.id"] = approval
    return Draft(
        kind=kind,
        at=at,
        started=at - 0.1,
        call=call,
        trace_id="0a" * 16,
        span_id=f"{hash((kind, call)) % 2**64 or 1:016x}",
        parent_id="0b" * 8,
        body=said,
    )


def allowed(store: Store, call: str, *, ended: bool = True, at: float | None = None) -> None:
    """An allowed call: decided and executing in one transaction, then its end."""
    at = store.now() if at is None else at
    ref = CallRef(run="run-1", call_id=call)
    records = (
        draft(Kind.CALL_DECIDED, call, at=at, outcome="allowed", **{"toolguard.risk.level": "low"}),
        draft(Kind.CALL_EXECUTING, call, at=at),
    )
    store.commit(Change(tenant="north", records=records, claim=Claim(ref=ref, call_digest="d", asked=False)))
    if ended:
        end = (draft(Kind.CALL_RETURNED, call, at=at + 0.2, outcome="executed"),)
        store.commit(Change(tenant="north", records=end, settle=Settle(ref=ref, ok=True)))


def asked(store: Store, name: str) -> Approval:
    request = a_request(name, created=store.now())
    records = (
        draft(Kind.CALL_DECIDED, request.call, at=store.now(), outcome="pending"),
        draft(Kind.APPROVAL_REQUESTED, request.call, at=store.now(), outcome="pending", approval=request.id),
    )
    store.commit(Change(tenant="north", records=records, create=request))
    return read(store, request.id)


def decided(store: Store, before: Approval, answer: Answer = Answer.APPROVE) -> Approval:
    now = store.now()
    to = State.APPROVED if answer is Answer.APPROVE else State.DENIED
    after = move(
        before,
        to,
        now=now,
        verdicts=(a_verdict(before.request, answer=answer, at=now),),
        grant_expires=now + 60.0 if to is State.APPROVED else None,
    )
    who = {"toolguard.approver.id": "bo", "toolguard.decision.reason_code": answer.value}
    record = draft(Kind.APPROVAL_VERDICT, before.request.call, at=now, outcome=to.value, approval=before.id, **who)
    return _write(store, before, after, record)


def executing(store: Store, before: Approval, lease: float = 30.0) -> Approval:
    now, request = store.now(), before.request
    after = move(before, State.EXECUTING, now=now, lease_until=now + lease)
    claim = Claim(ref=request.ref, call_digest=request.call_digest, asked=True)
    return _write(
        store, before, after, draft(Kind.CALL_EXECUTING, request.call, at=now, approval=before.id), claim=claim
    )


def executed(store: Store, before: Approval) -> Approval:
    now, request = store.now(), before.request
    after = move(before, State.EXECUTED, now=now, outcome="ok")
    record = draft(Kind.CALL_RETURNED, request.call, at=now, outcome="executed", approval=before.id)
    return _write(store, before, after, record, settle=Settle(ref=request.ref, ok=True))


def read(store: Store, approval_id: str) -> Approval:
    found = store.get("north", approval_id)
    assert found is not None
    return found


def _write(store: Store, before: Approval, after: Approval, record: Draft, **parts: Any) -> Approval:
    update = Update(approval=after, from_version=before.version, from_state=before.state)
    store.commit(Change(tenant="north", records=(record,), update=update, **parts))
    return after
