"""Recorded decisions under another policy. What a rule asks of arguments is not on record, and is not guessed.

A rule that cannot be answered is tried both ways, the mildest and the most severe. Where both give the same answer it
is the answer, whatever the arguments were; else the call cannot be replayed, and the rules it depends on are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from toolguard._core.call import Annotations, ToolIdentity
from toolguard._core.condition import ConditionError, Facts
from toolguard._core.decide import decide
from toolguard._core.flow.judge import as_policy_says
from toolguard._core.mask import Finding
from toolguard._core.policy import Decision, Effect, Match, Policy, Rule, ToolPlan
from toolguard._core.risk import Risk, RiskLevel, combine
from toolguard._core.window import moment
from toolguard.policyfile.cel import CelCondition
from toolguard.policyfile.expression_tree import Expr, children, kind_of, literal, load
from toolguard.policytools.lint_conditions import KNOWN, syntax
from toolguard.policytools.lint_rules import matches_wherever
from toolguard.policytools.matching import restricts, same_match
from toolguard.policytools.recorded import Recorded, Unusable
from toolguard.policytools.truth import relation
from toolguard.shown import Shown

__all__ = ["Replay", "Replayed", "Report", "replay_all"]

_KEPT = frozenset({"tool", "category", "role", "agent", "data", "environment", "min_risk", "time", "annotations"})
_VARIABLES = frozenset({"caller", "risk", "tool", "hour", "minute", "weekday", "now", "env"})
_ANSWERED = frozenset({"phi", "reveals", "secrets"})
_PLAIN = frozenset(
    {"size", "int", "uint", "double", "string", "bool", "bytes", "type", "dyn", "duration", "timestamp"}
    | {"matches", "contains", "startsWith", "endsWith", "lower", "lowerAscii", "upperAscii", "trim", "replace", "split"}
    | {"join", "substring", "indexOf", "lastIndexOf", "charAt", "host_in", "cidr_contains", "in"}
)
"""Functions whose answer follows from what they are given."""
_HIDDEN = {"role": "roles", "agent": "agent", "environment": "environment"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fixed:
    """A condition whose answer is known, or taken for the sake of argument."""

    answer: bool
    fails: bool = False
    source: str = ""

    def holds(self, facts: Facts) -> bool:
        if self.fails:
            raise ConditionError("assumed")
        return self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A recorded call under another policy. ``after`` is None where it cannot be told; ``why`` then says what for."""

    recorded: Recorded
    after: Effect | None
    rules: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


class Replay:
    """Answers for recorded calls under ``policy``.

    ``base`` is the policy that was in force. Of a rule that stands in both unchanged the record says whether it matched;
    of one that was made narrower or wider it says it for the calls outside, or inside, of both.
    """

    def __init__(self, policy: Policy, *, base: Policy | None = None) -> None:
        self._policy, self._base = policy, base
        self._nested = {} if base is None else {r.id: _nested(r, base) for r in policy.rules}
        self._plans: dict[tuple[ToolIdentity, Annotations], ToolPlan] = {}
        self._asks = {r.id: tuple(_asks(r)) for r in policy.rules}

    def answer(self, recorded: Recorded) -> Replayed:
        tool = recorded.tool
        known = (tool.identity, tool.annotations)
        plan = self._plans.get(known) or self._plans.setdefault(known, self._policy.plan(tool))
        risk = _risk_under(plan, recorded.found)
        settled = {r.id: self._on_record(r, recorded, risk) for r in plan.rules if self._asks[r.id]}
        unsure = self._unsure(plan, recorded, settled)
        why = (
            []
            if risk is not None
            else ["the policy then said the tool's risk, so what the tool itself suggests is not on record"]
        )
        why += [f"{rule}: {text}" for rule, texts in unsure.items() for text in texts]
        if "source" in recorded.hidden and any(t.source for t in self._policy.tools):
            why.append("where the tool came from is on record as a digest only")
            return Replayed(recorded=recorded, after=None, why=tuple(why))
        facts = _facts(recorded, risk or replace(recorded.found, level=RiskLevel.LOW))
        mild, severe = (self._decide(plan, facts, settled, unsure, severe=way) for way in (False, True))
        sure = (mild.would, _names(mild)) == (severe.would, _names(severe))
        if risk is None:  # whatever more it is, nothing is milder than a denial for the tool or by a rule
            sure = mild.would is Effect.DENY and mild.reason_code != "default"
        if not sure:
            return Replayed(recorded=recorded, after=None, why=tuple(why))
        return Replayed(recorded=recorded, after=mild.would, rules=mild.rule_ids, approvals=_names(mild))

    def _decide(
        self,
        plan: ToolPlan,
        facts: Facts,
        settled: Mapping[str, _Fixed | None],
        unsure: Mapping[str, tuple[str, ...]],
        *,
        severe: bool,
    ) -> Decision:
        def settle(rule: Rule) -> Rule:
            if rule.id in unsure:
                matches = severe if rule.effect is not Effect.ALLOW else not severe
                return _set(rule, _Fixed(answer=matches, fails=severe and rule.on_error > rule.effect))
            known = settled.get(rule.id)
            return rule if known is None else _set(rule, known)

        return decide(self._policy, replace(plan, rules=tuple(map(settle, plan.rules))), facts)

    def _unsure(
        self, plan: ToolPlan, recorded: Recorded, settled: Mapping[str, _Fixed | None]
    ) -> dict[str, tuple[str, ...]]:
        found = {}
        for rule in plan.rules:
            texts = self._asks[rule.id] if settled.get(rule.id) is None else ()
            hidden = tuple(f"the {what} is on record as a digest only" for what in _hidden(rule, recorded))
            if texts or hidden:
                found[rule.id] = (*texts, *hidden)
        return found

    def _on_record(self, rule: Rule, recorded: Recorded, risk: Risk | None) -> _Fixed | None:
        """What the rule's condition comes to, where the record says it: of the rule itself, a wider or a narrower one."""
        if self._base is None or recorded.policy_sha256 != self._base.sha256:
            return None
        found = recorded.found
        same_risk = risk is not None and (risk.level, risk.classes) == (found.level, found.classes)
        if not same_risk and _asks_risk(rule):
            return None
        narrower, wider = self._nested[rule.id]
        if rule.id not in recorded.rules:
            return _Fixed(answer=False) if narrower else None
        if rule.id not in recorded.failed:
            return _Fixed(answer=True) if wider else None
        same = next((_source(r) == _source(rule) for r in self._base.rules if r.id == rule.id), False)
        return _Fixed(answer=True, fails=True) if same and wider else None


def _names(decision: Decision) -> tuple[str, ...]:
    return tuple(rule.name for rule in decision.approver_rules)


def _nested(rule: Rule, base: Policy) -> tuple[bool, bool]:
    """Whether the rule of this id in ``base`` surely matches wherever ``rule`` does, and the other way round."""
    old = next((r for r in base.rules if r.id == rule.id), None)
    if old is None:
        return False, False
    if old.when is None or rule.when is None:
        conditions = (old.when is None, rule.when is None)
    elif old.when.source == rule.when.source:
        conditions = (True, True)
    elif isinstance(old.when, CelCondition) and isinstance(rule.when, CelCondition):
        way = (old.effect is Effect.ALLOW) == (rule.effect is Effect.ALLOW)  # else doubt is read the other way
        conditions = relation(syntax(rule.when)[0], syntax(old.when)[0], KNOWN) if way else (False, False)
    else:
        conditions = (False, False)
    bare_old, bare = (Rule(id=r.id, because="", effect=r.effect, match=r.match) for r in (old, rule))
    if same_match(old.match, rule.match):
        return conditions
    return conditions[0] and matches_wherever(bare_old, bare), conditions[1] and matches_wherever(bare, bare_old)


def _source(rule: Rule) -> str | None:
    return None if rule.when is None else rule.when.source


def _asks_risk(rule: Rule) -> bool:
    reads = isinstance(rule.when, CelCondition) and "risk" in rule.when.program.reads.names
    return reads or bool(restricts(rule.match) & {"category", "min_risk"})


def _set(rule: Rule, condition: _Fixed) -> Rule:
    """``rule`` with the part of it that cannot be answered settled, and the rest as it is."""
    empty = Match()
    rest = {name: getattr(empty, name) for name in restricts(rule.match) - _KEPT}
    return replace(rule, match=replace(rule.match, **rest), when=condition)


def _asks(rule: Rule) -> list[str]:
    """What a rule asks that no record says."""
    found = [f"match.{name} asks what is not on record" for name in sorted(restricts(rule.match) - _KEPT)]
    if rule.when is None:
        return found
    if not isinstance(rule.when, CelCondition):
        return [*found, "its condition cannot be read"]
    program = rule.when.program
    found += [f"it reads {path}" for path in program.reads.paths() if "args" in program.reads.names]
    found += [f"it reads {name}" for name in sorted(program.reads.names - _VARIABLES - {"args"})]
    found += [f"it reads {v}.{f}" for v, f, _ in program.reads.fields if (v, f) == ("risk", "evidence")]
    root, _, _ = load(program.expression.serialize())
    return [*found, *dict.fromkeys(_unanswered(root))]


def _unanswered(root: Expr) -> list[str]:
    found, stack = [], [root]
    while stack:
        expr = stack.pop()
        stack.extend(children(expr))
        if kind_of(expr) != "call":
            continue
        name = expr.call_expr.function
        if name in _ANSWERED and literal(expr.call_expr.args[0]) == "[]":
            continue  # types found anywhere in the arguments are on record
        if name not in _PLAIN and not name.startswith("get") and not any(c in name for c in "_@!"):
            found.append(f"it asks {name}() of the arguments")
    return found


def _hidden(rule: Rule, recorded: Recorded) -> list[str]:
    if not recorded.hidden:
        return []
    found = {_HIDDEN[name] for name in restricts(rule.match) & _HIDDEN.keys()}
    if isinstance(rule.when, CelCondition):
        found |= {field for variable, field, _ in rule.when.program.reads.fields if variable == "caller"}
        found |= {"environment"} if "env" in rule.when.program.reads.names else set()
        if any(field in ("subject", "issuer") for field in found):
            found.add("subject")
    return sorted(found & recorded.hidden)


def _risk_under(plan: ToolPlan, found: Risk) -> Risk | None:
    """The risk under the plan's word on the tool; None where the record lacks what the tool alone suggests."""
    said = next((e for e in found.evidence if e.source == "policy"), None)
    own = tuple(e for e in found.evidence if e.source not in ("policy", "filed", "tool"))
    tool = tuple(e for e in found.evidence if e.source == "tool")
    if said is not None:
        if plan.rule.risk is None:
            return None
        static = Risk(risk_class=said.risk_class, level=said.level)
        return as_policy_says(plan, static, static, own)
    plain = Risk(risk_class=found.risk_class, level=found.level, evidence=(*tool, *own))
    static = combine(tool, default=plain)
    return as_policy_says(plan, static, plain, own)


def _facts(recorded: Recorded, risk: Risk) -> Facts:
    local = moment(recorded.at + recorded.utc_offset)
    return Facts(
        tool=recorded.tool,
        caller=recorded.caller,
        data={},
        risk=risk,
        present=_findings(recorded.present),
        revealed=_findings(recorded.revealed),
        hour=local.minute // 60,
        minute=local.minute % 60,
        weekday=local.day,
        now=recorded.at,
        environment=recorded.environment,
    )


def _findings(types: Iterable[str]) -> tuple[Finding, ...]:
    return tuple(Finding(path=(), start=0, end=0, type=name, source="record") for name in types)


@dataclass(slots=True, kw_only=True)
class Report(Shown):
    """What a replay came to. ``changes`` counts calls by (recorded effect, effect now)."""

    same: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_tool: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    by_rule: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    not_replayed: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    examples: list[Replayed] = field(default_factory=list)

    @property
    def replayed(self) -> int:
        return self.same + sum(self.changes.values())

    @property
    def calls(self) -> int:
        return self.replayed + self.not_replayed + sum(self.unusable.values())


def replay_all(calls: Iterable[Recorded | Unusable], replay: Replay, *, examples: int = 20) -> Report:
    """Every call of ``calls`` under another policy, counted."""
    report = Report()
    for call in calls:
        if isinstance(call, Unusable):
            report.unusable[call.why] += 1
            continue
        found = replay.answer(call)
        if found.after is None:
            report.not_replayed += 1
            report.unknown.update(found.why)
        elif found.after is call.effect:
            report.same += 1
            report.by_rule.update(found.rules)
        else:
            change = (call.effect.label, found.after.label)
            report.changes[change] += 1
            report.by_tool[(call.tool.name, *change)] += 1
            report.by_rule.update(found.rules)
            if len(report.examples) < examples:
                report.examples.append(found)
    return report
