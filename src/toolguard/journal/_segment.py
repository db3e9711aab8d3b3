"""One segment as a file: what its first line says, and its records as they would stand in a store."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolguard._core.stored import Stored
from toolguard.errors import StoreError

__all__ = ["SEGMENT_FORMAT", "SUFFIX", "Header", "Read", "header_of", "name_of", "names_in", "read_segment", "rows_of"]

SEGMENT_FORMAT = "toolguard.audit.segment/v1"
SUFFIX = ".seg.gz"
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a segment's first line says. ``since`` and ``until`` are its records' earliest and latest time (UTC seconds; 0 where
    an older toolguard did not write them down).
    """

    log_id: str
    epoch: str
    first: int
    last: int
    root: str
    note: str
    prev: str
    since: float
    until: float


@dataclass(slots=True)
class Read:
    """A segment that was read whole. ``leaves`` are the hashes its lines have."""

    header: Header
    sha256: str
    leaves: list[str] = field(repr=False)


def name_of(log_id: str, first: int, last: int) -> str:
    """The name of the file that holds these records."""
    return f"{log_id}-{first:012d}-{last:012d}{SUFFIX}"


def names_in(folder: Path) -> list[str]:
    """The names of a folder's segments, in order."""
    return sorted(path.name for path in folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def _header(line: bytes) -> Header:
    said = json.loads(line)
    if said["format"] != SEGMENT_FORMAT:
        raise ValueError("a segment of another format")
    return Header(
        log_id=str(said["log"]),
        epoch=str(said["epoch"]),
        first=int(said["first"]),
        last=int(said["last"]),
        root=str(said["root"]),
        note=str(said["note"]),
        prev=str(said["prev"]),
        since=float(said.get("since", 0.0)),
        until=float(said.get("until", 0.0)),
    )


def header_of(path: Path) -> Header | None:
    """What a segment says of itself; None where it cannot be read."""
    try:
        with gzip.open(path) as file:
            return _header(file.readline())
    except _UNREADABLE:
        return None


def read_segment(path: Path) -> Read | None:
    """A segment whose lines are chained as it says; None where it is none, or was edited so that they are not."""
    try:
        data = path.read_bytes()
        head, *lines = gzip.decompress(data).split(b"\n")[:-1]
        said = _header(head)
        leaves = [hashlib.sha256(b"\x00" + line).hexdigest() for line in lines]
        prev, number = said.prev, said.first
        for line, leaf in zip(lines, leaves, strict=True):
            record = json.loads(line)
            if (record["log"], record["seq"], record["prev"]) != (said.log_id, number, prev):
                return None
            prev, number = leaf, number + 1
    except _UNREADABLE:
        return None
    if not leaves or number != said.last + 1 or path.name != name_of(said.log_id, said.first, said.last):
        return None
    return Read(header=said, sha256=hashlib.sha256(data).hexdigest(), leaves=leaves)


def rows_of(path: Path, containing: bytes = b"") -> Sequence[Stored]:
    """The records of a segment, column by column, as a store would give them; only those with ``containing`` in their bytes.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        _, *lines = gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
        return list(_rows([line for line in lines if containing in line] if containing else lines))
    except _UNREADABLE:
        raise StoreError(
            f"the segment {path.name!r} cannot be read; run 'toolguard audit verify --segments' and find another copy"
        ) from None


def _rows(lines: Sequence[bytes]) -> Iterator[Stored]:
    """Canonical text has its keys in order: what stands between the first ``body`` and the last ``call`` is the body as it was
    hashed, for no string holds a quotation mark that is not escaped.
    """
    for line in lines:
        text = line.decode()
        begin, end = text.index(',"body":'), text.rindex(',"call":')
        said = json.loads("{" + text[end + 1 :])
        yield (
            said["log"],
            said["seq"],
            said["prev"],
            hashlib.sha256(b"\x00" + line).hexdigest(),
            said["kind"],
            float(text[len('{"at":') : begin]),
            float(said["started"]),
            said["call"],
            said["trace"],
            said["span"],
            said["parent"],
            said["link"],
            text[begin + len(',"body":') : end],
        )
