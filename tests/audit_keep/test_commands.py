"""``toolguard audit archive`` and ``verify --segments``: what they say, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from journal.insiders import SIGNER, Place
from journal.test_proof_command import place, run

__all__ = ["place"]

BEFORE = ("--before", "2100-01-01")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def test_archive_then_verify(place: Place, kept: Path) -> None:
    code, said = run(place, "archive", *BEFORE, "--to", str(kept))
    assert (code, "records  " in said) == (0, True), said
    code, said = run(place, "verify", "--segments", str(kept))
    assert code == 0, said
    assert f"in {len(list(kept.iterdir()))} archived segments" in said
    code, said = run(place, "verify", "--segments", str(kept), "--json")
    data = json.loads(said)
    assert (code, data["ok"], data["segments"]["faults"]) == (0, True, [])


def test_a_segment_that_is_gone_is_2_and_one_that_was_edited_1(place: Place, kept: Path) -> None:
    run(place, "archive", *BEFORE, "--to", str(kept))
    first = min(kept.iterdir())
    data = first.read_bytes()
    first.unlink()
    code, said = run(place, "verify", "--segments", str(kept))
    assert (code, "is not there" in said) == (2, True), said
    first.write_bytes(data[:-30])
    code, said = run(place, "verify", "--segments", str(kept))
    assert (code, "is other than" in said) == (1, True), said


def test_without_a_pinned_key_or_a_folder_nothing_is_archived(place: Place, kept: Path) -> None:
    code, said = run(place, "archive", *BEFORE, "--to", str(kept / "not-mounted"))
    assert (code, "no folder" in said) == (3, True), said
    config = place.path.with_name("toolguard.toml")
    config.write_text(config.read_text().replace(SIGNER.public_key.line, "").replace('trusted = [""]\n', ""))
    code, said = run(place, "archive", *BEFORE, "--to", str(kept))
    assert (code, "give --key" in said) == (3, True), said
    assert list(kept.iterdir()) == []
