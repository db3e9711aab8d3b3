"""Comments over REST, in the inbox and on the stream; and the second factor that freezing asks for."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from authority.ward import Ward, human
from server.test_inbox import SAME, sign_in
from server.test_stream import GUARD, SIGHT, listen
from server.visitors import Visitors, code_for, verdict
from toolguard.authority import Actor, Service
from toolguard.directory import Audience
from toolguard_server.closing import Closing
from toolguard_server.stream import Streams


async def post(client: httpx.AsyncClient, headers: dict[str, str], approval: str, **body: Any) -> httpx.Response:
    return await client.post(f"/v1/approvals/{approval}/comments", json=body, headers=headers)


# --- REST


async def test_over_rest(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked, ada, ruiz = ward.ask(), visitors.bearer("ada"), visitors.bearer("ruiz")
    made = await post(client, ada, asked.id, text="whose is this? mail dana.whitfield@example.org")
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert (made.json()["name"], made.json()["side"]) == ("Ada Lovelace", "approver")
    assert made.json()["text"] == "whose is this? mail <EMAIL>"
    assert (await post(client, ruiz, asked.id, text="ward 7")).json()["side"] == "asking"
    listed = await client.get(f"/v1/approvals/{asked.id}/comments", headers=ruiz)
    assert [(c["person"], c["text"]) for c in listed.json()][1] == ("ruiz", "ward 7")
    assert listed.json()[0] == made.json()
    events = await client.get(f"/v1/approvals/{asked.id}/events", headers=ada)
    told = [e["body"] for e in events.json() if e["body"].get("toolguard.act.kind") == "comment"]
    assert [(b["toolguard.approver.id"], b["toolguard.act.hash"]) for b in told] == [
        (c["person"], c["digest"]) for c in listed.json()
    ]


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("nothing", {}, 422, "invalid"),
    ("empty", {"text": ""}, 422, "invalid"),
    ("blank", {"text": " \n"}, 422, "comment_invalid"),
    ("too long", {"text": "x" * 2001}, 422, "invalid"),
    ("a number", {"text": 7}, 422, "invalid"),
    ("with more", {"text": "x", "answer": "approve"}, 422, "invalid"),
]


@pytest.mark.parametrize(("how", "body", "status", "code"), REFUSED, ids=[r[0] for r in REFUSED])
async def test_what_is_no_comment(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, how: str, body: dict[str, Any], status: int, code: str
) -> None:
    reply = await post(client, visitors.bearer("ada"), ward.ask().id, **body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_sent_again_it_is_made_once(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked, headers = ward.ask(), {**visitors.bearer("ada"), "Idempotency-Key": "k-1"}
    first, again = [await post(client, headers, asked.id, text="once") for _ in range(2)]
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(ward.authority.comments(human("ada"), asked.id)) == 1
    assert (await post(client, headers, asked.id, text="other")).json()["code"] == "idempotency"


async def test_an_etag_that_was_good_stays_good(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked, ada = ward.ask(), visitors.bearer("ada")
    etag = (await client.get(f"/v1/approvals/{asked.id}", headers=ada)).headers["etag"]
    assert (await post(client, {**visitors.bearer("ruiz"), "If-Match": etag}, asked.id, text="x")).status_code == 201
    url, headers = f"/v1/approvals/{asked.id}/decision", {**ada, "If-Match": etag}
    assert (await client.post(url, json=verdict(asked), headers=headers)).status_code == 200
    late = await post(client, {**visitors.bearer("ruiz"), "If-Match": etag}, asked.id, text="y")
    assert (late.status_code, late.json()["code"]) == (412, "stale")


async def test_programs_neither_read_nor_write(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked, guard = ward.ask(), visitors.bearer("ward-guard", Audience.SERVICE)
    await post(client, visitors.bearer("ada"), asked.id, text="not for machines")
    for reply in (
        await post(client, guard, asked.id, text="x"),
        await client.get(f"/v1/approvals/{asked.id}/comments", headers=guard),
    ):
        assert (reply.status_code, reply.json()["code"]) == (403, "not_a_person")
    seen = await client.get(f"/v1/approvals/{asked.id}", headers=guard)
    assert "not for machines" not in seen.text


# --- the inbox


async def test_in_the_inbox_by_a_form(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    page = (await client.get(f"/inbox/{asked.id}")).text
    assert f'action="/inbox/{asked.id}/comments"' in page
    sent = await client.post(f"/inbox/{asked.id}/comments", data={"text": "which\r\nward?"}, headers=SAME)
    assert (sent.status_code, sent.headers["location"]) == (303, f"/inbox/{asked.id}#comments")
    for path in (f"/inbox/{asked.id}", f"/inbox/{asked.id}?part=live"):
        assert "which\nward?" in (await client.get(path)).text
    assert re.search(r'class="talked">.*?1<span class="vh"> comment<', (await client.get("/inbox")).text, re.DOTALL)


async def test_a_refusal_is_shown_with_what_was_typed(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    page = await client.post(f"/inbox/{asked.id}/comments", data={"text": "<b>" + "x" * 2000}, headers=SAME)
    assert page.status_code == 422
    assert "Your comment was not kept." in page.text
    assert "&lt;b&gt;xxx" in page.text
    assert "Your answer was not taken" not in page.text
    assert ward.authority.comments(human("ada"), asked.id) == ()


async def test_comments_that_do_not_hold_together_stop_nothing_else(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ward.ask()
    ward.authority.comment(human("ada"), asked.id, "true words")
    acts = ward.store.acts
    monkeypatch.setattr(
        ward.store, "acts", lambda t, *a: () if t == "st-marys" else acts("st-marys", *a) or acts(t, *a)[::-1] * 2
    )
    await sign_in(client, visitors, "grace")
    page = (await client.get(f"/inbox/{asked.id}")).text
    assert "do not hold together" in page
    assert "true words" not in page
    assert "Approve once" in page
    assert (await client.get("/inbox")).status_code == 200


async def test_the_inbox_is_told_and_only_by_its_own_pages(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    assert (await client.get("/inbox/stream")).status_code == 204
    await sign_in(client, visitors, "ada")
    cross = await client.get("/inbox/stream", headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403


# --- the stream


@pytest.fixture
def closing() -> Closing:
    return Closing()


@pytest.fixture
def streams(ward: Ward, closing: Closing) -> Streams:
    return Streams(ward.authority, closing, every=0.02, beat=30.0)


async def comments(stream: AsyncIterator[str]) -> AsyncIterator[tuple[str, int]]:
    async for text in stream:
        if text.startswith("event: comment\n"):
            lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
            data = json.loads(lines["data"])
            assert set(data) == {"id", "comments"}
            yield data["id"], data["comments"]


async def first(stream: AsyncIterator[tuple[str, int]], wait: float = 30.0) -> tuple[str, int]:
    return await asyncio.wait_for(anext(stream), wait)


@pytest.mark.parametrize(("who", "actor", "sees"), SIGHT, ids=[s[0] for s in SIGHT])
async def test_who_is_told_that_something_was_said(
    ward: Ward, streams: Streams, who: str, actor: Actor, sees: bool
) -> None:
    asked = ward.ask()
    ward.authority.comment(human("ada"), asked.id, "before anyone listened")
    async with aclosing(comments(listen(streams, actor))) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.2)
        ward.authority.comment(human("ada"), asked.id, "now")
        if sees and not isinstance(actor, Service):
            assert await asyncio.wait_for(waiting, 30.0) == (asked.id, 2)
            return
        await asyncio.sleep(0.3)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_whoever_comes_back_is_told_what_was_said_meanwhile(ward: Ward, streams: Streams) -> None:
    asked = ward.ask()
    ward.authority.comment(human("ada"), asked.id, "long ago")
    ward.time.at += 60.0
    left = ward.time.at
    other = ward.ask()
    ward.time.at += 60.0
    ward.authority.comment(human("ada"), other.id, "meanwhile")
    async with aclosing(comments(listen(streams, human("grace"), since=left))) as stream:
        assert await first(stream) == (other.id, 1)


async def test_another_service_s_comments_are_told_too(ward: Ward, streams: Streams) -> None:
    asked, elsewhere = ward.ask(), ward.another_authority()
    async with aclosing(comments(listen(streams, human("ruiz")))) as stream:
        waiting = asyncio.ensure_future(first(stream))
        await asyncio.sleep(0.2)
        elsewhere.comment(human("ada"), asked.id, "from the other replica")
        assert await waiting == (asked.id, 1)
    assert GUARD.agents


# --- freezing once more


async def test_who_has_a_second_factor_gives_it_to_freeze_and_to_lift(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    body = {"agent": "discharge-assistant", "reason": "it behaves oddly"}
    code = code_for(ward, "sid")
    sid, tess = visitors.bearer("sid"), visitors.bearer("tess")
    bare = await client.post("/v1/freeze", json=body, headers=sid)
    assert (bare.status_code, bare.json()["code"]) == (403, "step_up_required")
    made = await client.post("/v1/freeze", json=body, headers={**sid, "Toolguard-Step-Up": code})
    assert made.status_code == 201
    lift = f"/v1/freeze/{made.json()['id']}/lift"
    code = code_for(ward, "tess")
    wrong = await client.post(lift, json={"reason": "x"}, headers={**tess, "Toolguard-Step-Up": "000000"})
    assert wrong.status_code == 401
    assert (await client.post(lift, json={"reason": "x"}, headers=tess)).json()["code"] == "step_up_required"
    assert len(ward.authority.freezes(human("tess"))) == 1
    assert (
        await client.post(lift, json={"reason": "x"}, headers={**tess, "Toolguard-Step-Up": code})
    ).status_code == 204


async def test_the_inbox_asks_for_it_where_there_is_one(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    form = {"whom": "agent", "agent": "discharge-assistant", "reason": "oddly"}
    await sign_in(client, visitors, "sid")
    assert 'name="code"' not in (await client.get("/freezes")).text
    code = code_for(ward, "sid")
    assert 'name="code"' in (await client.get("/freezes")).text
    bare = await client.post("/freezes", data=form, headers=SAME)
    assert bare.status_code == 403
    assert "second factor" in bare.text
    assert ward.authority.freezes(human("sid")) == ()
    assert (await client.post("/freezes", data={**form, "code": code}, headers=SAME)).status_code == 303
    (act,) = ward.acts()
    assert json.loads(act.payload)["auth"].endswith("+totp")
