"""Slack's Web API on loopback, as far as it is used: real HTTP for the real client, and a place to look at what it was told."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class SlackApi:
    """``messages`` by (channel, ts), in the order they were posted; ``views`` as they were opened; ``calls`` by method."""

    messages: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    views: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    fail: str = ""
    tokens: set[str] = field(default_factory=lambda: {"xoxb-test"})
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", "0")))
                body = api._body(self.headers.get("content-type", ""), raw)
                given = self.headers.get("authorization", "").removeprefix("Bearer ") in api.tokens
                answer = (
                    api._answer(self.path.rpartition("/")[2], body) if given else {"ok": False, "error": "not_authed"}
                )
                out = json.dumps(answer).encode()
                self.send_response(429 if answer.get("error") == "ratelimited" else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @staticmethod
    def _body(kind: str, raw: bytes) -> dict[str, Any]:
        if kind.startswith("application/json"):
            return json.loads(raw or b"{}")
        found = {k: v[0] for k, v in parse_qs(raw.decode()).items()}
        return {k: json.loads(v) if k in ("blocks", "metadata", "view") else v for k, v in found.items()}

    def _answer(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.calls.append(method)
            if self.fail:
                return {"ok": False, "error": self.fail}
            if method == "chat.postMessage":
                ts = f"{1_800_000_000 + len(self.messages)}.000100"
                self.messages[body["channel"], ts] = {**body, "ts": ts, "bot_id": "B1", "app_id": "A0WARD"}
                return {"ok": True, "ts": ts, "channel": body["channel"]}
            if method == "chat.update":
                known = self.messages.get((body["channel"], body["ts"]))
                if known is None:
                    return {"ok": False, "error": "message_not_found"}
                known.update({k: body[k] for k in ("text", "blocks") if k in body})
                return {"ok": True, "ts": body["ts"]}
            if method == "conversations.history":
                found = [m for (room, _), m in self.messages.items() if room == body["channel"]]
                return {"ok": True, "messages": found[::-1]}
            if method == "views.open":
                self.views.append(body["view"])
                return {"ok": True, "view": {"id": "V1"}}
            return {"ok": False, "error": "unknown_method"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def posted(self) -> list[dict[str, Any]]:
        with self.lock:
            return [m for m in self.messages.values() if not m.get("thread_ts")]


def texts(node: Any) -> list[dict[str, Any]]:
    """Every text object in blocks or a view."""
    found: list[dict[str, Any]] = []
    if isinstance(node, dict):
        if node.get("type") in ("plain_text", "mrkdwn"):
            found.append(node)
        for value in node.values():
            found += texts(value)
    elif isinstance(node, list):
        for value in node:
            found += texts(value)
    return found


def said(node: Any) -> str:
    """Everything a person reads in it."""
    return "\n".join(text["text"] for text in texts(node))
