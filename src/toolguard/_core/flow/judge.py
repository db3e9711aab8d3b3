"""Judging: what would the tool get, what is in it, how risky is it, what does the policy say to exactly that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from toolguard._core.call import Arguments, Json, args_digest, call_digest, canonical, freeze
from toolguard._core.condition import Facts
from toolguard._core.flow.masking import token_findings, tokenise
from toolguard._core.flow.setting import Flow, Judged, Setting
from toolguard._core.mask import Finding, Path, restore_numbers, subtract
from toolguard._core.policy import Handling, ToolPlan, decide
from toolguard._core.risk import Evidence, Risk, RiskClass, combine
from toolguard._core.steps import Analyse, Inspect, Now, Origin, Reveal, Validate
from toolguard._core.vault import LITERAL, Namespace, Token, has_token, release, tokens_in
from toolguard.errors import DeniedError

__all__ = ["as_policy_says", "at", "at_path", "judge"]


def judge(setting: Setting, raw: object) -> Flow[Judged]:
    """Take in, resolve, detect, analyse, classify, decide, all on one frozen copy.

    A rule may ask to withhold what the tool would otherwise have received. Then the call is resolved and
    judged again with that withheld, until the judgement fits the bytes it was made on.
    """
    now: float = yield Now()
    taken = yield from _take_in(setting, raw)
    withheld: Mapping[str, Handling] = {}
    for _ in range(4):
        judged = yield from _judge_once(setting, taken, withheld, now)
        asked = {k: v for k, v in judged.decision.obligations.args.items() if v is Handling.MASK}
        if asked.keys() <= withheld.keys():
            return judged
        withheld = {**withheld, **asked}
    raise DeniedError(
        f"the rules that match {setting.tool.name!r} never agree on what to withhold; mend the policy", code="unstable"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The call as the model wrote it. ``seen``: every identifier found; ``masked``: how many became tokens."""

    written: Arguments
    entered: Json
    seen: tuple[Finding, ...]
    masked: int
    names: Mapping[Token, str]


def _take_in(setting: Setting, raw: object) -> Flow[_Taken]:
    """Identifiers the model wrote itself become tokens of its own namespace."""
    written = freeze(raw)
    seen = yield from _inspect(setting, written)
    to_mask = tuple(f for f in seen if setting.plan.handling(f.path) is not Handling.PASS)
    entered = yield from tokenise(written.data, to_mask, Namespace.MODEL)
    names: Mapping[Token, str] = {}
    if to_mask or has_token(written.canonical):
        tokens = tokens_in(entered)
        if tokens:
            names = yield Reveal(tokens)
    return _Taken(written=written, entered=entered, seen=seen, masked=len(to_mask), names=names)


def _inspect(setting: Setting, arguments: Arguments) -> Flow[tuple[Finding, ...]]:
    """Identifiers in the arguments; argument names and tokens are none."""
    found = cast("tuple[Finding, ...]", (yield Inspect(arguments.data, Origin.MODEL, setting.tool.schema or None)))
    if found:
        found = tuple(f for f in found if not (f.key and len(f.path) == 1))
    if found and has_token(arguments.canonical):
        found = subtract(found, [f for f, _ in token_findings(arguments.data)])
    return found


def _judge_once(setting: Setting, taken: _Taken, withheld: Mapping[str, Handling], now: float) -> Flow[Judged]:
    plan, tool, caller = setting.plan, setting.tool, setting.scope.caller
    names, resolved = taken.names, taken.entered
    released: tuple[tuple[Path, Token], ...] = ()
    if names:
        resolved, released = release(resolved, names, lambda p, t, whole: _may_have(plan, withheld, p, t, whole))
        resolved = restore_numbers(resolved, taken.written.data)
    passed = yield Validate(resolved)
    arguments = freeze(passed)
    if arguments.canonical == taken.written.canonical:
        revealed = taken.seen
    else:
        revealed = yield from _inspect(setting, arguments)
    revealed = (*revealed, *_released_spans(arguments.data, released, names, revealed))
    shaped = token_findings(arguments.data) if has_token(arguments.canonical) else []
    present = (*revealed, *(replace(f, type=t.type) for f, t in shaped))
    risk, own = yield Analyse(arguments.data)
    risk = as_policy_says(plan, setting.risk, risk, own)
    decision = decide(
        setting.policy,
        plan,
        Facts(
            tool=tool,
            caller=caller,
            data=arguments.data,
            risk=risk,
            present=present,
            revealed=revealed,
            hour=int((now + setting.utc_offset) // 3600 % 24),
            environment=setting.environment,
            session=setting.session_facts,
        ),
    )
    key = setting.scope.digest_key
    decisive = plan.rule.decisive
    target = canonical({name: at(arguments.data, name) for name in decisive}).decode() if decisive else ""
    asked = args_digest(key, tenant=caller.tenant, tool=tool.identity, arguments=arguments, target=target)
    return Judged(
        decision=decision,
        arguments=arguments,
        passed=passed,
        args_digest=asked,
        call_digest=call_digest(key, args=asked, ref=setting.ref),
        present=present,
        revealed=revealed,
        masked=taken.masked,
        released=tuple(t for _, t in released),
        entered=taken.entered,
        names=names,
    )


def _may_have(plan: ToolPlan, withheld: Mapping[str, Handling], path: Path, token: Token, whole: bool) -> bool:
    """Whether the tool may get this token's value here: trusted for its type, and nowhere inside code."""
    if token.type == LITERAL:
        return True
    name = str(path[0]) if path else ""
    handling = plan.handling(path)
    if handling is Handling.MASK or name in withheld or "*" in withheld:
        return False
    if handling is Handling.PASS and token.namespace is Namespace.MODEL:
        return True  # passing means: as the model wrote it, also where the conversation holds its token
    if handling is not Handling.UNMASK and token.type not in plan.rule.trusted_for:
        return False
    return whole or name in plan.rule.prose or token.namespace is Namespace.MODEL


def _released_spans(
    data: Json, released: tuple[tuple[Path, Token], ...], names: Mapping[Token, str], known: tuple[Finding, ...]
) -> tuple[Finding, ...]:
    """Released values as findings, where the detector did not find them again by itself."""
    seen = {f.path for f in known}
    spans = []
    for path, token in released:
        value = at_path(data, path)
        if path not in seen and value is not None:
            text = value if isinstance(value, str) else str(value)
            at = max(text.find(names[token]), 0)
            end = min(len(text), at + len(names[token])) or len(text)
            spans.append(Finding(path=path, start=at, end=end, type=token.type, source="vault"))
    return tuple(spans)


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
        text = f"The policy sets this tool's risk to {rule.risk.label}."
        said = Evidence(source="policy", risk_class=static.risk_class, level=rule.risk, text=text)
        risk = combine((said, *own), default=static)
    if rule.category:
        text = "The policy files this tool under {}."
        classes = sorted(map(RiskClass, rule.category))
        named = (Evidence(source="policy", risk_class=c, level=risk.level, text=text.format(c.value)) for c in classes)
        risk = replace(risk, evidence=(*risk.evidence, *named))
    return risk
