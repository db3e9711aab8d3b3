"""Whose turn it is to write to a file, among the processes that share it: the kernel wakes who waits, in the order they came.

SQLite has those who wait look again after pauses that grow to 0.1 s, so that with many some wait long while nobody writes.
Nothing but waiting depends on turns: the lock that counts is SQLite's own, and who cannot queue here asks there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

try:
    import fcntl
except ModuleNotFoundError:  # not on Windows: there SQLite's own waiting has to do
    fcntl = None  # type: ignore[assignment] # asked before it is used

__all__ = ["Turns"]


class Turns:
    """One process's place in the queue beside a file. For one thread at a time.

    The lock is on a file of its own: closing any other descriptor of the database would drop SQLite's locks.
    """

    def __init__(self, path: str, patience: float) -> None:
        """``patience``: seconds to queue, then SQLite is asked without a turn."""
        self._path = f"{path}-turn"
        self._patience = patience
        self._fd: int | None = None
        self._waiting: set[int] = set()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Inside, others who queue wait."""
        held = self._take()
        try:
            yield
        finally:
            if held is not None:
                fcntl.flock(held, fcntl.LOCK_UN)  # by hand: a child may have a copy of the descriptor

    def _take(self) -> int | None:
        """The descriptor that holds the lock, None where it was not to be had."""
        try:
            if self._fd is None:
                self._fd = self._open()
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._queue()
        except (OSError, AttributeError):  # no such locks here, or no file may be made
            return None
        return self._fd

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags, 0o600)

    def _queue(self) -> int | None:
        """A thread waits for the lock, as only that can be left: who gives up leaves it to let go of the lock at once."""
        try:
            fd = self._open()
        except OSError:
            return None
        self._waiting.add(fd)
        mutex, done = threading.Lock(), threading.Event()
        left = held = False

        def wait() -> None:
            nonlocal held
            got = False
            with suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_EX)
                got = True
            with mutex:
                held = got and not left
                if not held:
                    self._close(fd)
            done.set()

        try:
            threading.Thread(target=wait, name="toolguard-turn", daemon=True).start()
        except RuntimeError:  # the interpreter ends
            self._close(fd)
            return None
        try:
            done.wait(self._patience)
        except BaseException:
            with mutex:
                left = True
                if held:
                    self._close(fd)
            raise
        with mutex:
            left = not held
        if left:
            return None
        self._waiting.discard(fd)
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fd
        return fd

    def _close(self, fd: int) -> None:
        self._waiting.discard(fd)
        os.close(fd)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    __del__ = close  # a store that nobody closed

    def leave(self) -> None:
        """In a child after a fork: the parent's descriptors are copies here. Closing one frees no lock of the parent's."""
        self.close()
        for fd in self._waiting:
            os.close(fd)
        self._waiting.clear()
