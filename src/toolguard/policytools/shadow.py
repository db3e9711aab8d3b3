"""What shadow rules and shadow mode would have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from toolguard._core.policy import Effect
from toolguard.policytools.recorded import Recorded, Unusable

__all__ = ["ShadowReport", "ShadowRule", "shadow_report"]


@dataclass(slots=True, kw_only=True)
class ShadowRule:
    """One rule in shadow: how often it matched, and how often it alone would have changed the answer, and to what."""

    matched: int = 0
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class ShadowReport:
    """What shadow would have done.

    ``mode`` counts calls by (what was done, what would have been) under policies in shadow mode.
    """

    calls: int = 0
    mode: Counter[tuple[str, str]] = field(default_factory=Counter)
    mode_tools: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: dict[str, ShadowRule] = field(default_factory=dict)
    unusable: int = 0
    first: float = 0.0
    last: float = 0.0


def shadow_report(calls: Iterable[Recorded | Unusable]) -> ShadowReport:
    """What rules and policies in shadow would have done to ``calls``."""
    report = ShadowReport()
    for call in calls:
        if isinstance(call, Unusable):
            report.unusable += 1
            continue
        report.calls += 1
        report.first = min(report.first or call.at, call.at)
        report.last = max(report.last, call.at)
        if call.effect is not call.enforced:
            report.mode[(call.enforced.label, call.effect.label)] += 1
            report.mode_tools[(call.tool.name, call.effect.label)] += 1
        for name, effect in call.shadow.items():
            _add(report.rules.setdefault(name, ShadowRule()), call, effect)
    return report


def _add(rule: ShadowRule, call: Recorded, effect: Effect) -> None:
    rule.matched += 1
    rule.tools[call.tool.name] += 1
    # an allow would only have replaced a default
    would = effect if effect is Effect.ALLOW and call.reason == "default" else max(effect, call.effect)
    if would is not call.effect:
        rule.changed[(call.effect.label, would.label)] += 1
