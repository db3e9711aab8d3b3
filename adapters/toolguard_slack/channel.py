"""Slack as a channel: tells rooms what waits, takes answers that Slack signed, and keeps every message true."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from toolguard.authority import Answer, Approval, Authority, Human, Notice, Person
from toolguard.channels import HINTS, Card, Inbound, Outbound, card_of
from toolguard.errors import ApprovalError, ConflictError, IdentityError, NotFoundError, ToolguardError
from toolguard_slack import blocks
from toolguard_slack.socket_mode import Socket
from toolguard_slack.verify import Gate

__all__ = ["SlackChannel"]

log = logging.getLogger("toolguard.slack")

_KEPT = 5000
_LOOKED = 200
"""Messages of a room that are looked through for one of ours that this process does not remember."""
_NOT_YOURS = "There is no such request for you. Ask an administrator to put your Slack account into the directory."


class SlackChannel:
    """A `toolguard.channels.Mounted`. Who presses a button is who Slack says; what they may do the directory says.

    A person stands in the directory under the issuer ``slack:TEAM`` with their Slack user id as subject.

    Args: see `SlackSettings`; secrets in clear, ``inbox`` the URL links lead to.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        name: str,
        tenant: str,
        app_id: str,
        team: str,
        enterprise: str,
        external_teams: frozenset[str],
        rooms: Mapping[str, str],
        signing_secret: str,
        bot_token: str,
        app_token: str,
        inbox: str,
        api: str,
    ) -> None:
        self._authority = authority
        self._name = name
        self._tenant = tenant
        self._app_id = app_id
        self._team = team
        self._enterprise = enterprise
        self._teams = frozenset({team}) | external_teams
        self._rooms = dict(rooms)
        self._gate = Gate(signing_secret, authority.now)
        self._client = WebClient(token=bot_token, base_url=api, timeout=5)
        self._socket = Socket(app_token, api, self.interact) if app_token else None
        self._inbox = inbox.rstrip("/")
        self._posted: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Open Socket Mode's connection, where an app token was given. The service calls it when it starts."""
        if self._socket is not None:
            self._socket.start()

    def stop(self) -> None:
        """Close that connection."""
        if self._socket is not None:
            self._socket.stop()

    # --- telling

    @property
    def paths(self) -> tuple[str, ...]:
        return (f"/channels/{self._name}",)

    def announce(self, approval: Approval) -> None:
        """Post it to its rooms, or bring what was posted up to date. Raises what Slack answers; it is tried again."""
        if approval.request.tenant != self._tenant:
            return
        card = self._card(approval)
        for room in self._rooms_of(approval):
            known = self._find(room, approval)
            if known is not None:
                self._client.chat_update(channel=room, ts=known, **_content(card))
            elif card.open:
                answer = self._client.chat_postMessage(
                    channel=room,
                    metadata={"event_type": blocks.METADATA, "event_payload": {"id": card.id}},
                    unfurl_links=False,
                    unfurl_media=False,
                    **_content(card),
                )
                self._remember(room, card.id, str(answer["ts"]))

    def notify(self, approval: Approval, notice: Notice) -> None:
        """A reminder or an escalation: in the thread of the message, so that nobody is shown a second set of buttons."""
        self.announce(approval)
        if approval.request.tenant != self._tenant or notice not in (Notice.REMINDER, Notice.ESCALATION):
            return
        said = "This still waits." if notice is Notice.REMINDER else "This has waited long: others may decide it now."
        for room in self._rooms_of(approval):
            known = self._find(room, approval)
            if known is not None:
                self._client.chat_postMessage(
                    channel=room, thread_ts=known, reply_broadcast=True, text=said, mrkdwn=False
                )

    def _rooms_of(self, approval: Approval) -> list[str]:
        """Slack channels of the approver rules that name this channel; each once."""
        found: dict[str, None] = {}
        for rule in approval.request.approver_rules:
            kind, _, room = rule.channel.partition(":")
            if kind != self._name:
                continue
            where = self._rooms.get(room or "default")
            if where is None:
                log.warning(
                    "a policy names a room of channel %r that [channels.%s] rooms does not", self._name, self._name
                )
            else:
                found[where] = None
        return list(found)

    def _find(self, room: str, approval: Approval) -> str | None:
        """The message this approval has in a room: remembered, or found by its metadata (after a restart, by another replica)."""
        with self._lock:
            known = self._posted.get((room, approval.id))
        if known is not None:
            return known
        oldest = approval.request.created - 60
        found = self._client.conversations_history(
            channel=room, oldest=f"{oldest:.6f}", include_all_metadata=True, limit=_LOOKED
        )
        for each in found["messages"]:
            said = each.get("metadata") or {}
            ours = each.get("app_id", self._app_id) == self._app_id and bool(each.get("bot_id"))
            if ours and said.get("event_type") == blocks.METADATA:
                posted = str((said.get("event_payload") or {}).get("id", ""))
                self._remember(room, posted, str(each["ts"]))
                if posted == approval.id:
                    return str(each["ts"])
        return None

    def _remember(self, room: str, approval_id: str, ts: str) -> None:
        with self._lock:
            self._posted[room, approval_id] = ts
            while len(self._posted) > _KEPT:
                self._posted.popitem(last=False)

    def _card(self, approval: Approval) -> Card:
        return card_of(
            approval,
            requester=self._authority.name_of(approval),
            link=f"{self._inbox}/inbox/{approval.id}",
            now=self._authority.now(),
            stamp=self._authority.stamp(),
            comments=self._authority.comments_on(approval),
        )

    # --- answers

    def receive(self, request: Inbound) -> Outbound:
        """One interaction over HTTP: checked, and answered within Slack's three seconds."""
        try:
            self._gate.check(request.headers, request.body)
            payload = _payload(request.body)
        except IdentityError as refused:
            log.warning("a request to the Slack channel was refused: %s", refused)
            return _answer(401, {"error": str(refused)})
        return self.interact(payload)

    def interact(self, payload: Mapping[str, Any]) -> Outbound:
        """One interaction that is known to come from Slack (signed, or over Socket Mode's own connection)."""
        try:
            person = self._person(payload)
        except IdentityError as refused:
            log.warning("an interaction in Slack was refused: %s", refused)
            self._say(payload, "Not from here", "Your Slack account does not count here. Use the inbox.")
            return _answer(200, {})
        kind = payload.get("type")
        if kind == "block_actions":
            self._pressed(person, payload)
            return _answer(200, {})
        if kind == "view_submission":
            return _answer(200, self._submitted(person, payload))
        return _answer(200, {})

    def _person(self, payload: Mapping[str, Any]) -> Human:
        """Who Slack says pressed. Raises IdentityError for another app, workspace, or a guest of another workspace."""
        user, team = _object(payload, "user"), _object(payload, "team")
        if payload.get("api_app_id") != self._app_id:
            raise IdentityError("it is for another app")
        enterprise = str((payload.get("enterprise") or {}).get("id") or "")
        if team.get("id") not in self._teams and not (self._enterprise and enterprise == self._enterprise):
            raise IdentityError("it is from another workspace")
        if self._enterprise and enterprise != self._enterprise:
            raise IdentityError("it is from another organisation")
        home, subject = str(user.get("team_id") or ""), str(user.get("id") or "")
        if not subject or home not in self._teams:
            raise IdentityError("its user belongs to another workspace")
        identity = Person(issuer=f"slack:{home}", tenant=self._tenant, subject=subject)
        return Human(identity=identity, channel=self._name, auth="slack-signature")

    def _pressed(self, person: Human, payload: Mapping[str, Any]) -> None:
        """A button: open the dialogue, or say why not."""
        actions = payload.get("actions")
        action = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
        answer = str(action.get("action_id", ""))
        if answer not in ("approve", "deny"):
            return
        seen = _seen(str(action.get("value", "")))
        try:
            approval = self._authority.get(person, seen["id"])
        except (KeyError, NotFoundError):
            self._say(payload, "Not for you", _NOT_YOURS)
            return
        card = self._card(approval)
        if not card.open:
            self._say(payload, "It is over", card.sentence)
            self._refresh(approval)
        elif answer == "approve" and card.inbox_only:
            self._say(payload, "In the inbox", card.inbox_only)
        elif not self._authority.can_decide(person, approval):
            asks = self._authority.asks(person, approval)
            self._say(payload, "Not for you", HINTS["self_approval" if asks else "not_an_approver"])
        elif (seen.get("c"), seen.get("w")) != (card.call_digest, card.view_digest):
            self._say(payload, "Not what you saw", HINTS["stale"])
        else:
            self._open(payload, blocks.dialogue(card, answer, json.dumps(seen)))

    def _submitted(self, person: Human, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The dialogue was sent: give the verdict. → Slack's response action."""
        view = _object(payload, "view")
        answer = str(view.get("callback_id", "")).removeprefix("toolguard.")
        seen = _seen(str(view.get("private_metadata", "")))
        values = ((view.get("state") or {}).get("values") or {}).get("reason") or {}
        reason = str((values.get("reason") or {}).get("value") or "")
        if answer not in ("approve", "deny") or "id" not in seen:
            return _view("Not understood", "This dialogue is not one of this app; nothing was decided.")
        try:
            approval = self._authority.get(person, seen["id"])
            if answer == "approve" and (only := self._card(approval).inbox_only):
                return _view("In the inbox", only)
            after = self._authority.decide(
                person,
                seen["id"],
                Answer(answer),
                seen_call_digest=str(seen.get("c", "")),
                seen_view_digest=str(seen.get("w", "")),
                reason=reason,
                version=seen["v"] if isinstance(seen.get("v"), int) else None,
            )
        except NotFoundError:
            return _view("Not for you", _NOT_YOURS)
        except ApprovalError as refused:
            said = HINTS.get(refused.code, "Your answer was not taken.")
            if refused.code == "reason_required":
                return {"response_action": "errors", "errors": {"reason": said}}
            return _view("Not taken", said)
        except ConflictError:
            return _view("Not taken", HINTS["conflict"])
        except ToolguardError as fault:
            log.warning("an answer given in Slack could not be taken: %s", type(fault).__name__)
            return _view("Not taken", "The service could not take your answer now. Use the inbox, or try again.")
        self._refresh(after)
        return {"response_action": "clear"}

    def _say(self, payload: Mapping[str, Any], title: str, said: str) -> None:
        self._open(payload, blocks.notice_view(title, said))

    def _open(self, payload: Mapping[str, Any], view: dict[str, Any]) -> None:
        trigger = payload.get("trigger_id")
        if not isinstance(trigger, str) or not trigger:
            return
        try:
            self._client.views_open(trigger_id=trigger, view=view)
        except (SlackApiError, OSError) as fault:
            log.warning("Slack could not be asked to open a dialogue: %s", type(fault).__name__)

    def _refresh(self, approval: Approval) -> None:
        """Bring messages up to date without making anyone wait. A failure costs nothing: the outbox does it again."""

        def bring() -> None:
            try:
                self.announce(approval)
            except Exception as fault:  # noqa: BLE001 - Slack may fail in any way; the store is the truth
                log.warning("a message in Slack could not be brought up to date: %s", type(fault).__name__)

        threading.Thread(target=bring, name="toolguard-slack", daemon=True).start()


def _content(card: Card) -> dict[str, Any]:
    return {"text": blocks.fallback(card), "blocks": blocks.message(card), "parse": "none", "link_names": False}


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        (text,) = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=4)["payload"]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError):
        raise IdentityError("this request holds no interaction") from None
    if not isinstance(payload, dict):
        raise IdentityError("this request holds no interaction")
    return payload


def _object(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, Mapping) else {}


def _seen(text: str) -> dict[str, Any]:
    """What a button or dialogue says was seen. It gives no authority: the authority looks at everything again."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    known = isinstance(found, dict) and isinstance(found.get("id"), str)
    return found if known and len(found["id"]) == 32 and found["id"].isalnum() else {}


def _view(title: str, said: str) -> dict[str, Any]:
    return {"response_action": "update", "view": blocks.notice_view(title, said)}


def _answer(status: int, data: dict[str, Any]) -> Outbound:
    return Outbound(status=status, body=json.dumps(data).encode() if data else b"")
