"""Slack's interactions over a connection of our own: the same answers, no signature, nothing that ends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from channels.slack_socket import SocketEnd
from channels.workspace import Workspace, rule
from toolguard.authority import State
from toolguard.channels import Connected
from toolguard.errors import IdentityError
from toolguard_slack.socket_mode import _Client


@pytest.fixture
def end(workspace: Workspace) -> Iterator[SocketEnd]:
    end = SocketEnd()
    answer = workspace.api._answer
    opened = {"ok": True, "url": end.url}
    workspace.api._answer = lambda method, body: opened if method == "apps.connections.open" else answer(method, body)
    workspace.api.tokens = {"xoxb-test", "xapp-test"}
    (workspace.ward.folder / "app").write_text("xapp-test")
    workspace.channel = workspace.make(workspace.ward.authority, app_token="app")
    workspace.channel.start()
    assert end.connected.wait(10)
    yield end
    workspace.channel.stop()
    end.close()


def test_it_is_a_channel_with_a_connection(workspace: Workspace) -> None:
    assert isinstance(workspace.channel, Connected)
    workspace.channel.start()  # without an app token there is nothing to open
    workspace.channel.stop()


def test_an_answer_given_over_it_counts(workspace: Workspace, end: SocketEnd) -> None:
    approval = workspace.ward.ask(rules=(rule(),))
    workspace.press("ada", approval)
    view = workspace.api.views[-1]
    filled = {**view, "state": {"values": {"reason": {"reason": {"value": "checked"}}}}}
    end.send(workspace.envelope("UADA", type="view_submission", view=filled))
    said = end.answers.get(timeout=10)
    assert (said["envelope_id"], said["payload"]) == ("e-1", {"response_action": "clear"})
    assert workspace.ward.read(approval.id).state is State.APPROVED


@pytest.mark.parametrize(
    "changes",
    [
        {"api_app_id": "A0OTHER"},
        {"team": {"id": "T0EVIL"}},
        {"user": {"id": "UADA", "team_id": "T0EVIL"}},
        {"user": None},
    ],
)
def test_who_pressed_is_checked_as_always(workspace: Workspace, end: SocketEnd, changes: dict[str, object]) -> None:
    approval = workspace.ward.ask(rules=(rule(),))
    workspace.press("ada", approval)
    view = workspace.api.views[-1]
    end.send(workspace.envelope("UADA", type="view_submission", view=view, **changes))
    assert end.answers.get(timeout=10)["envelope_id"] == "e-1"
    assert workspace.ward.read(approval.id).state is State.PENDING


def test_what_is_no_interaction_or_nonsense_is_acknowledged_and_ends_nothing(
    workspace: Workspace, end: SocketEnd
) -> None:
    end.send({"event": {"text": "MRN 84021733"}}, envelope="e-2", kind="events_api")
    assert end.answers.get(timeout=10)["envelope_id"] == "e-2"
    end.send({"type": "view_submission", "view": []}, envelope="e-3")
    assert end.answers.get(timeout=10)["envelope_id"] == "e-3"
    approval = workspace.ward.ask(rules=(rule(),))
    workspace.press("grace", approval, "deny")
    filled = {**workspace.api.views[-1], "state": {"values": {"reason": {"reason": {"value": "no"}}}}}
    end.send(workspace.envelope("UGRACE", type="view_submission", view=filled), envelope="e-4")
    assert end.answers.get(timeout=10)["envelope_id"] == "e-4"
    assert workspace.ward.read(approval.id).state is State.DENIED


@pytest.mark.parametrize("url", ["ws://wss-primary.slack.example/link", "http://127.0.0.1.evil.example/"])
def test_a_connection_in_clear_text_is_not_opened(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    client = _Client(app_token="xapp-test")
    monkeypatch.setattr("slack_sdk.WebClient.apps_connections_open", lambda self, **_: {"url": url})
    with pytest.raises(IdentityError, match="clear text"):
        client.issue_new_wss_url()
    client.close()
