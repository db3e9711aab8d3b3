"""The inbox: signing in by a link, looking, deciding by a form. Nothing is decided by looking."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from authority.ward import Ward, human
from server.visitors import BASE, Visitors
from toolguard.authority import Answer, Approval, State
from toolguard.channels import CONSEQUENCE, HINTS, STATE_WORDS
from toolguard.directory import Audience
from toolguard_server import create_app
from toolguard_server.inert import inert

SAME = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


async def sign_in(client: httpx.AsyncClient, visitors: Visitors, who: str, tenant: str = "st-marys") -> None:
    link = visitors.secret(who, Audience.LINK, tenant)
    reply = await client.post("/signin", data={"code": link}, headers=SAME)
    assert (reply.status_code, reply.headers["location"]) == (303, "/inbox")


def fields(page: str) -> dict[str, str]:
    return {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    }


async def post(client: httpx.AsyncClient, approval: Approval, answer: str, **changes: Any) -> httpx.Response:
    headers = changes.pop("headers", SAME)
    form = {
        "version": str(approval.version),
        "seen_call_digest": approval.request.call_digest,
        "seen_view_digest": approval.request.view_digest,
        "reason": "checked with the ward",
        "answer": answer,
        **changes,
    }
    return await client.post(f"/inbox/{approval.id}", data=form, headers=headers)


async def test_from_the_link_to_the_answer(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    inbox = await client.get("/inbox")
    assert f"/inbox/{asked.id}" in inbox.text
    assert "Waiting for you" in inbox.text
    page = await client.get(f"/inbox/{asked.id}")
    assert page.headers["cache-control"] == "no-store"
    for part in ("Ana Ruiz", "discharge-assistant", "records@example.org", "send-outside", "Approve once", "59 min"):
        assert part in page.text.replace("60 min", "59 min").replace("1 h 0 min", "59 min"), part
    sent = fields(page.text)
    done = await client.post(
        f"/inbox/{asked.id}", data={**sent, "answer": "approve", "reason": "the ward asked for it"}, headers=SAME
    )
    assert done.status_code == 303
    after = ward.read(asked.id)
    assert after.state is State.APPROVED
    assert after.verdicts[0].channel == "inbox"
    assert after.verdicts[0].auth.startswith("browser:")
    assert "Ada Lovelace" in (await client.get(f"/inbox/{asked.id}")).text


async def test_requests_of_one_tool_can_be_told_apart_in_the_list(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    for to, body in (("<EMAIL_1>", "Dear <PERSON_1>"), ("the archive", "x" * 200)):
        ward.ask(decisive={}, view={"to": to, "body": body, "cc": ""})
    await sign_in(client, visitors, "ada")
    inbox = html.unescape(re.sub(r"<[^>]+>", "", (await client.get("/inbox")).text))
    for part in ("to <EMAIL_1>", "body Dear <PERSON_1>", "to the archive", "x" * 80 + "…"):
        assert part in inbox, part
    assert "x" * 81 not in inbox
    assert "cc " not in inbox, "what is empty tells nothing apart"


async def test_an_empty_argument_says_so(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.ask(view={"to": "<EMAIL_1>", "body": ""})
    await sign_in(client, visitors, "ada")
    assert "(empty)" in (await client.get(f"/inbox/{asked.id}")).text


async def test_a_link_works_once_and_the_cookie_is_closed_to_scripts(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    link = visitors.secret("ada", Audience.LINK)
    first = await client.post("/signin", data={"code": link}, headers=SAME)
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert link not in cookie
    client.cookies.clear()
    second = await client.post("/signin", data={"code": link}, headers=SAME)
    assert second.status_code == 401
    assert "set-cookie" not in second.headers


async def test_a_link_ends(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    link = visitors.secret("ada", Audience.LINK)
    ward.time.at += 601.0
    assert (await client.post("/signin", data={"code": link}, headers=SAME)).status_code == 401


@pytest.mark.parametrize("audience", [a for a in Audience if a not in (Audience.LINK, Audience.SERVICE)])
async def test_only_a_link_signs_in(client: httpx.AsyncClient, visitors: Visitors, audience: Audience) -> None:
    reply = await client.post("/signin", data={"code": visitors.secret("ada", audience)}, headers=SAME)
    assert reply.status_code == 401


@pytest.mark.parametrize("audience", [a for a in Audience if a not in (Audience.BROWSER, Audience.SERVICE)])
async def test_no_other_token_passes_for_a_session(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, audience: Audience
) -> None:
    client.cookies.set("toolguard_session", visitors.secret("ada", audience))
    assert (await client.get("/inbox")).headers["location"] == "/signin"
    assert (await post(client, ward.ask(), "approve")).status_code == 401


async def test_signing_out_ends_the_session_everywhere(client: httpx.AsyncClient, visitors: Visitors) -> None:
    await sign_in(client, visitors, "ada")
    kept = client.cookies["toolguard_session"]
    assert (await client.post("/signout", headers=SAME)).status_code == 303
    client.cookies.clear()
    client.cookies.set("toolguard_session", kept)
    assert (await client.get("/inbox")).headers["location"] == "/signin"


async def test_a_scanner_that_opens_every_address_decides_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    link = visitors.secret("ada", Audience.LINK)
    for _ in range(2):
        await client.get(f"/signin#{link}")
        await client.get("/signin", params={"code": link})
    await sign_in(client, visitors, "grace")
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
        for path in ("", "/decision", "/approve"):
            await client.request(
                method,
                f"/inbox/{asked.id}{path}",
                params={"answer": "approve", "reason": "x", "version": "1"},
                headers=SAME,
            )
    assert ward.read(asked.id) == asked
    assert ward.journal() == []
    assert ward.tokens.consume(link, audience=Audience.LINK).person == "ada"


FOREIGN: list[tuple[str, dict[str, str]]] = [
    ("another site", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}),
    ("a sub-domain", {"Origin": BASE, "Sec-Fetch-Site": "same-site"}),
    ("another origin alone", {"Origin": "http://127.0.0.1:1"}),
    ("a hidden origin", {"Origin": "null"}),
    ("the address bar", {"Sec-Fetch-Site": "none"}),
    ("no word of where from", {}),
]


@pytest.mark.parametrize(("where", "headers"), FOREIGN, ids=[f[0] for f in FOREIGN])
async def test_a_form_from_elsewhere_does_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, where: str, headers: dict[str, str]
) -> None:
    asked, link = ward.ask(), visitors.secret("ada", Audience.LINK)
    assert (await client.post("/signin", data={"code": link}, headers=headers)).status_code == 403
    assert ward.tokens.consume(link, audience=Audience.LINK)
    await sign_in(client, visitors, "ada")
    reply = await post(client, asked, "approve", headers=headers)
    assert reply.status_code == 403
    assert "Sent from another site" in reply.text
    assert ward.read(asked.id) == asked
    assert (await client.post("/signout", headers=headers)).status_code == 403


REFUSED: list[tuple[str, str, dict[str, str], int, str]] = [
    ("the requester", "ruiz", {}, 403, "self_approval"),
    ("no reason", "ada", {"reason": "  "}, 422, "reason_required"),
    ("another version", "ada", {"version": "7"}, 412, "stale"),
    ("another call", "ada", {"seen_call_digest": "v1:0"}, 412, "stale"),
    ("another view", "ada", {"seen_view_digest": ""}, 412, "stale"),
]


@pytest.mark.parametrize(("what", "who", "changes", "status", "code"), REFUSED, ids=[r[0] for r in REFUSED])
async def test_a_refusal_is_a_page_that_says_why(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    who: str,
    changes: dict[str, str],
    status: int,
    code: str,
) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, who)
    reply = await post(client, asked, "approve", **changes)
    assert reply.status_code == status
    assert html.escape(HINTS[code], quote=False) in reply.text
    assert 'role="alert"' in reply.text
    assert ward.read(asked.id) == asked


async def test_what_was_typed_is_not_lost_to_a_refusal(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    reply = await post(client, asked, "approve", version="7", reason='because "<b>" is fine')
    assert "because &#34;&lt;b&gt;&#34; is fine</textarea>" in reply.text


@pytest.mark.parametrize("form", [{"answer": "always"}, {"answer": ""}, {"version": "x"}, {"version": "²"}])
async def test_a_form_that_is_not_whole(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, form: dict[str, str]
) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    answer = form.pop("answer", "approve")
    assert (await post(client, asked, answer, **form)).status_code == 422
    assert ward.read(asked.id) == asked


async def test_two_answers_in_one_form_are_none(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    reply = await client.post(
        f"/inbox/{asked.id}",
        content="answer=deny&answer=approve&version=1",
        headers={**SAME, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert reply.status_code == 422
    assert ward.read(asked.id) == asked


async def test_an_approved_request_can_still_be_denied_and_only_that(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    approved = ward.decide(human("grace"), ward.ask())
    await sign_in(client, visitors, "ada")
    page = (await client.get(f"/inbox/{approved.id}")).text
    assert 'value="deny"' in page
    assert 'value="approve"' not in page
    assert (await post(client, approved, "deny", version="1")).status_code == 303
    assert ward.read(approved.id).state is State.DENIED


@pytest.mark.parametrize(("who", "tenant"), [("noor", "st-marys"), ("luke", "st-lukes")])
async def test_who_is_not_concerned_sees_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, who: str, tenant: str
) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, who, tenant)
    assert asked.id not in (await client.get("/inbox")).text
    missing = await client.get(f"/inbox/{asked.id}")
    assert missing.status_code == 404
    assert "send_email" not in missing.text


async def test_the_requester_may_look_and_is_told_why_not(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ruiz")
    page = (await client.get(f"/inbox/{asked.id}")).text
    assert 'name="reason"' not in page
    assert HINTS["self_approval"] in html.unescape(page)


async def test_hostile_text_is_shown_and_does_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    hostile = '<script>alert(1)</script>\u202egnp.exe\u200b"><img src=x onerror=alert(1)>{{7*7}}\u0007'
    asked = ward.ask(view={hostile: hostile, "nested": {"deep": [hostile]}}, agent_reason=hostile)
    await sign_in(client, visitors, "ada")
    for path in ("/inbox", f"/inbox/{asked.id}"):
        page = (await client.get(path)).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert not set("\u202e\u200b\u0007") & set(page)
    read = re.sub(r"<textarea.*?</textarea>", "", page, flags=re.DOTALL)  # where it stands as JSON escapes it
    assert read.count("\\u202E") == 6
    assert "{{7*7}}" in page
    assert page.count("<script") == 1


INERT: list[tuple[str, str]] = [
    ("plain text & more", "plain text &amp; more"),
    ("Müller, 東京", "Müller, 東京"),
    ("two\nlines", "two\nlines"),
    ("<PERSON_1>", '<span class="token" title="masked identifier">&lt;PERSON_1&gt;</span>'),
    ("<person_1>", "&lt;person_1&gt;"),
    *(
        (f"a{char}b", f'a<span class="hidden-char" title="hidden character">{name}</span>b')
        for char, name in {
            "\u202e": "\\u202E",
            "\u2066": "\\u2066",
            "\u200b": "\\u200B",
            "\ufeff": "\\uFEFF",
            "\u00ad": "\\u00AD",
            "\u00a0": "\\u00A0",
            "\u2028": "\\u2028",
            "\u3164": "\\u3164",
            "\ufe0f": "\\uFE0F",
            "\x1b": "\\u001B",
            "\r": "\\u000D",
            "\t": "\\u0009",
            "\x00": "\\u0000",
            "\x7f": "\\u007F",
            "\U000e0041": "\\U000E0041",
            "\ud800": "\\uD800",
        }.items()
    ),
]


@pytest.mark.parametrize(("text", "expected"), INERT)
def test_text_is_made_inert(text: str, expected: str) -> None:
    assert str(inert(text)) == expected


def test_every_state_has_its_words() -> None:
    assert set(STATE_WORDS) == {state.value for state in State}
    assert len(CONSEQUENCE) == 8


MOMENTS: list[tuple[str, Callable[[Ward], Approval], str]] = [
    ("pending", lambda w: w.ask(), "Waiting"),
    ("denied", lambda w: w.decide(human("grace"), w.ask(), Answer.DENY), "Denied"),
    ("withdrawn", lambda w: w.authority.withdraw(human("ruiz"), w.ask().id), "Withdrawn"),
    ("empty view", lambda w: w.ask(view={}), "It takes no arguments"),
    ("a list as view", lambda w: w.ask(view=["a", 1, None]), "null"),
    ("text as view", lambda w: w.ask(view="just text"), "just text"),
    ("long", lambda w: w.ask(view={"body": "word " * 500}), "2500 characters, all shown"),
]


@pytest.mark.parametrize(("what", "make", "shows"), MOMENTS, ids=[m[0] for m in MOMENTS])
async def test_every_kind_of_request_has_a_page(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    make: Callable[[Ward], Approval],
    shows: str,
) -> None:
    approval = make(ward)
    await sign_in(client, visitors, "ada")
    page = await client.get(f"/inbox/{approval.id}")
    assert page.status_code == 200
    assert shows in page.text
    assert approval.request.call_digest[3:11] in page.text


async def test_a_broken_directory_is_a_plain_page(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    await sign_in(client, visitors, "ada")
    ward.write_directory(lambda text: "persons: [")
    reply = await client.get("/inbox")
    assert reply.status_code == 503
    assert "Not available now" in reply.text


async def test_over_tls_the_cookie_is_bound_to_host_and_transport(ward: Ward, visitors: Visitors) -> None:
    base = "https://approvals.example"
    app = create_app(ward.authority, ward.tokens, ward.directory, hosts=["approvals.example"], https=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
        reply = await client.post(
            "/signin", data={"code": visitors.secret("ada", Audience.LINK)}, headers={"Origin": base}
        )
        cookie = reply.headers["set-cookie"]
        assert cookie.startswith("__Host-toolguard=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert reply.headers["strict-transport-security"]
        assert (await client.get("/inbox")).status_code == 200
        assert (await client.get("/inbox", headers={"Host": "127.0.0.1"})).status_code == 421


async def test_who_comes_for_a_request_gets_there_after_signing_in(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask()
    assert (await client.get(f"/inbox/{asked.id}")).headers["location"] == "/signin"
    link = visitors.secret("ada", Audience.LINK, "st-marys")
    reply = await client.post("/signin", data={"code": link}, headers=SAME)
    assert reply.headers["location"] == f"/inbox/{asked.id}"
    assert (await client.get(reply.headers["location"])).status_code == 200
    await client.post("/signout", headers=SAME)
    await sign_in(client, visitors, "ada")  # once: the next time it is the inbox


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "../signout", "https://evil.example", "a" * 31, "", "A" * 32, "a" * 32 + "\r\n"]
)
async def test_a_cookie_leads_nowhere_else(client: httpx.AsyncClient, visitors: Visitors, wanted: str) -> None:
    link = visitors.secret("ada", Audience.LINK, "st-marys")
    reply = await client.post(
        "/signin", data={"code": link}, headers={**SAME, "Cookie": f"toolguard_for={wanted.strip()}x"}
    )
    assert reply.headers["location"] == "/inbox"
