"""The Merkle tree over a log's records: one root that stands for all of them, and proofs that are short.

RFC 6962, section 2.1. A leaf hash is what `AuditRecord.hash` already is, so a log's tree is made of the hashes that
stand in the log. Hashes are 64 hex digits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

__all__ = [
    "EMPTY",
    "Frontier",
    "consistency_proof",
    "inclusion_proof",
    "root",
    "verify_consistency",
    "verify_inclusion",
]

EMPTY = hashlib.sha256().hexdigest()
"""The root of a tree without leaves."""


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows at its end, of which only the roots of its full subtrees are kept: at most one a level."""

    __slots__ = ("_peaks", "size")

    def __init__(self, leaves: Iterable[str] = ()) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        self.extend(leaves)

    def extend(self, leaves: Iterable[str]) -> None:
        """Add leaf hashes. Raises ValueError where one is not hex."""
        size, peaks, sha256, from_hex = self.size, self._peaks, hashlib.sha256, bytes.fromhex
        for leaf in leaves:
            node, full = from_hex(leaf), size
            while full & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                full >>= 1
            peaks.append(node)
            size += 1
        self.size = size

    @property
    def root(self) -> str:
        """The root of the tree as it is now."""
        if not self._peaks:
            return EMPTY
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = _node(peak, node)
        return node.hex()

    @property
    def peaks(self) -> tuple[str, ...]:
        """The roots of its full subtrees, largest first."""
        return tuple(peak.hex() for peak in self._peaks)

    @classmethod
    def of(cls, size: int, peaks: Iterable[str]) -> Frontier:
        """The tree of ``size`` leaves with these `peaks`. Raises ValueError where there are not as many as it has."""
        made = cls()
        made.size, made._peaks = size, [bytes.fromhex(peak) for peak in peaks]
        if size < 0 or len(made._peaks) != size.bit_count() or any(len(peak) != 32 for peak in made._peaks):
            raise ValueError(f"these are not the peaks of a tree of {size} leaves")
        return made

    def copy(self) -> Frontier:
        """The same tree, to grow apart."""
        other = Frontier()
        other.size, other._peaks = self.size, self._peaks.copy()
        return other


def root(leaves: Iterable[str]) -> str:
    """The root over leaf hashes, in order."""
    return Frontier(leaves).root


def inclusion_proof(leaves: Sequence[str], index: int) -> tuple[str, ...]:
    """The hashes that lead from the leaf at ``index`` (from 0) to the root, lowest first.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"there is no leaf {index} in a tree of {len(leaves)}")
    proof: list[str] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root(leaves[middle:high]))
            high = middle
        else:
            proof.append(root(leaves[low:middle]))
            low = middle
    return tuple(reversed(proof))


def verify_inclusion(leaf: str, index: int, size: int, proof: Sequence[str], root: str) -> bool:
    """Whether ``proof`` shows the leaf at ``index`` of the tree with this size and root (RFC 9162, 2.1.3.2)."""
    hashes = _bytes((leaf, root, *proof))
    if hashes is None or not 0 <= index < size:
        return False
    node, wanted, path = hashes[0], hashes[1], hashes[2:]
    at, last = index, size - 1
    for other in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = _node(other, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = _node(node, other)
        at, last = at >> 1, last >> 1
    return last == 0 and node == wanted


def consistency_proof(leaves: Sequence[str], first: int) -> tuple[str, ...]:
    """The hashes that show the tree of the ``first`` leaves to be the beginning of the tree of them all.

    Raises:
        ValueError: ``first`` is not between 0 and how many there are.
    """
    size = len(leaves)
    if not 0 <= first <= size:
        raise ValueError(f"a tree of {size} leaves does not begin with one of {first}")
    if first in (0, size):
        return ()
    proof: list[str] = []
    low, high, whole = 0, size, True
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            proof.append(root(leaves[middle:high]))
            high = middle
        else:
            proof.append(root(leaves[low:middle]))
            low, whole = middle, False
    if not whole:
        proof.append(root(leaves[low:high]))
    return tuple(reversed(proof))


def verify_consistency(first: int, first_root: str, second: int, second_root: str, proof: Sequence[str]) -> bool:
    """Whether ``proof`` shows the first tree to be the beginning of the second (RFC 9162, 2.1.4.2)."""
    hashes = _bytes((first_root, second_root, *proof))
    if hashes is None or not 0 <= first <= second:
        return False
    old, new, path = hashes[0], hashes[1], hashes[2:]
    if first == 0 or first == second:
        return not path and (old == new if first == second else first_root == EMPTY)
    if first & (first - 1) == 0:
        path = [old, *path]
    if not path:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = _node(other, before), _node(other, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = _node(after, other)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old and after == new


def _split(size: int) -> int:
    """The largest power of two below ``size``: how many leaves stand on the left."""
    return 1 << (size - 1).bit_length() - 1


def _bytes(texts: Iterable[str]) -> list[bytes] | None:
    """Hashes as bytes; None where one is not 64 hex digits."""
    try:
        found = [bytes.fromhex(text) for text in texts]
    except (ValueError, TypeError):
        return None
    return found if all(len(one) == 32 for one in found) else None
