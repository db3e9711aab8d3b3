"""What a worker writes down outside the store: every commit it tries, every answer it got, every effect it had.

Lines are appended with one ``write`` each, so that a SIGKILL leaves whole lines. Times are nanoseconds of the
monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from race.plan import Plan
from toolguard._core.audit import AuditRecord
from toolguard._core.steps import Change
from toolguard.errors import ConflictError, StoreError
from toolguard.ports import Store

__all__ = ["Chance", "Lines", "Witnessed", "read_lines", "told"]


class Lines:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def write(self, **line: Any) -> None:
        os.write(self._fd, (json.dumps(line) + "\n").encode())

    def sync(self) -> None:
        """What was written outlives the machine, too."""
        os.fsync(self._fd)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines only."""
    if path.exists():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


class Chance:
    """Where a worker pauses or dies. Seeded by who it is and how often it was started."""

    def __init__(self, plan: Plan, who: str) -> None:
        self._plan = plan
        self.random = random.Random(f"{plan.seed}/{who}")

    def passes(self, share: float) -> bool:
        return self.random.random() < share

    def boundary(self) -> None:
        """Perhaps end here, as by ``kill -9``."""
        if self.passes(self._plan.die):
            os.kill(os.getpid(), signal.SIGKILL)

    def pause(self) -> None:
        """Perhaps let others come in between."""
        if self.passes(self._plan.dawdle):
            time.sleep(self.random.random() * 0.01)


def told(change: Change) -> dict[str, Any]:
    """What a change would do, in the words of the checker."""
    said: dict[str, Any] = {}
    if change.create is not None:
        said["create"] = change.create.id
    if (update := change.update) is not None:
        after = update.approval
        said["update"] = [after.id, update.from_version, update.from_state.value, after.version, after.state.value]
        said["verdicts"] = [[v.person, v.answer.value, v.at] for v in after.verdicts]
    if change.claim is not None:
        said["claim"] = change.claim.ref.call_id
    return said


class Witnessed:
    """A store whose commits are written down: ``try`` before, then ``done``, ``lost`` or ``failed``."""

    def __init__(self, store: Store, lines: Lines, chance: Chance, who: str) -> None:
        self._store = store
        self._lines = lines
        self._chance = chance
        self.who = who
        self._numbers = itertools.count(1)  # threads share it

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        mark: dict[str, Any] = {"who": self.who, "n": next(self._numbers)}
        self._chance.pause()
        self._lines.write(what="try", **mark, ns=time.monotonic_ns(), **told(change))
        self._chance.boundary()
        try:
            records = self._store.commit(change)
        except ConflictError:
            self._lines.write(what="lost", **mark)
            raise
        except StoreError:
            self._lines.write(what="failed", **mark)
            raise
        self._chance.boundary()
        places = [[r.log_id, r.seq, r.hash] for r in records]
        self._lines.write(what="done", **mark, ns=time.monotonic_ns(), records=places)
        self._chance.boundary()
        return records
