"""Reading the journal: the newest records, and everything about one call."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import merge

from toolguard._core.audit import AuditRecord
from toolguard.ports import Store

__all__ = ["in_time", "since", "tail", "timeline"]


def tail(store: Store, count: int = 20) -> tuple[AuditRecord, ...]:
    """The newest ``count`` records of all logs, oldest first."""
    newest = (record for head in store.heads() for record in _last(store, head.log_id, head.seq, count))
    return tuple(in_time(newest)[-count:]) if count > 0 else ()


def _last(store: Store, log_id: str, seq: int, count: int) -> Iterable[AuditRecord]:
    return deque(store.records(log_id=log_id, after=max(0, seq - count)), maxlen=count)


def since(store: Store, seen: dict[str, int]) -> tuple[AuditRecord, ...]:
    """Records after those in ``seen`` (log id → number), which is moved on. For following the journal."""
    found: list[AuditRecord] = []
    for head in store.heads():
        at = seen.get(head.log_id, 0)
        if head.seq > at:
            new = list(store.records(log_id=head.log_id, after=at))
            seen[head.log_id] = new[-1].seq if new else at
            found += new
    return tuple(in_time(found))


def timeline(store: Store, call: str) -> tuple[AuditRecord, ...]:
    """Everything about one call: by its own records, and those of its approvals."""
    return tuple(in_time(store.records(call=call)))


def in_time(records: Iterable[AuditRecord]) -> list[AuditRecord]:
    """Records of several logs as one story: by time, and each log in its own order."""
    logs: dict[str, list[AuditRecord]] = {}
    for record in records:
        logs.setdefault(record.log_id, []).append(record)
    ordered = [sorted(log, key=lambda r: r.seq) for log in logs.values()]
    return list(merge(*ordered, key=lambda r: r.draft.at))
