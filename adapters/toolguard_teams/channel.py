"""Teams as a channel: cards to rooms and to approvers themselves, answers from those cards, every copy kept true."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import httpx

from toolguard.authority import Answer, Approval, Authority, Human, Notice, Person
from toolguard.channels import HINTS, Card, Inbound, Outbound, card_of
from toolguard.errors import ApprovalError, ConflictError, IdentityError, NotFoundError, ToolguardError
from toolguard_teams.cards import VIEW, card_json, message, notice_card
from toolguard_teams.connector import Connector, ConnectorError
from toolguard_teams.inbound import Activity, Keys, Sender, activity_of, check_sender
from toolguard_teams.places import Copy, Places

__all__ = ["TeamsChannel"]

log = logging.getLogger("toolguard.teams")

_CARD = "application/vnd.microsoft.card.adaptive"
_SAID = "application/vnd.microsoft.activity.message"
_KEPT = 10_000
_GONE = frozenset({403, 404})
_NOT_YOURS = "There is no such request for you. Ask an administrator to put your Teams account into the directory."


class TeamsChannel:
    """A `toolguard.channels.Mounted`. Who presses is who Teams says; what they may do the directory says.

    A person stands in the directory under the issuer ``entra:TENANT`` with their Entra object id as subject.

    Args:
        tenant: the toolguard tenant whose approvals are told here.
        rooms: room of a policy's ``channel: teams:ROOM`` → conversation id of a Teams channel.
        people: Entra object ids that are told in their own chat, by room; they need the app installed.
        service_url: where rooms are reached.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        name: str,
        tenant: str,
        sender: Sender,
        connector: Connector,
        keys: Keys,
        places: Places,
        rooms: Mapping[str, str],
        people: Mapping[str, tuple[str, ...]],
        service_url: str,
        entra_tenant: str,
        inbox: str,
    ) -> None:
        self._authority = authority
        self._name = name
        self._tenant = tenant
        self._sender = sender
        self._connector = connector
        self._keys = keys
        self._places = places
        self._rooms = dict(rooms)
        self._people = dict(people)
        self._service_url = service_url
        self._entra_tenant = entra_tenant
        self._inbox = inbox.rstrip("/")
        self._answered: OrderedDict[str, Outbound] = OrderedDict()
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    # --- telling

    @property
    def paths(self) -> tuple[str, ...]:
        return (f"/channels/{self._name}",)

    def announce(self, approval: Approval) -> None:
        """Send its cards, or bring those that were sent up to date. Raises what Teams answers; it is tried again."""
        if approval.request.tenant != self._tenant:
            return
        card = self._card(approval)
        known = self._places.copies(approval.id)
        if not card.open:
            for copy in known:
                self._update(copy, card)
            return
        reached = {copy.conversation for copy in known}
        failed: ConnectorError | None = None
        for service_url, conversation in self._where(approval):
            if conversation in reached:
                continue
            try:
                activity = self._connector.post(service_url, conversation, message(card))
            except ConnectorError as fault:
                if fault.status not in _GONE:  # who took the app off is told in the inbox; the others still here
                    failed = fault
                continue
            reached.add(conversation)
            self._places.sent(
                approval.id, [Copy(service_url=service_url, conversation=conversation, activity=activity)]
            )
        for copy in known:
            self._update(copy, card)
        if failed is not None:
            raise failed

    def notify(self, approval: Approval, notice: Notice) -> None:
        """A reminder or an escalation: a line below the card, so that nobody is shown a second set of buttons."""
        self.announce(approval)
        if approval.request.tenant != self._tenant or notice not in (Notice.REMINDER, Notice.ESCALATION):
            return
        said = "This still waits." if notice is Notice.REMINDER else "This has waited long: others may decide it now."
        for copy in self._places.copies(approval.id):
            line = {"type": "message", "text": said, "textFormat": "plain", "replyToId": copy.activity}
            self._connector.post(copy.service_url, copy.conversation, line)

    def _where(self, approval: Approval) -> list[tuple[str, str]]:
        """(service URL, conversation) of everyone its approver rules tell here; each once."""
        found: dict[tuple[str, str], None] = {}
        for rule in approval.request.approver_rules:
            kind, _, room = rule.channel.partition(":")
            if kind != self._name:
                continue
            name = room or "default"
            if name not in self._rooms and name not in self._people:
                log.warning("a policy names a room of channel %r that [channels.%s] does not", self._name, self._name)
            if name in self._rooms:
                found[self._service_url, self._rooms[name]] = None
            for user in self._people.get(name, ()):
                found[self._chat(user)] = None
        return list(found)

    def _chat(self, user: str) -> tuple[str, str]:
        """The chat of one person with the app; begun by us where we never met."""
        known = self._places.chat(user)
        if known is None:
            known = (self._service_url, self._connector.create(self._service_url, user, self._entra_tenant))
            self._places.met(user, *known)
        return known

    def _update(self, copy: Copy, card: Card) -> None:
        try:
            self._connector.update(copy.service_url, copy.conversation, copy.activity, message(card))
        except ConnectorError as fault:
            if fault.status not in _GONE:
                raise

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
        """One activity of Teams' connector: checked, and answered from what the store says. Redelivered ones get the
        answer they had.
        """
        try:
            raw, activity = activity_of(request.body, self._sender)
            check_sender(request.headers, raw, self._keys, self._sender, self._authority.now())
        except IdentityError as refused:
            log.warning("an activity was refused: %s", refused)
            return Outbound(status=401, body=json.dumps({"error": str(refused)}).encode())
        if activity.type != "invoke":
            self._meet(activity)
            return Outbound(status=200)
        if activity.name != "adaptiveCard/action":
            return _invoked(501, "application/vnd.microsoft.error", {"code": "NotSupported", "message": "Not known."})
        key = f"{activity.conversation}/{activity.user}/{activity.id}"
        with self._lock:
            known = self._answered.get(key) if activity.id else None
        if known is not None:
            return known
        answer = self._invoked(activity)
        with self._lock:
            self._answered[key] = answer
            while len(self._answered) > _KEPT:
                self._answered.popitem(last=False)
        return answer

    def _meet(self, activity: Activity) -> None:
        """Someone wrote to the app, or installed it: remember where they can be told. What they wrote is not read."""
        if activity.user and activity.conversation.startswith("a:"):  # a chat of one person; rooms begin with 19:
            self._places.met(activity.user, activity.service_url, activity.conversation)

    def _invoked(self, activity: Activity) -> Outbound:
        action = activity.value.get("action")
        action = action if isinstance(action, Mapping) else {}
        data = action.get("data")
        data = data if isinstance(data, Mapping) else {}
        verb, approval_id = str(action.get("verb", "")), data.get("id")
        known = isinstance(approval_id, str) and len(approval_id) == 32 and approval_id.isalnum()
        if not activity.user or verb not in (VIEW, "approve", "deny") or not known:
            return _invoked(
                400, "application/vnd.microsoft.error", {"code": "BadRequest", "message": "Not understood."}
            )
        identity = Person(issuer=f"entra:{activity.tenant}", tenant=self._tenant, subject=activity.user)
        person = Human(identity=identity, channel=self._name, auth="teams-connector")
        try:
            approval = self._authority.get(person, str(approval_id))
        except NotFoundError:
            return _invoked(200, _CARD, notice_card(_NOT_YOURS))
        except ToolguardError as fault:
            log.warning("an activity could not be answered: %s", type(fault).__name__)
            return _invoked(200, _SAID, "The service cannot answer now. Use the inbox, or try again.")
        if verb == VIEW:
            return _invoked(200, _CARD, self._view(person, approval))
        return self._decide(person, approval, Answer(verb), data)

    def _view(self, person: Human, approval: Approval, hint: str = "") -> dict[str, Any]:
        """The card as this person sees it: with buttons if a verdict of theirs could count now."""
        card = self._card(approval)
        if not card.open:
            return card_json(card, hint=hint)
        if not self._authority.can_decide(person, approval):
            asks = self._authority.asks(person, approval)
            return card_json(card, hint=hint or HINTS["self_approval" if asks else "not_an_approver"])
        return card_json(card, nonce=secrets.token_hex(16), hint=hint)

    def _decide(self, person: Human, approval: Approval, answer: Answer, data: Mapping[str, Any]) -> Outbound:
        card = self._card(approval)
        if answer is Answer.APPROVE and card.inbox_only:
            return _invoked(200, _CARD, self._view(person, approval, card.inbox_only))
        if not self._first(data.get("n")):
            return _invoked(200, _CARD, self._view(person, approval, HINTS["stale"]))
        version = data.get("v")
        reason = data.get("reason")
        try:
            after = self._authority.decide(
                person,
                approval.id,
                answer,
                seen_call_digest=str(data.get("c", "")),
                seen_view_digest=str(data.get("w", "")),
                reason=reason if isinstance(reason, str) else "",
                version=version if isinstance(version, int) and not isinstance(version, bool) else None,
            )
        except ApprovalError as refused:
            said = HINTS.get(refused.code, "Your answer was not taken.")
            return _invoked(200, _CARD, self._view(person, self._again(person, approval), said))
        except ConflictError:
            return _invoked(200, _CARD, self._view(person, self._again(person, approval), HINTS["conflict"]))
        except ToolguardError as fault:
            log.warning("an answer given in Teams could not be taken: %s", type(fault).__name__)
            return _invoked(200, _SAID, "The service could not take your answer now. Use the inbox, or try again.")
        self._refresh(after)
        return _invoked(200, _CARD, self._view(person, after))

    def _again(self, person: Human, approval: Approval) -> Approval:
        try:
            return self._authority.get(person, approval.id)
        except ToolguardError:
            return approval

    def _first(self, nonce: object) -> bool:
        """Whether a nonce is used for the first time here: the body of an activity is not signed, and may come again."""
        if not isinstance(nonce, str) or len(nonce) != 32:
            return False
        with self._lock:
            if nonce in self._nonces:
                return False
            self._nonces[nonce] = None
            while len(self._nonces) > _KEPT:
                self._nonces.popitem(last=False)
        return True

    def _refresh(self, approval: Approval) -> None:
        """Bring cards up to date without making anyone wait. A failure costs nothing: the outbox does it again."""

        def bring() -> None:
            try:
                self.announce(approval)
            except (ToolguardError, httpx.HTTPError) as fault:
                log.warning("a card could not be brought up to date: %s", type(fault).__name__)

        threading.Thread(target=bring, name="toolguard-teams", daemon=True).start()


def _invoked(status: int, kind: str, value: object) -> Outbound:
    body = {"statusCode": status, "type": kind, "value": value}
    return Outbound(status=200, body=json.dumps(body).encode())
