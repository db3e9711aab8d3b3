"""What every kind of file has: how it is read in chunks, how a chunk is masked, how the output ends."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeAlias

from toolguard.dataset.counts import Counts
from toolguard.dataset.masker import Masker
from toolguard.errors import DatasetError

__all__ = ["BOM", "Chunk", "Done", "Format", "Input", "Position", "opened", "packed", "skipped"]

BOM = b"\xef\xbb\xbf"


Input: TypeAlias = BinaryIO | gzip.GzipFile


class Position(NamedTuple):
    """Where reading goes on: an offset into the (unpacked) input, and the number of the line or row there."""

    offset: int = 0
    line: int = 1


class Chunk(NamedTuple):
    """Whole records, from line ``first`` on; reading goes on at ``after``."""

    data: Any
    first: int
    after: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A chunk as it is written. ``bad`` says which line is no record, by its number, where that ends the run."""

    data: bytes
    counts: Counts = field(default_factory=Counts)
    bad: str | None = None


class Format(Protocol):
    """One input file: what is known of it before its records are read. It can be pickled."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names for the columns of the report; empty if there are none."""
        ...

    def head(self, masker: Masker) -> bytes:
        """What the output begins with."""
        ...

    def chunks(self, path: Path, at: Position) -> Iterator[Chunk]:
        """The records from ``at`` on. The cuts depend on the file alone, not on where reading began.

        Raises:
            DatasetError: the file cannot be cut into records.
        """
        ...

    def work(self, masker: Masker, chunk: Chunk) -> Done:
        """Mask one chunk."""
        ...

    def finish(self, part: Path, final: Path) -> None:
        """Make the output from what was written to ``part``."""
        ...


def opened(path: Path) -> Input:
    """``path`` for reading, unpacked if it is gzip."""
    try:
        file = path.open("rb")
        if file.read(2) == b"\x1f\x8b":
            file.close()
            return gzip.open(path, "rb")
        file.seek(0)
    except OSError as error:
        raise DatasetError(f"{str(path)!r} cannot be read ({type(error).__name__})") from None
    return file


def skipped(file: Input, offset: int) -> Input:
    """``file``, after its first ``offset`` bytes."""
    if isinstance(file, gzip.GzipFile):
        while offset > 0:
            read = file.read(min(offset, 1 << 20))
            if not read:
                break
            offset -= len(read)
    else:
        file.seek(offset)
    return file


def packed(data: bytes, pack: bool) -> bytes:
    """``data`` as one gzip member, the same at any time, or as it is."""
    return gzip.compress(data, 6, mtime=0) if pack and data else data


def renamed(part: Path, final: Path) -> None:
    """The plain way to finish."""
    part.replace(final)
