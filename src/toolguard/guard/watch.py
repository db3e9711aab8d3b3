"""Watching the policy file: a changed one is put into force, or refused and said so, while the guard runs."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING

from toolguard.errors import ConfigError

if TYPE_CHECKING:
    from toolguard.guard.guard import Guard

__all__ = ["PolicyWatch"]

log = logging.getLogger("toolguard.guard")


class PolicyWatch:
    """Looks at a guard's policy file every ``parts.reload_every`` seconds, in a thread of its own.

    It holds the guard weakly: one that nobody uses any more is not kept alive by it.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = weakref.ref(guard)
        self._every = guard.parts.reload_every or 0.0
        self._seen = guard.parts.source.stamp()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="toolguard-policy", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            guard = self._guard()
            if guard is None:
                return
            self._look(guard)
            del guard

    def _look(self, guard: Guard) -> None:
        """Reload if the file or its signature changed. A file that was refused is looked at again once it changes."""
        stamp = guard.parts.source.stamp()
        if stamp == self._seen:
            return
        try:
            guard.reload()
        except ConfigError:
            pass  # recorded and logged by the guard
        except Exception as fault:  # noqa: BLE001 - whatever fails, the policy that runs stays, and the file is tried again
            log.error("the policy could not be reloaded (%s); the one that runs stays in force", type(fault).__name__)
            return
        self._seen = stamp

    def stop(self) -> None:
        """End it. Safe to call twice."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join(10)
