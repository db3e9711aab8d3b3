"""How often someone was refused: a million clicks must not make a million records."""

from __future__ import annotations

import threading
from collections import OrderedDict

__all__ = ["Clicks"]

_EACH = 5
_KEPT = 10_000


class Clicks:
    """Counts refusals by request and person. Thread-safe; bounded, so that who comes back much later counts anew."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, request: str, person: str) -> int:
        """The how-manieth this is, if it is to be recorded, else 0: the first five, then each power of two."""
        with self._lock:
            count = self._counts.pop((request, person), 0) + 1
            self._counts[request, person] = count
            if len(self._counts) > _KEPT:
                self._counts.popitem(last=False)
        return count if count <= _EACH or count & (count - 1) == 0 else 0
