"""Spans in the application's own provider: beside its spans, in its trace, and never in its way."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry.records import life
from toolguard.telemetry import CurrentSpan, TracerSink


def provider(**settings: object) -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    made = TracerProvider(resource=Resource({"service.name": "app"}), **settings)  # type: ignore[arg-type] # as in the test
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made, exporter


def test_records_become_spans_of_the_application() -> None:
    made, exporter = provider()
    TracerSink(made).emit(life())
    finished = exporter.get_finished_spans()
    assert len(finished) == 7
    assert {s.resource.attributes["service.name"] for s in finished} == {"app"}
    assert {s.instrumentation_scope.name for s in finished if s.instrumentation_scope} == {"toolguard"}


def test_sampling_does_not_thin_out_the_trail() -> None:
    made, exporter = provider(sampler=sampling.ALWAYS_OFF)
    TracerSink(made).emit(life())
    assert len(exporter.get_finished_spans()) == 7


def test_without_a_provider_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = TracerSink()
    sink.emit(life())
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    disabled, exporter = provider()
    TracerSink(disabled).emit(life())
    assert (sink.failures, len(exporter.get_finished_spans())) == (0, 0)


def test_a_provider_that_fails_does_not_break_the_call(caplog: pytest.LogCaptureFixture) -> None:
    class Breaks(SimpleSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise RuntimeError(f"broken on {span.name}")

    made = TracerProvider(resource=Resource({}))
    made.add_span_processor(Breaks(InMemorySpanExporter()))
    sink = TracerSink(made)
    with caplog.at_level(logging.WARNING):
        sink.emit(life())
        sink.emit(life())
    assert sink.failures == 2 * 5
    assert [r.getMessage() for r in caplog.records] == [
        "the tracer provider failed on a span (RuntimeError); the journal has the record"
    ]


def test_the_current_span_is_where_calls_stand() -> None:
    made, _ = provider()
    assert CurrentSpan().current() is None
    with made.get_tracer("app").start_as_current_span("agent") as span:
        context = span.get_span_context()
        current = CurrentSpan().current()
    assert current is not None
    assert (int(current.trace_id, 16), int(current.span_id, 16)) == (context.trace_id, context.span_id)
    with trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        assert CurrentSpan().current() is None
