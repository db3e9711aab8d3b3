"""The spans of records as files: Jaeger's JSON, which its upload tab opens, and OTLP as JSON.

Jaeger's form (what its query API answers, too): ``{"data": [{"traceID", "spans", "processes", "warnings"}]}``; times and
durations in microseconds, a parent as reference ``CHILD_OF``, a link as ``FOLLOWS_FROM``, tags with a type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
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
    spans = [span for record in records for span in spans_of(record, resource)]
    told: dict[str, Any] = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for made in (s for r in told.get("resourceSpans", ()) for s in r.get("scopeSpans", ())):
        for span in made.get("spans", ()):
            for holder in (span, *span.get("links", ())):
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in holder:
                        holder[name] = _hex_of_base64(holder[name])
    return told


def _hex_of_base64(text: str) -> str:
    from base64 import b64decode

    return b64decode(text).hex()


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
