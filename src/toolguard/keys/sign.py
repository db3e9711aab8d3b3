"""Signatures over resolutions: the service signs with Ed25519, guards check against pinned public keys."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toolguard._core.approval import Grant
from toolguard.errors import InvalidatedError, KeyUnavailableError
from toolguard.keys.secret import PUBLIC, Purpose, SecretKey, fingerprint, read_keys

__all__ = ["Ed25519Signer", "PinnedVerifier", "PublicKey"]

_PREFIX = "toolguard-pub:v1:"
_DOMAIN = b"toolguard.resolution.v1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The public half of a signing or an audit key: what is pinned in a configuration."""

    id: str
    raw: bytes

    @classmethod
    def of(cls, key: SecretKey) -> PublicKey:
        """The public half of ``key``. Raises KeyUnavailableError where it has none."""
        if key.purpose not in PUBLIC:
            raise KeyUnavailableError(f"key {key.id!r} has no public half; only signing and audit keys have one")
        private = Ed25519PrivateKey.from_private_bytes(key.secret)
        return cls(id=key.id, raw=private.public_key().public_bytes_raw())

    @property
    def purpose(self) -> Purpose:
        return Purpose(self.id.partition("-")[0])

    @property
    def line(self) -> str:
        """``toolguard-pub:v1:<id>:<base64>``, as it stands in the configuration."""
        return f"{_PREFIX}{self.id}:{base64.b64encode(self.raw).decode('ascii')}"

    @classmethod
    def parse(cls, line: str) -> PublicKey:
        prefix, _, rest = line.strip().partition(_PREFIX)
        key_id, _, encoded = rest.partition(":")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        ids = {fingerprint(raw, purpose) for purpose in PUBLIC}
        if prefix or len(raw) != 32 or key_id not in ids:
            raise KeyUnavailableError(
                "a trusted key is not a toolguard public key of version 1; copy the line that 'toolguard keys show' prints"
            )
        return cls(id=key_id, raw=raw)


class Ed25519Signer:
    """A `toolguard.ports.Signer`. Belongs in the approval service's process and nowhere else."""

    def __init__(self, key: SecretKey) -> None:
        if key.purpose is not Purpose.SIGN:
            raise KeyUnavailableError(f"key {key.id!r} is not a signing key; name the service's own key file")
        self._private = Ed25519PrivateKey.from_private_bytes(key.secret)
        self._id = key.id

    @classmethod
    def load(cls, reference: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> Ed25519Signer:
        """From a path, ``file:PATH`` or ``env:NAME``; the newest key signs."""
        return cls(read_keys(reference, purpose=Purpose.SIGN, environ=environ)[-1])

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(id=self._id, raw=self._private.public_key().public_bytes_raw())

    def sign(self, payload: bytes) -> Grant:
        return Grant(payload=payload, signature=self._private.sign(_DOMAIN + payload), key_id=self._id)


class PinnedVerifier:
    """A `toolguard.ports.GrantVerifier`: only keys named here count, wherever a grant comes from."""

    def __init__(self, public_keys: Iterable[PublicKey | str]) -> None:
        parsed = [key if isinstance(key, PublicKey) else PublicKey.parse(key) for key in public_keys]
        for key in parsed:
            if key.purpose is not Purpose.SIGN:
                raise KeyUnavailableError(
                    f"key {key.id!r} is for {key.purpose.value!r}; [keys] trusted takes the service's signing key"
                )
        self._keys = {key.id: Ed25519PublicKey.from_public_bytes(key.raw) for key in parsed}

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def verify(self, grant: Grant) -> None:
        """Raises InvalidatedError unless a pinned key signed exactly this payload."""
        key = self._keys.get(grant.key_id)
        if key is None:
            raise InvalidatedError(
                "this approval was signed by a key that is not pinned; add the service's public key to [keys] trusted"
            )
        try:
            key.verify(grant.signature, _DOMAIN + grant.payload)
        except InvalidSignature:
            raise InvalidatedError("this approval's signature does not fit it; it was changed after signing") from None
