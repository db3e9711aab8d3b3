"""Who waits for an approval in this process, and how they are woken. Hints only: a lost one costs time, nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from toolguard.errors import StoreError

__all__ = ["Poller", "Watchers"]


class Watchers:
    """Wake-up calls by approval id. Thread-safe; wakes may come more often than something changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes: dict[str, dict[object, Callable[[], None]]] = {}
        self._seen: dict[str, int | None] = {}

    def add(self, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` when this approval may have changed; → what ends that."""
        key = object()
        with self._lock:
            self._wakes.setdefault(approval_id, {})[key] = wake
            self._seen[approval_id] = None

        def stop() -> None:
            with self._lock:
                wakes = self._wakes.get(approval_id, {})
                wakes.pop(key, None)
                if not wakes:
                    self._wakes.pop(approval_id, None)
                    self._seen.pop(approval_id, None)

        return stop

    def ids(self) -> list[str]:
        """What anyone here waits for."""
        with self._lock:
            return list(self._wakes)

    def has_new(self) -> bool:
        """Whether someone waits for what was not looked at yet."""
        with self._lock:
            return None in self._seen.values()

    def fire(self, ids: Iterable[str]) -> None:
        """These may have changed."""
        with self._lock:
            wakes = [wake for i in ids for wake in self._wakes.get(i, {}).values()]
        for wake in wakes:
            wake()

    def compare(self, versions: Mapping[str, int]) -> None:
        """Fire what is not at the version seen last: one look of the store for all who wait."""
        with self._lock:
            moved = [i for i in self._wakes if self._seen.get(i) != versions.get(i)]
            self._seen.update({i: versions.get(i) for i in moved})
        self.fire(moved)


class Poller:
    """Looks for changes that other processes make, for all who wait in this one; for stores that cannot tell by themselves.

    Args:
        stamp: something that is another whenever the store has changed; cheap.
        versions: the versions of these approvals.
    """

    def __init__(
        self, stamp: Callable[[], object], versions: Callable[[list[str]], Mapping[str, int]], *, pause: float = 0.05
    ) -> None:
        self.watchers = Watchers()
        self._stamp = stamp
        self._versions = versions
        self._pause = pause
        self._lock = threading.Lock()
        self._running = False

    def watch(self, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """See `Watchers.add`. The thread that looks lives as long as anyone waits."""
        stop = self.watchers.add(approval_id, wake)
        with self._lock:
            if not self._running:
                self._running = True
                threading.Thread(target=self._look, name="toolguard-watch", daemon=True).start()
        return stop

    def _look(self) -> None:
        seen: object = None
        while True:
            with self._lock:
                ids = self.watchers.ids()
                if not ids:
                    self._running = False
                    return
            try:
                stamp = self._stamp()
                if stamp != seen or self.watchers.has_new():
                    self.watchers.compare(self._versions(ids))
                    seen = stamp
            except StoreError:
                self.watchers.fire(ids)  # who looks now learns what is wrong with the store
            time.sleep(self._pause)
