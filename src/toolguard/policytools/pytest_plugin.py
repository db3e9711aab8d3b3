"""The pytest plugin: every case of a ``*.cases.yaml`` is a test.

Nothing is collected unless a project asks for it: ``toolguard_cases = true`` in its pytest configuration, or
``--toolguard`` on the command line. Until then nothing of toolguard is loaded but its core.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from toolguard.policytools.cases import CaseFile, Difference

__all__ = ["pytest_addoption", "pytest_collect_file"]


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "collect the cases beside toolguard policies (*.cases.yaml)"
    parser.getgroup("toolguard").addoption("--toolguard", action="store_true", default=False, help=text)
    parser.addini("toolguard_cases", text, type="bool", default=False)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PolicyCases | None:
    config = parent.config
    if not file_path.name.endswith(".cases.yaml") or not (
        config.getoption("--toolguard") or config.getini("toolguard_cases")
    ):
        return None
    collected: PolicyCases = PolicyCases.from_parent(parent, path=file_path)
    return collected


class PolicyCases(pytest.File):
    """A file of cases. Its policy is loaded once."""

    def collect(self) -> Iterator[pytest.Item]:
        from toolguard.errors import ToolguardError
        from toolguard.policytools.cases import read_cases

        try:
            self.read: CaseFile = read_cases(str(self.path))
        except ToolguardError as error:
            raise self.CollectError(str(error)) from None
        for index, case in enumerate(self.read.model.cases):
            yield PolicyCase.from_parent(self, name=case.name, index=index)

    def setup(self) -> None:
        from toolguard.policytools.judging import Judge

        self.judge = Judge(self.read.policy)

    def teardown(self) -> None:
        self.judge.close()


class CaseFailedError(Exception):
    """A case came out otherwise."""

    def __init__(self, differences: tuple[Difference, ...]) -> None:
        super().__init__("a case came out otherwise")
        self.differences = differences


class PolicyCase(pytest.Item):
    """One case."""

    def __init__(self, *, index: int, **known: Any) -> None:
        super().__init__(**known)
        self.index = index

    @property
    def _file(self) -> PolicyCases:
        parent = self.parent
        assert isinstance(parent, PolicyCases)  # noqa: S101 - PolicyCases alone makes these items
        return parent

    def runtest(self) -> None:
        from toolguard.policytools.cases import run_case

        result = run_case(self._file.read, self.index, self._file.judge)
        if not result.passed:
            raise CaseFailedError(result.differences)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, CaseFailedError):
            return super().repr_failure(excinfo, style)
        lines = [f"{self.path}:{self._file.read.line(self.index)}: {self.name}"]
        lines += [f"  {d.what}: expected {d.expected}, got {d.got}" for d in excinfo.value.differences]
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._file.read.line(self.index) - 1, f"case: {self.name}"
