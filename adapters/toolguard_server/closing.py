"""The end of the service: whoever waits is told at once, and the service is not ready any more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["Closing"]


class Closing:
    """Set once. For one event loop."""

    def __init__(self) -> None:
        self._wakes: dict[object, Callable[[], None]] = {}
        self.is_set = False

    def set(self) -> None:
        """The service stops: wake whoever waits."""
        self.is_set = True
        for wake in list(self._wakes.values()):
            wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """``wake`` is called if the service stops meanwhile."""
        key = object()
        self._wakes[key] = wake
        try:
            yield
        finally:
            del self._wakes[key]
