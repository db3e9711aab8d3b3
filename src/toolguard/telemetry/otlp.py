"""Spans to an OTLP/HTTP endpoint, out of the journal: at least once, whatever happens in between.

The pump reads records from the store by cursor, on a thread of its own (`Delivery`). A call never waits for it, and
what it cannot deliver now it delivers later, after a crash, or from another process on the same store.
"""

from __future__ import annotations

import contextlib
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import httpx
from opentelemetry import context as otel_context
from opentelemetry.sdk.resources import Resource

from toolguard._core.audit import AuditRecord
from toolguard.ports import Store
from toolguard.telemetry.delivery import Backlog, Delivery, backlog
from toolguard.telemetry.target import Target

__all__ = ["OtlpPump"]

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


class OtlpPump:
    """`toolguard.ports.Sink` that delivers the store's records as spans.

    No ``OTEL_*`` variable, sampler or attribute limit of the application has a say here. Several processes on one store
    may have a pump each: a log is one pump's at a time.

    Args:
        store: where records and cursors are.
        endpoint: ``http://127.0.0.1:4318`` or ``https://…``; ``/v1/traces`` is added where there is no path.
        headers: sent with every request (authorization): values, or what gives them anew for each request.
        tls: see `toolguard.telemetry.tls_context`.
        compress: gzip.
        service: ``service.name`` of the spans' resource.
        sink: the cursor's name; one per receiver.
        batch: most records in one request.
        interval: seconds between looks at the store when nothing wakes the pump.
        linger: seconds to collect records after the first one.
        grace: seconds before records of another process are delivered from here: its own pump comes first.
        timeout: seconds one request may take.
        drafts: also the attributes of conventions that are not agreed yet (``gen_ai.guardrail.*``).
        client: an httpx client of your own (proxy, private authority); closed with the pump.
    """

    def __init__(
        self,
        store: Store,
        endpoint: str,
        *,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        tls: ssl.SSLContext | None = None,
        compress: bool = True,
        service: str = "toolguard",
        sink: str | None = None,
        batch: int = 512,
        interval: float = 1.0,
        linger: float = 0.2,
        grace: float = 10.0,
        timeout: float = 10.0,
        drafts: bool = False,
        client: httpx.Client | None = None,
    ) -> None:
        self._store = store
        self._target = Target(endpoint, headers=headers, tls=tls, compress=compress, timeout=timeout, client=client)
        self.sink = sink or f"otlp:{self._target.name}"
        """The cursor's name."""
        self._interval = interval
        self._linger = linger
        resource = Resource({"service.name": service})
        lease = max(5.0, 2 * timeout)
        self._made: Callable[[], Delivery] = lambda: Delivery(
            store, self._target, resource, sink=self.sink, batch=batch, grace=grace, lease=lease, drafts=drafts
        )
        self._used = False
        self._begin()

    def _begin(self) -> None:
        """What belongs to one process."""
        self._pid = os.getpid()
        self._delivery = self._made()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._rounds = threading.Condition()
        self._round = 0
        self._clear = False
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None

    @property
    def parked(self) -> list[tuple[str, int]]:
        """(log id, number) of records this process found refused while others are taken; the journal says so, too."""
        return self._delivery.parked

    @property
    def last_failure(self) -> str:
        """Why the last request failed (a class or a status); ``""`` after one that worked."""
        return self._delivery.last_failure

    def backlog(self) -> Backlog:
        """What waits for delivery, by the store. Raises StoreError."""
        return backlog(self._store, self.sink)

    # --- the call's side: a hint, never a wait

    def emit(self, records: Sequence[AuditRecord]) -> None:
        """Records are durable: look at the store soon. Never blocks, never raises."""
        if self._pid != os.getpid():
            self._begin()
        self._used = True
        self._delivery.mine(records)
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
        if self._pid != os.getpid() or (self._thread is None and not self._used):
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
        wait = 0.0
        with contextlib.closing(self._target):
            while True:
                self._sleep(wait)
                stopping = self._stop.is_set()
                clear, wait = self._one_round(wait)
                with self._rounds:
                    self._round += 1
                    self._clear = clear
                    self._rounds.notify_all()
                if stopping and (clear or self._left() <= 0):
                    with contextlib.suppress(Exception):  # a lease that is not given back runs out
                        self._delivery.release()
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
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

    def _one_round(self, waited: float) -> tuple[bool, float]:
        """Deliver what there is. → whether nothing is left, and how long to wait after a failure."""
        try:
            done = self._delivery.round(hurry=self._hurry.is_set(), until=self._deadline)
        except Exception as fault:  # noqa: BLE001 - the pump outlives whatever the store or a receiver does
            self._delivery.failed(type(fault).__name__)
            return False, _backoff(waited, 0.0)
        if done.wait is None:
            return not done.left, 0.0
        return False, _backoff(waited, done.wait)


def _backoff(waited: float, asked: float) -> float:
    """Twice as long as before, within bounds, spread; never sooner than the receiver asked."""
    longest = min(_LONGEST_WAIT, max(_FIRST_WAIT, waited * 2))
    return max(asked, random.uniform(longest / 2, longest))  # noqa: S311 - spreads retries, guards nothing
