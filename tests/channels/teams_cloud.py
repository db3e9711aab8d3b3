"""Microsoft's side, at the edge of the network: the connector's keys, Entra's tokens, the connector itself, and its clients."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from authority.ward import OFFICERS, Ward
from toolguard.authority import Approval, Authority
from toolguard.channels import Inbound, Place
from toolguard_teams import TeamsChannel, make_channel

APP = "00000000-0000-4000-8000-000000000a99"
TENANT = "00000000-0000-4000-8000-0000000000aa"
EVIL = "00000000-0000-4000-8000-00000000e711"
SERVICE = "https://smba.trafficmanager.net/teams/"
PEOPLE = {
    name: f"00000000-0000-4000-8000-00000000{n:04x}"
    for n, name in enumerate(("ada", "grace", "ruiz", "noor", "sid", "luke"), start=1)
}
_RSA = {
    kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("bot", "other", "new", "private")
}


def rule(**made: Any) -> Any:
    """The officers' approver rule, told in Teams."""
    return changed(OFFICERS, **{"channel": "teams", **made})


def runs(node: Any) -> Iterator[str]:
    """The text of every run of a card."""
    if isinstance(node, dict):
        if node.get("type") == "TextRun":
            yield node["text"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from runs(each)


@dataclass
class Cloud:
    """``cards`` by (conversation, activity), as they stand; ``calls`` as (method, path); ``fail`` answers every send."""

    cards: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    fail: int = 0
    keys_down: bool = False
    published: list[str] = field(default_factory=lambda: ["bot", "other"])
    key_reads: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.client = httpx.Client(transport=httpx.MockTransport(self._answer), timeout=5)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            host, path = request.url.host, request.url.path
            if host == "login.botframework.com":
                return self._keys(path)
            if host == "login.microsoftonline.com":
                self.tokens.append(request.content.decode())
                return httpx.Response(200, json={"access_token": "out", "expires_in": 3600})
            self.hosts.add(host)
            if host != "smba.trafficmanager.net" or request.headers.get("authorization") != "Bearer out":
                return httpx.Response(403)
            return self._connector(request, path.removeprefix("/teams/"))

    def _keys(self, path: str) -> httpx.Response:
        if self.keys_down:
            return httpx.Response(503)
        if path.endswith("openidconfiguration"):
            return httpx.Response(200, json={"jwks_uri": "https://login.botframework.com/v1/.well-known/keys"})
        self.key_reads += 1
        keys = []
        for kid in self.published:
            jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_RSA[kid].public_key()))
            keys.append({**jwk, "kid": kid, "endorsements": ["skype"] if kid == "other" else ["msteams", "skype"]})
        return httpx.Response(200, json={"keys": keys})

    def _connector(self, request: httpx.Request, path: str) -> httpx.Response:
        self.calls.append((request.method, path))
        if self.fail:
            return httpx.Response(self.fail, headers={"retry-after": "0"})
        parts = path.split("/")
        body = json.loads(request.content or b"{}")
        if parts[:2] == ["v3", "conversations"] and len(parts) == 2:
            return httpx.Response(201, json={"id": f"a:{body['members'][0]['id'][-4:]}"})
        conversation = parts[2]
        if request.method == "POST":
            name = f"m{len(self.cards) + 1}"
            self.cards[conversation, name] = body
            return httpx.Response(201, json={"id": name})
        if request.method == "PUT":
            if (conversation, parts[4]) not in self.cards:
                return httpx.Response(404)
            self.cards[conversation, parts[4]] = body
            return httpx.Response(200, json={})
        return httpx.Response(404)

    def shown(self) -> list[dict[str, Any]]:
        """The cards, as they stand."""
        with self.lock:
            return [c["attachments"][0]["content"] for c in self.cards.values() if c.get("attachments")]


class Team:
    """People in Teams, and the channel they reach."""

    def __init__(self, ward: Ward, cloud: Cloud) -> None:
        self.ward = ward
        self.cloud = cloud
        self._ids = itertools.count(1)

        def with_teams(text: str) -> str:
            for person, user in PEOPLE.items():
                tenant = "st-lukes" if person == "luke" else "st-marys"
                mark = f"{{issuer: local, tenant: {tenant}, subject: {person}}}"
                text = text.replace(mark, f'{mark}, {{issuer: "entra:{TENANT}", tenant: {tenant}, subject: "{user}"}}')
            return text

        ward.write_directory(with_teams)
        self.channel = self.make(ward.authority)

    def make(self, authority: Authority, **made: Any) -> TeamsChannel:
        (self.ward.folder / "app-secret").write_text("s3cret")
        settings = {
            "tenant": "st-marys",
            "app_id": APP,
            "app_tenant": TENANT,
            "secret": "app-secret",
            "rooms": {"default": "19:office@thread.tacv2"},
            **made,
        }
        place = Place(
            name="teams", settings=settings, authority=authority, inbox="https://desk.example", folder=self.ward.folder
        )
        return make_channel(place, client=self.cloud.client)

    # --- what Teams sends

    def token(
        self, *, kid: str = "bot", signer: str = "", algorithm: str = "RS256", drop: tuple[str, ...] = (), **claims: Any
    ) -> str:
        now = self.ward.time.at
        said = {
            "iss": "https://api.botframework.com",
            "aud": APP,
            "nbf": now - 10,
            "exp": now + 3000,
            "serviceurl": SERVICE,
            **claims,
        }
        for name in drop:
            said.pop(name, None)
        key: Any = "x" * 32 if algorithm.startswith("HS") else None if algorithm == "none" else _RSA[signer or kid]
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})

    def activity(self, who: str, **made: Any) -> dict[str, Any]:
        return {
            "type": "invoke",
            "name": "adaptiveCard/action",
            "id": f"f:{next(self._ids)}",
            "channelId": "msteams",
            "serviceUrl": SERVICE,
            "from": {"id": f"29:{who}", "aadObjectId": PEOPLE.get(who, who), "name": "Whoever"},
            "conversation": {"id": "19:office@thread.tacv2", "tenantId": TENANT},
            "channelData": {"tenant": {"id": TENANT}},
            **made,
        }

    def inbound(self, activity: Any, token: str | None = None) -> Inbound:
        headers = {"authorization": f"Bearer {self.token() if token is None else token}"}
        return Inbound(method="POST", path="/channels/teams", headers=headers, body=json.dumps(activity).encode())

    def invoke(self, who: str, verb: str, data: dict[str, Any], **made: Any) -> dict[str, Any]:
        """Press. → what Teams is answered."""
        action = {"type": "Action.Execute", "verb": verb, "data": data}
        sent = self.activity(who, value={"action": action, "trigger": "manual"}, **made)
        answer = self.channel.receive(self.inbound(sent))
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def view(self, who: str, approval: Approval) -> dict[str, Any]:
        """The card as one person sees it."""
        return self.invoke(who, "toolguard.view", {"id": approval.id})["value"]

    def press(
        self, who: str, approval: Approval, verb: str = "approve", reason: str = "checked with the ward"
    ) -> dict[str, Any]:
        """Look at one's own view, and press what it offers."""
        (action,) = [a for a in self.view(who, approval)["actions"] if a.get("verb") == verb]
        return self.invoke(who, verb, {**action["data"], "reason": reason})
