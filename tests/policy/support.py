"""Short ways to write policies, calls and facts in the tests of this room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from toolguard._core.call import Annotations, Assurance, Caller, Person, Tool, ToolIdentity
from toolguard._core.condition import ConditionError, Facts
from toolguard._core.decide import decide
from toolguard._core.flow.judge import as_policy_says
from toolguard._core.history import History
from toolguard._core.mask import Finding, leaves
from toolguard._core.policy import Decision, Policy, ToolPlan
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel
from toolguard.config import RiskAnalyser
from toolguard.policyfile import load_policy
from toolguard.policyfile.cel import CelCondition, CelEngine
from toolguard.ports import ToolAnalysis

HEAD = "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: test, version: 1}\n"
APPROVALS = "approvals: {default: {approvers: [group:privacy-office]}}\n"

ENGINE = CelEngine()


def policy(text: str, **options: Any) -> Policy:
    """A policy with the usual head and a default approval."""
    head = HEAD if "approvals:" in text else HEAD + APPROVALS
    return load_policy(head + text, name="test.yaml", **options)


def found(data: Any, **types: str) -> tuple[Finding, ...]:
    """Findings over whole leaves: ``found(data, MRN="note")`` says that ``data["note"]`` is an MRN."""
    wanted = {path: kind for kind, path in types.items()}
    return tuple(
        Finding(path=leaf.path, start=0, end=len(leaf.text), type=wanted[name])
        for leaf in leaves(data)
        if leaf.kind != "key" and (name := ".".join(map(str, leaf.path))) in wanted
    )


def risk(level: str = "low", *classes: str) -> Risk:
    kinds = [RiskClass(c) for c in classes or ("read",)]
    at = RiskLevel.of(level)
    seen = tuple(Evidence(source="name", risk_class=k, level=at, text=f"It looks like {k.value}.") for k in kinds)
    return Risk(risk_class=kinds[0], level=at, evidence=seen)


def facts(data: Any = None, *, tool: str = "t", source: str = "app", **changes: Any) -> Facts:
    caller = Caller(
        person=Person(issuer="local", tenant="st-mary", subject=changes.pop("subject", "ann")),
        agent=changes.pop("agent", "ward-bot"),
        tenant="st-mary",
        roles=frozenset(changes.pop("roles", {"nurse"})),
        assurance=changes.pop("assurance", Assurance.ASSERTED),
    )
    annotations = Annotations(trusted=True, **changes.pop("says", {}))
    given: dict[str, Any] = {"risk": risk(), "hour": 10, **changes}
    known = Tool.describe(tool, source=source, annotations=annotations)
    return Facts(tool=known, caller=caller, data={} if data is None else data, **given)


def decided(loaded: Policy, given: Facts) -> Decision:
    return decide(loaded, loaded.plan(given.tool), given)


def quiet(plan: ToolPlan) -> History:
    """A history in which nothing was before, as the guard finds it where a rule of ``plan`` asks."""
    pasts = [rule.match.past for rule in plan.rules if rule.match.past is not None]
    return History(counts={counted: 0 for past in pasts for counted in past.counted})


def holds(
    source: str, data: Any = None, *, allows: bool = False, engine: CelEngine = ENGINE, **changes: Any
) -> bool | str:
    """What a condition says of ``data``: True, False, or the code of its error."""
    condition = CelCondition(engine=engine, program=engine.compile(source), restricts=not allows)
    try:
        return condition.holds(facts(data, **changes))
    except ConditionError as error:
        return error.code


def judged(loaded: Policy, tool: str, data: Any, *, source: str = "app", **changes: Any) -> Decision:
    """The decision on a call with the risk the real classifier gives it, as the guard composes the two."""
    known = Tool.describe(
        tool,
        source=source,
        schema={"type": "object", "properties": {name: {"type": _json_type(v)} for name, v in data.items()}},
    )
    plan = loaded.plan(known)
    analysis = _ANALYSED.get(known.identity) or _ANALYSED.setdefault(known.identity, RiskAnalyser().tool(known))
    seen, own = analysis.analyse(data)
    given = facts(data, risk=as_policy_says(plan, analysis.static, seen, own), **{"history": quiet(plan), **changes})
    return decide(loaded, plan, replace(given, tool=known))


_ANALYSED: dict[ToolIdentity, ToolAnalysis] = {}


def _json_type(value: Any) -> str:
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "string")
