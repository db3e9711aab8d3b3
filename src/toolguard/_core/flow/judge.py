"""Judging: what would the tool get, what is in it, how risky is it, what does the policy say to exactly that."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from toolguard._core.approval import Approval
from toolguard._core.call import Arguments, Json, args_digest, call_digest, canonical, freeze
from toolguard._core.condition import Facts
from toolguard._core.decide import decide
from toolguard._core.flow.history import remember
from toolguard._core.flow.masking import token_findings, tokenise
from toolguard._core.flow.setting import Flow, Judged, Setting, Traces
from toolguard._core.flow.typed import as_numbers, with_surrogates, with_tokens
from toolguard._core.frozen import made_fast, maker
from toolguard._core.mask import Finding, Path, leaves, restore_numbers, subtract
from toolguard._core.policy import Handling, ToolPlan
from toolguard._core.provenance import UNTRACED, Provenance, provenance_evidence
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel, combine
from toolguard._core.steps import NOW, Analyse, Find, Inspect, Origin, Reveal, Validate
from toolguard._core.vault import LITERAL, Namespace, Token, has_token, release, tokens_in
from toolguard._core.window import moment
from toolguard.errors import DeniedError

__all__ = ["as_policy_says", "at", "at_path", "judge"]


def judge(setting: Setting, raw: object) -> Flow[Judged]:
    """Take in, resolve, detect, analyse, classify, decide, all on one frozen copy.

    A rule may ask to withhold what the tool would otherwise have received. Then the call is resolved and
    judged again with that withheld, until the judgement fits the bytes it was made on.
    """
    now: float = yield NOW
    written, ours, numbers = yield from with_tokens(freeze(raw))
    seen = yield from _inspect(setting, written, ours)
    withheld: Mapping[str, Handling] = {}
    for _ in range(4):
        taken = yield from _take_in(setting, written, seen, ours, withheld)
        judged = yield from _judge_once(setting, taken, withheld, now, numbers)
        wanted = judged.decision.obligations.args
        asked = {k: v for k, v in wanted.items() if v is Handling.MASK} if wanted else {}
        if asked.keys() <= withheld.keys():
            return judged
        withheld = {**withheld, **asked}
    raise DeniedError(
        f"the rules that match {setting.tool.name!r} never agree on what to withhold; mend the policy", code="unstable"
    )


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The call as the model wrote it. ``seen``: every identifier found; ``masked``: how many became tokens.

    ``names`` are the values of the tokens that stand in it: those the model wrote, and those made of what it wrote.
    """

    written: Arguments
    entered: Json
    seen: tuple[Finding, ...]
    masked: int
    names: Mapping[Token, str]


_make_taken, _make_facts, _make_judged = maker(_Taken), maker(Facts), maker(Judged)
_make_inspect, _make_validate, _make_analyse = maker(Inspect), maker(Validate), maker(Analyse)


def _take_in(
    setting: Setting,
    written: Arguments,
    seen: tuple[Finding, ...],
    ours: Mapping[Token, str],
    withheld: Mapping[str, Handling],
) -> Flow[_Taken]:
    """Identifiers the model wrote itself become tokens of its own namespace."""
    plan = setting.plan
    entered, names = written.data, ours
    to_mask: tuple[Finding, ...] = ()
    if seen:
        to_mask = tuple(f for f in seen if plan.handling(f.path) is not Handling.PASS or _is_withheld(f.path, withheld))
    if to_mask:
        entered = yield from tokenise(written.data, to_mask, Namespace.MODEL)
        names = yield Reveal(tokens_in(entered))
    return _make_taken(written=written, entered=entered, seen=seen, masked=len(to_mask), names=names)


def _is_withheld(path: Path, withheld: Mapping[str, Handling]) -> bool:
    """Whether a rule that matched withholds what stands at ``path``, by this or a shorter dotted path."""
    if not withheld:
        return False
    names = [str(p) for p in path]
    return "*" in withheld or any(".".join(names[: n + 1]) in withheld for n in range(len(names)))


def _inspect(setting: Setting, arguments: Arguments, ours: Container[Token]) -> Flow[tuple[Finding, ...]]:
    """Identifiers in the arguments. The names the tool itself gives its arguments are none, and tokens are none."""
    schema = setting.tool.schema
    found = cast("tuple[Finding, ...]", (yield _make_inspect(arguments.data, Origin.MODEL, schema or None)))
    if found:
        named = schema.get("properties") or ()
        found = tuple(f for f in found if not (f.key and len(f.path) == 1 and f.path[0] in named))
    if found and has_token(arguments.canonical):
        found = subtract(found, [f for f, t in token_findings(arguments.data) if t in ours])
    return found


def _judge_once(
    setting: Setting, taken: _Taken, withheld: Mapping[str, Handling], now: float, numbers: frozenset[Path]
) -> Flow[Judged]:
    plan, tool, caller = setting.plan, setting.tool, setting.scope.caller
    names, resolved = taken.names, taken.entered
    released: tuple[tuple[Path, Token], ...] = ()
    stands: Mapping[Token, Token] = {}
    if names:
        resolved, released = release(resolved, names, lambda p, t, whole: _may_have(plan, withheld, p, t, whole))
        resolved = as_numbers(restore_numbers(resolved, taken.written.data), numbers)
        resolved, stands = yield from with_surrogates(resolved, tool.schema, names, setting.policy.masking)
    passed = yield _make_validate(resolved)
    arguments = freeze(passed)
    if arguments.canonical == taken.written.canonical:
        revealed = taken.seen
    else:
        revealed = yield from _inspect(setting, arguments, {**names, **stands})
    if released:
        placed = _released_spans(arguments.data, released, names)
        revealed = (*revealed, *(f for f in placed if not any(_covers(g, f) for g in revealed)))
    hidden: tuple[Finding, ...] = ()
    if revealed:
        shielded = {path for path, token in released if token.namespace is Namespace.PROTECTED}
        hidden = tuple(f for f in revealed if plan.handling(f.path) is not Handling.PASS or f.path in shielded)
    present = revealed
    if has_token(arguments.canonical):
        shaped = token_findings(arguments.data)
        present = (*revealed, *(replace(f, type=stands.get(t, t).type) for f, t in shaped))
    risk, own = yield _make_analyse(arguments.data)
    provenance = yield from _traced(setting, arguments.data, taken.written.data)
    raised = provenance_evidence(provenance, risk)
    if raised:
        risk, own = combine((*risk.evidence, *raised), default=risk), (*own, *raised)
    risk = as_policy_says(plan, setting.risk, risk, own)
    local = moment(now + setting.utc_offset)
    facts = _make_facts(
        tool=tool,
        caller=caller,
        data=arguments.data,
        risk=risk,
        present=present,
        revealed=revealed,
        hour=local.minute // 60,
        minute=local.minute % 60,
        weekday=local.day,
        now=now,
        environment=setting.environment,
        session=setting.session_facts,
        provenance=provenance,
    )
    traces: Traces | None = None
    if setting.policy.watch.anything:
        named = {**names, **{s: names[t] for s, t in stands.items() if t in names}}
        traces = yield from remember(setting, facts, named)
    decision = decide(setting.policy, plan, facts if traces is None else traces.facts)
    key = setting.scope.digest_key
    decisive = plan.rule.decisive
    target = canonical({name: at(arguments.data, name) for name in decisive}).decode() if decisive else ""
    asked = args_digest(key, tenant=caller.tenant, tool=tool.identity, arguments=arguments, target=target)
    return _make_judged(
        decision=decision,
        arguments=arguments,
        passed=passed,
        args_digest=asked,
        call_digest=call_digest(key, args=asked, ref=setting.ref),
        present=present,
        revealed=revealed,
        hidden=hidden,
        masked=taken.masked,
        released=tuple([t for _, t in released]),
        entered=taken.entered,
        names=names,
        stands=stands,
        provenance=provenance,
        traces=traces,
        environment=setting.environment,
        utc_offset=setting.utc_offset,
    )


def _traced(setting: Setting, data: Json, written: Json) -> Flow[Provenance]:
    """Where the deciding values came from.

    In a process to which nobody has told the conversation yet, a call of which a person was asked before is judged as
    if nothing had been said, as it may have been when they were asked: what is not known any more lets nothing run.
    """
    if setting.trace is None:
        return UNTRACED
    provenance = setting.trace(data, written)
    if provenance.cold and provenance.traced:
        asked: Approval | None = yield Find(setting.ref)
        if asked is not None:
            return provenance.unsaid()
    return provenance


def _may_have(plan: ToolPlan, withheld: Mapping[str, Handling], path: Path, token: Token, whole: bool) -> bool:
    """Whether the tool may get this token's value here: trusted for its type, and nowhere inside code."""
    if token.type == LITERAL:
        return True
    handling = plan.handling(path)
    if handling is Handling.MASK or _is_withheld(path, withheld):
        return False
    if handling is Handling.PASS and token.namespace is Namespace.MODEL:
        return True  # passing means: as the model wrote it, also where the conversation holds its token
    if handling is not Handling.UNMASK and token.type not in plan.rule.trusted_for:
        return False
    return whole or (bool(path) and str(path[0]) in plan.rule.prose) or token.namespace is Namespace.MODEL


def _released_spans(
    data: Json, released: tuple[tuple[Path, Token], ...], names: Mapping[Token, str]
) -> tuple[Finding, ...]:
    """Where released values stand now, whatever a detector makes of them there.

    A value its place no longer holds was moved or rewritten by the tool's own schema: then wherever it stands as a
    word, and the whole of what stands in its place.
    """
    spans: list[Finding] = []
    every = tuple(leaves(data))
    for path, token in dict.fromkeys(released):
        value = names[token]
        own = [leaf for leaf in every if leaf.path == path and leaf.kind != "key"]
        places = [(leaf, span) for leaf in own for span in _words(leaf.text, value) or _runs(leaf.text, value)]
        if not places:
            places = [(leaf, span) for leaf in every for span in _words(leaf.text, value)]
            places += [(leaf, (0, len(leaf.text))) for leaf in own if leaf.text]
        spans += [
            Finding(path=leaf.path, start=start, end=end, type=token.type, source="vault", key=leaf.kind == "key")
            for leaf, (start, end) in places
        ]
    return tuple(spans)


def _words(text: str, value: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text)]


def _runs(text: str, value: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(re.escape(value), text)]


def _covers(one: Finding, other: Finding) -> bool:
    return (one.path, one.key, one.type) == (other.path, other.key, other.type) and (
        one.start <= other.start and other.end <= one.end
    )


def at_path(data: Json, path: Path) -> Json:
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def at(data: Json, dotted: str) -> Json:
    return at_path(data, tuple(int(p) if p.isdigit() else p for p in dotted.split(".")))


def as_policy_says(plan: ToolPlan, static: Risk, risk: Risk, own: tuple[Evidence, ...]) -> Risk:
    """The policy's word on a tool replaces what the tool alone suggests; its arguments may still raise it."""
    rule = plan.rule
    if rule.risk is not None:
        said = _policy_word(rule.risk, static.risk_class)
        risk = combine((said.evidence[0], *own), default=static) if own else said
    if rule.category:
        text = "The policy files this tool under {}."
        classes = sorted(map(RiskClass, rule.category))
        named = (
            Evidence(source="policy.category", risk_class=c, level=risk.level, text=text.format(c.value))
            for c in classes
        )
        risk = replace(risk, evidence=(*risk.evidence, *named))
    return risk


@lru_cache(maxsize=64)
def _policy_word(level: RiskLevel, risk_class: RiskClass) -> Risk:
    text = f"The policy sets this tool's risk to {level.label}."
    said = Evidence(source="policy", risk_class=risk_class, level=level, text=text)
    return Risk(risk_class=risk_class, level=level, evidence=(said,))
