"""Lives made up at random, with archiving, pruning, kills and restarts in between: no record is ever lost, nothing looks changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from audit_keep.shelf import DAY, Shelf
from journal.lives import allowed, asked
from toolguard._core.steps import Change
from toolguard.journal import joined
from toolguard.stores.sqlite import SqliteStore

Records = dict[tuple[str, int], str]


class Killed(BaseException):
    pass


class Life:
    """One store and what its records ever were."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.shelf = Shelf(folder, old=("first",), new=())
        self.seen: Records = {}
        self.step = 0

    def see(self) -> None:
        self.seen |= {(r.log_id, r.seq): r.hash for r in self.shelf.service.records()}

    def call(self) -> None:
        allowed(self.shelf.guard, f"plain-{self.step}", ended=self.random.random() > 0.15)

    def approved(self) -> None:
        self.shelf.live(f"live-{self.step}")

    def question(self) -> None:
        asked(self.shelf.guard, f"waits-{self.step}")

    def checkpoints(self) -> None:
        anchors = [self.shelf.anchor] if self.random.random() < 0.5 else []
        self.shelf.checkpoints(anchors=anchors).tick(final=True)
        self.shelf.clock.advance(self.random.random() * 5 * DAY if self.random.random() < 0.3 else 1.0)

    def restart(self) -> None:
        self.shelf.guard.close()
        self.shelf.guard = SqliteStore(self.shelf.path, self.shelf.clock)

    def prune(self) -> None:
        self.see()
        before = self.shelf.clock.now() - self.random.random() * 5 * DAY
        self.shelf.archive(before=before, most=self.random.choice([3, 10, 1000]))
        self.shelf.prune(before=before)
        assert not self.shelf.verify().tampered

    def killed(self) -> None:
        commit, left = self.shelf.service.commit, [self.random.randint(1, 3)]

        def commits(change: Change) -> object:
            found = commit(change)
            left[0] -= change.prune is not None
            if change.prune is not None and left[0] == 0:
                raise Killed
            return found

        self.shelf.service.commit = commits  # type: ignore[method-assign,assignment] # ends in the middle
        try:
            self.prune()
        except Killed:
            self.shelf.clock.advance(200.0)
        finally:
            del self.shelf.service.commit  # the class's own again
        assert not self.shelf.verify().tampered


@pytest.mark.parametrize("seed", [1, 8, 13, 21, 34, 55])
def test_no_record_is_ever_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    life = Life(tmp_path, seed)
    monkeypatch.setattr("toolguard.journal.pruning._CHUNK", life.random.choice([1, 2, 5, 1000]))
    steps: list[Callable[[], None]] = [life.call] * 4 + [life.checkpoints] * 3 + [life.prune] * 2
    steps += [life.approved, life.question, life.killed, life.restart]
    for life.step in range(25):
        life.random.choice(steps)()
    life.see()
    found = {(r.log_id, r.seq): r.hash for r in joined(life.shelf.service, life.shelf.folder).records()}
    assert found == life.seen
    assert life.shelf.whole().exit_code == 0
    life.shelf.close()
