"""The whole sign-in against a certified provider (npm ``oidc-provider``), over real sockets."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

import npm
from authority.ward import Ward
from server.visitors import BASE
from toolguard.channels import Place
from toolguard_server import create_app
from toolguard_server.oidc import Provider, open_providers

CALLBACK = f"{BASE}/signin/with/hospital/callback"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    folder = npm.modules("oidc-provider@9.13.3")
    script = Path(__file__).with_name("oidc_provider.mjs")
    process = subprocess.Popen(
        [npm.node(), str(script), str(folder), CALLBACK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said, "the provider did not start"
    yield json.loads(said)["issuer"]
    process.terminate()
    process.wait(10)
    process.stdout.close()


def log_in(url: str, who: str) -> str:
    """What a browser does at the provider. → where it is sent back to."""
    with httpx.Client(follow_redirects=False, trust_env=False, timeout=20) as browser:
        for _ in range(20):
            answer = browser.get(url)
            while answer.is_redirect:
                url = urljoin(url, answer.headers["location"])
                if url.startswith(CALLBACK):
                    return url
                answer = browser.get(url)
            (action,) = re.findall(r'<form[^>]*action="([^"]+)"', answer.text)[:1]
            fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', answer.text))
            fields.update({"login": who, "password": "x"} if 'name="login"' in answer.text else {})
            answer = browser.post(urljoin(url, unescape(action)), data=fields)
            url = urljoin(url, answer.headers["location"])
            if url.startswith(CALLBACK):
                return url
    raise AssertionError("the provider sent nobody back")


@pytest.fixture
def providers(ward: Ward, issuer: str) -> Iterator[list[Provider]]:
    def known(text: str) -> str:
        mark = "{issuer: local, tenant: st-marys, subject: ada}"
        return text.replace(mark, f'{mark}, {{issuer: "{issuer}", tenant: st-marys, subject: ada-at-home}}')

    ward.write_directory(known)
    place = Place(name="hospital", settings={}, authority=ward.authority, inbox=BASE)
    settings = {"issuer": issuer, "tenant": "st-marys", "client_id": "inbox-client"}
    opened = list(open_providers({"hospital": settings}, lambda _: place))
    for provider in opened:
        provider._now = time.time  # the provider's own clock is the machine's
    yield opened
    for provider in opened:
        provider.close()


@pytest.fixture
def app(ward: Ward, providers: list[Provider]) -> Any:
    return create_app(ward.authority, ward.tokens, ward.directory, providers=providers, url=BASE)


async def test_the_service_lets_go_of_its_connections_to_providers_when_it_stops(app, providers):
    (provider,) = providers
    async with app.router.lifespan_context(app):
        assert not provider.client.is_closed
    assert provider.client.is_closed


async def test_a_person_comes_in_through_a_certified_provider(app, issuer):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        away = (await client.get("/signin/with/hospital")).headers["location"]
        assert away.startswith(f"{issuer}/auth?")
        back = log_in(away, "ada-at-home")
        answer = await client.get(back)
        assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
        assert "Ada Lovelace" in (await client.get("/inbox")).text
        client.cookies.clear()
        assert (await client.get(back)).status_code == 401


async def test_who_the_directory_does_not_know_stays_outside(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        away = (await client.get("/signin/with/hospital")).headers["location"]
        answer = await client.get(log_in(away, "somebody-else"))
        assert answer.status_code == 401
        assert "not in the directory" in answer.text


async def test_a_stolen_code_is_worth_nothing_in_another_browser(app):
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as victim,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as thief,
    ):
        away = (await victim.get("/signin/with/hospital")).headers["location"]
        code = parse_qs(urlsplit(log_in(away, "ada-at-home")).query)["code"][0]
        own = parse_qs(urlsplit((await thief.get("/signin/with/hospital")).headers["location"]).query)["state"][0]
        answer = await thief.get("/signin/with/hospital/callback", params={"code": code, "state": own})
        assert answer.status_code == 401
