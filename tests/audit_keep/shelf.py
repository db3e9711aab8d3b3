"""A store with an anchor and a folder of segments, whose old records are taken out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from journal.insiders import SIGNER, VERIFIER, Place
from toolguard.journal import (
    FileAnchor,
    PruneReport,
    Segment,
    SegmentReport,
    VerifyReport,
    archive,
    hold_segments,
    prune,
    read_anchor,
)
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import START

DAY = 86400.0
LATER = START + 50 * DAY


class Shelf(Place):
    """Two days of calls, each under checkpoints. ``old`` were made on the first, ``new`` fifty days later."""

    def __init__(self, folder: Path, *, old: Iterable[str] = ("one", "two"), new: Iterable[str] = ("late",)) -> None:
        super().__init__(folder)
        self.folder = folder / "kept"
        self.folder.mkdir()
        self.live(*old)
        self.tick()
        self.clock.advance(100 * DAY)
        self.live(*new)
        self.tick()

    @property
    def notes(self) -> tuple[str, ...]:
        return read_anchor(self.anchor_path).notes

    def archive(self, *, before: float = LATER, **said: Any) -> tuple[Segment, ...]:
        return archive(self.service, self.folder, before=before, verifier=VERIFIER, notes=self.notes, **said)

    def prune(self, *, before: float = LATER, store: Any = None, **said: Any) -> PruneReport:
        given = {"signer": SIGNER, "anchors": [FileAnchor(self.anchor_path, now=self.clock.now)], "by": "rita", **said}
        return prune(store or self.service, self.folder, before=before, verifier=VERIFIER, **given)

    def shelve(self) -> PruneReport:
        """Archive and prune what is old."""
        self.archive()
        return self.prune()

    def held(self) -> SegmentReport:
        store = SqliteStore(self.path, read_only=True)
        try:
            return hold_segments(store, self.folder, verifier=VERIFIER)
        finally:
            store.close()

    def whole(self, **said: Any) -> VerifyReport:
        """What verify finds in store and segments, read as one."""
        return self.verify(segments=self.folder, **said)

    def exit(self) -> int:
        """The exit code of ``audit verify --segments``."""
        found = {self.whole().exit_code, self.held().exit_code}
        return 1 if 1 in found else max(found)

    def rows(self) -> dict[str, list[int]]:
        """Log id → the numbers of its records in the store."""
        store = SqliteStore(self.path, read_only=True)
        try:
            return {log: [seq for seq, _ in store.hashes(log, -(2**62))] for log in store.logs()}
        finally:
            store.close()

    def payloads(self, store: Any) -> list[tuple[str, int, str]]:
        """Every record of a store, as what it is."""
        return [(r.log_id, r.seq, r.hash) for r in store.records()]

    @property
    def guards_log(self) -> str:
        return next(log for log, drafts in self.drafts().items() if any(d.call for d in drafts))
