"""Delivery over OTLP/HTTP: at least once, only what the receiver really took counts, and no call ever waits."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from telemetry.receiver import Receiver, Reply, drip, half_open, refuse, reject, reset, slow, take
from telemetry.records import draft
from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.steps import Change
from toolguard.errors import ConfigError, StoreError
from toolguard.ports import Store
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import OtlpPump, Target


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolguard.telemetry.otlp._FIRST_WAIT", 0.02)
    monkeypatch.setattr("toolguard.telemetry.otlp._LONGEST_WAIT", 0.1)


def pump_to(receiver: Receiver, store: Store, **settings: object) -> OtlpPump:
    given: dict[str, object] = {"interval": 0.05, "linger": 0.01, "grace": 0.2, "timeout": 1.0, **settings}
    return OtlpPump(store, receiver.url, **given)  # type: ignore[arg-type] # as in the test


def write(store: Store, count: int, first: int = 0) -> list[AuditRecord]:
    """``count`` records of one span each."""
    return [
        record
        for n in range(first, first + count)
        for record in store.commit(
            Change(tenant="north", records=(draft(Kind.POLICY_LOADED, span=f"{n + 1:016x}", call=""),))
        )
    ]


def ids(count: int) -> set[str]:
    return {f"{n + 1:016x}" for n in range(count)}


def test_records_arrive_as_spans(receiver: Receiver, store: Store) -> None:
    pump = pump_to(receiver, store, headers={"authorization": "Bearer t"}, service="clinic")
    pump.emit(write(store, 20))
    assert pump.flush(60.0)
    assert receiver.ids == dict.fromkeys(ids(20), 1)
    path, headers, body = receiver.requests[0]
    assert path == "/v1/traces"
    assert headers["authorization"] == "Bearer t"
    assert headers["content-type"] == "application/x-protobuf"
    assert b"clinic" in body
    assert pump.close(30.0)


@pytest.mark.parametrize(
    "failures",
    [
        [refuse(503)] * 3,
        [refuse(429, retry_after="0.05")],
        [refuse(401), refuse(404), refuse(301, location="http://127.0.0.1:9/")],
        [reset, reset],
        [slow(0.6, refuse(500))],
        [drip(1.0)],
        [half_open(0.6)],
        [reject(lambda _: True)] * 9,
        [lambda h, _: h.answer(200, b"<html>welcome to the hotel</html>", "text/html")],
        [lambda h, _: h.answer(200, b"\xff\xff\xff")],
        [lambda h, _: h.answer(200, b"not json", "application/json")],
    ],
    ids=[
        "503",
        "429",
        "configuration",
        "reset",
        "slow",
        "drip",
        "half-open",
        "all-rejected",
        "captive-portal",
        "garbage",
        "bad-json",
    ],
)
def test_what_was_not_taken_is_sent_again_until_it_is(receiver: Receiver, store: Store, failures: list[Reply]) -> None:
    """A failure loses nothing, and a 200 that takes nothing is a failure."""
    receiver.replies = [*failures]
    pump = pump_to(receiver, store, timeout=0.4)
    pump.emit(write(store, 6))
    receiver.wait_for(6)
    assert set(receiver.ids) == ids(6)
    assert pump.flush(60.0)
    assert pump.parked == []
    assert pump.last_failure == ""
    pump.close()


def test_a_slow_receiver_is_timed_out_and_asked_again(receiver: Receiver, store: Store) -> None:
    receiver.replies = [slow(1.0)]
    pump = pump_to(receiver, store, timeout=0.2)
    pump.emit(write(store, 3))
    receiver.wait_for(3)
    assert len(receiver.requests) >= 2
    pump.close()


@pytest.mark.parametrize("as_json", [False, True])
def test_a_poisoned_record_is_parked_and_the_others_arrive(
    receiver: Receiver, store: Store, as_json: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """I10: the batch is split until the one is found; it stays in the journal, aloud."""
    receiver.always = reject(lambda span: span.span_id.hex() == f"{8:016x}", as_json=as_json)
    pump = pump_to(receiver, store)
    with caplog.at_level(logging.ERROR):
        pump.emit(write(store, 20))
        assert pump.flush(60.0)
    (log,) = store.logs()
    (told,) = [r for r in store.records() if r.draft.kind is Kind.SPAN_PARKED]
    assert set(receiver.ids) == ids(20) - {f"{8:016x}"} | {told.draft.span_id}
    assert pump.parked == [(log, 9)]
    assert "stays in the journal" in caplog.text
    assert pump.close(30.0)


@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_that_is_too_much_is_split(receiver: Receiver, store: Store, status: int) -> None:
    def at_most_three(handler, request):  # type: ignore[no-untyped-def] # a reply
        many = sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans) > 3
        (refuse(status) if many else take)(handler, request)

    receiver.always = at_most_three
    pump = pump_to(receiver, store)
    pump.emit(write(store, 20))
    assert pump.flush(60.0)
    assert set(receiver.ids) == ids(20)
    assert pump.parked == []
    pump.close()


def test_a_receiver_that_was_down_for_long_gets_everything_later(receiver: Receiver, store: Store) -> None:
    """10,000 records while nobody listens; then all of them, each at least once."""
    receiver.always = refuse(503)
    pump = pump_to(receiver, store)
    pump.emit(write(store, 10_000))
    assert not pump.flush(timeout=0.2)
    until = time.monotonic() + 30
    while not pump.last_failure and time.monotonic() < until:
        time.sleep(0.01)
    assert pump.last_failure == "status 503"
    receiver.always = take
    assert pump.flush(60.0)
    assert set(receiver.ids) == ids(10_000)
    pump.close()


def test_a_second_delivery_is_the_same_to_the_byte(receiver: Receiver, tmp_path: Path) -> None:
    """I6: at least once, and a repeat cannot be told from the first."""
    store = SqliteStore(tmp_path / "store.db")
    receiver.replies = [slow(0.5)]
    pump = pump_to(receiver, store, timeout=0.2)
    pump.emit(write(store, 4))
    assert pump.flush(60.0)
    pump.close()
    bodies = [body for _, _, body in receiver.requests]
    assert len(bodies) >= 2
    assert len(set(bodies)) == 1
    store.close()


def test_what_one_process_left_the_next_one_delivers(receiver: Receiver, tmp_path: Path) -> None:
    """A crash between commit and delivery; the cursor lies in the store."""
    store = SqliteStore(tmp_path / "store.db")
    first = pump_to(receiver, store)
    first.emit(write(store, 5))
    assert first.close(30.0)
    write(store, 5, first=5)
    store.close()

    store = SqliteStore(tmp_path / "store.db")
    pump = pump_to(receiver, store)
    pump.emit(write(store, 1, first=10))
    receiver.wait_for(11)
    assert receiver.ids == dict.fromkeys(ids(11), 1)
    pump.close()
    store.close()


def test_another_processs_records_are_left_to_its_own_pump_for_a_while(receiver: Receiver, tmp_path: Path) -> None:
    one, two = SqliteStore(tmp_path / "store.db"), SqliteStore(tmp_path / "store.db")
    pump = pump_to(receiver, one, grace=2.0)
    write(two, 3)
    pump.emit(write(one, 2, first=3))
    receiver.wait_for(5)
    assert {span.span_id.hex() for span in receiver.taken[:2]} == ids(5) - ids(3), "its own come first"
    pump.close()
    one.close()
    two.close()


def test_a_call_never_waits_for_delivery(receiver: Receiver, store: Store) -> None:
    receiver.always = slow(8.0)
    pump = pump_to(receiver, store)
    slowest = 0.0
    for n in range(200):
        records = write(store, 1, first=n)
        began = time.perf_counter()
        pump.emit(records)
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 2.0
    began = time.monotonic()
    assert not pump.close(timeout=0.3)
    assert time.monotonic() - began < 6.0, "closing has a bound"


def test_a_store_that_fails_only_delays_delivery(receiver: Receiver) -> None:
    class Fails(MemoryStore):
        broken = 3

        def heads(self):  # type: ignore[no-untyped-def] # as in the base
            if self.broken:
                self.broken -= 1
                raise StoreError("locked")
            return super().heads()

    store = Fails()
    pump = pump_to(receiver, store)
    pump.emit(write(store, 2))
    receiver.wait_for(2)
    assert pump.close(30.0)


def test_a_record_somebody_edited_does_not_hold_up_the_others(receiver: Receiver, store: MemoryStore) -> None:
    write(store, 3)
    bad = store._records[2]
    store._records[2] = replace(bad, draft=replace(bad.draft, at=float("nan")))
    pump = pump_to(receiver, store)
    pump.emit(write(store, 1, first=3))
    assert pump.flush(60.0)
    (told,) = [r for r in store.records() if r.draft.kind is Kind.SPAN_PARKED]
    assert set(receiver.ids) == ids(4) - {f"{2:016x}"} | {told.draft.span_id}
    assert [seq for _, seq in pump.parked] == [3]
    pump.close()


def test_closing_twice_or_unused_is_no_fault(receiver: Receiver, store: Store) -> None:
    pump = pump_to(receiver, store)
    assert pump.close(30.0)
    assert pump.close(30.0)
    pump.emit(())
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("http://collector.example.org:4318", "clear text beyond this machine"),
        ("http://10.0.0.7:4318", "clear text beyond this machine"),
        ("https://user:secret@collector.example.org", "credentials"),
        ("https://collector.example.org/v1/traces?key=secret", "credentials"),
        ("ftp://127.0.0.1", "no http"),
        ("127.0.0.1:4318", "no http"),
        ("", "no http"),
    ],
)
def test_an_endpoint_that_would_leak_is_refused(endpoint: str, why: str, store: Store) -> None:
    """T18."""
    with pytest.raises(ConfigError, match=why) as caught:
        OtlpPump(store, endpoint)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
        ("https://c.example.org/otlp/v1/traces", "https://c.example.org/otlp/v1/traces"),
    ],
)
def test_the_path_is_added_where_there_is_none(endpoint: str, url: str, store: Store) -> None:
    assert Target(endpoint).url == url


_IN_A_HOSTILE_ENVIRONMENT = """
import sys
from telemetry.records import life
from toolguard._core.steps import Change
from toolguard.stores.memory import MemoryStore
from toolguard.telemetry import OtlpPump
store = MemoryStore()
pump = OtlpPump(store, sys.argv[1])
pump.emit(store.commit(Change(tenant="north", records=tuple(r.draft for r in life()[1:]))))
sys.exit(not pump.close(10.0))
"""


def test_the_applications_environment_has_no_say(receiver: Receiver) -> None:
    """Sampler, switch, limits, endpoint, proxy: none of it drops, cuts or diverts a span."""
    hostile = {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "3",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1",
        "OTEL_SPAN_LINK_COUNT_LIMIT": "0",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=other",
        "OTEL_SERVICE_NAME": "other",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-bad=1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "toolguard-tests-pycache"),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_HOSTILE_ENVIRONMENT, receiver.url],
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | hostile,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(receiver.ids) == 7
    decided = next(s for s in receiver.taken if s.name == "toolguard.evaluate mail.send")
    said = {a.key: a.value for a in decided.attributes}
    assert said["toolguard.policy.sha256"].string_value == "ab" * 32
    assert [v.string_value for v in said["toolguard.policy.rule.id"].array_value.values] == ["mail-out", "phi-out"]
    assert all(b"other" not in body for _, _, body in receiver.requests)
    assert json.dumps(receiver.requests[0][1]).count("x-bad") == 0
