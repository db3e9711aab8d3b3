"""What holds of every policy and every call: order never matters, denying never allows, doubt is never milder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.support import ENGINE, decided, facts, risk
from toolguard._core.approver import ApproverRule
from toolguard._core.call import Annotations, Tool
from toolguard._core.condition import Facts
from toolguard._core.decide import decide
from toolguard._core.policy import Decision, Defaults, Effect, Handling, Match, Mode, Policy, Rule, ToolRule
from toolguard._core.risk import RiskLevel
from toolguard._core.window import TimeWindow
from toolguard.policyfile import explain
from toolguard.policyfile.cel import CelCondition

OFFICE = ApproverRule(name="office", approvers=("group:office",))
SOURCES = (
    "args.n > 3",
    "args.n == 3",
    "args.gone == 1",
    "has(args.gone)",
    'args.t == "drop"',
    'lower(args.t).contains("drop")',
    "hour > 12",
    "args.l.exists(x, x > 3)",
    "1 / args.n > 0",
    'weekday == "sun" || args.gone == 1',
    "args.t > 3",
    'host_in(args.t, ["a.example"])',
    "phi(args).size() > 0",
    "session.calls == 1",
)
EFFECTS = st.sampled_from(list(Effect))
WORDS = st.sampled_from(["drop", "DROP", "dr\u043ep", "read", "", "https://a.example/", "5", "%64rop", "\u200bdrop"])
VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | WORDS
ARGS = st.dictionaries(st.sampled_from(["n", "t", "l", "u"]), VALUES | st.lists(VALUES, max_size=3), max_size=4)
ANNOTATIONS = st.builds(
    Annotations, read_only=st.none() | st.booleans(), destructive=st.none() | st.booleans(), trusted=st.booleans()
)


@st.composite
def conditions(draw: Any, restricts: bool) -> CelCondition | None:
    source = draw(st.none() | st.sampled_from(SOURCES))
    return None if source is None else CelCondition(engine=ENGINE, program=COMPILED[source], restricts=restricts)


COMPILED = {source: ENGINE.compile(source) for source in SOURCES}
MATCHES = st.builds(
    Match,
    tool=st.sampled_from([(), ("t",), ("t*", "x"), ("other",)]),
    category=st.sets(st.sampled_from(["read", "write", "privilege"])).map(frozenset),
    role=st.sets(st.sampled_from(["nurse", "clerk"])).map(frozenset),
    min_risk=st.none() | st.sampled_from(RiskLevel),
    time=st.none() | st.builds(TimeWindow, hours=st.sampled_from([(), ((480, 1080),), ((1320, 360),)])),
    annotations=st.sampled_from([(), (("destructive", True),), (("read_only", True),), (("read_only", False),)]),
)


@st.composite
def rules(draw: Any) -> Rule:
    effect = draw(EFFECTS)
    return Rule(
        id=draw(st.uuids().map(str)),
        because="x",
        effect=effect,
        match=draw(MATCHES),
        when=draw(conditions(restricts=effect is not Effect.ALLOW)),
        on_error=draw(EFFECTS),
        approval=draw(st.sampled_from([None, "office"])),
        args=draw(st.dictionaries(st.sampled_from(["n", "*"]), st.just(Handling.MASK), max_size=2)),
        results=draw(st.sampled_from([None, Handling.MASK])),
        max_result_chars=draw(st.none() | st.integers(1, 9)),
        max_results=draw(st.none() | st.integers(1, 9)),
        log=draw(st.sampled_from([None, "full"])),
        controls=draw(st.sampled_from([(), ("a:1",), ("a:1", "b:2")])),
        shadow=draw(st.booleans()),
    )


POLICIES = st.builds(
    Policy,
    id=st.just("p"),
    version=st.just("1"),
    sha256=st.just("0"),
    mode=st.sampled_from(Mode),
    defaults=st.builds(Defaults, unknown_tool=EFFECTS, approval=st.just("office")),
    approvals=st.just({"office": OFFICE}),
    tools=st.sampled_from([(), (ToolRule(pattern="t"),), (ToolRule(pattern="t*", source="elsewhere"),)]),
    rules=st.lists(rules(), max_size=6).map(tuple),
)


@st.composite
def calls(draw: Any) -> Facts:
    given_ = facts(
        draw(ARGS),
        roles=draw(st.sets(st.sampled_from(["nurse", "clerk"]))),
        risk=risk(draw(st.sampled_from(["low", "medium", "high", "critical"])), *draw(st.lists(st.sampled_from(["read", "write", "privilege"]), max_size=2))),
        hour=draw(st.integers(0, 23)),
        minute=draw(st.integers(0, 59)),
        weekday=draw(st.integers(0, 6)),
    )  # fmt: skip
    return replace(given_, tool=Tool.describe("t", source="app", annotations=draw(ANNOTATIONS)))


LIMITS = settings(max_examples=50)
SEVERITY = {Handling.MASK: 3, Handling.DEFAULT: 2, Handling.UNMASK: 1, Handling.PASS: 0}


def milder(one: Decision, other: Decision) -> bool:
    """Whether ``one`` lets something through that ``other`` does not."""
    a, b = one.obligations, other.obligations
    return (
        one.would < other.would
        or any(a.args.get(name) is not Handling.MASK for name, h in b.args.items() if h is Handling.MASK)
        or SEVERITY[a.results] < SEVERITY[b.results]
        or looser(a.max_result_chars, b.max_result_chars)
        or looser(a.max_results, b.max_results)
    )


def looser(one: int | None, other: int | None) -> bool:
    return other is not None and (one is None or one > other)


@given(POLICIES, calls(), st.randoms(use_true_random=False))
@LIMITS
def test_the_order_of_rules_never_matters(policy: Policy, call: Facts, random: Any) -> None:
    shuffled = list(policy.rules)
    random.shuffle(shuffled)
    assert decided(policy, call) == decided(replace(policy, rules=tuple(shuffled)), call)


@given(POLICIES, calls(), rules())
@LIMITS
def test_a_rule_that_restricts_never_makes_anything_milder(policy: Policy, call: Facts, rule: Rule) -> None:
    restricting = replace(rule, effect=max(rule.effect, Effect.MASK))
    if restricting.when is not None:
        restricting = replace(restricting, when=replace(restricting.when, restricts=True))  # type: ignore[type-var]  # a CelCondition
    before, after = decided(policy, call), decided(replace(policy, rules=(*policy.rules, restricting)), call)
    assert not milder(after, before)


@given(POLICIES, calls(), MATCHES)
@LIMITS
def test_a_deny_never_allows_and_one_that_holds_denies(policy: Policy, call: Facts, match: Match) -> None:
    deny = Rule(id="deny", because="x", effect=Effect.DENY, match=match)
    before, after = decided(policy, call), decided(replace(policy, rules=(*policy.rules, deny)), call)
    assert after.would >= before.would
    if "deny" in after.rule_ids:
        assert after.would is Effect.DENY


@given(POLICIES, calls(), rules(), st.sampled_from(["args.gone == 1", "session.calls == 1", "1 / 0 > args.gone"]))
@LIMITS
def test_a_rule_that_cannot_be_told_is_never_milder_than_its_effect_nor_than_on_error(
    policy: Policy, call: Facts, rule: Rule, source: str
) -> None:
    plain = replace(rule, shadow=False, match=Match())
    failing = replace(plain, when=CelCondition(engine=ENGINE, program=ENGINE.compile(source)))
    decision = decided(replace(policy, rules=(*policy.rules, failing)), call)
    assert decision.would >= max(rule.effect, rule.on_error)
    (fired,) = [f for f in decision.fired if f.id == rule.id]
    assert fired.error is not None
    holding = decided(replace(policy, rules=(*policy.rules, replace(plain, when=None))), call)
    assert not milder(decision, holding)


@given(POLICIES, calls())
@LIMITS
def test_an_allow_opens_nothing_but_the_default(policy: Policy, call: Facts) -> None:
    allow = Rule(id="allow", because="x", effect=Effect.ALLOW)
    before, after = decided(policy, call), decided(replace(policy, rules=(*policy.rules, allow)), call)
    live = [f.effect for f in before.fired if not f.shadow]
    if before.reason_code in ("unknown_tool", "drift") or (live and max(live) is before.would):
        assert after.would is before.would
    assert after.would >= max(live, default=Effect.ALLOW)


@given(POLICIES, calls())
@LIMITS
def test_what_is_tried_out_changes_nothing_but_what_is_reported(policy: Policy, call: Facts) -> None:
    without = replace(policy, rules=tuple(r for r in policy.rules if not r.shadow))
    one, other = decided(policy, call), decided(without, call)
    assert replace(one, fired=()) == replace(other, fired=())
    assert [f for f in one.fired if not f.shadow] == list(other.fired)


@given(POLICIES, calls())
@LIMITS
def test_shadow_mode_blocks_nothing_and_says_what_it_would_do(policy: Policy, call: Facts) -> None:
    enforced = decided(replace(policy, mode=Mode.ENFORCE), call)
    shadowed = decided(replace(policy, mode=Mode.SHADOW), call)
    assert shadowed.effect <= Effect.MASK
    assert shadowed.approver_rules == ()
    assert (shadowed.would, shadowed.fired, shadowed.obligations) == (
        enforced.would,
        enforced.fired,
        enforced.obligations,
    )


@given(POLICIES, calls())
@LIMITS
def test_what_is_explained_is_what_was_decided(policy: Policy, call: Facts) -> None:
    decision = decided(policy, call)
    told = explain(decision, policy)
    assert (told.effect, told.would, told.reason_code) == (
        decision.effect.label, decision.would.label, decision.reason_code,
    )  # fmt: skip
    assert [(r.id, r.effect, r.shadow, r.error, r.controls) for r in told.rules] == [
        (f.id, f.effect.label, f.shadow, f.error, f.controls) for f in decision.fired
    ]
    assert all(repr(f.id) in told.auditor for f in decision.fired)


@given(POLICIES, calls())
@LIMITS
def test_the_index_by_tool_finds_what_every_rule_one_by_one_would(policy: Policy, call: Facts) -> None:
    def alone(rule: Rule) -> Mapping[str, object]:
        return {f.id: f for f in decided(replace(policy, rules=(rule,)), call).fired}

    one_by_one: dict[str, object] = {}
    for rule in policy.rules:
        one_by_one |= alone(rule)
    assert {f.id: f for f in decided(policy, call).fired} == one_by_one


@given(POLICIES, calls())
@LIMITS
def test_the_same_call_is_always_decided_the_same(policy: Policy, call: Facts) -> None:
    plan = policy.plan(call.tool)
    assert decide(policy, plan, call) == decide(policy, plan, replace(call, memo={}))


@pytest.mark.parametrize("source", SOURCES)
def test_the_conditions_above_are_worth_something(source: str) -> None:
    """Each of them has a call it holds for, and one it does not or cannot be told of."""
    rich = {"n": 3, "t": "https://a.example/drop", "l": [9], "gone": 1}
    answers = set()
    for data in (rich, {"n": 9, "t": "drop", "l": []}, {"n": 0, "t": 5, "l": [1]}, {}):
        for weekday, hour in ((6, 13), (0, 1)):
            given_ = facts(data, weekday=weekday, hour=hour, session={"calls": 1} if "gone" in data else {})
            try:
                answers.add(CelCondition(engine=ENGINE, program=COMPILED[source]).holds(given_))
            except Exception as error:
                answers.add(str(error))
    assert len(answers) > 1 or source == "phi(args).size() > 0"
