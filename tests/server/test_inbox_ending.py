"""Proposing, revoking, taking back and letting stand in the inbox: by forms of its own page, refused with a reason, never by GET."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from authority.test_glass import EMMA, urgent
from authority.test_standing import LENIENT, TERMS, TWO, stand
from authority.ward import Ward, human
from server.test_inbox import FOREIGN, SAME, fields, post, sign_in
from server.visitors import Visitors
from toolguard.authority import Approval, ApproverRule, StandingTerms, State, Vary
from toolguard.channels import HINTS

VIEW = {"to": "<EMAIL_1>", "body": "Dear <PERSON_1>,\nall is well.", "copies": 3, "cc": ["ward 7"], "urgent": False}


def asking(ward: Ward) -> Approval:
    return ward.ask(view=VIEW)


def approved(ward: Ward) -> Approval:
    return ward.decide(human("grace"), ward.ask())


def broken(ward: Ward) -> Approval:
    return ward.authority.break_glass(EMMA, urgent(ward).id, reason="resus, nobody reachable")


def unchanged(**changes: str) -> dict[str, str]:
    """The propose form as a browser sends it back."""
    form = {
        "a0": "<EMAIL_1>",
        "a1": "Dear <PERSON_1>,\r\nall is well.",
        "a2": "3",
        "a3": '[\r\n  "ward 7"\r\n]',
        "a4": "false",
        "new_name": "",
        "new_value": "",
        "reason": "less of it would do",
    }
    return {**form, **changes}


FORMS: list[tuple[str, str, Callable[[Ward], Approval], str, dict[str, str], State]] = [
    ("propose", "propose", asking, "ada", unchanged(a2="1"), State.SUPERSEDED),
    ("revoke a yes", "revoke", approved, "ada", {"reason": "wrong patient"}, State.REVOKED),
    ("take broken glass back", "revoke", broken, "ada", {"reason": "somebody came"}, State.REVOKED),
    ("take a request back", "withdraw", asking, "ruiz", {"version": "1"}, State.WITHDRAWN),
]
NAMES = [f[0] for f in FORMS]


@pytest.mark.parametrize(("what", "act", "make", "who", "form", "after"), FORMS, ids=NAMES)
async def test_a_form_of_the_page_does_what_it_says(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    act: str,
    make: Callable[[Ward], Approval],
    who: str,
    form: dict[str, str],
    after: State,
) -> None:
    asked = make(ward)
    await sign_in(client, visitors, who)
    page = (await client.get(f"/inbox/{asked.id}")).text
    assert f'action="/inbox/{asked.id}/{act}"' in page
    reply = await client.post(f"/inbox/{asked.id}/{act}", data={**form, **hidden_of(page, act)}, headers=SAME)
    assert (reply.status_code, reply.headers.get("location")) == (303, f"/inbox/{asked.id}"), reply.text
    assert ward.read(asked.id).state is after
    assert f'action="/inbox/{asked.id}/{act}"' not in (await client.get(f"/inbox/{asked.id}")).text


def hidden_of(page: str, act: str) -> dict[str, str]:
    form = page.partition(f'/{act}">')[2].partition("</form>")[0]
    return fields(form)


@pytest.mark.parametrize(("what", "act", "make", "who", "form", "after"), FORMS, ids=NAMES)
async def test_nobody_else_and_nothing_else_does_it(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    act: str,
    make: Callable[[Ward], Approval],
    who: str,
    form: dict[str, str],
    after: State,
) -> None:
    asked = make(ward)
    path = f"/inbox/{asked.id}/{act}"
    assert (await client.post(path, data=form, headers=SAME)).status_code == 401
    await sign_in(client, visitors, who)
    for _, headers in FOREIGN:
        assert (await client.post(path, data=form, headers=headers)).status_code == 403
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
        await client.request(method, path, params=form, headers=SAME)
    await client.post("/signout", headers=SAME)
    others = ("ada", "luke", "tess") if who == "ruiz" else ("ruiz", "noor", "luke", "tess")
    for other in others:
        await sign_in(client, visitors, other, "st-lukes" if other == "luke" else "st-marys")
        reply = await client.post(path, data=form, headers=SAME)
        assert reply.status_code in (403, 404), (other, reply.status_code)
        page = (await client.get(f"/inbox/{asked.id}")).text
        assert f'action="{path}"' not in page, other
        await client.post("/signout", headers=SAME)
    assert ward.read(asked.id) == asked


# --- proposing

PROPOSALS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("text", {"a1": "Please call the ward."}, {"body": "Please call the ward."}),
    ("text of several lines", {"a1": "one\r\n\r\ntwo"}, {"body": "one\n\ntwo"}),
    ("a number", {"a2": "1"}, {"copies": 1}),
    ("a list", {"a3": "[]"}, {"cc": []}),
    ("a truth", {"a4": " true "}, {"urgent": True}),
    ("what looks like a number stays text", {"a1": "42"}, {"body": "42"}),
    ("one more, as text", {"new_name": "note", "new_value": "by hand"}, {"note": "by hand"}),
    ("one more, as JSON", {"new_name": "most", "new_value": "10"}, {"most": 10}),
]


@pytest.mark.parametrize(("what", "changes", "differs"), PROPOSALS, ids=[p[0] for p in PROPOSALS])
async def test_what_was_not_touched_stays_exactly_what_it_was(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    changes: dict[str, str],
    differs: dict[str, Any],
) -> None:
    asked = asking(ward)
    await sign_in(client, visitors, "ada")
    await client.post(f"/inbox/{asked.id}/propose", data=unchanged(**changes), headers=SAME)
    after = ward.read(asked.id)
    assert after.proposal == {**VIEW, **differs}
    assert (after.editor, after.verdicts[-1].reason) == ("ada", "less of it would do")


async def test_an_argument_is_left_out(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = asking(ward)
    await sign_in(client, visitors, "ada")
    await client.post(f"/inbox/{asked.id}/propose", data=unchanged(x3="1", x4="1"), headers=SAME)
    assert ward.read(asked.id).proposal == {k: VIEW[k] for k in ("to", "body", "copies")}


async def test_the_form_holds_every_argument_as_a_browser_will_send_it(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = asking(ward)
    await sign_in(client, visitors, "ada")
    page = (await client.get(f"/inbox/{asked.id}")).text
    sent = dict(re.findall(r'<textarea id="(a\d)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL))
    assert {name: html.unescape(text).replace("\n", "\r\n") for name, text in sent.items()} == {
        name: text for name, text in unchanged().items() if re.fullmatch(r"a\d", name)
    }


BAD: list[tuple[str, dict[str, str], str]] = [
    ("nothing changed", {}, HINTS["proposal_same"]),
    ("no reason", {"a2": "1", "reason": "  "}, HINTS["reason_required"]),
    ("no JSON", {"a2": "one"}, "What is proposed for 'copies' is not JSON"),
    ("no number", {"a2": "NaN"}, "What is proposed for 'copies' is not JSON"),
    ("too deep", {"a3": "[" * 5000 + "]" * 5000}, "What is proposed for 'cc' is not JSON"),
    ("a number of many digits", {"a2": "9" * 6000}, "What is proposed for 'copies' is not JSON"),
    ("somebody's name", {"a1": "Dear Jane Whitfield, MRN 4471123"}, HINTS["proposal_identifiers"]),
    ("another's token", {"a0": "<EMAIL_9>"}, HINTS["proposal_identifiers"]),
    ("what nobody can see", {"a1": "pay\u202e\u200b"}, "characters nobody can see"),
    ("one that is there", {"new_name": "to", "new_value": "x"}, "is there already"),
    ("one without a name", {"new_value": "x"}, "needs a name"),
]


@pytest.mark.parametrize(("what", "changes", "says"), BAD, ids=[b[0] for b in BAD])
async def test_a_proposal_is_refused_with_its_reason_and_nothing_typed_is_lost(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, what: str, changes: dict[str, str], says: str
) -> None:
    asked = asking(ward)
    await sign_in(client, visitors, "ada")
    form = unchanged(**changes)
    reply = await client.post(f"/inbox/{asked.id}/propose", data=form, headers=SAME)
    assert reply.status_code == 422
    told = html.unescape(re.sub("<[^>]+>", "", reply.text.partition('role="alert">')[2].partition("</div>")[0]))
    assert told.startswith("Nothing was done.")
    assert says in told
    page = html.unescape(reply.text)
    for name in changes:
        if len(form[name]) < 200 and form[name].strip() and form[name].isprintable():
            assert form[name] in page, name
    assert not {"\u202e", "\u200b"} & set(reply.text)
    assert ward.read(asked.id) == asked


async def test_a_form_with_a_field_missing_or_twice_proposes_nothing(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = asking(ward)
    await sign_in(client, visitors, "ada")
    path, form = f"/inbox/{asked.id}/propose", unchanged(a2="1")
    short = {name: text for name, text in form.items() if name != "a3"}
    assert (await client.post(path, data=short, headers=SAME)).status_code == 422
    headers = {**SAME, "Content-Type": "application/x-www-form-urlencoded"}
    twice = str(httpx.QueryParams(form)) + "&a2=2"
    assert (await client.post(path, content=twice, headers=headers)).status_code == 422
    many = "&".join(f"x{i}=1" for i in range(500))
    assert (await client.post(path, content=many, headers=headers)).status_code == 422
    assert ward.read(asked.id) == asked


@pytest.mark.parametrize(
    "view",
    [{f"a{i}": i for i in range(60)}, {"body": "ü" * 9000}, ["a list"], {}],
    ids=["many", "long", "no names", "none"],
)
async def test_what_fits_no_form_is_left_to_the_terminal(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, view: Any
) -> None:
    asked = ward.ask(view=view)
    await sign_in(client, visitors, "ada")
    page = (await client.get(f"/inbox/{asked.id}")).text
    assert "toolguard approvals propose" in page
    assert "/propose" not in page
    reply = await client.post(f"/inbox/{asked.id}/propose", data={"a0": "1", "reason": "x"}, headers=SAME)
    assert reply.status_code == 422
    assert ward.read(asked.id) == asked


async def test_hidden_characters_stand_as_what_they_are_and_survive(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    view = {"to": "a\u202eb\U000e0041</textarea><b>", "n": 1}
    asked = ward.ask(view=view)
    await sign_in(client, visitors, "ada")
    page = (await client.get(f"/inbox/{asked.id}")).text
    assert not {"\u202e", "\U000e0041"} & set(page)
    (field,) = re.findall(r'<textarea id="a0"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    text = html.unescape(field)
    assert json.loads(text) == view["to"]
    await client.post(f"/inbox/{asked.id}/propose", data={"a0": text, "a1": "2", "reason": "x"}, headers=SAME)
    assert ward.read(asked.id).proposal == {"to": view["to"], "n": 2}


# --- taking back


async def test_a_yes_that_came_meanwhile_is_not_taken_back_unseen(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = asking(ward)
    await sign_in(client, visitors, "ruiz")
    after = ward.decide(human("grace"), asked)
    reply = await client.post(f"/inbox/{asked.id}/withdraw", data={"version": str(asked.version)}, headers=SAME)
    assert reply.status_code == 412
    assert ward.read(asked.id) == after
    assert (await client.post(f"/inbox/{asked.id}/withdraw", data={}, headers=SAME)).status_code == 422


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
async def test_no_yes_is_taken_back_without_a_reason(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, reason: str
) -> None:
    asked = approved(ward)
    await sign_in(client, visitors, "ada")
    reply = await client.post(f"/inbox/{asked.id}/revoke", data={"reason": reason}, headers=SAME)
    assert reply.status_code == 422
    assert 'class="act" open' in reply.text
    assert ward.read(asked.id) == asked


async def test_what_runs_or_ran_is_not_taken_back(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    running = ward.claim(approved(ward))
    await sign_in(client, visitors, "ada")
    reply = await client.post(f"/inbox/{running.id}/revoke", data={"reason": "too late"}, headers=SAME)
    assert reply.status_code == 409
    assert ward.read(running.id) == running


async def test_with_a_yes_falls_what_it_let_stand(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = stand(ward)
    await sign_in(client, visitors, "ada")
    assert len(ward.authority.standings(human("ada"))) == 1
    await client.post(f"/inbox/{asked.id}/revoke", data={"reason": "no longer"}, headers=SAME)
    assert ward.authority.standings(human("ada")) == ()


# --- letting a yes stand, and the second person

NUMBERS = {"to": "<EMAIL_1>", "body": "Dear <PERSON_1>", "copies": 3, "amount": 20.5}
FREE = {"standing_minutes": "10", "standing_uses": "3"}
TERMS_OF: list[tuple[str, dict[str, str], StandingTerms]] = [
    ("the same", FREE, TERMS),
    ("in one session", {**FREE, "standing_session": "1"}, StandingTerms(seconds=600.0, uses=3, session_only=True)),
    ("any text", {**FREE, "vary1": "1"}, StandingTerms(seconds=600.0, uses=3, vary=(Vary(argument="body"),))),
    (
        "any number",
        {**FREE, "vary2": "1", "most2": ""},
        StandingTerms(seconds=600.0, uses=3, vary=(Vary(argument="copies"),)),
    ),
    (
        "what decides, up to a limit",
        {**FREE, "vary3": "1", "most3": "50"},
        StandingTerms(seconds=600.0, uses=3, vary=(Vary(argument="amount", at_most=50.0),)),
    ),
    ("a limit of what is not ticked", {**FREE, "most2": "9"}, TERMS),
]


def numbers(ward: Ward, rule: ApproverRule = LENIENT) -> Approval:
    return ward.ask(rules=(rule,), view=NUMBERS, decisive={"amount": "20.5"})


@pytest.mark.parametrize(("what", "form", "terms"), TERMS_OF, ids=[t[0] for t in TERMS_OF])
async def test_what_may_differ_is_said_in_the_form(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, what: str, form: dict[str, str], terms: StandingTerms
) -> None:
    asked = numbers(ward)
    await sign_in(client, visitors, "ada")
    assert (await post(client, asked, "approve", **form)).status_code == 303
    (view,) = ward.authority.standings(human("ada"))
    assert view.standing.terms == terms


WRONG = [
    ("what decides, without a limit", {"vary3": "1", "most3": " "}, "'amount' decides the call"),
    ("no limit at all", {"vary3": "1", "most3": "nan"}, "not negative"),
    ("without end", {"vary3": "1", "most3": "inf"}, "not negative"),
    ("below nothing", {"vary2": "1", "most2": "-1"}, "not negative"),
    ("a word", {"vary2": "1", "most2": "many"}, "is not a number"),
    ("too long", {"standing_minutes": "999"}, "can stand for"),
    ("too often", {"standing_uses": "6"}, "can stand for"),
    ("as nobody said", {"standing_same": "1"}, "no longer the same"),
]


@pytest.mark.parametrize(("what", "form", "says"), WRONG, ids=[w[0] for w in WRONG])
async def test_what_may_not_stand_lets_nothing_through(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, what: str, form: dict[str, str], says: str
) -> None:
    asked = numbers(ward)
    await sign_in(client, visitors, "ada")
    reply = await post(client, asked, "approve", **{**FREE, **form})
    assert reply.status_code == 422
    assert says in html.unescape(reply.text)
    assert ward.read(asked.id) == asked
    assert ward.acts() == []


async def test_the_second_person_sees_what_is_to_stand_and_says_the_same(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    terms = StandingTerms(seconds=600.5, uses=3, session_only=True, vary=(Vary(argument="copies", at_most=5.0),))
    asked = ward.decide(human("grace"), numbers(ward, TWO), standing=terms)
    await sign_in(client, visitors, "ada")
    page = html.unescape(re.sub("<[^>]+>", "", (await client.get(f"/inbox/{asked.id}")).text))
    said = "for 10 min and 3 calls, in this session only; copies up to 5"
    assert page.count(said) == 2, "among the answers, and beside the tick"
    assert "Minutes" not in page, "nothing else could stand"
    assert (await post(client, asked, "approve", standing_same="1")).status_code == 303
    (view,) = ward.authority.standings(human("ada"))
    assert (view.standing.terms, view.standing.approvers) == (terms, ("grace", "ada"))


async def test_a_second_yes_without_it_is_for_once(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.decide(human("grace"), numbers(ward, TWO), standing=TERMS)
    await sign_in(client, visitors, "ada")
    assert (await post(client, asked, "approve")).status_code == 303
    assert ward.read(asked.id).state is State.APPROVED
    assert ward.acts() == []


async def test_where_the_first_yes_is_for_once_nothing_is_offered_to_stand(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.decide(human("grace"), numbers(ward, TWO))
    await sign_in(client, visitors, "ada")
    page = (await client.get(f"/inbox/{asked.id}")).text
    assert "standing_" not in page
    assert "so a yes is for once" in page
    reply = await post(client, asked, "approve", standing_same="1")
    assert reply.status_code == 422
    assert ward.read(asked.id) == asked


# --- as a hostile requester or approver


async def test_an_argument_may_be_called_like_a_field_of_the_form(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    view = {"reason": "x", "a1": "y", "x0": "z", "new_name": "n", "": "nameless", "__proto__": 1}
    asked = ward.ask(view=view)
    await sign_in(client, visitors, "ada")
    form = {"a0": "x", "a1": "y", "a2": "z", "a3": "n", "a4": "nameless", "a5": "2", "reason": "why"}
    assert (await client.post(f"/inbox/{asked.id}/propose", data=form, headers=SAME)).status_code == 303
    after = ward.read(asked.id)
    assert after.proposal == {**view, "__proto__": 2}
    assert after.verdicts[-1].reason == "why"


async def test_nobody_lets_stand_what_they_did_not_see(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    """Somebody says something else between a person's look and their answer."""
    seen = ward.decide(human("grace"), numbers(ward, replace(TWO, quorum=3)), standing=TERMS)
    await sign_in(client, visitors, "ada")
    wider = StandingTerms(seconds=3600.0, uses=5, vary=(Vary(argument="body"),))
    now = ward.decide(human("joan"), seen, standing=wider)
    reply = await post(client, seen, "approve", standing_same="1")
    assert reply.status_code == 422
    assert ward.read(seen.id) == now
    assert ward.acts() == []


async def test_who_stands_on_the_asking_side_proposes_no_terms(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = numbers(ward, TWO)
    for who in ("ruiz", "noor"):
        await sign_in(client, visitors, who)
        page = (await client.get(f"/inbox/{asked.id}")).text
        assert "standing_" not in page
        reply = await post(client, asked, "approve", **FREE)
        assert reply.status_code in (403, 404)
        await client.post("/signout", headers=SAME)
    assert ward.read(asked.id) == asked


@pytest.mark.parametrize("act", ["", "/propose", "/revoke"])
async def test_no_refusal_gives_a_code_back_or_lets_text_act(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, act: str
) -> None:
    asked = approved(ward) if act == "/revoke" else asking(ward)
    await sign_in(client, visitors, "ada")
    hostile = '</textarea><script>alert(1)</script>"\u202e'
    form = {
        **unchanged(a1=hostile, new_name=hostile, new_value=hostile),
        "reason": hostile,
        "code": "918273",
        "answer": "approve",
    }
    form |= {"version": str(asked.version), "seen_call_digest": "x", "seen_view_digest": "x"}
    reply = await client.post(f"/inbox/{asked.id}{act}", data=form, headers=SAME)
    assert reply.status_code >= 400
    assert "918273" not in reply.text
    assert "<script>alert" not in reply.text
    assert ward.read(asked.id) == asked


async def test_twenty_clicks_on_one_form_are_one_act(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = approved(ward)
    await sign_in(client, visitors, "ada")
    path = f"/inbox/{asked.id}/revoke"
    replies = await asyncio.gather(
        *(client.post(path, data={"reason": "wrong patient"}, headers=SAME) for _ in range(20))
    )
    assert sorted({reply.status_code for reply in replies}) == [303, 409]
    assert [reply.status_code for reply in replies].count(303) == 1
    assert len(ward.acts()) == 1
