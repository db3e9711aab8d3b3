"""The page about the packs says what the packs are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from packs.corpus import PACKS
from toolguard.errors import ConfigError
from toolguard.policytools.catalog import BEGIN, END, catalog, main, renewed

PAGE = Path(__file__).parents[2] / "docs" / "packs.md"


def test_the_page_is_what_is_generated() -> None:
    page = PAGE.read_text("utf-8")
    assert renewed(page) == page, "run: python -m toolguard.policytools.catalog docs/packs.md"


def test_it_names_every_pack_and_its_place() -> None:
    text = catalog()
    for pack in PACKS:
        assert f"(#pack-{pack})" in text
        assert f"### pack: {pack}\n" in text


def test_no_cell_breaks_the_table() -> None:
    for line in catalog().splitlines():
        assert not line.startswith("|") or len(re.findall(r"(?<!\\)\|", line)) in (3, 5, 8), line


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no place"):
        renewed("# Packs\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Packs\n{BEGIN}\nwhat stood here\n{END}\nafter\n", "utf-8")
    main([str(page)])
    assert catalog() in page.read_text("utf-8")
    assert "what stood here" not in page.read_text("utf-8")
