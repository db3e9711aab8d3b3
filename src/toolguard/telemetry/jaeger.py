"""The spans of records as files: Jaeger's JSON, which its upload tab opens, and OTLP as JSON.

Jaeger's form (what its query API answers, too): ``{"data": [{"traceID", "spans", "processes", "warnings"}]}``; times and
durations in microseconds, a parent as reference ``CHILD_OF``, a link as ``FOLLOWS_FROM``, tags with a type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from toolguard._core.audit import AuditRecord
from toolguard.telemetry.spans import SCOPE, spans_of

__all__ = ["jaeger_json", "otlp_json"]

_PROCESS = "p1"
_WHOLE = 2**53
"""What JavaScript can hold; Jaeger sends larger ones as text."""


def jaeger_json(records: Iterable[AuditRecord], *, service: str = "toolguard") -> dict[str, Any]:
    """Every span of ``records``, by trace; the same records always give the same dict."""
    resource = Resource({"service.name": service})
    traces: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for span in spans_of(record, resource):
            shown = _span(span)
            traces.setdefault(shown["traceID"], []).append(shown)
    process = {_PROCESS: {"serviceName": service, "tags": []}}
    data = [
        {"traceID": trace, "spans": _nested(spans), "processes": process, "warnings": None}
        for trace, spans in traces.items()
    ]
    return {"data": data, "total": 0, "limit": 0, "offset": 0, "errors": None}


def otlp_json(records: Iterable[AuditRecord], *, service: str = "toolguard") -> dict[str, Any]:
    """Every span of ``records`` as an OTLP/JSON request: hex ids, 64-bit numbers as text."""
    resource = Resource({"service.name": service})
    spans = [_otlp_span(span) for record in records for span in spans_of(record, resource)]
    if not spans:
        return {}
    scope = {"name": SCOPE.name, "version": SCOPE.version}
    attributes = [_otlp_attribute(key, value) for key, value in resource.attributes.items()]
    return {
        "resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"scope": scope, "spans": spans}]}]
    }


def _otlp_span(span: ReadableSpan) -> dict[str, Any]:
    context = span.context
    if context is None:
        raise ValueError("a span without its place; spans_of gives one")
    said: dict[str, Any] = _otlp_ids(context)
    if span.parent is not None:
        said["parentSpanId"] = f"{span.parent.span_id:016x}"
    said |= {
        "name": span.name,
        "kind": _OTLP_KINDS[span.kind],
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": [_otlp_attribute(key, value) for key, value in (span.attributes or {}).items()],
        "status": {} if span.status.status_code is StatusCode.UNSET else {"code": span.status.status_code.value},
        "flags": _FLAGS,
    }
    if span.links:
        said["links"] = [{**_otlp_ids(link.context), "flags": _FLAGS} for link in span.links]
    return said


_FLAGS = 256
"""It is known that the parent is not remote; what the encoder of OpenTelemetry says."""
_OTLP_KINDS = {SpanKind.INTERNAL: 1, SpanKind.SERVER: 2, SpanKind.CLIENT: 3, SpanKind.PRODUCER: 4, SpanKind.CONSUMER: 5}


def _otlp_ids(context: SpanContext) -> dict[str, str]:
    return {"traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}"}


def _otlp_attribute(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": _otlp_value(value)}


def _otlp_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_otlp_value(item) for item in value]} if value else {}}


def _nested(spans: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spans whose parent is not in the file, said so where Jaeger looks for it."""
    here = {span["spanID"] for span in spans}
    for span in spans:
        parents = [r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"]
        if parents and parents[0] not in here:
            span["warnings"] = [f"the parent span {parents[0]} is the application's and not in this file"]
    return list(spans)


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.context
    if context is None or span.start_time is None or span.end_time is None:
        raise ValueError("a span without its place or times; spans_of gives both")
    own = _ids(context)
    references = [{"refType": "CHILD_OF", **_ids(span.parent)}] if span.parent is not None else []
    references += [{"refType": "FOLLOWS_FROM", **_ids(link.context)} for link in span.links]
    start = span.start_time // 1000
    return {
        **own,
        "operationName": span.name,
        "references": references,
        "flags": 1,
        "startTime": start,
        "duration": span.end_time // 1000 - start,
        "tags": [*_tags(span.attributes or {}), *_kind_tags(span)],
        "logs": [],
        "processID": _PROCESS,
        "warnings": None,
    }


def _ids(context: SpanContext) -> dict[str, str]:
    return {"traceID": f"{context.trace_id:032x}", "spanID": f"{context.span_id:016x}"}


def _kind_tags(span: ReadableSpan) -> list[dict[str, Any]]:
    said: dict[str, Any] = {"otel.scope.name": SCOPE.name, "otel.scope.version": SCOPE.version}
    said["span.kind"] = {SpanKind.PRODUCER: "producer", SpanKind.CONSUMER: "consumer"}.get(span.kind, "internal")
    if span.status.status_code is StatusCode.ERROR:
        said |= {"error": True, "otel.status_code": "ERROR"}
    return _tags(said)


def _tags(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_tag(key, value) for key, value in attributes.items()]


def _tag(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "type": "bool", "value": value}
    if isinstance(value, int):
        return {"key": key, "type": "int64", "value": value if -_WHOLE < value < _WHOLE else str(value)}
    if isinstance(value, float):
        return {"key": key, "type": "float64", "value": value}
    text = value if isinstance(value, str) else json.dumps(list(value), ensure_ascii=False, separators=(",", ":"))
    return {"key": key, "type": "string", "value": text}
