"""The ports: what the guard needs from the outside, as small synchronous protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from toolguard._core.approval import Approval, Grant, State
from toolguard._core.audit import AuditRecord, Kept, Kind
from toolguard._core.call import CallRef, Json, Person, Tool
from toolguard._core.checkpoint import Checkpoint
from toolguard._core.history import Ask
from toolguard._core.mask import Finding
from toolguard._core.provenance import Aimed
from toolguard._core.risk import Evidence, Risk
from toolguard._core.steps import Change, Claim, LedgerRow, Notice, Origin, Settle, Update
from toolguard._core.stored import Stored
from toolguard._core.vault import Need, Token

__all__ = [
    "Analyser",
    "Announcement",
    "Change",
    "Channel",
    "Claim",
    "Clock",
    "Content",
    "CredentialProvider",
    "CredentialUse",
    "Detector",
    "DetectorSession",
    "Directory",
    "DirectoryPerson",
    "Distant",
    "GrantVerifier",
    "Ids",
    "Lease",
    "LedgerRow",
    "LogHead",
    "Notice",
    "NoticeChannel",
    "Origin",
    "Pointing",
    "Prunable",
    "ReferenceReader",
    "Sealer",
    "SessionKey",
    "Settle",
    "Signer",
    "Sink",
    "Store",
    "Term",
    "ToolAnalysis",
    "TraceContext",
    "Tracing",
    "Update",
]


class Clock(Protocol):
    def now(self) -> float:
        """UTC seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for bounds on waiting."""
        ...


class Ids(Protocol):
    def new(self) -> str:
        """128 random bits as 32 hex digits."""
        ...


# --- detection ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """An identifier known to the session, for propagation."""

    type: str
    value: str = field(repr=False)


class DetectorSession(Protocol):
    """Detection with memory: what was once accepted as an identifier is found again. Thread-safe."""

    def inspect(self, value: Json, *, origin: Origin, schema: Mapping[str, Json] | None = None) -> tuple[Finding, ...]:
        """Every identifier in ``value``, not overlapping. Raises DetectionError rather than miss silently."""
        ...

    def learn(self, terms: Iterable[Term]) -> None:
        """Make identifiers known that were accepted elsewhere (restored from the vault)."""
        ...


class Detector(Protocol):
    """Finds identifiers. One per guard; one `DetectorSession` per guard session."""

    @property
    def version(self) -> str:
        """Name and version, recorded with every call (``toolguard-rules/1``)."""
        ...

    def session(self) -> DetectorSession: ...


# --- risk ---------------------------------------------------------------------------------------------


class ToolAnalysis(Protocol):
    """One tool, worked out once: its static risk, and what its arguments have to be read for."""

    @property
    def static(self) -> Risk:
        """What the tool alone says, before any argument is seen."""
        ...

    def analyse(self, data: Json) -> tuple[Risk, tuple[Evidence, ...]]:
        """The risk of a call with these arguments, and what the arguments alone contributed.

        Fails into severe evidence, never into none.
        """
        ...


@runtime_checkable
class Pointing(Protocol):
    """A `ToolAnalysis` that can also tell which arguments refer to content elsewhere."""

    def pointers(self, data: Json) -> tuple[str, ...]:
        """Names of arguments that hold a path, a URL or another reference, as the tool's schema spells them."""
        ...


@runtime_checkable
class Aiming(Protocol):
    """A `ToolAnalysis` that can also tell which arguments decide what a call does."""

    def aims(self, data: Json, decisive: tuple[str, ...]) -> tuple[Aimed, ...]:
        """The deciding values; ``decisive`` are arguments (dotted) that the policy names as such."""
        ...


class Analyser(Protocol):
    def tool(self, tool: Tool) -> ToolAnalysis: ...


# --- the store ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """Which vault: tokens are stable within one session of one tenant."""

    tenant: str
    session: str


class Sealer(Protocol):
    """Keyed operations on one tenant's values; what is stored is only ever their results."""

    @property
    def digest_key(self) -> bytes:
        """The tenant's key for `args_digest`, `call_digest` and lookups."""
        ...

    def seal(self, plain: bytes, *, context: str) -> bytes: ...

    def open(self, sealed: bytes, *, context: str) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """What the registry says of one log: when it was opened, the hash of its first record, and where it ends.

    ``number`` counts the logs of a store from 1.
    """

    log_id: str
    opened: float
    first: str
    seq: int
    hash: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A row of the outbox. ``attempts`` counts how often it was taken."""

    row: int
    tenant: str
    approval: str
    notice: Notice = Notice.STATE
    attempts: int = 0


class Store(Protocol):
    """The only authority. Thread-safe; shared by processes. Every method may raise StoreError."""

    @property
    def blocking(self) -> bool:
        """Whether its methods may wait for a disk or a network (and so move to a thread under asyncio)."""
        ...

    @property
    def epoch(self) -> str:
        """Random id of this store's life: a restored backup has the same one, another store has another."""
        ...

    def now(self) -> float:
        """The store's own time (UTC seconds): the time that counts."""
        ...

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        """Do all of ``change`` in one durable transaction and append its records to this process's log.

        Raises:
            ConflictError: the compare-and-set or the claim lost; nothing was written. RegisterMovedError: the claim
                was made under an older register; LimitError: a cap is reached or no use is left; HistoryLimitError:
                with what it adds, one of its limits would be passed.
            StoreError: nothing was written.
        """
        ...

    def get(self, tenant: str, approval_id: str) -> Approval | None: ...

    def find(self, tenant: str, ref: CallRef) -> Approval | None:
        """The newest approval for this call reference."""
        ...

    def ledger(self, tenant: str, ref: CallRef) -> LedgerRow | None:
        """Where this call reference stands."""
        ...

    def list(
        self, tenant: str, *, states: Sequence[State] = (), limit: int = 100, before: str | None = None
    ) -> tuple[Approval, ...]:
        """Newest first; ``before`` is the id of the last approval of the page before."""
        ...

    def overdue(self, limit: int = 100) -> tuple[Approval, ...]:
        """Approvals of every tenant whose time ran out by the store's clock and whose state does not say so yet:
        pending or approved past their expiry, executing past their lease. For the sweeper, not for guards.
        """
        ...

    def allocate(self, key: SessionKey, needs: Sequence[Need], sealer: Sealer) -> Mapping[Need, Token]:
        """The token of each need, made if it is new. One identifier has one token, whoever asks first.

        Spellings with one `canonical_form` share an index and differ in ``variant``. A store that outlives
        the process keeps values sealed (context ``tenant/session/token``) and looks them up by keyed digest.
        """
        ...

    def values(self, key: SessionKey, sealer: Sealer, tokens: Iterable[Token] | None = None) -> Mapping[Token, str]:
        """Values of ``tokens`` (None: all of the session's); unknown ones are left out."""
        ...

    def purge(self, key: SessionKey) -> int:
        """Forget a session's tokens; how many there were. Their numbers are never given out again."""
        ...

    def records(
        self, *, log_id: str | None = None, after: int = 0, limit: int | None = None, call: str | None = None
    ) -> Iterable[AuditRecord]:
        """Records with a sequence number above ``after``, by log and number; with no ``log_id``, of every log in
        turn (also of logs the registry does not know); with ``call``, only of that call.
        """
        ...

    def operations(self, kind: Kind) -> Iterable[AuditRecord]:
        """Records of one kind that belong to no call (checkpoints, reviews, …), by log and number. Quick: by an index."""
        ...

    def stored(self, log_id: str, after: int = 0, limit: int = 4000) -> Sequence[Stored]:
        """Records of one log as they stand in the store, nothing read or checked: for whoever verifies."""
        ...

    def hashes(self, log_id: str, after: int = 0, limit: int = 20_000) -> Sequence[tuple[int, str]]:
        """(number, hash) of one log's records after a number: what its tree is made of."""
        ...

    def written(self) -> tuple[str, ...]:
        """Every log that has records: those of the registry, oldest first, then those that stand in no registry."""
        ...

    def logs(self) -> tuple[str, ...]:
        """The registry: every log that was ever opened in this store, oldest first."""
        ...

    def heads(self) -> tuple[LogHead, ...]:
        """The registry with each log's beginning and end, oldest first."""
        ...

    def cursor(self, sink: str) -> Mapping[str, int]:
        """How far ``sink`` has delivered each log: log id → sequence number (absent: nothing yet)."""
        ...

    def advance(self, sink: str, log_id: str, seq: int) -> None:
        """``sink`` has delivered this log up to ``seq``. Never goes back."""
        ...

    def recent(self, tenant: str, person: str, tool: str, since: float, limit: int = 500) -> tuple[Approval, ...]:
        """What a directory person asked for with one tool and was denied since ``since`` (UTC seconds), newest first."""
        ...

    def acts(self, tenant: str, after: int = 0, limit: int = 1000) -> tuple[Grant, ...]:
        """The tenant's register after its entry ``after``, in order: signed bytes, to be checked by who reads them."""
        ...

    def tally(self, tenant: str, asks: Sequence[Ask]) -> tuple[int, ...]:
        """How many marks there are of each kind that is asked for, in order; counting ends at each one's ``upto``."""
        ...

    def marked(self, tenant: str, subject: str, kind: str, limit: int = 64) -> tuple[str, ...]:
        """The values of a subject's marks of one kind, in order."""
        ...

    def prune(self, limit: int = 1000) -> int:
        """Forget marks that nothing needs any more, of every tenant; how many. Leases that are over, too. For the sweeper,
        not for guards.
        """
        ...

    def contents(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Kept]:
        """What is kept beside records of the tenant, by id; what is not there (any more) is left out."""
        ...

    def content_ids(self, tenant: str, after: str = "", limit: int = 5000) -> Sequence[str]:
        """Ids of everything that is kept of the tenant, in order."""
        ...

    def given(self, tenant: str, person: str, since: float) -> int:
        """How many times a person said yes since ``since`` (UTC seconds)."""
        ...

    def uses(self, tenant: str, act: str) -> int:
        """How often a standing approval or broken glass was used."""
        ...

    def outbox(self, limit: int = 100) -> tuple[Announcement, ...]:
        """What waits for delivery, oldest first, whether or not someone is at it."""
        ...

    def take(self, holder: str, seconds: float, limit: int = 100) -> tuple[Announcement, ...]:
        """Announcements that are due, now ``holder``'s for ``seconds``: nobody else is given them meanwhile."""
        ...

    def outbox_done(self, row: int) -> None:
        """Delivered. Raises NotFoundError if it does not wait."""
        ...

    def outbox_later(self, row: int, seconds: float) -> None:
        """Not delivered: to be tried again in ``seconds``, by anyone. Raises NotFoundError if it does not wait."""
        ...

    def watch(self, tenant: str, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` when this approval may have changed, until what is returned is called.

        A hint, never an answer. It comes from any thread and may come for nothing, so ``wake`` must be quick. One
        that is lost costs time and nothing else: look again now and then. The load does not grow with who waits.
        """
        ...

    def lead(self, name: str, holder: str, seconds: float) -> bool:
        """Whether ``holder`` has the lease called ``name`` for ``seconds`` from now (renewed if it had it)."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Prunable(Protocol):
    """A `Store` that records can be taken out of (`Prune`), because it says who still has to see them."""

    def delivered(self) -> Mapping[str, Mapping[str, int]]:
        """Every sink that ever delivered something: sink → log id → number up to which it did (0: nothing yet)."""
        ...


@runtime_checkable
class Distant(Protocol):
    """A store whose register of acts is fetched from elsewhere."""

    def check_current(self) -> None:
        """Raises StoreError where what is known here of the register is older than it may be."""
        ...


# --- people -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryPerson:
    """A human as the directory knows them: one id, whatever issuers call them."""

    id: str
    name: str
    identities: tuple[Person, ...]
    groups: frozenset[str]
    """Groups they are in now; a schedule they are on now stands among them as ``oncall:NAME``."""
    human: bool = True
    acting: tuple[tuple[str, str], ...] = ()
    """Seats they fill for others now, as (entry, that person): ``("group:privacy", "ada")``, ``("person:ada", "ada")``."""


class Directory(Protocol):
    """Who is who. Read anew at every verdict, so that a removed approver no longer counts."""

    def person(self, identity: Person, *, at: float) -> DirectoryPerson | None: ...

    def owners_of(self, tenant: str, agent: str, *, at: float) -> frozenset[str]:
        """Persons who own this agent or service account; they may not approve its calls."""
        ...

    def members(self, tenant: str, group: str, *, at: float) -> tuple[DirectoryPerson, ...]:
        """Who is in a group (or, with ``oncall:NAME``, on that schedule), without those who stand in for them."""
        ...

    def deputies(self, tenant: str, person: str, *, at: float, entry: str = "") -> frozenset[str]:
        """Persons who stand in for ``person``; with ``entry`` (``group:NAME``, …) only in that seat."""
        ...

    def duty(self, tenant: str, name: str, *, at: float) -> frozenset[str]:
        """Persons who may do what one duty is for: ``freeze``, ``freeze_all``, ``review``, ``resolve``,
        ``redact`` or ``hold``.
        """
        ...

    def tenants(self) -> tuple[str, ...]:
        """Every tenant the directory speaks of, in order."""
        ...


class Signer(Protocol):
    """Held by the approval service alone."""

    def sign(self, payload: bytes) -> Grant: ...


class GrantVerifier(Protocol):
    """Held by guards: public keys pinned in their configuration."""

    def verify(self, grant: Grant) -> None:
        """Raises InvalidatedError unless a pinned key signed exactly this payload."""
        ...


class CheckpointSigner(Protocol):
    """Held by whoever makes checkpoints of the journal."""

    def checkpoint(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint."""
        ...


class CheckpointVerifier(Protocol):
    """Public audit keys, pinned outside the store."""

    def checkpoint(self, text: str) -> Checkpoint:
        """The checkpoint of a note. Raises TamperedError unless a pinned key signed it."""
        ...


class Anchor(Protocol):
    """A place outside the store that keeps checkpoints. Thread-safe."""

    @property
    def name(self) -> str:
        """What people call it; no secret."""
        ...

    @property
    def head(self) -> str:
        """``<id>:<number>:<hash>`` of the last note as far as known here; ``""`` where it cannot tell."""
        ...

    def publish(self, note: str) -> None:
        """Keep a signed note; when it returns it is kept. Raises StoreError where it could not be."""
        ...


# --- what a tool needs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialUse:
    """What a credential is wanted for: one call that executes now and may until ``until`` (UTC seconds).

    ``seconds`` is how long that is from now.
    """

    call: str
    tool: str
    tenant: str
    agent: str
    until: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A credential for one call. ``release`` ends it and is called once; it may be called from another thread.

    Attributes:
        value: what the tool gets.
        expires: when the issuer ends it by itself (UTC seconds), None if it does not.
        parts: secrets inside ``value`` that must not leave by themselves either (a password in a URL).
    """

    value: str = field(repr=False)
    expires: float | None = None
    parts: tuple[str, ...] = field(default=(), repr=False)
    release: Callable[[], None] = field(default=lambda: None, repr=False)


class CredentialProvider(Protocol):
    """Where one credential comes from. Thread-safe; whatever it raises is never shown with its text."""

    @property
    def kind(self) -> str:
        """What it is, for records: ``env``, ``file``, ``postgresql``, …"""
        ...

    def acquire(self, name: str, use: CredentialUse) -> Lease:
        """The credential ``name`` for one call. Short-lived wherever the issuer can make it so."""
        ...

    def close(self) -> None:
        """Let go of everything, leases that were never released included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a reference points at: its bytes, and what else must stay the same (an inode, a version, ``""``)."""

    identity: str
    chunks: Iterator[bytes] = field(repr=False)


class ReferenceReader(Protocol):
    """Reads what arguments refer to. Size and time are bounded by whoever reads the chunks."""

    def open(self, value: str) -> AbstractContextManager[Content]:
        """What ``value`` points at, now. Raises ContentError, or OSError, where it cannot be read."""
        ...


# --- the way out --------------------------------------------------------------------------------------


class Channel(Protocol):
    """Tells approvers that something waits. It can neither decide nor hold a call up."""

    def announce(self, approval: Approval) -> None: ...


@runtime_checkable
class NoticeChannel(Channel, Protocol):
    """A channel that can also say why approvers hear of an approval again; others just show its state."""

    def notify(self, approval: Approval, notice: Notice) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """Hex ids of the span a call stands in."""

    trace_id: str
    span_id: str


class Tracing(Protocol):
    """Where spans come from and go to, best effort; the journal is the truth."""

    def current(self) -> TraceContext | None: ...


class Sink(Protocol):
    """Takes records after they are durable. Must not raise, must not block."""

    def emit(self, records: Sequence[AuditRecord]) -> None: ...
