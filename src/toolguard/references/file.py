"""Reading the file a path names, and nothing else: regular files only, and no step of the way changed meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toolguard.errors import ContentError
from toolguard.ports import Content

__all__ = ["FileReader"]

_CHUNK = 1 << 18


def _flags(*names: str) -> int:
    """These flags of `os.open`. Where a system lacks them it lacks ``dir_fd`` too, and nothing is opened at all."""
    return sum(getattr(os, name, 0) for name in names)


_FOLDER = _flags("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "O_PATH" if hasattr(os, "O_PATH") else "O_RDONLY")
_FILE = _flags("O_RDONLY", "O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK")


class FileReader:
    """Files by path. Their identity is where the path leads, symbolic links resolved, and the inode found there.

    The resolved path is walked folder by folder without following links, so that one put in its way while it
    is walked is noticed. FIFOs, devices, sockets and folders are refused before they are opened.
    """

    @contextmanager
    def open(self, value: str) -> Iterator[Content]:
        try:
            real = Path(value).resolve(strict=True)
            descriptor, before = _opened(real)
        except ContentError:
            raise
        except (FileNotFoundError, NotADirectoryError):
            raise ContentError("a file this call refers to does not exist", code="content_missing") from None
        except (OSError, ValueError, RuntimeError) as fault:
            raise ContentError(
                f"a file this call refers to cannot be read ({type(fault).__name__})", code="content_unreadable"
            ) from None
        try:
            yield Content(identity=f"{before.st_ino}:{real}", chunks=_chunks(descriptor, before))
        finally:
            os.close(descriptor)


def _opened(real: Path) -> tuple[int, os.stat_result]:
    """A descriptor of the regular file at a path without links, and what it is."""
    folder = os.open(real.anchor, _FOLDER)
    try:
        for name in real.parts[1:-1]:
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        if len(real.parts) < 2:
            raise _not_regular()
        found = os.stat(real.name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):  # opening a device may do something
            raise _not_regular()
        descriptor = os.open(real.name, _FILE, dir_fd=folder)
    finally:
        with suppress(OSError):
            os.close(folder)
    opened = os.fstat(descriptor)
    if not stat.S_ISREG(opened.st_mode) or (opened.st_ino, opened.st_dev) != (found.st_ino, found.st_dev):
        os.close(descriptor)
        raise _unstable()
    return descriptor, opened


def _chunks(descriptor: int, before: os.stat_result) -> Iterator[bytes]:
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk
    after = os.fstat(descriptor)
    if _stamp(after) != _stamp(before):
        raise _unstable()


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _not_regular() -> ContentError:
    return ContentError("something this call refers to is no regular file", code="content_not_regular")


def _unstable() -> ContentError:
    return ContentError("a file this call refers to changed while it was read", code="content_unstable")
