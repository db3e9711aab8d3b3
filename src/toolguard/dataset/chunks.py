"""Whole lines in chunks of bytes, each with the number of its first line and where it ends."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from toolguard.errors import DatasetError

__all__ = ["Chunk", "chunks"]

NEWLINE = b"\n"
SIZE = 32 << 10
LONGEST = 64 << 20
"""Bytes of the longest line: more than that is no record of anything."""


class Chunk(NamedTuple):
    """``data`` are whole lines (the last may lack its line break); ``first`` is the number of the first, from 1;
    ``end`` is the offset after it in the (unpacked) input.
    """

    data: bytes
    first: int
    end: int


def chunks(file: BinaryIO | gzip.GzipFile, *, size: int = SIZE, first: int = 1, end: int = 0) -> Iterator[Chunk]:
    """``file`` in chunks of about ``size`` bytes.

    Raises:
        DatasetError: a line is longer than anything that can be one.
    """
    while data := file.read(size):
        if not data.endswith(b"\n"):
            line = file.readline(LONGEST)
            data += line
            if len(line) == LONGEST and not line.endswith(b"\n"):
                raise DatasetError(
                    f"line {first + data.count(NEWLINE)} is longer than {LONGEST} bytes; split the record"
                )
        end += len(data)
        yield Chunk(data, first, end)
        first += data.count(NEWLINE)
