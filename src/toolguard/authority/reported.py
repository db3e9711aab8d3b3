"""What the service writes down for guards that have no journal on its store: their request, claim and outcome."""

from __future__ import annotations

from toolguard._core.approval import Approval, Request
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.call import CallRef, Json
from toolguard._core.register import BreakGlass, StandingApproval
from toolguard.authority.trail import _body, _draft

__all__ = ["asked", "ended", "executing", "used"]


def asked(request: Request) -> Draft:
    """`Kind.APPROVAL_REQUESTED` of a remote guard. Its own judgement of the call stands in its own journal."""
    body = _body(Approval(request=request), "requested")
    return Draft(
        kind=Kind.APPROVAL_REQUESTED,
        at=request.created,
        started=request.created,
        call=request.call,
        trace_id=request.trace_id,
        span_id=request.span_id,
        parent_id=request.call[:16],
        body=body,
    )


def executing(approval: Approval, *, by: str, at: float, span_id: str) -> Draft:
    """`Kind.CALL_EXECUTING`: the claim was given to a remote guard (``by``: its credential)."""
    body = {
        **_body(approval, "claimed"),
        "toolguard.execution.span_id": span_id,
        "toolguard.approver.auth_method": by,
    }
    return _draft(Kind.CALL_EXECUTING, approval.request, at=at, started=at, span_id=span_id, body=body)


def used(
    stands: StandingApproval | BreakGlass, tool: str, ref: CallRef, *, tenant: str, call: str, by: str, at: float
) -> Draft:
    """`Kind.CALL_DECIDED`: one use of what stands was given to a remote guard, for this call. What it did is in its journal."""
    glass = isinstance(stands, BreakGlass)
    body: dict[str, Json] = {
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": ref.call_id,
        "gen_ai.conversation.id": ref.run,
        "toolguard.call.id": call,
        "toolguard.tenant": tenant,
        "toolguard.actor.id": stands.person,
        "toolguard.approver.auth_method": by,
        "toolguard.act.id": stands.id,
        "toolguard.decision.outcome": (Outcome.BREAK_GLASS if glass else Outcome.ALLOWED).value,
        "toolguard.decision.effect": "require_approval",
        "toolguard.decision.reason_code": "break_glass" if glass else "standing_approval",
    }
    return Draft(kind=Kind.CALL_DECIDED, at=at, started=at, call=call, trace_id=call, span_id=call[:16], body=body)


def ended(
    approval: Approval, kind: Kind, outcome: Outcome, *, at: float, began: Draft, error: str, withheld: bool
) -> Draft:
    """How a remote guard says it ended: `Kind.CALL_RETURNED` and its kin, in the span of its execution."""
    body: dict[str, Json] = {**_body(approval, "reported"), "toolguard.decision.outcome": outcome.value}
    if withheld:
        body["toolguard.result.withheld"] = True
    if error:
        body["error.type"] = error
    return _draft(kind, approval.request, at=at, started=began.at, span_id=began.span_id, body=body)
