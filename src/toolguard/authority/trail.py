"""What the authority writes down of a verdict: ids, enums, digests and times. Reasons stay on the verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from toolguard._core.approval import Answer, Approval, Request, State, is_granted
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.call import Json
from toolguard._core.comments import Comment
from toolguard._core.records import approval_body
from toolguard._core.register import Act, ActKind, Redaction
from toolguard.authority.access import Human

__all__ = [
    "OUTCOMES",
    "acted",
    "by",
    "commented",
    "redacted",
    "refused",
    "resolved",
    "revealed",
    "reviewed",
    "verdict_given",
]

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


def by(actor: Human, person: str) -> dict[str, Json]:
    """Who did it: ``person`` as the directory names them, and how they came."""
    return {
        "toolguard.approver.id": person,
        "toolguard.approver.tenant": actor.tenant,
        "toolguard.approver.auth_method": actor.auth,
        "toolguard.approver.assured": actor.assured.name.lower(),
        "toolguard.approval.channel": actor.channel,
    }


def _body(approval: Approval, reason_code: str) -> dict[str, Json]:
    request = approval.request
    actor = request.requester.ref.replace("|", ":")
    until: dict[str, Json] = {}
    if is_granted(approval.state) and approval.grant_expires is not None:
        until["toolguard.approval.grant_expires_at"] = approval.grant_expires
    return {
        **approval_body(request, OUTCOMES[approval.state]),
        **until,
        "gen_ai.tool.name": request.tool,
        "gen_ai.tool.call.id": request.ref.call_id,
        "gen_ai.conversation.id": request.ref.run,
        **({"gen_ai.agent.name": request.agent} if _SAFE.fullmatch(request.agent) else {}),
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


def verdict_given(approval: Approval, *, answer: Answer, by: Mapping[str, Json], at: float, span_id: str) -> Draft:
    """`Kind.APPROVAL_VERDICT`; ``approval`` as it stands after the verdict."""
    body = {
        **_body(approval, answer.value),
        **by,
        "toolguard.approval.decided_at": at,
        "toolguard.approval.wait_s": max(0.0, at - approval.request.created),
    }
    return _draft(Kind.APPROVAL_VERDICT, approval.request, at=at, started=at, span_id=span_id, body=body)


def refused(approval: Approval, *, code: str, by: Mapping[str, Json], count: int, at: float, span_id: str) -> Draft:
    """`Kind.APPROVAL_REFUSED`: someone tried what they may not, for the ``count``-th time."""
    body = {**_body(approval, code), **by, "toolguard.approval.refusals": count}
    return _draft(Kind.APPROVAL_REFUSED, approval.request, at=at, started=at, span_id=span_id, body=body)


def revealed(approval: Approval, *, purpose: str, by: Mapping[str, Json], at: float, span_id: str) -> Draft:
    """`Kind.APPROVAL_REVEALED`: someone was shown the decisive arguments in clear. They are named by count."""
    body = {
        **_body(approval, "revealed"),
        **by,
        "toolguard.reveal.purpose": purpose if _SAFE.fullmatch(purpose) else "other",
        "toolguard.phi.released": [f"DECISIVE:{len(approval.request.hidden)}"],
    }
    return _draft(Kind.APPROVAL_REVEALED, approval.request, at=at, started=at, span_id=span_id, body=body)


def acted(act: Act, request: Request | None, *, span_id: str) -> Draft:
    """`Kind.ACT_RECORDED`: which act, whose, and its place and hash in the register, where its words are."""
    body: dict[str, Json] = {
        "toolguard.act.id": act.id,
        "toolguard.act.kind": act.kind.value,
        "toolguard.act.number": act.n,
        "toolguard.act.hash": act.hash,
        "toolguard.approver.id": act.person,
        "toolguard.tenant": act.tenant,
    }
    if request is None:
        return Draft(kind=Kind.ACT_RECORDED, at=act.at, started=act.at, span_id=span_id, body=body)
    body["toolguard.approval.id"] = request.id
    body["toolguard.approval.requested_at"] = request.created
    return _draft(Kind.ACT_RECORDED, request, at=act.at, started=act.at, span_id=span_id, body=body)


def commented(comment: Comment, request: Request, *, span_id: str) -> Draft:
    """`Kind.ACT_RECORDED` of a comment: whose, and its place and digest among the tenant's comments, where its words are."""
    body: dict[str, Json] = {
        "toolguard.act.id": comment.id,
        "toolguard.act.kind": ActKind.COMMENT.value,
        "toolguard.act.hash": comment.digest,
        "toolguard.comment.number": comment.n,
        "toolguard.comment.side": comment.side.value,
        "toolguard.approver.id": comment.person,
        "toolguard.tenant": request.tenant,
        "toolguard.approval.id": request.id,
        "toolguard.approval.requested_at": request.created,
    }
    return _draft(Kind.ACT_RECORDED, request, at=comment.at, started=comment.at, span_id=span_id, body=body)


def reviewed(act: Act, *, kind: str, call: str, by: Mapping[str, Json], span_id: str) -> Draft:
    """`Kind.AUDIT_REVIEW`: who looked at what, and what they found. Their words stay in the act."""
    body: dict[str, Json] = {
        **by,
        "toolguard.review.kind": kind,
        "toolguard.review.subject": str(act.body["subject"]),
        "toolguard.review.finding": str(act.body["finding"]),
        "toolguard.act.id": act.id,
        "toolguard.act.hash": act.hash,
        "toolguard.tenant": act.tenant,
    }
    if call:
        body["toolguard.call.id"] = call
    return Draft(kind=Kind.AUDIT_REVIEW, at=act.at, started=act.at, call=call, span_id=span_id, body=body)


def redacted(
    act: Act, proposed: Redaction, *, call: str, contents: Sequence[str], by: Mapping[str, Json], span_id: str
) -> Draft:
    """`Kind.CONTENT_REDACTED`: what was kept of one call is deleted; who proposed it and who confirmed it."""
    body: dict[str, Json] = {
        **by,
        "toolguard.redaction.proposed_by": proposed.person,
        "toolguard.redaction.scope": proposed.scope,
        "toolguard.redaction.contents": list(contents),
        "toolguard.act.id": act.id,
        "toolguard.act.hash": act.hash,
        "toolguard.tenant": act.tenant,
    }
    if call:
        body["toolguard.call.id"] = call
    return Draft(kind=Kind.CONTENT_REDACTED, at=act.at, started=act.at, call=call, span_id=span_id, body=body)


def resolved(
    approval: Approval, *, reason_code: str, at: float, span_id: str, by: Mapping[str, Json] | None = None
) -> Draft:
    """`Kind.APPROVAL_RESOLVED`: the wait, from the request to its end."""
    created = approval.request.created
    body = {
        **_body(approval, reason_code),
        **(by or {}),
        "toolguard.approval.decided_at": at,
        "toolguard.approval.wait_s": max(0.0, at - created),
    }
    return _draft(Kind.APPROVAL_RESOLVED, approval.request, at=at, started=created, span_id=span_id, body=body)
