"""Channels by the names the configuration gives. No other name is ever loaded from installed packages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from toolguard.authority import Authority
from toolguard.errors import ConfigError, MissingExtraError
from toolguard.ports import Channel

__all__ = ["KINDS", "Place", "open_channels"]

KINDS = {"slack": "slack", "teams": "teams", "webhook": "server"}
"""Kind of channel → the extra that brings it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a channel is put: ``settings`` are those of ``[channels.NAME]``, ``inbox`` the URL its links lead to."""

    name: str
    settings: Mapping[str, Any] = field(repr=False)
    authority: Authority
    inbox: str
    folder: Path = Path()

    def secret(self, reference: str) -> str:
        """What ``env:NAME`` or a file (seen from ``folder``) holds.

        Raises:
            ConfigError: nothing; what is there is never shown.
        """
        if reference.startswith("env:"):
            value = os.environ.get(reference[4:], "")
        else:
            try:
                value = (self.folder / reference.removeprefix("file:")).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                value = ""
        if not value:
            raise ConfigError(f"[channels.{self.name}]: {reference!r} holds nothing; set it, or name another place")
        return value


def open_channels(
    configured: Mapping[str, Mapping[str, Any]], authority: Authority, *, inbox: str, folder: Path = Path()
) -> tuple[Channel, ...]:
    """Make the channels of ``[channels.NAME]``; each kind is an entry point ``toolguard.channels`` that takes a `Place`.

    Raises:
        ConfigError: a kind is unknown, or its settings are wrong. MissingExtraError: its extra is not installed.
    """
    found: list[Channel] = []
    for name, settings in configured.items():
        kind = settings.get("kind", name)
        if kind not in KINDS:
            raise ConfigError(f"[channels.{name}] is of no known kind ({', '.join(KINDS)}); set 'kind'")
        try:
            (entry,) = entry_points(group="toolguard.channels", name=kind)
            make = entry.load()
        except (ImportError, ValueError):
            extra = KINDS[kind]
            raise MissingExtraError(
                f"[channels.{name}] needs the {extra!r} extra; install toolguard-middleware[{extra}]"
            ) from None
        rest = {key: value for key, value in settings.items() if key != "kind"}
        found.append(make(Place(name=name, settings=rest, authority=authority, inbox=inbox, folder=folder)))
    return tuple(found)
