"""Trying mutants: which of them come out milder than the case they were made from, and which of these are known."""

from __future__ import annotations

import zlib

from packs.corpus import Case, cases, judge_of, severity
from packs.mutations import Mutant, mutants
from toolguard._core.policy import Effect

__all__ = ["GAPS", "milder", "tried_out", "unexplained"]

_PATIENTS = "a patient is counted where the policy says that one is named"
_ANOTHER = (
    "another name is another tool, of which the policy does not say where it names a patient; by itself it is denied"
)
_TRACED = "where an address came from is not looked up in this form"
GAPS = {
    ("hipaa", "the fifty-first patient of a day", "arguments "): _PATIENTS,
    ("hipaa", "an export in small pieces", "arguments "): _PATIENTS,
    ("fhir", "the fifty-first patient of a day", "arguments "): _PATIENTS,
    ("fhir", "the fifty-first patient of a day", "tool "): _ANOTHER,
    ("agents", "a page that a text names", "arguments as JSON"): _TRACED,
}
"""What is known to come out milder: pack, case, beginning of the mutation → why. It must stay true to stay here."""


def milder(case: Case, *, one_in: int = 1) -> tuple[list[str], int]:
    """What came out milder than the case itself, and how many mutants were tried.

    Less may happen to a call by which less reaches the tool: a tool that is not the trusted one gets tokens, not values.
    """
    judge = judge_of(case.pack, identifies=case.identifies)
    first = judge.judge(case.call)
    before = severity(first)
    found, tried = [], 0
    for mutant in mutants(case.call, looks=not case.call.said):
        if one_in > 1 and zlib.crc32(f"{case.name} {mutant.name}".encode()) % one_in:
            continue
        tried += 1
        answer = judge.judge(mutant.call)
        after = severity(answer)
        if after < before and not answer.revealed < first.revealed:
            found.append(f"{case.name}: {_said(mutant)}: {before.label} → {after.label}")
    return found, tried


def unexplained(pack: str, found: list[str]) -> list[str]:
    known = [f"{name}: {start}" for p, name, start in GAPS if p == pack]
    return [line for line in found if not line.startswith(tuple(known))]


def _said(mutant: Mutant) -> str:
    return f"{mutant.name} {mutant.call.tool.name!r} {mutant.call.args!r}"


def firing(pack: str) -> list[Case]:
    found = cases(pack)
    return [c for c in found if severity(judge_of(pack, identifies=c.identifies).judge(c.call)) > Effect.MASK]


def tried_out(pack: str, *, one_in: int) -> tuple[list[str], int]:
    found, tried = [], 0
    for case in firing(pack):
        worse, count = milder(case, one_in=one_in)
        found += worse
        tried += count
    return found, tried
