"""Spans out of PostgreSQL: each login delivers what it may see, and a login that may hold no lease delivers all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.resources import Resource

from postgres.conftest import Place
from telemetry.receiver import Receiver
from telemetry.records import draft
from toolguard._core.audit import Kind
from toolguard._core.steps import Change
from toolguard.ports import Store
from toolguard.telemetry import Delivery, Target


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def write(store: Store, tenant: str, first: int, count: int) -> set[str]:
    ids = [f"{first + n:016x}" for n in range(count)]
    body = {"toolguard.tenant": tenant}
    drafts = tuple(draft(Kind.CALL_NOT_RUN, span=i, call=f"c{i}", body=body) for i in ids)
    store.commit(Change(tenant=tenant, records=drafts))
    return set(ids)


def drained(store: Store, receiver: Receiver) -> None:
    receiver.clients.append(target := Target(receiver.url, timeout=5.0))
    pump = Delivery(store, target, Resource({}), sink="otlp:test", grace=0.0)
    for _ in range(5):
        if not pump.round().left:
            break
    else:
        raise AssertionError("something is left")
    pump.release()


def test_a_service_delivers_for_all_and_a_guard_what_it_sees(place: Place, receiver: Receiver) -> None:
    north, south, service = (place.store(who) for who in ("north_guard", "south_guard", "service"))
    in_north, in_south = write(north, "north", 0xA000, 40), write(south, "south", 0xB000, 40)
    drained(service, receiver)
    assert in_north | in_south <= set(receiver.ids)
    assert {receiver.ids[i] for i in in_north | in_south} == {1}

    receiver.taken.clear()
    drained(north, receiver)
    assert in_north <= set(receiver.ids)
    assert not in_south & set(receiver.ids), "another tenant's records are nothing it could send"
    for store in (north, south, service):
        store.close()
