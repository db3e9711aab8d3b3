"""The REST API: every answer, and every refusal as a row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from authority.ward import START, Ward, human
from server.visitors import Visitors, verdict
from toolguard._core.audit import Kind
from toolguard._core.policy import ApproverRule
from toolguard.authority import Answer, Approval, State
from toolguard.directory import Audience
from toolguard.errors import StoreError
from toolguard_server import rest
from toolguard_server.problems import STATUS, TITLES

PROBLEM = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:toolguard:problem:[a-z_]+$"},
            "title": {"type": "string", "minLength": 1},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "minLength": 1},
            "code": {"enum": sorted(STATUS)},
        },
    }
)


def problem(reply: httpx.Response, status: int, code: str) -> str:
    assert (reply.status_code, reply.json().get("code")) == (status, code), reply.text
    body = reply.json()
    PROBLEM.validate(body)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert body["status"] == status
    assert body["title"] == TITLES[code]
    assert body["type"].endswith(code)
    return str(body["detail"])


async def send(
    client: httpx.AsyncClient, approval: Approval, headers: dict[str, str], answer: str = "approve", **changes: Any
) -> httpx.Response:
    match = changes.pop("if_match", f'"{approval.version}"')
    extra = {} if match is None else {"If-Match": match}
    return await client.post(
        f"/v1/approvals/{approval.id}/decision", json=verdict(approval, answer, **changes), headers={**headers, **extra}
    )


async def test_an_approver_reads_and_approves_once(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked, ada = ward.ask(), visitors.bearer("ada")
    seen = await client.get(f"/v1/approvals/{asked.id}", headers=ada)
    assert seen.status_code == 200
    assert seen.headers["etag"] == '"1"'
    assert seen.headers["cache-control"] == "no-store"
    shown = seen.json()
    assert shown["state"] == "pending"
    assert shown["can_decide"] is True
    assert shown["requester"] == {
        "person": "ruiz",
        "name": "Ana Ruiz",
        "assurance": "verified",
        "agent": "discharge-assistant",
        "run": "run-1",
    }
    assert shown["created"] == "2027-01-15T08:00:00.000Z"
    assert shown["expires"] == "2027-01-15T09:00:00.000Z"
    decided = await client.post(
        f"/v1/approvals/{asked.id}/decision",
        json={
            "answer": "approve",
            "reason": "the ward asked for it",
            "seen_call_digest": shown["call_digest"],
            "seen_view_digest": shown["view_digest"],
        },
        headers={**ada, "If-Match": seen.headers["etag"]},
    )
    assert decided.status_code == 200
    assert decided.headers["etag"] == '"2"'
    assert decided.json()["state"] == "approved"
    assert decided.json()["grant_expires"] == "2027-01-15T08:15:00.000Z"
    stored = ward.read(asked.id)
    assert stored.state is State.APPROVED
    assert stored.verdicts[0].auth.startswith("token:")
    assert stored.grant is not None
    ward.verifier.verify(stored.grant)


DECISIONS: list[tuple[str, str, Audience, dict[str, Any], int, str]] = [
    ("the requester", "ruiz", Audience.DECIDE, {}, 403, "self_approval"),
    ("the agent's owner", "noor", Audience.DECIDE, {}, 403, "self_approval"),
    ("a session token", "ada", Audience.SESSION, {}, 403, "wrong_audience"),
    ("a sign-in link", "ada", Audience.LINK, {}, 403, "wrong_audience"),
    ("a browser session as bearer", "ada", Audience.BROWSER, {}, 403, "wrong_audience"),
    ("a service token", "ward-guard", Audience.SERVICE, {}, 403, "not_a_person"),
    ("no If-Match", "ada", Audience.DECIDE, {"if_match": None}, 428, "precondition_required"),
    ("any version", "ada", Audience.DECIDE, {"if_match": "*"}, 428, "precondition_required"),
    ("another version", "ada", Audience.DECIDE, {"if_match": '"2"'}, 412, "stale"),
    ("a weak version", "ada", Audience.DECIDE, {"if_match": 'W/"1"'}, 412, "stale"),
    ("two versions", "ada", Audience.DECIDE, {"if_match": '"1", "2"'}, 412, "stale"),
    ("a bare version", "ada", Audience.DECIDE, {"if_match": "1"}, 412, "stale"),
    ("another call seen", "ada", Audience.DECIDE, {"seen_call_digest": "v1:00"}, 412, "stale"),
    ("another view seen", "ada", Audience.DECIDE, {"seen_view_digest": "v1:00"}, 412, "stale"),
    ("no reason", "ada", Audience.DECIDE, {"reason": None}, 422, "reason_required"),
    ("a blank reason", "ada", Audience.DECIDE, {"reason": " \t\n"}, 422, "reason_required"),
    ("no digest", "ada", Audience.DECIDE, {"seen_call_digest": None}, 422, "invalid"),
    ("another answer", "ada", Audience.DECIDE, {"answer": "always"}, 422, "invalid"),
    ("a field too many", "ada", Audience.DECIDE, {"person": "grace"}, 422, "invalid"),
    ("a reason too long", "ada", Audience.DECIDE, {"reason": "x" * 2001}, 422, "invalid"),
]


@pytest.mark.parametrize(
    ("who", "name", "audience", "changes", "status", "code"), DECISIONS, ids=[d[0] for d in DECISIONS]
)
async def test_a_decision_is_refused(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    who: str,
    name: str,
    audience: Audience,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    asked = ward.ask()
    problem(await send(client, asked, visitors.bearer(name, audience), **changes), status, code)
    assert ward.read(asked.id) == asked


async def denied(ward: Ward) -> Approval:
    return ward.decide(human("grace"), ward.ask(), Answer.DENY)


STATES: list[tuple[str, Callable[[Ward], Approval], str, int, str]] = [
    ("approved", lambda w: w.decide(human("grace"), w.ask()), "approve", 409, "decided"),
    ("denied", lambda w: w.decide(human("grace"), w.ask(), Answer.DENY), "approve", 409, "decided"),
    ("denied, denied again", lambda w: w.decide(human("grace"), w.ask(), Answer.DENY), "deny", 409, "decided"),
    ("withdrawn", lambda w: w.authority.withdraw(human("ruiz"), w.ask().id), "approve", 409, "decided"),
    ("expired", lambda w: _later(w, w.ask(expires=1.0)), "approve", 410, "expired"),
    ("expired, denied", lambda w: _later(w, w.ask(expires=1.0)), "deny", 410, "expired"),
    ("approved and run out", lambda w: _later(w, w.decide(human("grace"), w.ask())), "deny", 410, "expired"),
    ("tampered", lambda w: _planted(w), "approve", 409, "tampered"),
]


def _later(ward: Ward, approval: Approval) -> Approval:
    ward.time.at += 1000.0
    return approval


def _planted(ward: Ward) -> Approval:
    from authority.test_verdicts import forged

    return forged(ward, ward.ask(rules=(ApproverRule(name="two", approvers=("group:privacy-officers",), quorum=2),)))


@pytest.mark.parametrize(("what", "make", "answer", "status", "code"), STATES, ids=[s[0] for s in STATES])
async def test_what_is_over_stays_over(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    make: Callable[[Ward], Approval],
    answer: str,
    status: int,
    code: str,
) -> None:
    approval = make(ward)
    problem(await send(client, approval, visitors.bearer("ada"), answer), status, code)
    assert ward.read(approval.id) == approval
    assert ward.journal()[-1][0] is Kind.APPROVAL_REFUSED


async def test_a_no_needs_no_exact_version_and_is_never_lost(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    ward.decide(human("grace"), asked)
    reply = await send(client, asked, visitors.bearer("ada"), "deny", if_match="*")
    assert reply.status_code == 200
    assert reply.json()["state"] == "denied"


@pytest.mark.parametrize("round_", range(5))
async def test_approve_and_deny_at_once_end_in_one_state_with_both_on_record(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, round_: int
) -> None:
    asked, ada, grace = ward.ask(), visitors.bearer("ada"), visitors.bearer("grace")
    yes, no = await asyncio.gather(send(client, asked, ada), send(client, asked, grace, "deny", if_match="*"))
    assert ward.read(asked.id).state is State.DENIED
    assert no.status_code == 200
    assert yes.status_code in (200, 409)
    spoke = {b["toolguard.approver.id"] for _, b in ward.journal() if "toolguard.approver.id" in b}
    assert spoke == {"ada", "grace"}


async def test_one_click_a_hundred_times_decides_once(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked, ada = ward.ask(), visitors.bearer("ada")
    replies = await asyncio.gather(*(send(client, asked, ada) for _ in range(100)))
    assert sorted(r.status_code for r in replies) == [200] + [409] * 99
    assert len(ward.read(asked.id).verdicts) == 1


SIGHT: list[tuple[str, str, Audience, str, bool]] = [
    ("approver", "ada", Audience.DECIDE, "st-marys", True),
    ("requester", "ruiz", Audience.DECIDE, "st-marys", True),
    ("its service", "ward-guard", Audience.SERVICE, "st-marys", True),
    ("another service", "other-guard", Audience.SERVICE, "st-marys", False),
    ("not concerned", "noor", Audience.DECIDE, "st-marys", False),
    ("same group elsewhere", "luke", Audience.DECIDE, "st-lukes", False),
]


@pytest.mark.parametrize(("who", "name", "audience", "tenant", "sees"), SIGHT, ids=[s[0] for s in SIGHT])
async def test_only_those_concerned_see_it(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    who: str,
    name: str,
    audience: Audience,
    tenant: str,
    sees: bool,
) -> None:
    asked, headers = ward.ask(), visitors.bearer(name, audience, tenant)
    one = await client.get(f"/v1/approvals/{asked.id}", headers=headers)
    page = await client.get("/v1/approvals", headers=headers)
    assert [a["id"] for a in page.json()["items"]] == ([asked.id] if sees else [])
    assert page.headers["cache-control"] == "no-store"
    if sees:
        assert one.json()["id"] == asked.id
    else:
        problem(one, 404, "not_found")


async def test_someone_of_another_tenant_cannot_even_be_refused_by_name(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    reply = await send(client, asked, visitors.bearer("luke", tenant="st-lukes"))
    problem(reply, 404, "not_found")
    assert ward.journal() == []


async def test_who_left_the_group_is_told_and_decides_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked, ada = ward.ask(), visitors.bearer("ada")
    ward.write_directory(lambda text: text.replace("members: [ada, grace, joan, ruiz]", "members: [grace, joan, ruiz]"))
    assert "not an approver" in problem(await send(client, asked, ada), 403, "not_an_approver")


async def test_a_token_whose_person_left_the_directory_opens_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked, ada = ward.ask(), visitors.bearer("ada")
    ward.write_directory(lambda text: text.replace("subject: ada}", "subject: ada-old}"))
    problem(await client.get(f"/v1/approvals/{asked.id}", headers=ada), 401, "identity")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer tg_decide_x_y", "bearer\u00a0x".encode("latin-1")]
)
async def test_without_a_token_that_holds_nobody_gets_in(client: httpx.AsyncClient, ward: Ward, header: Any) -> None:
    headers = {} if header is None else {"Authorization": header}
    reply = await client.get(f"/v1/approvals/{ward.ask().id}", headers=headers)
    problem(reply, 401, "identity")
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_the_inboxs_cookie_opens_nothing_here(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    client.cookies.set("toolguard_session", visitors.secret("ada", Audience.BROWSER))
    problem(await send(client, ward.ask(), {}), 401, "identity")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_only_a_post_decides(client: httpx.AsyncClient, ward: Ward, visitors: Visitors, method: str) -> None:
    asked = ward.ask()
    reply = await client.request(
        method,
        f"/v1/approvals/{asked.id}/decision?answer=approve&reason=x",
        headers={**visitors.bearer("ada"), "If-Match": '"1"'},
    )
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"
    assert ward.read(asked.id) == asked


LISTS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("all", {}, ["denied", "late", "open"]),
    ("mine", {"assigned_to": "me"}, ["open"]),
    ("pending", {"state": "pending"}, ["late", "open"]),
    ("two states", {"state": ["denied", "approved"]}, ["denied"]),
]


@pytest.mark.parametrize(("what", "query", "expected"), LISTS, ids=[row[0] for row in LISTS])
async def test_lists(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, what: str, query: dict[str, Any], expected: list[str]
) -> None:
    names = {ward.ask().id: "open", ward.ask(expires=1.0).id: "late"}
    names[ward.decide(human("grace"), ward.ask(), Answer.DENY).id] = "denied"
    ward.time.at += 2.0
    page = await client.get("/v1/approvals", params=query, headers=visitors.bearer("ada"))
    assert [names[a["id"]] for a in page.json()["items"]] == expected


async def test_pages_by_cursor(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    made = [ward.ask().id for _ in range(5)][::-1]
    ada, seen, query = visitors.bearer("ada"), [], {"limit": "2"}
    while True:
        page = (await client.get("/v1/approvals", params=query, headers=ada)).json()
        seen += [a["id"] for a in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made


@pytest.mark.parametrize(
    "query", [{"state": "open"}, {"assigned_to": "you"}, {"limit": "0"}, {"limit": "101"}, {"cursor": "' OR 1=1"}]
)
async def test_a_list_query_that_does_not_fit(
    client: httpx.AsyncClient, visitors: Visitors, query: dict[str, str]
) -> None:
    detail = problem(await client.get("/v1/approvals", params=query, headers=visitors.bearer("ada")), 422, "invalid")
    assert not any(value in detail for value in query.values() if len(value) > 2)


async def test_its_requester_waits_and_hears_the_answer(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "_LOOK", 60.0)  # it is told, or the wait is over
    asked, guard = ward.ask(), visitors.bearer("ward-guard", Audience.SERVICE)
    early = await client.get(f"/v1/approvals/{asked.id}/wait", params={"timeout": 0}, headers=guard)
    assert early.status_code == 204
    assert early.content == b""
    waiting = asyncio.create_task(client.get(f"/v1/approvals/{asked.id}/wait", params={"timeout": 60}, headers=guard))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await send(client, asked, visitors.bearer("ada"), "deny")
    reply = await asyncio.wait_for(waiting, 30)
    assert reply.status_code == 200
    assert reply.json()["state"] == "denied"


async def test_a_wait_ends_when_time_runs_out_though_no_sweeper_ran(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask(expires=1.0)
    ward.time.at += 2.0
    reply = await client.get(f"/v1/approvals/{asked.id}/wait", headers=visitors.bearer("ruiz"))
    assert reply.json()["state"] == "expired"


@pytest.mark.parametrize(
    ("name", "audience", "status", "code"),
    [("ada", Audience.DECIDE, 403, "not_requester"), ("other-guard", Audience.SERVICE, 404, "not_found")],
)
@pytest.mark.parametrize("call", ["wait", "withdraw"])
async def test_only_the_asking_side_waits_and_withdraws(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    call: str,
    name: str,
    audience: Audience,
    status: int,
    code: str,
) -> None:
    asked, headers = ward.ask(), visitors.bearer(name, audience)
    method = "GET" if call == "wait" else "POST"
    problem(await client.request(method, f"/v1/approvals/{asked.id}/{call}", headers=headers), status, code)
    assert ward.read(asked.id) == asked


async def test_withdraw_and_then_it_is_over(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked, guard = ward.ask(), visitors.bearer("ward-guard", Audience.SERVICE)
    done = await client.post(f"/v1/approvals/{asked.id}/withdraw", headers=guard)
    assert done.json()["state"] == "withdrawn"
    problem(await client.post(f"/v1/approvals/{asked.id}/withdraw", headers=guard), 409, "decided")


EDGES: list[tuple[str, dict[str, Any], int, str]] = [
    ("another host", {"headers": {"Host": "evil.example"}}, 421, "wrong_host"),
    ("no host", {"headers": {"Host": ""}}, 421, "wrong_host"),
    ("too large", {"content": b"{" + b" " * 70_000, "headers": {"Content-Type": "application/json"}}, 413, "too_large"),
    ("a form", {"data": {"answer": "approve"}}, 415, "unsupported_media_type"),
    ("plain text", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
    ("not JSON", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "invalid"),
]


@pytest.mark.parametrize(("what", "sent", "status", "code"), EDGES, ids=[e[0] for e in EDGES])
async def test_the_edge(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, what: str, sent: dict[str, Any], status: int, code: str
) -> None:
    headers = {**visitors.bearer("ada"), "If-Match": '"1"', **sent.get("headers", {})}
    reply = await client.post(f"/v1/approvals/{ward.ask().id}/decision", **{**sent, "headers": headers})
    problem(reply, status, code)


async def test_a_body_that_lies_about_its_length_is_cut_off(client: httpx.AsyncClient, visitors: Visitors) -> None:
    async def drip() -> Any:
        for _ in range(20):
            yield b" " * 8192

    reply = await client.post(
        f"/v1/approvals/{'0' * 32}/decision",
        content=drip(),
        headers={**visitors.bearer("ada"), "Content-Type": "application/json"},
    )
    problem(reply, 413, "too_large")


@pytest.mark.parametrize(
    "path", ["/v1/approvals/1", "/v1/approvals/" + "g" * 32, "/v1/approvals/../../etc", "/nothing"]
)
async def test_unknown_paths_are_problems_too(client: httpx.AsyncClient, visitors: Visitors, path: str) -> None:
    reply = await client.get(path, headers=visitors.bearer("ada"))
    assert reply.status_code in (404, 422)
    PROBLEM.validate(reply.json())


async def test_every_answer_carries_the_security_headers(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    paths = ["/healthz", "/signin", "/nothing", f"/v1/approvals/{ward.ask().id}", "/static/style.css"]
    for path in paths:
        reply = await client.get(path, headers=visitors.bearer("ada"))
        assert "default-src 'none'" in reply.headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"


async def test_a_store_that_is_down_decides_nothing_and_says_so(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ada = ward.ask(), visitors.bearer("ada")

    def down(*_: object, **__: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(ward.store, "commit", down)
    reply = await send(client, asked, ada)
    problem(reply, 503, "unavailable")
    assert reply.headers["retry-after"]
    assert ward.read(asked.id) == asked


async def test_a_broken_directory_is_unavailable_and_not_ready(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked, ada = ward.ask(), visitors.bearer("ada")
    assert (await client.get("/readyz")).status_code == 200
    ward.write_directory(lambda text: "persons: [")
    problem(await client.get("/readyz"), 503, "unavailable")
    problem(await send(client, asked, ada), 503, "unavailable")
    assert (await client.get("/healthz")).json() == {"status": "ok"}


CANARY = "Maria Canarywood MRN 48213377"


async def test_no_log_and_no_problem_repeats_what_was_sent(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked, ada = ward.ask(view={"body": CANARY}, agent_reason=CANARY), visitors.bearer("ada")
    replies = [
        await send(client, asked, ada, reason=CANARY, if_match=CANARY),
        await send(client, asked, ada, reason=CANARY, seen_call_digest=CANARY),
        await send(client, asked, ada, answer=CANARY),
        await send(client, asked, ada, **{CANARY.replace(" ", "_"): 1}),
        await client.get("/v1/approvals", params={"state": CANARY, "cursor": CANARY}, headers=ada),
        await client.get(f"/v1/approvals/{CANARY}", headers={"Authorization": f"Bearer {CANARY}"}),
        await client.get(f"/{CANARY}", headers=ada),
    ]

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(ward.store, "get", broken)
    crashed = await send(client, asked, ada, reason=CANARY)
    problem(crashed, 500, "internal")
    for reply in [*replies, crashed]:
        assert reply.status_code >= 400
        assert "Canarywood" not in reply.text
        assert "48213377" not in reply.text
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("toolguard", "uvicorn", "fastapi"))]
    assert any("RuntimeError at" in line for line in ours)
    assert not any("Canarywood" in line or "48213377" in line for line in ours)
    assert all(r.exc_info is None for r in caplog.records if r.name.startswith("toolguard"))
    assert "Canarywood" not in str(ward.journal())


async def test_the_description_names_every_route_and_refusal(client: httpx.AsyncClient) -> None:
    described = (await client.get("/v1/openapi.json")).json()
    assert set(described["paths"]) == {
        "/v1/approvals",
        "/v1/approvals/{approval_id}",
        "/v1/approvals/by-call",
        "/v1/approvals/{approval_id}/claim",
        "/v1/approvals/{approval_id}/outcome",
        "/v1/approvals/{approval_id}/wait",
        "/v1/approvals/{approval_id}/decision",
        "/v1/approvals/{approval_id}/withdraw",
        "/v1/approvals/{approval_id}/confirm",
        *(f"/v1/approvals/{{approval_id}}/{act}" for act in ("reveal", "proposal", "revoke", "resolve")),
        "/v1/break-glass",
        "/v1/freeze",
        "/v1/freeze/{freeze_id}/lift",
        "/v1/redactions",
        "/v1/redactions/{redaction_id}/confirm",
        "/v1/holds",
        "/v1/holds/{hold_id}/lift",
        "/v1/standing-approvals",
        "/v1/standing-approvals/{standing_id}/end",
        "/v1/reviews",
        "/v1/reviews/{subject}",
        "/v1/stats",
        "/v1/stream",
        "/v1/approvals/{approval_id}/events",
        "/v1/approvals/{approval_id}/comments",
        "/v1/register",
        "/v1/uses",
    }
    decision = described["paths"]["/v1/approvals/{approval_id}/decision"]["post"]["responses"]
    assert {"200", "401", "403", "404", "409", "410", "412", "415", "422", "428", "503"} <= set(decision)
    assert "application/problem+json" in decision["412"]["content"]


def test_every_code_has_a_title_and_a_status() -> None:
    assert set(STATUS) == set(TITLES)
    assert START > 0
