"""Sealing: AES-256-GCM under a key per tenant, derived by HKDF-SHA256 from the key-encryption keys.

A sealed value is ``version | length of key id | key id | nonce | ciphertext and tag``; tenant, key id and
context are authenticated with it, so that a value moved to another tenant, session or token does not open.
The newest key seals and every key opens. Digests are keyed from the *oldest* key of the ring: a key that is
added changes no digest, and dropping the oldest changes all of them (what waits for approval is then
invalidated, and tokens are numbered anew). Nonces are random: rotate before 2**32 values per tenant.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from toolguard.errors import KeyUnavailableError, StoreError
from toolguard.keys.secret import Purpose, SecretKey, read_keys

__all__ = ["KeyRing", "TenantSealer", "derive"]

_VERSION = 1
_NONCE = 12


def _framed(*parts: str) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join(b"%d:%b," % (len(part), part) for part in encoded)


def derive(key: SecretKey, purpose: str, tenant: str) -> bytes:
    """32 bytes for one purpose of one tenant."""
    info = _framed("toolguard.v1", purpose, tenant)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.secret)


class TenantSealer:
    """A `toolguard.ports.Sealer` for one tenant. Thread-safe."""

    def __init__(self, keys: Sequence[SecretKey], tenant: str) -> None:
        """``keys`` oldest first; at least one."""
        if not keys:
            raise KeyUnavailableError("no key to seal with; name a key file in [keys]")
        if not tenant:
            raise KeyUnavailableError("sealing needs a tenant; its name is empty")
        self._tenant = tenant
        self._newest = keys[-1].id
        self._ciphers = {key.id: AESGCM(derive(key, "seal", tenant)) for key in keys}
        self._digest_key = derive(keys[0], "digest", tenant)

    @property
    def digest_key(self) -> bytes:
        """32 bytes: the tenant's key for digests and lookups."""
        return self._digest_key

    def seal(self, plain: bytes, *, context: str) -> bytes:
        nonce = os.urandom(_NONCE)
        key_id = self._newest.encode("ascii")
        sealed = self._ciphers[self._newest].encrypt(nonce, plain, self._aad(self._newest, context))
        return bytes([_VERSION, len(key_id)]) + key_id + nonce + sealed

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """The clear bytes.

        Raises:
            KeyUnavailableError: sealed by a key this ring does not hold.
            StoreError: changed since it was sealed, or sealed for another tenant or context.
        """
        if len(sealed) < 2 or sealed[0] != _VERSION or len(sealed) < 2 + sealed[1] + _NONCE:
            raise StoreError("a sealed value is damaged or of an unknown version; it stays closed")
        start = 2 + sealed[1]
        key_id = sealed[2:start].decode("ascii", "replace")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise KeyUnavailableError("a value was sealed by a key that is not configured; restore that key's line")
        try:
            return cipher.decrypt(sealed[start : start + _NONCE], sealed[start + _NONCE :], self._aad(key_id, context))
        except InvalidTag:
            raise StoreError("a sealed value does not open: it was changed, or belongs elsewhere") from None

    def _aad(self, key_id: str, context: str) -> bytes:
        return _framed("toolguard.seal.v1", key_id, self._tenant, context)


class KeyRing:
    """The guard's key-encryption keys, and a sealer for each tenant."""

    def __init__(self, keys: Sequence[SecretKey]) -> None:
        """``keys`` oldest first, all for sealing or all for revealing."""
        if not keys:
            raise KeyUnavailableError("the key ring is empty; make a key with 'toolguard keys init'")
        if {key.purpose for key in keys} not in ({Purpose.SEAL}, {Purpose.REVEAL}):
            raise KeyUnavailableError(
                "a key ring takes keys for 'seal' only, or for 'reveal' only; the signing key belongs to the service"
            )
        self._keys = tuple(keys)
        self._sealers: dict[str, TenantSealer] = {}

    @classmethod
    def load(
        cls,
        reference: str | os.PathLike[str],
        *,
        purpose: Purpose = Purpose.SEAL,
        environ: Mapping[str, str] | None = None,
    ) -> KeyRing:
        """From a path, ``file:PATH`` or ``env:NAME``."""
        return cls(read_keys(reference, purpose=purpose, environ=environ))

    @property
    def oldest(self) -> SecretKey:
        """The key that digests and operators are keyed from."""
        return self._keys[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """Key ids, oldest first."""
        return tuple(key.id for key in self._keys)

    def sealer(self, tenant: str) -> TenantSealer:
        found = self._sealers.get(tenant)
        if found is None:
            found = self._sealers.setdefault(tenant, TenantSealer(self._keys, tenant))
        return found
