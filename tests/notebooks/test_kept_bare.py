"""Notebooks are kept without what they gave out, in short cells, with links that lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_output_is_kept(path: Path) -> None:
    for cell in read(path)["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert not cell["metadata"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_cells_are_short_and_explained(path: Path) -> None:
    cells = read(path)["cells"]
    code = [c for c in cells if c["cell_type"] == "code"]
    prose = [c for c in cells if c["cell_type"] == "markdown"]
    assert cells[0]["cell_type"] == "markdown"
    assert max(len(c["source"]) for c in code) <= 40
    assert len(prose) >= len(code) / 2
    assert len({c["id"] for c in cells}) == len(cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_links_lead_somewhere(path: Path) -> None:
    text = "\n".join("".join(c["source"]) for c in read(path)["cells"] if c["cell_type"] == "markdown")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (FOLDER / target).exists(), target


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 6
