"""Whoever writes a call otherwise gets no milder answer: every case of every pack that fires a rule, in every clothes."""

from __future__ import annotations

import zlib

import pytest

from packs.corpus import PACKS, Case, cases, judge_of, severity
from packs.mutations import Mutant, mutants
from toolguard._core.policy import Effect


def milder(case: Case, *, one_in: int = 1) -> tuple[list[str], int]:
    """What came out milder than the case itself, and how many mutants were tried."""
    judge = judge_of(case.pack, identifies=case.identifies)
    before = severity(judge.judge(case.call))
    found, tried = [], 0
    for mutant in mutants(case.call):
        if one_in > 1 and zlib.crc32(f"{case.name} {mutant.name}".encode()) % one_in:
            continue
        tried += 1
        after = severity(judge.judge(mutant.call))
        if after < before:
            found.append(f"{case.name}: {_said(mutant)}: {before.label} → {after.label}")
    return found, tried


def _said(mutant: Mutant) -> str:
    return f"{mutant.name} {mutant.call.tool.name!r} {mutant.call.args!r}"


def firing(pack: str) -> list[Case]:
    found = cases(pack)
    return [c for c in found if severity(judge_of(pack, identifies=c.identifies).judge(c.call)) > Effect.MASK]


@pytest.mark.parametrize("pack", PACKS)
def test_some_of_it_in_every_check(pack: str) -> None:
    found, tried = [], 0
    for case in firing(pack):
        worse, count = milder(case, one_in=20)
        found += worse
        tried += count
    assert tried
    assert not found, "\n".join(found)
