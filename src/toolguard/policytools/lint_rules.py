"""Rules against each other: what another one covers, what nothing asks for, what is wider than it looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolguard._core.policy import Effect, Handling, Mode, Rule, glob_matches
from toolguard._core.window import Moment, TimeWindow
from toolguard.policytools.linted import Linted, Written
from toolguard.policytools.matching import restricts
from toolguard.policytools.remark import Remark

__all__ = ["check", "covers", "matches_wherever"]

_WORDS = ("category", "role", "data", "environment")
_OWN = frozenset({"tool", "agent", "min_risk", "time", *_WORDS})


def check(linted: Linted) -> Iterator[Remark]:
    written = list(linted.rules())
    yield from _shadowed(linted, written)
    for each in written:
        yield from _redundant(linted, each)
        if {("read_only", True), ("destructive", True)} <= set(each.rule.match.annotations):
            message = "what only reads destroys nothing: no tool is both read_only and destructive"
            yield linted.remark("TG206", (*each.at, "match", "annotations"), message)
        if each.rule.effect is Effect.ALLOW and not restricts(each.rule.match) and each.rule.when is None:
            message = f"rule {each.rule.id!r} allows every call of every tool that has no other rule"
            yield linted.remark("TG303", each.at, message)
    yield from _controls(linted, written)
    yield from _defaults(linted)
    yield from _trust(linted)


def _shadowed(linted: Linted, written: Iterable[Written]) -> Iterator[Remark]:
    gone: set[str] = set()
    default = linted.policy.defaults.approval
    for each in written:
        wider = next(
            (
                r
                for r in linted.policy.rules
                if r.id not in gone and r.id != each.rule.id and covers(r, each.rule, default)
            ),
            None,
        )
        if wider is not None:
            gone.add(each.rule.id)
            message = (
                f"rule {each.rule.id!r} never changes an outcome: {wider.id!r} (line {wider.line}) matches wherever it "
                f"does and asks for {wider.effect.label}"
            )
            yield linted.remark("TG301", each.at, message)


def covers(wider: Rule, rule: Rule, default: str) -> bool:
    """Whether ``rule`` changes nothing where ``wider`` is: it matches less, and asks for no more."""
    if wider.shadow or rule.shadow != wider.shadow or not matches_wherever(wider, rule):
        return False
    asked = rule.effect if rule.when is None else max(rule.effect, rule.on_error)
    same_condition = wider.when is not None and rule.when is not None and rule.on_error == wider.on_error
    if wider.effect is Effect.DENY:
        return True
    if rule.effect is Effect.ALLOW and wider.effect is not Effect.ALLOW:
        return False  # an allow replaces the default, whatever else matches
    if asked > wider.effect and not (same_condition and rule.effect <= wider.effect):
        return False
    if asked is Effect.REQUIRE_APPROVAL and (rule.approval or default) != (wider.approval or default):
        return False
    return _asks_no_more(wider, rule)


def matches_wherever(wider: Rule, rule: Rule) -> bool:
    """Whether ``wider`` surely matches every call that ``rule`` matches."""
    one, other = wider.match, rule.match
    if wider.when is not None and (rule.when is None or wider.when.source != rule.when.source):
        return False
    if not _globs_cover(one.tool, other.tool) or not _globs_cover(one.agent, other.agent):
        return False
    for name in _WORDS:
        words, narrower = getattr(one, name), getattr(other, name)
        if words and not (narrower and narrower <= words):
            return False
    if one.min_risk is not None and (other.min_risk is None or other.min_risk < one.min_risk):
        return False
    if one.time is not None and not _time_covers(one.time, other.time):
        return False
    return all(getattr(one, name) == getattr(other, name) for name in restricts(one) - _OWN)


def _time_covers(wide: TimeWindow, narrow: TimeWindow | None) -> bool:
    if narrow is None or wide.utc_offset != narrow.utc_offset:
        return False
    week = (Moment(minute=minute, day=day) for day in range(7) for minute in range(24 * 60))
    return all(wide.holds(now) for now in week if narrow.holds(now))


def _globs_cover(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    return not wide or (bool(narrow) and all(any(_glob_covers(w, n) for w in wide) for n in narrow))


def _glob_covers(wide: str, narrow: str) -> bool:
    """Whether ``wide`` fits whatever ``narrow`` fits. ``*`` in ``narrow`` may stand for nothing or for much."""
    if wide.lower() == narrow.lower():
        return True
    return not ("?" in wide and "*" in narrow) and glob_matches(wide, narrow)


def _asks_no_more(wider: Rule, rule: Rule) -> bool:
    """Whether what an allow requires is in ``wider``, too."""
    withheld = _withheld(rule)
    if not ("*" in _withheld(wider) or withheld <= _withheld(wider)):
        return False
    if _masks_results(rule) and not _masks_results(wider):
        return False
    limits = [(rule.max_result_chars, wider.max_result_chars), (rule.max_results, wider.max_results)]
    if any(own is not None and (other is None or other > own) for own, other in limits):
        return False
    return rule.log in (None, wider.log) and set(rule.controls) <= set(wider.controls)


def _withheld(rule: Rule) -> frozenset[str]:
    if rule.effect is Effect.MASK and not rule.args and rule.results is None:
        return frozenset({"*"})
    return frozenset(rule.args)


def _masks_results(rule: Rule) -> bool:
    return rule.effect is Effect.MASK or rule.results is Handling.MASK


def _redundant(linted: Linted, each: Written) -> Iterator[Remark]:
    for name in ("tool", "agent"):
        words: tuple[str, ...] = getattr(each.rule.match, name)
        for word in words:
            other = next((w for w in words if w != word and _glob_covers(w, word)), None)
            if other is not None:
                at = (*each.at, "match", name)
                yield linted.remark("TG302", at, f"{word!r} is in {other!r}, which stands beside it")


def _controls(linted: Linted, written: list[Written]) -> Iterator[Remark]:
    if not any(w.rule.controls for w in written):
        return
    for each in written:
        if not each.rule.controls:
            yield linted.remark("TG504", each.at, f"rule {each.rule.id!r} names no control, and other rules here do")


def _defaults(linted: Linted) -> Iterator[Remark]:
    policy = linted.policy
    if policy.defaults.unknown_tool < Effect.REQUIRE_APPROVAL:
        word = policy.defaults.unknown_tool.label
        yield linted.remark(
            "TG502", ("defaults", "unknown_tool"), f"unknown tools get {word!r}: whoever brings one uses it"
        )
    if policy.mode is Mode.SHADOW:
        yield linted.remark("TG503", ("mode",), "decisions are recorded and nothing is blocked")


def _trust(linted: Linted) -> Iterator[Remark]:
    for pattern, model in linted.parts.tools.items():
        trusted = model.trusted_for or model.trusted_results or model.credentials or "unmask" in model.args.values()
        if trusted and model.source is None and model.digest is None:
            message = f"tools named {pattern!r} are trusted wherever they come from"
            yield linted.remark("TG501", ("tools", pattern), message, key=True)
