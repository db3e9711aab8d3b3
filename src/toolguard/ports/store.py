"""Where approvals, the ledger, the vault and the journal stand, and what seals what is kept there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from toolguard._core.approval import Approval, Grant, State
from toolguard._core.audit import AuditRecord, Kept, Kind
from toolguard._core.call import CallRef
from toolguard._core.history import Ask
from toolguard._core.steps import Change, LedgerRow, Notice
from toolguard._core.stored import Stored
from toolguard._core.vault import Need, Token

__all__ = ["Announcement", "Distant", "LogHead", "Prunable", "Sealer", "SessionKey", "Store"]


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

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """``plain``, encrypted and bound to the tenant and to ``context``: what it is and of which row."""
        ...

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """What was sealed under the same ``context``. Raises where it was changed, or sealed for another one."""
        ...


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

    def get(self, tenant: str, approval_id: str) -> Approval | None:
        """The approval as it stands; None where this tenant has none of that id."""
        ...

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

    def forget_marks(self, limit: int = 1000) -> int:
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

    def close(self) -> None:
        """Release everything, after commits under way; a second close does nothing."""
        ...


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
