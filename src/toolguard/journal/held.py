"""Segments held against their checkpoints, each other, the store, and what the journal says was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolguard._core.audit import GENESIS, Kind
from toolguard._core.checkpoint import log_of
from toolguard._core.pruning import Begin
from toolguard._core.tree import Frontier
from toolguard.journal._begins import begins_in, opened_note
from toolguard.journal._segment import Read, name_of, names_in, read_segment
from toolguard.ports import CheckpointVerifier, Store

__all__ = ["SegmentFault", "SegmentReport", "hold_segments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFault:
    """What is wrong with a segment (its file's name), or with a log's (the log's id).

    Codes: ``edited`` (it is other than its checkpoint, its neighbours, its name or the journal say, or cannot be read),
    ``differs`` (the store has another record in the place of one), ``signature`` (no pinned key signed its checkpoint),
    ``missing`` (one before it, or one that the journal says was written, is not there; or records that were taken out of
    the store are in none), ``stranger`` (another store's).
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


@dataclass(frozen=True, slots=True)
class Held:
    """A log's segments as far as they hold: in order, without a gap, from its first record on."""

    last: int
    leaves: tuple[str, ...]
    files: tuple[tuple[int, str], ...]
    """(last record, SHA-256) of each file."""


def hold_segments(store: Store | None, folder: Path, *, verifier: CheckpointVerifier | None) -> SegmentReport:
    """A folder's segments against their checkpoints, each other, the store, and what the journal says was written.

    Without a store they are held against checkpoints and each other alone: a log's last segment is not missed then.
    """
    return look_at(store, folder, verifier=verifier)[0]


def look_at(
    store: Store | None, folder: Path, *, verifier: CheckpointVerifier | None
) -> tuple[SegmentReport, dict[str, Held]]:
    """The report, and of each log without a fault what its segments hold."""
    faults: list[SegmentFault] = []
    logs: dict[str, list[tuple[str, Read]]] = {}
    names = names_in(folder)
    for name in names:
        read = read_segment(folder / name)
        if read is None:
            faults.append(SegmentFault(name=name, code="edited"))
        elif store is not None and read.header.epoch != store.epoch:
            faults.append(SegmentFault(name=name, code="stranger"))
        else:
            logs.setdefault(read.header.log_id, []).append((name, read))
    begins = {} if store is None else begins_in(store, verifier).of
    records, held = 0, {}
    for log_id, parts in logs.items():
        parts.sort(key=lambda part: part[1].header.first)
        records += sum(len(read.leaves) for _, read in parts)
        found = [*_log_faults(store, parts, verifier), *_begin_faults(log_id, parts, begins.get(log_id))]
        faults += found
        if not found:
            leaves = tuple(leaf for _, read in parts for leaf in read.leaves)
            files = tuple((read.header.last, read.sha256) for _, read in parts)
            held[log_id] = Held(last=len(leaves), leaves=leaves, files=files)
    faults += [SegmentFault(name=log_id, code="missing") for log_id in begins if log_id not in logs]
    if store is not None:
        known = {read.sha256: name for parts in logs.values() for name, read in parts}
        faults += _untold(store, known, set(names))
    report = SegmentReport(segments=len(names), records=records, faults=tuple(dict.fromkeys(faults)))
    return report, held


def _log_faults(
    store: Store | None, parts: Sequence[tuple[str, Read]], verifier: CheckpointVerifier | None
) -> Iterator[SegmentFault]:
    tree, prev, whole = Frontier(), GENESIS, True
    for name, read in parts:
        said = read.header
        if said.first != tree.size + 1 and whole:
            yield SegmentFault(name=name, code="missing")
            whole = False  # roots cannot be computed beyond a gap; the store still can be asked
        if whole:
            tree.extend(read.leaves)
            if tree.root != said.root or said.prev != prev:
                yield SegmentFault(name=name, code="edited")
        prev = read.leaves[-1]
        checkpoint = opened_note(said.note, verifier)
        if checkpoint is None:
            yield SegmentFault(name=name, code="signature")
        elif (_of(checkpoint.origin), checkpoint.size, checkpoint.root) != (
            (said.epoch, said.log_id),
            said.last,
            said.root,
        ):
            yield SegmentFault(name=name, code="edited")
        mine = dict(enumerate(read.leaves, start=said.first))
        if store is not None and any(
            mine.get(seq, hash_) != hash_ for seq, hash_ in store.hashes(said.log_id, said.first - 1, len(mine))
        ):
            yield SegmentFault(name=name, code="differs")


def _of(origin: str) -> tuple[str, str]:
    try:
        return log_of(origin)
    except ValueError:
        return "", ""


def _begin_faults(log_id: str, parts: Sequence[tuple[str, Read]], begin: Begin | None) -> Iterator[SegmentFault]:
    """What was taken out of the store has to be in segments, and to be what was taken out."""
    if begin is None:
        return
    leaves = [leaf for _, read in parts for leaf in read.leaves][: begin.last]
    if len(leaves) < begin.last:
        yield SegmentFault(name=log_id, code="missing")
    elif parts[0][1].header.first == 1 and Frontier(leaves).root != begin.root:
        yield SegmentFault(name=log_id, code="differs")


def _untold(store: Store, held: Mapping[str, str], names: set[str]) -> Iterator[SegmentFault]:
    """What the journal says of segments that is not so: one that is gone, or has other bytes."""
    for record in store.operations(Kind.AUDIT_ARCHIVED):
        body = record.draft.body
        log_id, first, last = (body.get(f"toolguard.archive.{name}") for name in ("log_id", "first", "last"))
        if body.get("toolguard.archive.sha256") in held or not isinstance(first, int) or not isinstance(last, int):
            continue
        name = name_of(str(log_id), first, last)
        yield SegmentFault(name=name, code="edited" if name in names else "missing")
