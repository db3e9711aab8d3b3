"""A SQLite file that is moved, removed or replaced under an open store is never written to again by that store."""

import shutil
from pathlib import Path

import pytest

from toolguard._core.steps import Change
from toolguard.errors import StoreError
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_samples import a_draft

ONE = Change(tenant="north", records=(a_draft(),))


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def removed(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.replace(path)


def another(path: Path) -> None:
    moved(path)
    SqliteStore(path).close()


@pytest.mark.parametrize("what", [moved, removed, replaced, another])
def test_nothing_more_is_written(tmp_path: Path, what) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.commit(ONE)
    what(path)
    for _ in range(2):
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            store.commit(ONE)
    store.close()


def test_a_path_that_is_relative_stays_the_same_file_wherever_the_process_goes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("store.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.commit(ONE)
    store.close()


def test_a_link_that_is_bent_elsewhere_is_noticed(tmp_path: Path) -> None:
    link = tmp_path / "store.db"
    link.symlink_to(tmp_path / "first.db")
    (tmp_path / "first.db").touch(0o600)
    store = SqliteStore(link)
    store.commit(ONE)
    link.unlink()
    (tmp_path / "second.db").touch(0o600)
    link.symlink_to(tmp_path / "second.db")
    with pytest.raises(StoreError, match="replaced"):
        store.commit(ONE)
    store.close()
