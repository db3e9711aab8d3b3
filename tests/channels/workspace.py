"""A Slack workspace whose people approve in a ward: real signatures, real client, real authority."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from authority.ward import OFFICERS, Ward
from channels.slack_api import SlackApi
from toolguard.authority import Approval, Authority
from toolguard.channels import Inbound, Outbound, Place
from toolguard_slack import SlackChannel, make_channel

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TEAM = "T0WARD"
PEOPLE = {"ada": "UADA", "grace": "UGRACE", "ruiz": "URUIZ", "noor": "UNOOR", "sid": "USID", "luke": "ULUKE"}


def rule(**changes: Any) -> Any:
    """The officers' approver rule, told in Slack."""
    return replace(OFFICERS, **{"channel": "slack", **changes})


class Workspace:
    def __init__(self, ward: Ward, api: SlackApi) -> None:
        self.ward = ward
        self.api = api
        self._trigger = itertools.count(1)

        def with_slack(text: str) -> str:
            for person, user in PEOPLE.items():
                tenant = "st-lukes" if person == "luke" else "st-marys"
                mark = f"{{issuer: local, tenant: {tenant}, subject: {person}}}"
                text = text.replace(mark, f'{mark}, {{issuer: "slack:{TEAM}", tenant: {tenant}, subject: {user}}}')
            return text

        ward.write_directory(with_slack)
        self.channel = self.make(ward.authority)

    def make(self, authority: Authority, **changes: Any) -> SlackChannel:
        (self.ward.folder / "signing").write_text(SECRET)
        (self.ward.folder / "bot").write_text("xoxb-test")
        settings = {
            "tenant": "st-marys",
            "app_id": "A0WARD",
            "team": TEAM,
            "rooms": {"default": "C0OFFICE", "privacy": "C0PRIVACY"},
            "signing_secret": "signing",
            "bot_token": "file:bot",
            "api": self.api.url,
            **changes,
        }
        place = Place(
            name="slack", settings=settings, authority=authority, inbox="https://desk.example", folder=self.ward.folder
        )
        return make_channel(place)

    # --- what Slack sends

    def signed(self, payload: object, *, at: float | None = None, secret: str = SECRET, **headers: str) -> Inbound:
        body = urlencode({"payload": json.dumps(payload)}).encode()
        stamp = str(int(self.ward.time.at if at is None else at))
        mac = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        given = {"x-slack-signature": f"v0={mac}", "x-slack-request-timestamp": stamp, **headers}
        return Inbound(method="POST", path="/channels/slack", headers=given, body=body)

    def envelope(self, sender: str, /, **changes: Any) -> dict[str, Any]:
        return {
            "api_app_id": "A0WARD",
            "team": {"id": TEAM, "domain": "ward"},
            "user": {"id": sender, "team_id": TEAM, "name": "whoever"},
            "trigger_id": f"{next(self._trigger)}.1",
            **changes,
        }

    def press(self, who: str, approval: Approval, answer: str = "approve", **changes: Any) -> Outbound:
        request = approval.request
        value = {"id": approval.id, "v": approval.version, "c": request.call_digest, "w": request.view_digest}
        action = {"action_id": answer, "value": json.dumps({**value, **changes.pop("value", {})})}
        payload = self.envelope(PEOPLE.get(who, who), type="block_actions", actions=[action], **changes)
        return self.channel.receive(self.signed(payload))

    def submit(
        self, who: str, view: dict[str, Any], reason: str = "checked with the ward", **changes: Any
    ) -> dict[str, Any]:
        """Send the dialogue that was opened. → Slack's response action."""
        filled = {**view, "state": {"values": {"reason": {"reason": {"type": "plain_text_input", "value": reason}}}}}
        payload = self.envelope(PEOPLE.get(who, who), type="view_submission", view=filled, **changes)
        answer = self.channel.receive(self.signed(payload))
        assert answer.status == 200
        return json.loads(answer.body or b"{}")

    def answer(
        self, who: str, approval: Approval, answer: str = "approve", reason: str = "checked with the ward"
    ) -> dict[str, Any]:
        """Press, and send the dialogue."""
        self.press(who, approval, answer)
        return self.submit(who, self.api.views[-1], reason)

    def settled(self, until: Any) -> None:
        """Wait until what happens in the background has happened."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if until():
                return
            time.sleep(0.02)
        raise AssertionError("it did not happen")
