"""Delivering the journal as spans: log by log, in order, at least once, and by one pump of the store at a time.

A cursor moves only when the receiver answered 2xx and rejected nothing. What it refuses while it takes other
spans is parked: written down as a record, and passed by.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from toolguard._core.audit import AuditRecord, Draft, Kind
from toolguard._core.call import Json
from toolguard._core.steps import Change
from toolguard.errors import StoreError
from toolguard.ports import LogHead, Store
from toolguard.telemetry import names
from toolguard.telemetry._post import Answer, Fate
from toolguard.telemetry.spans import spans_of
from toolguard.telemetry.target import Target

__all__ = ["Backlog", "Delivery", "Round", "backlog"]

_MOST_ASIDES = 2000
_PLAIN = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")
_HEX = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{16})?")
_log = logging.getLogger("toolguard.telemetry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for delivery: how many records, and the age of the oldest in seconds (0 where none waits)."""

    records: int = 0
    age: float = 0.0


def backlog(store: Store, sink: str) -> Backlog:
    """What ``sink`` has not delivered yet. One read of the heads, and one record of each log that waits."""
    done = store.cursor(sink)
    waiting, oldest = 0, None
    for head in store.heads():
        at = done.get(head.log_id, 0)
        if at < head.seq:
            for record in store.records(log_id=head.log_id, after=at, limit=1):
                waiting += head.seq - record.seq + 1  # what was taken out of the store waits no longer
                oldest = record.draft.at if oldest is None else min(oldest, record.draft.at)
    return Backlog(records=waiting, age=0.0 if oldest is None else max(0.0, store.now() - oldest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One look at the store. ``left``: something waits still; ``wait``: after a failure, the seconds that were asked for."""

    left: bool
    wait: float | None = None


class Delivery:
    """What one process delivers to one receiver; `round` does what there is to do now. For one thread.

    Args:
        sink: the cursor's name; one per receiver.
        batch: most records in one request.
        grace: seconds before records of another process are delivered from here: its own pump comes first.
        lease: seconds a log is this pump's alone, from its last sign of life; at least twice the target's timeout.
        drafts: also the attributes of conventions that are not agreed yet.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        resource: Resource,
        *,
        sink: str,
        batch: int = 512,
        grace: float = 10.0,
        lease: float = 60.0,
        drafts: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._target = target
        self._resource = resource
        self._sink = sink
        self._batch = batch
        self._grace = grace
        self._lease = lease
        self._drafts = drafts
        self._monotonic = monotonic
        self._holder = secrets.token_hex(16)
        self._leases: dict[str, float] = {}
        self._foreign: dict[str, tuple[int, float]] = {}
        self._mine: set[str] = set()
        self._asides: dict[tuple[str, int], Mapping[str, str]] = {}
        self._taken: tuple[ReadableSpan, ...] = ()
        self.parked: list[tuple[str, int]] = []
        """(log id, number) of records the receiver refuses while it takes others."""
        self.last_failure = ""
        """Why the last request failed (a class or a status); ``""`` after a round that worked."""

    def mine(self, records: Iterable[AuditRecord]) -> None:
        """Records of this process: their logs are not left to another pump first.

        What stands aside of them is in no journal. It is kept here until they are delivered, up to a bound; after a
        crash their spans go without it.
        """
        for record in records:
            self._mine.add(record.log_id)
            if record.draft.aside and len(self._asides) < _MOST_ASIDES:
                self._asides[record.log_id, record.seq] = record.draft.aside

    def round(self, *, hurry: bool = False, until: float | None = None) -> Round:
        """Deliver what there is, up to the moment ``until`` (monotonic). Raises what the store raises."""
        done = self._store.cursor(self._sink)
        left, parked = False, len(self.parked)
        for head in self._store.heads():
            at = done.get(head.log_id, 0)
            if at >= head.seq:
                continue
            if not (hurry or self._is_due(head, at)) or not self._leads(head.log_id):
                left = True
                continue
            wait = self._log(head, self._store.cursor(self._sink).get(head.log_id, 0), until)
            if wait is not None:
                return Round(left=True, wait=wait)
        self.last_failure = ""
        return Round(left=left or len(self.parked) > parked)

    def release(self) -> None:
        """Let other pumps go on at once."""
        for log_id in list(self._leases):
            self._leases.pop(log_id)
            self._store.lead(self._lease_name(log_id), self._holder, 0.0)

    def failed(self, reason: str) -> None:
        """Say that spans wait, once until they do not any more."""
        if not self.last_failure:
            _log.warning("spans cannot be delivered (%s); they stay in the journal and are sent again", reason)
        self.last_failure = reason

    # --- whose turn it is

    def _is_due(self, head: LogHead, at: int) -> bool:
        """Records of this process at once; those of another when its own pump has not moved for a while."""
        if head.log_id in self._mine:
            return True
        now = self._monotonic()
        seen, since = self._foreign.get(head.log_id, (-1, now))
        if seen != at:
            self._foreign[head.log_id] = (at, now)
            since = now
        return now - since >= self._grace

    def _leads(self, log_id: str) -> bool:
        """Whether this log is ours to deliver: no other pump of this store is at it."""
        now = self._monotonic()
        if now < self._leases.get(log_id, now):
            return True
        try:
            led = self._store.lead(self._lease_name(log_id), self._holder, self._lease)
        except StoreError:
            return True  # a login that may hold no leases: at least once still holds, and a repeat is the same
        if led:
            self._leases[log_id] = now + self._lease / 2
        else:
            self._leases.pop(log_id, None)
        return led

    def _lease_name(self, log_id: str) -> str:
        return f"spans:{self._sink}:{log_id}"

    # --- one log

    def _log(self, head: LogHead, at: int, until: float | None) -> float | None:
        """None when all of it was taken or parked; else the seconds to wait before going on."""
        while at < head.seq:
            records = list(self._store.records(log_id=head.log_id, after=at, limit=self._batch))
            if not records or not self._leads(head.log_id):
                break
            if records[0].seq > at + 1:
                _log.warning(
                    "records %d to %d of log %s are no longer in the store and were not delivered; they stand in segments",
                    at + 1,
                    records[0].seq - 1,
                    head.log_id,
                )
            wait = self._deliver(records, until)
            if wait is not None:
                return wait
            at = records[-1].seq
            self._store.advance(self._sink, head.log_id, at)
            for record in records:
                self._asides.pop((record.log_id, record.seq), None)
        return None

    def _deliver(self, records: Sequence[AuditRecord], until: float | None) -> float | None:
        """None when all were taken or parked; else the seconds to wait before all are sent again."""
        spans = {record.seq: self._project(record) for record in records}
        refused: list[tuple[AuditRecord, str]] = []
        parts: list[Sequence[AuditRecord]] = [[r for r in records if spans[r.seq]]]
        took = False
        while parts:
            part = parts.pop()
            if not part:
                continue
            self._leads(part[0].log_id)  # a sign of life: taking a batch apart may take long
            sent = tuple(span for record in part for span in spans[record.seq])
            answer = self._post(sent, until)
            if answer.fate is Fate.DELIVERED:
                self._taken, took = spans[part[-1].seq], True
            elif answer.fate is Fate.FAILED:
                return answer.wait
            elif len(part) > 1:
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                refused.append((part[0], answer.reason))
        if refused and not took and not self._taken:
            return 0.0  # a receiver that takes nothing at all: that is no fault of these records
        for record, reason in refused:
            # the receiver may have recovered half-way: a record is at fault only if it is refused right after
            # one that was taken before is taken again
            if self._post(self._taken, until).fate is not Fate.DELIVERED:
                return 0.0
            answer = self._post(spans[record.seq], until)
            if answer.fate is Fate.FAILED:
                return answer.wait
            if answer.fate is Fate.REJECTED:
                self._park(record, reason)
        return None

    def _post(self, spans: Sequence[ReadableSpan], until: float | None) -> Answer:
        timeout = self._target.timeout
        if until is not None:
            timeout = max(0.05, min(timeout, until - self._monotonic()))
        answer = self._target.send(spans, timeout=timeout)
        if answer.fate is not Fate.DELIVERED:
            self.failed(answer.reason)
        return answer

    def _project(self, record: AuditRecord) -> tuple[ReadableSpan, ...]:
        aside = self._asides.get((record.log_id, record.seq))
        if aside:
            record = replace(record, draft=replace(record.draft, aside=aside))
        try:
            return spans_of(record, self._resource, drafts=self._drafts)
        except Exception as fault:  # noqa: BLE001 - a record somebody edited must not hold up the others
            self._park(record, type(fault).__name__)
            return ()

    # --- what cannot be shown

    def _park(self, record: AuditRecord, reason: str) -> None:
        self.parked.append((record.log_id, record.seq))
        _log.error(
            "record %d of log %s cannot be delivered as a span while others are; it stays in the journal",
            record.seq,
            record.log_id,
        )
        if record.draft.kind is not Kind.SPAN_PARKED and not self._is_parked(record):
            draft = _parking(record, self._sink, reason, self._store.now())
            self.mine(self._store.commit(Change(tenant=_home(record)[0], records=(draft,))))

    def _is_parked(self, record: AuditRecord) -> bool:
        """Whether that was written down before, by a pump that ended before its cursor moved."""
        told, (_, call) = (self._sink, record.log_id, record.seq), _home(record)
        before = self._store.records(call=call) if call else self._store.operations(Kind.SPAN_PARKED)
        return any(
            r.draft.kind is Kind.SPAN_PARKED
            and tuple(r.draft.body.get(n) for n in (names.PARKED_SINK, names.PARKED_LOG_ID, names.PARKED_SEQ)) == told
            for r in before
        )


def _home(record: AuditRecord) -> tuple[str, str]:
    """The tenant and the call a record belongs to; neither where it does not plainly say so (somebody may have edited it)."""
    tenant, call = record.draft.body.get(names.TENANT), record.draft.call
    plain = isinstance(tenant, str) and _PLAIN.fullmatch(tenant) and _PLAIN.fullmatch(call)
    return (str(tenant), call) if plain else ("", "")


def _parking(record: AuditRecord, sink: str, reason: str, at: float) -> Draft:
    """`Kind.SPAN_PARKED`: it stands where the span would have stood. Nothing of the record's own words is repeated."""
    tenant, call = _home(record)
    body: dict[str, Json] = {
        names.PARKED_LOG_ID: record.log_id,
        names.PARKED_SEQ: record.seq,
        names.PARKED_HASH: record.hash,
        names.PARKED_SINK: sink,
        names.REASON_CODE: reason.replace(" ", "_"),
    }
    if call:
        body |= {names.TENANT: tenant, names.CALL_ID: call}
    trace, parent = record.draft.trace_id, record.draft.parent_id
    known = bool(_HEX.fullmatch(trace + parent))
    return Draft(
        kind=Kind.SPAN_PARKED,
        at=at,
        started=at,
        call=call,
        trace_id=trace if known else "",
        span_id=secrets.token_hex(8),
        parent_id=parent if known else "",
        body=body,
    )
