"""The pytest plugin: cases are tests where a project asks for it, and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from policytools.support import CASES, WARD, write

PLUGIN = "toolguard.policytools.pytest_plugin"
TWO = CASES + (
    "cases:\n"
    "  - {name: letters by day, tool: send_letter, expect: {effect: allow}}\n"
    "  - {name: letters by night, tool: send_letter, hour: 3, expect: {effect: allow}}\n"
)


def pytest_says(folder: Path, *words: str) -> str:
    """pytest with this plugin alone: what else is installed here only takes time to start."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", *words],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_pytest_finds_the_plugin_by_itself() -> None:
    (found,) = entry_points(group="pytest11", name="toolguard")
    assert found.value == PLUGIN


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, "ward.yaml", WARD)
    write(tmp_path, "ward.cases.yaml", TWO)
    return tmp_path


def test_nothing_is_collected_unless_asked_for(project: Path) -> None:
    assert "no tests ran" in pytest_says(project)


@pytest.mark.parametrize("asked", ["the option", "the ini file"])
def test_each_case_is_a_test(project: Path, asked: str) -> None:
    if asked == "the ini file":
        write(project, "pytest.ini", "[pytest]\ntoolguard_cases = true\n")
    said = pytest_says(project, *(["--toolguard"] if asked == "the option" else []))
    assert "1 failed, 1 passed" in said
    assert "ward.cases.yaml:6: letters by night" in said
    assert "effect: expected allow, got deny" in said
    assert re.search(r"FAILED ward.cases.yaml::letters by night", said)


def test_a_file_that_is_not_in_order_is_an_error(project: Path) -> None:
    write(project, "ward.cases.yaml", TWO.replace("expect: {effect: allow}", "expect: {rules: gone}"))
    said = pytest_says(project, "--toolguard")
    assert "no rule is called 'gone'" in said
    assert "1 error" in said


def test_not_asked_for_it_loads_no_more_than_the_core() -> None:
    code = (
        "import sys, toolguard.policytools.pytest_plugin as p; "
        "print(sorted(m for m in sys.modules if m.startswith(('toolguard.policyfile', 'toolguard.config', 'pydantic'))))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
