"""Identifiers out of other instrumentations' spans, before any exporter sees them.

GenAI instrumentations write prompts, completions, tool arguments and results into attributes and events, each by its
own names: ``gen_ai.*`` (OpenTelemetry), ``traceloop.*`` and ``gen_ai.prompt.N.*`` (OpenLLMetry), ``llm.*``,
``input.value``, ``retrieval.*`` (OpenInference), ``ai.*`` (Vercel), ``logfire.*``, ``mlflow.*``. A list of content
would always be behind, so this is a list of what is *not* content; every other text is looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from toolguard.ports import Detector
from toolguard.telemetry.redact import Redactor

__all__ = ["TECHNICAL", "ScrubExporter", "ScrubProcessor"]

_NAMES = """
    ai.model.id ai.model.provider ai.operationId ai.telemetry.functionId client.port code.* error.type
    exception.escaped exception.type gen_ai.agent.id gen_ai.agent.name gen_ai.agent.version gen_ai.conversation.id
    gen_ai.data_source.id gen_ai.embeddings.* gen_ai.operation.name gen_ai.output.type gen_ai.prompt.name
    gen_ai.provider.name gen_ai.request.choice.count gen_ai.request.encoding_formats gen_ai.request.model
    gen_ai.response.finish_reasons gen_ai.response.id gen_ai.response.model gen_ai.system gen_ai.token.type
    gen_ai.tool.call.id gen_ai.tool.name gen_ai.tool.type gen_ai.usage.* gen_ai.workflow.name http.flavor http.method
    http.request.method http.response.status_code http.route http.scheme http.status_code input.mime_type
    llm.model_name llm.provider llm.request.type llm.system llm.token_count.* llm.usage.* mcp.method.name
    mcp.protocol.version network.* openinference.span.kind otel.* output.mime_type process.* rpc.grpc.status_code
    rpc.method rpc.service rpc.system server.address server.port service.* telemetry.* thread.* toolguard.*
    traceloop.entity.name traceloop.entity.version traceloop.span.kind traceloop.workflow.name url.scheme
"""
TECHNICAL = frozenset(_NAMES.split())
"""Attributes that pass unread: names of machines, models, methods and counts, never what somebody said. ``x.*`` is all of x."""

_WHOLE = frozenset(name for name in TECHNICAL if not name.endswith("*"))
_UNDER = tuple(name[:-1] for name in TECHNICAL if name.endswith("*"))


_DOTTED = re.compile(r"[a-z][a-z_]*(?:\.[a-z][a-z_]*)+")
"""A name that a convention gave (``gen_ai.user.message``)."""


class _Scrubber:
    def __init__(self, detector: Detector, keep: Iterable[str]) -> None:
        self._redactor = Redactor(detector)
        kept = tuple(keep)
        self._whole = _WHOLE | {name for name in kept if not name.endswith("*")}
        self._under = _UNDER + tuple(name[:-1] for name in kept if name.endswith("*"))

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """A copy with every text looked into; ids, times and numbers are as they were."""
        status = span.status
        if status.description:
            status = Status(status.status_code, self._redactor.text(status.description))
        return ReadableSpan(
            self._name(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=self._attributes(span.attributes),
            events=[
                Event(self._name(event.name), self._attributes(event.attributes), event.timestamp)
                for event in span.events
            ],
            links=[Link(link.context, self._attributes(link.attributes)) for link in span.links],
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _name(self, name: str) -> str:
        return name if _DOTTED.fullmatch(name) else self._redactor.text(name)

    def _attributes(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return {name: self._attribute(name, value) for name, value in (attributes or {}).items()}

    def _attribute(self, name: str, value: Any) -> Any:
        if isinstance(value, bool | int | float) or name in self._whole or name.startswith(self._under):
            return value
        if isinstance(value, list | tuple):
            return [
                item if isinstance(item, bool | int | float) else self._redactor.thing(item, name) for item in value
            ]
        return self._redactor.thing(value, name)


class ScrubProcessor(SpanProcessor):
    """Hands ended spans on without identifiers: ``provider.add_span_processor(ScrubProcessor(BatchSpanProcessor(exporter), detector))``.

    The work is done on the thread that ends the span. Where prompts are long, put `ScrubExporter` between a
    batching processor and its exporter instead: then it is done on that processor's thread.

    Args:
        next: the processor that gets the scrubbed spans. Register this one *instead* of it: others see clear text.
        detector: finds identifiers, e.g. `toolguard.config.default_detector`.
        keep: further attributes that pass unread, by name or ``prefix.*``.
    """

    def __init__(self, next: SpanProcessor, detector: Detector, *, keep: Iterable[str] = ()) -> None:
        self._next = next
        self._scrubber = _Scrubber(detector, keep)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._next.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or span.context.trace_flags.sampled:
            self._next.on_end(self._scrubber.span(span))

    def shutdown(self) -> None:
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._next.force_flush(timeout_millis)


class ScrubExporter(SpanExporter):
    """Exports spans without identifiers: ``BatchSpanProcessor(ScrubExporter(exporter, detector))``. See `ScrubProcessor`."""

    def __init__(self, next: SpanExporter, detector: Detector, *, keep: Iterable[str] = ()) -> None:
        self._next = next
        self._scrubber = _Scrubber(detector, keep)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._next.export([self._scrubber.span(span) for span in spans])

    def shutdown(self) -> None:
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._next.force_flush(timeout_millis)
