"""The table in the docs is what this suite's own parameters say."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from adapters.contract.table import BEGIN, DOCS, END, NOT, PATHS, STATEMENTS, WAYS, expected, put, table, why_not

for file in sorted(Path(__file__).parent.glob("test_*.py")):
    if file.stem != "test_table":
        importlib.import_module(f"adapters.contract.{file.stem}")  # brings its rules along


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_is_tried_by_every_path_in_every_mode_or_says_why_not(statement: str) -> None:
    found = expected()
    for path in PATHS:
        for mode in path.modes:
            tried = found.get((statement, path.path, mode), set())
            assert bool(tried) is (why_not(statement, path, mode) is None), (path.path, mode)
            assert tried in (set(), set(WAYS)), (path.path, mode)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_docs_say_of_each_statement_what_is_tried(statement: str) -> None:
    column = list(STATEMENTS).index(statement) + 4
    there = DOCS.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    told, made = (_column(text, column) for text in (there, table(expected())))
    assert told == made, "run `make guarantees`"


def _column(text: str, number: int) -> list[str]:
    return [line.split("|")[number].strip() for line in text.splitlines() if line.startswith("|")]


def test_the_table_in_the_docs_is_whole() -> None:
    text = DOCS.read_text("utf-8")
    assert put(text, table(expected())) == text, "run `make guarantees`"


def test_every_reason_names_paths_and_modes_there_are() -> None:
    paths, modes = {p.path for p in PATHS}, {m for p in PATHS for m in p.modes}
    for statement, named, at, why in NOT:
        assert statement in STATEMENTS
        assert set(named) <= paths
        assert set(at) <= modes
        assert len(why) > 20


def test_a_statement_that_failed_is_not_shown_as_holding() -> None:
    found = expected()
    del found["S7", "ToolBox.run", "raise"]
    found["S7", "ToolBox.run", "block"] = {"sync"}
    assert table(found).count("✗") == 2
