"""Which rules the cases of a policy have seen matching, and seen not matching."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from toolguard._core.policy import Policy, Rule
from toolguard.policytools.judging import Answer
from toolguard.policytools.matching import restricts

__all__ = ["RuleCoverage", "coverage", "share", "together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCoverage:
    """What the cases saw of one rule.

    Attributes:
        matched: cases it matched in.
        missed: cases it did not match in although it might have: where more than the tool's name and the kinds of
            effect decides, those fitted and the rest said no.
        wants_miss: whether there are calls it does not match at all.
    """

    id: str
    matched: int
    missed: int
    wants_miss: bool

    @property
    def points(self) -> tuple[int, int]:
        """Points reached, and points there are: one for a match, one for a miss."""
        return bool(self.matched) + (self.wants_miss and bool(self.missed)), 1 + self.wants_miss

    @property
    def lacks(self) -> str:
        """What no case shows, in words; empty if nothing is lacking."""
        never = [] if self.matched else ["that it matches"]
        if self.wants_miss and not self.missed:
            never.append("that it does not match")
        return " and ".join(never)


def coverage(policy: Policy, answers: Iterable[Answer], *, added: Collection[str] = ()) -> tuple[RuleCoverage, ...]:
    """The coverage of every rule of ``policy`` but those ``added`` to try it, by the cases that gave ``answers``."""
    rules = [r for r in policy.rules if r.id not in added]
    matched = dict.fromkeys((r.id for r in rules), 0)
    missed = dict(matched)
    near = {r.id for r in rules if _has_more(r)}
    for answer in answers:
        if answer.decision is None:
            continue
        fired = set(answer.rules)
        candidates = {r.id for r in answer.plan.candidates(answer.decision.risk.classes)}
        for rule in rules:
            if rule.id in fired:
                matched[rule.id] += 1
            elif rule.id in candidates or rule.id not in near:
                missed[rule.id] += 1
    return tuple(_of(rule, matched, missed) for rule in rules)


def _of(rule: Rule, matched: Mapping[str, int], missed: Mapping[str, int]) -> RuleCoverage:
    return RuleCoverage(
        id=rule.id,
        matched=matched[rule.id],
        missed=missed[rule.id],
        wants_miss=rule.when is not None or bool(restricts(rule.match)),
    )


def _has_more(rule: Rule) -> bool:
    """Whether more than the tool's name and the kinds of effect decides if it matches."""
    return rule.when is not None or not restricts(rule.match) <= {"tool", "category"}


def together(parts: Iterable[RuleCoverage]) -> tuple[RuleCoverage, ...]:
    """What several files of cases saw of the rules of one policy."""
    found: dict[str, RuleCoverage] = {}
    for part in parts:
        before = found.get(part.id, replace(part, matched=0, missed=0))
        found[part.id] = replace(before, matched=before.matched + part.matched, missed=before.missed + part.missed)
    return tuple(found.values())


def share(rules: Iterable[RuleCoverage]) -> float:
    """Points reached of all there are, in percent; 100 where there is no rule."""
    pairs = [r.points for r in rules]
    whole = sum(all_ for _, all_ in pairs)
    return 100.0 * sum(got for got, _ in pairs) / whole if whole else 100.0
