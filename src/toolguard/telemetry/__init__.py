"""Telemetry: audit records as OpenTelemetry spans. The journal is the truth, spans are its projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolguard.telemetry.otlp import OtlpPump
    from toolguard.telemetry.spans import spans_of
    from toolguard.telemetry.tracer import CurrentSpan, TracerSink

__all__ = ["CurrentSpan", "OtlpPump", "TracerSink", "spans_of"]

_HOMES = {"CurrentSpan": "tracer", "OtlpPump": "otlp", "TracerSink": "tracer", "spans_of": "spans"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
