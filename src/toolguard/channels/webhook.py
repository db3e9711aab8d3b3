"""Outgoing webhooks, signed as Standard Webhooks asks: other systems hear of approvals, and can decide nothing.

Source: the Standard Webhooks specification (standardwebhooks.com): ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature`` = ``v1,`` + base64 of HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from toolguard.authority import Approval, Authority, Notice
from toolguard.channels.card import Card, card_of
from toolguard.channels.load import Place
from toolguard.errors import ConfigError, ToolguardError

__all__ = ["WebhookChannel", "WebhookError", "WebhookSettings", "make_channel", "signature"]

Resolve = Callable[[str, int], list[str]]


class WebhookError(ToolguardError):
    """A receiver did not take a message; it is sent again later. Nothing of its answer is kept."""


class WebhookSettings(BaseModel):
    """The keys of ``[channels.NAME]`` with ``kind = "webhook"``.

    Attributes:
        tenant: whose approvals are told.
        url: where to. https; plain http to this machine alone.
        secret: a reference to a Standard Webhooks secret (``whsec_…``, 24 to 64 bytes).
        hosts: the host names that may be written to; that of ``url`` has to be among them.
        private_hosts: those of them that may stand in a private network, or on this machine.
        arguments: also send masked arguments; without it only what is asked, by whom and why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    url: str
    secret: str
    hosts: tuple[str, ...]
    private_hosts: tuple[str, ...] = ()
    arguments: bool = False


def signature(secret: bytes, message_id: str, stamp: int, body: bytes) -> str:
    """``v1,…`` for one message; ``stamp`` in whole UTC seconds."""
    signed = hmac.new(secret, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _resolved(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class WebhookChannel:
    """A `toolguard.ports.NoticeChannel`. Every message of one change has one id, so that a receiver can drop repeats.

    The address is looked up here, checked, and written to as it was checked: a name that points elsewhere a moment later
    gains nothing. Redirects are not followed.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        name: str,
        settings: WebhookSettings,
        secret: bytes,
        inbox: str,
        client: httpx.Client | None = None,
        resolve: Resolve = _resolved,
    ) -> None:
        self._authority = authority
        self._name = name
        self._settings = settings
        self._secret = secret
        self._inbox = inbox.rstrip("/")
        self._client = client or httpx.Client(timeout=10.0, follow_redirects=False, trust_env=False)
        self._resolve = resolve

    def announce(self, approval: Approval) -> None:
        """Tell where it stands. Raises WebhookError where the receiver did not take it."""
        self._tell(approval, "state")

    def notify(self, approval: Approval, notice: Notice) -> None:
        """Tell why approvers hear of it again; comments are between those who see them."""
        if notice is not Notice.COMMENT:
            self._tell(approval, notice.value)

    def _tell(self, approval: Approval, notice: str) -> None:
        if approval.request.tenant != self._settings.tenant or not self._is_told(approval):
            return
        card = card_of(
            approval,
            requester=self._authority.name_of(approval),
            link=f"{self._inbox}/inbox/{approval.id}",
            now=self._authority.now(),
            stamp=self._authority.stamp(),
        )
        now = int(self._authority.now())
        body = json.dumps(self._message(card, notice, now), ensure_ascii=False, separators=(",", ":")).encode()
        message_id = f"{approval.id}.{approval.version}.{notice}"
        self._post(
            body,
            {
                "content-type": "application/json",
                "webhook-id": message_id,
                "webhook-timestamp": str(now),
                "webhook-signature": signature(self._secret, message_id, now, body),
            },
        )

    def _is_told(self, approval: Approval) -> bool:
        """Rules that name this channel, or none in particular: a webhook hears of what people are asked anywhere."""
        return any(rule.channel.partition(":")[0] in (self._name, "inbox") for rule in approval.request.approver_rules)

    def _message(self, card: Card, notice: str, now: int) -> dict[str, Any]:
        data: dict[str, Any] = {
            "id": card.id,
            "version": card.version,
            "state": card.state.value,
            "notice": notice,
            "tenant": card.tenant,
            "tool": card.tool,
            "agent": card.agent,
            "requester": card.requester,
            "risk": {"level": card.risk_level, "class": card.risk_class},
            "because": card.because,
            "rules": list(card.rules),
            "expires": _utc(card.expires),
            "digest": card.digest,
            "link": card.link,
            **({"journal": card.stamp} if card.stamp else {}),
        }
        if self._settings.arguments:
            data["arguments"] = [{"name": row.name, "text": row.text, "cut": row.cut} for row in card.rows]
            data["left_out"] = card.left_out
        return {"type": f"approval.{card.state.value}", "timestamp": _utc(now), "data": data}

    def _post(self, body: bytes, headers: dict[str, str]) -> None:
        url = urlsplit(self._settings.url)
        host = url.hostname or ""
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            address = self._address(host, port)
            place = f"[{address}]" if ":" in address else address
            answer = self._client.post(
                url._replace(netloc=f"{place}:{port}").geturl(),
                content=body,
                headers={**headers, "host": url.netloc.rpartition("@")[2]},
                extensions={"sni_hostname": host},
                follow_redirects=False,
            )
        except (httpx.HTTPError, OSError) as fault:
            raise WebhookError(f"the receiver of a webhook could not be reached ({type(fault).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise WebhookError(f"the receiver of a webhook answered {answer.status_code}")

    def _address(self, host: str, port: int) -> str:
        """Where ``host`` is, now. Raises WebhookError where any of its addresses is one it may not have."""
        found = self._resolve(host, port)
        private = host in self._settings.private_hosts
        if not found or not (private or all(ipaddress.ip_address(each.partition("%")[0]).is_global for each in found)):
            raise WebhookError(
                "the receiver of a webhook stands in a private network; name it under private_hosts if it should"
            )
        if urlsplit(self._settings.url).scheme == "http" and not all(
            ipaddress.ip_address(e).is_loopback for e in found
        ):
            raise WebhookError("the receiver of a webhook is beyond this machine, so it is written to over https only")
        return found[0]


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_channel(place: Place) -> WebhookChannel:
    """The channel ``[channels.NAME]`` describes (entry point ``toolguard.channels``). Raises ConfigError."""
    try:
        settings = WebhookSettings.model_validate(dict(place.settings))
        url = urlsplit(settings.url)
        plain = url.username is None and url.password is None and not url.fragment and (url.port or 1) > 0
    except ValidationError as fault:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in fault.errors(include_input=False)
        )
        raise ConfigError(f"[channels.{place.name}]: {told}; see docs/webhooks.md for every key") from None
    except ValueError:
        raise ConfigError(f"[channels.{place.name}]: 'url' cannot be read") from None
    if url.scheme not in ("https", "http") or not plain or url.hostname not in settings.hosts:
        raise ConfigError(
            f"[channels.{place.name}]: 'url' has to be https, without a user name, on one of the hosts under 'hosts'"
        )
    if url.scheme == "http" and url.hostname not in settings.private_hosts:
        raise ConfigError(f"[channels.{place.name}]: 'url' has to be https: what is said would travel in clear text")
    return WebhookChannel(
        place.authority, name=place.name, settings=settings, secret=_key(place, settings.secret), inbox=place.inbox
    )


def _key(place: Place, reference: str) -> bytes:
    said = place.secret(reference)
    try:
        if not said.startswith("whsec_"):
            raise ValueError
        key = base64.b64decode(said.removeprefix("whsec_"), validate=True)
    except (ValueError, binascii.Error):
        raise ConfigError(
            f"[channels.{place.name}]: the secret is none of Standard Webhooks (whsec_ and base64)"
        ) from None
    if not 24 <= len(key) <= 64:
        raise ConfigError(f"[channels.{place.name}]: the secret has {len(key)} bytes; it needs 24 to 64")
    return key
