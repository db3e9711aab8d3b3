"""The page on threats names tests that exist, and every threat has one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", (ROOT / "docs" / "threats.md").read_text("utf-8"), re.MULTILINE)


def names() -> set[str]:
    """Every test there is, by name."""
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_threat_is_there_once():
    assert [int(number) for number, _ in ROWS] == list(range(1, 29))


def test_every_threat_is_shown_by_tests_that_exist():
    named = {number: set(re.findall(r"`(test_\w+)`", shown)) for number, shown in ROWS}
    assert all(named.values())
    missing = set().union(*named.values()) - names()
    assert missing == set()


def test_a_test_that_is_numbered_stands_in_its_row():
    for number, shown in ROWS:
        for other in re.findall(r"`test_[tT](\d+)_", shown):
            assert other == number
