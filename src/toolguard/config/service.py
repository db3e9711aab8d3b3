"""How a guard reaches the approval service, as a configuration file describes it."""

from __future__ import annotations

import os

from toolguard.config.defaults import RandomIds
from toolguard.config.file import Config
from toolguard.errors import ConfigError
from toolguard.keys import PinnedVerifier
from toolguard.ports import Clock, Store
from toolguard.remote import Link, RemoteStore

__all__ = ["remote_store", "service_token"]


def service_token(config: Config) -> str | None:
    """The secret that ``service.token`` refers to. Raises ConfigError where it is not there, or no token."""
    wanted = config.service.token
    if wanted is None:
        return None
    if wanted.startswith("env:"):
        token = os.environ.get(wanted[4:], "")
    else:
        try:
            token = config.at(wanted.removeprefix("file:")).read_text("utf-8")
        except OSError as fault:
            raise ConfigError(
                f"the service token {wanted!r} cannot be read ({fault.strerror}); see [service]"
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"the service token {wanted!r} is no text; 'toolguard people token' makes one") from None
    token = token.strip()
    if not token:
        raise ConfigError(f"the service token {wanted!r} is empty; 'toolguard people token' makes one for a service")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"the service token {wanted!r} is no token; copy the line that 'toolguard people token' prints"
        )
    return token


def remote_store(config: Config, local: Store, clock: Clock) -> RemoteStore:
    """``local``, with approvals at the service. Raises ConfigError where something is missing, or should not be here."""
    service, token = config.service, service_token(config)
    if token is None:
        raise ConfigError(
            "a guard with service.remote needs a token of its service account: set service.token ('env:NAME' or a file); "
            "'toolguard people token NAME --audience service' makes one"
        )
    if not config.keys.trusted:
        raise ConfigError(
            "a guard with service.remote believes nobody while keys.trusted is empty: pin the service's public key, the line "
            "that 'toolguard keys show' prints where the service runs"
        )
    if config.directory is None:
        raise ConfigError(
            "a guard with service.remote needs to know who asks: set directory.file to a copy of the service's directory"
        )
    if service.signing_key is not None:
        raise ConfigError(
            "service.signing_key is the service's own, and a guard with service.remote must not be able to read it; "
            "take it out, and give the service a configuration of its own"
        )
    if service.confirm == "never":
        raise ConfigError(
            "service.confirm is for guards on the service's store; with service.remote every claim is the service's"
        )
    link = Link(service.url, token, ca=None if service.ca is None else config.at(service.ca))
    return RemoteStore(
        local,
        link,
        verifier=PinnedVerifier(config.keys.trusted),
        clock=clock,
        ids=RandomIds(),
        lease=config.guard.lease,
        within=service.freeze_within,
    )
