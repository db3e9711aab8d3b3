"""Is this activity from Teams, for us, of a tenant we serve? Every rule here is required; none can be configured away.

The connector's token says who the connector is, not what the person pressed: it does not sign the body. So the highest
risks are never approved here (see `toolguard.channels.Card.inbox_only`), and the token is never logged.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from toolguard.errors import IdentityError

__all__ = ["SERVICE_HOSTS", "Activity", "Keys", "Sender", "activity_of", "check_sender"]

ISSUER = "https://api.botframework.com"
METADATA = "https://login.botframework.com/v1/.well-known/openidconfiguration"
SERVICE_HOSTS = frozenset(
    {
        "smba.trafficmanager.net",
        "smba.infra.gcc.teams.microsoft.com",
        "smba.infra.gov.teams.microsoft.us",
        "smba.infra.dod.teams.microsoft.us",
    }
)
"""Where Teams' connector lives: the public cloud and the sovereign ones. A token of ours goes nowhere else."""
LEEWAY = 300
_FRESH = 24 * 3600.0
_AGAIN = 3600.0
_MAX = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What is expected of whoever sends. ``hosts`` and ``issuer`` differ from Teams' own only in tests."""

    app_id: str
    tenants: frozenset[str]
    hosts: frozenset[str] = SERVICE_HOSTS
    issuer: str = ISSUER


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """An activity of which connector, app, host and tenant were checked. ``user`` is the Entra object id."""

    id: str
    type: str
    name: str
    tenant: str
    user: str
    user_ref: str
    conversation: str
    service_url: str
    value: Mapping[str, Any] = field(repr=False)


class Keys:
    """The connector's public keys: kept for a day, read anew for an unknown one at most once an hour. Thread-safe."""

    def __init__(self, client: httpx.Client, now: Callable[[], float], *, metadata: str = METADATA) -> None:
        self._client = client
        self._now = now
        self._metadata = metadata
        self._keys: dict[str, tuple[jwt.PyJWK, frozenset[str]]] = {}
        self._read = self._tried = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str) -> tuple[jwt.PyJWK, frozenset[str]]:
        """The key and the channels it is endorsed for. Raises IdentityError where there is none."""
        with self._lock:
            now = self._now()
            stale = now - self._read > _FRESH
            if (stale or kid not in self._keys) and now - self._tried > (60.0 if stale else _AGAIN):
                self._tried = now
                self._refresh(now)
            found = self._keys.get(kid)
            if found is None or now - self._read > _FRESH:
                raise IdentityError("its token is signed by a key Microsoft does not publish for bots")
            return found

    def _refresh(self, now: float) -> None:
        try:
            where = self._get(self._metadata).get("jwks_uri")
            if not isinstance(where, str) or urlsplit(where).netloc != urlsplit(self._metadata).netloc:
                raise ValueError
            listed = self._get(where)["keys"]
            keys = {}
            for each in listed:
                if isinstance(each, dict) and each.get("kty") == "RSA" and isinstance(each.get("kid"), str):
                    keys[each["kid"]] = (jwt.PyJWK(each, algorithm="RS256"), frozenset(each.get("endorsements") or ()))
        except (httpx.HTTPError, ValueError, KeyError, TypeError, jwt.PyJWTError):
            if now - self._read > _FRESH:
                raise IdentityError(
                    "the keys of Microsoft's connector cannot be read; nothing is believed meanwhile"
                ) from None
            return
        self._keys, self._read = keys, now

    def _get(self, url: str) -> dict[str, Any]:
        answer = self._client.get(url, follow_redirects=False)
        if answer.status_code != 200 or len(answer.content) > _MAX:
            raise ValueError
        found = answer.json()
        if not isinstance(found, dict):
            raise ValueError
        return found


def check_sender(
    headers: Mapping[str, str], activity: Mapping[str, Any], keys: Keys, sender: Sender, now: float
) -> None:
    """Raises IdentityError unless Teams' connector sent this activity to this app.

    RS256 alone; issuer, audience, lifetime; a key endorsed for Teams; a ``serviceurl`` claim that is there, is https, is
    on a host of Teams, and is the body's own.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > 8192:
        raise IdentityError("it carries no token")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        if not isinstance(kid, str):
            raise IdentityError("its token names no key")
        key, endorsements = keys.find(kid)
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=sender.app_id,
            issuer=sender.issuer,
            leeway=LEEWAY,
            options={
                "require": ["exp", "nbf", "iss", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "strict_aud": True,
            },
        )
        begins, ends = float(claims["nbf"]), float(claims["exp"])
    except (jwt.PyJWTError, TypeError, ValueError):
        raise IdentityError("its token is not one of Microsoft's connector for this app") from None
    if not begins - LEEWAY <= now < ends + LEEWAY:
        raise IdentityError("its token is too old, or from the future; check the clock of this machine")
    if "msteams" not in endorsements:
        raise IdentityError("its key is not endorsed for Teams")
    claimed, stated = claims.get("serviceurl"), activity.get("serviceUrl")
    if not isinstance(claimed, str) or not isinstance(stated, str) or claimed.rstrip("/") != stated.rstrip("/"):
        raise IdentityError("its token is for another service URL")
    check_host(stated, sender.hosts)


def check_host(url: str, hosts: frozenset[str]) -> None:
    """Raises IdentityError unless ``url`` is https on one of ``hosts``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise IdentityError("its service URL cannot be read") from None
    plain = parts.username is None and parts.password is None and not parts.query and not parts.fragment
    if parts.scheme != "https" or not plain or _place(parts.hostname, port) not in hosts:
        raise IdentityError("its service URL is not one of Teams")


def _place(host: str | None, port: int | None) -> str:
    return f"{host}:{port}" if port not in (None, 443) else host or ""


def activity_of(body: bytes, sender: Sender) -> tuple[dict[str, Any], Activity]:
    """The activity in ``body``, as it is and as it is understood.

    Raises:
        IdentityError: it is none, is from another channel than Teams, or of a tenant this app does not serve.
    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        raise IdentityError("it is no activity") from None
    if not isinstance(raw, dict):
        raise IdentityError("it is no activity")
    if raw.get("channelId") != "msteams":
        raise IdentityError("it is not from Teams")
    conversation, data, person = _of(raw, "conversation"), _of(raw, "channelData"), _of(raw, "from")
    tenant = _text(_of(data, "tenant"), "id")
    if not tenant or tenant != _text(conversation, "tenantId") or tenant not in sender.tenants:
        raise IdentityError("it is of a tenant this app does not serve")
    return raw, Activity(
        id=_text(raw, "id"),
        type=_text(raw, "type"),
        name=_text(raw, "name"),
        tenant=tenant,
        user=_text(person, "aadObjectId"),
        user_ref=_text(person, "id"),
        conversation=_text(conversation, "id"),
        service_url=_text(raw, "serviceUrl"),
        value=_of(raw, "value"),
    )


def _of(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = found.get(name)
    return inner if isinstance(inner, Mapping) else {}


def _text(found: Mapping[str, Any], name: str) -> str:
    inner = found.get(name)
    return inner if isinstance(inner, str) and len(inner) <= 2048 else ""
