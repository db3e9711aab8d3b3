"""What is old enough goes: into segments, and then out of the store, while a service runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from toolguard.errors import ToolguardError

__all__ = ["Ageing"]

log = logging.getLogger("toolguard.journal")


class Ageing:
    """A thread that does ``work`` once in ``every`` seconds, and ``close`` at its end. What fails is said, and tried again."""

    def __init__(
        self,
        work: Callable[[], object],
        *,
        close: Callable[[], object] = lambda: None,
        every: float = 3600.0,
        first: float = 60.0,
    ) -> None:
        self._work, self._close, self._every, self._first = work, close, every, first
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="toolguard-ageing", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pause = self._first
        while not self._stop.wait(pause):
            pause = self._every
            try:
                self._work()
            except ToolguardError as error:
                log.error("old records were not taken out of the store: %s", error)
            except Exception as error:  # noqa: BLE001 - nothing else depends on it: it is said, and tried again
                log.error("old records were not taken out of the store (%s)", type(error).__name__)

    def close(self) -> None:
        """Stop. What is under way is ended by the end of the process: it goes on the next time."""
        self._stop.set()
        self._thread.join(timeout=5.0)
        self._close()
