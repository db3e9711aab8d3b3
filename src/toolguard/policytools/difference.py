"""What a change of a policy means: not which lines differ, but what is allowed, asked and trusted otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from toolguard._core.approver import ApproverRule
from toolguard._core.masking import Masking
from toolguard._core.policy import Defaults, Effect, Handling, Mode, Policy, Rule, ToolRule, glob_matches
from toolguard._core.toolrule import as_one, stricter
from toolguard._core.window import DAYS, TimeWindow
from toolguard.policyfile.cel import CelCondition
from toolguard.policytools.lint_conditions import KNOWN, syntax
from toolguard.policytools.lint_rules import matches_wherever
from toolguard.policytools.matching import may_meet, restricts, same_match
from toolguard.policytools.truth import relation

__all__ = ["Change", "Turn", "difference"]


class Turn(StrEnum):
    """Which way a change goes."""

    LOOSENS = "loosens"
    MAY_LOOSEN = "may loosen"
    TIGHTENS = "tightens"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. ``part`` is ``rule``, ``approval``, ``tool``, ``default``, ``masking`` or ``policy``."""

    part: str
    name: str
    field: str
    before: str
    after: str
    turn: Turn


_L, _M, _T, _N = Turn.LOOSENS, Turn.MAY_LOOSEN, Turn.TIGHTENS, Turn.NEITHER
_Judge = Callable[[Any, Any], Turn]


def difference(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Every difference between two policies, what loosens first."""
    found = [*_policy(old, new), *_rules(old, new), *_approvals(old, new), *_tools(old, new)]
    order = list(Turn)
    return tuple(sorted(found, key=lambda c: (order.index(c.turn), c.part, c.name, c.field)))


def _more(loosens: bool) -> _Judge:
    """Of numbers and effects: whether a greater one loosens."""
    return lambda one, other: _L if (other > one) is loosens else _T


def _longer(one: float, other: float) -> Turn:
    return _L if other > one else _T


def _members(loosens: bool) -> _Judge:
    """Of members, each as often as it stands there: whether one more loosens."""

    def judge(one: Any, other: Any) -> Turn:
        before, after = (Counter(v.items() if isinstance(v, Mapping) else v) for v in (one, other))
        if before == after:
            return _N
        if before <= after:
            return _L if loosens else _T
        if after <= before:
            return _T if loosens else _L
        return _M

    return judge


def _flag(loosens: bool) -> _Judge:
    return lambda one, other: _L if bool(other) is loosens else _T


def _less_is_stricter(one: int | None, other: int | None) -> Turn:
    """Of limits where None (or 0) is none at all."""
    return _T if other and (not one or other < one) else _L


def _handlings(one: Mapping[str, Handling], other: Mapping[str, Handling]) -> Turn:
    turns = set()
    for name in one.keys() | other.keys():
        before, after = one.get(name, Handling.DEFAULT), other.get(name, Handling.DEFAULT)
        if before is not after:
            turns.add(_T if stricter(before, after) is after else _L)
    return turns.pop() if len(turns) == 1 else (_M if turns else _N)


def _handling(one: Handling, other: Handling) -> Turn:
    return _T if stricter(one, other) is other else _L


def _neither(one: Any, other: Any) -> Turn:
    return _N


def _unclear(one: Any, other: Any) -> Turn:
    return _M


def _policy(old: Policy, new: Policy) -> Iterator[Change]:
    if old.mode is not new.mode:
        turn = _L if new.mode is Mode.SHADOW else _T
        yield Change(part="policy", name="mode", field="", before=old.mode.value, after=new.mode.value, turn=turn)
    yield from _fields("default", "", old.defaults, new.defaults, _DEFAULTS)
    yield from _fields("masking", "", old.masking, new.masking, _MASKING)


def _by_risk(one: Mapping[Any, Effect], other: Mapping[Any, Effect]) -> Turn:
    turns = {_L if other[k] < one[k] else _T for k in one.keys() & other.keys() if one[k] is not other[k]}
    return turns.pop() if len(turns) == 1 else _M


_DEFAULTS: Mapping[str, _Judge] = {
    "unknown_tool": _more(False),
    "by_risk": _by_risk,
    "args": _handling,
    "results": _handling,
    "per_run": _more(True),
    "per_person": _more(True),
}
_MASKING: Mapping[str, _Judge] = {
    "shapes": _members(False),
    "deny": _members(False),
    "fields": _members(False),
    "types": _neither,
    "allow": _members(True),
}
_APPROVAL: Mapping[str, _Judge] = {
    "approvers": _members(True),
    "quorum": _more(False),
    "then": _members(False),
    "escalate": _members(True),
    "fallback": _members(True),
    "remind": _neither,
    "expires": _longer,
    "claim_ttl": _longer,
    "channel": _neither,
    "reason_required": _flag(False),
    "verified_requester": _flag(False),
    "step_up": _flag(False),
    "reveal": _flag(False),
    "standing": lambda one, other: _T if other is None else _L if one is None else _M,
    "budget": _less_is_stricter,
    "denial_memory": _more(False),
    "break_glass": _members(True),
    "break_glass_for": _longer,
}
_TOOL: Mapping[str, _Judge] = {
    "source": lambda one, other: _T if one is None else _L if other is None else _glob_turn(one, other),
    "digest": lambda one, other: _T if one is None else _L if other is None else _M,
    "risk": lambda one, other: _M if None in (one, other) else _L if other < one else _T,
    "category": _members(False),
    "trusted_for": _members(True),
    "args": _handlings,
    "prose": _members(True),
    "decisive": _members(False),
    "results": _handling,
    "trusted_results": _flag(True),
    "credentials": _members(True),
    "references": _members(False),
    "said": _neither,
}


def _glob_turn(one: str, other: str) -> Turn:
    return _L if glob_matches(other, one) else _T if glob_matches(one, other) else _M


def _fields(part: str, name: str, old: Any, new: Any, judges: Mapping[str, _Judge]) -> Iterator[Change]:
    """Fields in which two of a kind differ. Of a field nobody judges, nothing is known but that it may loosen."""
    kind: type[Defaults | Masking | ApproverRule | ToolRule] = type(old)
    for each in fields(kind):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before != after and each.name not in ("name", "pattern", "line"):
            turn = judges.get(each.name, _unclear)(before, after)
            if each.name != "said":
                yield Change(part=part, name=name or each.name, field=each.name if name else "", before=_shown(before),
                             after=_shown(after), turn=turn)  # fmt: skip


def _approvals(old: Policy, new: Policy) -> Iterator[Change]:
    for name in sorted(old.approvals.keys() | new.approvals.keys()):
        before, after = old.approvals.get(name), new.approvals.get(name)
        if before is not None and after is not None:
            yield from _fields("approval", name, before, after, _APPROVAL)
        else:
            words = ("none", "there") if before is None else ("there", "none")
            yield Change(part="approval", name=name, field="", before=words[0], after=words[1], turn=_N)


def _tools(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = map(_entries, (old, new))
    for pattern in sorted(before.keys() | after.keys()):
        if pattern in before and pattern in after:
            yield from _fields("tool", pattern, before[pattern], after[pattern], _TOOL)
        elif pattern in after:
            # what was unknown is judged by its risk now, and it may be given trust
            yield Change(part="tool", name=pattern, field="", before="not named", after="named", turn=_L)
        else:
            known = any(may_meet(pattern, t.pattern) for t in new.tools)
            turn = _T if new.defaults.unknown_tool is Effect.DENY and not known else _M
            yield Change(part="tool", name=pattern, field="", before="named", after="not named", turn=turn)


def _entries(policy: Policy) -> dict[str, ToolRule]:
    """Each pattern with all that is said of it, by the policy and by its packs."""
    found: dict[str, list[ToolRule]] = {}
    for entry in policy.tools:
        found.setdefault(entry.pattern.casefold(), []).append(entry)
    return {entries[0].pattern: as_one(entries) for entries in found.values()}


def _rules(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = ({r.id: r for r in policy.rules} for policy in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            rule = after[name]
            yield Change(part="rule", name=name, field="", before="none", after=_word(rule), turn=_of_rule(rule, _T))
        elif name not in after:
            rule = before[name]
            yield Change(part="rule", name=name, field="", before=_word(rule), after="none", turn=_of_rule(rule, _L))
        else:
            yield from _rule(before[name], after[name])


def _of_rule(rule: Rule, restricting: Turn) -> Turn:
    """Which way a rule goes that comes (``restricting``: tightens) or goes."""
    if rule.shadow:
        return _N
    return restricting if rule.effect is not Effect.ALLOW else (_L if restricting is _T else _T)


def _rule(old: Rule, new: Rule) -> Iterator[Change]:
    def change(field: str, before: Any, after: Any, turn: Turn) -> Change:
        if old.shadow and new.shadow:
            turn = _N
        return Change(part="rule", name=old.id, field=field, before=_shown(before), after=_shown(after), turn=turn)

    allows = new.effect is Effect.ALLOW
    wider, narrower = (_T, _L) if not allows else (_L, _T)
    if old.effect is not new.effect:
        yield change("effect", old.effect.label, new.effect.label, _T if new.effect > old.effect else _L)
    if not same_match(old.match, new.match):
        plain_old, plain_new = (_without_condition(r) for r in (old, new))
        one, other = matches_wherever(plain_new, plain_old), matches_wherever(plain_old, plain_new)
        yield change(
            "match", _match(old), _match(new), wider if one and not other else narrower if other and not one else _M
        )
    if _source(old) != _source(new):
        more, less = _conditions(old, new)
        turn = wider if more and not less else narrower if less and not more else _M
        yield change("when", _source(old), _source(new), turn)
    if old.shadow is not new.shadow:
        yield change("shadow", old.shadow, new.shadow, _of_rule(_without_shadow(new), _L if new.shadow else _T))
    for name, judge in _RULE.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield change(name, before, after, judge(before, after))


_RULE: Mapping[str, _Judge] = {
    "because": _neither,
    "controls": _neither,
    "approval": _unclear,
    "on_error": _more(False),
    "args": _members(False),
    "results": lambda one, other: _T if other is Handling.MASK else _L,
    "max_result_chars": _less_is_stricter,
    "max_results": _less_is_stricter,
    "log": _neither,
}


def _conditions(old: Rule, new: Rule) -> tuple[bool, bool]:
    """Whether the new condition surely holds wherever the old one does, and the other way round."""
    if not isinstance(old.when, CelCondition) or not isinstance(new.when, CelCondition):
        return new.when is None, old.when is None
    return relation(syntax(old.when)[0], syntax(new.when)[0], KNOWN)


def _without_condition(rule: Rule) -> Rule:
    return Rule(id=rule.id, because=rule.because, effect=rule.effect, match=rule.match)


def _without_shadow(rule: Rule) -> Rule:
    return Rule(id=rule.id, because=rule.because, effect=rule.effect)


def _source(rule: Rule) -> str:
    return "always" if rule.when is None else " ".join(rule.when.source.split())


def _word(rule: Rule) -> str:
    return f"{rule.effect.label}{' in shadow' if rule.shadow else ''}"


def _match(rule: Rule) -> str:
    said = [f"{name}: {_shown(getattr(rule.match, name))}" for name in sorted(restricts(rule.match))]
    return "; ".join(said) or "every call"


def _shown(value: Any) -> str:
    if isinstance(value, Effect):
        return value.label
    if isinstance(value, frozenset | set):
        return ", ".join(sorted(map(_shown, value))) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value)) or "none"
    if isinstance(value, TimeWindow):
        spans = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in value.hours]
        return " ".join([*spans, *(DAYS[day] for day in sorted(value.days))])
    if isinstance(value, Mapping):
        return ", ".join(f"{_shown(k)}: {_shown(v)}" for k, v in value.items()) or "none"
    if value is None or value == "":
        return "none"
    label = getattr(value, "label", None)
    return str(label if isinstance(label, str) else f"{value:g}" if isinstance(value, float) else value)
