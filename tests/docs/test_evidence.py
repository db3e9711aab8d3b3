"""The page for auditors names every exception, file and framework there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from evidence.conftest import hospital, pack, population
from toolguard.evidence import Pack
from toolguard.population import ASKS_FOR_REVIEW, EXCEPTIONS, FRAMEWORKS
from toolguard.report.pages import _MEMBERS

__all__ = ["hospital", "pack", "population"]

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text("utf-8")


def test_every_exception_is_explained_and_which_wait_for_a_review() -> None:
    table = PAGE[PAGE.index("## Exceptions") : PAGE.index("## Checked by others")]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    told = [code for row in rows for code in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(told) == sorted(EXCEPTIONS)
    waits = {code for row in rows if "waits for a review" in row for code in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert waits == ASKS_FOR_REVIEW


def test_every_framework_is_named() -> None:
    assert all(f"`{name}`" in PAGE for name in FRAMEWORKS)


def test_every_file_of_a_pack_is_explained_on_the_page_and_in_its_readme(pack: Pack) -> None:
    stems = {stem for stem, _ in _MEMBERS}
    folders = {stem.partition("/")[0] + "/" for stem in stems if "/" in stem}
    for name in pack.members:
        if name not in ("manifest.json", "manifest.note"):
            assert any(name.startswith(stem) for stem in stems), name
        assert f"`{name}`" in PAGE or any(name.startswith(f) and f"`{f}`" in PAGE for f in folders) or "oscal" in name
    readme = pack.members["README.html"].decode()
    assert all(f'href="{name}"' in readme for name in pack.members if "/" not in name)
