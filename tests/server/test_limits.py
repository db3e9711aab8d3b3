"""How often anyone may come, and what is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from authority.ward import Ward, human
from server.asked import RemoteGuard, request_of
from server.test_rest import problem
from server.visitors import BASE, Visitors, verdict
from toolguard._core.audit import Kind
from toolguard.authority import State
from toolguard.directory import Audience
from toolguard_server import create_app
from toolguard_server.limits import Limits, Rate, Visits

TIGHT = Limits(
    known=Rate(per_second=0.001, burst=10),
    unknown=Rate(per_second=0.001, burst=6),
    tries=Rate(per_second=0.001, burst=3),
)


def client_from(ward: Ward, address: str = "192.0.2.7", limits: Limits = TIGHT) -> httpx.AsyncClient:
    app = create_app(ward.authority, ward.tokens, ward.directory, limits=limits)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 1)), base_url=BASE)


@pytest.fixture
async def tight(ward: Ward) -> AsyncIterator[httpx.AsyncClient]:
    async with client_from(ward) as client:
        yield client


async def statuses(client: httpx.AsyncClient, times: int, path: str = "/v1/approvals", **more: Any) -> list[int]:
    return [(await client.get(path, **more)).status_code for _ in range(times)]


async def test_a_credential_that_holds_has_a_bucket_of_its_own(tight: httpx.AsyncClient, visitors: Visitors) -> None:
    ada, grace = visitors.bearer("ada"), visitors.bearer("grace")
    assert await statuses(tight, 12, headers=ada) == [200] * 11 + [429]  # the first one is counted with the address
    refused = await tight.get("/v1/approvals", headers=ada)
    problem(refused, 429, "too_many")
    assert int(refused.headers["retry-after"]) > 100
    assert "default-src 'none'" in refused.headers["content-security-policy"]
    assert await statuses(tight, 1, headers=grace) == [200]


async def test_guesses_run_out_whatever_they_are_and_shut_nobody_out_who_is_known(
    tight: httpx.AsyncClient, visitors: Visitors
) -> None:
    ada = visitors.bearer("ada")
    assert await statuses(tight, 1, headers=ada) == [200]
    guesses = [
        (await tight.get("/v1/approvals", headers={"Authorization": f"Bearer {n}"})).status_code for n in range(6)
    ]
    assert guesses == [401, 401, 401, 429, 429, 429]
    assert await statuses(tight, 1, headers=ada) == [200]
    assert await statuses(tight, 1, headers=visitors.bearer("grace")) == [429]  # a new one waits with the address


async def test_a_credential_that_was_taken_away_is_known_no_more(
    tight: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    ada = visitors.bearer("ada")
    assert await statuses(tight, 2, headers=ada) == [200, 200]
    assert ward.tokens.revoke(person="ada") == 1
    assert await statuses(tight, 5, headers=ada) == [401, 401, 401, 429, 429]


async def test_signing_in_is_tried_three_times(tight: httpx.AsyncClient) -> None:
    sent = [(await tight.post("/signin/link", data={"code": f"{n}"})).status_code for n in range(5)]
    assert sent[3:] == [429, 429]
    assert 429 not in sent[:3]


async def test_health_is_never_counted(tight: httpx.AsyncClient) -> None:
    assert await statuses(tight, 20, "/healthz") == [200] * 20
    assert await statuses(tight, 20, "/readyz") == [200] * 20
    assert 429 in await statuses(tight, 10, "/signin")


def test_a_bucket_fills_again_and_keeps_no_credential() -> None:
    at = [0.0]
    visits = Visits(Limits(known=Rate(per_second=2.0, burst=2)), lambda: at[0])
    key = visits.key("Bearer secret")
    visits.held(key)
    assert [visits.wait("a", key, sign_in=False) for _ in range(3)] == [0.0, 0.0, 0.5]
    at[0] = 0.5
    assert [visits.wait("a", key, sign_in=False) for _ in range(2)] == [0.0, 0.5]
    at[0] = 100.0
    assert [visits.wait("a", key, sign_in=False) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert "secret" not in repr(vars(visits))


def test_memory_does_not_grow_with_visitors() -> None:
    visits = Visits(Limits())
    for n in range(20_100):
        visits.wait(str(n), "", sign_in=True)
        visits.held(visits.key(str(n)))
    assert len(visits._unknown._left) == len(visits._tries._left) == len(visits._good) == 10_000


# --- Idempotency-Key


async def test_a_decision_sent_again_is_answered_again_and_not_done_again(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    headers = {**visitors.bearer("ada"), "If-Match": '"1"', "Idempotency-Key": "k-1"}
    where = f"/v1/approvals/{asked.id}/decision"
    first = await client.post(where, json=verdict(asked), headers=headers)
    again = await client.post(where, json=verdict(asked), headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again.headers["etag"] == first.headers["etag"] == '"2"'
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert "default-src 'none'" in again.headers["content-security-policy"]
    assert [kind for kind, _ in ward.journal()].count(Kind.APPROVAL_VERDICT) == 1
    assert "idempotency-replayed" not in (await client.post(where, json=verdict(asked), headers={**headers, "Idempotency-Key": "k-2"})).headers  # fmt: skip


OTHER: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("another body", {"answer": "deny"}, {}),
    ("another reason", {"reason": "because"}, {}),
    ("another version", {}, {"If-Match": '"2"'}),
]


@pytest.mark.parametrize(("what", "body", "headers"), OTHER, ids=[o[0] for o in OTHER])
async def test_a_key_belongs_to_what_came_with_it(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, what: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    asked = ward.ask()
    given = {**visitors.bearer("ada"), "If-Match": '"1"', "Idempotency-Key": "k-1"}
    where = f"/v1/approvals/{asked.id}/decision"
    assert (await client.post(where, json=verdict(asked), headers=given)).status_code == 200
    reply = await client.post(where, json=verdict(asked, **body), headers={**given, **headers})
    problem(reply, 422, "idempotency")
    another = ward.ask()
    problem(
        await client.post(f"/v1/approvals/{another.id}/decision", json=verdict(asked), headers=given),
        422,
        "idempotency",
    )
    assert ward.read(asked.id).state is State.APPROVED
    assert ward.read(another.id).state is State.PENDING


async def test_a_key_belongs_to_who_sent_it(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.ask()
    where, same = f"/v1/approvals/{asked.id}/decision", {"If-Match": '"1"', "Idempotency-Key": "k-1"}
    assert (
        await client.post(where, json=verdict(asked), headers={**visitors.bearer("ada"), **same})
    ).status_code == 200
    stolen = await client.post(where, json=verdict(asked), headers={**visitors.bearer("ruiz"), **same})
    problem(stolen, 409, "decided")  # judged as their own, and not shown what Ada was
    nobody = await client.post(where, json=verdict(asked), headers={"Authorization": "Bearer x", **same})
    problem(nobody, 401, "identity")


async def test_what_is_given_once_or_on_record_is_never_given_again(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask(sealed={"recipient": "records@example.org"})
    headers = {**visitors.bearer("ada"), "Idempotency-Key": "k-1"}
    for _ in range(2):
        reply = await client.post(f"/v1/approvals/{asked.id}/reveal", json={"purpose": "x"}, headers=headers)
        assert reply.status_code == 200
        assert "idempotency-replayed" not in reply.headers
    assert [kind for kind, _ in ward.journal()].count(Kind.APPROVAL_REVEALED) == 2


@pytest.mark.parametrize("key", ["", " ", "x" * 129, "a b", "ä".encode().decode("latin-1")])
async def test_a_key_has_a_shape(client: httpx.AsyncClient, ward: Ward, visitors: Visitors, key: str) -> None:
    asked = ward.ask()
    headers: Any = {**visitors.bearer("ada"), "If-Match": '"1"', "Idempotency-Key": key.encode("latin-1")}
    reply = await client.post(f"/v1/approvals/{asked.id}/decision", json=verdict(asked), headers=headers)
    problem(reply, 422, "idempotency")
    assert ward.read(asked.id) == asked


async def test_another_replica_does_it_no_second_time(ward: Ward, visitors: Visitors) -> None:
    sid = {**visitors.bearer("sid"), "Idempotency-Key": "k-1"}
    body = {"agent": "other", "reason": "odd"}
    async with client_from(ward, limits=Limits()) as one, client_from(ward, limits=Limits()) as other:
        first = await one.post("/v1/freeze", json=body, headers=sid)
        assert first.status_code == 201
        problem(await other.post("/v1/freeze", json=body, headers=sid), 409, "repeated")
        problem(await other.post("/v1/freeze", json={**body, "agent": "x"}, headers=sid), 422, "idempotency")
        assert (await one.post("/v1/freeze", json=body, headers=sid)).json() == first.json()
    assert len(ward.authority.freezes(human("sid"))) == 1


async def test_twenty_at_once_are_one(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    sid = {**visitors.bearer("sid"), "Idempotency-Key": "k-1"}
    body = {"agent": "other", "reason": "odd"}
    replies = await asyncio.gather(*(client.post("/v1/freeze", json=body, headers=sid) for _ in range(20)))
    assert {r.status_code for r in replies} <= {201, 409}
    assert [r.status_code for r in replies].count(201) >= 1
    assert len(ward.authority.freezes(human("sid"))) == 1
    ward.time.at += 86_401
    assert (await client.post("/v1/freeze", json=body, headers=sid)).status_code == 201  # a day later it is new


async def test_what_failed_may_be_tried_again(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ward.ask()
    headers = {**visitors.bearer("ada"), "If-Match": '"1"', "Idempotency-Key": "k-1"}
    where = f"/v1/approvals/{asked.id}/decision"
    with monkeypatch.context() as broken:
        broken.setattr(ward.store, "commit", _down)
        problem(await client.post(where, json=verdict(asked), headers=headers), 503, "unavailable")
    reply = await client.post(where, json=verdict(asked), headers=headers)
    assert reply.status_code == 200
    assert "idempotency-replayed" not in reply.headers


def _down(*_: object) -> None:
    from toolguard.errors import StoreError

    raise StoreError("disk full")


async def test_a_guards_request_under_a_key(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    guard, request = RemoteGuard(client, visitors), request_of(ward)
    guard.headers = {**visitors.bearer("ward-guard", Audience.SERVICE), "Idempotency-Key": "ask-1"}
    first, again = await guard.ask(request), await guard.ask(request)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["location"] == first.headers["location"]
    problem(await guard.ask(request_of(ward)), 422, "idempotency")
