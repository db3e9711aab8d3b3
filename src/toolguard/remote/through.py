"""A store in front of another: everything goes through, and a subclass says what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from toolguard._core.approval import Approval, Grant, State
from toolguard._core.audit import AuditRecord, Kept, Kind
from toolguard._core.call import CallRef
from toolguard._core.history import Ask
from toolguard._core.steps import Change, LedgerRow
from toolguard._core.stored import Stored
from toolguard._core.vault import Need, Token
from toolguard.ports import Announcement, LogHead, Sealer, SessionKey, Store

__all__ = ["Through"]


class Through:
    """A `toolguard.ports.Store` that leaves everything to ``local``."""

    def __init__(self, local: Store) -> None:
        self.local = local

    @property
    def blocking(self) -> bool:
        return self.local.blocking

    @property
    def epoch(self) -> str:
        return self.local.epoch

    def now(self) -> float:
        return self.local.now()

    def commit(self, change: Change) -> tuple[AuditRecord, ...]:
        return self.local.commit(change)

    def get(self, tenant: str, approval_id: str) -> Approval | None:
        return self.local.get(tenant, approval_id)

    def find(self, tenant: str, ref: CallRef) -> Approval | None:
        return self.local.find(tenant, ref)

    def ledger(self, tenant: str, ref: CallRef) -> LedgerRow | None:
        return self.local.ledger(tenant, ref)

    def list(
        self, tenant: str, *, states: Sequence[State] = (), limit: int = 100, before: str | None = None
    ) -> tuple[Approval, ...]:
        return self.local.list(tenant, states=states, limit=limit, before=before)

    def overdue(self, limit: int = 100) -> tuple[Approval, ...]:
        return self.local.overdue(limit)

    def allocate(self, key: SessionKey, needs: Sequence[Need], sealer: Sealer) -> Mapping[Need, Token]:
        return self.local.allocate(key, needs, sealer)

    def values(self, key: SessionKey, sealer: Sealer, tokens: Iterable[Token] | None = None) -> Mapping[Token, str]:
        return self.local.values(key, sealer, tokens)

    def purge(self, key: SessionKey) -> int:
        return self.local.purge(key)

    def records(
        self, *, log_id: str | None = None, after: int = 0, limit: int | None = None, call: str | None = None
    ) -> Iterable[AuditRecord]:
        return self.local.records(log_id=log_id, after=after, limit=limit, call=call)

    def operations(self, kind: Kind) -> Iterable[AuditRecord]:
        return self.local.operations(kind)

    def stored(self, log_id: str, after: int = 0, limit: int = 4000) -> Sequence[Stored]:
        return self.local.stored(log_id, after, limit)

    def hashes(self, log_id: str, after: int = 0, limit: int = 20_000) -> Sequence[tuple[int, str]]:
        return self.local.hashes(log_id, after, limit)

    def written(self) -> tuple[str, ...]:
        return self.local.written()

    def logs(self) -> tuple[str, ...]:
        return self.local.logs()

    def heads(self) -> tuple[LogHead, ...]:
        return self.local.heads()

    def cursor(self, sink: str) -> Mapping[str, int]:
        return self.local.cursor(sink)

    def advance(self, sink: str, log_id: str, seq: int) -> None:
        return self.local.advance(sink, log_id, seq)

    def recent(self, tenant: str, person: str, tool: str, since: float, limit: int = 500) -> tuple[Approval, ...]:
        return self.local.recent(tenant, person, tool, since, limit)

    def acts(self, tenant: str, after: int = 0, limit: int = 1000) -> tuple[Grant, ...]:
        return self.local.acts(tenant, after, limit)

    def tally(self, tenant: str, asks: Sequence[Ask]) -> tuple[int, ...]:
        return self.local.tally(tenant, asks)

    def marked(self, tenant: str, subject: str, kind: str, limit: int = 64) -> tuple[str, ...]:
        return self.local.marked(tenant, subject, kind, limit)

    def forget_marks(self, limit: int = 1000) -> int:
        return self.local.forget_marks(limit)

    def contents(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Kept]:
        return self.local.contents(tenant, ids)

    def content_ids(self, tenant: str, after: str = "", limit: int = 5000) -> Sequence[str]:
        return self.local.content_ids(tenant, after, limit)

    def given(self, tenant: str, person: str, since: float) -> int:
        return self.local.given(tenant, person, since)

    def uses(self, tenant: str, act: str) -> int:
        return self.local.uses(tenant, act)

    def outbox(self, limit: int = 100) -> tuple[Announcement, ...]:
        return self.local.outbox(limit)

    def take(self, holder: str, seconds: float, limit: int = 100) -> tuple[Announcement, ...]:
        return self.local.take(holder, seconds, limit)

    def outbox_done(self, row: int) -> None:
        return self.local.outbox_done(row)

    def outbox_later(self, row: int, seconds: float) -> None:
        return self.local.outbox_later(row, seconds)

    def watch(self, tenant: str, approval_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        return self.local.watch(tenant, approval_id, wake)

    def lead(self, name: str, holder: str, seconds: float) -> bool:
        return self.local.lead(name, holder, seconds)

    def close(self) -> None:
        return self.local.close()
