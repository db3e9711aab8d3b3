"""Spans in the application's own tracer provider: best effort, for tests, notebooks and agent traces."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource

from toolguard._core.audit import AuditRecord
from toolguard.ports import TraceContext
from toolguard.telemetry.spans import spans_of

__all__ = ["CurrentSpan", "TracerSink"]

_log = logging.getLogger("toolguard.telemetry")


class CurrentSpan:
    """`toolguard.ports.Tracing` of OpenTelemetry: guarded calls stand inside the caller's current span."""

    def current(self) -> TraceContext | None:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return TraceContext(trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}")


class TracerSink:
    """`toolguard.ports.Sink` that hands finished spans to the span processors of a tracer provider.

    Ids and times are the records' own, so the sampler has no say; processors and exporters may still drop
    what they are given. Where no SDK provider is set up, or it is disabled, nothing is sent. For delivery
    that can be relied on use `OtlpPump`.

    Args:
        tracer_provider: the provider; the global one, looked up at each record, by default.
        drafts: also the attributes of conventions that are not agreed yet (``gen_ai.guardrail.*``).
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None, *, drafts: bool = False) -> None:
        self._provider = tracer_provider
        self._drafts = drafts
        self.failures = 0
        """How many records could not be handed over."""

    def emit(self, records: Sequence[AuditRecord]) -> None:
        try:
            tracer: Any = (self._provider or trace.get_tracer_provider()).get_tracer("toolguard")
            processor = getattr(tracer, "span_processor", None)
            if processor is None:
                return
            resource = getattr(tracer, "resource", None) or Resource({})
        except Exception as fault:  # noqa: BLE001 - the application's provider must not break a call
            self._failed(fault, len(records))
            return
        for record in records:
            try:
                for span in spans_of(record, resource, drafts=self._drafts):
                    processor.on_end(span)
            except Exception as fault:  # noqa: BLE001 - as above
                self._failed(fault, 1)

    def _failed(self, fault: Exception, count: int) -> None:
        if not self.failures:
            _log.warning("the tracer provider failed on a span (%s); the journal has the record", type(fault).__name__)
        self.failures += count
