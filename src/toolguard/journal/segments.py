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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolguard._core.audit import GENESIS, Draft, Kind, payload
from toolguard._core.checkpoint import log_of
from toolguard._core.pruning import Begin
from toolguard._core.steps import Change
from toolguard._core.stored import ChainCheck, stored_record
from toolguard._core.tree import Frontier
from toolguard.errors import StoreError, TamperedError
from toolguard.journal._begins import begins_in, opened_note
from toolguard.journal._claims import NOTE
from toolguard.journal._pages import pages
from toolguard.journal._segment import SEGMENT_FORMAT, header_of, name_of, names_in
from toolguard.ports import CheckpointVerifier, Store

__all__ = ["SEGMENT_FORMAT", "Segment", "archive"]

_MOST = 50_000
"""Records from which on a segment ends at the next checkpoint, so that none is too large to be read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Records ``first`` to ``last`` of a log. ``root`` is of the log's whole tree up to ``last``; ``until`` the latest time one of
    them has (UTC seconds): how long the file has to be kept is counted from there.
    """

    log_id: str
    first: int
    last: int
    root: str
    sha256: str
    name: str
    until: float


def archive(
    store: Store,
    folder: Path,
    *,
    before: float,
    verifier: CheckpointVerifier,
    notes: Iterable[str] = (),
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    most: int = _MOST,
) -> tuple[Segment, ...]:
    """Write what each log holds of the time before ``before`` (UTC seconds), up to its last signed checkpoint of that time.

    Goes on after the segments that stand in ``folder``. Each file is read again before the journal says that it was
    written. Nothing is taken out of the store.

    Args:
        notes: checkpoints that stand elsewhere, in anchors.
        dry_run: only say what would be written.
        progress: told (records read, records there) now and then.
        most: records from which on a segment ends at the next checkpoint.

    Raises:
        TamperedError: a log is other than its checkpoint says: nothing more is written of it.
        StoreError: a file cannot be written, or the folder's segments are damaged, or not all there.
    """
    if not folder.is_dir():
        raise StoreError(f"there is no folder {str(folder)!r} to keep segments in; mount or make it")
    there = _there(folder, store.epoch)
    signed = _notes(store, verifier, notes)
    begins = begins_in(store, verifier).of
    made: list[Segment] = []
    heads = store.heads()
    done = 0
    for head in heads:
        begin = begins.get(head.log_id)
        last = there.get(head.log_id, 0)
        if begin is not None and last < begin.last:
            raise StoreError(
                f"segments of log {head.log_id!r} up to its record {begin.last} are not in {str(folder)!r}, and its records "
                "are no longer in the store; name the folder that holds them"
            )
        for header, data in _parts(store, head.log_id, last, before, signed.get(head.log_id, {}), begin, most):
            segment = _segment(header, data)
            if not dry_run:
                _put(folder / segment.name, data)
                store.commit(Change(tenant="", records=(_told(segment, store.now()),)))
            made.append(segment)
            if progress is not None:
                progress(done + segment.last, max(done + segment.last, sum(h.seq for h in heads)))
        done += head.seq
    return tuple(made)


Said = Mapping[str, str | int | float]


def _parts(
    store: Store,
    log_id: str,
    done: int,
    before: float,
    notes: Mapping[int, tuple[str, str]],
    begin: Begin | None,
    most: int,
) -> Iterator[tuple[Said, bytes]]:
    """The next segments of a log: each one's header and bytes. The last one ends at the last checkpoint there is."""
    start, prev = (begin.last, begin.hash) if begin is not None else (0, GENESIS)
    tree = begin.tree if begin is not None else Frontier()
    chain, lines, times = ChainCheck(log_id, after=start, prev=prev), list[bytes](), list[float]()
    end: Said | None = None
    count, first_prev = 0, prev
    for page in pages(store, log_id, start):
        chain.page(page)
        if chain.faults:
            raise TamperedError(f"log {log_id!r} does not hold together; run 'toolguard audit verify'")
        for record in map(stored_record, page):
            if record.draft.at >= before:
                break
            tree.extend((record.hash,))
            if record.seq == done:
                first_prev = record.hash
            elif record.seq > done:
                lines.append(payload(record.draft, log_id=log_id, seq=record.seq, prev=record.prev) + b"\n")
                times.append(record.draft.at)
            if record.seq not in notes:
                continue
            root, note = notes[record.seq]
            if root != tree.root:
                raise TamperedError(
                    f"log {log_id!r} is other than its checkpoint at {record.seq} says; run 'toolguard audit verify'"
                )
            if record.seq <= done:
                continue
            end, count = {"last": record.seq, "root": root, "note": note}, len(lines)
            if count >= most:
                yield _made(store.epoch, log_id, first_prev, end, lines, times)
                done, first_prev, lines, times, end = record.seq, record.hash, [], [], None
        else:
            continue
        break
    if end is not None:
        yield _made(store.epoch, log_id, first_prev, end, lines[:count], times[:count])


def _made(epoch: str, log_id: str, prev: str, end: Said, lines: list[bytes], times: list[float]) -> tuple[Said, bytes]:
    header: Said = {
        "format": SEGMENT_FORMAT,
        "epoch": epoch,
        "log": log_id,
        "first": int(end["last"]) - len(lines) + 1,
        "prev": prev,
        "since": min(times),
        "until": max(times),
        **end,
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n" + b"".join(lines)
    return header, gzip.compress(text, mtime=0)


def _segment(header: Said, data: bytes) -> Segment:
    log_id, first, last = str(header["log"]), int(header["first"]), int(header["last"])
    return Segment(
        log_id=log_id,
        first=first,
        last=last,
        root=str(header["root"]),
        sha256=hashlib.sha256(data).hexdigest(),
        name=name_of(log_id, first, last),
        until=float(header["until"]),
    )


def _there(folder: Path, epoch: str) -> dict[str, int]:
    """Log id → the last record in a folder's segments. Raises StoreError where one cannot be read."""
    found: dict[str, int] = {}
    for name in names_in(folder):
        said = header_of(folder / name)
        if said is None or name != name_of(said.log_id, said.first, said.last) or not _is_whole(folder / name):
            raise StoreError(f"the segment {name!r} cannot be read; run 'toolguard audit verify --segments'")
        if said.epoch == epoch:
            found[said.log_id] = max(found.get(said.log_id, 0), said.last)
    return found


def _is_whole(path: Path) -> bool:
    """Whether a file unpacks to its end: its checksum stands there."""
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (OSError, EOFError, ValueError, zlib.error):
        return False
    return True


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
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StoreError(
            f"the segment {path.name!r} cannot be written ({type(error).__name__}); free space or mount another folder: "
            "nothing was taken out of the store"
        ) from None


def _sync(folder: Path) -> None:
    """The folder's entry is on disk, too, where the system can say so."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
        checkpoint = opened_note(text, verifier)
        if checkpoint is None or checkpoint.extensions:
            continue  # verify says so; here it just closes no segment
        try:
            epoch, log_id = log_of(checkpoint.origin)
        except ValueError:
            continue
        if epoch == store.epoch and log_id:
            found.setdefault(log_id, {})[checkpoint.size] = (checkpoint.root, text)
    return found
