"""Every case of every pack, as calls that can be judged again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from toolguard._core.policy import Effect
from toolguard.policyfile import pack_names
from toolguard.policytools.cases import CaseFile, read_cases
from toolguard.policytools.judging import Answer, Call, Judge
from toolguard.testing import NoDetector

__all__ = ["EVERYDAY", "PACKS", "Case", "cases", "judge_of", "severity"]

PACKS = pack_names()
EVERYDAY = "everyday: "
"""How the names of calls begin that nobody should be asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case with its call.

    ``identifies`` is whether what it holds has to be looked for by the detector; ``supposes`` whether it goes by what
    was before, or by what the case's own file says of the tools.
    """

    pack: str
    name: str
    call: Call
    identifies: bool
    supposes: bool


@cache
def _file(pack: str) -> CaseFile:
    return read_cases(f"pack:{pack}")


@cache
def judge_of(pack: str, *, identifies: bool) -> Judge:
    """A judge of the pack's cases; without a detector, which takes most of the time, where nothing is to be found."""
    judge = Judge(_file(pack).policy)
    if not identifies:
        judge._parts = replace(judge._parts, detector=NoDetector())
    return judge


@cache
def cases(pack: str) -> tuple[Case, ...]:
    file = _file(pack)
    return tuple(_cases(pack, file))


def _cases(pack: str, file: CaseFile) -> Iterator[Case]:
    tools = {t.name: t.tool() for t in file.model.tools}
    for case in file.model.cases:
        call = case.call(tools, file.model.given)
        full = judge_of(pack, identifies=True).judge(call)
        bare = judge_of(pack, identifies=False).judge(call)
        yield Case(
            pack=pack,
            name=case.name,
            call=call,
            identifies=severity(full) != severity(bare),
            supposes=bool(case.before or case.said),
        )


def severity(answer: Answer) -> Effect:
    return Effect.DENY if answer.decision is None else answer.decision.would
