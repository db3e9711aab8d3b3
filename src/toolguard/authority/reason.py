"""An approver's reason is free text and may hold identifiers: they are masked before it is kept."""

from __future__ import annotations

from toolguard._core.mask import apply_findings, checked
from toolguard._core.steps import Origin
from toolguard.ports import Detector

__all__ = ["WITHHELD", "masked_reason"]

WITHHELD = "[reason withheld: it could not be checked for identifiers]"


def masked_reason(detector: Detector, reason: str) -> str:
    """``reason`` with ``<TYPE>`` in place of every identifier; `WITHHELD` if it could not be looked at."""
    text = reason.strip()
    if not text:
        return ""
    try:
        findings = checked(text, detector.session().inspect(text, origin=Origin.USER))
    except Exception:  # noqa: BLE001 - a detector may fail in any way
        return WITHHELD
    return str(apply_findings(text, findings, lambda finding, _: f"<{finding.type}>"))
