"""Forgetting a session: what waits for a person is void, since nobody could tell any more what its tokens stand for."""

from __future__ import annotations

from contextlib import suppress

from toolguard._core.approval import Approval, State, is_granted, move
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.flow.setting import Flow
from toolguard._core.records import Scope, approval_body
from toolguard._core.steps import Change, Commit, NewId, Now, Update
from toolguard.errors import ConflictError

__all__ = ["OPEN_STATES", "invalidate_open"]

OPEN_STATES = (State.PENDING, State.APPROVED, State.BREAK_GLASS)
"""Where a call may still run later."""


def invalidate_open(scope: Scope, approvals: tuple[Approval, ...]) -> Flow[int]:
    """Invalidate those of ``approvals`` that are still open; how many there were. One that moves on meanwhile is left:
    it was decided or claimed by somebody.
    """
    count = 0
    for approval in approvals:
        if approval.state is not State.PENDING and not is_granted(approval.state):
            continue
        now: float = yield Now()
        span: str = yield NewId()
        request = approval.request
        body = {
            **scope.base,
            **approval_body(request, Outcome.INVALIDATED),
            "gen_ai.tool.name": request.tool,
            "gen_ai.tool.call.id": request.ref.call_id,
            "gen_ai.conversation.id": request.ref.run,
            "toolguard.call.id": request.call,
            "toolguard.decision.reason_code": "session_forgotten",
            "toolguard.approval.decided_at": now,
            "toolguard.approval.wait_s": max(0.0, now - request.created),
        }
        record = Draft(
            kind=Kind.APPROVAL_RESOLVED,
            at=now,
            started=request.created,
            call=request.call,
            trace_id=request.trace_id,
            span_id=span[:16],
            parent_id=request.span_id,
            link_id=request.span_id,
            body=body,
        )
        update = Update(
            approval=move(approval, State.INVALIDATED, now=now),
            from_version=approval.version,
            from_state=approval.state,
        )
        with suppress(ConflictError):
            yield Commit(Change(tenant=request.tenant, records=(record,), update=update, announce=approval.id))
            count += 1
    return count
