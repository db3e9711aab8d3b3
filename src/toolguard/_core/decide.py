"""Deciding: the most restrictive of every rule that matches a call, with the default underneath."""

from __future__ import annotations

from toolguard._core.approver import ApproverRule
from toolguard._core.condition import ConditionError, Facts
from toolguard._core.frozen import maker
from toolguard._core.history import NO_HISTORY, Near, Patients
from toolguard._core.policy import Decision, Effect, Fired, Mode, Obligations, Policy, Rule, ToolPlan
from toolguard._core.risk import Risk
from toolguard._core.toolrule import Handling, stricter

__all__ = ["decide"]

_make_decision, _make_obligations, _make_fired = maker(Decision), maker(Obligations), maker(Fired)


def decide(policy: Policy, plan: ToolPlan, facts: Facts) -> Decision:
    """The most restrictive of every rule that matches, with the default underneath.

    An explicit allow replaces the default, never another rule. A rule that cannot be evaluated counts as
    matched. The same facts always give the same decision, whatever the order of the rules.
    """
    hits, near = _matching(policy, plan, facts)
    effect, reason = _default(policy, plan, facts.risk)
    default = effect
    fired: tuple[Fired, ...] = ()
    if hits:
        fired = tuple(sorted((f for _, f in hits), key=lambda f: (-f.effect, f.id)))
        hits = [hit for hit in hits if not hit[1].shadow]
    if hits:
        live = [f for _, f in hits]
        if reason == "default" and any(f.effect is Effect.ALLOW for f in live):
            default = Effect.ALLOW
        effect = max(default, *(f.effect for f in live))
        top = max(f.effect for f in live)
        if top is effect:
            reason = "rule_error" if any(f.error and f.effect is top for f in live) else "rule"
    enforced, reason_code = effect, reason
    if policy.mode is Mode.SHADOW and effect > Effect.MASK:
        enforced, reason_code = Effect.MASK, "shadow"
    return _make_decision(
        effect=enforced,
        reason_code=reason_code,
        risk=facts.risk,
        fired=fired,
        obligations=_obligations(plan, hits, default),
        approver_rules=_approvers(policy, hits) if enforced is Effect.REQUIRE_APPROVAL else (),
        policy_id=policy.id,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        would=effect,
        history=facts.history if facts.history.known else NO_HISTORY,
        near=tuple(dict.fromkeys(limit for limit, _ in near)) if near else (),
        never=tuple(dict.fromkeys(n for n, e in near if e is Effect.DENY and isinstance(n, Patients))) if near else (),
    )


def _matching(
    policy: Policy, plan: ToolPlan, facts: Facts
) -> tuple[list[tuple[Rule, Fired]], list[tuple[Near, Effect]]]:
    """Every rule that matches, with what it asks for; and what keeps others from matching for now."""
    hits: list[tuple[Rule, Fired]] = []
    near: list[tuple[Near, Effect]] = []
    for rule in plan.candidates(facts.risk.classes) if plan.by_category else plan.always:
        if rule.match.holds(facts):
            past = rule.match.past
            met = True if past is None else past.met(facts.history)
            if met is False:
                near += _near(policy, rule, facts)
                continue
            hit = _fire(rule, facts, "" if met else "history_unread")
            if hit is not None:
                hits.append((rule, hit))
    return hits, near


def _default(policy: Policy, plan: ToolPlan, risk: Risk) -> tuple[Effect, str]:
    if plan.drifted:
        return Effect.DENY, "drift"
    if not plan.known:
        return policy.defaults.unknown_tool, "unknown_tool"
    return policy.defaults.by_risk.get(risk.level, Effect.DENY), "default"


def _near(policy: Policy, rule: Rule, facts: Facts) -> list[tuple[Near, Effect]]:
    """What keeps ``rule`` from matching for now, where it would bind, and what it would then ask for."""
    if rule.match.past is None or rule.shadow or policy.mode is Mode.SHADOW or rule.effect is Effect.ALLOW:
        return []
    near = rule.match.past.near(facts.history)
    return [(near, rule.effect)] if near is not None and _fire(rule, facts) is not None else []


def _fire(rule: Rule, facts: Facts, unread: str = "") -> Fired | None:
    """What the rule asks for, if its condition holds too. ``unread`` is why the rest could not be told."""
    error: str | None = unread or None
    effect = max(rule.effect, rule.on_error) if unread else rule.effect
    if rule.when is not None:
        try:
            if not rule.when.holds(facts):
                return None
        except ConditionError as failure:
            error = failure.code
            effect = max(rule.effect, rule.on_error)
    return _make_fired(
        id=rule.id,
        because=rule.because,
        effect=effect,
        line=rule.line,
        shadow=rule.shadow,
        error=error,
        controls=rule.controls,
    )


def _obligations(plan: ToolPlan, matched: list[tuple[Rule, Fired]], default: Effect) -> Obligations:
    """What the matching rules and the default ask for, together.

    Where the effect is ``mask`` the result is masked, and the arguments that are named are withheld; if neither
    arguments nor the result are named, every argument is.
    """
    args: dict[str, Handling] = {}
    results = plan.rule.results
    if default is Effect.MASK:
        args["*"] = results = Handling.MASK
    for rule, fired in matched:
        for name, handling in rule.args.items():
            args[name] = stricter(args.get(name, handling), handling)
        if rule.results is not None:
            results = stricter(results, rule.results)
        if Effect.MASK in (rule.effect, fired.effect):  # also where it could not be told, and asks for more besides
            results = Handling.MASK
            if not rule.args and rule.results is None:
                args["*"] = Handling.MASK
    if not matched:
        return _make_obligations(args=args, results=results)
    rules = [rule for rule, _ in matched]
    return _make_obligations(
        args=args,
        results=results,
        max_result_chars=min((r.max_result_chars for r in rules if r.max_result_chars is not None), default=None),
        max_results=min((r.max_results for r in rules if r.max_results is not None), default=None),
        log="full" if any(r.log == "full" for r in rules) else "minimal",
    )


def _approvers(policy: Policy, hits: list[tuple[Rule, Fired]]) -> tuple[ApproverRule, ...]:
    """Every approver rule a matched rule asks for; a rule that names none asks for the default one."""
    asked = [rule for rule, fired in hits if fired.effect is Effect.REQUIRE_APPROVAL and not fired.shadow]
    names = {rule.approval or policy.defaults.approval for rule in asked} or {policy.defaults.approval}
    return tuple(policy.approvals[n] for n in sorted(names) if n in policy.approvals)
