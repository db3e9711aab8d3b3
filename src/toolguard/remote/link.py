"""One connection to the approval service: pinned host, bounded answers, no redirects, no proxies.

Requests run on an event loop of their own, in one thread, so that each has one bound for all of it, however slowly an
answer drips, and waiting for an answer costs no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from toolguard.confirm import check_transport
from toolguard.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    import httpx

__all__ = ["MOST", "Link", "Reply"]

T = TypeVar("T")
log = logging.getLogger("toolguard.remote")

_CODE = re.compile(r"[a-z_]{1,40}")
MOST = 2 * 1024 * 1024
"""Bytes of an answer, at most."""
_SPARE = 5.0
"""Seconds a thread waits for the loop beyond a request's own bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the service said. ``code`` is that of a refusal, ``""`` of anything else."""

    status: int
    code: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Link:
    """Thread-safe. Connects when first used; after a fork, anew."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: Path | None = None,
        seconds: float = 10.0,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        """``ca``: a PEM file with the authorities that count, instead of the machine's. ``seconds`` bounds each request.

        ``transport`` takes the network's place. Raises ConfigError for a URL that would send the token in clear.
        """
        check_transport(url)
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ConfigError("service.url is an address and nothing else: no user, password, query or fragment in it")
        self.url = url.rstrip("/")
        self._token = token
        self._seconds = seconds
        self._verify = _authorities(ca)
        self._transport = transport
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"Link({self.url!r})"

    @property
    def seconds(self) -> float:
        return self._seconds

    # --- asking

    def ask(self, method: str, path: str, **more: Any) -> Reply:
        """`aask` from any thread."""
        return self.run(lambda: self.aask(method, path, **more), self._seconds)

    async def aask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Reply:
        """One request. An answer that is no answer of the service is a fault, whatever its status.

        Raises:
            ServiceError: it cannot be reached or did not answer whole in time; it may have done what was asked.
        """
        import httpx

        client = self._client
        assert client is not None  # noqa: S101 - narrows the type; made before anything runs on the loop
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if content is not None else {})}
        try:
            async with (
                asyncio.timeout(self._seconds if seconds is None else seconds),
                client.stream(method, f"{self.url}{path}", content=content, params=query, headers=sent) as response,
            ):
                return _reply(response, await _read(response))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as fault:
            raise self._fault(type(fault).__name__) from None

    def _fault(self, why: str) -> ServiceError:
        return ServiceError(
            f"the approval service at {self.url!r} cannot be asked ({why}); start it, or check [service] url, ca and token"
        )

    # --- the loop

    def run(self, make: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Carry a coroutine out on the loop and wait for it."""
        future = self.start(make)
        try:
            return future.result(seconds + _SPARE)
        except (FutureTimeout, CancelledError):
            future.cancel()
            raise self._fault("no answer in time") from None

    def start(self, make: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Carry a coroutine out on the loop; what is returned can be cancelled."""
        with self._lock:
            if self._closed:
                raise ServiceError("this guard is closed; make a new one")
            if self._loop is None or self._pid != os.getpid():
                self._open()
            loop = self._loop
        assert loop is not None  # noqa: S101 - narrows the type; opened above
        return asyncio.run_coroutine_threadsafe(make(), loop)

    def _open(self) -> None:
        loop, ready = asyncio.new_event_loop(), threading.Event()

        def turn() -> None:
            asyncio.set_event_loop(loop)
            self._client = self._new_client()
            ready.set()
            loop.run_forever()
            loop.run_until_complete(_end(self._client))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

        self._loop, self._pid = loop, os.getpid()
        self._thread = threading.Thread(target=turn, name="toolguard-remote", daemon=True)
        self._thread.start()
        ready.wait()

    def _new_client(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(
            verify=self._verify,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=self._seconds),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=4),
            headers={"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"},
            transport=None if self._transport is None else self._transport(),
        )

    def close(self) -> None:
        """Let go of everything; whatever is under way is given up."""
        with self._lock:
            self._closed = True
            loop, thread, mine = self._loop, self._thread, self._pid == os.getpid()
        if loop is not None and thread is not None and mine:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(self._seconds)


async def _end(client: httpx.AsyncClient | None) -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if client is not None:
        with contextlib.suppress(Exception):
            await client.aclose()


def _authorities(ca: Path | None) -> ssl.SSLContext | bool:
    if ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as fault:
        raise ConfigError(
            f"the certificate authorities in {str(ca)!r} cannot be read ({type(fault).__name__}); [service] ca names a PEM file"
        ) from None


async def _read(response: httpx.Response) -> bytes:
    import httpx

    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise httpx.DecodingError("packed")
    read = bytearray()
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) > MOST:
            raise httpx.DecodingError("too long")
    return bytes(read)


def _reply(response: httpx.Response, content: bytes) -> Reply:
    """The answer, if it is one of the service: JSON of its own making, or nothing at all (204)."""
    import httpx

    status = response.status_code
    if status == 204 and not content:
        return Reply(status=status)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = "application/json" if status < 300 else "application/problem+json"
    if kind != wanted or 300 <= status < 400:
        raise httpx.DecodingError("not the service")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise httpx.DecodingError("not JSON") from None
    if not isinstance(data, dict):
        raise httpx.DecodingError("not an object")
    if status < 300:
        return Reply(status=status, data=data)
    code = data.get("code")
    if (
        not isinstance(code, str)
        or not _CODE.fullmatch(code)
        or data.get("type") != f"urn:toolguard:problem:{code}"
        or data.get("status") != status
    ):
        raise httpx.DecodingError("not a problem of the service")
    return Reply(status=status, code=code)
