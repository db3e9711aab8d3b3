"""Lint: what is wrong with a policy that loads, by itself and against the tools and people it is about."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from toolguard._core.call import Tool
from toolguard.config import ANALYSES
from toolguard.directory import FileDirectory
from toolguard.errors import ConfigError, PolicyError
from toolguard.policyfile import Problem, load_policy, pack_names, read_pack
from toolguard.policyfile.document import read_document
from toolguard.policyfile.faults import did_you_mean
from toolguard.policyfile.shape import check_shape
from toolguard.policytools import lint_conditions, lint_people, lint_rules, lint_tools
from toolguard.policytools.linted import Linted
from toolguard.policytools.reading import read_bytes
from toolguard.policytools.remark import Remark, silenced

__all__ = ["lint"]

_CHECKS: tuple[Callable[[Linted], Iterator[Remark]], ...] = (
    lint_rules.check,
    lint_conditions.check,
    lint_people.check,
    lint_tools.check,
)


def lint(name: str, *, tools: Sequence[Tool] = (), directory: FileDirectory | None = None) -> tuple[Remark, ...]:
    """Every remark in a policy file, or with ``pack:NAME`` in a shipped pack, in the order of the file.

    Args:
        tools: the tools the policy is for; without them nothing is said of names, arguments and their types.
        directory: who is who; without it nothing is said of who could approve.

    Raises:
        ConfigError: the file cannot be read, or there is no such pack.
    """
    raw = _read(name)
    document = read_document(raw, name)
    parts, _ = check_shape(document)
    try:
        policy = load_policy(raw, name=name, functions=ANALYSES)
    except PolicyError as fault:
        found = [_of_problem(p) for p in fault.problems if isinstance(p, Problem)]
    else:
        linted = Linted(
            document=document, parts=parts, policy=policy, tools=tuple(tools), directory=directory, now=time.time()
        )
        found = [remark for check in _CHECKS for remark in check(linted)]
    return tuple(sorted(silenced(sorted(set(found)), document.text, name)))


def _read(name: str) -> bytes:
    if not name.startswith("pack:"):
        return read_bytes(Path(name))
    pack = name.removeprefix("pack:")
    if pack not in pack_names():
        raise ConfigError(f"there is no pack {pack!r}; {did_you_mean(pack, pack_names())}")
    return read_pack(pack)


_KINDS = (("stands twice, first on line", "TG002"), ("a condition must give yes or no", "TG003"))


def _of_problem(problem: Problem) -> Remark:
    code = next(
        (code for words, code in _KINDS if words in problem.message and problem.path.startswith("rules")), "TG001"
    )
    return Remark(
        file=problem.file,
        line=problem.line,
        column=problem.column,
        code=code,
        message=problem.message,
        path=problem.path,
        first=problem.line,
    )
