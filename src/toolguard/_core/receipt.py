"""Receipts: what the approval service signs for a guard without a database, bound to the question it answers.

A verdict's signature says what people decided; a receipt says that the service itself answered, just now, this very
question: its nonce stands in it. An answer that was recorded, or given by somebody else, is no receipt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from toolguard._core.call import canonical
from toolguard.errors import TamperedError

__all__ = ["ClaimReceipt", "RegisterReceipt", "UseReceipt", "receipt_of", "receipt_payload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReceipt:
    """The one execution of a call was given out at ``at``, until ``lease_until`` (UTC seconds), under the resolution whose
    bytes have the SHA-256 ``grant``.
    """

    nonce: str
    tenant: str
    request: str
    call_digest: str
    grant: str
    at: float
    lease_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterReceipt:
    """At ``at`` (UTC seconds) the tenant's register ended at ``n`` with the hash ``last``, and that of all tenants at
    ``all_n`` with ``all_last``.
    """

    nonce: str
    tenant: str
    n: int
    last: str
    all_n: int
    all_last: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UseReceipt:
    """At ``at`` (UTC seconds) one use of the act ``act`` (a standing approval, or broken glass) was counted, for this call."""

    nonce: str
    tenant: str
    act: str
    call_digest: str
    at: float


Receipt = TypeVar("Receipt", ClaimReceipt, RegisterReceipt, UseReceipt)
_NAMES = {ClaimReceipt: "claim", RegisterReceipt: "register", UseReceipt: "use"}


def receipt_payload(receipt: ClaimReceipt | RegisterReceipt | UseReceipt) -> bytes:
    """The canonical bytes of a receipt, for signing. No act and no resolution has such bytes."""
    return canonical({"v": 1, "receipt": _NAMES[type(receipt)], **asdict(receipt)})


def receipt_of(kind: type[Receipt], payload: bytes) -> Receipt:
    """The receipt in signed bytes. The signature, and what the receipt is for, are for the caller to check.

    Raises:
        TamperedError: these are no such receipt's bytes.
    """
    try:
        data: Mapping[str, Any] = json.loads(payload)
        if (data["v"], data["receipt"]) != (1, _NAMES[kind]) or canonical(data) != payload:
            raise ValueError
        values = {f.name: data[f.name] for f in fields(kind)}
        if len(data) != len(values) + 2:
            raise ValueError
        for f in fields(kind):
            values[f.name] = _typed(str(f.type), values[f.name])
        return kind(**values)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        raise TamperedError("what should be a receipt of the approval service is none; nothing is believed") from None


def _typed(name: str, value: object) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, {"str": str, "int": int}.get(name, int | float)):
        raise TypeError(name)
    assert isinstance(value, str | int | float)  # noqa: S101 - narrows the type; the line before has checked
    return float(value) if name == "float" else value
