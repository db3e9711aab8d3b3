"""Every command docs/policy-tools.md shows is run, and says what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from policytools.made import make
from toolguard.policyfile import load_policy
from toolguard.policytools.remark import CODES
from toolguard.policytools.spec import (
    BeforeModel,
    CallerModel,
    CaseModel,
    CasesModel,
    ExpectModel,
    GivenModel,
    SaidModel,
)

PAGE = (Path(__file__).parents[2] / "docs" / "policy-tools.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(m[1], m[2], m[3]) for m in BLOCK.finditer(PAGE)]
COMMANDS = [
    (code.strip(), after[2] if after[0] == "text" else "")
    for (language, _, code), after in zip(BLOCKS, [*BLOCKS[1:], ("", "", "")], strict=True)
    if language == "sh"
]
TOOLGUARD = Path(sys.executable).with_name("toolguard")


def next_version(text: str) -> str:
    """The next version of the policy, as the page describes it."""
    for before, after in (
        ("version: 1,", "version: 2,"),
        ("args.limit > 50", "args.limit > 200"),
        ("19:00-07:00", "20:00-07:00"),
        ("send_letter: {risk: medium", "send_letter: {risk: high"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file the page shows, and with calls on record."""
    folder = tmp_path_factory.mktemp("page")
    for _, name, text in BLOCKS:
        if name:
            (folder / name).write_text(text, "utf-8")
    ward = (folder / "ward.yaml").read_text("utf-8")
    (folder / "next.yaml").write_text(next_version(ward), "utf-8")
    calls = [("find_patient", {"limit": n}) for n in (10, 10, 100, 500)] + [("send_letter", {"template": "visit"})] * 2
    make(folder, ward, calls, head="")
    return folder


def test_the_policy_shown_loads() -> None:
    (ward,) = [text for _, name, text in BLOCKS if name == "ward.yaml"]
    assert len(load_policy(ward).rules) == 3


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_every_command_says_what_the_page_says(place: Path, command: str, shown: str) -> None:
    words = shlex.split(command, comments=True)
    assert words[:2] == ["toolguard", "policy"]
    done = subprocess.run(
        [str(TOOLGUARD), *words[1:]],
        cwd=place,
        capture_output=True,
        text=True,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"},
    )
    assert done.returncode == (1 if "# ends in 1" in command else 0), done.stderr
    said = re.sub(r"such as [0-9a-f]{12}", "such as 3f9c2a7b10de", done.stdout)
    assert [line.rstrip() for line in said.splitlines()] == [line.rstrip() for line in shown.splitlines()]


def test_every_code_of_lint_is_explained() -> None:
    told = set(re.findall(r"`(TG\d{3})`", PAGE))
    for first, last in re.findall(r"`TG(\d{3})`–`TG(\d{3})`", PAGE):
        told |= {f"TG{n:03}" for n in range(int(first), int(last) + 1)}
    assert told == set(CODES)


@pytest.mark.parametrize("model", [CasesModel, CaseModel, GivenModel, CallerModel, ExpectModel, BeforeModel, SaidModel])
def test_every_key_of_a_case_is_explained(model: type) -> None:
    told = set(re.findall(r"`([a-zA-Z_]+)`", PAGE))
    shown = {"apiVersion", "kind", "cases", "expect"}  # in the example, and plain there
    assert {f.alias or name for name, f in model.model_fields.items()} <= told | shown
