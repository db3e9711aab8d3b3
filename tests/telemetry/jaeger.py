"""Jaeger's query API on loopback, as far as it is asked here: it answers what OTLP spans it was given, in its own words.

Shapes as the real one answers: ids in hex, 64-bit numbers as numbers, arrays as JSON text, ``span.kind`` and
``otel.scope.name`` as tags, 404 with ``errors`` for a trace it does not know, a search bounded by ``limit``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


class Jaeger(ThreadingHTTPServer):
    """``spans`` is what it keeps, as it would answer them; tests change them as they like."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def keep(self, spans: Iterable[Span], service: str = "toolguard") -> None:
        self.spans += [_shown(span, service) for span in spans]

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        found = self.spans
        if path.startswith("/api/traces/"):
            found = [s for s in self.spans if s["traceID"] == path.rpartition("/")[2]]
            if not found:
                return 404, {"data": None, "total": 0, "errors": [{"code": 404, "msg": "trace not found"}]}
            return 200, _answer(found, limit=1)
        if path == "/api/traces":
            service, start, end = query["service"][0], int(query["start"][0]), int(query["end"][0])
            traces = {s["traceID"] for s in self.spans if s["_service"] == service and start <= s["startTime"] <= end}
            return 200, _answer([s for s in self.spans if s["traceID"] in traces], limit=int(query["limit"][0]))
        return 404, {}


def _answer(spans: list[dict[str, Any]], *, limit: int) -> dict[str, Any]:
    traces: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        traces.setdefault(span["traceID"], []).append({k: v for k, v in span.items() if k != "_service"})
    data = [
        {
            "traceID": trace,
            "spans": each,
            "processes": {"p1": {"serviceName": "toolguard", "tags": []}},
            "warnings": None,
        }
        for trace, each in list(traces.items())[:limit]
    ]
    return {"data": data, "total": 0, "limit": 0, "offset": 0, "errors": None}


def _shown(span: Span, service: str) -> dict[str, Any]:
    references = []
    if span.parent_span_id:
        references.append(_reference("CHILD_OF", span.trace_id, span.parent_span_id))
    references += [_reference("FOLLOWS_FROM", link.trace_id, link.span_id) for link in span.links]
    tags = [_tag(a.key, a.value) for a in span.attributes]
    tags.append({"key": "span.kind", "type": "string", "value": _KINDS[span.kind]})
    tags.append({"key": "otel.scope.name", "type": "string", "value": "toolguard"})
    if span.status.code == 2:
        tags += [
            {"key": "otel.status_code", "type": "string", "value": "ERROR"},
            {"key": "error", "type": "bool", "value": True},
        ]
    start = span.start_time_unix_nano // 1000
    return {
        "_service": service,
        "traceID": span.trace_id.hex(),
        "spanID": span.span_id.hex(),
        "flags": 1,
        "operationName": span.name,
        "references": references,
        "startTime": start,
        "duration": span.end_time_unix_nano // 1000 - start,
        "tags": tags,
        "logs": [],
        "processID": "p1",
        "warnings": None,
    }


def _reference(kind: str, trace: bytes, span: bytes) -> dict[str, str]:
    return {"refType": kind, "traceID": trace.hex(), "spanID": span.hex()}


def _tag(key: str, value: AnyValue) -> dict[str, Any]:
    kind = value.WhichOneof("value")
    if kind == "bool_value":
        return {"key": key, "type": "bool", "value": value.bool_value}
    if kind == "int_value":
        return {"key": key, "type": "int64", "value": value.int_value}
    if kind == "double_value":
        return {"key": key, "type": "float64", "value": value.double_value}
    if kind == "array_value":
        plain = [getattr(v, v.WhichOneof("value")) for v in value.array_value.values]
        return {"key": key, "type": "string", "value": json.dumps(plain, separators=(",", ":"))}
    return {"key": key, "type": "string", "value": value.string_value}


class _Handler(BaseHTTPRequestHandler):
    server: Jaeger

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(self.path)
        status, data = self.server.answer(parts.path, parse_qs(parts.query))
        body = json.dumps(data).encode() if self.server.body is None else self.server.body
        self.send_response(status if self.server.status == 200 else self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""
