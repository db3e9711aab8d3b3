"""A file elsewhere that keeps checkpoints: on another disk, another machine's share, a medium that is written once.

One line a note, each with its number, the time it was written and the hash of the line before, so that a line that was changed or
taken out is seen; and the journal remembers how far each anchor had come, so that one that was cut at its end is seen from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from toolguard._core.audit import GENESIS
from toolguard.errors import StoreError, TamperedError

__all__ = ["AnchorCopy", "FileAnchor", "read_anchor"]

_PATIENCE = 10.0
"""Seconds to wait for another process that writes to the same anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorCopy:
    """What an anchor's file holds.

    Attributes:
        id: the beginning of the first line's hash: which anchor it is, wherever its file was copied to.
        notes: the signed notes, oldest first.
        times: when each was written (UTC seconds), None where the line does not say.
        entries: ``<id>:<number>:<hash>`` of every line that is in its place.
        codes: ``missing``, or ``chain`` where lines were changed or taken out.
    """

    name: str
    id: str = ""
    notes: tuple[str, ...] = ()
    times: tuple[float | None, ...] = ()
    entries: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


class FileAnchor:
    """Appends signed notes to a file of mode 0600, each on disk before `publish` returns. Processes may share it.

    Args:
        path: the file; made at the first note. Its folder must be there: an anchor that silently begins anew where
            the share is not mounted is none.
        now: the time that stands on each line, UTC seconds: the store's, which packs are held against.
    """

    def __init__(self, path: str | os.PathLike[str], *, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = Path(path), now
        self._lock = threading.Lock()
        self._end = 0
        self._number = 0
        self._last = GENESIS
        self._id = ""

    def __repr__(self) -> str:
        return f"FileAnchor({str(self._path)!r})"

    @property
    def name(self) -> str:
        return f"file {str(self._path)!r}"

    @property
    def head(self) -> str:
        """``<id>:<number>:<hash>`` of the last line as this process knows it; ``""`` before the first."""
        return f"{self._id}:{self._number}:{self._last}" if self._number else ""

    def publish(self, note: str) -> None:
        """Append a note.

        Raises:
            StoreError: it cannot be written. TamperedError: the file was cut or changed since it was last written.
        """
        try:
            with self._lock, self._locked(), self._opened() as file:
                self._catch_up(file)
                entry = {"n": self._number + 1, "prev": self._last, "at": round(self._now(), 3), "note": note}
                line = json.dumps(entry, ensure_ascii=False)
                os.write(file, line.encode() + b"\n")
                os.fsync(file)
                self._take(line.encode())
                self._end = os.fstat(file).st_size
        except OSError as error:
            raise StoreError(
                f"the anchor {self.name} cannot be written ({type(error).__name__}); the checkpoint is kept in the "
                "journal only; check that the place is mounted and has room"
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._path.parent.is_dir():  # the lock would make it: an anchor where nothing is mounted
            raise StoreError(
                f"the anchor {self.name} cannot be written: its folder is not there; the checkpoint is kept in the "
                "journal only; mount the place"
            )
        lock = self._path.with_name(f".{self._path.name}.lock")
        try:
            with FileLock(str(lock), timeout=_PATIENCE, mode=0o600):
                yield
        except Timeout:
            raise StoreError(f"the anchor {self.name} is held by another process; nothing was written to it") from None

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        file = os.open(self._path, flags, 0o600)
        try:
            yield file
        finally:
            os.close(file)

    def _catch_up(self, file: int) -> None:
        """Read what others have appended since; what we know of must still be there."""
        size = os.fstat(file).st_size
        if size < self._end:
            raise TamperedError(f"the anchor {self.name} is shorter than it was; find out who cut it")
        if size == self._end:
            return
        data = os.pread(file, size - self._end, self._end)
        lines = data.split(b"\n")
        for line in lines:
            entry = _entry(line)
            if entry is not None and (entry["n"], entry["prev"]) == (self._number + 1, self._last):
                self._take(line)
            elif entry is not None:
                raise TamperedError(f"the anchor {self.name} does not hold together; find out who changed it")
        if lines[-1]:  # a line that was being written when a machine stopped: it ends here
            os.write(file, b"\n")
        self._end = os.fstat(file).st_size

    def _take(self, line: bytes) -> None:
        self._last = hashlib.sha256(line).hexdigest()
        self._number += 1
        self._id = self._id or self._last[:16]


def read_anchor(path: str | os.PathLike[str]) -> AnchorCopy:
    """What an anchor's file holds now. A half line at its end, or one that a later line does not count, is passed over."""
    name = f"file {str(path)!r}"
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError:
        return AnchorCopy(name=name, codes=("missing",))
    notes, times, entries, broken = list[str](), list[float | None](), list[str](), False
    number, last, id_ = 0, GENESIS, ""
    for line in lines:
        entry = _entry(line)
        if entry is None:
            continue
        broken = broken or (entry["n"], entry["prev"]) != (number + 1, last)
        number, last = entry["n"], hashlib.sha256(line).hexdigest()
        id_ = id_ or last[:16]
        notes.append(entry["note"])
        times.append(float(at) if isinstance(at := entry.get("at"), int | float) else None)
        entries.append(f"{id_}:{number}:{last}")
    codes = ("chain",) if broken else ()
    return AnchorCopy(name=name, id=id_, notes=tuple(notes), times=tuple(times), entries=tuple(entries), codes=codes)


def _entry(line: bytes) -> dict[str, Any] | None:
    """A line as it was written, or None."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.keys() - {"at"} != {"n", "prev", "note"}:  # the first ones had no time
        return None
    right = type(entry["n"]) is int and type(entry["prev"]) is str and type(entry["note"]) is str
    return entry if right else None
