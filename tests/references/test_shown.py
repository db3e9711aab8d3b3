"""An approver sees for which references the answer holds for the content, and for which it does not."""

import time

import httpx
import pytest

from toolguard import Suspended
from toolguard._core.call import Person
from toolguard.cli import approvals
from toolguard.directory import Audience, TokenFile
from toolguard_server import create_app

BASE = "http://127.0.0.1:8790"


def upload(path: str, callback_url: str = "") -> str:
    """Upload a letter."""
    return "sent"


@pytest.fixture
def asked(session, file):
    with pytest.raises(Suspended) as waits:
        session.call(upload, {"path": str(file), "callback_url": "https://hook.example/x"})
    return waits.value.approval_id


@pytest.fixture
def plain(session):
    def fetch(url: str = "") -> str:
        return "ok"

    with pytest.raises(Suspended) as waits:
        session.call(fetch, {})
    return waits.value.approval_id


@pytest.fixture
def secret(desk):
    tokens = TokenFile(desk.folder / "tokens.json", now=time.time)
    chen = Person(issuer="local", tenant="general", subject="chen")

    def make(audience):
        return tokens.issue(audience=audience, person="chen", identity=chen, tenant="general").secret

    make.tokens = tokens
    return make


@pytest.fixture
async def client(desk, secret):
    app = create_app(desk.authority, secret.tokens, desk.directory)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


async def read(client, secret, approval):
    bearer = {"Authorization": f"Bearer {secret(Audience.DECIDE)}"}
    return (await client.get(f"/v1/approvals/{approval}", headers=bearer)).json()


async def test_in_the_api(client, secret, asked, plain):
    told = await read(client, secret, asked)
    assert list(told["contents_bound"]) == ["path"]
    assert told["contents_bound"]["path"].startswith("v1:")
    assert told["contents_not_bound"] == ["callback_url"]
    told = await read(client, secret, plain)
    assert (told["contents_bound"], told["contents_not_bound"]) == ({}, [])


async def test_in_the_inbox(client, secret, asked, plain):
    same = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    signed = await client.post("/signin", data={"code": secret(Audience.LINK)}, headers=same)
    assert signed.status_code == 303
    page = (await client.get(f"/inbox/{asked}")).text
    assert "Contents bound: <code>path</code>." in page
    assert "Contents not bound: <code>callback_url</code>." in page
    assert "Contents" not in (await client.get(f"/inbox/{plain}")).text


async def test_in_the_terminal(client, secret, asked, capsys):
    approvals._print(await read(client, secret, asked))
    text = capsys.readouterr().out
    for part in ("refers: path", "contents bound", "refers: callback_url", "contents not bound"):
        assert part in text
