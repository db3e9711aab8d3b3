"""The approver's side, over HTTP like any other client: look at what waits, and answer with one's own token."""

from __future__ import annotations

import time
from typing import Any

import httpx

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
        reply = self._http.post(
            f"/v1/approvals/{seen['id']}/decision",
            headers={"If-Match": f'"{seen["version"]}"'},
            json={
                "answer": answer,
                "reason": reason,
                "seen_call_digest": seen["call_digest"],
                "seen_view_digest": seen["view_digest"],
            },
        )
        return reply.status_code, "" if reply.is_success else str(reply.json().get("code", ""))

    def close(self) -> None:
        self._http.close()
