"""OTLP as JSON says exactly what the encoder of OpenTelemetry says, in the JSON form of the specification."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource

from evidence.conftest import hospital
from evidence.hospital import Hospital
from toolguard.telemetry import otlp_json, spans_of

__all__ = ["hospital"]


def reference(h: Hospital) -> dict[str, Any]:
    """By way of protobuf, its base64 ids turned into hex."""
    resource = Resource({"service.name": "toolguard"})
    spans = [span for record in h.store.records() for span in spans_of(record, resource)]
    told: dict[str, Any] = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for span in told["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for holder in (span, *span.get("links", ())):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in holder:
                    holder[name] = b64decode(holder[name]).hex()
    return told


def test_it_is_what_the_encoder_gives(hospital: Hospital) -> None:
    assert otlp_json(hospital.store.records()) == reference(hospital)


def test_nothing_is_nothing() -> None:
    assert otlp_json([]) == {}
