"""Every command that any page shows exists, with every option it shows; every link and every configuration, too."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from toolguard.cli.main import build
from toolguard.config import Config

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def shown() -> Iterator[pytest.param]:
    """Each command line of each page, once."""
    known = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        lines = [line for _, code in BLOCK.findall(text) for line in code.replace("\\\n", " ").splitlines()]
        lines += re.findall(r"`(toolguard [^`\n]+)`", text)
        for line in lines:
            said = line.strip().removeprefix("$ ").partition(" | ")[0]
            if said.startswith("toolguard ") and said not in known:
                known.add(said)
                yield pytest.param(said, id=f"{page.name}: {said[:60]}")


@cache
def command(name: str) -> Any:
    """A sub-command of ``toolguard``."""
    found = getattr(typer.main.get_command(build([name])), "commands", {}).get(name)
    assert found is not None, f"there is no 'toolguard {name}'"
    return found


@pytest.mark.parametrize("line", list(shown()))
def test_every_command_that_is_shown_exists_with_its_options(line: str) -> None:
    words = shlex.split(line.replace("…", "").replace("'toolguard", "toolguard"), comments=True)[1:]
    words = [word for word in words if word not in ("|", ">", "<")]
    if not words or words[0].startswith("-") or words[0].isupper():  # a page about any command
        return
    for alternative in words[0].split("|"):
        at, rest = command(alternative), words[1:]
        while hasattr(at, "commands") and rest and not rest[0].startswith("-"):
            if rest[0] not in at.commands:
                break
            at, rest = at.commands[rest[0]], rest[1:]
        if hasattr(at, "commands") and rest and re.fullmatch(r"[a-z]+(-[a-z]+)*", rest[0]):
            assert rest[0] in at.commands, f"'toolguard {alternative}' has no {rest[0]!r}"
        known = {option for each in at.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
        if hasattr(at, "commands"):
            known |= {
                o for sub in at.commands.values() for each in sub.params for o in (*each.opts, *each.secondary_opts)
            }
        options = {word.partition("=")[0].rstrip(",.;)]") for word in rest if word.startswith("--")}
        assert options <= known, f"{sorted(options - known)} of 'toolguard {alternative}'"


def anchors(page: Path) -> set[str]:
    """The names that links within a page may have: its headings, as GitHub writes them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", h).lower()).replace(" ", "-") for h in heads
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_place_that_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)):
        file, _, place = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        if place and there.suffix == ".md":
            assert place in anchors(there), target


CONFIGURATIONS = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, (language, code) in enumerate(BLOCK.findall(page.read_text("utf-8")))
    if language == "toml"
]


@pytest.mark.parametrize("code", CONFIGURATIONS)
def test_every_configuration_that_is_shown_is_one(code: str, tmp_path: Path) -> None:
    given = tomllib.loads(code)
    given.setdefault("guard", {}).setdefault("policy", "policy.yaml")
    given.setdefault("store", {}).setdefault("url", "memory:")
    Config.model_validate({**given, "folder": tmp_path})
