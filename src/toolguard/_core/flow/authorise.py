"""Judging a call, and asking a person where the policy says so: the first half."""

from __future__ import annotations

from toolguard._core.approval import Approval
from toolguard._core.audit import Outcome
from toolguard._core.flow.ask import ask, void_after_denial
from toolguard._core.flow.ends import check_frozen, decided
from toolguard._core.flow.judge import judge
from toolguard._core.flow.setting import Flow, Judged, Permit, Setting
from toolguard._core.flow.stand import basis
from toolguard._core.frozen import maker
from toolguard._core.policy import Effect
from toolguard._core.records import Trail
from toolguard._core.register import Registers
from toolguard._core.steps import (
    NEW_ID,
    NOW,
    READ_REGISTER,
    Change,
    Commit,
    Find,
    ReadRegister,
)
from toolguard.errors import (
    DeniedError,
    NotAllowedError,
    Suspended,
    ToolguardError,
)

__all__ = ["authorise", "deny"]

_make_permit = maker(Permit)


def authorise(setting: Setting, raw: object) -> Flow[Permit]:
    """Judge a call and, if it may run now, give the permit for it.

    Raises:
        NotAllowedError: it may not run; that is recorded.
        Suspended: it waits for a person; that is recorded.
        BadArgumentsError, DetectionError: it could not be judged; that is recorded as a denial.
        StoreError: nothing could be recorded, so nothing runs.
    """
    started: float = yield NOW
    call: str = yield NEW_ID
    trail = Trail.begin(
        setting.scope, setting.tool, setting.ref, call=call, started=started, policy=setting.policy.sha256
    )
    try:
        registers: Registers = yield READ_REGISTER
        if registers.frozen(setting.scope.caller.agent) is not None:  # it may have been lifted
            registers = yield ReadRegister(fresh=True)
            check_frozen(setting, registers, call)
        judged = yield from judge(setting, raw)
    except ToolguardError as fault:
        yield from _record_refusal(setting, trail, fault.code)
        raise
    except Exception as fault:  # noqa: BLE001 - whatever failed, nothing runs
        yield from _record_refusal(setting, trail, "internal_error", type(fault).__name__)
        raise DeniedError(
            f"the call of {setting.tool.name!r} could not be judged ({type(fault).__name__}), so it did not run; "
            "see the audit trail and mend the detector, analyser or policy that failed",
            code="internal_error",
            call_id=call,
        ) from None
    decision = judged.decision
    if decision.effect is Effect.DENY:
        yield from deny(setting, trail, judged)
    if decision.effect is Effect.REQUIRE_APPROVAL:
        try:
            stands = yield from basis(setting, judged)
            if stands is not None:
                found: Approval | None = yield Find(setting.ref)
                if found is None:
                    at: float = yield NOW
                    record = decided(trail, judged, stands.outcome, at, stands)
                    return Permit(trail=trail, judged=judged, pending=(record,), basis=stands)
            trail, approval = yield from ask(setting, trail, judged)
        except (NotAllowedError, Suspended):
            raise  # on record already
        except ToolguardError as fault:
            yield from _record_refusal(setting, trail, fault.code)
            raise
        return Permit(trail=trail, judged=judged, pending=(), approval=approval)
    now: float = yield NOW
    return _make_permit(trail=trail, judged=judged, pending=(decided(trail, judged, Outcome.ALLOWED, now),))


def _record_refusal(setting: Setting, trail: Trail, code: str, error_type: str = "") -> Flow[None]:
    at: float = yield NOW
    yield Commit(Change(tenant=setting.tenant, records=(trail.refused(code, at=at, error_type=error_type),)))


def deny(setting: Setting, trail: Trail, judged: Judged) -> Flow[None]:
    """Record that the policy refuses the call, and say so."""
    decision = judged.decision
    yield from void_after_denial(setting, trail)
    at: float = yield NOW
    yield Commit(Change(tenant=setting.tenant, records=(decided(trail, judged, Outcome.DENIED, at),)))
    rules = ", ".join(repr(r) for r in decision.rule_ids) or decision.reason_code
    raise DeniedError(
        f"the call of {setting.tool.name!r} was denied by policy {decision.policy_id!r} ({rules}): {decision.because}",
        code=decision.reason_code if not decision.rule_ids else "denied",
        call_id=trail.call,
    )
