"""Who waits for an approval in this process, and how they are woken. Hints only: a lost one costs time, nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

__all__ = ["Watchers"]


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
