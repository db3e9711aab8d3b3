"""Telemetry: audit records as OpenTelemetry spans. The journal is the truth, spans are its projection.

`ScrubProcessor` and `ScrubExporter` keep identifiers out of the spans that *others* make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolguard.telemetry.delivery import Backlog, Delivery, backlog
    from toolguard.telemetry.jaeger import jaeger_json, otlp_json
    from toolguard.telemetry.metrics import MetricsSink, observe_kept
    from toolguard.telemetry.otlp import OtlpPump
    from toolguard.telemetry.reconcile import JaegerQuery, SpanFinding, SpanReport, reconcile_spans
    from toolguard.telemetry.scrub import ScrubExporter, ScrubProcessor
    from toolguard.telemetry.spans import spans_of
    from toolguard.telemetry.target import Target, header_values, tls_context
    from toolguard.telemetry.tracer import CurrentSpan, TracerSink

__all__ = [
    "Backlog",
    "CurrentSpan",
    "Delivery",
    "JaegerQuery",
    "MetricsSink",
    "OtlpPump",
    "ScrubExporter",
    "ScrubProcessor",
    "SpanFinding",
    "SpanReport",
    "Target",
    "TracerSink",
    "backlog",
    "header_values",
    "jaeger_json",
    "observe_kept",
    "otlp_json",
    "reconcile_spans",
    "spans_of",
    "tls_context",
]

_HOMES = {
    "Backlog": "delivery",
    "CurrentSpan": "tracer",
    "Delivery": "delivery",
    "JaegerQuery": "reconcile",
    "MetricsSink": "metrics",
    "OtlpPump": "otlp",
    "ScrubExporter": "scrub",
    "ScrubProcessor": "scrub",
    "SpanFinding": "reconcile",
    "SpanReport": "reconcile",
    "Target": "target",
    "TracerSink": "tracer",
    "backlog": "delivery",
    "header_values": "target",
    "jaeger_json": "jaeger",
    "observe_kept": "metrics",
    "otlp_json": "jaeger",
    "reconcile_spans": "reconcile",
    "spans_of": "spans",
    "tls_context": "target",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
