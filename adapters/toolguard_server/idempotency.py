"""``Idempotency-Key``: a POST that is sent again is answered again, not done again.

A key belongs to who sent it, and to what was sent with it: that is kept in the store, so it holds for every replica and
over restarts. The answer itself is kept in the process that gave it, as it shows what stands in the store; another
process says that it was sent before and has to be looked up.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from toolguard.authority import Authority, Service
from toolguard_server.credentials import Credentials
from toolguard_server.problems import Problem

__all__ = ["KEPT_S", "Repeats"]

KEPT_S = 86_400.0
"""Seconds a key is remembered."""
_ANSWERS = 1000
_MOST = 256 * 1024
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(slots=True)
class _Answer:
    start: Message = field(default_factory=dict)
    body: bytes = b""


class Repeats:
    """For one event loop."""

    def __init__(self, authority: Authority, credentials: Credentials) -> None:
        self._authority = authority
        self._credentials = credentials
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    async def handle(
        self,
        key: str,
        sent: bytes,
        scope: Scope,
        receive: Receive,
        send: Send,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
    ) -> None:
        """Do it, or answer as before. ``sent`` is the body.

        Raises:
            Problem: ``idempotency`` (another request under this key), ``repeated`` (its answer is not here).
            IdentityError: whoever sent it is nobody.
        """
        if not _KEY.fullmatch(key):
            raise Problem("idempotency", "an Idempotency-Key has 1 to 128 visible characters")
        request = Request(scope)
        actor = await run_in_threadpool(self._credentials.actor, request)
        who = f"service:{actor.name}" if isinstance(actor, Service) else actor.identity.ref
        name = _digest(actor.tenant, who, key)
        what = _digest(
            scope["path"],
            scope.get("query_string", b"").decode("latin-1"),
            request.headers.get("if-match", ""),
            hashlib.sha256(sent).hexdigest(),
        )
        if not await run_in_threadpool(self._authority.once, f"idempotency/{name}/what", what, KEPT_S):
            raise Problem("idempotency", "this Idempotency-Key came with another request; choose a new one")
        attempt = secrets.token_hex(16)
        if not await run_in_threadpool(self._authority.once, f"idempotency/{name}/done", attempt, KEPT_S):
            answer = self._answers.get(name)
            if answer is None:
                raise Problem(
                    "repeated",
                    "this was sent before with the same Idempotency-Key and is done, or being done; read what became of it",
                )
            await send({**answer.start, "headers": [*answer.start["headers"], (b"idempotency-replayed", b"true")]})
            await send({"type": "http.response.body", "body": answer.body})
            return
        answer = _Answer()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.start = message
            elif message["type"] == "http.response.body" and len(answer.body) <= _MOST:
                answer.body += message.get("body", b"")
            await send(message)

        done = False
        try:
            await app(scope, receive, noting)
            done = bool(answer.start) and answer.start["status"] < 500 and answer.start["status"] != 429
        finally:
            if not done:  # nothing was done: it may be tried again
                await run_in_threadpool(self._authority.once, f"idempotency/{name}/done", attempt, 0.0)
        if done and len(answer.body) <= _MOST:
            self._answers[name] = answer
            if len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)


def _digest(*parts: str) -> str:
    return hashlib.sha256("".join(f"{len(p)}:{p}" for p in parts).encode()).hexdigest()
