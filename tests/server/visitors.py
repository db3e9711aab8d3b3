"""People and programs at the door of the service, with their tokens."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
from fastapi import FastAPI

from authority.ward import Ward, human
from toolguard.authority import Approval
from toolguard.directory import Audience, SecondFactors
from toolguard_server import create_app

BASE = "http://127.0.0.1:8790"


def factors_of(ward: Ward) -> SecondFactors:
    return SecondFactors(ward.folder / "factors.json", now=ward.time)


def app_of(ward: Ward) -> FastAPI:
    return create_app(ward.authority, ward.tokens, ward.directory, factors=factors_of(ward))


def code_for(ward: Ward, who: str) -> str:
    """The one-time code a person's app shows now, after they were enrolled."""
    secret = parse_qs(urlsplit(factors_of(ward).enrol(who)).query)["secret"][0]
    return pyotp.TOTP(secret).at(dt.datetime.fromtimestamp(ward.time(), dt.UTC))


def client_of(ward: Ward) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app_of(ward)), base_url=BASE)


class Visitors:
    """Tokens for whoever a test names."""

    def __init__(self, ward: Ward) -> None:
        self._ward = ward

    def secret(self, who: str, audience: Audience = Audience.DECIDE, tenant: str = "st-marys") -> str:
        if audience is Audience.SERVICE:
            issued = self._ward.tokens.issue(audience=audience, person=f"service:{who}", identity=None, tenant=tenant)
        else:
            actor = human(who, tenant=tenant)
            person = self._ward.directory.person(actor.identity, at=0.0)
            assert person is not None
            issued = self._ward.tokens.issue(
                audience=audience, person=person.id, identity=actor.identity, tenant=tenant
            )
        return issued.secret

    def bearer(self, who: str, audience: Audience = Audience.DECIDE, tenant: str = "st-marys") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret(who, audience, tenant)}"}


def verdict(approval: Approval, answer: str = "approve", **changes: Any) -> dict[str, Any]:
    """A whole decision body for ``approval``; None takes a field away."""
    body = {
        "answer": answer,
        "reason": "checked with the ward",
        "seen_call_digest": approval.request.call_digest,
        "seen_view_digest": approval.request.view_digest,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}
