"""Everything a guard works with, as a configuration file describes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from toolguard._core.approval import Approval
from toolguard.config.audit import keeper_of
from toolguard.config.file import Config, load_config
from toolguard.config.parts import PART_NAMES, Parts, assemble
from toolguard.config.policies import DEVELOPMENT
from toolguard.config.separation import separation_of
from toolguard.config.service import remote_store, service_token
from toolguard.config.spans import shown
from toolguard.confirm import ServiceConfirmer, ServiceLook
from toolguard.credentials import open_providers
from toolguard.directory import TokenFile
from toolguard.errors import ConfigError
from toolguard.feedback import Feedback, FeedbackFile
from toolguard.keys import KeyRing, PolicyVerifier, Purpose, read_keys
from toolguard.ports import (
    Clock,
    Sealer,
    Store,
)
from toolguard.references import Contents, open_readers
from toolguard.stores import SystemClock, open_store

__all__ = ["load_parts", "revealer_of"]


def load_parts(path: str | os.PathLike[str], **given: Any) -> Parts:
    """The parts a configuration file describes; ``given`` ones (of `assemble`) take their place. Raises ConfigError."""
    config = load_config(path)
    clock = given.pop("clock", None) or SystemClock()
    store = given.pop("store", None)
    opened = store is None
    if store is None:
        store = open_store(config.store_url, clock=clock)
    try:
        if not config.service.remote:
            return _described(config, store, clock, given)
        store = served = remote_store(config, store, clock)
        parts = _described(config, served, clock, {**given, "remote": True, "confirm": served.claim})
        served.begin()
        return parts
    except BaseException:
        if opened:
            store.close()
        raise


def _described(config: Config, store: Store, clock: Clock, given: dict[str, Any]) -> Parts:
    tokens = None
    if config.directory and config.directory.tokens:
        tokens = TokenFile(config.at(config.directory.tokens), now=clock.now)
    policy = config.guard.policy
    described: dict[str, Any] = {
        "keys": _keys(config),
        "feedback": _feedback(config),
        "directory": config.at(config.directory.file) if config.directory else None,
        "trusted": config.keys.trusted,
        "tokens": tokens,
        "environment": config.guard.environment,
        "signers": None if config.guard.environment == DEVELOPMENT else PolicyVerifier(config.policy.trusted),
        "older_policy": config.policy.older,
        "policy_name": config.policy.name,
        "reload_every": config.guard.reload_seconds,
        "suspend": config.guard.suspend,
        "wait": config.guard.wait,
        "on_wait_timeout": config.guard.on_wait_timeout,
        "lease": config.guard.lease,
        "keep_tokens": config.store.keep_seconds,
        "references": Contents(
            open_readers(config.references.readers),
            max_bytes=config.references.max_bytes,
            seconds=config.references.seconds,
            clock=clock,
        ),
        "confirm_critical": config.service.confirm == "critical",
        "separation": separation_of(config),
        **_telemetry(config, store),
        "content": config.telemetry.content == "masked",
        "keep": config.audit.keep == "masked",
    }
    if "confirm" not in given and config.service.confirm == "critical":
        described["confirm"] = _confirmer(config)
    if "on_wait" not in given and not config.service.remote:  # a remote guard is told by its own link
        with suppress(ConfigError):  # an address that may not be spoken to is never asked
            described["on_wait"] = ServiceLook(config.service.url)
    if "revealer" not in given:
        described["revealer"] = revealer_of(config)
    if "credentials" not in given:
        described["credentials"] = open_providers(config.credentials, at=config.at)
    unknown = sorted(set(given) - PART_NAMES)
    if unknown:
        raise ConfigError(f"a guard takes no {unknown[0]!r}; it takes {', '.join(sorted(PART_NAMES))}")
    parts = assemble(
        policy if policy.startswith("pack:") else config.at(policy),
        store=store,
        clock=clock,
        **{**described, **given},
    )
    keeper = keeper_of(config, parts.store, who="guard")
    return parts if keeper is None else replace(parts, closers=(keeper.close, *parts.closers))


def _confirmer(config: Config) -> Callable[[Approval], None] | None:
    token = service_token(config)
    return None if token is None else ServiceConfirmer(config.service.url, token)


def revealer_of(config: Config) -> Callable[[str], Sealer] | None:
    """What seals decisive arguments for the service to reveal; the key is the service's and the guard's alone."""
    wanted = config.service.reveal_key
    if wanted is None:
        return None
    where = wanted if wanted.startswith("env:") else config.at(wanted.removeprefix("file:"))
    return KeyRing.load(where, purpose=Purpose.REVEAL).sealer


def _keys(config: Config) -> KeyRing | None:
    if config.keys.env:
        return KeyRing.load(f"env:{config.keys.env}")
    if config.keys.file:
        return KeyRing.load(config.at(config.keys.file))
    return None


def _feedback(config: Config) -> Feedback | None:
    if config.guard.feedback is None:
        return None
    reference = f"env:{config.keys.env}" if config.keys.env else config.keys.file and config.at(config.keys.file)
    if not reference:
        raise ConfigError(
            "guard.feedback is kept under the guard's key, and none is configured; set keys.file or keys.env"
        )
    path = config.at(config.guard.feedback)
    if not path.exists():
        raise ConfigError(
            f"feedback file {str(path)!r} does not exist; make it with 'toolguard phi report', or leave guard.feedback out"
        )
    return FeedbackFile(path, read_keys(reference, purpose=Purpose.SEAL)[0]).load()


def _telemetry(config: Config, store: Store) -> dict[str, Any]:
    where = shown(config, store)
    return {"sinks": where.sinks, "tracing": where.tracing, "closers": where.closers}
