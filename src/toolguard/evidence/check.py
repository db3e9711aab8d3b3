"""A pack that was just written, checked by the very file that lies in it; and the proofs of one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolguard._core.audit import AuditRecord
from toolguard._core.checkpoint import log_origin
from toolguard.evidence import verify
from toolguard.evidence.proofs import log_proofs
from toolguard.population import read_period
from toolguard.ports import Store

__all__ = ["CallProofs", "call_proofs", "verify_pack"]


def verify_pack(path: Path, keys: Iterable[str]) -> tuple[str, ...]:
    """What does not hold in the pack; nothing if all does. What is missing (an anchor, say) is no fault."""
    return tuple(verify.verify(str(path), [line for line in keys if ":audit-" in line]).faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProofs:
    """``shown`` are inclusion proofs; ``note`` the signed checkpoint they lead to, ``""`` where there is none."""

    shown: tuple[dict[str, Any], ...]
    note: str = ""


def call_proofs(store: Store, records: Sequence[AuditRecord]) -> CallProofs:
    """The proofs of a call's first and last record (``records`` in order, at least one)."""
    ends = [records[0], *records[1:][-1:]]
    period = read_period(store, since=records[0].draft.at, until=records[-1].draft.at + 0.001)
    logs = {p.part.log_id: p for p in log_proofs(period, period.notes, log_origin(period.epoch, ""))}
    shown = tuple(logs[r.log_id].inclusion(r) for r in ends)
    last = logs[records[-1].log_id]
    covered = all(proof["checkpoint"] for proof in shown)
    note = next((text for size, text in last.notes if size == last.size), "") if covered else ""
    return CallProofs(shown=shown, note=note)
