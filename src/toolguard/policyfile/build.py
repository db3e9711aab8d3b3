"""From parts of the right shape to the core's `Policy`: names resolved, conditions compiled, sense checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from toolguard._core.approver import Escalation, Stage, StandingLimits
from toolguard._core.policy import (
    ApproverRule,
    Defaults,
    Effect,
    Handling,
    Match,
    Rule,
    ToolRule,
)
from toolguard._core.risk import RiskLevel
from toolguard._core.window import DAYS, TimeWindow
from toolguard.policyfile.cel import CelCondition, CelEngine
from toolguard.policyfile.document import At, Document
from toolguard.policyfile.faults import Problem, did_you_mean
from toolguard.policyfile.models import (
    AnnotationsModel,
    ApprovalModel,
    DefaultsModel,
    MatchModel,
    RuleModel,
    TimeModel,
    ToolModel,
)
from toolguard.policyfile.past import check_past, past_of, reads_taints
from toolguard.policyfile.shape import Parts

__all__ = ["Built", "Source", "build_rules", "build_tools", "choose_default_approval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of a policy. ``prefix`` goes before the ids of its rules (``hipaa/`` for a pack)."""

    document: Document
    parts: Parts
    prefix: str = ""


@dataclass(slots=True)
class Built:
    """What has been built so far; ``problems`` decides whether any of it is used."""

    problems: list[Problem] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    tools: list[ToolRule] = field(default_factory=list)


def effect_of(word: str) -> Effect:
    return Effect[word.upper()]


def approver_rule(name: str, model: ApprovalModel) -> ApproverRule:
    return ApproverRule(
        name=name,
        approvers=tuple(dict.fromkeys(model.approvers)),
        quorum=model.quorum,
        then=tuple(Stage(approvers=tuple(dict.fromkeys(s.approvers)), quorum=s.quorum) for s in model.then),
        escalate=tuple(
            Escalation(after=e.after, approvers=tuple(dict.fromkeys(e.approvers)))
            for e in sorted(model.escalate, key=lambda e: e.after)
        ),
        fallback=tuple(dict.fromkeys(model.fallback or ())),
        remind=model.remind or 0.0,
        expires=model.expires,
        claim_ttl=model.claim_ttl,
        channel=model.channel,
        reason_required=model.reason_required,
        verified_requester=model.verified_requester,
        step_up=model.step_up,
        reveal=model.reveal,
        standing=None
        if model.standing is None
        else StandingLimits(seconds=model.standing.seconds, uses=model.standing.uses),
        budget=model.budget,
        denial_memory=float(model.denial_memory),
        break_glass=tuple(dict.fromkeys(model.break_glass or ())),
        break_glass_for=model.break_glass_for,
    )


def check_approvals(source: Source) -> Iterator[Problem]:
    """A quorum that the named persons can never reach, an escalation that comes too late."""
    for name, model in source.parts.approvals.items():
        here: At = ("approvals", name)
        yield from _check_quorum(source, (*here, "quorum"), model.approvers, model.quorum)
        for index, stage in enumerate(model.then):
            yield from _check_quorum(source, (*here, "then", index, "quorum"), stage.approvers, stage.quorum)
        for index, step in enumerate(model.escalate):
            if step.after >= model.expires:
                yield source.document.problem(
                    (*here, "escalate", index, "after"),
                    "comes when the question has expired; make it shorter than 'expires'",
                )


def _check_quorum(source: Source, at: At, approvers: list[str], quorum: int) -> Iterator[Problem]:
    people = {a for a in approvers if a.startswith("person:")}
    if len(people) == len(set(approvers)) and quorum > len(people):
        yield source.document.problem(
            at,
            f"quorum {quorum} can never be reached by {len(people)} listed "
            f"{'person' if len(people) == 1 else 'persons'}; list more persons or a group, or lower the quorum",
        )


def merge_defaults(sources: Iterable[Source]) -> Defaults:
    """The stricter of what every file says; what none says is the shipped default."""
    unknown: list[Effect] = []
    by_risk: dict[RiskLevel, Effect] = {}
    args: list[Handling] = []
    results: list[Handling] = []
    caps: dict[str, int] = {}
    for source in sources:
        model: DefaultsModel = source.parts.defaults
        said = model.model_fields_set
        unknown += [effect_of(model.unknown_tool)] * ("unknown_tool" in said)
        args += [Handling(model.args)] * ("args" in said)
        results += [Handling(model.results)] * ("results" in said)
        for name in ("per_run", "per_person"):
            if name in said:
                caps[name] = min(caps.get(name, getattr(model, name)), getattr(model, name))
        for level, word in model.by_risk.items():
            effect = effect_of(word)
            by_risk[RiskLevel.of(level)] = max(by_risk.get(RiskLevel.of(level), effect), effect)
    shipped = Defaults()
    return Defaults(
        unknown_tool=max(unknown, default=shipped.unknown_tool),
        by_risk={**shipped.by_risk, **by_risk},
        args=max(args, key=_SEVERITY.index, default=shipped.args),
        results=max(results, key=_SEVERITY.index, default=shipped.results),
        per_run=caps.get("per_run", shipped.per_run),
        per_person=caps.get("per_person", shipped.per_person),
    )


_SEVERITY = [Handling.PASS, Handling.UNMASK, Handling.DEFAULT, Handling.MASK]


def choose_default_approval(main: Source, packs: Iterable[Source], approvals: set[str]) -> str | None:
    """The approval of a rule that names none.

    The one ``defaults`` names, in the policy itself before its packs; else ``default``; else the only one.
    """
    named = main.parts.defaults.approval
    if named is not None:
        return named
    if "default" in approvals:
        return "default"
    from_packs = {p.parts.defaults.approval for p in packs} - {None}
    candidates = from_packs or approvals
    return next(iter(candidates)) if len(candidates) == 1 else None


def build_tools(source: Source) -> Iterator[ToolRule]:
    for pattern, model in source.parts.tools.items():
        said = model.model_fields_set
        yield ToolRule(
            pattern=pattern,
            line=source.document.position(("tools", pattern), key=True)[0],
            source=model.source,
            digest=model.digest,
            risk=None if model.risk is None else RiskLevel.of(model.risk),
            category=frozenset(model.category or ()),
            trusted_for=frozenset(model.trusted_for or ()),
            args=_handlings(model.args),
            prose=frozenset(model.prose or ()),
            decisive=tuple(model.decisive or ()),
            results=Handling(model.results or "mask"),
            trusted_results=bool(model.trusted_results),
            subject=model.subject,
            patient=tuple(model.patient or ()),
            content=model.content,
            credentials=frozenset(model.credentials or ()),
            references=dict(model.references),
            said=frozenset(_said(model, said)),
        )


def _said(model: ToolModel, said: Iterable[str]) -> Iterator[str]:
    for name in said:
        if name in _TOOL_SETTINGS and getattr(model, name) is not None:
            yield name


_TOOL_SETTINGS = frozenset(
    {
        "risk",
        "category",
        "trusted_for",
        "prose",
        "decisive",
        "results",
        "trusted_results",
        "subject",
        "patient",
        "content",
        "credentials",
    }
)


def _handlings(words: Mapping[str, str]) -> dict[str, Handling]:
    return {name: Handling(word) for name, word in words.items()}


def build_rules(
    source: Source, engine: CelEngine, approvals: set[str], on_error: Effect, problems: list[Problem]
) -> Iterator[Rule]:
    """The rules of one file. Faults go to ``problems``; the caller then uses none of them."""
    document = source.document
    seen: dict[str, int] = {}
    for index, model in source.parts.rules:
        at: At = ("rules", index)
        line, _ = document.position(at)
        if model.id in seen:
            problems.append(
                document.problem(
                    (*at, "id"), f"rule id {model.id!r} stands twice, first on line {seen[model.id]}; rename one"
                )
            )
        seen.setdefault(model.id, line)
        problems.extend(_check_rule(model, at, document, approvals))
        condition = None
        if model.when is not None:
            faults = engine.check(model.when)
            problems.extend(document.problem((*at, "when"), f.message, offset=f.offset) for f in faults)
            if not faults:
                place = document.position((*at, "when"), offset=0)
                condition = CelCondition(
                    engine=engine,
                    program=engine.compile(model.when),
                    restricts=model.effect != "allow",
                    file=document.file,
                    line=place[0],
                    column=place[1],
                )
        yield Rule(
            id=source.prefix + model.id,
            because=model.because.strip(),
            controls=tuple(sorted(set(model.controls or ()))),
            effect=effect_of(model.effect),
            match=_match(model.match, condition, allows=model.effect == "allow"),
            when=condition,
            approval=model.approval,
            on_error=on_error if model.on_error is None else effect_of(model.on_error),
            args=_handlings(model.args),
            results=None if model.results is None else Handling(model.results),
            max_result_chars=model.max_result_chars,
            max_results=model.max_results,
            log=model.log,
            shadow=model.shadow,
            line=line,
        )


def _check_rule(model: RuleModel, at: At, document: Document, approvals: set[str]) -> Iterator[Problem]:
    yield from check_past(model, at, document)
    window = model.match.time
    if window is not None and window.hours is None and window.days is None:
        yield document.problem((*at, "match", "time"), "says neither hours nor days; add one of them", key=True)
    if model.match.annotations == _NO_ANNOTATIONS:
        yield document.problem((*at, "match", "annotations"), "names no annotation; add one, or remove it", key=True)
    if model.approval is not None and model.approval not in approvals:
        yield document.problem(
            (*at, "approval"), f"no approval is called {model.approval!r}; {did_you_mean(model.approval, approvals)}"
        )
    asks = model.effect == "require_approval" or (model.on_error == "require_approval" and model.when)
    if model.approval is not None and not asks:
        yield document.problem(
            (*at, "approval"),
            f"names an approval, but the effect is {model.effect!r} and asks nobody; "
            "remove it, or set effect: require_approval",
            key=True,
        )


_NO_ANNOTATIONS = AnnotationsModel()


def _window(model: TimeModel) -> TimeWindow:
    return TimeWindow(
        hours=tuple((_minutes(span[:5]), _minutes(span[6:])) for span in model.hours or ()),
        days=frozenset(DAYS.index(day) for day in model.days or ()),
        utc_offset=None if model.utc_offset is None else _offset(model.utc_offset),
    )


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _offset(text: str) -> float:
    return (-60.0 if text[0] == "-" else 60.0) * _minutes(text[1:])


def _match(model: MatchModel, condition: CelCondition | None, *, allows: bool) -> Match:
    return Match(
        tool=tuple(model.tool or ()),
        category=frozenset(model.category or ()),
        role=frozenset(model.role or ()),
        agent=tuple(model.agent or ()),
        data=frozenset(model.data or ()),
        environment=frozenset(model.environment or ()),
        min_risk=None if model.min_risk is None else RiskLevel.of(model.min_risk),
        time=None if model.time is None else _window(model.time),
        past=past_of(model, reads=condition is not None and reads_taints(condition), restricts=not allows),
        origin=frozenset(model.origin or ()),
        all_origins=allows,
        annotations=tuple(sorted((model.annotations or _NO_ANNOTATIONS).model_dump(exclude_none=True).items())),
    )
