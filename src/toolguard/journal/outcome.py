"""What became of a call, out of its records."""

from __future__ import annotations

from collections.abc import Sequence

from toolguard._core.audit import AuditRecord, Kind

__all__ = ["RUN_ENDS", "telling"]

RUN_ENDS = frozenset({Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE})
"""How an execution ends. What is tried with the call later is on record, and does not undo that it ran."""


def telling(records: Sequence[AuditRecord]) -> AuditRecord | None:
    """The record of one call (in order) that says how it stands: the end of its run, else the newest with an outcome."""
    ended = next((r for r in reversed(records) if r.draft.kind in RUN_ENDS), None)
    return ended or next((r for r in reversed(records) if r.draft.body.get("toolguard.decision.outcome")), None)
