"""What shows that nothing was left out or changed: leaf hashes, signed checkpoints, and proofs that are short."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from toolguard._core.audit import AuditRecord, payload
from toolguard._core.checkpoint import Checkpoint, Note, log_of
from toolguard._core.tree import EMPTY, Frontier, root
from toolguard.population import LogPart, Period

__all__ = ["LogProof", "RegistryProof", "Tree", "log_proofs", "registry_proof"]


class Tree:
    """All levels of a Merkle tree (RFC 6962), so that each proof costs as many look-ups as the tree is high.

    Args:
        leaves: hashes, from the one after ``start``'s last leaf on.
        start: the tree of leaves that are not at hand; of those there are no proofs.
    """

    def __init__(self, leaves: Sequence[str], start: Frontier | None = None) -> None:
        base = start.size if start is not None else 0
        peaks = list(map(bytes.fromhex, start.peaks)) if start is not None else []
        self.size = base + len(leaves)
        self._levels: list[tuple[int, list[bytes]]] = []
        """Of each level the first node's place, and the nodes from there on."""
        level, count = [bytes.fromhex(leaf) for leaf in leaves], self.size
        while True:
            if base & 1:
                level = [peaks.pop(), *level]
                base -= 1
            self._levels.append((base, level))
            if count <= 1:
                break
            pairs = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
            level = [*pairs, level[-1]] if len(level) % 2 else pairs
            base, count = base >> 1, (count + 1) >> 1

    @property
    def root(self) -> str:
        return self._levels[-1][1][0].hex() if self.size else EMPTY

    def inclusion(self, index: int) -> list[str]:
        """The hashes that lead from the leaf at ``index`` (from 0) to the root, lowest first."""
        proof = []
        for base, level in self._levels[:-1]:
            other = index ^ 1
            if other - base < len(level):
                proof.append(level[other - base].hex())
            index >>= 1
        return proof

    def consistency(self, first: int) -> list[str]:
        """What shows the tree of the ``first`` leaves to be the beginning of this one (0 < ``first``, none before ``start``)."""
        proof: list[str] = []
        low, high, whole = 0, self.size, True
        while first != high:
            middle = low + _split(high - low)
            if first <= middle:
                proof.append(self._root_of(middle, high).hex())
                high = middle
            else:
                proof.append(self._root_of(low, middle).hex())
                low, whole = middle, False
        if not whole:
            proof.append(self._root_of(low, high).hex())
        return proof[::-1] if first != self.size else []

    def _root_of(self, low: int, high: int) -> bytes:
        """The root over the leaves from place ``low`` to before ``high``."""
        level = (high - low - 1).bit_length()
        if high - low == 1 << level and not low & (high - low - 1):
            base, nodes = self._levels[level]
            return nodes[(low >> level) - base]
        middle = low + _split(high - low)
        return hashlib.sha256(b"\x01" + self._root_of(low, middle) + self._root_of(middle, high)).digest()


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


@dataclass(frozen=True)
class LogProof:
    """A log's part in a pack, and the checkpoints that vouch for it.

    ``notes`` are those for sizes within the part, the smallest that covers its end, and the smallest anchored one that does,
    so that an auditor's own anchor has something to say; ``size`` is how far the leaf hashes go: as far as these, or to the
    part's end where nobody has signed one yet.
    """

    part: LogPart
    origin: str
    notes: tuple[tuple[int, str], ...]

    @cached_property
    def size(self) -> int:
        covering = [size for size, _ in self.notes if size >= self.part.end]
        return max(covering) if covering else self.part.end

    @property
    def covered(self) -> int:
        """The number of the last record that a signed checkpoint covers."""
        return max((size for size, _ in self.notes), default=0)

    @cached_property
    def tree(self) -> Tree:
        return self._tree(self.size)

    def _tree(self, size: int) -> Tree:
        """The log's tree as it was at ``size``."""
        part = self.part
        return Tree(part.leaves[: size - part.base], part.begin.tree if part.begin is not None else None)

    def inclusion(self, record: AuditRecord) -> dict[str, Any]:
        """Where the record stands in the tree of this log, and the proof of it."""
        return {
            "log": self.part.log_id,
            "seq": record.seq,
            "leaf": record.hash,
            "tree_size": self.size,
            "root": self.tree.root,
            "proof": self.tree.inclusion(record.seq - 1),
            "checkpoint": self.covered >= self.size,
        }

    def data(self) -> dict[str, Any]:
        """As it stands in a pack's ``integrity/logs.json``."""
        part = self.part
        return {
            "log": part.log_id,
            "origin": self.origin,
            "number": part.number,
            "opened": part.opened,
            "first": part.first,
            "start": part.start,
            "prev": part.prev,
            "peaks": _peaks(part),
            "end": part.end,
            "after": list(part.after[: self.size - part.end]),
            "size": self.size,
            "root": self.tree.root,
            "covered": self.covered,
            "continues": bool(part.after),
            "next_to": [_text(part.ahead), _text(part.behind)],
        }

    def consistency(self) -> dict[str, Any] | None:
        """The proof that the smallest checkpoint's tree is the beginning of the largest's; None with fewer than two."""
        sizes = sorted({size for size, _ in self.notes})
        if len(sizes) < 2:
            return None
        first, last = sizes[0], sizes[-1]
        return {
            "log": self.part.log_id,
            "first": first,
            "first_root": self._tree(first).root,
            "second": last,
            "second_root": self._tree(last).root,
            "proof": self._tree(last).consistency(first),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryProof:
    """The registry of logs: each log's first record's hash, oldest first, and the checkpoints over it."""

    origin: str
    leaves: tuple[str, ...]
    logs: tuple[str, ...]
    notes: tuple[tuple[int, str], ...]

    def data(self) -> dict[str, Any]:
        return {"origin": self.origin, "leaves": list(self.leaves), "logs": list(self.logs), "root": root(self.leaves)}


def log_proofs(
    period: Period, notes: Iterable[str], origin: str, *, anchored: Iterable[str] = ()
) -> tuple[LogProof, ...]:
    """The proofs of each log's part. ``origin`` is what checkpoint origins begin with (``toolguard/<epoch>/``), ``anchored``
    are those of ``notes`` that stand outside the store.
    """
    said, outside = _by_log(notes, period.epoch), _by_log(anchored, period.epoch)
    return tuple(
        LogProof(
            part=part,
            origin=f"{origin}{part.log_id}",
            notes=_within(
                said.get(part.log_id, {}),
                part.start,
                part.end,
                part.base + len(part.leaves),
                outside.get(part.log_id, {}),
            ),
        )
        for part in period.logs
    )


def registry_proof(
    period: Period, heads: Sequence[tuple[str, str]], notes: Iterable[str], origin: str
) -> RegistryProof:
    """``heads`` are (log id, first record's hash) of every log there is, oldest first."""
    said = _by_log(notes, period.epoch).get("", {})
    opened = len(period.registry)
    kept = _within(said, 0, opened, len(heads))
    size = max([opened, *(size for size, _ in kept)])
    return RegistryProof(
        origin=f"{origin}registry",
        leaves=tuple(first for _, first in heads[:size]),
        logs=tuple(log for log, _ in heads[:size]),
        notes=kept,
    )


def _within(
    said: dict[int, str], start: int, end: int, known: int, outside: dict[int, str] | None = None
) -> tuple[tuple[int, str], ...]:
    """Notes of sizes after ``start``, up to the first that covers ``end``, of a log of which ``known`` leaves are known; and
    the first ``outside`` the store that does.
    """
    kept = [(size, said[size]) for size in sorted(said) if start < size < end]
    covering = [size for size in sorted(said) if end <= size <= known][:1]
    covering += [size for size in sorted(outside or {}) if end <= size <= known and size not in covering][:1]
    return (*kept, *((size, said[size]) for size in covering))


def _by_log(notes: Iterable[str], epoch: str) -> dict[str, dict[int, str]]:
    """Notes of this store: log id (``""``: the registry) → size → the first note that says so."""
    found: dict[str, dict[int, str]] = {}
    for text in notes:
        try:
            checkpoint = Checkpoint.parse(Note.parse(text).body)
            of, log_id = log_of(checkpoint.origin)
        except ValueError:
            continue
        if of == epoch and not checkpoint.extensions:  # what says that records were taken out vouches for nothing new
            found.setdefault(log_id, {}).setdefault(checkpoint.size, text)
    return found


def _text(record: AuditRecord | None) -> str | None:
    """A record as it was hashed."""
    if record is None:
        return None
    return payload(record.draft, log_id=record.log_id, seq=record.seq, prev=record.prev).decode()


def _peaks(part: LogPart) -> list[str]:
    """The roots of the full subtrees that the tree before a part is made of, largest first."""
    tree = part.begin.tree if part.begin is not None else Frontier()
    tree.extend(part.before)
    return list(tree.peaks)
