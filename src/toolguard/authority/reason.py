"""An approver's reason is free text and may hold identifiers: they are masked before it is kept."""

from __future__ import annotations

from toolguard._core.mask import apply_findings, merge_findings
from toolguard._core.steps import Origin
from toolguard.errors import DetectionError
from toolguard.ports import Detector

__all__ = ["WITHHELD", "masked_reason"]

WITHHELD = "[reason withheld: it could not be checked for identifiers]"


def masked_reason(detector: Detector, reason: str) -> str:
    """``reason`` with ``<TYPE>`` in place of every identifier; `WITHHELD` if it could not be looked at."""
    text = reason.strip()
    if not text:
        return ""
    try:
        findings = detector.session().inspect(text, origin=Origin.USER)
    except DetectionError:
        return WITHHELD
    return str(apply_findings(text, merge_findings(findings), lambda finding, _: f"<{finding.type}>"))
