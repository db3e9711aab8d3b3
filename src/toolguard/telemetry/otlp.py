"""Spans to an OTLP/HTTP endpoint, out of the journal: at least once, whatever happens in between.

The pump reads records from the store by cursor, on a thread of its own. A cursor moves only when the
receiver answered 2xx and rejected nothing. A call never waits for it, and what it cannot deliver now it
delivers later, after a crash, or from another process on the same store.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import httpx
from opentelemetry import context as otel_context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from toolguard._core.audit import AuditRecord
from toolguard.ports import LogHead, Store
from toolguard.telemetry._post import Answer, Fate, post, traces_url
from toolguard.telemetry.spans import spans_of

__all__ = ["OtlpPump"]

_log = logging.getLogger("toolguard.telemetry")
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class OtlpPump:
    """`toolguard.ports.Sink` that delivers the store's records as spans.

    No ``OTEL_*`` variable, sampler or attribute limit of the application has a say here.

    Args:
        store: where records and cursors are.
        endpoint: ``http://127.0.0.1:4318`` or ``https://…``; ``/v1/traces`` is added where there is no path.
        headers: sent with every request (authorization).
        service: ``service.name`` of the spans' resource.
        sink: the cursor's name; one per receiver.
        batch: most records in one request.
        interval: seconds between looks at the store when nothing wakes the pump.
        linger: seconds to collect records after the first one.
        grace: seconds before records of another process are delivered from here: its own pump comes first.
        timeout: seconds one request may take.
        client: an httpx client of your own (proxy, private authority); closed with the pump.
    """

    def __init__(
        self,
        store: Store,
        endpoint: str,
        *,
        headers: Mapping[str, str] | None = None,
        service: str = "toolguard",
        sink: str | None = None,
        batch: int = 512,
        interval: float = 1.0,
        linger: float = 0.2,
        grace: float = 10.0,
        timeout: float = 10.0,
        client: httpx.Client | None = None,
    ) -> None:
        self._store = store
        self._url = traces_url(endpoint)
        self._headers = dict(headers or {})
        self._resource = Resource({"service.name": service})
        self._sink = sink or f"otlp:{urlsplit(self._url).netloc}{urlsplit(self._url).path}"
        self._batch = batch
        self._interval = interval
        self._linger = linger
        self._grace = grace
        self._timeout = timeout
        self._given_client = client
        self.parked: list[tuple[str, int]] = []
        """(log id, number) of records the receiver refuses while it takes others; they stay in the journal."""
        self.last_failure = ""
        """Why the last request failed (a class or a status); ``""`` after one that worked."""
        self._mine: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        """What belongs to one process."""
        self._pid = os.getpid()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._rounds = threading.Condition()
        self._round = 0
        self._clear = False
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None
        self._foreign: dict[str, tuple[int, float]] = {}

    # --- the call's side: a hint, never a wait

    def emit(self, records: Sequence[AuditRecord]) -> None:
        """Records are durable: look at the store soon. Never blocks, never raises."""
        if self._pid != os.getpid():
            self._mine = set()
            self._begin()
        self._mine.update(r.log_id for r in records)
        if not self._stop.is_set():
            self._ensure_thread()
            self._wake.set()

    def start(self) -> None:
        """Begin to deliver what is already in the store; otherwise the first record does."""
        self._ensure_thread()
        self._wake.set()

    def _ensure_thread(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="toolguard-otlp", daemon=True)
                thread.start()
                self._thread = thread

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything in the store is delivered; False if it is not within ``timeout`` seconds."""
        if self._stop.is_set():
            return self._clear
        until = time.monotonic() + timeout
        self._ensure_thread()
        with self._rounds:
            before = self._round
            while not (self._clear and self._round >= before + 2):  # the round under way may have looked too early
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._hurry.set()
                self._wake.set()
                self._rounds.wait(min(left, 0.1))
            self._hurry.clear()
            return self._clear and self._round >= before + 2

    def close(self, timeout: float = 5.0) -> bool:
        """Deliver what can be delivered within ``timeout`` seconds, then stop. Whether nothing is left.

        What is left stays in the journal; the next pump on this store delivers it.
        """
        if self._pid != os.getpid() or (self._thread is None and not self._mine):
            self._stop.set()
            return True
        self._ensure_thread()
        self._deadline = time.monotonic() + timeout
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout + 0.5)
        return self._clear and (thread is None or not thread.is_alive())

    # --- the thread's side

    def _work(self) -> None:
        # our own requests are no spans of the application
        otel_context.attach(otel_context.set_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY, True))
        client = self._given_client or httpx.Client(trust_env=False, follow_redirects=False)
        wait = 0.0
        with contextlib.closing(client):
            while True:
                self._sleep(wait)
                stopping = self._stop.is_set()
                clear, wait = self._one_round(client, wait)
                with self._rounds:
                    self._round += 1
                    self._clear = clear
                    self._rounds.notify_all()
                if stopping and (clear or self._left() <= 0):
                    return

    def _sleep(self, wait: float) -> None:
        """Until there is something to do: a record, the interval, or the time to try again."""
        if self._hurry.is_set():
            time.sleep(min(wait, 0.1))
        elif wait:
            self._hurry.wait(wait)
        elif self._wake.wait(self._interval):
            self._hurry.wait(self._linger)
        self._wake.clear()

    def _left(self) -> float:
        return self._timeout if self._deadline is None else self._deadline - time.monotonic()

    def _one_round(self, client: httpx.Client, waited: float) -> tuple[bool, float]:
        """Deliver what there is. → whether nothing is left, and how long to wait after a failure."""
        try:
            left, asked = self._drain(client)
        except Exception as fault:  # noqa: BLE001 - the pump outlives whatever the store or a receiver does
            self._failed(type(fault).__name__)
            left, asked = True, 0.0
        if asked is None:
            self.last_failure = ""
            return not left, 0.0
        longest = min(_LONGEST_WAIT, max(_FIRST_WAIT, waited * 2))
        return False, max(asked, random.uniform(longest / 2, longest))  # noqa: S311 - spreads retries, guards nothing

    def _drain(self, client: httpx.Client) -> tuple[bool, float | None]:
        """→ (whether something is left, None or after a failure the seconds the receiver asked to wait)."""
        done = self._store.cursor(self._sink)
        left = False
        for head in self._store.heads():
            at = done.get(head.log_id, 0)
            if at < head.seq and not self._is_due(head, at):
                left = True
                continue
            while at < head.seq:
                records = list(self._store.records(log_id=head.log_id, after=at, limit=self._batch))
                if not records:
                    break
                asked = self._deliver(client, records)
                if asked is not None:
                    return True, asked
                at = records[-1].seq
                self._store.advance(self._sink, head.log_id, at)
        return left, None

    def _is_due(self, head: LogHead, at: int) -> bool:
        """Records of this process at once; those of another when its own pump has not moved for a while."""
        if head.log_id in self._mine or self._hurry.is_set():
            return True
        now = time.monotonic()
        seen, since = self._foreign.get(head.log_id, (-1, now))
        if seen != at:
            self._foreign[head.log_id] = (at, now)
            since = now
        return now - since >= self._grace

    def _deliver(self, client: httpx.Client, records: Sequence[AuditRecord]) -> float | None:
        """None when all were taken or parked; else the seconds to wait before all are sent again."""
        spans = {record.seq: self._project(record) for record in records}
        taken: list[AuditRecord] = []
        refused: list[AuditRecord] = []
        parts: list[Sequence[AuditRecord]] = [[r for r in records if spans[r.seq]]]
        while parts:
            part = parts.pop()
            if not part:
                continue
            answer = self._post(client, part, spans)
            if answer.fate is Fate.DELIVERED:
                taken += part
            elif answer.fate is Fate.FAILED:
                return answer.wait
            elif len(part) > 1:
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                refused += part
        if refused and not taken:
            return 0.0  # a receiver that takes nothing at all: that is no fault of these records
        for record in refused:
            # the receiver may have recovered half-way: a record is at fault only if it is refused right after
            # another one was taken
            if self._post(client, taken[:1], spans).fate is not Fate.DELIVERED:
                return 0.0
            answer = self._post(client, [record], spans)
            if answer.fate is Fate.FAILED:
                return answer.wait
            if answer.fate is Fate.REJECTED:
                self._park(record)
        return None

    def _post(
        self, client: httpx.Client, records: Sequence[AuditRecord], spans: Mapping[int, Sequence[ReadableSpan]]
    ) -> Answer:
        sent = [span for record in records for span in spans[record.seq]]
        timeout = max(0.05, min(self._timeout, self._left()))
        answer = post(client, self._url, self._headers, sent, timeout=timeout)
        if answer.fate is not Fate.DELIVERED:
            self._failed(answer.reason)
        return answer

    def _project(self, record: AuditRecord) -> tuple[ReadableSpan, ...]:
        try:
            return spans_of(record, self._resource)
        except Exception:  # noqa: BLE001 - a record somebody edited must not hold up the others
            self._park(record)
            return ()

    def _park(self, record: AuditRecord) -> None:
        self.parked.append((record.log_id, record.seq))
        _log.error(
            "record %d of log %s cannot be delivered as a span while others are; it stays in the journal",
            record.seq,
            record.log_id,
        )

    def _failed(self, reason: str) -> None:
        if not self.last_failure:
            _log.warning("spans cannot be delivered (%s); they stay in the journal and are sent again", reason)
        self.last_failure = reason
