"""How an approval ends for a guard: expired, void, repeated; and the errors that say so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from toolguard._core.approval import (
    Approval,
    State,
    is_granted,
    move,
    resolution_payload,
)
from toolguard._core.audit import Draft, Outcome
from toolguard._core.call import canonical
from toolguard._core.flow.setting import Basis, Flow, Judged, Setting
from toolguard._core.mask import apply_findings, merge_findings
from toolguard._core.records import Trail, with_content
from toolguard._core.register import Registers
from toolguard._core.steps import (
    Change,
    CheckGrant,
    Commit,
    NewId,
    Now,
    Update,
)
from toolguard.errors import (
    ConflictError,
    DeniedError,
    InvalidatedError,
    NotAllowedError,
    ReplayError,
)

__all__ = ["check_frozen", "decided", "expire", "invalidate", "record_repeat", "refused", "transition"]


def expire(setting: Setting, trail: Trail, approval: Approval) -> Flow[None]:
    if approval.state is not State.EXPIRED:
        with suppress(ConflictError):  # someone else made it visible first; it is expired all the same
            yield from transition(setting, trail, approval, State.EXPIRED, Outcome.EXPIRED, "expired")
    raise DeniedError(
        f"the approval of {setting.tool.name!r} has expired; the call did not run, make a new call to ask again",
        code="expired",
        model_text="The approval of this call expired, so it did not run.",
        call_id=trail.call,
    )


def invalidate(setting: Setting, trail: Trail, approval: Approval, why: str) -> Flow[None]:
    """What would run is not what was asked: the approval is void, and the call does not run."""
    if approval.state is State.PENDING or is_granted(approval.state):
        to, outcome = (
            (State.INVALIDATED, Outcome.INVALIDATED)
            if is_granted(approval.state)
            else (State.SUPERSEDED, Outcome.SUPERSEDED)
        )
        with suppress(ConflictError):  # it has moved on; whatever it is now, this call does not run
            yield from transition(setting, trail, approval, to, outcome, why)
    else:
        now: float = yield Now()
        span: str = yield NewId()
        record = trail.not_run(Outcome.INVALIDATED, why, at=now, span_id=span[:16])
        yield Commit(Change(tenant=setting.tenant, records=(record,)))
    raise InvalidatedError(
        f"the call of {setting.tool.name!r} is not the one approval {approval.id!r} was asked for ({why}); "
        "it did not run, make a new call to ask again",
        code="content_changed" if why == "content_changed" else None,
        call_id=trail.call,
    )


def transition(setting: Setting, trail: Trail, approval: Approval, to: State, outcome: Outcome, why: str) -> Flow[None]:
    now: float = yield Now()
    span: str = yield NewId()
    after = move(approval, to, now=now)
    yield Commit(
        Change(
            tenant=setting.tenant,
            records=(trail.resolved(approval, outcome, why, at=now, span_id=span[:16]),),
            update=Update(approval=after, from_version=approval.version, from_state=approval.state),
            announce=approval.id,
        )
    )


def record_repeat(setting: Setting, trail: Trail, approval: Approval) -> Flow[None]:
    """The call came again although it is over: an agent in a loop, or a replay, is visible."""
    ran = approval.state in (State.EXECUTING, State.EXECUTED, State.INDETERMINATE)
    now: float = yield Now()
    span: str = yield NewId()
    why = "replay" if ran else f"already_{approval.state.value}"
    record = trail.not_run(Outcome.DENIED, why, at=now, span_id=span[:16])
    yield Commit(Change(tenant=setting.tenant, records=(record,)))


def refused(setting: Setting, approval: Approval, call: str) -> Flow[NotAllowedError]:
    """The error for an approval that did not end in a yes. The model is told only of a proposal the service signed."""
    if approval.proposal is not None:
        grant = approval.grant
        signed = grant is not None and grant.payload == resolution_payload(approval)
        if grant is not None and signed:
            try:
                yield CheckGrant(grant)
            except InvalidatedError:
                signed = False
        if not signed:
            approval = replace(approval, proposal=None)
    return _refusal(setting, approval, call)


def _refusal(setting: Setting, approval: Approval, call: str) -> NotAllowedError:
    """The error for an approval as it says itself that it ended."""
    name, state = setting.tool.name, approval.state
    if state is State.DENIED:
        return DeniedError(
            f"the call of {name!r} was denied by an approver; it did not run",
            code="denied_by_person",
            model_text="A person reviewed this call and said no. It did not run. Do not retry it.",
            call_id=call,
        )
    if state is State.SUPERSEDED and approval.proposal is not None:
        wanted = canonical(approval.proposal).decode()
        return DeniedError(
            f"an approver asks for other arguments of {name!r} instead; the call did not run",
            code="superseded",
            model_text=f"This call did not run. An approver asks for it with these arguments instead: {wanted}",
            call_id=call,
        )
    if state in (State.EXECUTING, State.EXECUTED, State.INDETERMINATE):
        return ReplayError(f"this call of {name!r} was already carried out; it did not run again", call_id=call)
    return DeniedError(
        f"the approval of {name!r} is {state.value}; the call did not run", code=state.value, call_id=call
    )


def decided(trail: Trail, judged: Judged, outcome: Outcome, at: float, stands: Basis | None = None) -> Draft:
    draft = trail.decided(
        judged.decision,
        outcome,
        at=at,
        basis=(stands.reason_code, stands.use.act) if stands is not None else None,
        args_digest=judged.args_digest,
        present=judged.present,
        masked=judged.masked,
        released=judged.released,
        revealed=judged.revealed,
        origins=judged.provenance.origins,
        environment=judged.environment,
        utc_offset=judged.utc_offset,
    )
    if not (trail.scope.content or trail.scope.keep):
        return draft
    redacted = apply_findings(judged.arguments.data, merge_findings(judged.present), lambda f, _: f"<{f.type}>")
    return with_content(draft, trail.scope, "gen_ai.tool.call.arguments", redacted)


def check_frozen(setting: Setting, registers: Registers, call: str) -> None:
    """Raises DeniedError if a freeze holds the caller's agent."""
    freeze = registers.frozen(setting.scope.caller.agent)
    if freeze is not None:
        raise DeniedError(
            f"calls of agent {setting.scope.caller.agent!r} are frozen ({freeze.id!r}); none runs until a second person "
            "lifts it (toolguard freeze lift)",
            code="frozen",
            model_text="This agent is frozen. The call did not run, and no other will. Stop, and tell the user.",
            call_id=call,
        )
