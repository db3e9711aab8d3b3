"""Checkpoints and anchors when things go wrong: kills at every boundary, several processes, full and failing disks."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from journal.insiders import VERIFIER, Place, codes
from journal.lives import allowed
from toolguard.errors import StoreError
from toolguard.journal import Checkpointer, FileAnchor, anchors, read_anchor
from toolguard.stores.sqlite import SqliteStore


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    place.live("one")
    place.tick()
    place.live("two")
    yield place
    place.close()


def in_a_child(work: Callable[[], object]) -> int:
    """The wait status of a forked process that does ``work``."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(9)
    return os.waitpid(child, 0)[1]


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_line(file: int, data: bytes) -> int:
    REAL_WRITE(file, data[: len(data) // 2])
    return int(die())


REAL_WRITE = os.write


class _Boundary:
    """Where a process dies while it makes checkpoints."""

    @staticmethod
    def before_the_commit(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(SqliteStore, "commit", die)

    @staticmethod
    def inside_the_commit(patch: pytest.MonkeyPatch) -> None:
        patch.setattr("toolguard.stores._append.Appending.flush", die)

    @staticmethod
    def after_the_commit(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Checkpointer, "_cover", die)

    @staticmethod
    def before_the_anchor(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(FileAnchor, "publish", die)

    @staticmethod
    def in_the_middle_of_the_anchors_line(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(anchors.os, "write", half_a_line)

    @staticmethod
    def before_the_anchor_is_on_disk(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(anchors.os, "fsync", die)

    @staticmethod
    def after_the_anchors_first_line(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(FileAnchor, "_take", die)


@pytest.mark.parametrize("boundary", [name for name in vars(_Boundary) if name[0] != "_"])
def test_a_kill_at_any_moment_leaves_a_journal_and_an_anchor_that_go_on(place: Place, boundary: str) -> None:
    def work() -> None:
        getattr(_Boundary, boundary)(pytest.MonkeyPatch())
        place.tick()

    assert os.WTERMSIG(in_a_child(work)) == signal.SIGKILL
    found = place.verify()
    assert (found.exit_code, codes(found)) == (0, set()), "nothing looks like an attack"
    store = SqliteStore(place.path, place.clock)
    allowed(store, "plain-after")
    place.checkpoints(store, anchors=[FileAnchor(place.anchor_path)], held=[read_anchor(place.anchor_path).notes]).tick(
        final=True
    )
    store.close()
    found = place.verify()
    assert (found.exit_code, codes(found)) == (0, set())
    newest = {VERIFIER.checkpoint(note).size for note in read_anchor(place.anchor_path).notes}
    assert 17 in newest, "what was not anchored then is now"


def test_three_processes_write_and_make_checkpoints_at_once(place: Place) -> None:
    children = []
    for who in range(3):
        child = os.fork()
        if child == 0:
            try:
                store = SqliteStore(place.path, place.clock)
                mine = place.checkpoints(store, anchors=[FileAnchor(place.anchor_path)], holder=f"p{who}", records=5)
                for n in range(12):
                    allowed(store, f"plain-{who}-{n}")
                    mine.tick(final=n % 3 == who)
                os._exit(0)
            except BaseException:
                os._exit(9)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    place.tick()
    found = place.verify()
    assert (found.exit_code, codes(found), len(found.logs)) == (0, set(), 5)


def test_thirty_two_threads_write_while_checkpoints_are_made(place: Place) -> None:
    checkpointer = place.checkpoints(records=20)
    begin = threading.Barrier(33)

    def work(who: int) -> None:
        begin.wait()
        for n in range(6):
            allowed(place.guard, f"plain-{who}-{n}")

    threads = [threading.Thread(target=work, args=(who,)) for who in range(32)]
    for thread in threads:
        thread.start()
    begin.wait()
    while any(thread.is_alive() for thread in threads):
        checkpointer.tick()
    for thread in threads:
        thread.join()
    checkpointer.tick(final=True)
    found = place.verify()
    assert (found.exit_code, codes(found)) == (0, set())
    assert sum(log.records for log in found.logs) >= 17 + 32 * 6 * 3


def test_a_log_whose_newest_end_was_torn_off_is_found_through_the_anchor_alone(place: Place, tmp_path: Path) -> None:
    """The write-ahead log is cut, as a disk that lied about what it had kept would leave it."""
    before = place.path.with_name(place.path.name + "-wal").stat().st_size
    place.tick()
    copy = Path(shutil.copy(place.path, tmp_path / "torn.db"))
    shutil.copy(f"{place.path}-wal", f"{copy}-wal")
    with Path(f"{copy}-wal").open("r+b") as file:
        file.truncate(before)
    place.close()
    place.path = copy
    assert place.verify(anchored=False).exit_code == 0
    found = place.verify()
    assert (found.exit_code, "anchor" in codes(found)) == (1, True)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ESTALE])
def test_an_anchor_on_a_failing_disk_stops_nothing_and_is_filled_later(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(anchors.os, "fsync", fails)
    with pytest.raises(StoreError, match="cannot be written"):
        place.tick()
    allowed(place.guard, "plain-after")
    monkeypatch.undo()
    place.tick()
    found = place.verify()
    assert (found.exit_code, codes(found)) == (0, set())


def test_an_anchor_that_outgrows_its_disk_says_so(place: Place) -> None:
    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        small = FileAnchor(place.anchor_path.with_name("small.anchor"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        for _ in range(10):
            small.publish("x" * 300)

    assert os.WEXITSTATUS(in_a_child(work)) == 9
    copy = read_anchor(place.anchor_path.with_name("small.anchor"))
    assert (copy.codes, 1 <= len(copy.notes) <= 3) == ((), True)


def test_an_anchor_that_somebody_holds_is_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "_PATIENCE", 0.05)
    with FileLock(str(place.anchor_path.with_name(f".{place.anchor_path.name}.lock"))):
        with pytest.raises(StoreError, match="another process"):
            place.tick()
    place.tick()
    assert place.verify().exit_code == 0


def test_an_anchor_that_is_no_file_is_none(place: Place) -> None:
    folder = place.anchor_path.with_name("folder.anchor")
    folder.mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        FileAnchor(folder).publish("x")
    assert read_anchor(folder).codes == ("missing",)


def test_a_store_that_somebody_holds_gets_its_checkpoint_later(place: Place) -> None:
    service = SqliteStore(place.path, place.clock, busy_timeout=0.05)
    checkpointer = place.checkpoints(service)
    holder = sqlite3.connect(place.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        checkpointer.tick(final=True)
    holder.execute("ROLLBACK")
    holder.close()
    assert checkpointer.tick(final=True)
    service.close()
    assert place.verify().exit_code == 0


def test_a_store_that_is_only_read_gets_none(place: Place) -> None:
    reading = SqliteStore(place.path, place.clock, read_only=True)
    with pytest.raises(StoreError, match="reading only"):
        place.checkpoints(reading).tick(final=True)
    reading.close()
