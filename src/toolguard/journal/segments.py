"""Segments: closed parts of logs in files of their own, for the years a journal has to be kept.

A segment begins where the one before it ended and ends where a signed checkpoint stands, whose note it carries; so its
records need no other signature. It is a gzip file: a line that says what it is, then one line a record, the very bytes
that were hashed. The same part gives the same bytes. The journal says which segments were written (`audit.archived`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolguard._core.audit import GENESIS, Draft, Kind, payload
from toolguard._core.checkpoint import Checkpoint, Note, log_of
from toolguard._core.steps import Change
from toolguard._core.stored import ChainCheck, stored_record
from toolguard._core.tree import Frontier
from toolguard.errors import StoreError, TamperedError
from toolguard.journal._claims import NOTE
from toolguard.journal._pages import pages
from toolguard.ports import CheckpointVerifier, Store

__all__ = ["SEGMENT_FORMAT", "Segment", "SegmentFault", "SegmentReport", "archive", "hold_segments"]

SEGMENT_FORMAT = "toolguard.audit.segment/v1"
_SUFFIX = ".seg.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Records ``first`` to ``last`` of a log. ``root`` is of the log's whole tree up to ``last``."""

    log_id: str
    first: int
    last: int
    root: str
    sha256: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFault:
    """What is wrong with a segment (its file's name), or with a log's (the log's id).

    Codes: ``edited`` (it is other than its checkpoint, its neighbours or the journal say, or cannot be read),
    ``differs`` (the store has another record in the place of one), ``signature`` (no pinned key signed its checkpoint),
    ``missing`` (one before it, or one that the journal says was written, is not there), ``stranger`` (another store's).
    """

    name: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReport:
    """What `hold_segments` found: how many segments and records, and every fault."""

    segments: int = 0
    records: int = 0
    faults: tuple[SegmentFault, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 ok, 1 tampered, 2 incomplete: nothing there is incomplete, too."""
        if any(fault.code != "missing" for fault in self.faults):
            return 1
        return 2 if self.faults or not self.segments else 0


def archive(
    store: Store, folder: Path, *, before: float, verifier: CheckpointVerifier, notes: Iterable[str] = ()
) -> tuple[Segment, ...]:
    """Write what each log holds of the time before ``before`` (UTC seconds), up to its last signed checkpoint of that time.

    Goes on after the segments that stand in ``folder``. Each file is read again before the journal says that it was
    written. Nothing is taken out of the store. ``notes`` are checkpoints that stand elsewhere, in anchors.

    Raises:
        TamperedError: a log is other than its checkpoint says: nothing is written of it.
        StoreError: a file cannot be written, or the folder's segments are damaged.
    """
    if not folder.is_dir():
        raise StoreError(f"there is no folder {str(folder)!r} to keep segments in; mount or make it")
    there = _there(folder)
    signed = _notes(store, verifier, notes)
    made: list[Segment] = []
    for head in store.heads():
        last = max((s.last for s in there.values() if s.log_id == head.log_id), default=0)
        segment = _written(store, folder, head.log_id, last, before, signed.get(head.log_id, {}))
        if segment is not None:
            store.commit(Change(tenant="", records=(_told(segment, store.now()),)))
            made.append(segment)
    return tuple(made)


def _written(
    store: Store, folder: Path, log_id: str, done: int, before: float, notes: Mapping[int, tuple[str, str]]
) -> Segment | None:
    """The next segment of a log, on disk; None where no checkpoint closes one."""
    tree, chain, lines = Frontier(), ChainCheck(log_id), list[bytes]()
    found: tuple[int, str, str, int] | None = None  # size, root, note, lines
    prev = GENESIS
    for page in pages(store, log_id, 0):
        chain.page(page)
        if chain.faults:
            raise TamperedError(f"log {log_id!r} does not hold together; run 'toolguard audit verify'")
        for record in map(stored_record, page):
            if record.draft.at >= before:
                break
            tree.extend((record.hash,))
            if record.seq == done:
                prev = record.hash
            elif record.seq > done:
                lines.append(payload(record.draft, log_id=log_id, seq=record.seq, prev=record.prev) + b"\n")
            if record.seq in notes:
                root, note = notes[record.seq]
                if root != tree.root:
                    raise TamperedError(
                        f"log {log_id!r} is other than its checkpoint at {record.seq} says; run 'toolguard audit verify'"
                    )
                if record.seq > done:
                    found = (record.seq, root, note, len(lines))
        else:
            continue
        break
    if found is None:
        return None
    last, root, note, count = found
    header = {
        "format": SEGMENT_FORMAT,
        "epoch": store.epoch,
        "log": log_id,
        "first": done + 1,
        "last": last,
        "prev": prev,
        "root": root,
        "note": note,
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n" + b"".join(lines[:count])
    data = gzip.compress(text, mtime=0)
    path = folder / f"{log_id}-{done + 1:012d}-{last:012d}{_SUFFIX}"
    _put(path, data)
    return Segment(
        log_id=log_id, first=done + 1, last=last, root=root, sha256=hashlib.sha256(data).hexdigest(), name=path.name
    )


def _put(path: Path, data: bytes) -> None:
    """A file that is whole or not there, and was read again."""
    part = path.with_suffix(".part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if part.read_bytes() != data:
            raise StoreError(f"the segment {path.name!r} is not what was written; look at the disk")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"the segment {path.name!r} cannot be written ({type(error).__name__})") from None


def _told(segment: Segment, now: float) -> Draft:
    return Draft(
        kind=Kind.AUDIT_ARCHIVED,
        at=now,
        started=now,
        span_id=secrets.token_hex(8),
        body={
            "toolguard.archive.log_id": segment.log_id,
            "toolguard.archive.first": segment.first,
            "toolguard.archive.last": segment.last,
            "toolguard.archive.root": segment.root,
            "toolguard.archive.sha256": segment.sha256,
        },
    )


def _notes(store: Store, verifier: CheckpointVerifier, others: Iterable[str]) -> dict[str, dict[int, tuple[str, str]]]:
    """Log id → size → root and note, of every checkpoint that a pinned key signed."""
    found: dict[str, dict[int, tuple[str, str]]] = {}
    mine = (str(record.draft.body.get(NOTE, "")) for record in store.operations(Kind.AUDIT_CHECKPOINT))
    for text in (*others, *mine):
        checkpoint = _checkpoint(text, verifier)
        if checkpoint is None:
            continue  # verify says so; here it just closes no segment
        epoch, log_id = log_of(checkpoint.origin)
        if epoch == store.epoch and log_id:
            found.setdefault(log_id, {})[checkpoint.size] = (checkpoint.root, text)
    return found


# --- reading


@dataclass(slots=True)
class _Read:
    """A segment as it was read. ``leaves`` are the hashes its lines have."""

    log_id: str
    epoch: str
    first: int
    last: int
    root: str
    note: str
    sha256: str
    prev: str
    leaves: list[str] = field(repr=False)


def _there(folder: Path) -> dict[str, _Read]:
    """The segments of a folder. Raises StoreError where one cannot be read."""
    found: dict[str, _Read] = {}
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        read = _read(path)
        if read is None:
            raise StoreError(f"the segment {path.name!r} cannot be read; run 'toolguard audit verify --segments'")
        found[path.name] = read
    return found


def _read(path: Path) -> _Read | None:
    """A segment whose lines are chained as it says; None where it is none, or was edited so that they are not."""
    try:
        data = path.read_bytes()
        head, *lines = gzip.decompress(data).split(b"\n")[:-1]
        said = json.loads(head)
        read = _Read(
            log_id=str(said["log"]),
            epoch=str(said["epoch"]),
            first=int(said["first"]),
            last=int(said["last"]),
            root=str(said["root"]),
            note=str(said["note"]),
            sha256=hashlib.sha256(data).hexdigest(),
            prev=str(said["prev"]),
            leaves=[hashlib.sha256(b"\x00" + line).hexdigest() for line in lines],
        )
        prev, number = read.prev, read.first
        for line, leaf in zip(lines, read.leaves, strict=True):
            record = json.loads(line)
            if (record["log"], record["seq"], record["prev"]) != (read.log_id, number, prev):
                return None
            prev, number = leaf, number + 1
        return read if said["format"] == SEGMENT_FORMAT and number == read.last + 1 else None
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, RecursionError):
        return None


def hold_segments(store: Store | None, folder: Path, *, verifier: CheckpointVerifier | None) -> SegmentReport:
    """A folder's segments against their checkpoints, each other, the store, and what the journal says was written.

    Without a store they are held against checkpoints and each other alone: a log's last segment is not missed then.
    """
    faults: list[SegmentFault] = []
    logs: dict[str, list[tuple[str, _Read]]] = {}
    names = sorted(path.name for path in folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []
    for name in names:
        read = _read(folder / name)
        if read is None:
            faults.append(SegmentFault(name=name, code="edited"))
        elif store is not None and read.epoch != store.epoch:
            faults.append(SegmentFault(name=name, code="stranger"))
        else:
            logs.setdefault(read.log_id, []).append((name, read))
    records = 0
    for parts in logs.values():
        parts.sort(key=lambda part: part[1].first)
        records += sum(len(read.leaves) for _, read in parts)
        faults += _log_faults(store, parts, verifier)
    if store is not None:
        faults += _untold(store, {read.sha256: name for parts in logs.values() for name, read in parts}, set(names))
    return SegmentReport(segments=len(names), records=records, faults=tuple(dict.fromkeys(faults)))


def _log_faults(
    store: Store | None, parts: Sequence[tuple[str, _Read]], verifier: CheckpointVerifier | None
) -> Iterator[SegmentFault]:
    tree, prev, whole = Frontier(), GENESIS, True
    for name, read in parts:
        if read.first != tree.size + 1 and whole:
            yield SegmentFault(name=name, code="missing")
            whole = False  # roots cannot be computed beyond a gap; the store still can be asked
        if whole:
            tree.extend(read.leaves)
            if tree.root != read.root or read.prev != prev:
                yield SegmentFault(name=name, code="edited")
        prev = read.leaves[-1]
        checkpoint = _checkpoint(read.note, verifier)
        if checkpoint is None:
            yield SegmentFault(name=name, code="signature")
        elif (log_of(checkpoint.origin), checkpoint.size, checkpoint.root) != (
            (read.epoch, read.log_id),
            read.last,
            read.root,
        ):
            yield SegmentFault(name=name, code="edited")
        mine = dict(enumerate(read.leaves, start=read.first))
        if store is not None and any(
            mine.get(seq, hash_) != hash_ for seq, hash_ in store.hashes(read.log_id, read.first - 1, len(mine))
        ):
            yield SegmentFault(name=name, code="differs")


def _checkpoint(note: str, verifier: CheckpointVerifier | None) -> Checkpoint | None:
    try:
        found = Checkpoint.parse(Note.parse(note).body) if verifier is None else verifier.checkpoint(note)
        log_of(found.origin)
    except (TamperedError, ValueError):
        return None
    return found


def _untold(store: Store, held: Mapping[str, str], names: set[str]) -> Iterator[SegmentFault]:
    """What the journal says of segments that is not so: one that is gone, or has other bytes."""
    for record in store.operations(Kind.AUDIT_ARCHIVED):
        body = record.draft.body
        log_id, first, last = (body.get(f"toolguard.archive.{name}") for name in ("log_id", "first", "last"))
        if body.get("toolguard.archive.sha256") in held or not isinstance(first, int) or not isinstance(last, int):
            continue
        name = f"{log_id}-{first:012d}-{last:012d}{_SUFFIX}"
        yield SegmentFault(name=name, code="edited" if name in names else "missing")
