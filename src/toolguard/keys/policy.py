"""Signatures over policies: a person other than the author answers for the file, and guards believe pinned keys alone."""

from __future__ import annotations

import base64
import binascii
import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toolguard._core.call import canonical
from toolguard.errors import KeyUnavailableError, PolicyRefusedError
from toolguard.keys.secret import Purpose, SecretKey, read_keys
from toolguard.keys.sign import PublicKey

__all__ = ["PolicySigner", "PolicyStatement", "PolicyVerifier"]

_FORMAT = "toolguard.policy.signature.v1"
_DOMAIN = b"toolguard.policy.v1\x00"
_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatement:
    """What a signer says of a policy: these very bytes (the file's, with its packs') may be put into force.

    Attributes:
        policy, version: the policy's name and version.
        sha256: the policy's own digest, over the file and the packs it includes.
        author: who wrote it; never the signer.
        signer: who signed, by the name under which guards pin the key.
        at: when (UTC seconds).
    """

    policy: str
    version: str
    sha256: str
    author: str
    signer: str
    at: int


def _same(one: str, other: str) -> bool:
    """Whether two names are one person's, as far as their spelling tells."""
    return (
        unicodedata.normalize("NFKC", one).strip().casefold() == unicodedata.normalize("NFKC", other).strip().casefold()
    )


class PolicySigner:
    """Signs policies with one person's key. Belongs where that person works, never where agents run."""

    def __init__(self, key: SecretKey) -> None:
        if key.purpose is not Purpose.POLICY:
            raise KeyUnavailableError(
                f"key {key.id!r} is not for signing policies; 'toolguard keys policy' makes one that is"
            )
        self._private = Ed25519PrivateKey.from_private_bytes(key.secret)
        self.public_key = PublicKey.of(key)

    @classmethod
    def load(cls, reference: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> PolicySigner:
        """From a path, ``file:PATH`` or ``env:NAME``; the newest key signs."""
        return cls(read_keys(reference, purpose=Purpose.POLICY, environ=environ)[-1])

    def sign(self, statement: PolicyStatement) -> bytes:
        """The signature file.

        Raises:
            PolicyRefusedError: the signer is the author.
        """
        if _same(statement.signer, statement.author):
            raise PolicyRefusedError(
                f"{statement.signer!r} wrote this policy and cannot sign it; somebody else has to answer for it",
                reason="own_author",
            )
        said = asdict(statement)
        signature = self._private.sign(_DOMAIN + canonical(said))
        return _text({
            "format": _FORMAT,
            "statement": said,
            "key": self.public_key.id,
            "signature": base64.b64encode(signature).decode("ascii"),
        })  # fmt: skip


def _text(value: Mapping[str, object]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=True) + "\n").encode("ascii")


class PolicyVerifier:
    """Which persons' signatures count, by the keys that are pinned for them.

    Args:
        trusted: name → public key line, or several of them.
    """

    def __init__(self, trusted: Mapping[str, str | Sequence[str]]) -> None:
        self._keys: dict[str, tuple[str, Ed25519PublicKey]] = {}
        for name, lines in trusted.items():
            for line in [lines] if isinstance(lines, str) else lines:
                key = PublicKey.parse(line)
                if key.purpose is not Purpose.POLICY:
                    raise KeyUnavailableError(
                        f"the key pinned for {name!r} is for {key.purpose.value!r}; [policy] trusted takes the line that "
                        "'toolguard keys policy' printed"
                    )
                if key.id in self._keys and self._keys[key.id][0] != name:
                    raise KeyUnavailableError(
                        f"one key is pinned for {self._keys[key.id][0]!r} and for {name!r}; each person signs with their own"
                    )
                self._keys[key.id] = name, Ed25519PublicKey.from_public_bytes(key.raw)

    def open(self, raw: bytes | None, *, policy: str, version: str, sha256: str) -> PolicyStatement:
        """What a trusted person says of exactly this policy. ``raw`` is the signature file, None where there is none.

        Raises:
            PolicyRefusedError: nobody who counts has signed it, or its author did.
        """
        if raw is None:
            raise _refused("unsigned", f"policy {policy!r} is not signed", self._advice())
        statement, key_id, signature = _parsed(raw, policy)
        pinned = self._keys.get(key_id)
        if pinned is None:
            raise _refused("unknown_key", f"policy {policy!r} is signed with a key that is not pinned", self._advice())
        name, key = pinned
        try:
            key.verify(signature, _DOMAIN + canonical(asdict(statement)))
        except InvalidSignature:
            raise _refused(
                "signature", f"the signature of policy {policy!r} was changed after it was made", "sign it again"
            ) from None
        if (statement.policy, statement.version, statement.sha256) != (policy, version, sha256):
            raise _refused(
                "changed",
                f"policy {policy!r} is not the one that was signed: the file, or a pack it includes, changed since",
                "have the change looked at, and sign it again",
            )
        if not _same(statement.signer, name):
            raise _refused(
                "signer", f"policy {policy!r} names another signer than the key is pinned for", "sign it again"
            )
        if _same(statement.author, name):
            raise _refused(
                "own_author", f"policy {policy!r} is signed by its author", "somebody else has to answer for it"
            )
        return statement

    def _advice(self) -> str:
        if not self._keys:
            return (
                "nobody is trusted to sign: pin a signer's key under [policy] trusted and run 'toolguard policy sign', "
                'or say environment = "development" to try things out'
            )
        return "one of those under [policy] trusted, other than its author, runs 'toolguard policy sign'"


def _refused(reason: str, what: str, advice: str) -> PolicyRefusedError:
    return PolicyRefusedError(f"{what}, so it was not put into force; {advice}", reason=reason)


def _parsed(raw: bytes, policy: str) -> tuple[PolicyStatement, str, bytes]:
    try:
        data = json.loads(raw)
        said = data["statement"]
        signature = base64.b64decode(data["signature"], validate=True)
        statement = PolicyStatement(**said)
        texts = (statement.policy, statement.version, statement.sha256, statement.author, statement.signer, data["key"])
        whole = data["format"] == _FORMAT and type(statement.at) is int and statement.at > 0
        if whole and all(isinstance(text, str) and 0 < len(text) <= _LONGEST for text in texts):
            return statement, data["key"], signature
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        pass
    raise _refused("unreadable", f"the signature file of policy {policy!r} cannot be read", "sign it again") from None
