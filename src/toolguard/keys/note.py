"""Signed notes (C2SP): checkpoints and manifests under the audit key, which signs nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toolguard._core.checkpoint import Checkpoint, Note, NoteSignature, note_key_id
from toolguard.errors import KeyUnavailableError, TamperedError
from toolguard.keys.secret import Purpose, SecretKey, read_keys
from toolguard.keys.sign import PublicKey

__all__ = ["NoteSigner", "NoteVerifier"]


class NoteSigner:
    """Signs with the audit key. Belongs where checkpoints are made: the approval service, or a guard without one."""

    def __init__(self, key: SecretKey) -> None:
        if key.purpose is not Purpose.AUDIT:
            raise KeyUnavailableError(f"key {key.id!r} is not an audit key; 'toolguard keys audit' makes one")
        self._private = Ed25519PrivateKey.from_private_bytes(key.secret)
        self._public = PublicKey.of(key)

    @classmethod
    def load(cls, reference: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> NoteSigner:
        """From a path, ``file:PATH`` or ``env:NAME``; the newest key signs."""
        return cls(read_keys(reference, purpose=Purpose.AUDIT, environ=environ)[-1])

    @property
    def public_key(self) -> PublicKey:
        """What verifiers pin."""
        return self._public

    def sign(self, body: str, *, name: str) -> str:
        """A note: ``body`` (ends with a newline) signed under the key name ``name`` (no space, no ``+``)."""
        signature = NoteSignature(
            name=name, key_id=note_key_id(name, self._public.raw), signature=self._private.sign(body.encode())
        )
        return Note(body=body, signatures=(signature,)).text

    def checkpoint(self, checkpoint: Checkpoint) -> str:
        """The note of a checkpoint; its key name is its origin."""
        return self.sign(checkpoint.body(), name=checkpoint.origin)


class NoteVerifier:
    """Believes notes signed by a key named here, and no others."""

    def __init__(self, public_keys: Iterable[PublicKey | str]) -> None:
        parsed = [key if isinstance(key, PublicKey) else PublicKey.parse(key) for key in public_keys]
        for key in parsed:
            if key.purpose is not Purpose.AUDIT:
                raise KeyUnavailableError(
                    f"key {key.id!r} is not an audit key; pin the line 'toolguard keys show' prints of it"
                )
        self._keys = tuple((key, Ed25519PublicKey.from_public_bytes(key.raw)) for key in parsed)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of the pinned keys."""
        return tuple(key.id for key, _ in self._keys)

    def open(self, text: str, *, name: str) -> str:
        """The body of a note that a pinned key signed under ``name``.

        Raises:
            TamperedError: it is not a note, or no pinned key signed it.
        """
        try:
            note = Note.parse(text)
        except ValueError:
            raise TamperedError("a signed note cannot be read; it was damaged, or is no note") from None
        for key, public in self._keys:
            wanted = (name, note_key_id(name, key.raw))
            for signature in note.signatures:
                if (signature.name, signature.key_id) == wanted and _holds(public, signature, note.body):
                    return note.body
        raise TamperedError(
            "a note is not signed by an audit key that is pinned; check [audit] trusted, or who made it"
        )

    def checkpoint(self, text: str) -> Checkpoint:
        """The checkpoint of a note that a pinned key signed. Raises TamperedError."""
        origin = text.partition("\n")[0]
        try:
            return Checkpoint.parse(self.open(text, name=origin))
        except ValueError:
            raise TamperedError("a signed note does not hold a checkpoint") from None


def _holds(public: Ed25519PublicKey, signature: NoteSignature, body: str) -> bool:
    try:
        public.verify(signature.signature, body.encode())
    except InvalidSignature:
        return False
    return True
