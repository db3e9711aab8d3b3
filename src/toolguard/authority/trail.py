"""What the authority writes down of a verdict: ids, enums, digests and times. Reasons stay on the verdict."""

from __future__ import annotations

import re

from toolguard._core.approval import Answer, Approval, Request, State
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.call import Json
from toolguard._core.records import approval_body

__all__ = ["OUTCOMES", "refused", "resolved", "verdict_given"]

_SAFE = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")

OUTCOMES: dict[State, Outcome] = {
    State.PENDING: Outcome.PENDING,
    State.APPROVED: Outcome.APPROVED,
    State.BREAK_GLASS: Outcome.BREAK_GLASS,
    State.EXECUTING: Outcome.APPROVED,
    State.EXECUTED: Outcome.EXECUTED,
    State.DENIED: Outcome.DENIED,
    State.EXPIRED: Outcome.EXPIRED,
    State.WITHDRAWN: Outcome.WITHDRAWN,
    State.SUPERSEDED: Outcome.SUPERSEDED,
    State.UNDELIVERABLE: Outcome.DENIED,
    State.REVOKED: Outcome.REVOKED,
    State.INVALIDATED: Outcome.INVALIDATED,
    State.INDETERMINATE: Outcome.INDETERMINATE,
}
"""The published table: an approval's state and the ``toolguard.decision.outcome`` that stands for it."""


def _body(approval: Approval, reason_code: str) -> dict[str, Json]:
    request = approval.request
    actor = request.requester.ref.replace("|", ":")
    return {
        **approval_body(request, OUTCOMES[approval.state]),
        "gen_ai.tool.name": request.tool,
        "toolguard.call.id": request.call,
        "toolguard.tenant": request.tenant,
        "toolguard.actor.id": actor if _SAFE.fullmatch(actor) else request.requester_person,
        "toolguard.decision.reason_code": reason_code,
    }


def _draft(
    kind: Kind, request: Request, *, at: float, started: float, span_id: str, body: dict[str, Json], link: bool = True
) -> Draft:
    return Draft(
        kind=kind,
        at=at,
        started=started,
        call=request.call,
        trace_id=request.trace_id,
        span_id=span_id,
        parent_id=request.span_id,
        link_id=request.span_id if link else "",
        body=body,
    )


def verdict_given(
    approval: Approval, *, person: str, tenant: str, answer: Answer, channel: str, auth: str, at: float, span_id: str
) -> Draft:
    """`Kind.APPROVAL_VERDICT`; ``approval`` as it stands after the verdict."""
    body = {
        **_body(approval, answer.value),
        "toolguard.approver.id": person,
        "toolguard.approver.tenant": tenant,
        "toolguard.approver.auth_method": auth,
        "toolguard.approval.channel": channel,
        "toolguard.approval.decided_at": at,
        "toolguard.approval.wait_s": max(0.0, at - approval.request.created),
    }
    return _draft(Kind.APPROVAL_VERDICT, approval.request, at=at, started=at, span_id=span_id, body=body)


def refused(
    approval: Approval, *, code: str, person: str, tenant: str, channel: str, auth: str, at: float, span_id: str
) -> Draft:
    """`Kind.APPROVAL_REFUSED`: someone tried to decide and was not let."""
    body = {
        **_body(approval, code),
        "toolguard.approver.id": person,
        "toolguard.approver.tenant": tenant,
        "toolguard.approver.auth_method": auth,
        "toolguard.approval.channel": channel,
    }
    return _draft(Kind.APPROVAL_REFUSED, approval.request, at=at, started=at, span_id=span_id, body=body)


def resolved(approval: Approval, *, reason_code: str, at: float, span_id: str) -> Draft:
    """`Kind.APPROVAL_RESOLVED`: the wait, from the request to its end."""
    created = approval.request.created
    body = {
        **_body(approval, reason_code),
        "toolguard.approval.decided_at": at,
        "toolguard.approval.wait_s": max(0.0, at - created),
    }
    return _draft(Kind.APPROVAL_RESOLVED, approval.request, at=at, started=created, span_id=span_id, body=body)
