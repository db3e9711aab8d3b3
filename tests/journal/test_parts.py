"""A journal read in parts, by one process or by several, gives what it gives read at once."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from journal.insiders import Place
from toolguard.journal import Workers, _parts, verify
from toolguard.ports import Store
from toolguard.stores import open_store
from toolguard.stores.sqlite import SqliteStore

EDITS = (
    "SELECT 1",
    "UPDATE records SET at = at + 1 WHERE seq = 7",
    "DELETE FROM records WHERE seq = 7",
    "DELETE FROM records WHERE seq BETWEEN 6 AND 8",
    "DELETE FROM records WHERE seq > 20",
    "UPDATE records SET prev = hash WHERE seq = 8",
    "UPDATE records SET seq = -3 WHERE seq = 14",
    "UPDATE records SET seq = 'x' WHERE seq = 14",
    "UPDATE records SET hash = 'x' WHERE seq = 14",
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place(tmp_path_factory.mktemp("parts"))
    place.live(*(f"n{n}" for n in range(6)))
    place.tick()
    place.close()
    return place.path


def edited(original: Path, folder: Path, statement: str) -> Path:
    path = Path(shutil.copy(original, folder / "store.db"))
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()
    return path


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("statement", EDITS)
def test_wherever_a_log_is_cut_the_same_is_found(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, size: int
) -> None:
    store = SqliteStore(edited(original, tmp_path, statement), read_only=True)
    whole = verify(store)
    monkeypatch.setattr(_parts, "_RECORDS", size)
    parts = verify(store)
    store.close()
    assert (parts.exit_code, parts.states, parts.acts, set(parts.running)) == (
        whole.exit_code,
        whole.states,
        whole.acts,
        set(whole.running),
    )
    assert [bool(log.faults) for log in parts.logs] == [bool(log.faults) for log in whole.logs]
    assert whole.exit_code == (0 if statement == "SELECT 1" else 1)
    if statement == "SELECT 1":
        assert parts.records == whole.records


@pytest.fixture
def workers(original: Path) -> Iterator[Workers]:
    with Workers(partial(open_store, f"sqlite:///{original}", read_only=True), 2) as workers:
        yield workers


def test_several_processes_find_the_same(original: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    store: Store = SqliteStore(original, read_only=True)
    whole = verify(store)
    monkeypatch.setattr(_parts, "_RECORDS", 7)
    assert verify(store, workers=workers) == whole
    with sqlite3.connect(original) as db:
        db.execute("UPDATE records SET at = at + 1 WHERE seq = 12")
    db.close()
    found = verify(store, workers=workers)
    store.close()
    assert {(fault.seq, fault.code) for fault in found.faults} == {(12, "hash")}
