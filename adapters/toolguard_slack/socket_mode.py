"""Socket Mode: Slack's interactions over a connection that the service opens itself, where nobody can reach it from outside.

What comes over it is known to come from Slack (the connection was opened with the app's own token, over TLS), so there is no
signature to check; who pressed is checked as always. Slack may lose what it sends this way while the connection turns,
so every message also leads to the inbox.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from toolguard.channels import Outbound
from toolguard.errors import IdentityError

__all__ = ["Socket"]

log = logging.getLogger("toolguard.slack")

_QUIET = logging.getLogger("toolguard.slack.connection")
"""What the client itself would log may hold messages; nothing of it is kept."""
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Socket:
    """One connection, opened anew when it ends. ``interact`` answers a payload and is called from threads of its own."""

    def __init__(self, app_token: str, api: str, interact: Callable[[Mapping[str, Any]], Outbound]) -> None:
        self._interact = interact
        self._client = _Client(
            app_token=app_token, web_client=WebClient(base_url=api, timeout=10), logger=_QUIET, concurrency=4
        )
        self._client.socket_mode_request_listeners.append(self._received)

    def start(self) -> None:
        """Connect; from then on it stays connected by itself. Raises what Slack answers."""
        self._client.connect()

    def stop(self) -> None:
        """Close the connection."""
        self._client.close()

    def _received(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type != "interactive":
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            return
        try:
            answer = self._interact(request.payload)
            payload = json.loads(answer.body) if answer.body else None
        except Exception as fault:  # noqa: BLE001 - one interaction that fails must not end the connection
            log.warning("an interaction in Slack could not be answered: %s", type(fault).__name__)
            payload = None
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload=payload))


class _Client(SocketModeClient):
    """Slack's own client, held to an encrypted connection."""

    def issue_new_wss_url(self) -> str:
        url = super().issue_new_wss_url()
        parts = urlsplit(url)
        if parts.scheme != "wss" and parts.hostname not in _LOOPBACK:
            raise IdentityError("Slack named a connection in clear text; it is not opened")
        return url
