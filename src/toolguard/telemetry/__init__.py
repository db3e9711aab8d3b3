"""Telemetry: audit records as OpenTelemetry spans. The journal is the truth, spans are its projection.

`ScrubProcessor` and `ScrubExporter` keep identifiers out of the spans that *others* make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolguard.telemetry.metrics import MetricsSink
    from toolguard.telemetry.otlp import OtlpPump
    from toolguard.telemetry.scrub import ScrubExporter, ScrubProcessor
    from toolguard.telemetry.spans import spans_of
    from toolguard.telemetry.tracer import CurrentSpan, TracerSink

__all__ = ["CurrentSpan", "MetricsSink", "OtlpPump", "ScrubExporter", "ScrubProcessor", "TracerSink", "spans_of"]

_HOMES = {
    "CurrentSpan": "tracer",
    "MetricsSink": "metrics",
    "OtlpPump": "otlp",
    "ScrubExporter": "scrub",
    "ScrubProcessor": "scrub",
    "TracerSink": "tracer",
    "spans_of": "spans",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
