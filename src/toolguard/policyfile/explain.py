"""Why a decision is what it is, told to an auditor, to an approver and to the model.

Nothing is evaluated here: a `Decision` already holds what led to it, so explaining cannot disagree with
deciding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolguard._core.call import Json
from toolguard._core.policy import ApproverRule, Decision, Effect, Handling, Policy, Rule
from toolguard.errors import DeniedError, Suspended
from toolguard.policyfile.cel import CelCondition
from toolguard.shown import Shown

__all__ = ["Explanation", "RuleNote", "approver_text", "explain", "obligations_text", "rule_notes"]

_ERRORS = {
    "missing_argument": "an argument it reads is missing",
    "wrong_type": "an argument it reads is not of the kind it expects",
    "too_much_work": "evaluating it went over the limit of iterations",
    "not_a_boolean": "it did not give yes or no",
    "evaluation": "evaluating it failed",
    "history_unread": "the time before the call could not be read",
}
_KNOWN = {
    "taint:untrusted": "This session has read text that strangers can write.",
    "label:phi": "What the arguments refer to may hold patients' data.",
    "label:untrusted": "What the arguments refer to may hold text of strangers.",
    "label:unknown": "Nobody knows what is in a file that the arguments refer to.",
}
"""What of the time before a call an approver should know."""
_EFFECTS = {
    Effect.ALLOW: "allowed",
    Effect.MASK: "allowed with masking",
    Effect.REQUIRE_APPROVAL: "waits for approval",
    Effect.DENY: "denied",
}
_MODEL = {
    Effect.ALLOW: "The call is allowed.",
    Effect.MASK: "The call is allowed; identifiers are masked.",
    Effect.REQUIRE_APPROVAL: Suspended.model_text,
    Effect.DENY: DeniedError.model_text,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleNote:
    """One rule that matched. ``reads`` are the arguments its condition looks at; ``error`` why it could not be told."""

    id: str
    because: str
    effect: str
    line: int
    shadow: bool
    error: str | None
    reads: tuple[str, ...]
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Shown):
    """A decision in words.

    Attributes:
        effect: what is enforced: ``allow``, ``mask``, ``require_approval`` or ``deny``.
        rules: every rule that matched, the most severe first, shadow rules included.
        evidence: what the classifier saw, in plain words.
        approvers: who must approve, in plain words.
        obligations: what is withheld or limited if it runs, in plain words.
        values: the arguments the rules read, by path, masked; empty if no masked view was given.
        auditor, approver, model: the three texts. The model's is constant: it names no rule and no value.
    """

    effect: str
    would: str
    reason_code: str
    policy_id: str
    policy_version: str
    policy_sha256: str
    risk: str
    rules: tuple[RuleNote, ...]
    evidence: tuple[str, ...]
    approvers: tuple[str, ...]
    obligations: tuple[str, ...] = ()
    values: dict[str, Json] = field(default_factory=dict, repr=False)
    auditor: str
    approver: str
    model: str

    def to_dict(self) -> dict[str, Json]:
        """The explanation as plain data."""
        return {
            "effect": self.effect,
            "would": self.would,
            "reason_code": self.reason_code,
            "policy": {"id": self.policy_id, "version": self.policy_version, "sha256": self.policy_sha256},
            "risk": self.risk,
            "rules": [{name: getattr(r, name) for name in RuleNote.__slots__} for r in self.rules],
            "evidence": list(self.evidence),
            "approvers": list(self.approvers),
            "obligations": list(self.obligations),
            "values": self.values,
            "texts": {"auditor": self.auditor, "approver": self.approver, "model": self.model},
        }


def explain(decision: Decision, policy: Policy, *, masked: Json = None) -> Explanation:
    """Explain ``decision``, which ``policy`` made.

    Args:
        masked: the arguments with every identifier masked; the values the rules read are shown from it.
            Never pass clear arguments.

    Raises:
        ValueError: the decision was made by another policy.
    """
    if decision.policy_sha256 != policy.sha256:
        raise ValueError("the decision was made by another policy; load the one with the decision's sha256")
    notes = rule_notes(decision, policy)
    values = dict(_values(notes, masked))
    evidence = tuple(dict.fromkeys(e.text for e in decision.risk.evidence))
    approvers = tuple(approver_text(rule) for rule in decision.approver_rules)
    return Explanation(
        effect=decision.effect.label,
        would=decision.would.label,
        reason_code=decision.reason_code,
        policy_id=decision.policy_id,
        policy_version=decision.policy_version,
        policy_sha256=decision.policy_sha256,
        risk=f"{decision.risk.risk_class.value}, {decision.risk.level.label}",
        rules=notes,
        evidence=evidence,
        approvers=approvers,
        obligations=tuple(obligations_text(decision)),
        values=values,
        auditor="\n".join(_auditor(decision, notes, evidence, approvers, values)),
        approver="\n".join(_approver(decision, evidence)),
        model=_MODEL[decision.effect],
    )


def rule_notes(decision: Decision, policy: Policy | None = None) -> tuple[RuleNote, ...]:
    """Every rule that matched. What its condition reads is known from the policy alone."""
    by_id = {} if policy is None else {r.id: r for r in policy.rules}
    return tuple(
        RuleNote(
            id=f.id,
            because=f.because,
            effect=f.effect.label,
            line=f.line,
            shadow=f.shadow,
            error=f.error,
            reads=_reads(by_id.get(f.id)),
            controls=f.controls,
        )
        for f in decision.fired
    )


def _reads(rule: Rule | None) -> tuple[str, ...]:
    return rule.when.reads if rule is not None and isinstance(rule.when, CelCondition) else ()


def _values(notes: tuple[RuleNote, ...], masked: Json) -> Iterator[tuple[str, Json]]:
    if not isinstance(masked, dict):
        return
    for path in dict.fromkeys(found[0] for n in notes for p in n.reads if (found := _ARGUMENT.search(p))):
        values = list(_at(masked, path.split(".")[1:]))
        if values:
            yield path, values if ".*" in path else values[0]


_ARGUMENT = re.compile(r"args\.[^()]+")
"""An argument, alone or in a question such as ``reveals(args.note)``."""


def _at(value: Json, steps: list[str]) -> Iterator[Json]:
    """What stands at a dotted path; ``*`` is every element of a list."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict) and step in value:
        yield from _at(value[step], rest)
    elif isinstance(value, list) and step == "*":
        for item in value:
            yield from _at(item, rest)
    elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
        yield from _at(value[int(step)], rest)


def obligations_text(decision: Decision) -> Iterator[str]:
    """What a call that runs is bound to; nothing for one that is denied."""
    bound = decision.obligations
    if decision.effect is Effect.DENY:
        return
    withheld = sorted(name for name, handling in bound.args.items() if handling is Handling.MASK)
    if "*" in withheld:
        yield "Identifiers in every argument are withheld."
    elif withheld:
        yield f"Identifiers are withheld in {', '.join(f'args.{name}' for name in withheld)}."
    yield "Its result is masked." if bound.results is Handling.MASK else "Its result goes to the model as it is."
    if bound.max_result_chars is not None:
        yield f"A result of more than {bound.max_result_chars} characters is withheld."
    if bound.max_results is not None:
        yield f"A result with more than {bound.max_results} items in a list is withheld."


def approver_text(rule: ApproverRule) -> str:
    """Who must approve, how many of them and within what time."""
    stages = [(rule.approvers, rule.quorum), *((stage.approvers, stage.quorum) for stage in rule.then)]
    said = ", then ".join(f"{'one' if count == 1 else count} of {', '.join(who)}" for who, count in stages)
    return f"{rule.name}: {said} within {_time(rule.expires)}"


def _time(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def _auditor(
    decision: Decision,
    notes: tuple[RuleNote, ...],
    evidence: tuple[str, ...],
    approvers: tuple[str, ...],
    values: dict[str, Json],
) -> Iterator[str]:
    yield f"The call {_is(decision.effect)} ({decision.reason_code})."
    if decision.effect is not decision.would:
        yield f"Outside shadow mode it would be: {_EFFECTS[decision.would]}."
    yield f"Policy {decision.policy_id!r} version {decision.policy_version}, sha256 {decision.policy_sha256}."
    yield f"Risk: {decision.risk.risk_class.value}, {decision.risk.level.label}."
    if told := ", ".join(decision.history.told()):
        yield f"Known of the time before it: {told}."
    yield from (f"  Evidence: {text}" for text in evidence)
    if not notes:
        yield f"No rule matched: {decision.because}"
    for note in notes:
        shadow = " in shadow" if note.shadow else ""
        yield f"Rule {note.id!r} (line {note.line}) asks for {note.effect}{shadow}: {note.because}"
        if note.error:
            told = _ERRORS.get(note.error, _ERRORS["evaluation"])
            yield f"  It could not be evaluated, because {told}; it counts as matched ({note.error})."
        if note.controls:
            yield f"  Controls: {', '.join(note.controls)}."
        if note.reads:
            yield f"  It reads {', '.join(note.reads)}."
    yield from (f"Approval by {text}." for text in approvers)
    yield from obligations_text(decision)
    yield from (f"Value of {path}, masked: {value!r}." for path, value in values.items())


def _is(effect: Effect) -> str:
    return _EFFECTS[effect] if effect is Effect.REQUIRE_APPROVAL else f"is {_EFFECTS[effect]}"


def _approver(decision: Decision, evidence: tuple[str, ...]) -> Iterator[str]:
    yield decision.because
    if any(f.error for f in decision.fired if not f.shadow):
        yield "A rule could not be evaluated for this call, so it is treated as if the rule applied."
    yield from (text for word, text in _KNOWN.items() if word in set(decision.history.told()))
    yield f"Risk: {decision.risk.risk_class.value.replace('_', ' ')}, {decision.risk.level.label}."
    yield from evidence
