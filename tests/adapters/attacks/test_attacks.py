"""Each attack on a framework's own approvals and on a guarded run: the one shows the hole, the other refuses.

A bare framework that stops showing a hole fails its test here, too: then the table in the docs has to say since when.
"""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.attacks import attacks, boxes, table
from adapters.attacks.sites import Bare, Guarded, Site

AGENTS = Path(__file__).parents[3] / ".venv" / "agents" / "bin" / "python"
by_name = pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda a: a.__name__)


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    sites: list[Any] = []
    yield sites
    for site in sites:
        site.close()


def maker(kind: type[Site], folder: Path, opened: list[Any]) -> attacks.Make:
    def make(middleware: Any = (), *, before: Any = (), **settings: Any) -> Site:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is not named in the policy")  # said of the misspelt name
            opened.append(kind(folder, middleware, before=before, **settings))
        return opened[-1]

    return make


@by_name
def test_langchain_alone_lets_it_happen(attack: Callable[..., int], tmp_path: Path, opened: list[Any]) -> None:
    assert attack(maker(Bare, tmp_path, opened)) == table.LANGCHAIN[attack.__name__]


@by_name
def test_guarded_langchain_does_not(attack: Callable[..., int], tmp_path: Path, opened: list[Any]) -> None:
    assert attack(maker(Guarded, tmp_path, opened)) == 0


def test_a_guarded_agent_does_run_what_was_approved(tmp_path: Path, opened: list[Any]) -> None:
    """None of the above is a guard that runs nothing at all."""
    site = maker(Guarded, tmp_path, opened)()
    site.start()
    site.answer("approve")()
    assert site.ran == [("pay", "pharmacy", 10)]


def test_a_misspelt_name_is_said_aloud(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="'pay' is not named in the policy"):
        Guarded(tmp_path, misspelt=True).close()


@pytest.fixture(scope="module")
def agents() -> dict[str, Any]:
    """What the attacks did to OpenAI Agents, which lives in an environment of its own (``make test`` makes it)."""
    if not AGENTS.exists():
        if os.environ.get("CI"):
            pytest.fail("OpenAI Agents is not installed in .venv/agents; run the tests with 'make test'")
        pytest.skip(
            "OpenAI Agents is not installed in .venv/agents: its attacks were NOT tried; 'make test' installs it"
        )
    script = Path(__file__).with_name("openai_agents.py")
    ran = subprocess.run([AGENTS, script], capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("attack", sorted(table.AGENTS))
def test_openai_agents_alone_lets_it_happen(attack: str, agents: dict[str, Any]) -> None:
    assert agents["version"] == table.AGENTS_VERSION
    assert agents["found"][attack] == table.AGENTS[attack]


@pytest.mark.parametrize("attack", boxes.ATTACKS, ids=lambda a: a.__name__)
def test_a_guarded_run_of_the_openai_sdk_does_not(
    attack: Callable[..., int], tmp_path: Path, opened: list[Any]
) -> None:
    def make(*payments: dict[str, Any]) -> boxes.Box:
        opened.append(boxes.Box(tmp_path, *payments))
        return opened[-1]

    assert attack(make) == 0


def test_the_table_in_the_docs_is_this_one() -> None:
    page = table.DOCS.read_text("utf-8")
    assert table.written(page) == page
