"""Asking a person: find or make the approval of one call, wait, and check what came of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from toolguard._core.approval import (
    Approval,
    Request,
    State,
    is_expired,
    is_granted,
    request_digest,
    resolution_payload,
)
from toolguard._core.audit import Outcome
from toolguard._core.call import Assurance, Json, canonical
from toolguard._core.flow.contents import contents
from toolguard._core.flow.denial import denied_before, target_of
from toolguard._core.flow.ends import check_frozen, decided, expire, invalidate, record_repeat, refused, transition
from toolguard._core.flow.judge import at
from toolguard._core.flow.setting import Flow, Judged, Setting, Suspension
from toolguard._core.flow.stand import arg_digests, may_break, subject_of
from toolguard._core.flow.view import decisive, masked_reason, view
from toolguard._core.policy import Decision
from toolguard._core.records import Trail, counts
from toolguard._core.register import Registers
from toolguard._core.risk import RiskLevel
from toolguard._core.steps import (
    Await,
    Cap,
    Change,
    CheckGrant,
    Commit,
    Find,
    LookUp,
    NewId,
    Now,
    ReadRegister,
    Requester,
    Seal,
    SealDecisive,
)
from toolguard._core.verdicts import tally
from toolguard.errors import (
    ConflictError,
    DeniedError,
    InvalidatedError,
    LimitError,
    ReplayError,
    Suspended,
)

__all__ = ["ask", "void_after_denial"]


def ask(setting: Setting, trail: Trail, judged: Judged) -> Flow[tuple[Trail, Approval]]:
    """The approval of this one call once it stands at yes, and the trail it belongs to.

    Raises:
        Suspended: nobody has decided yet and the mode is to raise.
        NotAllowedError: it ended in anything but a yes that holds now.
    """
    approval: Approval | None = yield Find(setting.ref)
    asked = approval is not None
    if approval is None:
        approval = yield from _request(setting, trail, judged)
    trail = _resumed(trail, approval.request)
    if asked:
        yield from _requester(setting, trail, approval)
    if approval.request.view_digest != request_digest(setting.scope.digest_key, approval.request):
        yield from invalidate(setting, trail, approval, "view_changed")
    if approval.request.call_digest != judged.call_digest:
        yield from invalidate(setting, trail, approval, "arguments_changed")
    same_rules = approval.request.approver_rules == judged.decision.approver_rules
    if not same_rules and approval.state is not State.EXECUTED:  # what ran is told so: a new call would run it twice
        yield from invalidate(setting, trail, approval, "policy_changed")
    now: float = yield Now()
    if approval.state is State.PENDING and not is_expired(approval, now):
        approval = yield from _wait(setting, trail, approval)
        now = yield Now()
    if is_expired(approval, now):
        yield from expire(setting, trail, approval)
    if approval.state is State.EXECUTED and setting.replays and same_rules:
        return trail, approval
    if not is_granted(approval.state):
        yield from record_repeat(setting, trail, approval)
        raise (yield from refused(setting, approval, trail.call))
    yield from _check_grant(setting, trail, approval, judged)
    return trail, approval


def _resumed(trail: Trail, request: Request) -> Trail:
    """However often a call is made again, it stays one call: its records hang from its first judgement."""
    scope = replace(trail.scope, trace_id=request.trace_id)
    base: dict[str, Json] = {
        **trail.base,
        "toolguard.call.id": request.call,
        "toolguard.approval.id": request.id,
        "toolguard.approval.requested_at": request.created,
    }
    if trail.scope.parent_id and trail.scope.trace_id != request.trace_id:
        # another trace than the one that asked: its span is linked from whatever happens now
        base |= {"toolguard.resumed.trace_id": trail.scope.trace_id, "toolguard.resumed.span_id": trail.scope.parent_id}
    return replace(trail, scope=scope, call=request.call, span_id=request.call[:16], base=base)


def _request(setting: Setting, trail: Trail, judged: Judged) -> Flow[Approval]:
    decision, scope, tool = judged.decision, setting.scope, setting.tool
    requester: Requester | None = yield LookUp(scope.caller, decision.approver_rules)
    now: float = yield Now()
    lacking = _nobody(decision, requester, setting)
    if lacking or requester is None:
        refusal = decided(trail, judged, Outcome.DENIED, now)
        yield Commit(Change(tenant=setting.tenant, records=(refusal,)))
        raise DeniedError(
            f"the call of {tool.name!r} needs approval, but {lacking}, so it did not run",
            code="undeliverable",
            call_id=trail.call,
        )
    if (yield from denied_before(setting, judged, requester, now)):
        refusal = trail.refused("denied_before", at=now)
        yield Commit(Change(tenant=setting.tenant, records=(refusal,)))
        raise DeniedError(
            f"a person said no to this call of {tool.name!r} a short while ago; it was not asked again and did not run",
            code="denied_before",
            model_text="A person reviewed this call and said no. It did not run. Do not retry it.",
            call_id=trail.call,
        )
    registers: Registers = yield ReadRegister(fresh=True)
    try:
        check_frozen(setting, registers, trail.call)
    except DeniedError:
        yield Commit(Change(tenant=setting.tenant, records=(trail.refused("frozen", at=now),)))
        raise
    editors = registers.tenant.editors.get(setting.ref.run, frozenset[str]())
    request_id: str = yield NewId()
    span: str = yield NewId()
    sealed: bytes = yield Seal(judged.arguments.canonical, f"{setting.tenant}/request/{request_id}")
    deciding, hidden = decisive(setting.plan, judged)
    clear = canonical({name: at(judged.arguments.data, name) for name in hidden})
    shut: bytes = (yield SealDecisive(clear, f"{setting.tenant}/decisive/{request_id}")) if hidden else b""
    bound, unbound = yield from contents(setting, judged)
    shown = yield from view(judged)
    reason = yield from masked_reason(setting.agent_reason)
    rules = decision.approver_rules
    request = Request(
        id=request_id,
        tenant=setting.tenant,
        session=scope.session,
        call=trail.call,
        ref=setting.ref,
        tool=tool.name,
        tool_ref=tool.identity.ref,
        args_digest=judged.args_digest,
        call_digest=judged.call_digest,
        view=shown,
        view_digest="",
        decisive=deciding,
        sealed=sealed,
        requester=scope.caller.person,
        requester_person=requester.person,
        assurance=scope.caller.assurance,
        agent=scope.caller.agent,
        excluded=requester.excluded | editors,
        policy_id=decision.policy_id,
        policy_version=decision.policy_version,
        policy_sha256=decision.policy_sha256,
        rules=decision.rule_ids,
        because=decision.because,
        risk_class=decision.risk.risk_class.value,
        risk_level=decision.risk.level.label,
        risk_classes=tuple(sorted(decision.risk.classes)),
        evidence=tuple(e.text for e in decision.risk.evidence),
        approver_rules=rules,
        agent_reason=reason,
        created=now,
        expires=now + min(r.expires for r in rules),
        claim_ttl=min(r.claim_ttl for r in rules),
        trace_id=scope.trace_id,
        span_id=span[:16],
        bound=bound,
        unbound=unbound,
        entities={k: int(n) for k, n in (c.rsplit(":", 1) for c in counts(f.type for f in judged.present))},
        hidden=hidden,
        sealed_decisive=shut,
        target=target_of(setting, judged),
        subject=subject_of(setting, judged),
        arg_digests=arg_digests(scope.digest_key, judged.arguments.data),
        fallback=requester.fallback,
    )
    request = replace(request, view_digest=request_digest(scope.digest_key, request))
    records = (decided(trail, judged, Outcome.PENDING, now), trail.requested(request, span_id=request.span_id))
    caps = (
        Cap(by="run", value=setting.ref.run, most=setting.policy.defaults.per_run, since=now - _HOUR),
        Cap(by="person", value=requester.person, most=setting.policy.defaults.per_person, since=now - _HOUR),
    )
    try:
        yield Commit(Change(tenant=setting.tenant, records=records, create=request, caps=caps))
    except LimitError:
        yield Commit(Change(tenant=setting.tenant, records=(trail.refused("request_cap", at=now),)))
        raise DeniedError(
            f"the call of {tool.name!r} needs approval, but this run or person has asked too often within the hour; "
            "it did not run",
            code="request_cap",
            model_text="Too many approvals were asked for. This call did not run. Stop asking and tell the user.",
            call_id=trail.call,
        ) from None
    except ConflictError:
        # another worker asked for the same call at the same moment, or it has already run
        found: Approval | None = yield Find(setting.ref)
        if found is None or found.request.call_digest != request.call_digest:
            raise ReplayError(
                f"this call of {tool.name!r} was already carried out or tried once; it did not run again",
                call_id=trail.call,
            ) from None
        yield from _requester(setting, _resumed(trail, found.request), found)
        return found
    return Approval(request=request, changed=now)


_HOUR = 3600.0


def _nobody(decision: Decision, requester: Requester | None, setting: Setting) -> str:
    """Why nobody could approve this, or ``""``."""
    if not decision.approver_rules:
        return "the policy names no approvers for it (add approvals.default)"
    if requester is None:
        return "the requester is not in the directory (add the person and this identity to it)"
    if decision.risk.level is RiskLevel.CRITICAL and not setting.confirms:
        return (
            "a critical call is confirmed with the approval service before it runs, and none can be asked "
            "(set [service] token, or confirm = 'never' to do without)"
        )
    if decision.risk.level is RiskLevel.CRITICAL and not setting.apart:
        return (
            "a critical call needs an approval service this process cannot speak for, and its key, witness, tokens or "
            "directory are within reach (run the service as another user, or accept it: [service] separation = 'waived')"
        )
    for rule in decision.approver_rules:
        if rule.verified_requester and setting.scope.caller.assurance != "verified":
            return f"approval {rule.name!r} demands a verified requester (open the session with verify_caller)"
        if requester.reachable.get(rule.name, 0) < max(1, rule.quorum):
            return f"approval {rule.name!r} has fewer eligible approvers than its quorum of {rule.quorum}"
    return ""


def _wait(setting: Setting, trail: Trail, approval: Approval) -> Flow[Approval]:
    if setting.suspension is Suspension.BLOCK:
        approval = yield Await(approval.id)
        if approval.state is not State.PENDING:
            return approval
        if setting.on_wait_timeout != "suspend":
            return (yield from _withdraw(setting, trail, approval))
    raise Suspended(
        f"the call of {setting.tool.name!r} waits for approval {approval.id!r}; make the same call again once it is decided",
        approval_id=approval.id,
        call_digest=approval.request.call_digest,
        tool=setting.tool.name,
        expires_at=approval.request.expires,
    )


def _withdraw(setting: Setting, trail: Trail, approval: Approval) -> Flow[Approval]:
    """Nobody answered within the bound: take the question back, so that a late yes cannot mislead."""
    now: float = yield Now()
    if is_expired(approval, now):
        return approval
    try:
        yield from transition(setting, trail, approval, State.WITHDRAWN, Outcome.WITHDRAWN, "wait_timeout")
    except ConflictError:
        found: Approval | None = yield Find(setting.ref)
        return found or approval
    raise DeniedError(
        f"nobody decided the call of {setting.tool.name!r} in time; the request was withdrawn and the call did not run",
        code="wait_timeout",
        model_text="Nobody approved this call in time, so it did not run.",
        call_id=trail.call,
    )


def _requester(setting: Setting, trail: Trail, approval: Approval) -> Flow[Requester]:
    """Who asks now, if it is who asked then: nobody else runs on their approval, voids it or gets what it gave."""
    requester: Requester | None = yield LookUp(setting.scope.caller, approval.request.approver_rules)
    if requester is None:
        yield from invalidate(setting, trail, approval, "requester")
    elif requester.person != approval.request.requester_person or _only_named(setting, approval):
        yield from _not_theirs(setting, trail)
    else:
        return requester
    raise DeniedError(
        f"approval {approval.id!r} was asked for by another person, or by one who had proved who they are; the call "
        "did not run",
        code="requester",
        call_id=trail.call,
    )


def _not_theirs(setting: Setting, trail: Trail) -> Flow[None]:
    """On record beside the call's one judgement, which somebody else's attempt is not."""
    now: float = yield Now()
    span: str = yield NewId()
    record = trail.not_run(Outcome.DENIED, "requester", at=now, span_id=span[:16])
    yield Commit(Change(tenant=setting.tenant, records=(record,)))


def _only_named(setting: Setting, approval: Approval) -> bool:
    """Whether the application only says who this is, where it has to be proved."""
    needed = approval.state is State.BREAK_GLASS or any(r.verified_requester for r in approval.request.approver_rules)
    return needed and setting.scope.caller.assurance is not Assurance.VERIFIED


def _check_grant(setting: Setting, trail: Trail, approval: Approval, judged: Judged) -> Flow[None]:
    """The yes must hold without trusting the row it was read from: signed, for this, by persons who may."""
    if approval.grant is None:
        yield from invalidate(setting, trail, approval, "unsigned")
    else:
        try:
            yield CheckGrant(approval.grant)
        except InvalidatedError:
            yield from invalidate(setting, trail, approval, "signature")
        if approval.grant.payload != resolution_payload(approval):
            yield from invalidate(setting, trail, approval, "signature")
    requester = yield from _requester(setting, trail, approval)
    registers: Registers = yield ReadRegister()
    if approval.id in registers.tenant.void:
        yield from invalidate(setting, trail, approval, "void")
    if approval.state is State.BREAK_GLASS:
        if not (yield from _glass_holds(approval, judged)):
            yield from invalidate(setting, trail, approval, "break_glass")
    else:
        request = replace(approval.request, excluded=approval.request.excluded | requester.excluded)
        if tally(replace(approval, request=request)) is not State.APPROVED:
            yield from invalidate(setting, trail, approval, "not_eligible")


def _glass_holds(approval: Approval, judged: Judged) -> Flow[bool]:
    """Whether the register has the act that broke the glass for this very request."""
    now: float = yield Now()
    for fresh in (False, True):
        registers: Registers = yield ReadRegister(fresh=fresh)
        for glass in registers.tenant.glass.values():
            if glass.approval == approval.id:
                return (
                    glass.call_digest == approval.request.call_digest
                    and glass.person == approval.request.requester_person
                    and now < glass.expires
                    and may_break(judged.decision.risk)
                )
    return False


def void_after_denial(setting: Setting, trail: Trail) -> Flow[None]:
    """The policy now says no: whatever was asked or approved for this call is void."""
    approval: Approval | None = yield Find(setting.ref)
    if approval is not None and (approval.state is State.PENDING or is_granted(approval.state)):
        requester: Requester | None = yield LookUp(setting.scope.caller, ())
        if requester is None or requester.person != approval.request.requester_person:
            return  # a no to one person says nothing about another's call
        with suppress(InvalidatedError):  # the denial itself is raised by the caller
            yield from invalidate(setting, _resumed(trail, approval.request), approval, "policy_changed")
