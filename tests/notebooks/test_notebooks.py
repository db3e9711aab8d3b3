"""Every notebook runs from top to bottom by itself, in a real kernel, and comes to what it tells."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SAYS = {
    "01_first_guard.ipynb": ("<PERSON_1>", "records-are-kept", "did not run", "executed"),
    "02_policy.ipynb": ("did you mean 'effect'", "TG501", "1 failed", "0 failed", "large-payments"),
    "03_masking.ipynb": ("<ADDRESS_1>", "the tool got: the real number", "refused: unknown_tool"),
    "04_approval.ipynb": (
        "exported: heart failure 2026",
        "denied_by_person",
        "the loop went on meanwhile",
        "refused: self_approval",
        "exported: diabetes 2026",
        "replay",
    ),
    "05_journal.ipynb": ("the journal holds together", "1 record edited", "something was changed"),
    "06_policy_change.ipynb": ("loosens", "require_approval → allow", "hang on what is not on record"),
}
"""What a notebook comes to, whatever machine it runs on."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs_and_comes_to_what_it_tells(path: Path, tmp_path: Path) -> None:
    book = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call] # nbformat declares none
    NotebookClient(book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    told, pages = [], []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            told.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
            pages.append(output.get("data", {}).get("text/html", ""))
    said = "\n".join(told)
    for text in SAYS[path.name]:
        assert text in said, text
    html = "\n".join(pages)
    assert "<script" not in html.lower()
    for value in ("00451234", "Kowalczyk", "Larkspur", "555 0142"):
        assert value not in html
        assert value not in said


def test_the_stories_are_all_told() -> None:
    assert [p.name for p in NOTEBOOKS] == sorted(SAYS)
