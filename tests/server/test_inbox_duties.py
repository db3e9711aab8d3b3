"""Standing approvals, reviews and freezes in the inbox: by forms of its own pages, refused with a reason, never by GET."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import httpx
import pytest

from authority.test_glass import EMMA, urgent
from authority.test_standing import stand
from authority.ward import Ward, human
from server.test_inbox import FOREIGN, SAME, post, sign_in
from server.visitors import Visitors, code_for
from toolguard.channels import HINTS
from toolguard.keys import Ed25519Signer, PinnedVerifier, Purpose, SecretKey

PAGES = ("/standing", "/reviews", "/freezes")


def standing(ward: Ward) -> str:
    stand(ward)
    return f"/standing/{ward.acts()[-1].id}/end"


def glass(ward: Ward) -> str:
    ward.authority.break_glass(EMMA, urgent(ward).id, reason="resus, nobody reachable")
    return f"/reviews/{ward.acts()[-1].id}"


def frozen(ward: Ward) -> str:
    return f"/freezes/{ward.authority.freeze(human('tess'), agent='billing-bot', reason='wrong address').id}/lift"


def nothing(ward: Ward) -> str:
    return "/freezes"


WHY = {"reason": "looked at it"}
FORMS: list[tuple[str, Callable[[Ward], str], str, dict[str, str]]] = [
    ("end a standing approval", standing, "ada", WHY),
    ("review broken glass", glass, "rena", {**WHY, "finding": "justified"}),
    ("lift a freeze", frozen, "sid", WHY),
    ("freeze an agent", nothing, "tess", {**WHY, "whom": "agent", "agent": "discharge-assistant"}),
    ("freeze a tenant", nothing, "tess", {**WHY, "whom": "tenant", "agent": ""}),
    ("freeze everyone", nothing, "sid", {**WHY, "whom": "everyone"}),
]
NAMES = [f[0] for f in FORMS]


def acts(ward: Ward) -> int:
    return len(ward.acts()) + len(ward.acts("*"))


@pytest.mark.parametrize(("what", "make", "who", "form"), FORMS, ids=NAMES)
async def test_a_form_does_what_it_says(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    make: Callable[[Ward], str],
    who: str,
    form: dict[str, str],
) -> None:
    path, before = make(ward), acts(ward)
    await sign_in(client, visitors, who)
    page = "/" + path.split("/")[1]
    assert f'action="{path}"' in (await client.get(page)).text
    reply = await client.post(path, data=form, headers=SAME)
    assert (reply.status_code, reply.headers.get("location")) == (303, page)
    assert acts(ward) == before + 1
    act = max([*ward.acts(), *ward.acts("*")], key=lambda each: (each.at, each.n))
    assert (act.person, act.body["reason"]) == (who, "looked at it")


@pytest.mark.parametrize(("what", "make", "who", "form"), FORMS, ids=NAMES)
@pytest.mark.parametrize(("where", "headers"), FOREIGN[:2], ids=[f[0] for f in FOREIGN[:2]])
async def test_a_form_from_elsewhere_does_nothing(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    make: Callable[[Ward], str],
    who: str,
    form: dict[str, str],
    where: str,
    headers: dict[str, str],
) -> None:
    path, before = make(ward), acts(ward)
    await sign_in(client, visitors, who)
    reply = await client.post(path, data=form, headers=headers)
    assert reply.status_code == 403
    assert "Sent from another site" in reply.text
    assert acts(ward) == before


@pytest.mark.parametrize(("what", "make", "who", "form"), FORMS, ids=NAMES)
async def test_nothing_is_done_by_looking_or_by_nobody(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    make: Callable[[Ward], str],
    who: str,
    form: dict[str, str],
) -> None:
    path, before = make(ward), acts(ward)
    assert (await client.post(path, data=form, headers=SAME)).status_code == 401
    await sign_in(client, visitors, who)
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
        await client.request(method, path, params=form, headers=SAME)
    assert acts(ward) == before


OTHERS: list[tuple[str, Callable[[Ward], str], str, str, dict[str, str], int, str]] = [
    ("a stranger ends a yes", standing, "noor", "st-marys", WHY, 404, "no such standing approval"),
    ("another tenant ends a yes", standing, "luke", "st-lukes", WHY, 404, "no such standing approval"),
    ("no reason", standing, "ada", "st-marys", {"reason": " "}, 422, "a reason is required"),
    (
        "who broke the glass reviews it",
        glass,
        "emma",
        "st-marys",
        {**WHY, "finding": "justified"},
        403,
        "did themselves",
    ),
    ("no finding", glass, "rena", "st-marys", WHY, 422, "a finding is one of"),
    ("another tenant reviews", glass, "luke", "st-lukes", {**WHY, "finding": "justified"}, 404, "no such act"),
    ("who froze it lifts it", frozen, "tess", "st-marys", WHY, 403, "a second person has to"),
    ("nobody on duty lifts it", frozen, "ada", "st-marys", WHY, 403, "with the duty"),
    ("another tenant lifts it", frozen, "luke", "st-lukes", WHY, 403, "with the duty"),
    ("nobody on duty freezes", nothing, "ada", "st-marys", {**WHY, "whom": "tenant"}, 403, "with the duty"),
    ("too little duty for everyone", nothing, "tess", "st-marys", {**WHY, "whom": "everyone"}, 403, "freeze_all"),
    (
        "an agent without a name",
        nothing,
        "tess",
        "st-marys",
        {**WHY, "whom": "agent", "agent": " "},
        422,
        "say what to freeze",
    ),
    (
        "a name for everything",
        nothing,
        "tess",
        "st-marys",
        {**WHY, "whom": "tenant", "agent": "x"},
        422,
        "say what to freeze",
    ),
    ("neither", nothing, "tess", "st-marys", WHY, 422, "say what to freeze"),
    ("a wrong code", nothing, "tess", "st-marys", {**WHY, "whom": "tenant", "code": "000000"}, 403, "second factor"),
]


@pytest.mark.parametrize(
    ("what", "make", "who", "tenant", "form", "status", "says"), OTHERS, ids=[o[0] for o in OTHERS]
)
async def test_a_refusal_stands_on_the_page_it_came_from(
    client: httpx.AsyncClient,
    ward: Ward,
    visitors: Visitors,
    what: str,
    make: Callable[[Ward], str],
    who: str,
    tenant: str,
    form: dict[str, str],
    status: int,
    says: str,
) -> None:
    path, before = make(ward), acts(ward)
    await sign_in(client, visitors, who, tenant)
    reply = await client.post(path, data=form, headers=SAME)
    assert reply.status_code == status
    assert 'role="alert"' in reply.text
    assert says in html.unescape(reply.text).lower()
    assert acts(ward) == before


async def test_what_was_typed_is_not_lost_and_stands_where_it_was(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    path = glass(ward)
    await sign_in(client, visitors, "rena")
    reply = await client.post(path, data={"reason": 'they said "<b>no</b>"'}, headers=SAME)
    assert reply.status_code == 422
    assert 'class="act" open' in reply.text
    assert "they said &#34;&lt;b&gt;no&lt;/b&gt;&#34;</textarea>" in reply.text


async def test_a_second_factor_is_recorded_with_the_review(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    path, code = glass(ward), code_for(ward, "rena")
    await sign_in(client, visitors, "rena")
    assert (
        await client.post(path, data={**WHY, "finding": "not_justified", "code": code}, headers=SAME)
    ).status_code == 303
    record = next(body for _, body in ward.journal() if "toolguard.review.finding" in body)
    assert record["toolguard.review.finding"] == "not_justified"
    assert record["toolguard.approver.assured"] == "stepped_up"


@pytest.mark.parametrize("page", PAGES)
async def test_who_is_signed_out_is_sent_to_sign_in(client: httpx.AsyncClient, page: str) -> None:
    assert (await client.get(page)).headers["location"] == "/signin"


@pytest.mark.parametrize("page", PAGES)
async def test_another_tenant_sees_nothing_of_it(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, page: str
) -> None:
    for make in (standing, glass, frozen):
        make(ward)
    await sign_in(client, visitors, "luke", "st-lukes")
    text = (await client.get(page)).text
    for part in ("send_email", "billing-bot", "resus", "discharge-assistant"):
        assert part not in text


async def test_a_freeze_is_told_where_people_look(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    frozen(ward)
    ward.authority.freeze(human("sid"), everyone=True, reason="all of it")
    await sign_in(client, visitors, "ada")
    inbox = (await client.get("/inbox")).text
    assert re.search(r"Frozen:</strong>\s*the agent <strong>billing-bot", inbox)
    assert re.search(r"Frozen:</strong>\s*every agent", inbox)
    page = (await client.get("/freezes")).text
    assert "of every tenant" in page
    assert 'action="/freezes' not in page, "who is not on duty gets no form"


async def test_what_is_frozen_is_not_approved_and_the_page_says_why(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    ward.authority.freeze(human("tess"), agent="discharge-assistant", reason="wrong address")
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    reply = await post(client, asked, "approve")
    assert reply.status_code == 409
    assert HINTS["frozen"] in html.unescape(reply.text)
    assert ward.read(asked.id) == asked


@pytest.mark.parametrize("page", PAGES)
async def test_hostile_reasons_and_names_are_text(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, page: str
) -> None:
    hostile = "<script>alert(1)</script>\u202e\"'><img src=x>"
    stand(ward)
    ward.authority.break_glass(EMMA, urgent(ward).id, reason=hostile)
    ward.authority.freeze(human("sid"), agent=hostile, reason=hostile)
    await sign_in(client, visitors, "rena")
    text = (await client.get(page)).text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert text.count("<script") == 1


async def test_a_register_that_does_not_hold_is_a_page_that_says_so(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen(ward)
    another = PinnedVerifier([Ed25519Signer(SecretKey.generate(Purpose.SIGN)).public_key])
    monkeypatch.setattr(ward.authority, "_verifier", another)
    ward.authority._readers.clear()
    await sign_in(client, visitors, "ada")
    assert (await client.get("/inbox")).status_code == 200
    for page in PAGES:
        reply = await client.get(page)
        assert reply.status_code == 409
        assert "register of acts" in reply.text
