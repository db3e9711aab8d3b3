"""What changes, as it happens: who is told what, how often the store is looked at, and what the journal says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from authority.ward import Ward, human
from server.asked import RemoteGuard, request_of
from server.test_rest import problem
from server.visitors import Visitors
from toolguard.authority import Actor, Answer, Service
from toolguard.errors import IdentityError, StoreError
from toolguard_server.closing import Closing
from toolguard_server.problems import Problem
from toolguard_server.stream import Streams

GUARD = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")
OTHER = Service(name="other-guard", tenant="st-marys", agents=frozenset({"other-assistant"}), auth="token:2")


@pytest.fixture
def closing() -> Closing:
    return Closing()


@pytest.fixture
def streams(ward: Ward, closing: Closing) -> Streams:
    return Streams(ward.authority, closing, every=0.02, beat=30.0)


Event = tuple[str, str, int]


async def events(stream: AsyncIterator[str]) -> AsyncIterator[Event]:
    async for text in stream:
        if text.startswith("event: approval\n"):
            lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
            data = json.loads(lines["data"])
            assert set(data) == {"id", "state", "version"}
            yield data["id"], data["state"], data["version"]


async def take(stream: AsyncIterator[Event], count: int) -> list[Event]:
    return [await asyncio.wait_for(anext(stream), 30.0) for _ in range(count)]


def listen(streams: Streams, actor: Actor, since: float | None = None, whose: str = "w", holds: Any = None) -> Any:
    return streams.listen(actor, whose, since, holds or (lambda: None))


async def test_an_approver_is_told_what_waits_and_what_becomes_of_it(ward: Ward, streams: Streams) -> None:
    waits = ward.ask()
    async with aclosing(events(listen(streams, human("ada")))) as stream:
        assert await take(stream, 1) == [(waits.id, "pending", 1)]
        new = ward.ask()
        assert await take(stream, 1) == [(new.id, "pending", 1)]
        ward.decide(human("grace"), new)
        assert await take(stream, 1) == [(new.id, "approved", 2)]
        ward.claim(ward.read(new.id))
        ward.decide(human("grace"), waits, Answer.DENY)
        assert set(await take(stream, 2)) == {(new.id, "executing", 3), (waits.id, "denied", 2)}


SIGHT: list[tuple[str, Actor, bool]] = [
    ("an approver", human("ada"), True),
    ("who asked", human("ruiz"), True),
    ("the guard of the agent", GUARD, True),
    ("another guard", OTHER, False),
    ("somebody else", human("tess"), False),
    ("nobody", human("ghost"), False),
    ("another hospital", human("luke", tenant="st-lukes"), False),
]


@pytest.mark.parametrize(("who", "actor", "sees"), SIGHT, ids=[s[0] for s in SIGHT])
async def test_who_is_told(ward: Ward, streams: Streams, who: str, actor: Actor, sees: bool) -> None:
    first = ward.ask()
    stream = events(listen(streams, actor))
    async with aclosing(stream):
        told: list[Event] = []
        if sees:
            told = await take(stream, 1)
            second = ward.ask()
            told += await take(stream, 1)
            assert [t[0] for t in told] == [first.id, second.id]
        else:
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.1)
            ward.decide(human("ada"), ward.ask())
            await asyncio.sleep(0.2)
            assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting


async def test_who_comes_back_misses_nothing(ward: Ward, streams: Streams) -> None:
    old, waits = ward.ask(), ward.ask()
    ward.decide(human("ada"), old)
    ward.time.at += 60
    missed = ward.ask()
    ward.decide(human("ada"), missed, Answer.DENY)
    async with aclosing(events(listen(streams, human("ada"), since=ward.time.at - 30))) as stream:
        assert await take(stream, 1) == [(missed.id, "denied", 2)]
        ward.decide(human("ada"), waits)
        assert await take(stream, 1) == [(waits.id, "approved", 2)]


async def test_the_store_is_looked_at_as_often_for_fifty_as_for_one(ward: Ward, closing: Closing) -> None:
    streams = Streams(ward.authority, closing, every=0.05)
    asked = ward.ask()
    many = [events(listen(streams, human("ada"), whose=str(n))) for n in range(50)]
    assert [(await take(stream, 1))[0][0] for stream in many] == [asked.id] * 50
    waiting = [asyncio.ensure_future(anext(stream)) for stream in many]
    before = streams.looks
    await asyncio.sleep(1.0)
    assert streams.looks - before <= 21
    ward.decide(human("ada"), asked)
    assert {await asyncio.wait_for(w, 30.0) for w in waiting} == {(asked.id, "approved", 2)}
    for stream in many:
        await stream.aclose()
    await asyncio.sleep(0.2)
    before = streams.looks
    await asyncio.sleep(0.3)
    assert streams.looks == before


async def test_how_many_may_listen(ward: Ward, closing: Closing) -> None:
    streams = Streams(ward.authority, closing, most=7)
    open_ = []

    async def one(whose: str) -> None:
        streams.admit(whose)
        stream = listen(streams, human("ada"), whose=whose)
        await anext(stream)
        open_.append(stream)

    for _ in range(5):
        await one("a")
    with pytest.raises(Problem) as each:
        streams.admit("a")
    assert each.value.code == "too_many"
    await one("b")
    await one("c")
    with pytest.raises(Problem):
        streams.admit("d")
    await open_.pop().aclose()
    streams.admit("d")
    for stream in open_:
        await stream.aclose()
    assert not streams._whose
    assert not streams._listeners


async def test_a_stream_ends_when_the_credential_does(ward: Ward, closing: Closing) -> None:
    streams = Streams(ward.authority, closing, every=0.02, beat=0.05)
    left = [3]

    def holds() -> None:
        left[0] -= 1
        if not left[0]:
            raise IdentityError("revoked")

    said = [text async for text in listen(streams, human("ada"), holds=holds)]
    assert said == [": welcome\n\n", ": still here\n\n", ": still here\n\n"]


async def test_a_stream_ends_when_the_service_does(streams: Streams, closing: Closing) -> None:
    async def all_of_it() -> list[str]:
        return [text async for text in listen(streams, human("ada"))]

    listening = asyncio.ensure_future(all_of_it())
    await asyncio.sleep(0.1)
    closing.set()
    assert await asyncio.wait_for(listening, 30.0) == [": welcome\n\n"]


async def test_a_store_that_was_down_is_looked_at_again(
    ward: Ward, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aclosing(events(listen(streams, human("ada")))) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.1)
        with monkeypatch.context() as broken:
            broken.setattr(ward.store, "list", _down)
            await asyncio.sleep(0.1)
        asked = ward.ask()
        assert (await asyncio.wait_for(waiting, 30.0))[0] == asked.id


def _down(*_: object, **__: object) -> None:
    raise StoreError("disk full")


@pytest.mark.parametrize(
    ("headers", "status", "code"), [({}, 401, "identity"), ({"Last-Event-ID": "x"}, 422, "invalid")]
)
async def test_a_stream_is_refused(
    client: httpx.AsyncClient, visitors: Visitors, headers: dict[str, str], status: int, code: str
) -> None:
    given = {**headers, **(visitors.bearer("ada") if headers else {})}
    problem(await client.get("/v1/stream", headers=given), status, code)


# --- the records of one approval


async def test_an_approver_reads_what_the_journal_says(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    guard, request = RemoteGuard(client, visitors), request_of(ward)
    await guard.ask(request)
    ward.decide(human("ada"), ward.read(request.id))
    assert (await guard.claim(request.id, request.call_digest)).status_code == 200
    await guard.outcome(request.id, request.call_digest)
    reply = await client.get(f"/v1/approvals/{request.id}/events", headers=visitors.bearer("grace"))
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    said = reply.json()
    assert [e["kind"] for e in said] == [
        "approval.requested",
        "approval.verdict",
        "approval.resolved",
        "call.executing",
        "call.returned",
    ]
    hashes = {(r.log_id, r.seq): r.hash for r in ward.store.records()}
    assert all(hashes[e["log"], e["seq"]] == e["hash"] for e in said)
    assert said[1]["body"]["toolguard.approver.id"] == "ada"


READERS: list[tuple[str, Callable[[Visitors], dict[str, str]], int]] = [
    ("an approver", lambda v: v.bearer("ada"), 200),
    ("whoever reviews", lambda v: v.bearer("rena"), 200),
    ("who asked", lambda v: v.bearer("ruiz"), 403),
    ("somebody else", lambda v: v.bearer("tess"), 404),
    ("another hospital", lambda v: v.bearer("luke", tenant="st-lukes"), 404),
    ("nobody", lambda v: {}, 401),
]


@pytest.mark.parametrize(("who", "headers", "status"), READERS, ids=[r[0] for r in READERS])
async def test_who_reads_the_records(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    who: str,
    headers: Callable[[Visitors], dict[str, str]],
    status: int,
) -> None:
    asked = ward.ask()
    reply = await client.get(f"/v1/approvals/{asked.id}/events", headers=headers(visitors))
    assert reply.status_code == status, reply.text
