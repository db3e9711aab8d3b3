"""People who come by way of their own identity provider: what is believed, and everything that is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authority.ward import Ward
from server.idp import AUDIENCE, CLIENT, ISSUER, KEYS, Idp
from server.visitors import BASE
from toolguard.authority import State
from toolguard.channels import Place
from toolguard.errors import ConfigError
from toolguard_server import create_app
from toolguard_server.oidc import open_providers


@pytest.fixture
def idp(ward: Ward) -> Idp:
    def known(text: str) -> str:
        for person in ("ada", "ruiz", "noor"):
            mark = f"{{issuer: local, tenant: st-marys, subject: {person}}}"
            text = text.replace(mark, f'{mark}, {{issuer: "{ISSUER}", tenant: st-marys, subject: {person}-sub}}')
        return text

    ward.write_directory(known)
    return Idp(ward.time)


def providers_of(ward: Ward, idp: Idp, **changes: Any):
    settings = {
        "issuer": ISSUER,
        "tenant": "st-marys",
        "client_id": CLIENT,
        "audience": AUDIENCE,
        "algorithms": ["RS256", "ES256"],
        **changes,
    }
    place = Place(name="hospital", settings={}, authority=ward.authority, inbox=BASE, folder=ward.folder)
    return open_providers({"hospital": settings}, lambda _: place, client=idp.client)


@pytest.fixture
async def client(ward: Ward, idp: Idp) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(ward.authority, ward.tokens, ward.directory, providers=providers_of(ward, idp), url=BASE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_an_access_token_reads_and_decides_as_its_person(ward, idp, client):
    approval = ward.ask()
    request = approval.request
    body = {
        "answer": "approve",
        "reason": "checked",
        "seen_call_digest": request.call_digest,
        "seen_view_digest": request.view_digest,
    }
    answer = await client.post(
        f"/v1/approvals/{approval.id}/decision", json=body, headers={**bearer(idp.token()), "If-Match": '"1"'}
    )
    assert answer.status_code == 200
    (verdict,) = ward.read(approval.id).verdicts
    assert (verdict.person, verdict.identity.issuer, verdict.auth) == ("ada", ISSUER, "oidc:hospital")


async def test_who_asks_does_not_approve_by_this_way_either(ward, idp, client):
    approval = ward.ask()
    request = approval.request
    body = {
        "answer": "approve",
        "reason": "x",
        "seen_call_digest": request.call_digest,
        "seen_view_digest": request.view_digest,
    }
    headers = {**bearer(idp.token(sub="ruiz-sub")), "If-Match": '"1"'}
    answer = await client.post(f"/v1/approvals/{approval.id}/decision", json=body, headers=headers)
    assert answer.status_code == 403
    assert ward.read(approval.id).state is State.PENDING


REFUSED: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "another-api"},
    "the inbox's own client": {"aud": CLIENT},
    "several audiences without an azp": {"aud": [AUDIENCE, "another-api"]},
    "several audiences for another azp": {"aud": [AUDIENCE, "another-api"], "azp": "another-api"},
    "no audience": {"drop": ("aud",)},
    "another issuer": {"iss": "https://evil.example/realm"},
    "almost the issuer": {"iss": ISSUER + "/"},
    "no issuer": {"drop": ("iss",)},
    "expired": {"iat": 1_799_990_000, "exp": 1_799_999_000},
    "from the future": {"iat": 1_800_001_000, "exp": 1_800_002_000},
    "not yet good": {"nbf": 1_800_001_000},
    "no end": {"drop": ("exp",)},
    "no beginning": {"drop": ("iat",)},
    "longer than a day": {"exp": 1_800_000_000 + 90_000},
    "an end in words": {"exp": "later"},
    "no subject": {"drop": ("sub",)},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "a subject with a line end": {"sub": "ada-sub\n"},
    "someone unknown": {"sub": "nobody"},
    "a key that is not published": {"kid": "private"},
    "a published key's name over another signature": {"kid": "one", "signer": "private"},
    "a shared secret": {"algorithm": "HS256"},
    "an algorithm nobody pinned": {"algorithm": "RS512"},
    "no signature": {"algorithm": "none"},
}


@pytest.mark.parametrize("how", REFUSED)
async def test_tokens_that_prove_nothing_open_nothing(idp, client, how):
    answer = await client.get("/v1/approvals", headers=bearer(idp.token(**REFUSED[how])))
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "token", ["a.b.c", "..", "e30.e30.", "é.é.é", "x" * 20_000 + ".y.z", "eyJhbGciOiJub25lIn0.e30."]
)
async def test_what_is_no_token_opens_nothing(client, token):
    answer = await client.get("/v1/approvals", headers={"Authorization": f"Bearer {token}".encode()})
    assert answer.status_code == 401


async def test_the_public_key_used_as_a_shared_secret_opens_nothing(idp, client):

    pem = KEYS["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    now = idp.now()
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (
            {"alg": "HS256", "kid": "one"},
            {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada-sub", "iat": now, "exp": now + 60},
        )
    ]
    signed = b".".join(parts)
    mac = base64.urlsafe_b64encode(hmac.new(pem, signed, hashlib.sha256).digest()).rstrip(b"=")
    answer = await client.get("/v1/approvals", headers=bearer((signed + b"." + mac).decode()))
    assert answer.status_code == 401


async def test_keys_turn_without_anyone_being_told(idp, client, ward):
    assert (await client.get("/v1/approvals", headers=bearer(idp.token()))).status_code == 200
    idp.published = ["two", "curve"]
    assert (
        await client.get("/v1/approvals", headers=bearer(idp.token(kid="two")))
    ).status_code == 401  # looked a moment ago
    ward.time.at += 61
    assert (await client.get("/v1/approvals", headers=bearer(idp.token(kid="two")))).status_code == 200
    assert (
        await client.get("/v1/approvals", headers=bearer(idp.token(kid="curve", algorithm="ES256")))
    ).status_code == 200
    assert (await client.get("/v1/approvals", headers=bearer(idp.token(kid="one")))).status_code == 401


async def test_strangers_tokens_do_not_make_it_read_keys_over_and_over(idp, client, ward):
    await client.get("/v1/approvals", headers=bearer(idp.token()))
    for _ in range(30):
        await client.get("/v1/approvals", headers=bearer(idp.token(kid="private")))
    assert idp.reads == 1


async def test_while_it_is_down_known_keys_hold_for_a_day_and_no_longer(idp, client, ward):
    assert (await client.get("/v1/approvals", headers=bearer(idp.token()))).status_code == 200
    idp.down = True
    ward.time.at += 7200
    assert (await client.get("/v1/approvals", headers=bearer(idp.token()))).status_code == 200
    ward.time.at += 24 * 3600
    assert (await client.get("/v1/approvals", headers=bearer(idp.token()))).status_code == 401


@pytest.mark.parametrize(
    "says",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://id.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
async def test_a_provider_that_publishes_what_cannot_be_safe_lets_nobody_in(idp, client, says):
    idp.says = says
    assert (await client.get("/v1/approvals", headers=bearer(idp.token()))).status_code == 401


# --- the inbox


async def begin(client: httpx.AsyncClient) -> dict[str, str]:
    answer = await client.get("/signin/with/hospital")
    assert answer.status_code == 303
    url = urlsplit(answer.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/authorize"
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    return asked


async def come_back(
    client: httpx.AsyncClient, idp: Idp, asked: dict[str, str], query: dict[str, str] | None = None, **claims: Any
):
    idp.codes["c-1"] = {"id_token": idp.token(**{"aud": CLIENT, "nonce": asked["nonce"], **claims})}
    return await client.get("/signin/with/hospital/callback", params=query or {"code": "c-1", "state": asked["state"]})


async def test_a_person_signs_in_and_sees_the_inbox(idp, client):
    asked = await begin(client)
    assert asked["code_challenge_method"] == "S256"
    answer = await come_back(client, idp, asked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
    assert "Ada Lovelace" in (await client.get("/inbox")).text
    assert idp.asked[0]["code_verifier"] not in (asked["code_challenge"], "")
    assert "client_secret" not in idp.asked[0]


async def test_the_sign_in_page_offers_it(client):
    page = await client.get("/signin")
    assert 'href="/signin/with/hospital"' in page.text


WAYS: dict[str, tuple[dict[str, str] | None, dict[str, Any]]] = {
    "another state": ({"code": "c-1", "state": "x"}, {}),
    "no state": ({"code": "c-1"}, {}),
    "no code": ({"state": "STATE"}, {}),
    "an error": ({"error": "access_denied", "state": "STATE"}, {}),
    "a code nobody gave": ({"code": "c-2", "state": "STATE"}, {}),
    "another provider's answer": ({"code": "c-1", "state": "STATE", "iss": "https://evil.example"}, {}),
    "another nonce": (None, {"nonce": "x"}),
    "no nonce": (None, {"drop": ("nonce",)}),
    "a token for the API": (None, {"aud": AUDIENCE}),
    "a token of a stranger's key": (None, {"signer": "private"}),
    "someone unknown": (None, {"sub": "nobody"}),
}


@pytest.mark.parametrize("how", WAYS)
async def test_sign_ins_that_prove_nothing_sign_nobody_in(idp, client, how):
    query, claims = WAYS[how]
    asked = await begin(client)
    if query is not None:
        query = {name: asked["state"] if value == "STATE" else value for name, value in query.items()}
    answer = await come_back(client, idp, asked, query, **claims)
    assert answer.status_code == 401
    assert "id_token" not in answer.text
    assert (await client.get("/inbox")).status_code == 303  # to the sign-in page


async def test_an_answer_without_the_browser_that_asked_signs_nobody_in(idp, client):
    asked = await begin(client)
    client.cookies.clear()
    assert (await come_back(client, idp, asked)).status_code == 401


async def test_an_answer_is_good_once(idp, client):
    asked = await begin(client)
    assert (await come_back(client, idp, asked)).status_code == 303
    client.cookies.delete("toolguard_session")
    assert (await come_back(client, idp, asked)).status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "e30=", "é", "W10=", "bnVsbA=="])
async def test_a_cookie_that_is_none_signs_nobody_in(idp, client, cookie):
    asked = await begin(client)
    client.cookies.clear()
    idp.codes["c-1"] = {"id_token": idp.token(aud=CLIENT, nonce=asked["nonce"])}
    answer = await client.get(
        "/signin/with/hospital/callback",
        params={"code": "c-1", "state": asked["state"]},
        headers={"cookie": f"toolguard_signin={cookie}".encode()},
    )
    assert answer.status_code == 401


async def test_there_is_no_way_that_was_not_configured(client):
    assert (await client.get("/signin/with/elsewhere")).status_code == 401
    assert (await client.get("/signin/with/elsewhere/callback?code=1&state=2")).status_code == 401


async def test_when_the_provider_is_down_codes_still_work(idp, client, ward):
    idp.down = True
    assert (await client.get("/signin/with/hospital")).status_code == 401
    assert "Sign-in code" in (await client.get("/signin")).text


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://id.example"},
        {"issuer": "https://a:b@id.example"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"client_id": "", "audience": ""},
        {"client_secret": "env:NOT_SET_AT_ALL"},
        {"nonsense": 1},
    ],
)
def test_settings_that_cannot_be_safe_are_refused(ward, idp, changes):
    with pytest.raises(ConfigError):
        providers_of(ward, idp, **changes)
