"""The approver's side, over HTTP like any other client: look at what waits, and answer with one's own token."""

from __future__ import annotations

import time
from typing import Any

import httpx

from toolguard import practice

__all__ = ["Desk"]


class Desk:
    """One person's (or the agent's) view of the approval service."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=10.0)

    def waiting(self, seconds: float) -> dict[str, Any] | None:
        """The newest request that waits for this person, as soon as there is one."""
        until = time.monotonic() + seconds
        while True:
            page = self._http.get("/v1/approvals", params={"assigned_to": "me", "state": "pending"})
            page.raise_for_status()
            items: list[dict[str, Any]] = page.json()["items"]
            if items or time.monotonic() > until:
                return items[0] if items else None
            time.sleep(0.1)

    def state(self, approval_id: str) -> str:
        """Where a request stands."""
        return str(self._http.get(f"/v1/approvals/{approval_id}").raise_for_status().json()["state"])

    def decide(self, seen: dict[str, Any], answer: str, reason: str) -> tuple[int, str]:
        """Answer what was ``seen``. → HTTP status and, if refused, the reason's code."""
        status, body = practice.answer(self._http, seen, answer, reason)
        return status, "" if status < 400 else str(body.get("code", ""))

    def close(self) -> None:
        self._http.close()
