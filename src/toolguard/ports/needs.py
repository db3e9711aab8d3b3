"""What a tool needs for one call: credentials, and what its arguments refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Content", "CredentialProvider", "CredentialUse", "Lease", "ReferenceReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialUse:
    """What a credential is wanted for: one call that executes now and may until ``until`` (UTC seconds).

    ``seconds`` is how long that is from now.
    """

    call: str
    tool: str
    tenant: str
    agent: str
    until: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A credential for one call. ``release`` ends it and is called once; it may be called from another thread.

    Attributes:
        value: what the tool gets.
        expires: when the issuer ends it by itself (UTC seconds), None if it does not.
        parts: secrets inside ``value`` that must not leave by themselves either (a password in a URL).
    """

    value: str = field(repr=False)
    expires: float | None = None
    parts: tuple[str, ...] = field(default=(), repr=False)
    release: Callable[[], None] = field(default=lambda: None, repr=False)


class CredentialProvider(Protocol):
    """Where one credential comes from. Thread-safe; whatever it raises is never shown with its text."""

    @property
    def kind(self) -> str:
        """What it is, for records: ``env``, ``file``, ``postgresql``, …"""
        ...

    def acquire(self, name: str, use: CredentialUse) -> Lease:
        """The credential ``name`` for one call. Short-lived wherever the issuer can make it so."""
        ...

    def close(self) -> None:
        """Let go of everything, leases that were never released included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a reference points at: its bytes, and what else must stay the same (an inode, a version, ``""``)."""

    identity: str
    chunks: Iterator[bytes] = field(repr=False)


class ReferenceReader(Protocol):
    """Reads what arguments refer to. Size and time are bounded by whoever reads the chunks."""

    def open(self, value: str) -> AbstractContextManager[Content]:
        """What ``value`` points at, now. Raises ContentError, or OSError, where it cannot be read."""
        ...
