"""Keyed functions for operators that replace identifiers: a digest, and format-preserving encryption (FF1)."""

from __future__ import annotations

import hmac

from fastfpe import ff1

from toolguard._core.operators import Keys
from toolguard.keys.seal import derive
from toolguard.keys.secret import SecretKey

__all__ = ["operator_keys"]

_DIGITS = "0123456789"


def operator_keys(key: SecretKey, tenant: str, *, year: int) -> Keys:
    """The functions operators work with, for one tenant, from its oldest key.

    FF1 is that of NIST SP 800-38G with AES-256; each use has a tweak of its own.
    """
    digest_key = derive(key, "operators", tenant)
    fpe_key = derive(key, "fpe", tenant).hex()

    def digest(purpose: str, text: str) -> bytes:
        framed = f"{len(purpose)}:{purpose}{text}"
        return hmac.digest(digest_key, framed.encode("utf-8", "surrogatepass"), "sha256")

    def encrypt(digits: str, tweak: str) -> str:
        return str(ff1.encrypt(fpe_key, tweak.encode("utf-8", "surrogatepass").hex(), _DIGITS, digits))

    def decrypt(digits: str, tweak: str) -> str:
        return str(ff1.decrypt(fpe_key, tweak.encode("utf-8", "surrogatepass").hex(), _DIGITS, digits))

    return Keys(digest=digest, encrypt=encrypt, decrypt=decrypt, year=year)
