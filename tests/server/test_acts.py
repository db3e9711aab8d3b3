"""Acts over REST and in the inbox: what the authority allows, and its reasons where it does not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from authority.ward import Ward, human
from server.test_inbox import SAME, fields, post, sign_in
from server.visitors import Visitors, code_for, verdict
from toolguard._core.approver import ApproverRule, StandingLimits
from toolguard.authority import Approval, State
from toolguard.directory import Audience

OFFICERS = ("group:privacy-officers",)
LENIENT = ApproverRule(name="lenient", approvers=OFFICERS, standing=StandingLimits(seconds=3600.0, uses=5))
SURE = ApproverRule(name="sure", approvers=OFFICERS, step_up=True)
URGENT = ApproverRule(name="urgent", approvers=OFFICERS, break_glass=("group:emergency",))
SECRET = {"recipient": "dana.whitfield@example.org"}


class Api:
    """The API as whoever a test names."""

    def __init__(self, client: httpx.AsyncClient, visitors: Visitors) -> None:
        self.client = client
        self.visitors = visitors

    async def get(self, who: str, path: str) -> httpx.Response:
        return await self.client.get(f"/v1{path}", headers=self.visitors.bearer(who))

    async def post(self, who: str, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(f"/v1{path}", json=body, headers={**self.visitors.bearer(who), **more})

    async def decide(self, who: str, asked: Approval, **changes: Any) -> httpx.Response:
        headers = {"If_Match": f'"{asked.version}"', **changes.pop("headers", {})}
        return await self.post(who, f"/approvals/{asked.id}/decision", verdict(asked, **changes), **headers)


@pytest.fixture
def api(client: httpx.AsyncClient, visitors: Visitors) -> Api:
    return Api(client, visitors)


def code_of(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


async def test_t7_what_decides_is_seen_in_clear_before_a_yes_counts(api: Api, ward: Ward) -> None:
    asked = ward.ask(decisive={"recipient": "…@example.org"}, sealed=SECRET)
    assert code_of(await api.decide("ada", asked)) == (403, "reveal_required")
    shown = await api.post("ada", f"/approvals/{asked.id}/reveal", {"purpose": "to decide"})
    assert shown.headers["cache-control"] == "no-store"
    assert shown.json()["values"] == SECRET
    assert code_of(await api.decide("ada", asked, seen_decisive="v1:made-up")) == (412, "stale")
    assert code_of(await api.decide("grace", asked, seen_decisive=shown.json()["digest"])) == (412, "stale")
    approved = await api.decide("ada", asked, seen_decisive=shown.json()["digest"])
    assert approved.json()["state"] == "approved"
    assert SECRET["recipient"] not in str(ward.journal())
    assert SECRET["recipient"] not in approved.text


@pytest.mark.parametrize(("who", "code"), [("ruiz", "self_approval"), ("sid", "not_found"), ("luke", "not_found")])
async def test_nobody_else_is_shown_it(api: Api, ward: Ward, who: str, code: str) -> None:
    asked = ward.ask(decisive={"recipient": "…@example.org"}, sealed=SECRET)
    tenant = "st-lukes" if who == "luke" else "st-marys"
    reply = await api.client.post(
        f"/v1/approvals/{asked.id}/reveal",
        json={"purpose": "curiosity"},
        headers=api.visitors.bearer(who, tenant=tenant),
    )
    assert reply.status_code in (403, 404)
    assert SECRET["recipient"] not in reply.text


async def test_a_second_factor_is_asked_for_and_holds_once(api: Api, ward: Ward) -> None:
    asked, code = ward.ask(rules=(SURE,)), code_for(ward, "ada")
    assert code_of(await api.decide("ada", asked)) == (403, "step_up_required")
    assert code_of(await api.decide("ada", asked, headers={"Toolguard_Step_Up": "000000"})) == (401, "identity")
    done = await api.decide("ada", asked, headers={"Toolguard_Step_Up": code})
    assert done.json()["state"] == "approved"
    other = ward.ask(rules=(SURE,))
    assert code_of(await api.decide("ada", other, headers={"Toolguard_Step_Up": code})) == (401, "identity")
    assert ward.read(asked.id).verdicts[0].auth.endswith("+totp")


async def test_a_yes_can_stand_is_listed_and_ended_by_any_approver(api: Api, ward: Ward) -> None:
    asked = ward.ask(rules=(LENIENT,))
    terms = {"seconds": 600, "uses": 3, "vary": [{"argument": "body"}]}
    assert (await api.decide("ada", asked, standing=terms)).json()["state"] == "approved"
    (found,) = (await api.get("grace", "/standing-approvals")).json()
    assert (found["requester"], found["used"], found["uses"]) == ("ruiz", 0, 3)
    assert found["vary"] == [{"argument": "body", "at_most": None}]
    assert (
        await api.post("grace", f"/standing-approvals/{found['id']}/end", {"reason": "not any more"})
    ).status_code == 204
    assert (await api.get("grace", "/standing-approvals")).json() == []


@pytest.mark.parametrize(
    "terms",
    [
        {"seconds": 7200, "uses": 3},
        {"seconds": 60, "uses": 6},
        {"seconds": 60, "uses": 1, "vary": [{"argument": "nothing"}]},
    ],
)
async def test_more_than_the_policy_lets_stand_is_refused(api: Api, ward: Ward, terms: dict[str, Any]) -> None:
    asked = ward.ask(rules=(LENIENT,))
    assert code_of(await api.decide("ada", asked, standing=terms)) == (422, "standing_refused")
    assert ward.read(asked.id).state is State.PENDING


async def test_t19_freezing_stops_and_a_second_person_lifts(api: Api, ward: Ward) -> None:
    asked = ward.ask()
    made = await api.post("sid", "/freeze", {"agent": "discharge-assistant", "reason": "it behaves oddly"})
    assert (made.status_code, made.json()["agent"], made.json()["everyone"]) == (201, "discharge-assistant", False)
    assert ward.read(asked.id).state is State.INVALIDATED
    lift = f"/freeze/{made.json()['id']}/lift"
    assert code_of(await api.post("sid", lift, {"reason": "fine again"})) == (403, "second_person")
    assert [f["person"] for f in (await api.get("tess", "/freeze")).json()] == ["sid"]
    assert (await api.post("tess", lift, {"reason": "looked into it"})).status_code == 204
    assert (await api.get("tess", "/freeze")).json() == []


@pytest.mark.parametrize(("who", "body"), [("ada", {"agent": "x"}), ("tess", {"everyone": True})])
async def test_freezing_is_a_duty(api: Api, who: str, body: dict[str, Any]) -> None:
    assert code_of(await api.post(who, "/freeze", {**body, "reason": "x"})) == (403, "not_on_duty")


async def test_an_agent_without_a_name_is_not_the_whole_tenant(api: Api) -> None:
    assert code_of(await api.post("sid", "/freeze", {"agent": "", "reason": "x"})) == (422, "invalid")


async def test_a_service_can_do_none_of_it(api: Api, ward: Ward) -> None:
    asked = ward.ask()
    headers = api.visitors.bearer("ward-guard", Audience.SERVICE)
    for path, body in (
        (f"/approvals/{asked.id}/reveal", {"purpose": "x"}),
        (f"/approvals/{asked.id}/proposal", {"arguments": {}, "reason": "x"}),
        (f"/approvals/{asked.id}/revoke", {"reason": "x"}),
        (f"/approvals/{asked.id}/resolve", {"ran": True, "evidence": "x"}),
        ("/break-glass", {"approval": asked.id, "reason": "x"}),
        ("/freeze", {"agent": "discharge-assistant", "reason": "x"}),
    ):
        reply = await api.client.post(f"/v1{path}", json=body, headers=headers)
        assert code_of(reply) == (403, "not_a_person"), path
    assert ward.read(asked.id).state is State.PENDING
    assert ward.acts() == []


async def test_an_emergency_is_gone_through_with_and_reviewed(api: Api, ward: Ward) -> None:
    asked = ward.ask(rules=(URGENT,), subject="v1:patient-7", risk_class="read")
    path, said = "/break-glass", {"approval": asked.id, "reason": "bleeding"}
    assert code_of(await api.post("ruiz", path, said)) == (403, "step_up_required")
    code = code_for(ward, "ruiz")
    broken = await api.post("ruiz", path, said, Toolguard_Step_Up=code)
    assert broken.json()["state"] == "break_glass"
    (due,) = (await api.get("rena", "/reviews")).json()
    assert (due["person"], due["reason"]) == ("ruiz", "bleeding")
    said = {"finding": "justified", "reason": "it was"}
    assert code_of(await api.post("ruiz", f"/reviews/{due['id']}", said)) == (403, "self_approval")
    assert (await api.post("rena", f"/reviews/{due['id']}", said)).status_code == 204
    assert (await api.get("rena", "/reviews")).json() == []


async def test_a_proposal_ends_the_request_and_names_what_is_wanted(api: Api, ward: Ward) -> None:
    asked = ward.ask()
    wanted = {"to": "<EMAIL_1>", "body": "Please call the ward."}
    body = {"arguments": wanted, "reason": "less in writing"}
    after = (await api.post("ada", f"/approvals/{asked.id}/proposal", body)).json()
    assert (after["state"], after["proposal"]) == ("superseded", wanted)


async def test_a_yes_is_revoked_and_stays_void(api: Api, ward: Ward) -> None:
    asked = ward.ask()
    ward.decide(human("ada"), asked)
    after = await api.post("grace", f"/approvals/{asked.id}/revoke", {"reason": "wrong patient"})
    assert after.json()["state"] == "revoked"
    assert ward.register().void == {asked.id}


async def test_statistics_are_for_who_has_to_review(api: Api, ward: Ward) -> None:
    ward.decide(human("ada"), ward.ask())
    assert code_of(await api.get("grace", "/stats")) == (403, "not_on_duty")
    found = (await api.get("rena", "/stats")).json()
    assert [(a["person"], a["approved"], a["fast"]) for a in found["approvers"]] == [("ada", 1, 1)]


# --- the inbox


async def test_the_page_reveals_on_request_and_only_then_offers_to_approve(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask(decisive={"recipient": "…@example.org"}, sealed=SECRET)
    await sign_in(client, visitors, "ada")
    before = (await client.get(f"/inbox/{asked.id}")).text
    assert "Reveal first" in before
    assert SECRET["recipient"] not in before
    after = await client.post(f"/inbox/{asked.id}/reveal", data={}, headers=SAME)
    assert SECRET["recipient"] in after.text
    assert "Approve once" in after.text
    assert after.headers["cache-control"] == "no-store"
    sent = fields(after.text)
    assert (await post(client, asked, "approve", seen_decisive=sent["seen_decisive"])).status_code == 303
    assert ward.read(asked.id).state is State.APPROVED
    assert SECRET["recipient"] not in (await client.get(f"/inbox/{asked.id}")).text


async def test_the_page_asks_for_a_code_and_says_when_it_was_wrong(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked, code = ward.ask(rules=(SURE,)), code_for(ward, "ada")
    await sign_in(client, visitors, "ada")
    assert 'autocomplete="one-time-code"' in (await client.get(f"/inbox/{asked.id}")).text
    wrong = await post(client, asked, "approve", code="000000")
    assert "The code was wrong" in wrong.text
    assert (await post(client, asked, "approve", code=code)).status_code == 303
    assert ward.read(asked.id).state is State.APPROVED


async def test_the_page_lets_a_yes_stand(client: httpx.AsyncClient, ward: Ward, visitors: Visitors) -> None:
    asked = ward.ask(rules=(LENIENT,))
    await sign_in(client, visitors, "ada")
    assert "Let a yes stand" in (await client.get(f"/inbox/{asked.id}")).text
    assert (await post(client, asked, "approve", standing_minutes="10", standing_uses="3")).status_code == 303
    (standing,) = ward.register().standing.values()
    assert (standing.terms.seconds, standing.terms.uses) == (600.0, 3)


async def test_the_requester_can_break_the_glass_from_the_page(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors
) -> None:
    asked = ward.ask(rules=(URGENT,), subject="v1:patient-7", risk_class="read")
    code = code_for(ward, "ruiz")
    await sign_in(client, visitors, "ruiz")
    assert "break the glass" in (await client.get(f"/inbox/{asked.id}")).text
    done = await client.post(f"/inbox/{asked.id}/break-glass", data={"reason": "bleeding", "code": code}, headers=SAME)
    assert done.status_code == 303
    assert ward.read(asked.id).state is State.BREAK_GLASS
    assert "Emergency" in (await client.get(f"/inbox/{asked.id}")).text


@pytest.mark.parametrize("path", ["reveal", "break-glass", "resolve"])
async def test_no_act_comes_from_another_site(
    client: httpx.AsyncClient, ward: Ward, visitors: Visitors, path: str
) -> None:
    asked = ward.ask()
    await sign_in(client, visitors, "ada")
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    reply = await client.post(f"/inbox/{asked.id}/{path}", data={"reason": "x"}, headers=headers)
    assert reply.status_code == 403
    assert ward.read(asked.id) == asked
