"""What holds for every request before it reaches a route: host, size, type of body, and the headers on the way out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolguard_server.credentials import SEEN
from toolguard_server.idempotency import Repeats
from toolguard_server.limits import Visits
from toolguard_server.problems import Problem, note, of_error, response

__all__ = ["MAX_ASK", "MAX_BODY", "MAX_RAW", "Edge"]

MAX_BODY = 64 * 1024
"""Bytes. A verdict is small."""

MAX_ASK = 384 * 1024
"""Bytes of a guard's request: masked arguments, and sealed ones."""

MAX_RAW = 256 * 1024
"""Bytes of what a channel is sent: chat clients send the whole message back with a click."""
_BODY_SECONDS = 10.0
_UNCOUNTED = frozenset({"/healthz", "/readyz"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


class Edge:
    """ASGI middleware. ``hosts`` are the names this service answers to (a page of another name that was pointed
    at this address gets nothing); ``https`` adds HSTS. ``raw`` are paths whose bodies are of any type, up to
    `MAX_RAW` bytes. ``visits`` counts who comes how often, ``repeats`` answers what is sent twice."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        https: bool,
        visits: Visits,
        repeats: Repeats,
        raw: Collection[str] = (),
    ) -> None:
        self._app = app
        self._visits = visits
        self._repeats = repeats
        self._raw = frozenset(raw)
        self._hosts = frozenset(h.lower() for h in hosts)
        self._out = {**_HEADERS, **({"Strict-Transport-Security": "max-age=31536000"} if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        visit = _Visit(scope, self._visits)

        async def out(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                visit.answered(message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in self._out.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            wait = visit.wait()
            if wait > 0:
                text = "too many requests; come again when Retry-After says"
                await response("too_many", text, {"Retry-After": str(math.ceil(wait))})(scope, receive, out)
                return
            body = await self._admit(scope, receive)
            rest = receive if body is None else _replayed(body, receive)
            key = Headers(scope=scope).get("idempotency-key")
            if key is None or body is None or not _repeatable(scope["path"]):
                await self._app(scope, rest, out)
            else:
                await self._repeats.handle(key, body, scope, rest, out, self._app)
        except Exception as error:  # noqa: BLE001 - whatever it was, its text stays out of logs and responses
            code, detail = of_error(error)
            if code == "internal":
                note(error)
            if not started:
                await response(code, detail)(scope, receive, out)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes | None:
        headers = Headers(scope=scope)
        raw = scope["path"] in self._raw
        if _hostname(headers.get("host", "")) not in self._hosts:
            raise Problem("wrong_host", "this service does not answer to that host name; use the address it printed")
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return None
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _read(headers, receive, MAX_RAW if raw else _most(scope["path"]))
        except TimeoutError:
            raise Problem("timeout", "the request did not arrive in time; send it again") from None
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        wanted = "application/json" if scope["path"].startswith("/v1/") else "application/x-www-form-urlencoded"
        if body and kind != wanted and not raw:
            raise Problem("unsupported_media_type", f"send the body as {wanted}")
        return body


class _Visit:
    """One request, as far as counting goes: by whom it is, and whether their credential held."""

    def __init__(self, scope: Scope, visits: Visits) -> None:
        headers = Headers(scope=scope)
        self._path: str = scope["path"]
        self._visits = visits
        self._address = str((scope.get("client") or ("",))[0])
        credential = headers.get("authorization") if self._path.startswith("/v1/") else headers.get("cookie")
        self._key = visits.key(credential or "")
        self._seen: dict[str, object] = scope.setdefault(SEEN, {})

    def wait(self) -> float:
        if self._path in _UNCOUNTED:
            return 0.0
        sign_in = self._path.startswith("/signin") and self._path != "/signin"
        return self._visits.wait(self._address, self._key, sign_in=sign_in)

    def answered(self, status: int) -> None:
        if self._key and ("actor" in self._seen or (self._path.startswith("/inbox") and status == 200)):
            self._visits.held(self._key)
        elif status == 401:
            self._visits.refused(self._address, self._key)


def _repeatable(path: str) -> bool:
    """Whether an answer may be given twice. What is given once is not, nor what has to be recorded each time."""
    return path.startswith("/v1/") and not path.endswith(("/claim", "/confirm", "/reveal", "/uses"))


def _most(path: str) -> int:
    return MAX_ASK if path == "/v1/approvals" else MAX_BODY


async def _read(headers: Headers, receive: Receive, most: int) -> bytes:
    length = headers.get("content-length", "0")
    parts, size = [], int(length) if length.isascii() and length.isdigit() else 0
    more = size <= most
    total = 0
    while more:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        total += len(part)
        more = bool(message.get("more_body", False)) and total <= most
    if max(size, total) > most:
        raise Problem("too_large", f"a body may have {most} bytes; send less")
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


def _hostname(host: str) -> str:
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]
