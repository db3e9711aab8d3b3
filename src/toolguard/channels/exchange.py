"""A channel that is spoken to: bytes in, a response out. The service mounts it; it knows no web framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from toolguard.ports import Channel

__all__ = ["Connected", "Inbound", "Mounted", "Outbound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A request as it arrived. ``headers`` have lower-case names; ``body`` is what a signature covers."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """What to answer."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"


@runtime_checkable
class Mounted(Channel, Protocol):
    """A `Channel` that also receives. Whoever calls is nobody until the channel itself has proved who they are."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the service mounts it: absolute paths, POST only."""
        ...

    def receive(self, request: Inbound) -> Outbound:
        """Answer one request. Runs in a thread of its own; may raise nothing but what the service turns into a 500."""
        ...


@runtime_checkable
class Connected(Channel, Protocol):
    """A `Channel` with a connection of its own, which lives as long as the service does."""

    def start(self) -> None:
        """Connect. May raise; the service then runs without it, and says so."""
        ...

    def stop(self) -> None: ...
