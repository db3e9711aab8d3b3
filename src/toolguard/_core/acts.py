"""Acts: what the approval service did beyond single verdicts, each signed, each with the hash of the one before.

Whoever can write to the store but cannot sign can neither add an act to a chain nor take one out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from toolguard._core.approval import Grant
from toolguard._core.call import Json, Person, canonical
from toolguard.errors import TamperedError

__all__ = ["ALL", "START", "Act", "ActKind", "act_of", "act_payload", "tampered"]

ALL = "*"
"""The tenant of acts that concern every tenant. No real tenant is called so."""
START = "0" * 64


class ActKind(StrEnum):
    """What was done."""

    FREEZE = "freeze"
    """Nothing of an agent, or of a tenant, is claimed any more."""
    UNFREEZE = "unfreeze"
    VOID = "void"
    """A yes that stood was taken back: vetoed or revoked. It is not believed again, whatever its row says."""
    STANDING = "standing"
    """A yes was made to stand for calls like it."""
    STANDING_ENDED = "standing_ended"
    BREAK_GLASS = "break_glass"
    REVIEWED = "reviewed"
    """A person looked at what somebody else did: behind broken glass, under a standing yes, in a call."""
    RESOLVED = "resolved"
    """A person said what became of a call whose end nobody saw."""
    PROPOSED = "proposed"
    """A person asked for other arguments instead."""
    RESTORED = "restored"
    """A store that had been set back was taken into use again."""
    HOLD = "hold"
    """Legal hold: what is kept of a call, a session, a person or the tenant is not redacted."""
    HOLD_LIFT_PROPOSED = "hold_lift_proposed"
    HOLD_LIFTED = "hold_lifted"
    """A hold was lifted, by another person than the one who proposed it."""
    REDACTION_PROPOSED = "redaction_proposed"
    REDACTED = "redacted"
    """Kept contents were deleted, with their keys: proposed by one person, confirmed by another."""
    COMMENT = "comment"
    """A person said something about a request. It stands in a chain of its own (`toolguard._core.comments`), never here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One entry of a register. ``payload`` are the canonical bytes that ``signature`` covers; the rest is read from them."""

    tenant: str
    n: int
    prev: str
    kind: ActKind
    id: str
    at: float
    person: str
    body: Mapping[str, Json]
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    key_id: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.payload).hexdigest()

    @property
    def grant(self) -> Grant:
        """As a signature check takes it."""
        return Grant(payload=self.payload, signature=self.signature, key_id=self.key_id)


def act_payload(
    *,
    tenant: str,
    n: int,
    prev: str,
    kind: ActKind,
    id: str,
    at: float,
    person: str,
    identity: Person,
    auth: str,
    body: Mapping[str, Json],
) -> bytes:
    """The canonical bytes of an act, for signing."""
    return canonical(
        {
            "v": 1,
            "act": kind.value,
            "tenant": tenant,
            "n": n,
            "prev": prev,
            "id": id,
            "at": at,
            "person": person,
            "identity": identity.ref,
            "auth": auth,
            "body": dict(body),
        }
    )


def act_of(grant: Grant) -> Act:
    """The act in signed bytes. The signature is for the caller to check.

    Raises:
        TamperedError: these are no act's bytes.
    """
    try:
        data = json.loads(grant.payload)
        if data["v"] != 1 or canonical(data) != grant.payload:
            raise ValueError
        return Act(
            tenant=str(data["tenant"]),
            n=int(data["n"]),
            prev=str(data["prev"]),
            kind=ActKind(data["act"]),
            id=str(data["id"]),
            at=float(data["at"]),
            person=str(data["person"]),
            body=dict(data["body"]),
            payload=grant.payload,
            signature=grant.signature,
            key_id=grant.key_id,
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise tampered() from None


def tampered() -> TamperedError:
    return TamperedError(
        "the register of acts in the store does not hold together: it was edited, or belongs to another service; "
        "nothing runs until it is looked at (toolguard audit verify)"
    )
