"""Who signs, who checks signatures, and where signed checkpoints are kept elsewhere."""

from __future__ import annotations

from typing import Protocol

from toolguard._core.approval import Grant
from toolguard._core.checkpoint import Checkpoint

__all__ = ["Anchor", "CheckpointSigner", "CheckpointVerifier", "GrantVerifier", "Signer"]


class Signer(Protocol):
    """Held by the approval service alone."""

    def sign(self, payload: bytes) -> Grant:
        """``payload`` with its signature and the id of the key that made it."""
        ...


class GrantVerifier(Protocol):
    """Held by guards: public keys pinned in their configuration."""

    def verify(self, grant: Grant) -> None:
        """Raises InvalidatedError unless a pinned key signed exactly this payload."""
        ...


class CheckpointSigner(Protocol):
    """Held by whoever makes checkpoints of the journal."""

    def checkpoint(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint."""
        ...


class CheckpointVerifier(Protocol):
    """Public audit keys, pinned outside the store."""

    def checkpoint(self, text: str) -> Checkpoint:
        """The checkpoint of a note. Raises TamperedError unless a pinned key signed it."""
        ...


class Anchor(Protocol):
    """A place outside the store that keeps checkpoints. Thread-safe."""

    @property
    def name(self) -> str:
        """What people call it; no secret."""
        ...

    @property
    def head(self) -> str:
        """``<id>:<number>:<hash>`` of the last note as far as known here; ``""`` where it cannot tell."""
        ...

    def publish(self, note: str) -> None:
        """Keep a signed note; when it returns it is kept. Raises StoreError where it could not be."""
        ...
