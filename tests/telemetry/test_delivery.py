"""What an auditor relies on: nothing lost, nothing twice, order kept, and what could not be shown is on record."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource

from telemetry.receiver import Receiver, refuse, reject, reset, spans_in, take
from telemetry.records import draft
from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.steps import Change
from toolguard.errors import StoreError
from toolguard.journal import verify
from toolguard.ports import Store
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import Backlog, Delivery, OtlpPump, Target, backlog, spans_of
from toolguard.telemetry.names import PARKED_HASH, PARKED_LOG_ID, PARKED_SEQ, PARKED_SINK
from toolguard.testing import FakeClock

RESOURCE = Resource({"service.name": "test"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def write(store: Store, count: int, first: int = 0, call: str = "") -> list[AuditRecord]:
    """``count`` records of one span each, in one commit for every hundred."""
    drafts = [
        draft(Kind.POLICY_LOADED, span=f"{n + 1:016x}", call=call, body={"toolguard.tenant": "north"})
        for n in range(first, first + count)
    ]
    return [
        record
        for n in range(0, count, 100)
        for record in store.commit(Change(tenant="north", records=tuple(drafts[n : n + 100])))
    ]


def delivery(store: Store, receiver: Receiver, clock: FakeClock | None = None, **settings: object) -> Delivery:
    given: dict[str, object] = {"sink": "otlp:test", "grace": 0.0, **settings}
    if clock is not None:
        given["monotonic"] = clock.monotonic
    receiver.clients.append(target := Target(receiver.url, timeout=5.0))
    return Delivery(store, target, RESOURCE, **given)  # type: ignore[arg-type] # as in the test


def parked(store: Store) -> list[AuditRecord]:
    return [r for r in store.records() if r.draft.kind is Kind.SPAN_PARKED]


def test_an_hour_without_a_receiver_loses_nothing_and_keeps_the_order(receiver: Receiver) -> None:
    """10,000 records; every attempt is refused for an hour; then all come once, in order, as they would have come."""
    clock = FakeClock()
    store = MemoryStore(clock)
    pump = delivery(store, receiver, clock, batch=100)
    failures = [refuse(503), refuse(429, retry_after="30"), reset, lambda h, _: h.answer(200, b"<html>", "text/html")]
    records: list[AuditRecord] = []
    began, attempts = clock.now(), 0
    while clock.now() - began < 3600:
        if len(records) < 10_000:
            records += write(store, 500, len(records))
        receiver.always = failures[attempts % 4] if attempts != 50 else reject(lambda _: True)
        done = pump.round()
        assert done.left
        assert done.wait is not None
        clock.advance(max(30.0, done.wait))
        attempts += 1
    assert attempts >= 100
    assert receiver.taken == []
    waiting = backlog(store, "otlp:test")
    assert waiting.records == 10_001, "the log's opening counts too"
    assert waiting.age >= 3600

    tried = {span.span_id: span for _, _, body in receiver.requests for span in _decoded(body)}
    receiver.always = take
    assert not pump.round().left
    assert [span.span_id.hex() for span in receiver.taken] == [f"{n + 1:016x}" for n in range(10_000)]
    again = {s.span_id: s.SerializeToString(deterministic=True) for s in receiver.taken}
    assert all(again[i] == s.SerializeToString(deterministic=True) for i, s in tried.items())
    assert (pump.parked, pump.last_failure, parked(store)) == ([], "", [])
    assert backlog(store, "otlp:test") == Backlog()


def _decoded(body: bytes) -> list[Span]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return spans_in(ExportTraceServiceRequest.FromString(body))


def test_a_parked_span_is_on_record_and_stays_parked_after_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    def poison(span: Span) -> bool:
        return span.span_id.hex() == f"{7:016x}"

    receiver.always = reject(poison)
    store = SqliteStore(tmp_path / "store.db")
    records = write(store, 20, call="c1")
    first = delivery(store, receiver)
    while first.round().left:
        pass
    (told,) = parked(store)
    body = told.draft.body
    assert (body[PARKED_LOG_ID], body[PARKED_SEQ], body[PARKED_HASH]) == (
        records[6].log_id,
        records[6].seq,
        records[6].hash,
    )
    assert body[PARKED_SINK] == "otlp:test"
    assert told in store.records(call="c1"), "it belongs to the call's story"
    store.close()

    store = SqliteStore(tmp_path / "store.db")
    sent = len(receiver.requests)
    second = delivery(store, receiver)
    write(store, 1, first=20)
    while second.round().left:
        pass
    assert all(not poison(s) for _, _, body in receiver.requests[sent:] for s in _decoded(body))
    assert len(parked(store)) == 1
    assert set(receiver.ids) == {f"{n + 1:016x}" for n in range(21)} - {f"{7:016x}"} | {told.draft.span_id}
    assert verify(store).ok
    store.close()


def test_a_crash_between_parking_and_going_on_parks_nothing_twice(receiver: Receiver) -> None:
    class Crashes(MemoryStore):
        crashed = False

        def advance(self, sink: str, log_id: str, seq: int) -> None:
            if not self.crashed and parked(self):
                self.crashed = True
                raise StoreError("killed")
            super().advance(sink, log_id, seq)

    receiver.always = reject(lambda span: span.span_id.hex() == f"{3:016x}")
    store = Crashes()
    write(store, 5)
    with pytest.raises(StoreError):
        delivery(store, receiver).round()
    receiver.taken.clear()
    after = delivery(store, receiver, lease=0.0)
    store.lead(f"spans:otlp:test:{store.logs()[0]}", after._holder, 99.0)  # the first one's lease ran out
    store._leases.clear()
    while after.round().left:
        pass
    assert len(parked(store)) == 1


def test_one_that_was_refused_before_anything_was_taken_is_parked_once_others_are(receiver: Receiver) -> None:
    """A poisoned record at the very end, alone: the last one that was taken shows that the receiver works."""
    receiver.always = reject(lambda span: span.span_id.hex() == f"{4:016x}")
    store = MemoryStore()
    pump = delivery(store, receiver)
    write(store, 3)
    assert not pump.round().left
    write(store, 1, first=3)
    while pump.round().left:
        pass
    assert [seq for _, seq in pump.parked] == [5]


def test_a_refused_note_of_a_refusal_is_no_endless_chain(receiver: Receiver) -> None:
    receiver.always = reject(lambda s: s.span_id.hex() == f"{2:016x}" or s.name == "toolguard.span.parked")
    store = MemoryStore()
    pump = delivery(store, receiver)
    write(store, 4)
    assert any(not pump.round().left for _ in range(9))
    assert len(parked(store)) == 1
    assert len(pump.parked) == 2


def test_two_pumps_on_one_store_send_nothing_twice(receiver: Receiver, tmp_path: Path) -> None:
    """A log is one pump's at a time, whoever is faster."""
    one, two = SqliteStore(tmp_path / "store.db"), SqliteStore(tmp_path / "store.db")
    write(one, 300)
    write(two, 300, first=300)
    pumps = [delivery(store, receiver, batch=10) for store in (one, two)]
    begin = threading.Barrier(2)

    def work(pump: Delivery) -> None:
        begin.wait()
        until = time.monotonic() + 30
        while pump.round(hurry=True).left and time.monotonic() < until:
            time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(pump,)) for pump in pumps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert receiver.ids == {f"{n + 1:016x}": 1 for n in range(600)}
    one.close()
    two.close()


def test_what_a_killed_pump_was_at_is_anothers_when_its_lease_ran_out(receiver: Receiver) -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    write(store, 4)
    receiver.always = refuse(503)
    dead = delivery(store, receiver, clock, lease=60.0)
    assert dead.round().left
    receiver.always = take
    other = delivery(store, receiver, clock, lease=60.0)
    assert other.round().left
    assert receiver.taken == []
    clock.advance(61.0)
    assert not other.round().left
    assert set(receiver.ids.values()) == {1}


def test_a_lease_that_is_given_back_is_anothers_at_once(receiver: Receiver) -> None:
    store = MemoryStore()
    write(store, 2)
    receiver.always = refuse(503)
    first = delivery(store, receiver)
    assert first.round().left
    first.release()
    receiver.always = take
    assert not delivery(store, receiver).round().left


def test_a_login_that_may_hold_no_lease_delivers_all_the_same(receiver: Receiver) -> None:
    class MayNot(MemoryStore):
        def lead(self, name: str, holder: str, seconds: float) -> bool:
            raise StoreError("permission denied")

    store = MayNot()
    write(store, 3)
    assert not delivery(store, receiver).round().left
    assert len(receiver.ids) == 3


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("7", 7.0, 7.0),
        (lambda: formatdate(time.time() + 60, usegmt=True), 50.0, 61.0),
        ("99999", 300.0, 300.0),
        ("-5", 0.0, 0.0),
        ("soon", 0.0, 0.0),
        ("nan", 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_receivers_wish_to_wait_is_respected_within_bounds(
    receiver: Receiver, status: int, said: object, least: float, most: float
) -> None:
    receiver.always = refuse(status, retry_after=said() if callable(said) else said)
    store = MemoryStore()
    write(store, 1)
    wait = delivery(store, receiver).round().wait
    assert wait is not None
    assert least <= wait <= most


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """Spans go where they were told to, and to nobody that place names."""
    elsewhere = Receiver()
    store = MemoryStore()
    write(store, 2)
    for status in (301, 302, 307, 308):
        receiver.always = refuse(status, location=f"{elsewhere.url}/v1/traces")
        assert delivery(store, receiver, lease=0.0).round().left
    assert elsewhere.requests == []
    elsewhere.stop()


def test_what_waits_can_be_seen(receiver: Receiver) -> None:
    clock = FakeClock(1_800_000_000.125 + 5)
    store = MemoryStore(clock)
    pump = OtlpPump(store, receiver.url, sink="otlp:test")
    assert pump.backlog() == Backlog()
    write(store, 3)
    clock.advance(60)
    assert pump.backlog() == Backlog(records=4, age=60.0), "three, and the log's opening"
    assert not delivery(store, receiver).round().left
    assert pump.backlog() == Backlog()


def test_compressed_is_the_same(receiver: Receiver) -> None:
    store = MemoryStore()
    records = write(store, 50)
    for compress in (True, False):
        target = Target(receiver.url, compress=compress)
        sent = [s for r in records for s in spans_of(r, RESOURCE)]
        target.send(sent)
        target.close()
    (_, packed, one), (_, plain, two) = receiver.requests
    assert one == two == encode_spans(sent).SerializeToString(deterministic=True)
    assert packed["content-encoding"] == "gzip"
    assert int(packed["content-length"]) < int(plain["content-length"]) / 4
    assert "content-encoding" not in plain


def test_nothing_of_an_edited_record_is_repeated_when_it_is_parked(receiver: Receiver) -> None:
    """Whoever edits a record to break its span gets no word of it into another."""
    store = MemoryStore()
    write(store, 3)
    bad = store._records[2]
    words = {"call": "Zebedee Quill", "trace_id": "Zebedee", "parent_id": "Quill", "at": float("nan")}
    edited = replace(bad.draft, body={"toolguard.tenant": "Zebedee Quill"}, **words)
    store._records[2] = replace(bad, draft=edited)
    pump = delivery(store, receiver)
    while pump.round().left:
        pass
    (told,) = parked(store)
    assert told.draft.body[PARKED_SEQ] == 3
    assert "Zebedee" not in str(told)
    assert b"Zebedee" not in b"".join(body for _, _, body in receiver.requests)
