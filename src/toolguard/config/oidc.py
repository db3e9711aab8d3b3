"""The keys of ``[oidc.NAME]``: what the service takes, and what ``toolguard doctor`` says of it beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from toolguard.errors import ConfigError

__all__ = ["ALGORITHMS", "ProviderSettings", "is_safe", "provider_settings"]

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures with a public key. Shared secrets and ``none`` are never taken."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ProviderSettings(BaseModel):
    """The keys of ``[oidc.NAME]``.

    Attributes:
        issuer: exactly as the provider says it.
        tenant: the toolguard tenant its people belong to.
        client_id: the inbox's, for signing in; with a ``client_secret`` (a reference) where it is no public client.
        audience: what bearer tokens for the API have to be made for; none are taken without it.
        algorithms: signatures that are taken.
        subject: the claim that names a person (``sub``; ``oid`` for Entra).
        name: what the button says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    tenant: str
    client_id: str = ""
    client_secret: str = ""
    audience: str = ""
    algorithms: tuple[str, ...] = ("RS256",)
    subject: str = "sub"
    scopes: tuple[str, ...] = ("openid",)
    name: str = ""


def provider_settings(label: str, settings: Mapping[str, Any]) -> ProviderSettings:
    """One ``[oidc.LABEL]``, checked.

    Raises:
        ConfigError: settings that do not fit, or cannot be safe.
    """
    try:
        checked = ProviderSettings.model_validate(dict(settings))
    except ValidationError as fault:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in fault.errors(include_input=False)
        )
        raise ConfigError(f"[oidc.{label}]: {told}; see docs/oidc.md for every key") from None
    if not re.fullmatch(r"[a-z0-9-]{1,40}", label):
        raise ConfigError(f"[oidc.{label}]: a name is lower-case letters, digits and '-'")
    if not checked.tenant:
        raise ConfigError(f"[oidc.{label}]: 'tenant' is empty; name the tenant its people belong to")
    if not is_safe(checked.issuer):
        raise ConfigError(f"[oidc.{label}]: 'issuer' has to be https")
    wrong = [name for name in checked.algorithms if name not in ALGORITHMS]
    if wrong or not checked.algorithms:
        raise ConfigError(f"[oidc.{label}]: {wrong or 'no algorithm'} cannot be taken; use RS256, ES256 or the like")
    if not checked.client_id and not checked.audience:
        raise ConfigError(f"[oidc.{label}]: name client_id (for the inbox), audience (for the API), or both")
    return checked


def is_safe(url: str) -> bool:
    """https, or http on this machine; nothing that carries a user name."""
    try:
        parts = urlsplit(url)
        plain = parts.username is None and parts.password is None and (parts.port or 1) > 0
    except ValueError:
        return False
    return plain and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK))
