"""A loopback server that speaks chat completions and Responses, streaming too: the model's place in tests and demos.

    def script(request: ModelRequest) -> Reply:
        if request.outputs:
            return say("Done.")
        return use(Use("look_up", {"mrn": "<MRN_1>"}))

    with OpenAIServer(script) as server:
        client = OpenAI(base_url=server.base_url, api_key="test")
        ...
        assert "Ada" not in server.seen

It answers only on 127.0.0.1, keeps what it was sent in memory, and never looks inside: the script is the model.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from toolguard.testing.openai_wire import Reply, Use, events_of, fail, reply_body, say, use

__all__ = ["ModelRequest", "OpenAIServer", "Reply", "Script", "Use", "fail", "in_turn", "say", "use"]

_APIS = (
    (re.compile(r"/v1/chat/completions|/openai/(?:deployments/[\w.-]+|v1)/chat/completions"), "chat"),
    (re.compile(r"/v1/responses|/openai/(?:v1/)?responses"), "responses"),
)
"""Paths of both APIs, as the provider's own client asks for them and as Azure's does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One request as it arrived. ``api`` is ``chat``, ``responses`` or ``""`` for any other path."""

    number: int
    method: str
    path: str
    api: str
    raw: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def items(self) -> list[Any]:
        """The messages or input items."""
        found = self.body.get("messages" if self.api == "chat" else "input", [])
        return [{"role": "user", "content": found}] if isinstance(found, str) else list(found)

    @property
    def outputs(self) -> list[str]:
        """What tools gave back since the model last spoke, in order."""
        outputs: list[str] = []
        for item in reversed(self.items):
            if item.get("role") == "tool":
                outputs.append(str(item["content"]))
            elif str(item.get("type", "")).endswith("_output"):
                outputs.append(str(item["output"]))
            else:
                break
        return outputs[::-1]

    @property
    def user_text(self) -> str:
        """The last thing a user said."""
        for item in reversed(self.items):
            if item.get("role") == "user":
                content = item["content"]
                return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)
        return ""


Script = Callable[[ModelRequest], Reply]


def in_turn(*replies: Reply) -> Script:
    """A script that gives these replies one after the other, then fails aloud."""
    waiting = iter(replies)
    lock = threading.Lock()

    def script(request: ModelRequest) -> Reply:
        with lock:
            return next(waiting, fail(500, "the script has no further reply"))

    return script


class OpenAIServer:
    """Start it with ``with`` or `start`; ``base_url`` is what a client needs.

    Args:
        script: from a request to a reply; called in the server's threads, one call at a time.
        chunk: characters per streamed delta, small so that whatever can be cut in two is.
        max_requests: after so many every request is answered 429.
        max_bytes: a larger request body is answered 413 and not read.
        other: from a request to any other path to what is answered, as JSON; None is answered 404.
    """

    def __init__(
        self,
        script: Script,
        *,
        chunk: int = 3,
        max_requests: int = 1000,
        max_bytes: int = 8_000_000,
        other: Callable[[ModelRequest], Mapping[str, Any] | None] | None = None,
    ) -> None:
        self.requests: list[ModelRequest] = []
        self._script = script
        self._chunk = chunk
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._other = other
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def seen(self) -> str:
        """Every request body so far, as text: what must not be in here, the model must not have seen."""
        with self._lock:
            return "\n".join(f"{r.path} {r.raw}" for r in self.requests)

    def start(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port. Safe to call twice."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, method: str, path: str, raw: bytes) -> tuple[ModelRequest | None, Reply]:
        text = raw.decode("utf-8", "replace")
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            body = None
        with self._lock:
            if len(self.requests) >= self._max_requests:
                return None, fail(429, "this test server has answered enough")
            request = ModelRequest(
                number=next(self._numbers),
                method=method,
                path=path,
                api=next((api for shape, api in _APIS if shape.fullmatch(path)), "") if method == "POST" else "",
                raw=text,
                body=body if isinstance(body, dict) else {},
            )
            self.requests.append(request)
            answer = self._other(request) if self._other is not None and not request.api else None
            if answer is not None:
                return request, Reply(body=answer)
            if not request.api:
                return request, fail(404, "this test server speaks chat completions and Responses only")
            if not isinstance(body, dict):
                return request, fail(400, "the body is not a JSON object")
            try:
                return request, self._script(request)
            except Exception as fault:  # noqa: BLE001 - a broken script must reach the test, not a server log
                return request, fail(500, f"the script failed with {type(fault).__name__}: {fault}")


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if size > server._max_bytes:
                self.close_connection = True
                self._json(413, {"error": {"message": "too large", "type": "test", "code": None}})
                return
            request, reply = server._answer(self.command, self.path.split("?")[0], self.rfile.read(size))
            if request is None or reply.status != 200:
                self._json(
                    reply.status, {"error": {"message": reply.text, "type": "test", "code": None, "param": None}}
                )
            elif reply.body is not None:
                self._json(200, reply.body)
            elif request.body.get("stream"):
                self._stream(events_of(request.api, request.body, reply, request.number, server._chunk))
            else:
                self._json(200, reply_body(request.api, request.body, reply, request.number))

        do_GET = do_POST  # noqa: N815 - the name the standard library calls
        do_DELETE = do_POST  # noqa: N815 - the name the standard library calls

        def _json(self, status: int, body: Mapping[str, Any]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def _stream(self, events: Iterator[str] | Sequence[str]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for event in events:
                    data = event.encode()
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
                self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:  # the client has heard enough
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: a request line is nobody's business."""

    return Handler
