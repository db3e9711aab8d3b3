"""Two services on one PostgreSQL: what one decides, the other knows at once; what one claimed, the other gives nobody."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from authority.ward import Ward, human
from server.asked import RemoteGuard, request_of
from server.process import POLICY, Wall, start, stop, wait_for
from server.visitors import Visitors, verdict
from toolguard._core.audit import Kind
from toolguard.authority import Approval, Authority, State
from toolguard.keys import Ed25519Signer, KeyRing, Purpose, SecretKey, write_key

# nobody finds out by looking: who is not told is not woken
TOLD_ONLY = """
from toolguard.stores import _pg_listen
from toolguard_server import rest
_pg_listen._LOOK = rest._LOOK = 600.0
"""


class Two:
    """One ward, two services."""

    def __init__(self, folder: Path, database: str) -> None:
        keys = {purpose: SecretKey.generate(purpose) for purpose in (Purpose.SIGN, Purpose.REVEAL)}
        write_key(folder / "service.key", keys[Purpose.SIGN])
        signer = Ed25519Signer(keys[Purpose.SIGN])
        (folder / "policy.yaml").write_text(POLICY)
        (folder / "toolguard.toml").write_text(
            f'[guard]\npolicy = "policy.yaml"\n[store]\nurl = {json.dumps(database)}\n'
            f'[keys]\ntrusted = ["{signer.public_key.line}"]\n'
            f'[directory]\nfile = "directory.yaml"\ntokens = "tokens.json"\n'
            f'[service]\nsigning_key = "service.key"\n'
        )
        self.ward = Ward(folder, database, time=Wall(), signer=signer, reveals=KeyRing([keys[Purpose.REVEAL]]))
        self.visitors = Visitors(self.ward)
        places = [folder / "one", folder / "other"]
        for place in places:
            place.mkdir()
        self.processes = [
            start(folder, "--port", "0", "--ready-file", str(place / "ready.json"), before=TOLD_ONLY)
            for place in places
        ]
        self.one, self.other = (wait_for(p, place) for p, place in zip(self.processes, places, strict=True))


@pytest.fixture
def two(tmp_path: Path, store_database: str) -> Iterator[Two]:
    two = Two(tmp_path, store_database)
    yield two
    for process in two.processes:
        assert "Traceback" not in stop(process)
    two.ward.store.close()


async def test_who_waits_at_one_wakes_when_the_other_is_told(two: Two) -> None:
    async with (
        httpx.AsyncClient(base_url=two.one, timeout=90) as one,
        httpx.AsyncClient(base_url=two.other, timeout=90) as other,
    ):
        guard, request = RemoteGuard(one, two.visitors), request_of(two.ward)
        assert (await guard.ask(request)).status_code == 201
        waiting = asyncio.ensure_future(one.get(f"/v1/approvals/{request.id}/wait?timeout=60", headers=guard.headers))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        decided = await other.post(
            f"/v1/approvals/{request.id}/decision",
            json=verdict(two.ward.read(request.id)),
            headers={**two.visitors.bearer("ada"), "If-Match": '"1"'},
        )
        assert decided.status_code == 200
        reply = await asyncio.wait_for(waiting, 30)  # told by the database: the wait itself would end after a minute
        assert reply.json()["state"] == "approved"


async def test_one_claim_of_sixteen_at_both(two: Two) -> None:
    async with (
        httpx.AsyncClient(base_url=two.one, timeout=30) as one,
        httpx.AsyncClient(base_url=two.other, timeout=30) as other,
    ):
        guards = [RemoteGuard(one, two.visitors), RemoteGuard(other, two.visitors)]
        request = request_of(two.ward)
        assert (await guards[0].ask(request)).status_code == 201
        assert (await guards[1].ask(request)).status_code == 201
        two.ward.decide(human("ada"), two.ward.read(request.id))
        replies = await asyncio.gather(*(g.claim(request.id, request.call_digest) for g in guards for _ in range(8)))
        assert sorted(r.status_code for r in replies) == [200] + [409] * 15
        assert (await guards[1].outcome(request.id, request.call_digest)).status_code == 200
        assert two.ward.read(request.id).state is State.EXECUTED
        assert [kind for kind, _ in two.ward.journal()].count(Kind.CALL_EXECUTING) == 1


async def test_a_stream_of_one_tells_what_the_other_did_and_a_key_holds_at_both(two: Two) -> None:
    async with (
        httpx.AsyncClient(base_url=two.one, timeout=30) as one,
        httpx.AsyncClient(base_url=two.other, timeout=30) as other,
    ):
        asked = two.ward.ask()
        ada = two.visitors.bearer("ada")
        async with one.stream("GET", "/v1/stream", headers=ada) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert "default-src 'none'" in stream.headers["content-security-policy"]
            lines = stream.aiter_lines()

            async def next_data() -> dict[str, object]:
                async for line in lines:
                    if line.startswith("data: "):
                        found: dict[str, object] = json.loads(line[6:])
                        return found
                raise AssertionError("the stream ended")

            assert (await asyncio.wait_for(next_data(), 30))["state"] == "pending"
            keyed = {**ada, "If-Match": '"1"', "Idempotency-Key": "k-1"}
            where = f"/v1/approvals/{asked.id}/decision"
            assert (await other.post(where, json=verdict(asked), headers=keyed)).status_code == 200
            assert await asyncio.wait_for(next_data(), 30) == {"id": asked.id, "state": "approved", "version": 2}
            assert (await one.post(where, json=verdict(asked), headers=keyed)).json()["code"] == "repeated"
            assert (await other.post(where, json=verdict(asked), headers=keyed)).status_code == 200


class Told:
    """A channel that keeps what it was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def announce(self, approval: Approval) -> None:
        time.sleep(0.002)  # as a network does
        self.heard.append(approval.id)


def test_each_change_is_announced_once_by_the_two_of_them(tmp_path: Path, store_database: str) -> None:
    ward = Ward(tmp_path, store_database, time=Wall())
    other = Ward(tmp_path, store_database, time=ward.time, signer=ward.signer, ring=ward.ring, reveals=ward.reveals)
    asked = [ward.ask() for _ in range(40)]
    told = Told()
    services = (ward.authority, ward.another_authority(), other.authority, other.another_authority())

    def deliver(authority: Authority) -> int:
        return sum(authority.tick([told]) for _ in range(4))

    with ThreadPoolExecutor(len(services)) as pool:
        done = sum(pool.map(deliver, services))
    assert sorted(told.heard) == sorted(a.id for a in asked)
    assert done == len(asked)
    assert ward.store.outbox() == ()
    other.store.close()
    ward.store.close()
