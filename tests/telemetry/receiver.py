"""An OTLP/HTTP receiver on loopback that really decodes what it gets, and can fail in every way one can."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from toolguard.telemetry import Target

Reply: TypeAlias = Callable[["Handler", ExportTraceServiceRequest], None]


class Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one packet an answer, or each waits for the last one's acknowledgement

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        with self.server.lock:
            reply = self.server.replies.pop(0) if self.server.replies else self.server.always
        reply(self, ExportTraceServiceRequest.FromString(body))

    def answer(self, status: int, body: bytes = b"", kind: str = "application/x-protobuf", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Receiver(ThreadingHTTPServer):
    """``replies`` are used up one a request, then ``always``. ``taken`` holds spans that were answered for."""

    daemon_threads = True

    def __init__(self, always: Reply | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.lock = threading.Lock()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.taken: list[Span] = []
        self.replies: list[Reply] = []
        self.clients: list[Target] = []
        """Closed with it."""
        self.always: Reply = always or take
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def handle_error(self, *_: object) -> None:
        """A connection that a test broke on purpose."""

    @property
    def ids(self) -> Counter[str]:
        return Counter(span.span_id.hex() for span in self.taken)

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def wait_for(self, count: int, timeout: float = 60.0) -> None:
        """Until so many distinct spans were taken."""
        until = time.monotonic() + timeout
        while len(self.ids) < count and time.monotonic() < until:
            time.sleep(0.01)
        assert len(self.ids) >= count, f"{len(self.ids)} of {count} spans after {timeout} s"


def spans_in(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for r in request.resource_spans for s in r.scope_spans for span in s.spans]


def take(handler: Handler, request: ExportTraceServiceRequest) -> None:
    handler.server.taken += spans_in(request)
    handler.answer(200, ExportTraceServiceResponse().SerializeToString())


def refuse(status: int, **headers: str) -> Reply:
    return lambda handler, _: handler.answer(status, b"no", "text/plain", **headers)


def reject(poison: Callable[[Span], bool], *, as_json: bool = False) -> Reply:
    """Answer 200, but take only the spans that are not poison."""

    def reply(handler: Handler, request: ExportTraceServiceRequest) -> None:
        spans = spans_in(request)
        bad = sum(map(poison, spans))
        handler.server.taken += [span for span in spans if not poison(span)]
        if as_json:
            handler.answer(200, b'{"partialSuccess": {"rejectedSpans": "%d"}}' % bad, "application/json")
            return
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = bad
        handler.answer(200, response.SerializeToString())

    return reply


def reset(handler: Handler, _: ExportTraceServiceRequest) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def slow(seconds: float, then: Reply = take) -> Reply:
    def reply(handler: Handler, request: ExportTraceServiceRequest) -> None:
        time.sleep(seconds)
        then(handler, request)

    return reply


def drip(seconds: float) -> Reply:
    """Answer 200 and a long body, one byte at a time, so that no single read takes long."""

    def reply(handler: Handler, _: ExportTraceServiceRequest) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/x-protobuf")
        handler.send_header("content-length", "100000")
        handler.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                handler.wfile.write(b"\0")
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(0.02)
        handler.close_connection = True

    return reply


def half_open(seconds: float) -> Reply:
    """Take the request and say nothing."""

    def reply(handler: Handler, _: ExportTraceServiceRequest) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return reply
