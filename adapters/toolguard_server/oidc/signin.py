"""Signing in to the inbox at an identity provider: authorization code with PKCE, state and nonce, for one browser."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from toolguard.errors import IdentityError
from toolguard_server.oidc.provider import Claims, Provider

__all__ = ["Begun", "SignIn"]

LASTS = 600
"""Seconds a sign-in may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in under way. ``kept`` stands in the visitor's own cookie, and only there; ``url`` is where they go."""

    url: str
    kept: str = field(repr=False)


class SignIn:
    """The dance with one provider. Nothing of it is kept here, so any replica can finish what another began."""

    def __init__(self, provider: Provider, *, redirect: str) -> None:
        """``redirect`` is the callback's public address, as it is registered at the provider."""
        self.provider = provider
        self._redirect = redirect

    def begin(self) -> Begun:
        """Raises IdentityError where the provider cannot be read."""
        settings = self.provider.settings
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = self.provider.endpoint("authorization_endpoint")
        url = f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"
        kept = json.dumps({"p": self.provider.label, "s": state, "n": nonce, "v": verifier})
        return Begun(url=url, kept=base64.urlsafe_b64encode(kept.encode()).decode())

    def finish(self, query: Mapping[str, str], kept: str) -> Claims:
        """Who came back.

        Raises:
            IdentityError: this browser began no such sign-in, the provider refused, or what it says does not hold.
        """
        begun = _kept(kept)
        again = IdentityError("this sign-in was not begun in this browser, or took too long; begin again")
        state = query.get("state", "")
        if begun.get("p") != self.provider.label or not hmac.compare_digest(
            state.encode(), str(begun.get("s", "")).encode()
        ):
            raise again
        if not state or not begun.get("v") or not begun.get("n"):
            raise again
        if "iss" in query and query["iss"] != self.provider.settings.issuer:  # RFC 9207: another provider's answer
            raise again
        code = query.get("code", "")
        if "error" in query or not code:
            raise IdentityError("the identity provider did not let you in; ask its administrator")
        claims = self.provider.verify(self._exchanged(code, str(begun["v"])), audience=self.provider.settings.client_id)
        if not hmac.compare_digest(claims.nonce.encode(), str(begun["n"]).encode()):
            raise again
        return claims

    def _exchanged(self, code: str, verifier: str) -> str:
        """The ID token for a code. The code is worth nothing without the verifier in the visitor's cookie."""
        settings = self.provider.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "client_id": settings.client_id,
            "code_verifier": verifier,
        }
        if self.provider.secret:
            form["client_secret"] = self.provider.secret
        try:
            answer = self.provider.client.post(
                self.provider.endpoint("token_endpoint"), data=form, follow_redirects=False
            )
            found: Any = answer.json() if answer.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            found = {}
        token = found.get("id_token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise IdentityError("the identity provider gave no proof of who you are; begin again")
        return token


def _kept(cookie: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(cookie.encode("ascii", "replace")))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
