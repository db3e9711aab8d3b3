"""One identity provider: what it publishes, which of its keys are good, and what a token of it has to say.

Issuer, audience and algorithms are pinned by the configuration; nothing in a token chooses any of them. What the provider
publishes is read over https (http on this machine alone), bounded, without redirects, and kept.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from toolguard.authority import Person
from toolguard.channels import Place
from toolguard.config.oidc import ALGORITHMS, ProviderSettings, is_safe, provider_settings
from toolguard.errors import IdentityError

__all__ = ["Claims", "Provider", "ProviderSettings", "issuer_of", "open_providers"]

LEEWAY = 60
MOST = 24 * 3600
"""Seconds a token may live at most: nothing of it can be taken back before it ends."""
_FRESH = 3600.0
_STALE = 24 * 3600.0
_AGAIN = 60.0
_MAX = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token that holds says."""

    identity: Person
    ends: float
    nonce: str
    every: Mapping[str, Any] = field(repr=False)


class Provider:
    """A provider. Thread-safe; reads what it publishes when it is first needed, and again when keys turn."""

    def __init__(
        self,
        label: str,
        settings: ProviderSettings,
        *,
        client: httpx.Client,
        now: Callable[[], float],
        secret: str = "",
    ) -> None:
        self.label = label
        self.settings = settings
        self.secret = secret
        self.client = client
        self._now = now
        self._lock = threading.Lock()
        self._published: dict[str, Any] = {}
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read = self._tried = float("-inf")

    @property
    def title(self) -> str:
        return self.settings.name or urlsplit(self.settings.issuer).hostname or self.label

    def close(self) -> None:
        """Let go of the connections (which all providers of one service share)."""
        self.client.close()

    # --- what it publishes

    def endpoint(self, name: str) -> str:
        """An endpoint (``authorization_endpoint``, ``token_endpoint``). Raises IdentityError where there is none."""
        with self._lock:
            self._ensure("")
            found = self._published.get(name)
        if not isinstance(found, str) or not is_safe(found):
            raise IdentityError(f"the identity provider {self.label!r} publishes no {name} that can be used")
        return found

    def key(self, kid: str) -> jwt.PyJWK:
        """One of its keys; an unknown one is looked for again at most once a minute. Raises IdentityError."""
        with self._lock:
            self._ensure(kid)
            found = self._keys.get(kid)
        if found is None:
            raise IdentityError(f"the token is signed by a key the identity provider {self.label!r} does not publish")
        return found

    def _ensure(self, kid: str) -> None:
        now = self._now()
        due = now - self._read > _FRESH or (kid != "" and kid not in self._keys)
        if due and now - self._tried > _AGAIN:
            self._tried = now
            try:
                self._refresh()
                self._read = now
            except (httpx.HTTPError, ValueError, KeyError, TypeError, jwt.PyJWTError):
                pass  # what is known is good for a day; see below
        if now - self._read > _STALE:
            raise IdentityError(
                f"the identity provider {self.label!r} cannot be read, so nobody can come in through it"
            )

    def _refresh(self) -> None:
        published = self._get(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if published.get("issuer") != self.settings.issuer:
            raise ValueError
        listed = self._get(str(published["jwks_uri"]))["keys"]
        keys: dict[str, jwt.PyJWK] = {}
        for each in listed:
            if isinstance(each, dict) and isinstance(each.get("kid"), str) and each.get("use", "sig") == "sig":
                try:
                    keys[each["kid"]] = jwt.PyJWK(each)
                except jwt.PyJWTError:
                    continue  # a kind of key that is not known here signs nothing that is taken here
        self._published, self._keys = published, keys

    def _get(self, url: str) -> dict[str, Any]:
        if not is_safe(url):
            raise ValueError
        answer = self.client.get(url, follow_redirects=False)
        found = answer.json() if answer.status_code == 200 and len(answer.content) <= _MAX else None
        if not isinstance(found, dict):
            raise ValueError
        return found

    # --- its tokens

    def verify(self, token: str, *, audience: str) -> Claims:
        """What ``token`` says, if it holds.

        Raises:
            IdentityError: another issuer, audience, algorithm or key; too old, too long-lived, or without a subject. Its
                text is never shown.
        """
        refused = IdentityError("this token is none of the identity provider for this service; sign in again")
        if len(token) > 16_384:
            raise refused
        try:
            header = jwt.get_unverified_header(token)
            kid, algorithm = header.get("kid"), header.get("alg")
            allowed = ALGORITHMS.intersection(self.settings.algorithms)
            if not isinstance(kid, str) or algorithm not in allowed or header.get("crit"):
                raise refused
            claims = jwt.decode(
                token,
                self.key(kid),
                algorithms=[algorithm],
                audience=audience,
                issuer=self.settings.issuer,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            begins, ends = float(claims.get("nbf", claims["iat"])), float(claims["exp"])
            issued = float(claims["iat"])
        except (jwt.PyJWTError, TypeError, ValueError, NotImplementedError):
            raise refused from None
        now = self._now()
        if not (max(begins, issued) - LEEWAY <= now < ends + LEEWAY):
            raise IdentityError("this token is too old, or not good yet; sign in again")
        if ends - issued > MOST:
            raise IdentityError("this token lives longer than a day, so it is not taken; ask for shorter ones")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if len(audiences) > 1 and claims.get("azp") != audience:
            raise refused
        subject = claims.get(self.settings.subject)
        if not isinstance(subject, str) or not re.fullmatch(r"[\x21-\x7e]{1,255}", subject):
            raise refused
        identity = Person(issuer=self.settings.issuer, tenant=self.settings.tenant, subject=subject)
        return Claims(identity=identity, ends=ends, nonce=str(claims.get("nonce") or ""), every=claims)


def issuer_of(token: str) -> str:
    """What a token says of its issuer, unchecked: only to know whom to check it by. ``""`` where it says nothing."""
    try:
        said = jwt.decode(token, options={"verify_signature": False}).get("iss") if len(token) <= 16_384 else ""
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    return said if isinstance(said, str) else ""


def open_providers(
    configured: Mapping[str, Mapping[str, Any]], place: Callable[[str], Place], *, client: httpx.Client | None = None
) -> tuple[Provider, ...]:
    """The providers of ``[oidc.NAME]``; ``place`` reads secrets. Nothing is fetched yet.

    Raises:
        ConfigError: settings that do not fit, or cannot be safe.
    """
    shared = client or httpx.Client(timeout=5.0, follow_redirects=False)
    found = []
    for label, settings in configured.items():
        checked = provider_settings(label, settings)
        secret = place(label).secret(checked.client_secret) if checked.client_secret else ""
        found.append(Provider(label, checked, client=shared, now=place(label).authority.now, secret=secret))
    return tuple(found)
