"""Channels: each one's settings complete, its credentials there, and every one that the policy names set up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

from toolguard.authority import Authority
from toolguard.channels import Connected, open_channels
from toolguard.errors import ConfigError, MissingExtraError
from toolguard.health.finding import Finding, fault, fine
from toolguard.health.place import Place, said

__all__ = ["check"]

_ALWAYS = ("inbox",)


def check(place: Place) -> Iterator[Finding]:
    """Makes each channel as the service would, and tells nobody anything."""
    config = place.config
    nobody = cast("Authority", SimpleNamespace(now=time.time))  # what is made is never used
    for name, settings in config.channels.items():
        page = f"docs/{settings.get('kind', name)}s.md" if settings.get("kind") == "webhook" else f"docs/{name}.md"
        try:
            for made in open_channels({name: settings}, nobody, inbox=config.service.url, folder=config.folder):
                if isinstance(made, Connected):  # it may have begun threads of its own
                    made.stop()
        except MissingExtraError as missing:
            extra = str(missing).rpartition("[")[2].rstrip("]")
            yield fault("channels.extra", said(missing), f"pip install 'toolguard-middleware[{extra}]'")
        except ConfigError as wrong:
            mend = "put the credential there" if "holds nothing" in str(wrong) else f"{page} has every key"
            code = "channels.credentials" if "holds nothing" in str(wrong) else "channels.settings"
            yield fault(code, said(wrong), mend)
        else:
            yield fine("channels.settings", f"[channels.{name}] is complete")
    yield from _named(place)


def _named(place: Place) -> Iterator[Finding]:
    """The channels that the policy's approvals name."""
    seen = set[str]()
    for name in place.asked():
        rule = place.policy.approvals[name] if place.policy is not None else None
        if rule is None or rule.channel in seen:
            continue
        seen.add(rule.channel)
        channel, _, room = rule.channel.partition(":")
        settings = place.config.channels.get(channel)
        if channel in _ALWAYS:
            continue
        if settings is None:
            yield fault(
                "channels.missing", f"approval {name!r} is to be told on {rule.channel!r}, and no such channel is set up",
                f"add [channels.{channel}] to {place.file} (docs/channels.md), or leave channel: out of the policy",
            )  # fmt: skip
        elif not _has(settings, room or "default"):
            yield fault(
                "channels.room", f"approval {name!r} is to be told on {rule.channel!r}, and [channels.{channel}] has no such room",
                f"add {room or 'default'!r} under [channels.{channel}.rooms]",
            )  # fmt: skip


def _has(settings: Mapping[str, Any], room: str) -> bool:
    named = [settings[key] for key in ("rooms", "people") if isinstance(settings.get(key), dict)]
    return not named or any(room in rooms for rooms in named)
