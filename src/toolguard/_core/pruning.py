"""Where a log begins after its first records were taken out: at a number, with the tree of what stood before, signed.

The signed note is a checkpoint of the log at that number with one extension line, which only a record of pruning has.
So it is believed like any checkpoint, and no other checkpoint can be passed off as one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolguard._core.audit import AuditRecord, Kind, whole
from toolguard._core.call import Json
from toolguard._core.checkpoint import Checkpoint, log_origin
from toolguard._core.tree import Frontier

__all__ = ["Begin", "begin_of", "begins"]

_WORD = "pruned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """A log begins after its record ``last``.

    Attributes:
        root, peaks: of the tree of the first ``last`` records; ``hash`` is that of the last of them.
        newest: the latest time (UTC seconds) any record has that was taken out so far.
        segment: SHA-256 of the segment that holds record ``last``.
        by: who had it done, as they named themselves.
        without: receivers of spans that had not got all of these records, and were not waited for; in order.
        note: the checkpoint, signed; ``""`` before it is.
    """

    log_id: str
    last: int
    root: str
    hash: str
    peaks: tuple[str, ...]
    newest: float
    segment: str
    by: str = ""
    without: tuple[str, ...] = ()
    note: str = ""

    @property
    def tree(self) -> Frontier:
        """The tree of what stood before, to grow from here. Raises ValueError where its parts do not fit each other."""
        made = Frontier.of(self.last, self.peaks)
        if made.root != self.root:
            raise ValueError("the peaks are not those of the root")
        return made

    def checkpoint(self, epoch: str) -> Checkpoint:
        """What its note has to say."""
        said = f"{_WORD} {self.hash} {self.segment}"
        if self.without:
            said += f" {hashlib.sha256(json.dumps(self.without).encode()).hexdigest()}"
        return Checkpoint(origin=log_origin(epoch, self.log_id), size=self.last, root=self.root, extensions=(said,))

    def body(self, first: int) -> Mapping[str, Json]:
        """What the record of pruning says; ``first`` is the number of the first record taken out with it."""
        return {
            "toolguard.prune.log_id": self.log_id,
            "toolguard.prune.first": first,
            "toolguard.prune.last": self.last,
            "toolguard.prune.root": self.root,
            "toolguard.prune.hash": self.hash,
            "toolguard.prune.peaks": list(self.peaks),
            "toolguard.prune.newest_at": self.newest,
            "toolguard.prune.segment": self.segment,
            "toolguard.prune.by": self.by,
            **({"toolguard.prune.without": list(self.without)} if self.without else {}),
            "toolguard.prune.note": self.note,
        }


def begin_of(body: Mapping[str, Json]) -> Begin | None:
    """What a record of pruning says; None where it says nothing that could be so. Whether it is signed, others check."""
    last, peaks, newest = (
        whole(body.get("toolguard.prune.last")),
        body.get("toolguard.prune.peaks"),
        body.get("toolguard.prune.newest_at"),
    )
    words = {name: body.get(f"toolguard.prune.{name}") for name in ("log_id", "root", "hash", "segment", "by", "note")}
    if last is None or last <= 0 or not isinstance(peaks, list) or not isinstance(newest, int | float):
        return None
    without = body.get("toolguard.prune.without", [])
    if not isinstance(without, list) or not all(isinstance(word, str) for word in (*words.values(), *peaks, *without)):
        return None
    found = Begin(
        last=last,
        peaks=tuple(map(str, peaks)),
        newest=float(newest),
        without=tuple(map(str, without)),
        **{name: str(word) for name, word in words.items()},
    )
    try:
        return found if found.tree.size == last else None
    except ValueError:
        return None


def begins(records: Iterable[AuditRecord]) -> dict[str, Begin]:
    """Log id → where it begins by the furthest of these records of pruning, believed as they stand."""
    found: dict[str, Begin] = {}
    for record in records:
        begin = begin_of(record.draft.body) if record.draft.kind is Kind.AUDIT_PRUNED else None
        if begin is not None and (begin.log_id not in found or found[begin.log_id].last < begin.last):
            found[begin.log_id] = begin
    return found
