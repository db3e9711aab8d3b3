"""The shipped packs: every rule shown by cases, no harmless call interrupted, any of them with any other."""

from __future__ import annotations

import itertools
import re

import pytest

from packs.corpus import EVERYDAY, PACKS, cases, severity
from toolguard._core.policy import Effect, Handling, Policy
from toolguard.config import ANALYSES
from toolguard.policyfile import load_policy, read_pack
from toolguard.policytools.cases import read_cases, run_files
from toolguard.policytools.coverage import coverage
from toolguard.policytools.judging import Judge

HEAD = "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: mine, version: 1}\n"
ANY_TOOL = 'defaults: {args: pass}\ntools: {"*": {}}\n'


def including(*packs: str, more: str = "") -> Policy:
    named = ", ".join(f"pack:{p}" for p in packs)
    return load_policy(f"{HEAD}include: [{named}]\n{more}", name="mine.yaml", functions=ANALYSES)


@pytest.mark.parametrize("pack", PACKS)
def test_its_cases_come_out_as_they_say(pack: str) -> None:
    failed = [(r.name, r.differences) for _, r in run_files([read_cases(f"pack:{pack}")]) if not r.passed]
    assert failed == []


@pytest.mark.parametrize("pack", PACKS)
def test_each_rule_matches_in_some_case_and_not_in_another(pack: str) -> None:
    file = read_cases(f"pack:{pack}")
    answers = [r.answer for _, r in run_files([file])]
    shown = coverage(file.policy, answers, added=file.added)
    assert [r.id for r in shown if not r.matched] == []
    silent = {r.id for r in shown for a in answers if a.decision is not None and r.id not in a.rules}
    assert silent == {r.id for r in shown}


@pytest.mark.parametrize("pack", PACKS)
def test_every_rule_says_why_and_which_control_it_serves(pack: str) -> None:
    for rule in including(pack).rules:
        assert rule.because.endswith("."), rule.id
        assert len(rule.because) > 30, rule.id
        assert rule.controls, rule.id


@pytest.mark.parametrize("pack", PACKS)
def test_no_pack_trusts_a_tool_with_an_identifier(pack: str) -> None:
    for tool in including(pack).tools:
        assert not tool.trusted_for
        assert not tool.trusted_results
        assert Handling.UNMASK not in tool.args.values()


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_says_how_to_use_it_and_names_its_approvals(pack: str) -> None:
    text = read_pack(pack).decode()
    comment = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert re.search(rf"include: \[pack:{pack}|include: \[.*pack:{pack}", comment)
    for name in including(pack).approvals:
        assert re.search(rf"^#\s+{name}:", comment, re.MULTILINE), name


@pytest.mark.parametrize("packs", [*itertools.combinations(PACKS, 2), PACKS], ids="+".join)
def test_packs_go_together(packs: tuple[str, ...]) -> None:
    policy = including(*packs)
    ids = [rule.id for rule in policy.rules]
    assert len(ids) == len(set(ids))
    assert {i.split("/")[0] for i in ids} == set(packs)
    assert policy.defaults.approval in policy.approvals
    for rule in policy.rules:
        assert rule.effect is not Effect.REQUIRE_APPROVAL or (rule.approval or "default") in policy.approvals


def test_together_they_are_never_milder_than_one_alone() -> None:
    everything = including(*PACKS, more=ANY_TOOL)
    with Judge(everything) as together:
        for pack in PACKS:
            with Judge(including(pack, more=ANY_TOOL)) as alone:
                for case in cases(pack):
                    if case.supposes:
                        continue
                    assert severity(together.judge(case.call)) >= severity(alone.judge(case.call)), case.name


# --- harmless calls --------------------------------------------------------------------------------------

MOST_INTERRUPTED = {"hipaa": 0.15}
"""Of the everyday calls of all packs under one of them; 0.05 elsewhere. A pack that stops every other call is switched off.

Under HIPAA's every command is looked at, and commands are a tenth of these calls.
"""


def everyday() -> list[tuple[str, object]]:
    return [(f"{p}: {c.name}", c.call) for p in PACKS for c in cases(p) if c.name.startswith(EVERYDAY)]


def test_there_are_enough_harmless_calls_to_count() -> None:
    assert len(everyday()) >= 80


@pytest.mark.parametrize("pack", PACKS)
def test_few_harmless_calls_of_others_are_interrupted(pack: str) -> None:
    with Judge(including(pack, more=ANY_TOOL)) as judge:
        stopped = [name for name, call in everyday() if severity(judge.judge(call)) > Effect.MASK]
    assert len(stopped) <= MOST_INTERRUPTED.get(pack, 0.05) * len(everyday()), stopped
