"""Secret keys as text: one line a key, in a file only its owner can read or in an environment variable.

    toolguard-key:v1:seal-3f1c…:BASE64

The id is a purpose and a fingerprint of the key, so a key of the wrong kind, a damaged line and a swapped
file are all found when the key is read. A file may hold several lines: the last one is the newest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from toolguard.errors import KeyUnavailableError

__all__ = ["PUBLIC", "Purpose", "SecretKey", "fingerprint", "read_keys", "write_key"]

_PREFIX = "toolguard-key:v1:"
_SIZE = 32


class Purpose(StrEnum):
    """What a key is for; a key is never used for anything else."""

    SEAL = "seal"
    """Key-encryption key of the guard: seals values, keys digests."""
    SIGN = "sign"
    """Ed25519 private key of the approval service: signs resolutions."""
    AUDIT = "audit"
    """Ed25519 private key of whoever signs checkpoints of the journal; verifiers pin its public half."""
    POLICY = "policy"
    """Ed25519 private key of a person who signs policies; guards pin its public half under that person's name."""
    REVEAL = "reveal"
    """Seals decisive arguments; the guard and the approval service hold it, so that approvers may see those alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """32 secret bytes and their id. The secret is not part of ``repr``."""

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def generate(cls, purpose: Purpose) -> SecretKey:
        secret = os.urandom(_SIZE)
        return cls(id=_key_id(purpose, secret), secret=secret)

    @property
    def purpose(self) -> Purpose:
        return Purpose(self.id.partition("-")[0])

    @property
    def line(self) -> str:
        """The key as it stands in its file. Secret."""
        return f"{_PREFIX}{self.id}:{base64.b64encode(self.secret).decode('ascii')}"

    @classmethod
    def parse(cls, line: str, *, where: str = "key") -> SecretKey:
        """Read one line.

        Raises:
            KeyUnavailableError: it is not a key, or its id does not fit its bytes.
        """
        prefix, _, rest = line.strip().partition(_PREFIX)
        key_id, _, encoded = rest.partition(":")
        kind, _, _ = key_id.partition("-")
        if prefix or not encoded or kind not in Purpose.__members__.values():
            raise KeyUnavailableError(
                f"{where} does not hold a toolguard key of version 1; make one with 'toolguard keys init'"
            )
        try:
            secret = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != _SIZE or not hmac.compare_digest(_key_id(Purpose(kind), secret), key_id):
            raise KeyUnavailableError(f"{where} holds a damaged key: its id does not fit its bytes; restore the file")
        return cls(id=key_id, secret=secret)


PUBLIC = frozenset({Purpose.SIGN, Purpose.AUDIT, Purpose.POLICY})
"""Purposes whose keys are Ed25519 pairs."""


def fingerprint(public: bytes, purpose: Purpose = Purpose.SIGN) -> str:
    """The id of a key with a public half: its purpose and 16 hex digits of a SHA-256 over that half.

    For other purposes than signing the hash is over the purpose, too, so that no key is taken for another's by its label.
    """
    tag = b"" if purpose is Purpose.SIGN else purpose.value.encode() + b"\x00"
    return f"{purpose.value}-{hashlib.sha256(tag + public).hexdigest()[:16]}"


def _key_id(purpose: Purpose, secret: bytes) -> str:
    if purpose in PUBLIC:
        return fingerprint(Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw(), purpose)
    return f"{purpose.value}-{hmac.digest(secret, b'toolguard.key.id.v1', 'sha256').hex()[:16]}"


def read_keys(
    reference: str | os.PathLike[str], *, purpose: Purpose, environ: Mapping[str, str] | None = None
) -> tuple[SecretKey, ...]:
    """The keys ``reference`` names, oldest first: a path, ``file:PATH`` or ``env:NAME``.

    Raises:
        KeyUnavailableError: missing, readable by others, damaged, or for another purpose.
    """
    name = os.fspath(reference)
    if name.startswith("env:"):
        variable = name.removeprefix("env:")
        text = (os.environ if environ is None else environ).get(variable, "")
        where = f"environment variable {variable!r}"
        if not text.strip():
            raise KeyUnavailableError(f"{where} is not set; put a toolguard key in it or name a key file")
    else:
        path = Path(name.removeprefix("file:"))
        where = f"key file {str(path)!r}"
        text = _read_private(path, where)
    keys = tuple(SecretKey.parse(line, where=where) for line in text.splitlines() if line.strip())
    if not keys:
        raise KeyUnavailableError(f"{where} is empty; make a key with 'toolguard keys init'")
    for key in keys:
        if key.purpose is not purpose:
            raise KeyUnavailableError(
                f"{where} holds a key for {key.purpose.value!r} where one for {purpose.value!r} is needed; "
                "check which file is named where"
            )
    if len({key.id for key in keys}) != len(keys):
        raise KeyUnavailableError(f"{where} holds the same key twice; remove one line")
    return keys


def _read_private(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise KeyUnavailableError(
                    f"{where} can be read by others (mode {stat.S_IMODE(mode):04o}); run chmod 600 on it, "
                    "and replace the key if others may have read it"
                )
            return file.read(65536).decode("ascii")
    except FileNotFoundError:
        raise KeyUnavailableError(f"{where} does not exist; make one with 'toolguard keys init'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnavailableError(f"{where} cannot be read ({type(error).__name__}); check the file") from None


def write_key(path: Path, key: SecretKey, *, append: bool = False) -> None:
    """Write ``key`` to ``path`` (mode 0600), or add it as the newest. Never overwrites a key.

    Raises:
        KeyUnavailableError: the file is already there (without ``append``) or cannot be written.
    """
    if append:
        read_keys(path, purpose=key.purpose)
    flags = os.O_WRONLY | (os.O_APPEND if append else os.O_CREAT | os.O_EXCL)
    try:
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise KeyUnavailableError(f"key file {str(path)!r} is already there; it was left as it is") from None
    except OSError as error:
        raise KeyUnavailableError(f"key file {str(path)!r} cannot be written ({type(error).__name__})") from None
