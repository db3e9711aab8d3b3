"""Every channel keeps the contract: ours, and one that a user wrote in twenty lines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from channels.slack_api import SlackApi, said
from channels.teams_cloud import APP, TENANT, Cloud, runs
from channels.test_webhook import SECRET, Receiver
from channels.workspace import TEAM
from toolguard.authority import Approval
from toolguard.channels import Place
from toolguard.channels.webhook import make_channel as make_webhook
from toolguard.ports import Channel
from toolguard.testing.channel_contract import ChannelContract
from toolguard.testing.desk import Desk
from toolguard_slack import make_channel as make_slack
from toolguard_teams import make_channel as make_teams

DOCS = Path(__file__).parents[2] / "docs" / "channels.md"
(_SHOWN,) = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
_page = sys.modules["docs_channels"] = ModuleType("docs_channels")
exec(compile(_SHOWN, str(DOCS), "exec"), vars(_page))
Pager = vars(_page)["Pager"]
"""The channel the documents show: what is shown there is what is tested here."""


def test_what_the_documents_show_is_twenty_lines() -> None:
    assert len([line for line in _SHOWN.splitlines() if line.strip()]) <= 20


class TestPager(ChannelContract):
    name = "pager"

    def make(self, desk: Desk) -> Channel:
        return Pager(desk.authority)

    def told(self, channel: Any) -> Sequence[str]:
        return channel.sent


def place(desk: Desk, name: str, settings: dict[str, object]) -> Place:
    return Place(
        name=name, settings=settings, authority=desk.authority, inbox="https://desk.example", folder=desk.folder
    )


class TestSlack(ChannelContract):
    name = "slack"

    @pytest.fixture(autouse=True)
    def slack(self) -> Iterator[None]:
        self.api = SlackApi()
        yield
        self.api.close()

    def make(self, desk: Desk) -> Channel:
        (desk.folder / "s").write_text("secret")
        (desk.folder / "b").write_text("xoxb-test")
        settings = {"tenant": "general", "app_id": "A0WARD", "team": TEAM, "rooms": {"default": "C1"}, "signing_secret": "s", "bot_token": "b", "api": self.api.url}  # fmt: skip
        return make_slack(place(desk, "slack", settings))

    def told(self, channel: object) -> Sequence[str]:
        return [said(message["blocks"]) + message["text"] for message in self.api.posted()]


class TestTeams(ChannelContract):
    name = "teams"

    def make(self, desk: Desk) -> Channel:
        self.cloud = Cloud()
        (desk.folder / "s").write_text("secret")
        settings = {
            "tenant": "general",
            "app_id": APP,
            "app_tenant": TENANT,
            "secret": "s",
            "rooms": {"default": "19:x"},
        }
        return make_teams(place(desk, "teams", settings), client=self.cloud.client)

    def told(self, channel: object) -> Sequence[str]:
        return ["".join(runs(card)) for card in self.cloud.shown()]


class TestWebhook(ChannelContract):
    name = "hook"

    @pytest.fixture(autouse=True)
    def receiver(self) -> Iterator[None]:
        self.at = Receiver()
        yield
        self.at.close()

    def make(self, desk: Desk) -> Channel:
        (desk.folder / "s").write_text(SECRET)
        settings = {"tenant": "general", "url": f"http://127.0.0.1:{self.at.port}/", "secret": "s", "hosts": ["127.0.0.1"], "private_hosts": ["127.0.0.1"], "arguments": True}  # fmt: skip
        return make_webhook(place(desk, "hook", settings))

    def told(self, channel: object) -> Sequence[str]:
        return [json.dumps(each, ensure_ascii=False) for each in self.at.got]


def test_a_channel_that_shows_identifiers_does_not_keep_it(tmp_path: Path) -> None:
    """The contract finds what it is for."""
    from toolguard.testing import channel_contract

    class Careless(Pager):  # type: ignore[misc,valid-type] # the class comes from the documents
        def announce(self, approval: Approval) -> None:
            self.sent.append(f"send_letter to {channel_contract.PATIENT}")

    class Contract(ChannelContract):
        name = "pager"

        def make(self, desk: Desk) -> Channel:
            return Careless(desk.authority)

        def told(self, channel: Any) -> Sequence[str]:
            return channel.sent

    desk = Desk(tmp_path)
    contract = Contract()
    file = tmp_path / "p.yaml"
    file.write_text(channel_contract._POLICY.format(channel="pager"))
    guard = desk.guard(file)
    with pytest.raises(AssertionError):
        contract.test_no_identifier_is_told_in_clear(guard, desk, contract.make(desk))
    desk.store.close()
