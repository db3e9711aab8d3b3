"""Beside a request what came before it, and what was answered in all: only what the visitor may see, never in clear."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from authority.ward import Ward, human
from server.test_inbox import sign_in
from server.visitors import Visitors
from toolguard.authority import Answer, Approval, ApproverRule

VIEW = {"to": "<EMAIL_1>", "body": "Dear <PERSON_1>", "attachment": "letter.pdf"}


def approved(ward: Ward, **changes: object) -> Approval:
    return ward.decide(human("grace"), ward.ask(view=VIEW, **changes))  # type: ignore[arg-type] # a test says which


async def shown(client: httpx.AsyncClient, approval: Approval) -> str:
    reply = await client.get(f"/inbox/{approval.id}")
    assert reply.status_code == 200
    return html.unescape(reply.text)


def marks(page: str) -> dict[str, str]:
    """Argument → the word it is marked with."""
    found = re.findall(r'<th scope="row">([^<]+)<span class="diff"><span[^>]*>.</span> ([^<]+)</span>', page)
    return dict(found)


async def test_each_argument_is_marked_beside_the_last_approved_call(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    before = approved(ward)
    now = ward.ask(view={"to": "<EMAIL_1>", "body": "Dear <PERSON_2>", "cc": "<EMAIL_2>"})
    await sign_in(client, visitors, "ada")
    page = await shown(client, now)
    assert marks(page) == {"to": "same as then", "body": "changed", "cc": "new", "attachment": "gone"}
    assert f'href="/inbox/{before.id}">last approved call</a>' in page
    assert "by the same person and agent" in page
    assert "letter.pdf" in page
    for word in ("1 changed", "1 new", "1 gone", "1 the same"):
        assert word in page, word


async def test_what_differs_behind_the_masks_is_said(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    approved(ward, arg_digests={"to": "v1:one"})
    now = ward.ask(view=VIEW, arg_digests={"to": "v1:other"})
    await sign_in(client, visitors, "ada")
    page = await shown(client, now)
    assert marks(page) == {"to": "changed"}
    assert "another value stands behind the masks" in page
    assert "v1:one" not in page
    assert "v1:other" not in page


async def test_a_first_time_is_told(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    ward.decide(human("grace"), ward.ask(view=VIEW), Answer.DENY)
    now = ward.ask(view=VIEW)
    await sign_in(client, visitors, "ada")
    page = await shown(client, now)
    assert "First time" in page
    assert marks(page) == {}
    assert "1 denied" in page


async def test_somebody_elses_call_is_named_and_another_schema_is_told(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    approved(ward, agent="other-assistant", tool_ref="mail#send_email@1")
    now = ward.ask(view=VIEW)
    await sign_in(client, visitors, "ada")
    page = await shown(client, now)
    assert "through other-assistant" in page
    assert "another schema or description" in page


async def test_a_call_the_visitor_may_not_see_is_not_compared_with(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    other = ApproverRule(name="other", approvers=("person:sid",))
    hidden = ward.decide(human("sid"), ward.ask(view=VIEW, rules=(other,)))
    ward.decide(human("luke", tenant="st-lukes"), ward.ask(view=VIEW, tenant="st-lukes"))
    now = ward.ask(view=VIEW)
    await sign_in(client, visitors, "ada")
    page = await shown(client, now)
    assert "First time" in page
    assert hidden.id not in page
    assert "Nothing that you may see was asked before" in page


async def test_a_rule_nobody_can_complete_is_told(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    nobody = ApproverRule(name="nobody", approvers=("person:ruiz",))
    officers = ApproverRule(name="privacy", approvers=("group:privacy-officers",), quorum=9)
    stuck, fine = ward.ask(rules=(nobody, officers)), ward.ask()
    await sign_in(client, visitors, "ada")
    page = await shown(client, stuck)
    assert "Nobody can answer this now" in page
    assert "only 3 there may give one" in page
    assert "can answer this now" not in await shown(client, fine)


async def test_the_live_part_holds_where_it_stands_and_no_more(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    assert (await client.get(f"/inbox/{asked.id}?part=live")).headers["location"] == "/signin"
    client.cookies.clear()  # or signing in would lead to that page
    await sign_in(client, visitors, "ada")
    page = (await client.get(f"/inbox/{asked.id}?part=live")).text
    assert 'id="live"' in page
    assert "<form" not in page
    assert "records@example.org" not in page


# --- the history page


async def listed(client: httpx.AsyncClient, query: str = "") -> list[str]:
    reply = await client.get(f"/history{query}")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    return re.findall(r'<td><a href="/inbox/([0-9a-f]{32})">', reply.text)


async def test_history_holds_what_was_answered_and_filters(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    yes, no = approved(ward), ward.decide(human("grace"), ward.ask(), Answer.DENY)
    mine = ward.decide(human("ada"), ward.ask(tool="send_letter", agent="other-assistant"))
    waiting = ward.ask()
    elsewhere = ward.decide(human("luke", tenant="st-lukes"), ward.ask(tenant="st-lukes"))
    assert (await client.get("/history")).headers["location"] == "/signin"
    await sign_in(client, visitors, "ada")
    everything = await listed(client)
    assert everything == [mine.id, no.id, yes.id]
    assert not {waiting.id, elsewhere.id} & set(everything)
    assert await listed(client, "?whose=me") == [mine.id]
    assert await listed(client, "?state=denied") == [no.id]
    assert await listed(client, "?tool=letter") == [mine.id]
    assert await listed(client, "?agent=discharge&state=approved") == [yes.id]
    assert await listed(client, "?state=nonsense&whose=them") == everything
    assert await listed(client, "?tool=nothing") == []


async def test_history_goes_on_page_by_page_with_its_filters(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    made = [approved(ward).id for _ in range(27)]
    approved(ward, tool="send_letter")
    await sign_in(client, visitors, "ada")
    first = await client.get("/history?tool=email")
    (older,) = re.findall(r'href="([^"]+)" rel="next"', first.text)
    older = html.unescape(older)
    assert "tool=email" in older
    rest = await listed(client, older.removeprefix("/history"))
    assert await listed(client, "?tool=email") + rest == made[::-1]
    assert 'rel="next"' not in (await client.get(older)).text


@pytest.mark.parametrize("query", ["?after=x", "?after=" + "a" * 33, "?tool=" + "x" * 201])
async def test_a_query_no_page_makes_is_refused(client: httpx.AsyncClient, visitors: Visitors, query: str) -> None:
    await sign_in(client, visitors, "ada")
    assert (await client.get(f"/history{query}")).status_code == 422


async def test_a_cursor_of_another_tenant_shows_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    approved(ward)
    elsewhere = ward.ask(tenant="st-lukes")
    await sign_in(client, visitors, "ada")
    assert await listed(client, f"?after={elsewhere.id}") == []


async def test_hostile_names_and_filters_are_text(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    hostile = "<script>alert(1)</script>\u202egnp\"'><img src=x>"
    approved(ward, tool=hostile, agent=hostile)
    await sign_in(client, visitors, "ada")
    for query in ({}, {"tool": "<script>alert(1)</script>\"'><img src=x>"}, {"agent": "<script>"}):
        page = (await client.get("/history", params=query)).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\u202e" not in page


async def test_the_journals_stamp_is_shown_in_its_parts_and_not_at_all_where_there_is_none(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(client, visitors, "ada")
    assert "Journal" not in (await client.get("/inbox")).text
    monkeypatch.setattr(ward.authority, "stamp", lambda: f"{'a' * 32} 42 {'b' * 44}")
    page = (await client.get("/inbox")).text
    assert re.search(r"Journal: 42 records, root <code>b{12}…</code>", page)
    assert f"<code>{'a' * 32} 42 {'b' * 44}</code>" in page, "whole, to be compared later"
    for broken in ("○", "a b", "a b c d"):
        monkeypatch.setattr(ward.authority, "stamp", lambda broken=broken: broken)
        assert "Journal" not in (await client.get("/inbox")).text
