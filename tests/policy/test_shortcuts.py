"""Shortcuts spare the engine work; they may never say no where the engine would not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.support import ENGINE, facts
from toolguard._core.condition import ConditionError
from toolguard._core.mask import Finding
from toolguard.policyfile import load_policy, read_pack
from toolguard.policyfile.cel import CelCondition

SOURCES = [
    "has(args.limit) && args.limit > 100",
    'has(args.limit) && args.limit > 100 || has(args.to) && args.to == "x"',
    "has(args.limit) || has(args.to)",
    "has(session.calls) && session.calls == 2",
    "reveals(args).size() > 0 && args.limit > 3",
    "size(phi(args.to)) > 0 || secrets(args).size() > 0",
    'mentions(args, "x") && args.limit > 3',
    'mentions(args.to, "x")',
    'has(args.to) && mentions(args.to, "x")',
    'finds(args, "x|500") && args.limit > 3',
    'says("x|500|t .*export") && args.limit > 3',
    *[r.when.source for r in load_policy(read_pack("hipaa")).rules if r.when is not None],
]
PROGRAMS = [p for p in map(ENGINE.compile, SOURCES) if p.never is not None]
TEXTS = st.sampled_from(["x", "X", " x", "\u0445", "500", "50", "$export", '{"to": "x"}', "http://a.example", ""])
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-5, 500),
    lambda v: st.lists(v, max_size=2) | st.dictionaries(TEXTS, v),
)
NAMES = st.sampled_from(["limit", "to", "l\u200bimit", "ｔｏ", "%74o", "url", "break_glass", "other"])
FINDINGS = st.lists(
    st.builds(
        lambda name, kind: Finding(path=(name,), start=0, end=1, type=kind), NAMES, st.sampled_from(["MRN", "SECRET"])
    ),
    max_size=2,
).map(tuple)


@pytest.mark.parametrize("restricts", [True, False])
@given(
    data=st.dictionaries(NAMES, VALUES, max_size=3),
    present=FINDINGS,
    revealed=FINDINGS,
    session=st.sampled_from([{}, {"calls": 2}, {"calls": None}, {"run": "r"}]),
)
@settings(max_examples=30)
def test_what_a_shortcut_denies_the_engine_denies(
    restricts: bool, data: dict[str, Any], present: Any, revealed: Any, session: dict[str, Any]
) -> None:
    given_ = facts(data, present=present, revealed=revealed, session=session)
    for program in PROGRAMS:
        if program.never is None or not program.never(given_):
            continue
        slow = CelCondition(engine=ENGINE, program=replace(program, never=None), restricts=restricts)
        try:
            assert slow.holds(given_) is False, program.source
        except ConditionError as error:
            assert error.code == "wrong_type", program.source  # noqa: PT017 - a misfit elsewhere: no is right, doubt is stricter


@pytest.mark.parametrize("source", SOURCES[:5])
def test_they_do_spare_the_engine(source: str) -> None:
    program = ENGINE.compile(source)
    assert program.never is not None
    assert program.never(facts({"other": 1}))


@pytest.mark.parametrize(
    "source",
    [
        "args.limit > 3",
        "!has(args.limit)",
        "has(args.limit) || args.to == 'x'",
        "hour > 3",
        "size(args.to) > 0",
        "has(args.a.b)",
    ],
)
def test_forms_they_do_not_know_are_left_to_the_engine(source: str) -> None:
    assert ENGINE.compile(source).never is None
