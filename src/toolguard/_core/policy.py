"""Policy: rules over a call, combined so that the most restrictive wins and order never matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from toolguard._core.approver import ApproverRule
from toolguard._core.call import Tool
from toolguard._core.condition import Condition, Facts
from toolguard._core.frozen import made_fast
from toolguard._core.history import NO_HISTORY, History, Near, Past, Patients, Watch
from toolguard._core.masking import UNSAID, Masking
from toolguard._core.risk import Risk, RiskLevel
from toolguard._core.spelling import plain
from toolguard._core.toolrule import (
    Handling,
    ToolRule,
    glob_matches,
    identity_fits,
    may_be,
    merge,
    stricter,
    surely_is,
    untrusted,
)
from toolguard._core.window import Moment, TimeWindow, moment
from toolguard.shown import Shown

__all__ = [
    "ApproverRule",
    "Decision",
    "Defaults",
    "Effect",
    "Fired",
    "Handling",
    "Match",
    "Mode",
    "Obligations",
    "Policy",
    "Rule",
    "ToolPlan",
    "ToolRule",
    "glob_matches",
]


class Effect(IntEnum):
    """What a rule asks for; ordered by severity."""

    ALLOW = 1
    MASK = 2
    REQUIRE_APPROVAL = 3
    DENY = 4

    label: str
    """The lower-case word used in policies, spans and reports."""

    def __init__(self, severity: int) -> None:
        self.label = self._name_.lower()


class Mode(StrEnum):
    ENFORCE = "enforce"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The structural part of a rule. Empty means any; within a field any one suffices; all fields must hold.

    Of ``annotations`` every one must be so.
    """

    tool: tuple[str, ...] = ()
    category: frozenset[str] = frozenset()
    role: frozenset[str] = frozenset()
    agent: tuple[str, ...] = ()
    data: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()
    min_risk: RiskLevel | None = None
    time: TimeWindow | None = None
    annotations: tuple[tuple[str, bool], ...] = ()
    past: Past | None = None
    origin: frozenset[str] = frozenset()
    all_origins: bool = False
    """Every deciding value must be of such an origin, as for a rule that allows; else any of them."""

    def holds(self, facts: Facts) -> bool:
        """Whether the rest holds; by ``tool`` and ``category`` a plan has found the rule already.

        What the time before the call says (``past``), `decide` asks.
        """
        return (
            (not self.role or not self.role.isdisjoint(facts.caller.roles))
            and (not self.agent or any(glob_matches(g, facts.caller.agent) for g in self.agent))
            and (not self.data or any(f.type in self.data for f in facts.present))
            and (not self.environment or facts.environment in self.environment)
            and (self.min_risk is None or facts.risk.level >= self.min_risk)
            and (self.time is None or self.time.holds(_clock(self.time, facts)))
            and (not self.origin or self._fits(facts.provenance.origins))
        )

    def _fits(self, origins: frozenset[str]) -> bool:
        if self.all_origins:
            return bool(origins) and origins <= self.origin
        return not origins.isdisjoint(self.origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. ``line`` is where it stands in its file, for explanations.

    Whoever cannot be evaluated counts as matched, with the more severe of ``effect`` and ``on_error``.
    """

    id: str
    because: str
    effect: Effect
    controls: tuple[str, ...] = ()
    """Controls of a framework that it puts into practice, such as ``hipaa:164.502(b)``."""
    match: Match = Match()
    when: Condition | None = None
    approval: str | None = None
    on_error: Effect = Effect.REQUIRE_APPROVAL
    args: Mapping[str, Handling] = field(default_factory=dict)
    results: Handling | None = None
    max_result_chars: int | None = None
    max_results: int | None = None
    log: str | None = None
    shadow: bool = False
    line: int = 0

    def concerns(self, tool: Tool) -> bool:
        """Whether it can match a call of ``tool``: by name, and by what the tool says of itself.

        A rule that restricts concerns a tool that may be so, one that allows only a tool that surely is.
        """
        match = self.match
        names = {tool.name} if self.effect is Effect.ALLOW else {tool.name, plain(tool.name)}
        if match.tool and not any(glob_matches(g, name) for g in match.tool for name in names):
            return False
        is_so = surely_is if self.effect is Effect.ALLOW else may_be
        return all(is_so(tool.annotations, name, value) for name, value in match.annotations)


def _clock(window: TimeWindow, facts: Facts) -> Moment:
    if window.utc_offset is None:
        return Moment(minute=facts.hour * 60 + facts.minute, day=facts.weekday)
    return moment(facts.now + window.utc_offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where no rule speaks."""

    unknown_tool: Effect = Effect.DENY
    by_risk: Mapping[RiskLevel, Effect] = field(
        default_factory=lambda: {
            RiskLevel.LOW: Effect.ALLOW,
            RiskLevel.MEDIUM: Effect.ALLOW,
            RiskLevel.HIGH: Effect.REQUIRE_APPROVAL,
            RiskLevel.CRITICAL: Effect.DENY,
        }
    )
    args: Handling = Handling.DEFAULT
    results: Handling = Handling.MASK
    approval: str = "default"
    per_run: int = 100
    """Requests for approval one run may make in an hour."""
    per_person: int = 300
    """Requests for approval that may be made in one person's name in an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPlan:
    """A policy as it concerns one tool, worked out once: the settings and the rules that can match it."""

    tool: Tool
    known: bool
    drifted: bool
    rule: ToolRule
    rules: tuple[Rule, ...]
    default: Handling = Handling.DEFAULT
    always: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    by_category: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            for name in rule.match.category:
                found.setdefault(name, []).append(rule)
        object.__setattr__(self, "always", tuple(r for r in self.rules if not r.match.category))
        object.__setattr__(self, "by_category", {name: tuple(rules) for name, rules in found.items()})

    def candidates(self, classes: frozenset[str]) -> tuple[Rule, ...]:
        """The rules whose tool and category fit a call of these risk classes, each once."""
        groups = [self.by_category[c] for c in classes if c in self.by_category]
        if not groups:
            return self.always
        if len(groups) == 1:
            return self.always + groups[0]
        return (*self.always, *{rule.id: rule for group in groups for rule in group}.values())

    def handling(self, path: tuple[str | int, ...]) -> Handling:
        """How the argument at ``path`` is handled; the longest dotted prefix that is named wins."""
        named = self.rule.args
        if named:
            names = [str(p) for p in path]
            while names:
                found = named.get(".".join(names))
                if found is not None:
                    return found
                names.pop()
        return self.default


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A rule that matched, with what it asked for. ``error`` is a code if it could not be evaluated."""

    id: str
    because: str
    effect: Effect
    line: int = 0
    shadow: bool = False
    error: str | None = None
    controls: tuple[str, ...] = ()


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """What an allow requires."""

    args: Mapping[str, Handling] = field(default_factory=dict)
    results: Handling = Handling.MASK
    max_result_chars: int | None = None
    max_results: int | None = None
    """Items a list in the result may have, or rows."""
    log: str = "minimal"
    """``full``: what led to the decision is recorded, too."""


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Shown):
    """The machine's answer, with everything that led to it. Holds no argument value.

    Attributes:
        effect: what is enforced.
        reason_code: one word for spans and metrics: ``rule``, ``default``, ``unknown_tool``, ``drift``,
            ``rule_error``, ``shadow``.
        fired: every rule that matched, shadow rules included.
        approver_rules: every approver rule the call must satisfy.
        would: what would be enforced were the policy not in shadow mode.
        history: what was known of the time before the call.
        near: what keeps rules from matching and may come to hold until the call runs; then it is judged again.
        never: budgets that its result has to keep to as well, since beyond them a rule denies.
    """

    effect: Effect
    reason_code: str
    risk: Risk
    fired: tuple[Fired, ...]
    obligations: Obligations
    approver_rules: tuple[ApproverRule, ...]
    policy_id: str
    policy_version: str
    policy_sha256: str
    would: Effect
    history: History = NO_HISTORY
    near: tuple[Near, ...] = ()
    never: tuple[Patients, ...] = ()

    @property
    def rule_ids(self) -> tuple[str, ...]:
        return tuple(f.id for f in self.fired if not f.shadow)

    @property
    def controls(self) -> tuple[str, ...]:
        """Every control that a rule that matched, and is not only tried out, puts into practice; in order."""
        return tuple(sorted({c for f in self.fired if not f.shadow for c in f.controls}))

    @property
    def because(self) -> str:
        """The reasons of the rules that set the effect, in plain words."""
        told = [f.because for f in self.fired if f.effect == self.would and not f.shadow]
        if told:
            return " ".join(told)
        if self.reason_code == "unknown_tool":
            return "The policy does not name this tool."
        if self.reason_code == "drift":
            return "The tool is not the one the policy names: its source or its description changed."
        return f"The policy's default for {self.risk.level.label} risk."


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Shown):
    """A loaded policy. ``sha256`` is over the bytes it was loaded from."""

    id: str
    version: str
    sha256: str
    owner: str = ""
    mode: Mode = Mode.ENFORCE
    defaults: Defaults = Defaults()
    approvals: Mapping[str, ApproverRule] = field(default_factory=dict)
    tools: tuple[ToolRule, ...] = ()
    rules: tuple[Rule, ...] = ()
    masking: Masking = UNSAID
    packs: tuple[str, ...] = ()
    """Packs it includes, each ``name@version``."""
    watch: Watch = field(init=False, repr=False, compare=False)
    """What its rules ask of history, and so what every call leaves behind."""

    def __post_init__(self) -> None:
        pasts = tuple(r.match.past for r in self.rules if r.match.past is not None)
        object.__setattr__(self, "watch", Watch.of(pasts))

    def plan(self, tool: Tool) -> ToolPlan:
        """The policy as it concerns ``tool``. Cost grows with the policy; `decide` on a plan does not."""
        named = [t for t in self.tools if glob_matches(t.pattern, tool.name)]
        fitting = [t for t in named if identity_fits(t, tool)]
        drifted = bool(named) and len(fitting) < len(named)
        merged = merge(fitting, self.defaults.results)
        if drifted:
            merged = untrusted(
                merged
            )  # it is denied; and where shadow mode lets it run, it is still trusted with nothing
        rules = tuple(r for r in self.rules if r.concerns(tool))
        default = Handling.DEFAULT if merged.trusted_for else self.defaults.args
        if drifted:
            default = stricter(default, Handling.DEFAULT)
        return ToolPlan(tool=tool, known=bool(named), drifted=drifted, rule=merged, rules=rules, default=default)
