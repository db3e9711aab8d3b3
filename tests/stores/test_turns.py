"""Processes that share a file write in turn; nothing but waiting depends on it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from toolguard._core.steps import Change
from toolguard.stores._turn import Turns
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import a_draft


def in_turn(turns: Turns, said: list[str], name: str) -> threading.Thread:
    """A thread that writes its name down when it has its turn."""

    def work() -> None:
        with turns.turn():
            said.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store.db")


def test_who_comes_while_another_writes_is_let_in_when_that_one_is_done(path: str) -> None:
    first, second, said = Turns(path, 60.0), Turns(path, 60.0), list[str]()
    for _ in range(3):  # each time anew, with the descriptor the turn before left
        with first.turn():
            thread = in_turn(second, said, "second")
            until(lambda: second._waiting)
            said.append("first")
        thread.join(30)
    assert said == ["first", "second"] * 3
    first.close()
    second.close()


def test_who_has_no_patience_goes_on_and_leaves_the_queue_to_the_others(path: str) -> None:
    first, hasty, third, said = Turns(path, 60.0), Turns(path, 0.05), Turns(path, 60.0), list[str]()
    with first.turn():
        in_turn(hasty, said, "hasty").join(30)
        assert said == ["hasty"]
        thread = in_turn(third, said, "third")
        until(lambda: third._waiting)
        assert said == ["hasty"]
    thread.join(30)
    assert said == ["hasty", "third"]
    until(lambda: not hasty._waiting)
    with first.turn():  # nobody who went on holds anything
        pass
    for turns in (first, hasty, third):
        turns.close()


def test_a_copy_of_the_descriptor_such_as_a_child_has_holds_nobody_up(path: str) -> None:
    parent, other, said = Turns(path, 60.0), Turns(path, 60.0), list[str]()
    with parent.turn():
        assert parent._fd is not None
        copy = os.dup(parent._fd)
    in_turn(other, said, "other").join(30)
    assert said == ["other"]
    os.close(copy)
    parent.close()
    other.close()


def test_a_folder_where_no_file_can_be_made_has_no_queue(tmp_path: Path) -> None:
    with Turns(str(tmp_path / "nowhere" / "store.db"), 60.0).turn():
        pass
    (tmp_path / "store.db-turn").symlink_to(tmp_path / "elsewhere")
    store = SqliteStore(tmp_path / "store.db")
    assert store.commit(Change(tenant="north", records=(a_draft(),)))
    assert not (tmp_path / "elsewhere").exists()
    store.close()
