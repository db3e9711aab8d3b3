"""Where logs begin, as far as a signed note says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from toolguard._core.audit import AuditRecord, Fault, Kind
from toolguard._core.checkpoint import Checkpoint, Note
from toolguard._core.pruning import Begin, begin_of
from toolguard.errors import TamperedError
from toolguard.ports import CheckpointVerifier, Store

__all__ = ["Begins", "begins_in", "opened_note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begins:
    """Log id → where it begins, in which record that stands, and the records of pruning that cannot be believed."""

    of: dict[str, Begin]
    told: dict[str, AuditRecord] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def opened_note(text: str, verifier: CheckpointVerifier | None) -> Checkpoint | None:
    """The checkpoint of a note, None where it is none or no pinned key signed it. Without a verifier nobody looks who did."""
    try:
        return Checkpoint.parse(Note.parse(text).body) if verifier is None else verifier.checkpoint(text)
    except (TamperedError, ValueError):
        return None


def begins_in(
    store: Store, verifier: CheckpointVerifier | None, records: Iterable[AuditRecord] | None = None
) -> Begins:
    """Where the logs of a store begin. ``records`` are its records of pruning, where they are at hand."""
    found: dict[str, Begin] = {}
    told: dict[str, AuditRecord] = {}
    faults = []
    for record in store.operations(Kind.AUDIT_PRUNED) if records is None else records:
        begin = begin_of(record.draft.body)
        if begin is None or opened_note(begin.note, verifier) != begin.checkpoint(store.epoch):
            faults.append(Fault(log_id=record.log_id, seq=record.seq, code="signature"))
        elif begin.log_id not in found or found[begin.log_id].last < begin.last:
            found[begin.log_id] = begin
            told[begin.log_id] = record
    return Begins(of=found, told=told, faults=tuple(faults))
