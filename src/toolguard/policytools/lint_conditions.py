"""Conditions: whether they can hold, whether they can fail to, and whether they fit what the rule matches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolguard._core.call import Tool
from toolguard._core.policy import Match, glob_matches
from toolguard._core.risk import RiskClass, RiskLevel
from toolguard._core.window import DAYS, Moment, TimeWindow
from toolguard.policyfile.cel import CelCondition
from toolguard.policyfile.expression_tree import Expr, load
from toolguard.policytools.linted import Linted, Written
from toolguard.policytools.remark import Remark
from toolguard.policytools.schema_paths import argument
from toolguard.policytools.terms import Domain
from toolguard.policytools.truth import Truth, constant_parts, truth

__all__ = ["KNOWN", "check", "syntax"]

KNOWN: Mapping[str, Domain] = {
    "hour": Domain(values=tuple(range(24))),
    "minute": Domain(low=0, high=59, whole=True),
    "weekday": Domain(values=DAYS),
    "risk.level": Domain(values=tuple(level.label for level in RiskLevel)),
    "risk.rank": Domain(values=tuple(int(level) for level in RiskLevel)),
    "risk.class": Domain(values=tuple(c.value for c in RiskClass)),
    "caller.assurance": Domain(values=("verified", "asserted")),
    "session.calls": Domain(low=0, whole=True),
}
"""What variables can be, whatever the call."""


def check(linted: Linted) -> Iterator[Remark]:
    for each in linted.rules():
        if each.condition is not None:
            yield from _check(linted, each, each.condition)


def syntax(condition: CelCondition) -> tuple[Expr, Mapping[int, int]]:
    """The syntax tree of a condition, and where in its text each part begins."""
    root, _, offsets = load(condition.program.expression.serialize())
    return root, offsets


def _check(linted: Linted, each: Written, condition: CelCondition) -> Iterator[Remark]:
    at = (*each.at, "when")
    root, offsets = syntax(condition)
    known = {**KNOWN, **_from_schemas(linted.concerned(each.rule), each)}
    found = truth(root, known)
    if found is Truth.ALWAYS:
        yield linted.remark("TG202", at, "always holds, so the rule matches whatever it is about")
    elif found is Truth.RANGE:
        yield linted.remark("TG204", at, "asks for a number in a range that holds none, so the rule never matches")
    elif found is Truth.NEVER:
        yield linted.remark("TG201", at, "never holds, so the rule never matches")
    elif truth(root, {**known, **_from_match(each.rule.match, linted.tools)}) in (Truth.NEVER, Truth.RANGE):
        yield linted.remark("TG205", at, "never holds for a call that 'match' lets through, so the rule never matches")
    else:
        for part, always in constant_parts(root, known):
            word = "always holds" if always is Truth.ALWAYS else "never holds"
            yield linted.remark("TG203", at, f"a part of it {word}", offset=offsets.get(part.id))


def _from_schemas(tools: tuple[Tool, ...], each: Written) -> dict[str, Domain]:
    """What arguments can be, where every tool the rule concerns says so."""
    if each.condition is None or not tools:
        return {}
    found: dict[str, Domain] = {}
    for path in each.condition.program.reads.paths():
        steps = path.split(".")[1:]
        said = [argument(tool, steps) for tool in tools]
        domains = [a.domain for a in said if a is not None]
        if steps and domains and all(d == domains[0] for d in domains) and domains[0] is not None:
            found[path] = domains[0]
    return found


def _from_match(match: Match, tools: tuple[Tool, ...]) -> dict[str, Domain]:
    """What is left of each variable where ``match`` holds."""
    found: dict[str, Domain] = {}
    if match.environment:
        found["env"] = Domain(values=tuple(sorted(match.environment)))
    if match.min_risk is not None:
        levels = [level for level in RiskLevel if level >= match.min_risk]
        found["risk.level"] = Domain(values=tuple(level.label for level in levels))
        found["risk.rank"] = Domain(values=tuple(int(level) for level in levels))
    if match.tool and not any("*" in word or "?" in word for word in match.tool):
        found["tool"] = Domain(values=match.tool)
    elif tools:
        names = sorted({t.name for t in tools if not match.tool or any(glob_matches(w, t.name) for w in match.tool)})
        found["tool"] = Domain(values=tuple(names) or match.tool)
    if match.agent and not any("*" in word or "?" in word for word in match.agent):
        found["caller.agent"] = Domain(values=match.agent)
    if match.time is not None and match.time.utc_offset is None:
        found["hour"] = Domain(values=tuple(h for h in range(24) if _within(match.time, h)))
    return found


def _within(window: TimeWindow, hour: int) -> bool:
    return any(window.holds(Moment(minute=hour * 60 + m, day=d)) for d in range(7) for m in range(60))
