"""A channel that is spoken to, at the door of the real application."""

from __future__ import annotations

import httpx
import pytest

from channels.workspace import Workspace, rule
from server.visitors import BASE
from toolguard.authority import State
from toolguard_server import create_app


@pytest.fixture
async def client(workspace: Workspace):
    app = create_app(
        workspace.ward.authority, workspace.ward.tokens, workspace.ward.directory, channels=[workspace.channel]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


async def test_what_slack_signed_reaches_the_channel_byte_for_byte(workspace, client):
    approval = workspace.ward.ask(rules=(rule(),))
    workspace.channel.announce(approval)
    workspace.press("ada", approval)
    view = workspace.api.views[-1]
    filled = {**view, "state": {"values": {"reason": {"reason": {"value": "checked"}}}}}
    sent = workspace.signed(workspace.envelope("UADA", type="view_submission", view=filled))
    headers = {**sent.headers, "content-type": "application/x-www-form-urlencoded"}
    answer = await client.post("/channels/slack", content=sent.body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"response_action": "clear"})
    assert workspace.ward.read(approval.id).state is State.APPROVED
    again = await client.post("/channels/slack", content=sent.body, headers=headers)
    assert again.status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_a_post_reaches_it(client, method):
    assert (await client.request(method, "/channels/slack")).status_code == 405


async def test_what_is_too_large_does_not(client):
    answer = await client.post("/channels/slack", content=b"x" * (256 * 1024 + 1))
    assert answer.status_code == 413


async def test_another_host_name_does_not(client):
    answer = await client.post("/channels/slack", content=b"x", headers={"host": "evil.example"})
    assert answer.status_code in (400, 421)


async def test_a_channel_that_fails_shows_nothing_of_why(workspace, client, monkeypatch):
    def broken(_: object) -> None:
        raise RuntimeError("MRN 84021733")

    monkeypatch.setattr(workspace.channel, "_gate", type("Gate", (), {"check": lambda *_: broken(None)})())
    answer = await client.post("/channels/slack", content=b"x")
    assert answer.status_code == 500
    assert "84021733" not in answer.text
