"""The doors of the service: other tenants, other methods, other types, numbers without end, codes in headers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from authority.ward import Ward, human
from server.test_inbox import SAME, post, sign_in
from server.visitors import Visitors, client_of, code_for, verdict
from toolguard._core.approver import ApproverRule, StandingLimits
from toolguard.authority import StandingTerms, State

OFFICERS = ("group:privacy-officers",)
RULE = ApproverRule(
    name="open",
    approvers=OFFICERS,
    standing=StandingLimits(seconds=3600.0, uses=5),
    break_glass=("group:emergency", "group:privacy-officers"),
)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path)
    yield ward
    ward.store.close()


@pytest.fixture
def visitors(ward: Ward) -> Visitors:
    return Visitors(ward)


@pytest.fixture
async def client(ward: Ward) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(ward) as client:
        yield client


ROUTES: dict[str, tuple[str, Any]] = {
    "reveal": ("/approvals/{id}/reveal", {"purpose": "x"}),
    "proposal": ("/approvals/{id}/proposal", {"arguments": {"x": 1}, "reason": "x"}),
    "revoke": ("/approvals/{id}/revoke", {"reason": "x"}),
    "resolve": ("/approvals/{id}/resolve", {"ran": True, "evidence": "x"}),
    "break-glass": ("/break-glass", {"approval": "{id}", "reason": "x"}),
    "withdraw": ("/approvals/{id}/withdraw", {}),
    "confirm": ("/approvals/{id}/confirm", {"call_digest": "v1:0"}),
    "end": ("/standing-approvals/{standing}/end", {"reason": "x"}),
    "lift": ("/freeze/{freeze}/lift", {"reason": "x"}),
    "review": ("/reviews/{id}", {"finding": "justified", "reason": "x"}),
}


@pytest.mark.parametrize(("path", "body"), ROUTES.values(), ids=ROUTES)
async def test_t25_nothing_of_one_tenant_is_there_for_another(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, path: str, body: Any
) -> None:
    asked = ward.ask(rules=(RULE,))
    standing_of = ward.ask(rules=(RULE,))
    ward.decide(human("ada"), standing_of, standing=StandingTerms(seconds=60.0, uses=1))
    (view,) = ward.authority.standings(human("ada"))
    freeze = ward.authority.freeze(human("sid"), agent="other", reason="x")
    acts = len(ward.acts())
    where = path.format(id=asked.id, standing=view.standing.id, freeze=freeze.id)
    body = {name: asked.id if value == "{id}" else value for name, value in body.items()}
    headers = {**visitors.bearer("luke", tenant="st-lukes"), "Toolguard-Tenant": "st-marys", "X-Tenant": "st-marys"}
    for query in ("", "?tenant=st-marys"):
        reply = await client.post(f"/v1{where}{query}", json=body, headers=headers)
        assert reply.status_code in (403, 404, 422, 503), reply.text
        assert asked.request.requester_person not in reply.text
    assert ward.read(asked.id) == asked
    assert len(ward.acts()) == acts


@pytest.mark.parametrize("path", ["/freeze", "/standing-approvals", "/approvals"])
async def test_t25_lists_hold_ones_own_tenant_only(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, path: str
) -> None:
    ward.decide(human("ada"), ward.ask(rules=(RULE,)), standing=StandingTerms(seconds=60.0, uses=1))
    ward.authority.freeze(human("sid"), agent="other", reason="secret incident")
    reply = await client.get(f"/v1{path}", headers=visitors.bearer("luke", tenant="st-lukes"))
    assert (reply.status_code, reply.json() in ([], {"items": [], "next_cursor": None})) == (200, True)


OVERRIDES = [
    {"X-HTTP-Method-Override": "POST"},
    {"X-HTTP-Method": "POST"},
    {"X-Method-Override": "POST"},
    {"X-Original-URL": "/v1/freeze"},
    {"X-Rewrite-URL": "/v1/freeze"},
]


@pytest.mark.parametrize("headers", OVERRIDES)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_no_header_makes_a_post_of_anything_else(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, method: str, headers: dict[str, str]
) -> None:
    asked = ward.ask(rules=(RULE,))
    for path in (
        f"/v1/approvals/{asked.id}/revoke?_method=POST",
        "/v1/break-glass?_method=POST",
        "/v1/freeze?_method=POST",
    ):
        await client.request(method, path, headers={**visitors.bearer("sid"), **headers})
    assert ward.read(asked.id) == asked
    assert ward.acts() == []


TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonp"]


@pytest.mark.parametrize("kind", TYPES)
async def test_what_a_form_of_another_site_can_send_is_not_taken(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, kind: str
) -> None:
    headers = {**visitors.bearer("sid"), "Content-Type": kind}
    reply = await client.post("/v1/freeze", content=b'{"agent": "x", "reason": "x"}', headers=headers)
    assert reply.status_code == 415
    assert ward.acts() == []


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1", "0", "true", '"60"', "9" * 5000, "[60]", "null"]


@pytest.mark.parametrize("number", NUMBERS, ids=[n[:10] for n in NUMBERS])
@pytest.mark.parametrize("field", ["seconds", "uses", "at_most"])
async def test_a_number_that_is_none_lets_nothing_stand(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, field: str, number: str
) -> None:
    asked = ward.ask(rules=(RULE,))
    import json

    terms = {"seconds": "60", "uses": "1", "at_most": "1"} | {field: number}
    vary = f'[{{"argument": "body", "at_most": {terms["at_most"]}}}]'
    stands = f'{{"seconds": {terms["seconds"]}, "uses": {terms["uses"]}, "vary": {vary}}}'
    body = json.dumps(verdict(asked))[:-1] + f', "standing": {stands}}}'
    headers = {**visitors.bearer("ada"), "If-Match": f'"{asked.version}"', "Content-Type": "application/json"}
    reply = await client.post(f"/v1/approvals/{asked.id}/decision", content=body, headers=headers)
    assert reply.status_code < 500, reply.text
    if reply.status_code == 200:
        (view,) = ward.authority.standings(human("ada"))
        given = view.standing.terms
        assert 0 < given.seconds <= 3600
        assert 1 <= given.uses <= 5
    else:
        assert ward.read(asked.id).state is State.PENDING


FORMS = [
    {"standing_minutes": "9" * 5000, "standing_uses": "1"},
    {"standing_minutes": "1", "standing_uses": "9" * 5000},
    {"standing_minutes": "9" * 400, "standing_uses": "1"},
    {"standing_minutes": "-1", "standing_uses": "1"},
    {"standing_minutes": "1e9", "standing_uses": "1"},
    {"standing_minutes": "٣", "standing_uses": "1"},
    {"version": "9" * 5000},
]


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
async def test_a_number_without_end_in_a_form_is_refused_and_nothing_is_decided(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, form: dict[str, str]
) -> None:
    asked = ward.ask(rules=(RULE,))
    await sign_in(client, visitors, "ada")
    reply = await post(client, asked, "approve", **form)
    assert 400 <= reply.status_code < 500, reply.status_code
    assert ward.read(asked.id) == asked


async def test_a_code_counts_for_whom_it_was_made_however_it_is_sent(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    sure = ApproverRule(name="sure", approvers=OFFICERS, step_up=True)
    asked, code = ward.ask(rules=(sure,)), code_for(ward, "grace")
    code_for(ward, "ada")
    for value in (code, f"{code},{code}", f"{code}\t", "true", "stepped_up", "2", f"{code};ada", "+totp"):
        headers = {**visitors.bearer("ada"), "If-Match": f'"{asked.version}"', "Toolguard-Step-Up": value}
        reply = await client.post(f"/v1/approvals/{asked.id}/decision", json=verdict(asked), headers=headers)
        assert reply.status_code in (401, 403)
    extra = {**verdict(asked), "assured": 2}
    headers = {**visitors.bearer("ada"), "If-Match": f'"{asked.version}"'}
    assert (await client.post(f"/v1/approvals/{asked.id}/decision", json=extra, headers=headers)).status_code == 422
    assert ward.read(asked.id) == asked


SITES: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:8790.evil.example"},
    {"Origin": "http://127.0.0.1:8791"},
    {"Origin": "http://evil.example@127.0.0.1:8791"},
    {},
]


@pytest.mark.parametrize("headers", SITES)
@pytest.mark.parametrize("act", ["", "/reveal", "/break-glass", "/resolve"])
async def test_no_form_of_another_site_acts(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, act: str, headers: dict[str, str]
) -> None:
    asked = ward.ask(rules=(RULE,))
    await sign_in(client, visitors, "ada")
    form = {"answer": "approve", "reason": "x", "version": "1", "ran": "yes", **verdict(asked)}
    reply = await client.post(f"/inbox/{asked.id}{act}", data=form, headers=headers)
    assert reply.status_code == 403
    assert ward.read(asked.id) == asked


async def test_who_has_the_cookie_of_one_tenant_acts_in_that_one(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask(rules=(RULE,))
    await sign_in(client, visitors, "luke", "st-lukes")
    form = {"answer": "approve", "reason": "x", "version": "1", "ran": "yes", **verdict(asked)}
    for act in ("", "/reveal", "/break-glass", "/resolve"):
        reply = await client.post(f"/inbox/{asked.id}{act}", data=form, headers=SAME)
        assert reply.status_code == 404
    assert ward.read(asked.id) == asked


async def test_a_body_beyond_measure_is_not_read(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.ask(rules=(RULE,))
    for path, body in (
        (f"/v1/approvals/{asked.id}/proposal", {"arguments": {"x": "y" * 70_000}, "reason": "x"}),
        ("/v1/freeze", {"agent": "x" * 70_000, "reason": "x"}),
    ):
        assert (await client.post(path, json=body, headers=visitors.bearer("sid"))).status_code == 413
    deep = b'{"reason": "x", "arguments": {"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}}"
    headers = {**visitors.bearer("ada"), "Content-Type": "application/json"}
    reply = await client.post(f"/v1/approvals/{asked.id}/proposal", content=deep, headers=headers)
    assert 400 <= reply.status_code < 500, reply.status_code
    assert ward.read(asked.id) == asked


OLD = ["/approvals/{id}/resolution", "/approvals/{id}/break-glass", "/standing", "/freezes", "/freezes/{id}/lift"]


@pytest.mark.parametrize("path", OLD)
async def test_a_name_that_is_gone_does_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, path: str
) -> None:
    asked = ward.ask(rules=(RULE,))
    body = {"agent": "discharge-assistant", "ran": True, "evidence": "x", "reason": "x"}
    reply = await client.post(f"/v1{path.format(id=asked.id)}", json=body, headers=visitors.bearer("sid"))
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")
    assert ward.read(asked.id) == asked
    assert ward.acts() == []


@pytest.mark.parametrize(
    "named", [None, "", "x", "0" * 31, "0" * 33, "A" * 32, ["{id}"], {"id": "{id}"}, 0, "{id}\n", "../{id}"]
)
async def test_no_glass_is_broken_for_what_is_no_request(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, named: Any
) -> None:
    asked = ward.ask(rules=(RULE,))
    given = json.loads(json.dumps(named).replace("{id}", asked.id))
    reply = await client.post(
        "/v1/break-glass", json={"approval": given, "reason": "x"}, headers=visitors.bearer("ruiz")
    )
    assert reply.status_code == 422
    assert asked.id not in reply.text
    assert ward.acts() == []
