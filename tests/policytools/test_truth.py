"""What lint says of conditions is sure: held against the real engine, on conditions nobody thought of."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.support import ENGINE, facts, risk
from toolguard._core.condition import ConditionError
from toolguard.policyfile.cel import CelCondition
from toolguard.policytools.lint_conditions import KNOWN, syntax
from toolguard.policytools.truth import Truth, constant_parts, relation, truth

NUMBERS = ["3", "4", "5", "4.5", "-1"]
TEXTS = ['"a"', '"b"', '"B"', '""']
ATOMS = st.one_of(
    st.builds(
        "hour {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.sampled_from(["0", "3", "4", "23"])
    ),
    st.builds("args.n {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.sampled_from(NUMBERS)),
    st.builds("args.s {} {}".format, st.sampled_from(["==", "!=", "<", ">="]), st.sampled_from(TEXTS)),
    st.builds("lower(args.s) == {}".format, st.sampled_from(TEXTS)),
    st.builds("args.s in [{}, {}]".format, st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.builds("size(args.s) {} {}".format, st.sampled_from(["<", ">=", "=="]), st.sampled_from(["0", "1", "2"])),
    st.builds("risk.rank {} {}".format, st.sampled_from(["<", ">="]), st.sampled_from(["1", "2", "4", "5"])),
    st.builds("risk.level == {}".format, st.sampled_from(['"low"', '"high"', '"none"'])),
    st.sampled_from(
        ["has(args.n)", "has(args.x)", "caller.verified", 'args.s.startsWith("a")', "args.n != null", "true"]
    ),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)
CALLS = [
    facts({"n": n, "s": s} if n != "gone" else {"s": s}, hour=hour, risk=risk(level))
    for n, s, hour, level in itertools.product(
        (3, 4, 4.5, 9, None, "gone"), ("", "a", "B", "zz"), (0, 3, 23), ("low", "critical")
    )
]


def condition(source: str) -> CelCondition:
    return CelCondition(engine=ENGINE, program=ENGINE.compile(source))


def answers(each: CelCondition) -> list[bool | None]:
    def ask(call: Any) -> bool | None:
        try:
            return each.holds(call)
        except ConditionError:
            return None

    return [ask(call) for call in CALLS]


FEW = settings(max_examples=25)


@FEW
@given(CONDITIONS)
def test_a_condition_that_is_said_never_to_hold_never_holds(source: str) -> None:
    each = condition(source)
    found = truth(syntax(each)[0], KNOWN)
    if found in (Truth.NEVER, Truth.RANGE):
        assert True not in answers(each)
    if found is Truth.ALWAYS:
        assert False not in answers(each)


@FEW
@given(CONDITIONS, CONDITIONS)
def test_a_condition_that_is_said_to_follow_follows(one: str, other: str) -> None:
    first, second = condition(one), condition(other)
    follows, leads = relation(syntax(first)[0], syntax(second)[0], KNOWN)
    for before, after in zip(answers(first), answers(second), strict=True):
        if follows and before is not False:
            assert after is not False
        if leads and after is not False:
            assert before is not False


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("args.n > 3 && args.n < 4", Truth.OPEN),
        ("size(args.s) > 3 && size(args.s) < 4", Truth.RANGE),
        ("args.n > 3 || args.n <= 3", Truth.ALWAYS),
        ('args.s == "a" || args.s != "a"', Truth.ALWAYS),
        ("args.n == args.n", Truth.ALWAYS),
        ("args.n < args.n", Truth.NEVER),
        ("1 > 2", Truth.NEVER),
        ("risk.rank > 4", Truth.RANGE),
        ('risk.level in ["low", "medium", "high", "critical"]', Truth.ALWAYS),
        ("args.a > 1 && args.b > 1 && args.c > 1 && args.d > 1 && args.e > 1", Truth.OPEN),
    ],
)
def test_conditions_people_write(source: str, expected: Truth) -> None:
    assert truth(syntax(condition(source))[0], KNOWN) is expected


def test_the_widest_constant_parts_are_named() -> None:
    root, offsets = syntax(condition('args.s == "a" || (hour > 30 && args.n > 3)'))
    ((part, found),) = list(constant_parts(root, KNOWN))
    assert found is Truth.RANGE or found is Truth.NEVER
    assert offsets[part.id] > 10
