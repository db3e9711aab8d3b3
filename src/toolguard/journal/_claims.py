"""What signed checkpoints say of the logs, from wherever they come, and whether the logs bear it out."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolguard._core.audit import Fault, Kind
from toolguard._core.checkpoint import Checkpoint, Note, log_of
from toolguard._core.tree import EMPTY, Frontier
from toolguard.errors import TamperedError
from toolguard.journal.anchors import AnchorCopy
from toolguard.ports import CheckpointVerifier, Store

__all__ = ["ANCHORED", "NOTE", "REGISTRY", "AnchorReport", "Claim", "Claims", "TreeCheck"]

NOTE = "toolguard.audit.checkpoint.note"
ANCHORED = "toolguard.audit.anchored"
REGISTRY = "registry"
"""What stands for a log's id where the registry of logs is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A log (``""``: the registry) had this root at this size. ``outside``: an anchor says so, not the journal itself."""

    log_id: str
    size: int
    root: str
    outside: bool

    @property
    def code(self) -> str:
        """The fault where it is not so."""
        return "anchor" if self.outside else "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorReport:
    """One anchor: how many notes of this store it holds, and what is wrong with it.

    Codes: ``missing`` (it cannot be read), ``empty`` (nothing of this store in it), ``chain`` (entries were changed
    or taken out), ``signature`` (a note no pinned key signed), ``cut`` (the journal says that it held more), ``absent``
    (the journal says that it was written to, and it is none of those consulted).
    """

    name: str
    notes: int
    codes: tuple[str, ...] = ()


class Claims:
    """Every checkpoint there is of one store."""

    def __init__(self, store: Store, verifier: CheckpointVerifier | None) -> None:
        self._epoch = store.epoch
        self._verifier = verifier
        self._of: dict[str, dict[tuple[int, str], Claim]] = defaultdict(dict)
        self._roots: dict[tuple[str, int], str] = {}
        """(log, size) → the first root that was claimed for it."""
        self._open: dict[str, Checkpoint | None] = {}
        """Notes that were read already: most stand in the journal and in every anchor."""
        self.faults: list[Fault] = []
        self.anchors: list[AnchorReport] = []
        self.notes = 0
        """Checkpoints that stand in the journal."""
        self._anchored: set[str] = set()
        self._consulted: set[str] = set()
        for record in store.operations(Kind.AUDIT_CHECKPOINT):
            self.notes += 1
            body = record.draft.body
            found = self.opened(str(body.get(NOTE, "")))
            if found is None:
                self.faults.append(Fault(log_id=record.log_id, seq=record.seq, code="signature"))
            else:
                self.add(found, outside=False)
            said = body.get(ANCHORED)
            self._anchored.update(str(one) for one in said if isinstance(said, list)) if said else None

    def opened(self, text: str) -> Checkpoint | None:
        """The checkpoint of a note, None where it is none or no pinned key signed it."""
        if text not in self._open:
            self._open[text] = self._read(text)
        return self._open[text]

    def _read(self, text: str) -> Checkpoint | None:
        try:
            if self._verifier is not None:
                return self._verifier.checkpoint(text)
            return Checkpoint.parse(Note.parse(text).body)
        except (TamperedError, ValueError):
            return None

    def add(self, checkpoint: Checkpoint, *, outside: bool) -> bool:
        """Take a checkpoint as true; False where it is another store's."""
        try:
            epoch, log_id = log_of(checkpoint.origin)
        except ValueError:
            return False
        if epoch != self._epoch:
            return False
        claims = self._of[log_id]
        key = (checkpoint.size, checkpoint.root)
        if self._roots.setdefault((log_id, key[0]), key[1]) != key[1]:
            self.faults.append(Fault(log_id=log_id or REGISTRY, seq=checkpoint.size, code="split"))
        if outside or key not in claims:
            claims[key] = Claim(log_id=log_id, size=key[0], root=key[1], outside=outside)
        return True

    def add_anchor(self, copy: AnchorCopy) -> None:
        """Take what an anchor holds as true, as far as it holds together."""
        codes, mine = set(copy.codes), 0
        for note in copy.notes:
            found = self.opened(note)
            if found is None:
                codes.add("signature")
            elif self.add(found, outside=True):
                mine += 1
        if not mine and "missing" not in codes:
            codes.add("empty")
        entries = set(copy.entries)
        self._consulted.add(copy.id)
        if any(said not in entries for said in self._anchored if said.partition(":")[0] == copy.id):
            codes.add("cut")
        self.anchors.append(AnchorReport(name=copy.name, notes=mine, codes=tuple(sorted(codes))))

    def miss_anchors(self) -> None:
        """Anchors that got checkpoints by the journal's word, and are not among those consulted: taken away, or begun anew."""
        known = {said.partition(":")[0] for said in self._anchored}
        if "" not in self._consulted:  # one that cannot be read may be any of them, and is said to be missing itself
            self.anchors += [
                AnchorReport(name=f"anchor {id_} of the journal", notes=0, codes=("absent",))
                for id_ in sorted(known - self._consulted)
            ]

    def of(self, log_id: str) -> Sequence[Claim]:
        """What is said of a log, smallest first."""
        return sorted(self._of.get(log_id, {}).values(), key=lambda claim: claim.size)

    @property
    def logs(self) -> Iterable[str]:
        """Every log that something is said of, without the registry."""
        return tuple(log_id for log_id in self._of if log_id)


class TreeCheck:
    """Holds a log's hashes against what is claimed of it, while they stream by."""

    def __init__(self, log_id: str, claims: Sequence[Claim], tree: Frontier | None = None) -> None:
        self._log_id = log_id
        self._tree = tree or Frontier()
        self._left = deque(claim for claim in claims if claim.size >= self._tree.size)
        self._broken = False
        self.faults: list[Fault] = []

    @property
    def needed(self) -> bool:
        """Whether anything is left to compare."""
        return bool(self._left)

    def page(self, hashes: Sequence[str]) -> None:
        """The next hashes, in order."""
        at = 0
        while self._left and self._left[0].size - self._tree.size <= len(hashes) - at:
            claim = self._left.popleft()
            step = max(0, claim.size - self._tree.size)
            self._extend(hashes[at : at + step])
            at += step
            if self._broken or (self._tree.root if claim.size else EMPTY) != claim.root:
                self.faults.append(Fault(log_id=self._log_id, seq=claim.size, code=claim.code))
        if self._left:
            self._extend(hashes[at:])

    def _extend(self, hashes: Sequence[str]) -> None:
        try:
            self._tree.extend(hashes)
        except (ValueError, TypeError):  # somebody wrote something else in the place of a hash
            self._broken = True
            self._tree.size += len(hashes)

    def end(self) -> Iterator[Fault]:
        """Every fault; what was claimed of a longer log than there is, is one."""
        yield from self.faults
        for code in sorted({claim.code for claim in self._left}):
            yield Fault(log_id=self._log_id, seq=self._tree.size, code=code)
