"""Cases beside a policy: calls, and what must come out of them (``NAME.cases.yaml``)."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import toolguard_policies
from toolguard._core.call import Tool
from toolguard._core.policy import Policy
from toolguard.errors import ConfigError
from toolguard.policyfile.document import Document
from toolguard.policyfile.faults import Problem, did_you_mean, refuse
from toolguard.policytools.judging import Answer, Judge
from toolguard.policytools.offered import placed
from toolguard.policytools.reading import composed, read_bytes, read_shape
from toolguard.policytools.spec import CaseModel, CasesModel, ExpectModel

__all__ = ["SUFFIX", "CaseFile", "Difference", "Result", "find_case_files", "read_cases", "run_case", "run_files"]

SUFFIX = ".cases.yaml"
_PACK = "pack:"
_SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A file of cases, read. ``policy`` is loaded with the file's own fragment laid over it."""

    name: str
    model: CasesModel
    policy: Policy
    document: Document

    @property
    def subject(self) -> str:
        """Which policy the cases are about, whatever file they stand in."""
        if self.model.policy.startswith(_PACK):
            return self.model.policy
        return os.path.normpath(Path(self.name).parent / self.model.policy)

    @property
    def added(self) -> frozenset[str]:
        """Rules that only the file's own fragment brings."""
        if self.model.policy.startswith(_PACK):
            pack = self.model.policy.removeprefix(_PACK) + "/"
            return frozenset(r.id for r in self.policy.rules if not r.id.startswith(pack))
        return frozenset(str(r["id"]) for r in self.model.over.get("rules", ()))

    def line(self, index: int) -> int:
        return self.document.position(("cases", index))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that came out otherwise."""

    what: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one case."""

    file: str
    line: int
    name: str
    differences: tuple[Difference, ...]
    answer: Answer = field(repr=False)

    @property
    def passed(self) -> bool:
        return not self.differences


def find_case_files(names: Sequence[str], *, under: Path = Path()) -> list[str]:
    """The case files that ``names`` mean: case files, policies with one beside them, folders, ``pack:NAME``.

    With no names: every one below ``under``. Raises ConfigError where there is none.
    """
    found: list[str] = []
    for name in names or [str(under)]:
        path = Path(name)
        if name.startswith(_PACK) or name.endswith(SUFFIX):
            found.append(name)
        elif path.is_dir():
            found += sorted(_below(path))
        else:
            beside = path.with_name(path.name.removesuffix(".yaml").removesuffix(".yml") + SUFFIX)
            if not beside.exists():
                raise ConfigError(f"{name!r} has no cases beside it; write them to {beside.name!r}")
            found.append(str(beside))
    if not found:
        raise ConfigError(f"there is no file of cases here; write one, such as policy{SUFFIX}")
    return list(dict.fromkeys(found))


def _below(top: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        yield from (str(Path(folder) / f) for f in fnmatch.filter(files, f"*{SUFFIX}"))


def read_cases(name: str) -> CaseFile:
    """A file of cases, or with ``pack:NAME`` those that are shipped with a pack.

    Raises:
        PolicyError: it or its policy is not in order; every fault is named.
        ConfigError: a file cannot be read, or there is no such pack.
    """
    if name.startswith(_PACK):
        raw, file, beside = _pack_cases(name.removeprefix(_PACK)), f"{name.removeprefix(_PACK)}{SUFFIX}", None
    else:
        raw, file, beside = read_bytes(Path(name)), name, Path(name).parent
    model, document = read_shape(raw, file, CasesModel)
    policy = composed(model.policy, model.over, beside=beside)
    problems = list(_unknown_rules(model, document, policy))
    if problems:
        raise refuse(file, problems)
    return CaseFile(name=file, model=model, policy=policy, document=document)


def _pack_cases(pack: str) -> bytes:
    try:
        return toolguard_policies.read_cases(pack)
    except KeyError:
        raise ConfigError(f"there are no cases for a pack {pack!r}") from None


def _unknown_rules(model: CasesModel, document: Document, policy: Policy) -> Iterator[Problem]:
    """A case that expects a rule which does not exist would be right for the wrong reason, or never."""
    ids = _ids(policy)
    names: set[str] = set()
    for index, case in enumerate(model.cases):
        if case.name in names:
            yield document.problem(("cases", index, "name"), f"case {case.name!r} stands twice; rename one")
        names.add(case.name)
        for key in ("rules", "not_rules"):
            for rule in getattr(case.expect, key) or ():
                if rule not in ids:
                    message = f"no rule is called {rule!r}; {did_you_mean(rule, ids)}"
                    yield document.problem(("cases", index, "expect", key), message)
        for approval in case.expect.approvals or ():
            if approval not in policy.approvals:
                message = f"no approval is called {approval!r}; {did_you_mean(approval, policy.approvals)}"
                yield document.problem(("cases", index, "expect", "approvals"), message)


def _ids(policy: Policy) -> Mapping[str, str]:
    """What a rule may be called → its id: the id itself, or without the pack's name where that is plain."""
    short: dict[str, list[str]] = {}
    for rule in policy.rules:
        short.setdefault(rule.id.rpartition("/")[2], []).append(rule.id)
    plain = {name: ids[0] for name, ids in short.items() if len(ids) == 1}
    return {**plain, **{rule.id: rule.id for rule in policy.rules}}


def run_case(file: CaseFile, index: int, judge: Judge, *, tools: Iterable[Tool] = ()) -> Result:
    """Judge one case as the guard would. Of ``tools`` those are taken that the file itself says nothing of."""
    case: CaseModel = file.model.cases[index]
    known = {t.name: placed(t, file.policy) for t in tools}
    call = case.call({**known, **{t.name: t.tool() for t in file.model.tools}}, file.model.given)
    answer = judge.judge(call)
    found = tuple(_differences(case.expect, answer, _ids(file.policy)))
    return Result(file=file.name, line=file.line(index), name=case.name, differences=found, answer=answer)


def run_files(files: Iterable[CaseFile], *, tools: Sequence[Tool] = ()) -> Iterator[tuple[CaseFile, Result]]:
    """Every case of ``files``, in order. ``tools``: as `run_case` takes them."""
    with ExitStack() as stack:
        for file in files:
            judge = stack.enter_context(Judge(file.policy))
            for index in range(len(file.model.cases)):
                yield file, run_case(file, index, judge, tools=tools)


def _differences(expect: ExpectModel, answer: Answer, ids: Mapping[str, str]) -> Iterator[Difference]:
    decision = answer.decision

    def differ(what: str, expected: Any, got: Any) -> Iterator[Difference]:
        if expected != got:
            yield Difference(what=what, expected=_said(expected), got=_said(got))

    if expect.effect is not None:
        yield from differ("effect", expect.effect, answer.effect)
    if expect.reason is not None:
        yield from differ("reason", expect.reason, answer.reason)
    wanted = {ids[name] for name in expect.rules or ()}
    if not wanted <= set(answer.rules):
        yield Difference(what="rules", expected=_said(sorted(wanted)), got=_said(sorted(answer.rules)))
    unwanted = {ids[name] for name in expect.not_rules or ()} & set(answer.rules)
    if unwanted:
        yield Difference(what="not_rules", expected="not " + _said(sorted(unwanted)), got=_said(sorted(answer.rules)))
    if expect.approvals is not None:
        yield from differ("approvals", sorted(expect.approvals), sorted(answer.approvals))
    for path, handling in (expect.args or {}).items():
        yield from differ(f"args.{path}", handling, answer.handling(path).value)
    if expect.results is not None:
        got = None if decision is None else decision.obligations.results.value
        yield from differ("results", expect.results, got)
    if expect.max_result_chars is not None:
        chars = None if decision is None else decision.obligations.max_result_chars
        yield from differ("max_result_chars", expect.max_result_chars, chars)
    if expect.reveals is not None:
        yield from differ("reveals", sorted(expect.reveals), sorted(answer.revealed))
    if expect.finds is not None:
        yield from differ("finds", sorted(expect.finds), sorted(answer.present))
    if expect.risk is not None and expect.risk.level is not None:
        yield from differ("risk.level", expect.risk.level, None if decision is None else decision.risk.level.label)
    if expect.risk is not None and expect.risk.category is not None:
        classes = set() if decision is None else decision.risk.classes
        if not set(expect.risk.category) <= classes:
            said = sorted(expect.risk.category)
            yield Difference(what="risk.category", expected=_said(said), got=_said(sorted(classes)))


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)
