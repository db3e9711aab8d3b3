"""To Teams: a thin client of its Bot Connector, with the app's own credentials and nothing else."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from toolguard.errors import ToolguardError
from toolguard_teams.inbound import check_host

__all__ = ["Connector", "ConnectorError"]

SCOPE = "https://api.botframework.com/.default"
LOGIN = "https://login.microsoftonline.com"
_RETRIED = frozenset({412, 429, 502, 504})
_TRIES = 4
_LONGEST = 8.0


class ConnectorError(ToolguardError):
    """Teams did not take a message. ``status`` is its answer, 0 where there was none. No text of it is kept."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Connector:
    """Sends to conversations. Thread-safe. A token goes to hosts of Teams only, checked before each request.

    Args:
        app_id, secret, tenant: the app's registration; ``tenant`` is the one it is registered in.
        client: an httpx client; it must not follow redirects.
        hosts: where tokens may go; Teams' own but in tests.
        login: the identity provider; Entra but in tests.
    """

    def __init__(
        self,
        *,
        app_id: str,
        secret: str,
        tenant: str,
        client: httpx.Client,
        hosts: frozenset[str],
        login: str = LOGIN,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._app_id = app_id
        self._secret = secret
        self._tenant = tenant
        self._client = client
        self._hosts = hosts
        self._login = login
        self._sleep = sleep
        self._token = ""
        self._until = 0.0
        self._lock = threading.Lock()

    def create(self, service_url: str, user: str, tenant: str) -> str:
        """A conversation with one user (their Entra object id, or Teams id). → its id."""
        body = {
            "isGroup": False,
            "bot": {"id": f"28:{self._app_id}"},
            "members": [{"id": user}],
            "tenantId": tenant,
            "channelData": {"tenant": {"id": tenant}},
        }
        return str(self._send("POST", service_url, "v3/conversations", body).get("id", ""))

    def post(self, service_url: str, conversation: str, activity: Mapping[str, Any]) -> str:
        """Send an activity. → its id."""
        path = f"v3/conversations/{quote(conversation, safe='')}/activities"
        return str(self._send("POST", service_url, path, activity).get("id", ""))

    def update(self, service_url: str, conversation: str, activity_id: str, activity: Mapping[str, Any]) -> None:
        """Put another activity in the place of one that was sent."""
        path = f"v3/conversations/{quote(conversation, safe='')}/activities/{quote(activity_id, safe='')}"
        self._send("PUT", service_url, path, {**activity, "id": activity_id})

    def members(self, service_url: str, conversation: str) -> dict[str, str]:
        """Entra object id → Teams id, of who is in a conversation (its first hundred)."""
        path = f"v3/conversations/{quote(conversation, safe='')}/pagedmembers?pageSize=100"
        listed = self._send("GET", service_url, path, None).get("members")
        return {
            str(each["aadObjectId"]): str(each["id"])
            for each in (listed if isinstance(listed, list) else [])
            if isinstance(each, dict) and each.get("aadObjectId") and each.get("id")
        }

    def _send(self, method: str, service_url: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        check_host(service_url, self._hosts)
        url = f"{service_url.rstrip('/')}/{path}"
        wait = 0.5
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._client.request(
                    method,
                    url,
                    json=body,
                    headers={"authorization": f"Bearer {self._bearer()}"},
                    follow_redirects=False,
                )
            except httpx.HTTPError as fault:
                raise ConnectorError(
                    f"Teams could not be reached ({type(fault).__name__}); it is tried again later"
                ) from None
            if answer.status_code < 300:
                return _object(answer)
            if answer.status_code == 401:
                self._until = 0.0
            if answer.status_code not in _RETRIED or attempt == _TRIES:
                raise ConnectorError(f"Teams refused a message with {answer.status_code}", status=answer.status_code)
            self._sleep(min(_LONGEST, max(_after(answer), random.uniform(wait / 2, wait))))  # noqa: S311 - spreads retries, guards nothing
            wait *= 2
        raise AssertionError("every try returns or raises")

    def _bearer(self) -> str:
        with self._lock:
            if time.monotonic() < self._until:
                return self._token
            form = {
                "grant_type": "client_credentials",
                "client_id": self._app_id,
                "client_secret": self._secret,
                "scope": SCOPE,
            }
            try:
                answer = self._client.post(
                    f"{self._login}/{quote(self._tenant, safe='')}/oauth2/v2.0/token", data=form, follow_redirects=False
                )
            except httpx.HTTPError as fault:
                raise ConnectorError(f"Entra could not be reached ({type(fault).__name__})") from None
            found = _object(answer) if answer.status_code == 200 else {}
            if not isinstance(found.get("access_token"), str):
                raise ConnectorError(
                    f"Entra gave no token ({answer.status_code}); check app_id, tenant and the app's secret",
                    status=answer.status_code,
                )
            self._token = found["access_token"]
            self._until = time.monotonic() + max(0.0, float(found.get("expires_in", 0) or 0) - 300.0)
            return self._token


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _after(answer: httpx.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else 0.0
