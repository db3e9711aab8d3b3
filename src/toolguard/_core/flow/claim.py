"""Claiming: the last look at what stands against a call, in the very moment it is taken."""

from __future__ import annotations

from collections.abc import Callable

from toolguard._core.audit import Outcome
from toolguard._core.flow.ends import check_frozen, invalidate
from toolguard._core.flow.setting import Flow, Permit, Setting
from toolguard._core.register import Heads, Registers
from toolguard._core.risk import RiskLevel
from toolguard._core.steps import (
    NEW_ID,
    NOW,
    Change,
    Commit,
    Confirm,
    ReadRegister,
    make_commit,
)
from toolguard.errors import (
    ConflictError,
    DeniedError,
    InvalidatedError,
    RegisterMovedError,
    ToolguardError,
)

__all__ = ["abandon", "commit_claim"]

_LOOKS = 8


def commit_claim(setting: Setting, permit: Permit, change: Callable[[Heads], Change]) -> Flow[None]:
    """Claim under the register as the store has it in that very moment: ``change`` under its heads.

    Raises:
        ConflictError: the claim is lost.
    """
    for look in range(_LOOKS):
        registers: Registers = yield ReadRegister(fresh=look > 0)
        yield from _check_stands(setting, permit, registers)
        if look == 0:
            yield from _confirm(setting, permit)
        try:
            yield make_commit(change(registers.heads))
        except RegisterMovedError:
            continue
        except ConflictError:
            raise
        except ToolguardError as fault:
            if setting.remote and permit.basis is not None:  # the service gave no use of it out
                yield from abandon(setting, permit, Outcome.DENIED, fault.code)
            raise
        return
    yield from abandon(setting, permit, Outcome.DENIED, "register_moved")
    raise DeniedError(
        "the register of acts changes faster than a call can be claimed; it did not run, make it again",
        code="register_moved",
        call_id=permit.trail.call,
    )


def _confirm(setting: Setting, permit: Permit) -> Flow[None]:
    """A critical call is claimed only while the approval service, asked now, stands by its approval; of a remote guard, every
    approved one.
    """
    approval = permit.approval
    if approval is None or not (setting.remote or approval.request.risk_level == RiskLevel.CRITICAL.label):
        return
    try:
        yield Confirm(approval)
    except InvalidatedError:
        yield from invalidate(setting, permit.trail, approval, "not_confirmed")
    except ConflictError:
        raise
    except ToolguardError as fault:
        yield from abandon(setting, permit, Outcome.DENIED, fault.code)
        raise


def _check_stands(setting: Setting, permit: Permit, registers: Registers) -> Flow[None]:
    """Nothing that was done meanwhile stands against this call."""
    approval, stands = permit.approval, permit.basis
    try:
        check_frozen(setting, registers, permit.trail.call)
    except DeniedError:
        yield from abandon(setting, permit, Outcome.DENIED, "frozen")
        raise
    if approval is not None and approval.id in registers.tenant.void:
        yield from invalidate(setting, permit.trail, approval, "void")
    if stands is None:
        return
    act = stands.use.act
    if not registers.holds(act):
        yield from abandon(setting, permit, Outcome.REVOKED, "revoked")
        raise InvalidatedError(
            f"the standing approval for {setting.tool.name!r} was revoked; the call did not run, make it again to ask",
            call_id=permit.trail.call,
        )


def abandon(setting: Setting, permit: Permit, outcome: Outcome, why: str) -> Flow[None]:
    """Write down that a permitted call did not run. Its approval, if it has one, stays as it is."""
    at: float = yield NOW
    span: str = yield NEW_ID
    records = (*permit.pending, permit.trail.not_run(outcome, why, at=at, span_id=span[:16]))
    yield Commit(Change(tenant=setting.tenant, records=records))
