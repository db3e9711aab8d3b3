"""Spans of other instrumentations: what goes on to the next processor, and over the wire, names nobody."""

import json

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, Status, StatusCode

from toolguard.config import default_detector
from toolguard.telemetry import ScrubExporter, ScrubProcessor

SAID = "Please call Margaret O'Neil, MRN 84021733, at (212) 555-0188."
CLEAR = ("O'Neil", "Margaret", "84021733", "555-0188")
CONTENT = {
    # OpenTelemetry: structured, as JSON text, and the older ones
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": SAID}]}]),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": SAID}]}]),
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SAID}]),
    "gen_ai.tool.call.arguments": json.dumps({"patient_name": "Margaret O'Neil", "mrn": 84021733}),
    "gen_ai.tool.call.result": SAID,
    "gen_ai.retrieval.query.text": SAID,
    "gen_ai.prompt": SAID,
    "gen_ai.completion": SAID,
    # OpenLLMetry
    "gen_ai.prompt.0.content": SAID,
    "gen_ai.completion.0.content": SAID,
    "gen_ai.completion.0.tool_calls.0.arguments": json.dumps({"note": SAID}),
    "traceloop.entity.input": json.dumps({"inputs": {"question": SAID}}),
    "traceloop.entity.output": SAID,
    "traceloop.association.properties.patient_name": "Margaret O'Neil",
    # OpenInference
    "input.value": SAID,
    "output.value": json.dumps({"answer": SAID}),
    "llm.input_messages.0.message.content": SAID,
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": json.dumps({"to": SAID}),
    "llm.invocation_parameters": json.dumps({"user": SAID}),
    "llm.prompts": [SAID, "hello"],
    "retrieval.documents.0.document.content": SAID,
    "embedding.embeddings.0.embedding.text": SAID,
    "metadata": json.dumps({"about": SAID}),
    # others, and what nobody thought of
    "ai.prompt.messages": json.dumps([{"role": "user", "content": SAID}]),
    "pydantic_ai.all_messages": json.dumps([{"content": SAID}]),
    "mlflow.spanInputs": json.dumps({"q": SAID}),
    "db.query.text": "select * from patient where name = 'Margaret O''Neil' and phone = '(212) 555-0188'",
    "something.new": SAID,
    "raw": SAID.encode(),
    "patient.mrn": 84021733,
}
TECHNICAL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "claude-opus-4",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.request.temperature": 0.25,
    "gen_ai.tool.name": "find_patient",
    "gen_ai.tool.call.id": "call_5DqLw7hT0xZQ",
    "openinference.span.kind": "LLM",
    "traceloop.workflow.name": "intake",
    "server.address": "api.openai.com",
    "embedding.vector": (0.25, 0.5),
}


def scrubbed(act, *, exporting=False, detector=None):
    """What a provider exports after ``act(tracer)``, as spans and as OTLP bytes."""
    out = InMemorySpanExporter()
    detector = detector or default_detector()
    processor = (
        SimpleSpanProcessor(ScrubExporter(out, detector))
        if exporting
        else ScrubProcessor(SimpleSpanProcessor(out), detector)
    )
    provider = TracerProvider(resource=Resource({"service.name": "ward"}))
    provider.add_span_processor(processor)
    act(provider.get_tracer("other"))
    assert provider.force_flush()
    provider.shutdown()
    spans = out.get_finished_spans()
    return spans, encode_spans(spans).SerializeToString()


def names_nobody(wire):
    return not [clear for clear in CLEAR if clear.encode() in wire]


@pytest.mark.parametrize("exporting", [False, True], ids=["processor", "exporter"])
@pytest.mark.parametrize("name", CONTENT)
def test_content_is_scrubbed_whatever_it_is_called(name, exporting):
    spans, wire = scrubbed(lambda t: t.start_span("chat", attributes={name: CONTENT[name]}).end(), exporting=exporting)
    assert name in spans[0].attributes
    assert names_nobody(wire)


def test_technical_attributes_pass_as_they_are():
    spans, _ = scrubbed(lambda t: t.start_span("chat claude-opus-4", attributes=TECHNICAL).end())
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in spans[0].attributes.items()} == TECHNICAL
    assert spans[0].name == "chat claude-opus-4"


def test_json_stays_json_and_says_what_was_there():
    spans, _ = scrubbed(lambda t: t.start_span("x", attributes=CONTENT).end())
    assert json.loads(spans[0].attributes["gen_ai.tool.call.arguments"]) == {
        "patient_name": "<PERSON>",
        "mrn": "<MRN>",
    }
    (message,) = json.loads(spans[0].attributes["gen_ai.input.messages"])
    assert message["role"] == "user"
    assert "<PERSON>" in message["parts"][0]["content"]
    assert spans[0].attributes["llm.prompts"][1] == "hello"


def test_events_exceptions_status_links_and_names_are_scrubbed():
    def act(tracer):
        other = tracer.start_span("other")
        other.end()
        with tracer.start_as_current_span(
            "answer Margaret O'Neil", links=[Link(other.get_span_context(), {"why": SAID})], record_exception=False
        ) as span:
            span.add_event("gen_ai.user.message", {"content": SAID})
            span.add_event("gen_ai.content.prompt", {"gen_ai.prompt": SAID})
            span.record_exception(ValueError(SAID))
            span.set_status(Status(StatusCode.ERROR, SAID))

    spans, wire = scrubbed(act)
    assert names_nobody(wire)
    (span,) = [s for s in spans if s.events]
    assert [e.name for e in span.events] == ["gen_ai.user.message", "gen_ai.content.prompt", "exception"]
    assert span.events[2].attributes["exception.type"] == "ValueError"
    assert span.status.status_code is StatusCode.ERROR
    assert len(span.links) == 1


def test_ids_times_kind_and_scope_are_kept():
    seen = []

    def act(tracer):
        with tracer.start_as_current_span("parent"), tracer.start_as_current_span("child") as child:
            seen.append(child)

    spans, _ = scrubbed(act)
    (child,) = [s for s in spans if s.name == "child"]
    (parent,) = [s for s in spans if s.name == "parent"]
    for name in ("context", "kind", "start_time", "end_time", "instrumentation_scope", "resource"):
        assert getattr(child, name) == getattr(seen[0], name), name
    assert child.parent.span_id == parent.context.span_id


class Broken:
    version = "broken/1"

    def session(self):
        return self

    def inspect(self, value, *, origin, schema=None):
        raise RuntimeError(SAID)


def test_a_detector_that_fails_withholds_and_breaks_nothing():
    def act(tracer):
        tracer.start_span(SAID, attributes={**CONTENT, **TECHNICAL}).end()

    spans, wire = scrubbed(act, detector=Broken())
    assert names_nobody(wire)
    assert spans[0].attributes["gen_ai.request.model"] == "claude-opus-4"


def test_more_names_pass_where_they_are_given():
    out = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(
        ScrubProcessor(SimpleSpanProcessor(out), default_detector(), keep=["ward.*", "desk.name"])
    )
    with provider.get_tracer("t").start_as_current_span("x") as span:
        span.set_attributes({"ward.name": "Margaret O'Neil", "desk.name": "Margaret O'Neil", "desk.names": SAID})
    kept = out.get_finished_spans()[0].attributes
    assert kept["ward.name"] == kept["desk.name"] == "Margaret O'Neil"
    assert "O'Neil" not in kept["desk.names"]
    provider.shutdown()
