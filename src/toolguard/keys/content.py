"""Masked content beside a record: a key of its own for each, so that deleting that key deletes the content for good.

The key (32 random bytes) is sealed by the tenant's sealer. From it come a key for AES-256-GCM, which seals the content, and
one for HMAC-SHA256, which makes the commitment that stands in the record. Without the key the commitment tells nothing
about the content, not even to whoever can guess it; with it, it shows that the content is the one that was recorded.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from toolguard._core.audit import COMMITMENT, CONTENT_ID, Draft, Kept
from toolguard._core.steps import Change
from toolguard.errors import StoreError
from toolguard.ports import Sealer

__all__ = ["keep_contents", "open_content"]

_VERSION = b"\x01"
_NONCE = 12


def keep_contents(change: Change, sealer: Sealer) -> Change:
    """The change with what its records want kept sealed, and named in them."""
    for draft in change.records:
        if draft.keep:
            break
    else:
        return change
    return replace(change, records=tuple(_keep(d, change.tenant, sealer) if d.keep else d for d in change.records))


def _keep(draft: Draft, tenant: str, sealer: Sealer) -> Draft:
    id_, key, nonce, plain = os.urandom(16).hex(), os.urandom(32), os.urandom(_NONCE), draft.keep.encode()
    about = _about(tenant, id_)
    sealed = _VERSION + nonce + AESGCM(_derived(key, "seal")).encrypt(nonce, plain, about)
    kept = Kept(tenant=tenant, id=id_, key=sealer.seal(key, context=_context(id_)), body=sealed)
    body = {**draft.body, CONTENT_ID: id_, COMMITMENT: _commitment(key, about, plain)}
    return replace(draft, body=body, keep="", kept=kept)


def open_content(kept: Kept, commitment: str, sealer: Sealer) -> str:
    """The content a record committed to.

    Raises:
        KeyUnavailableError: its key was sealed under one that this sealer lacks.
        StoreError: key or content were changed, belong to another record, or are not what the record committed to.
    """
    key = sealer.open(kept.key, context=_context(kept.id))
    about, sealed = _about(kept.tenant, kept.id), kept.body
    if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE:
        raise StoreError("kept content is damaged or of an unknown version; it stays closed")
    try:
        plain = AESGCM(_derived(key, "seal")).decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], about)
    except InvalidTag:
        raise StoreError("kept content does not open: it was changed, or belongs to another record") from None
    if not hmac.compare_digest(_commitment(key, about, plain), commitment):
        raise StoreError("kept content is not what its record committed to: it was changed")
    return plain.decode()


def _context(id_: str) -> str:
    return f"audit-content/{id_}"


def _about(tenant: str, id_: str) -> bytes:
    return b"".join(b"%d:%b," % (len(p), p) for p in (b"toolguard.content.v1", tenant.encode(), id_.encode()))


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=32, info=b"toolguard.content.v1." + purpose.encode()).derive(key)


def _commitment(key: bytes, about: bytes, plain: bytes) -> str:
    return "v1:" + hmac.digest(_derived(key, "commit"), about + plain, "sha256").hex()
