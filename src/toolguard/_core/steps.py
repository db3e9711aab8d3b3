"""Steps: everything the flow may ask of the outside world. A closed union: a step without a handler is a type error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from toolguard._core.approval import Approval, Grant
from toolguard._core.approver import ApproverRule
from toolguard._core.audit import Draft, Kind
from toolguard._core.call import Caller, CallRef, Json
from toolguard._core.change import Announce, Cap, Change, Claim, LedgerRow, Notice, Prune, Settle, Standing, Update, Use
from toolguard._core.frozen import made_fast, maker
from toolguard._core.history import Ask
from toolguard._core.vault import Need, Token

__all__ = [
    "NEW_ID",
    "NOW",
    "READ_REGISTER",
    "Allocate",
    "Analyse",
    "Announce",
    "Await",
    "Cap",
    "Change",
    "CheckGrant",
    "Claim",
    "Commit",
    "Confirm",
    "CountUses",
    "Digest",
    "Find",
    "Inspect",
    "Invoke",
    "LedgerRow",
    "Locate",
    "LookUp",
    "NewId",
    "Notice",
    "Now",
    "Origin",
    "Prune",
    "Ran",
    "Reach",
    "ReadLedger",
    "ReadRegister",
    "Recall",
    "Recent",
    "Reference",
    "Requester",
    "Reveal",
    "Seal",
    "SealDecisive",
    "Settle",
    "Standing",
    "Step",
    "Unseal",
    "Update",
    "Use",
    "Validate",
    "make_commit",
]


class Origin(StrEnum):
    """Where a value came from; it decides what may be learned from it."""

    USER = "user"
    """Typed by the person: its identifiers may be learned."""
    SYSTEM = "system"
    """Written by the application."""
    MODEL = "model"
    """Written by the model: never learned as a protected value."""
    RESULT = "result"
    """A tool's or document's text: untrusted, never learned from free text."""
    TRUSTED = "trusted"
    """A structured result of a source the policy trusts: its identifiers may be learned."""


@dataclass(frozen=True, slots=True)
class Now:
    """→ float, UTC seconds."""


@dataclass(frozen=True, slots=True)
class NewId:
    """→ str, 32 hex digits."""


@made_fast
@dataclass(frozen=True, slots=True)
class Inspect:
    """→ tuple[Finding, ...], not overlapping."""

    value: Json = field(repr=False)
    origin: Origin
    schema: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Allocate:
    """→ Mapping[Need, Token]."""

    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Reveal:
    """→ Mapping[Token, str]; tokens this session never issued are left out."""

    tokens: frozenset[Token]


@made_fast
@dataclass(frozen=True, slots=True)
class Validate:
    """→ the objects the tool would get, after its own schema validated and coerced ``data``."""

    data: Json = field(repr=False)


@made_fast
@dataclass(frozen=True, slots=True)
class Analyse:
    """→ tuple[Risk, tuple[Evidence, ...]]: the call's risk, and what the arguments alone contributed."""

    data: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seal:
    """→ bytes, encrypted and bound to ``context``."""

    plain: bytes = field(repr=False)
    context: str


@dataclass(frozen=True, slots=True)
class SealDecisive:
    """→ bytes the approval service can open to show them to an entitled approver; b"" where it may not."""

    plain: bytes = field(repr=False)
    context: str


@dataclass(frozen=True, slots=True)
class CountUses:
    """→ int: how often a standing approval or broken glass was used."""

    act: str


@dataclass(frozen=True, slots=True)
class Unseal:
    """→ bytes."""

    sealed: bytes
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks, as the directory knows them: the person, everyone who may not decide, and who could."""

    person: str
    excluded: frozenset[str]
    reachable: Mapping[str, int]
    """Per approver rule: how many distinct persons could approve; below its quorum where a stage cannot be filled."""
    fallback: frozenset[str] = frozenset()
    """The approver rules whose first stage has too few persons, so that their fallback decides."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """→ Requester | None (not in the directory)."""

    caller: Caller
    rules: tuple[ApproverRule, ...]


@dataclass(frozen=True, slots=True)
class Find:
    """→ Approval | None: the newest approval for this call reference."""

    ref: CallRef


@dataclass(frozen=True, slots=True)
class Recent:
    """→ tuple[Approval, ...]: what ``person`` asked for with ``tool`` and was denied since ``since`` (UTC seconds), newest first."""

    person: str
    tool: str
    since: float


@dataclass(frozen=True, slots=True)
class ReadRegister:
    """→ Registers, as last read; with ``fresh`` as the store has them now. Raises StoreError where they do not hold."""

    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Recall:
    """→ tuple[int, ...]: the answer to each."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Locate:
    """→ Mapping[str, tuple[str, ...]]: every name, in one spelling, under which each reference may be met again."""

    references: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Confirm:
    """→ None; raises InvalidatedError or StoreError unless the approval service, asked now, stands by this approval."""

    approval: Approval


@dataclass(frozen=True, slots=True)
class ReadLedger:
    """→ LedgerRow | None."""

    ref: CallRef


@dataclass(frozen=True, slots=True)
class CheckGrant:
    """→ None; raises InvalidatedError unless a pinned key signed this grant."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class Await:
    """→ Approval as it stands when it is no longer pending, or when the bound of waiting is reached."""

    approval_id: str


@made_fast
@dataclass(frozen=True, slots=True)
class Commit:
    """→ tuple[AuditRecord, ...]; raises ConflictError (nothing written) or StoreError."""

    change: Change


NOW, NEW_ID, READ_REGISTER = Now(), NewId(), ReadRegister()
make_commit = maker(Commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An argument that refers to content elsewhere: its dotted path, who can read that, and where it points."""

    path: str
    reader: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Digest:
    """→ Mapping[str, str]: path → keyed digest of the content. Raises ContentError where one cannot be read."""

    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a tool may reach for while its call executes, and not a moment longer.

    ``until`` is the end of the call's lease (UTC seconds). ``note`` makes the record of a credential: kind, name,
    provider, reason code, time and span id. ``bound`` holds the digests that were approved.
    """

    tool: str
    tenant: str
    agent: str
    until: float
    credentials: frozenset[str]
    references: tuple[Reference, ...]
    bound: Mapping[str, str]
    note: Callable[[Kind, str, str, str, float, str], Draft] = field(repr=False)


@made_fast
@dataclass(frozen=True, slots=True)
class Ran:
    """What invoking the tool gave: a value, or the exception it raised.

    ``secrets`` are the credentials the tool was given; ``value`` may still hold them, ``error`` does not.
    """

    value: Any = field(default=None, repr=False)
    error: Exception | None = field(default=None, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


@made_fast
@dataclass(frozen=True, slots=True)
class Invoke:
    """→ Ran. Cancellation and interrupts are thrown into the flow instead."""

    passed: Any = field(repr=False)
    call: str
    idempotency_key: str
    reach: Reach | None = None


Step: TypeAlias = (
    Now
    | NewId
    | Inspect
    | Allocate
    | Reveal
    | Validate
    | Analyse
    | Seal
    | SealDecisive
    | CountUses
    | Unseal
    | LookUp
    | Find
    | Recent
    | ReadRegister
    | Recall
    | Locate
    | Confirm
    | ReadLedger
    | CheckGrant
    | Await
    | Commit
    | Digest
    | Invoke
)
