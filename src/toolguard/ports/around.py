"""What is around a guard: time, ids, the ways people are told, and where spans and records go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from toolguard._core.approval import Approval
from toolguard._core.audit import AuditRecord
from toolguard._core.steps import Notice

__all__ = ["Channel", "Clock", "Ids", "NoticeChannel", "Sink", "TraceContext", "Tracing"]


class Clock(Protocol):
    """What time it is. Thread-safe."""

    def now(self) -> float:
        """UTC seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for bounds on waiting."""
        ...


class Ids(Protocol):
    """Names for runs, calls, approvals and spans. Thread-safe."""

    def new(self) -> str:
        """128 random bits as 32 hex digits."""
        ...


class Channel(Protocol):
    """Tells approvers that something waits. It can neither decide nor hold a call up."""

    def announce(self, approval: Approval) -> None:
        """Show people ``approval`` as it is now. It is called again where it raised, and may be with the same state."""
        ...


@runtime_checkable
class NoticeChannel(Channel, Protocol):
    """A channel that can also say why approvers hear of an approval again; others just show its state."""

    def notify(self, approval: Approval, notice: Notice) -> None:
        """Like `announce`, for what ``notice`` says."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """Hex ids of the span a call stands in."""

    trace_id: str
    span_id: str


class Tracing(Protocol):
    """Where spans come from and go to, best effort; the journal is the truth."""

    def current(self) -> TraceContext | None:
        """The span this code runs in; None outside of any."""
        ...


class Sink(Protocol):
    """Takes records after they are durable. Must not raise, must not block."""

    def emit(self, records: Sequence[AuditRecord]) -> None:
        """Records of one commit, in the order of their log."""
        ...
