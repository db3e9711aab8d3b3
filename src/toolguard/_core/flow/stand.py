"""What stands beyond single approvals: freezes, standing approvals and broken glass, as the register has them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict

from toolguard._core.approver import ApproverRule
from toolguard._core.audit import Outcome
from toolguard._core.call import Assurance, Json, canonical, keyed_digest
from toolguard._core.flow.denial import denied_before
from toolguard._core.flow.judge import at
from toolguard._core.flow.setting import Basis, Flow, Judged, Setting
from toolguard._core.policy import Effect
from toolguard._core.register import BreakGlass, Registers, StandingApproval
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard._core.steps import CountUses, LookUp, Now, ReadRegister, Requester, Use

__all__ = [
    "GLASS_CLASSES",
    "GLASS_USES",
    "arg_digests",
    "basis",
    "may_break",
    "rules_digest",
    "subject_of",
]

GLASS_CLASSES = frozenset({RiskClass.READ, RiskClass.WRITE})
"""What broken glass lets through: reading and writing. Never an export, a deletion, a payment or a privilege."""
GLASS_USES = 200


def arg_digests(key: bytes, data: Json) -> dict[str, str]:
    """A keyed digest of each argument, to tell whether two calls differ in it."""
    if not isinstance(data, Mapping):
        return {"": keyed_digest(key, "toolguard.arg", canonical(data))}
    return {name: keyed_digest(key, "toolguard.arg", name.encode(), canonical(value)) for name, value in data.items()}


def subject_of(setting: Setting, judged: Judged) -> str:
    """A keyed digest of the patient the call concerns; ``""`` where the policy does not say, or the call does not.

    Of the very text: ``7*`` and ``7, 8`` are not ``7`` to a tool that searches or takes several.
    """
    name = setting.plan.rule.subject
    value = at(judged.arguments.data, name) if name else None
    if value is None or isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        return ""
    return keyed_digest(setting.scope.digest_key, "toolguard.subject", str(value).encode())


def rules_digest(rules: tuple[ApproverRule, ...]) -> str:
    """Which approver rules a yes was given under (names, members, stages and limits)."""
    return hashlib.sha256(canonical([asdict(rule) for rule in rules])).hexdigest()


def may_break(risk: Risk) -> bool:
    """Whether broken glass can let a call of this risk through."""
    return risk.classes <= GLASS_CLASSES


def basis(setting: Setting, judged: Judged) -> Flow[Basis | None]:
    """What already lets this call run, if anything does. The claim looks again.

    A remote guard knows only its own uses: those of all are counted at the service, which gives out each.
    """
    registers: Registers = yield ReadRegister(fresh=True)
    if not registers.tenant.standing and not registers.tenant.glass:
        return None
    rules = judged.decision.approver_rules
    verified = setting.scope.caller.assurance is Assurance.VERIFIED
    if not rules or not (verified or not any(rule.verified_requester for rule in rules)):
        return None
    requester: Requester | None = yield LookUp(setting.scope.caller, rules)
    if requester is None:
        return None
    now: float = yield Now()
    for standing in registers.tenant.standing.values():
        if registers.holds(standing.id) and _covers(standing, setting, judged, requester, now):
            if (yield from denied_before(setting, judged, requester, now)):
                break
            used: int = yield CountUses(standing.id)
            if used < standing.terms.uses:
                use = Use(act=standing.id, most=standing.terms.uses, until=standing.expires)
                return Basis(use=use, outcome=Outcome.ALLOWED, reason_code="standing_approval")
    subject = subject_of(setting, judged)
    for glass in registers.tenant.glass.values():
        if verified and registers.holds(glass.id) and _reaches(glass, setting, judged, requester, subject, now):
            use = Use(act=glass.id, most=GLASS_USES, until=glass.expires)
            return Basis(use=use, outcome=Outcome.BREAK_GLASS, reason_code="break_glass")
    return None


def _covers(standing: StandingApproval, setting: Setting, judged: Judged, requester: Requester, now: float) -> bool:
    caller, risk = setting.scope.caller, judged.decision.risk
    return (
        standing.begins <= now < standing.expires
        and (standing.person, standing.agent) == (requester.person, caller.agent)
        and (not standing.terms.session_only or standing.session == setting.scope.session)
        and standing.tool_ref == setting.tool.identity.ref
        and not setting.plan.rule.references  # what they hold may differ each time: somebody looks each time
        and RiskLevel.CRITICAL > risk.level <= standing.level
        and standing.rules == rules_digest(judged.decision.approver_rules)
        and risk.classes <= standing.classes
        and _asking(judged) <= standing.asked_by
        and requester.excluded.isdisjoint(standing.approvers)
        and not _opens(standing, setting.plan.rule.decisive)
        and _alike(standing, setting.scope.digest_key, judged.arguments.data)
    )


def _asking(judged: Judged) -> frozenset[str]:
    """The policy rules that ask for an approval of this call."""
    return frozenset(f.id for f in judged.decision.fired if not f.shadow and f.effect is Effect.REQUIRE_APPROVAL)


def _opens(standing: StandingApproval, decisive: tuple[str, ...]) -> bool:
    """Whether it lets an argument be anything that decides the call, also one that held nothing when it was given."""
    deciding = {name.partition(".")[0] for name in decisive}
    return any(v.at_most is None and v.argument in deciding for v in standing.terms.vary)


def _alike(standing: StandingApproval, key: bytes, data: Json) -> bool:
    """Whether every argument is the one that was approved, or one that may differ, within its limit."""
    if not isinstance(data, Mapping):
        return False
    digests = arg_digests(key, data)
    vary = {v.argument: v.at_most for v in standing.terms.vary}
    if set(digests) != set(standing.fixed) | set(vary):
        return False
    for name, digest in digests.items():
        if name not in vary:
            if standing.fixed.get(name) != digest:
                return False
        elif (most := vary[name]) is not None:
            value = data[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                return False
    return True


def _reaches(
    glass: BreakGlass, setting: Setting, judged: Judged, requester: Requester, subject: str, now: float
) -> bool:
    return (
        bool(subject)
        and glass.subject == subject
        and glass.begins <= now < glass.expires
        and (glass.person, glass.agent) == (requester.person, setting.scope.caller.agent)
        and may_break(judged.decision.risk)
        and judged.decision.risk.level < RiskLevel.CRITICAL  # the service confirms each of those
        and all(rule.break_glass for rule in judged.decision.approver_rules)
    )
