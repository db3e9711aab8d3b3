"""One transaction: everything that becomes durable together, in one `Change`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from toolguard._core.approval import Approval, Request, State
from toolguard._core.audit import Draft
from toolguard._core.call import CallRef
from toolguard._core.frozen import made_fast
from toolguard._core.history import Limit, Mark
from toolguard._core.register import UNREAD, Act, Heads

__all__ = [
    "Announce",
    "Cap",
    "Change",
    "Claim",
    "LedgerRow",
    "Notice",
    "Prune",
    "Settle",
    "Standing",
    "Update",
    "Use",
]


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A compare-and-set: written only over exactly this version and state.

    ``alive_until`` is an expiry the store compares with its own time in the same transaction (the write
    loses unless now < alive_until); None where the transition may happen after expiry.
    """

    approval: Approval
    from_version: int
    from_state: State
    alive_until: float | None = None


class Standing(StrEnum):
    """Where a call reference stands in the ledger."""

    ASKED = "asked"
    EXECUTING = "executing"
    EXECUTED = "executed"
    FAILED = "failed"


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Take the one execution of a call reference.

    With ``asked`` the row must stand at ASKED with this digest (an approval made it); otherwise there must
    be no row, or one at FAILED with this digest (an allowed call that is tried again). Anything else loses.
    """

    ref: CallRef
    call_digest: str
    asked: bool


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """The end of an execution; ``result`` is the sealed, masked result where it can be kept, else ``b""``."""

    ref: CallRef
    ok: bool
    result: bytes = b""


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What the ledger says of one call reference."""

    call_digest: str
    standing: Standing
    result: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most ``most`` requests since ``since`` (UTC seconds) with this ``value`` of ``by``: ``run`` or ``person``."""

    by: str
    value: str
    most: int
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a standing approval or of broken glass (its act's id), of ``most``, before ``until`` (UTC seconds)."""

    act: str
    most: int
    until: float


class Notice(StrEnum):
    """What a channel is told."""

    STATE = "state"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    BREAK_GLASS = "break_glass"
    COMMENT = "comment"
    """Somebody commented: nothing has changed but how many comments there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Tell channels about an approval. With a ``key``, once: whoever comes second with the same key loses."""

    approval: str
    notice: Notice
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Take a log's records up to number ``upto`` out of the store, at most ``most`` of them, the first ones first.

    It loses with RegisterMovedError where a tenant's register has not the length ``acts`` says: a legal hold may have come.
    A log's newest record always stays.
    """

    log_id: str
    upto: int
    most: int = 2000
    acts: Mapping[str, int] = field(default_factory=dict)


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One transaction. All of it is durable when the commit returns, or none of it happened.

    ``create`` puts its reference into the ledger as ASKED (a reference that is already there loses) and
    makes an outbox row; it loses with LimitError where one of ``caps`` is reached. ``announce`` is the id of an
    approval whose state channels should show; ``notify`` says more than its state. A claim is made under the
    registers as far as ``heads``: where the store has more acts, it loses with RegisterMovedError. ``use`` counts one
    use, and loses where none is left. ``act`` is the next entry of its tenant's register. ``marks`` are what its records
    leave for later calls; it loses with HistoryLimitError where, with what it adds, one of ``limits`` is passed. ``shred``
    are kept contents that its act, a redaction of exactly these, deletes. ``prune`` takes records out that stand in
    segments; it is told of by a record of pruning, in this change or before it.
    """

    tenant: str
    records: tuple[Draft, ...] = ()
    create: Request | None = None
    caps: tuple[Cap, ...] = ()
    update: Update | None = None
    claim: Claim | None = None
    heads: Heads = UNREAD
    use: Use | None = None
    settle: Settle | None = None
    act: Act | None = None
    announce: str | None = None
    notify: Announce | None = None
    marks: tuple[Mark, ...] = ()
    limits: tuple[Limit, ...] = ()
    shred: tuple[str, ...] = ()
    prune: Prune | None = None
