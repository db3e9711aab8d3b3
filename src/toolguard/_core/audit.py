"""Audit records: what is written down, and the chain that shows whether it was changed.

A record's hash is the RFC 6962 leaf hash of its canonical bytes, which hold the previous record's hash;
the same leaves can later stand in a Merkle tree. Records hold ids, enums, counts, keyed digests and
times. They never hold an argument value or free text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from toolguard._core.call import Json, canonical_text, flat_text, number_text, quoted
from toolguard._core.frozen import made_fast, maker

__all__ = [
    "COMMITMENT",
    "CONTENT_ID",
    "GENESIS",
    "AuditRecord",
    "Draft",
    "Fault",
    "Kept",
    "Kind",
    "Outcome",
    "payload",
    "seal",
    "verify_chain",
    "whole",
]

GENESIS = "0" * 64
CONTENT_ID = "toolguard.content.id"
"""Names the sealed content beside a record, and `COMMITMENT` what it has to be."""
COMMITMENT = "toolguard.content.commitment"
FORMAT = 1


class Kind(StrEnum):
    """What a record says happened."""

    LOG_OPENED = "log.opened"
    POLICY_LOADED = "policy.loaded"
    POLICY_REFUSED = "policy.refused"
    CALL_DECIDED = "call.decided"
    CALL_EXECUTING = "call.executing"
    CALL_RETURNED = "call.returned"
    CALL_FAILED = "call.failed"
    CALL_NOT_RUN = "call.not_run"
    CALL_INDETERMINATE = "call.indeterminate"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_VERDICT = "approval.verdict"
    APPROVAL_REFUSED = "approval.refused"
    APPROVAL_RESOLVED = "approval.resolved"
    APPROVAL_REVEALED = "approval.revealed"
    ACT_RECORDED = "act.recorded"
    VALUES_REVEALED = "values.revealed"
    CREDENTIAL_RELEASED = "credential.released"
    CREDENTIAL_REVOKED = "credential.revoked"
    CREDENTIAL_REFUSED = "credential.refused"
    AUDIT_CHECKPOINT = "audit.checkpoint"
    AUDIT_REVIEW = "audit.review"
    AUDIT_ARCHIVED = "audit.archived"
    AUDIT_PRUNED = "audit.pruned"
    CONTENT_OPENED = "audit.opened"
    CONTENT_REDACTED = "audit.redacted"
    SPAN_PARKED = "span.parked"


class Outcome(StrEnum):
    """``toolguard.decision.outcome``: where a call stands after a record."""

    ALLOWED = "allowed"
    DENIED = "denied"
    PENDING = "pending"
    APPROVED = "approved"
    BREAK_GLASS = "break_glass"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    INVALIDATED = "invalidated"
    SUPERSEDED = "superseded"
    EXECUTED = "executed"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Masked content beside a record: sealed under a key of its own, which is sealed under the tenant's.

    Attributes:
        id: 32 hex digits, random; the record names it.
        key: the content's key, sealed. Without it ``body`` is noise, and the record's commitment says nothing.
        body: the content, sealed.
    """

    tenant: str
    id: str
    key: bytes = field(repr=False)
    body: bytes = field(repr=False)


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record before it has its place in a log.

    Attributes:
        at: when it happened (UTC seconds); ``started`` where it took time.
        call: the toolguard call id, ``""`` for operations.
        trace_id, span_id, parent_id: hex ids of the span this record is shown as.
        link_id: hex span id this span links to, ``""`` for none.
        body: attributes, keys as in spans (``toolguard.*``, ``gen_ai.*``).
    """

    kind: Kind
    at: float
    started: float
    call: str = ""
    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    link_id: str = ""
    body: Mapping[str, Json] = field(default_factory=dict)
    aside: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Masked content that a span may show beside the body, where that is switched on: never hashed, never kept."""
    keep: str = field(default="", repr=False, compare=False)
    """Masked content to be kept: whoever commits the draft seals it first, and puts `CONTENT_ID` into the body."""
    kept: Kept | None = field(default=None, repr=False, compare=False)
    """What goes into the side table in the record's own transaction."""


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """A draft at its place in a log. ``prev`` is the hash of the record before, ``hash`` its own.

    ``text`` is the body as canonical text, where it is at hand and any JSON writer would write the same; else ``""``.
    """

    log_id: str
    seq: int
    prev: str
    hash: str
    draft: Draft
    text: str = field(default="", repr=False, compare=False)


_make_record = maker(AuditRecord)


def whole(value: object) -> int | None:
    """A whole number out of a body, None for anything else. ``5`` and ``5.0`` hash the same, so they have to read the same."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def payload(draft: Draft, *, log_id: str, seq: int, prev: str, body: str = "") -> bytes:
    """The canonical bytes (RFC 8785) of a record; ``body`` is its body's text, where that is at hand.

    Written out by hand: this is on every call's path.
    """
    q, number = quoted, number_text
    body = body or canonical_text(dict(draft.body))
    at = number(draft.at)
    started = at if draft.started == draft.at else number(draft.started)
    return (
        f'{{"at":{at},"body":{body},"call":{q(draft.call)},'
        f'"kind":{q(draft.kind.value)},"link":{q(draft.link_id)},"log":{q(log_id)},"parent":{q(draft.parent_id)},'
        f'"prev":{q(prev)},"seq":{seq},"span":{q(draft.span_id)},"started":{started},'
        f'"trace":{q(draft.trace_id)},"v":{FORMAT}}}'
    ).encode()


_LEAF = hashlib.sha256(b"\x00")
"""What the hash of a leaf begins with (RFC 6962)."""


def _leaf(draft: Draft, log_id: str, seq: int, prev: str, body: str = "") -> str:
    leaf = _LEAF.copy()
    leaf.update(payload(draft, log_id=log_id, seq=seq, prev=prev, body=body))
    return leaf.hexdigest()


def seal(drafts: Iterable[Draft], *, log_id: str, seq: int, prev: str) -> tuple[AuditRecord, ...]:
    """Put drafts at the end of a log whose last record is ``seq`` (0: empty) with hash ``prev``."""
    sealed = []
    for draft in drafts:
        seq += 1
        text = flat_text(draft.body)
        hash_ = _leaf(draft, log_id, seq, prev, text)
        if draft.kept is not None or draft.keep:
            draft = replace(draft, kept=None, keep="")  # it stands beside the record, never in it
        record = _make_record(log_id=log_id, seq=seq, prev=prev, hash=hash_, draft=draft, text=text)
        sealed.append(record)
        prev = record.hash
    return tuple(sealed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A place where a log does not hold together. ``code``: ``hash``, ``chain`` or ``gap``."""

    log_id: str
    seq: int
    code: str


def verify_chain(records: Iterable[AuditRecord]) -> tuple[int, tuple[Fault, ...]]:
    """Check one log from its first record on: how many records were read, and every fault."""
    faults: list[Fault] = []
    prev, expected, count = GENESIS, 1, 0
    for record in records:
        count += 1
        if record.seq != expected:
            faults.append(Fault(log_id=record.log_id, seq=record.seq, code="gap"))
        if record.prev != prev:
            faults.append(Fault(log_id=record.log_id, seq=record.seq, code="chain"))
        if _leaf(record.draft, record.log_id, record.seq, record.prev) != record.hash:
            faults.append(Fault(log_id=record.log_id, seq=record.seq, code="hash"))
        prev, expected = record.hash, record.seq + 1
    return count, tuple(faults)
