"""What a guard without a database sends."""

from __future__ import annotations

import base64
import secrets
from dataclasses import asdict
from typing import Any

import httpx

from authority.ward import OFFICERS, Ward
from server.visitors import Visitors
from toolguard._core.approval import Request, request_digest
from toolguard._core.approver import ApproverRule
from toolguard._core.call import Assurance, CallRef, Person, keyed_digest
from toolguard.directory import Audience


def request_of(ward: Ward, *, rules: tuple[ApproverRule, ...] = (OFFICERS,), **changes: Any) -> Request:
    """As a guard freezes it, with a sealer of its own."""
    key = ward.ring.sealer("st-marys").digest_key
    call = secrets.token_hex(16)
    now = ward.time()
    fields: dict[str, Any] = {
        "id": secrets.token_hex(16),
        "tenant": "st-marys",
        "session": "s-1",
        "call": call,
        "ref": CallRef(run="run-7", call_id=call),
        "tool": "send_email",
        "tool_ref": "mail#send_email@0",
        "args_digest": keyed_digest(key, "toolguard.args", call.encode()),
        "call_digest": keyed_digest(key, "toolguard.call", call.encode()),
        "view": {"to": "<EMAIL_1>", "amount": 12.5, "many": [1, 2.0, None, True]},
        "view_digest": "",
        "decisive": {"recipient": "records@example.org"},
        "sealed": secrets.token_bytes(40),
        "requester": Person(issuer="local", tenant="st-marys", subject="ruiz"),
        "requester_person": "ruiz",
        "assurance": Assurance.VERIFIED,
        "agent": "discharge-assistant",
        "excluded": frozenset({"ruiz", "noor"}),
        "policy_id": "hospital",
        "policy_version": "7",
        "policy_sha256": "a" * 64,
        "rules": ("send-outside",),
        "because": "mail to the outside needs a privacy officer",
        "risk_class": "communication",
        "risk_level": "high",
        "evidence": ("sends a message",),
        "approver_rules": rules,
        "agent_reason": "the patient asked",
        "created": now,
        "expires": now + 3600.0,
        "claim_ttl": 900.0,
        "trace_id": secrets.token_hex(16),
        "span_id": call[:16],
        **changes,
    }
    made = Request(**fields)
    return Request(**{**fields, "view_digest": request_digest(key, made)})


def body_of(request: Request) -> dict[str, Any]:
    """The same as JSON."""
    return {name: _plain(value) for name, value in asdict(request).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


class RemoteGuard:
    """A guard that has nothing but its token."""

    def __init__(self, client: httpx.AsyncClient, visitors: Visitors, name: str = "ward-guard") -> None:
        self._client = client
        self.headers = visitors.bearer(name, Audience.SERVICE)

    async def ask(self, request: Request, **changes: Any) -> httpx.Response:
        body = {**body_of(request), **changes}
        return await self._client.post("/v1/approvals", json=body, headers=self.headers)

    async def claim(self, approval: str, call_digest: str, version: int | None = 2, **more: Any) -> httpx.Response:
        match = {} if version is None else {"If-Match": f'"{version}"'}
        return await self._client.post(
            f"/v1/approvals/{approval}/claim",
            json={"call_digest": call_digest, **more},
            headers={**self.headers, **match},
        )

    async def outcome(self, approval: str, call_digest: str, ended: str = "returned", **more: Any) -> httpx.Response:
        return await self._client.post(
            f"/v1/approvals/{approval}/outcome",
            json={"call_digest": call_digest, "ended": ended, **more},
            headers=self.headers,
        )
