"""A guard without a database: it asks, finds, claims and reports by the service alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from authority.ward import Ward, human
from server.asked import RemoteGuard, request_of
from server.test_rest import problem
from server.visitors import Visitors, client_of, verdict
from toolguard._core.approval import Request, request_digest
from toolguard._core.approver import ApproverRule, Escalation, Stage, StandingLimits
from toolguard._core.audit import Kind
from toolguard._core.steps import Standing
from toolguard.authority import Answer, State
from toolguard.authority.confirm import Confirming
from toolguard.directory import Audience
from toolguard.errors import StoreError
from toolguard.journal import verify
from toolguard.witness import Witness
from toolguard_server import create_app


@pytest.fixture
def guard(client: httpx.AsyncClient, visitors: Visitors) -> RemoteGuard:
    return RemoteGuard(client, visitors)


async def approved(ward: Ward, guard: RemoteGuard, **changes: Any) -> Request:
    request = request_of(ward, **changes)
    reply = await guard.ask(request)
    assert reply.status_code == 201, reply.text
    ward.decide(human("ada"), ward.read(request.id))
    return request


async def test_a_call_from_request_to_outcome(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, guard: RemoteGuard
) -> None:
    request = request_of(ward)
    asked = await guard.ask(request)
    assert asked.status_code == 201
    assert asked.headers["location"] == f"/v1/approvals/{request.id}"
    assert asked.headers["etag"] == '"1"'
    assert asked.headers["cache-control"] == "no-store"
    assert asked.json()["grant"] is None
    decided = await client.post(
        f"/v1/approvals/{request.id}/decision",
        json=verdict(ward.read(request.id)),
        headers={**visitors.bearer("ada"), "If-Match": asked.headers["etag"]},
    )
    assert decided.json()["state"] == "approved"
    waited = await client.get(f"/v1/approvals/{request.id}/wait?timeout=0", headers=guard.headers)
    assert waited.json()["state"] == "approved"
    claim = await guard.claim(request.id, request.call_digest, 2, lease=60)
    assert claim.status_code == 200
    given = claim.json()
    assert (given["state"], given["version"], claim.headers["etag"]) == ("executing", 3, '"3"')
    assert given["lease_until"] == "2027-01-15T08:01:00.000Z"
    grant = ward.read(request.id).grant
    assert grant is not None
    assert base64.b64decode(given["grant"]["payload"]) == grant.payload
    assert base64.b64decode(given["grant"]["signature"]) == grant.signature
    assert json.loads(grant.payload)["view_digest"] == request.view_digest
    ended = await guard.outcome(request.id, request.call_digest)
    assert ended.status_code == 200
    assert (ended.json()["state"], ended.json()["outcome"]) == ("executed", "ok")
    row = ward.store.ledger("st-marys", request.ref)
    assert row is not None
    assert row.standing is Standing.EXECUTED


async def test_what_is_kept_is_what_was_sent_to_the_last_bit(ward: Ward, guard: RemoteGuard) -> None:
    rule = ApproverRule(
        name="two steps",
        approvers=("group:privacy-officers", "oncall:privacy"),
        quorum=2,
        then=(Stage(approvers=("person:sid",)),),
        escalate=(Escalation(after=600.5, approvers=("group:security",)),),
        fallback=("person:tess",),
        standing=StandingLimits(seconds=3600.0, uses=5),
        break_glass=("group:emergency",),
        budget=3,
    )
    request = request_of(
        ward,
        rules=(rule,),
        created=ward.time() + 0.123456789,
        expires=ward.time() + 3000.123456789,
        entities={"PERSON": 2},
        hidden=("recipient",),
        sealed_decisive=b"\x00\xff",
        target="v1:t",
        subject="v1:s",
        arg_digests={"to": "v1:1"},
        fallback=frozenset({"two steps"}),
        bound={"path": "v1:b"},
        unbound=("url",),
        risk_classes=("communication",),
    )
    assert (await guard.ask(request)).status_code == 201
    kept = ward.read(request.id).request
    assert kept == request
    assert request_digest(ward.ring.sealer("st-marys").digest_key, kept) == request.view_digest


async def test_the_same_request_again_is_the_same_approval(ward: Ward, guard: RemoteGuard) -> None:
    request = request_of(ward)
    first, again = await guard.ask(request), await guard.ask(request)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert len(ward.store.list("st-marys")) == 1
    problem(await guard.ask(request, tool="delete_all"), 409, "conflict")
    problem(await guard.ask(request_of(ward, ref=request.ref)), 409, "conflict")
    assert ward.read(request.id).request == request


CHANGES: list[tuple[str, Callable[[Ward], dict[str, Any]], int, str]] = [
    ("another tenant", lambda w: {"tenant": "st-lukes"}, 403, "not_your_agent"),
    (
        "a requester of another tenant",
        lambda w: {"requester": {"issuer": "local", "tenant": "st-lukes", "subject": "luke"}},
        403,
        "not_your_agent",
    ),
    ("another's agent", lambda w: {"agent": "other-assistant"}, 403, "not_your_agent"),
    (
        "someone unknown",
        lambda w: {"requester": {"issuer": "local", "tenant": "st-marys", "subject": "nobody"}},
        403,
        "requester_unknown",
    ),
    ("another person than the identity's", lambda w: {"requester_person": "joan"}, 403, "requester_unknown"),
    ("a clock behind", lambda w: {"created": w.time() - 31}, 422, "clock"),
    ("a clock ahead", lambda w: {"created": w.time() + 31, "expires": w.time() + 60}, 422, "clock"),
    ("later than its rule", lambda w: {"expires": w.time() + 3601}, 422, "request_invalid"),
    ("over before it began", lambda w: {"expires": w.time() - 1}, 422, "request_invalid"),
    ("a yes that keeps too long", lambda w: {"claim_ttl": 901.0}, 422, "request_invalid"),
    ("the requester may decide", lambda w: {"excluded": ["noor"]}, 422, "request_invalid"),
    ("nobody may decide", lambda w: {"approver_rules": [{"name": "x", "approvers": []}]}, 422, "request_invalid"),
    ("no rule", lambda w: {"approver_rules": []}, 422, "invalid"),
    ("a quorum of none", lambda w: {"approver_rules": [{"name": "x", "approvers": ["person:a"], "quorum": 0}]}, 422, "invalid"),
    ("a risk that is none", lambda w: {"risk_level": "harmless"}, 422, "request_invalid"),
    ("a field too many", lambda w: {"state": "approved"}, 422, "invalid"),
    ("an id that is none", lambda w: {"id": "x"}, 422, "invalid"),
    ("arguments that are not sealed", lambda w: {"sealed": "Maria Schmidt!"}, 422, "invalid"),
    ("no end", lambda w: {"expires": 1e300}, 422, "invalid"),
    ("a view without end", lambda w: {"view": json.loads("[" * 60 + "]" * 60)}, 422, "invalid"),
    ("too much", lambda w: {"sealed": "A" * 500_000}, 413, "too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changes", "status", "code"), CHANGES, ids=[c[0] for c in CHANGES])
async def test_a_request_is_refused(
    ward: Ward, guard: RemoteGuard, what: str, changes: Callable[[Ward], dict[str, Any]], status: int, code: str
) -> None:
    said = problem(await guard.ask(request_of(ward), **changes(ward)), status, code)
    assert "Schmidt" not in said
    assert ward.store.list("st-marys") == ()
    assert ward.store.list("st-lukes") == ()


@pytest.mark.parametrize("audience", [Audience.DECIDE, Audience.SESSION, Audience.BROWSER, Audience.LINK])
async def test_no_person_asks_claims_or_reports(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, guard: RemoteGuard, audience: Audience
) -> None:
    request = await approved(ward, guard)
    before = ward.read(request.id)
    guard.headers = visitors.bearer("ruiz", audience)
    code = "not_a_service" if audience is Audience.DECIDE else "wrong_audience"
    problem(await guard.ask(request_of(ward)), 403, code)
    problem(await guard.claim(request.id, request.call_digest), 403, code)
    problem(await guard.outcome(request.id, request.call_digest), 403, code)
    reply = await client.get(
        "/v1/approvals/by-call", params={"run": "run-7", "call_id": request.ref.call_id}, headers=guard.headers
    )
    problem(reply, 403, code)
    assert ward.read(request.id) == before


async def test_one_guard_is_not_another(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, guard: RemoteGuard
) -> None:
    request = await approved(ward, guard)
    before = ward.read(request.id)
    other = RemoteGuard(client, visitors, "other-guard")
    problem(await other.claim(request.id, request.call_digest), 404, "not_found")
    problem(await other.outcome(request.id, request.call_digest), 404, "not_found")
    where = {"run": "run-7", "call_id": request.ref.call_id}
    problem(await client.get("/v1/approvals/by-call", params=where, headers=other.headers), 404, "not_found")
    mine = await client.get("/v1/approvals/by-call", params=where, headers=guard.headers)
    assert mine.json()["id"] == request.id
    assert mine.json()["grant"]["key_id"]
    problem(
        await client.get("/v1/approvals/by-call", params={**where, "ordinal": 1}, headers=guard.headers),
        404,
        "not_found",
    )
    assert ward.read(request.id) == before


async def late(ward: Ward, guard: RemoteGuard) -> Request:
    request = await approved(ward, guard)
    ward.time.at += 901
    return request


async def late_question(ward: Ward, guard: RemoteGuard) -> Request:
    request = request_of(ward)
    await guard.ask(request)
    ward.time.at += 3601
    return request


async def pending(ward: Ward, guard: RemoteGuard) -> Request:
    request = request_of(ward)
    await guard.ask(request)
    return request


async def denied(ward: Ward, guard: RemoteGuard) -> Request:
    request = await pending(ward, guard)
    ward.decide(human("ada"), ward.read(request.id), Answer.DENY)
    return request


async def revoked(ward: Ward, guard: RemoteGuard) -> Request:
    request = await approved(ward, guard)
    ward.authority.revoke(human("grace"), request.id, reason="no")
    return request


async def frozen(ward: Ward, guard: RemoteGuard) -> Request:
    request = await approved(ward, guard)
    before = ward.read(request.id)
    ward.authority.freeze(human("sid"), agent="discharge-assistant", reason="odd")
    if ward.read(request.id).state is State.APPROVED:
        return request
    _set_back(ward, before)
    return request


def _set_back(ward: Ward, before: Any) -> None:
    ward.store._approvals[before.id] = before  # type: ignore[attr-defined] # whoever writes to the database


async def left_and_set_back(ward: Ward, guard: RemoteGuard) -> Request:
    """It ran, and somebody set the row back."""
    request = await approved(ward, guard)
    before = ward.read(request.id)
    assert (await guard.claim(request.id, request.call_digest)).status_code == 200
    _set_back(ward, before)
    return request


async def asking_now(ward: Ward, guard: RemoteGuard) -> Request:
    """Who approved it came to own the agent."""
    request = await approved(ward, guard)
    ward.write_directory(lambda text: text.replace("owners: [noor]}\nservices", "owners: [noor, ada]}\nservices"))
    return request


async def planted(ward: Ward, guard: RemoteGuard) -> Request:
    """A yes without a signature."""
    request = await pending(ward, guard)
    waiting = ward.read(request.id)
    _set_back(ward, replace(waiting, state=State.APPROVED, version=2, grant_expires=ward.time() + 900))
    return request


async def planted_glass(ward: Ward, guard: RemoteGuard) -> Request:
    """Glass that nobody broke."""
    request = await pending(ward, guard)
    waiting = ward.read(request.id)
    _set_back(ward, replace(waiting, state=State.BREAK_GLASS, version=2, grant_expires=ward.time() + 900))
    return request


async def voided_and_set_back(ward: Ward, guard: RemoteGuard) -> Request:
    """Revoked, and the row set back to the yes."""
    request = await approved(ward, guard)
    before = ward.read(request.id)
    ward.authority.revoke(human("grace"), request.id, reason="no")
    _set_back(ward, before)
    return request


async def claimed_before(ward: Ward, guard: RemoteGuard) -> Request:
    request = await approved(ward, guard)
    assert (await guard.claim(request.id, request.call_digest)).status_code == 200
    return request


CLAIMS: list[tuple[Any, int | None, int, str]] = [
    (pending, 1, 409, "not_approved"),
    (denied, 2, 409, "not_approved"),
    (revoked, 3, 409, "not_approved"),
    (late_question, 1, 410, "expired"),
    (late, 2, 410, "expired"),
    (frozen, 2, 409, "frozen"),
    (claimed_before, 2, 409, "spent"),
    (left_and_set_back, 2, 409, "tampered"),
    (planted, 2, 409, "tampered"),
    (planted_glass, 2, 409, "tampered"),
    (voided_and_set_back, 2, 409, "tampered"),
    (asking_now, 2, 409, "not_eligible"),
    (approved, 1, 412, "stale"),
    (approved, 3, 412, "stale"),
    (approved, None, 428, "precondition_required"),
]


@pytest.mark.parametrize(("make", "version", "status", "code"), CLAIMS, ids=[f"{c[0].__name__}-{c[1]}" for c in CLAIMS])
async def test_a_claim_is_refused(
    ward: Ward, guard: RemoteGuard, make: Any, version: int | None, status: int, code: str
) -> None:
    request = await make(ward, guard)
    before = ward.read(request.id)
    problem(await guard.claim(request.id, request.call_digest, version), status, code)
    assert ward.read(request.id) == before


async def test_a_claim_names_the_call_it_is_for(ward: Ward, guard: RemoteGuard) -> None:
    request = await approved(ward, guard)
    problem(await guard.claim(request.id, "v1:other"), 412, "stale")
    guard.headers["Idempotency-Key"] = "again"
    problem(await guard.claim(request.id, request.call_digest), 422, "invalid")
    assert ward.read(request.id).state is State.APPROVED


async def test_of_thirty_claims_at_once_one_is_given(ward: Ward, guard: RemoteGuard) -> None:
    request = await approved(ward, guard)
    replies = await asyncio.gather(*(guard.claim(request.id, request.call_digest) for _ in range(30)))
    assert sorted(r.status_code for r in replies) == [200] + [409] * 29
    executing = [kind for kind, body in ward.journal() if kind is Kind.CALL_EXECUTING]
    assert len(executing) == 1


async def test_a_freeze_reaches_what_is_asked_next(ward: Ward, guard: RemoteGuard) -> None:
    ward.authority.freeze(human("sid"), agent="discharge-assistant", reason="odd")
    problem(await guard.ask(request_of(ward)), 409, "frozen")
    assert ward.store.list("st-marys") == ()


async def test_a_run_that_asks_on_and_on_is_stopped(ward: Ward, guard: RemoteGuard) -> None:
    for _ in range(100):
        assert (await guard.ask(request_of(ward))).status_code == 201
    problem(await guard.ask(request_of(ward)), 429, "request_cap")
    assert len(ward.store.list("st-marys", limit=200)) == 100


ENDS: list[tuple[str, dict[str, Any], State, str, Kind]] = [
    ("returned", {}, State.EXECUTED, "ok", Kind.CALL_RETURNED),
    ("returned", {"withheld": True}, State.EXECUTED, "ok", Kind.CALL_RETURNED),
    ("failed", {"error": "TimeoutError"}, State.EXECUTED, "error", Kind.CALL_FAILED),
    ("indeterminate", {}, State.INDETERMINATE, "", Kind.CALL_INDETERMINATE),
]


@pytest.mark.parametrize(("ended", "more", "state", "outcome", "kind"), ENDS)
async def test_how_it_ended_is_said_once_and_written_down(
    ward: Ward, guard: RemoteGuard, ended: str, more: dict[str, Any], state: State, outcome: str, kind: Kind
) -> None:
    request = await claimed_before(ward, guard)
    for _ in range(2):
        reply = await guard.outcome(request.id, request.call_digest, ended, **more)
        assert reply.status_code == 200, reply.text
    after = ward.read(request.id)
    assert (after.state, after.outcome, after.version) == (state, outcome, 4)
    kinds = [kind for kind, _ in ward.journal()]
    assert kinds.count(kind) == 1
    assert kinds[-2:] == [Kind.CALL_EXECUTING, kind]
    assert verify(ward.store).ok


@pytest.mark.parametrize("make", [pending, approved, denied, revoked, late])
async def test_what_never_began_has_no_outcome(ward: Ward, guard: RemoteGuard, make: Any) -> None:
    request = await make(ward, guard)
    before = ward.read(request.id)
    problem(await guard.outcome(request.id, request.call_digest), 409, "decided")
    assert ward.read(request.id) == before


async def test_an_outcome_that_comes_after_the_sweep_still_counts_and_another_does_not(
    ward: Ward, guard: RemoteGuard
) -> None:
    request = await claimed_before(ward, guard)
    ward.time.at += 301
    ward.authority.sweep()
    assert ward.read(request.id).state is State.INDETERMINATE
    problem(await guard.outcome(request.id, "v1:other"), 412, "stale")
    assert (await guard.outcome(request.id, request.call_digest)).status_code == 200
    assert ward.read(request.id).state is State.EXECUTED
    problem(await guard.outcome(request.id, request.call_digest, "failed"), 409, "decided")
    assert verify(ward.store).ok


@pytest.mark.parametrize("given", [{"error": "Maria Schmidt"}, {"ended": "fine"}, {"text": "x"}])
async def test_an_outcome_holds_no_text(ward: Ward, guard: RemoteGuard, given: dict[str, Any]) -> None:
    request = await claimed_before(ward, guard)
    body = {"call_digest": request.call_digest, "ended": "returned", **given}
    reply = await guard._client.post(f"/v1/approvals/{request.id}/outcome", json=body, headers=guard.headers)
    problem(reply, 422, "invalid")
    assert ward.read(request.id).state is State.EXECUTING


async def test_a_critical_call_is_given_out_once_even_from_a_copy(ward: Ward, visitors: Visitors) -> None:
    witness = Witness(ward.folder / "witness", ward.store.epoch)
    confirming = Confirming(ward.store, ward.directory, ward.verifier, witness)
    app = create_app(ward.authority, ward.tokens, ward.directory, confirming=confirming)
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8790") as client,
        client_of(ward) as without,
    ):
        guard = RemoteGuard(client, visitors)
        request = await approved(ward, guard, risk_level="critical")
        problem(await RemoteGuard(without, visitors).claim(request.id, request.call_digest), 409, "not_approved")
        assert (await guard.claim(request.id, request.call_digest)).status_code == 200
        problem(await guard.claim(request.id, request.call_digest), 409, "spent")


async def test_the_journal_of_the_service_holds_it_before_the_claim_is_given(ward: Ward, guard: RemoteGuard) -> None:
    request = await claimed_before(ward, guard)
    kinds = [r.draft.kind for r in ward.store.records(call=request.call)]
    assert kinds == [Kind.APPROVAL_REQUESTED, Kind.APPROVAL_VERDICT, Kind.APPROVAL_RESOLVED, Kind.CALL_EXECUTING]
    assert "<EMAIL_1>" not in str([r.draft.body for r in ward.store.records(call=request.call)])


async def test_a_store_that_was_set_back_gives_nothing_out(
    ward: Ward, guard: RemoteGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await approved(ward, guard)

    def set_back() -> None:
        raise StoreError("the store was set back")

    monkeypatch.setattr(ward.authority, "_check_store", set_back)
    problem(await guard.claim(request.id, request.call_digest), 503, "unavailable")
    assert ward.read(request.id).state is State.APPROVED


async def test_broken_glass_is_claimed_once_while_it_lasts(ward: Ward, guard: RemoteGuard) -> None:
    rule = ApproverRule(name="open", approvers=("group:privacy-officers",), break_glass=("group:emergency",))
    kinds = {"risk_class": "read", "risk_classes": ("read",), "subject": "v1:patient"}
    request, late_one = request_of(ward, rules=(rule,), **kinds), request_of(ward, rules=(rule,), **kinds)
    for each in (request, late_one):
        assert (await guard.ask(each)).status_code == 201
        ward.authority.break_glass(human("ruiz", sure=True), each.id, reason="the patient is unconscious")
    assert (await guard.claim(request.id, request.call_digest)).json()["state"] == "executing"
    problem(await guard.claim(request.id, request.call_digest), 409, "spent")
    ward.time.at += 1801
    problem(await guard.claim(late_one.id, late_one.call_digest), 410, "expired")
