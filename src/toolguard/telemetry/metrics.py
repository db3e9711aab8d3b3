"""Audit records as OpenTelemetry metrics: what is decided, how long people take, and whether anyone can have read it.

Instruments (meter ``toolguard``): ``toolguard.decisions`` (by outcome, effect and risk), ``toolguard.executions`` (by
outcome), ``toolguard.verdicts`` (by answer), ``toolguard.verdicts.refused`` (by reason), ``toolguard.verdict.time`` and
``toolguard.approval.wait`` (histograms, seconds), ``toolguard.verdicts.implausible`` (answers within a second). They hold
no name of a person, tool or patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.metrics import Meter, get_meter

from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.call import Json

__all__ = ["IMPLAUSIBLE", "MetricsSink"]

IMPLAUSIBLE = 1.0
"""Seconds in which nobody has read a request."""


class MetricsSink:
    """A `toolguard.ports.Sink`. ``meter`` is the application's own by default; without a provider it costs nothing."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or get_meter("toolguard")
        self._decisions = meter.create_counter("toolguard.decisions", description="Calls the policy was asked about.")
        self._executions = meter.create_counter("toolguard.executions", description="Ends of guarded calls.")
        self._verdicts = meter.create_counter("toolguard.verdicts", description="Answers people gave.")
        self._refused = meter.create_counter("toolguard.verdicts.refused", description="Answers that were not taken.")
        self._fast = meter.create_counter("toolguard.verdicts.implausible", description="Answers within a second.")
        self._time = meter.create_histogram("toolguard.verdict.time", unit="s", description="From request to answer.")
        self._wait = meter.create_histogram("toolguard.approval.wait", unit="s", description="From request to its end.")

    def emit(self, records: Sequence[AuditRecord]) -> None:
        for record in records:
            draft = record.draft
            body = draft.body
            outcome = {"outcome": _word(body, "toolguard.decision.outcome")}
            if draft.kind is Kind.CALL_DECIDED:
                level = _word(body, "toolguard.risk.level")
                self._decisions.add(1, {**outcome, "effect": _word(body, "toolguard.decision.effect"), "risk": level})
            elif draft.kind in (Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE):
                self._executions.add(1, outcome)
            elif draft.kind is Kind.APPROVAL_VERDICT:
                self._answered(body)
            elif draft.kind is Kind.APPROVAL_REFUSED:
                self._refused.add(1, {"reason": _word(body, "toolguard.decision.reason_code")})
            elif draft.kind is Kind.APPROVAL_RESOLVED:
                self._wait.record(_seconds(body), outcome)

    def _answered(self, body: Mapping[str, Json]) -> None:
        answer = {"answer": _word(body, "toolguard.decision.reason_code")}
        seconds = _seconds(body)
        self._verdicts.add(1, answer)
        self._time.record(seconds, answer)
        if seconds < IMPLAUSIBLE:
            self._fast.add(1, answer)


def _word(body: Mapping[str, Json], name: str) -> str:
    value = body.get(name, "")
    return value if isinstance(value, str) else ""


def _seconds(body: Mapping[str, Json]) -> float:
    value = body.get("toolguard.approval.wait_s", 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
