"""Where spans are delivered: the address, what proves who it is and who we are, and how a batch is sent there."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from opentelemetry.sdk.trace import ReadableSpan

from toolguard.errors import ConfigError
from toolguard.telemetry._post import Answer, encoded, post

__all__ = ["Target", "header_values", "tls_context", "traces_url"]

_inherited: list[httpx.Client | None] = []
"""A parent process's: never used and never closed here."""


class Target:
    """One OTLP/HTTP receiver. Nothing of its headers is ever shown.

    Args:
        endpoint: ``http://127.0.0.1:4318`` or ``https://…``; ``/v1/traces`` is added where there is no path.
        headers: sent with every request: values, or what gives them anew each time (`header_values`).
        tls: whom to believe and what to show them (`tls_context`); the system's authorities by default.
        compress: gzip.
        timeout: seconds one request may take.
        client: an httpx client of your own (a proxy); its settings for TLS hold then.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        tls: ssl.SSLContext | None = None,
        compress: bool = True,
        timeout: float = 10.0,
        client: httpx.Client | None = None,
    ) -> None:
        self.url = traces_url(endpoint)
        self.timeout = timeout
        self._headers = headers or {}
        self._tls = tls
        self._compress = compress
        self._given = client
        self._client: httpx.Client | None = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"Target({self.name!r})"

    @property
    def name(self) -> str:
        """Host and path, for logs and cursors."""
        parts = urlsplit(self.url)
        return f"{parts.netloc}{parts.path}"

    def send(self, spans: Sequence[ReadableSpan], *, timeout: float | None = None) -> Answer:
        """One batch. Raises ConfigError where a header's source cannot be read."""
        if self._pid != os.getpid():  # a connection is one process's; after a fork the parent goes on with its own
            _inherited.append(self._client)
            self._client, self._pid = None, os.getpid()
        if self._client is None:
            secure = self.url.startswith(
                "https:"
            )  # nothing is verified, and nothing loaded, for clear text on loopback
            verify = self._tls or (tls_context() if secure else False)
            self._client = self._given or httpx.Client(trust_env=False, follow_redirects=False, verify=verify)
        headers = self._headers() if callable(self._headers) else self._headers
        return post(
            self._client,
            self.url,
            headers,
            encoded(spans),
            timeout=self.timeout if timeout is None else timeout,
            compress=self._compress,
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def traces_url(endpoint: str) -> str:
    """The address spans are posted to: ``endpoint`` + ``/v1/traces``, or as given if it has a path.

    Raises:
        ConfigError: it is no http(s) address, holds credentials, or is clear text beyond this machine.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("the span endpoint is no http(s) address; write for example 'http://127.0.0.1:4318'")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("the span endpoint holds credentials or a query; pass them as headers")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigError(
            f"the span endpoint on {parts.hostname!r} is clear text beyond this machine; "
            "use https, or a collector on loopback"
        )
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context(*, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Verified TLS: authorities in ``ca`` (PEM; the system's by default), and a client certificate to show.

    Raises:
        ConfigError: a file cannot be read, or is no such thing.
    """
    if key is not None and certificate is None:
        raise ConfigError("a client key without its certificate; name the certificate as well")
    try:
        context = ssl.create_default_context(cafile=None if ca is None else os.fspath(ca))
        if certificate is not None:
            context.load_cert_chain(certificate, key, password="")  # an empty one, or it would ask on the terminal
    except (OSError, ssl.SSLError) as fault:
        raise ConfigError(
            f"the certificates for the span endpoint cannot be used ({type(fault).__name__}); "
            "give PEM files: authorities, certificate and its key without a passphrase"
        ) from None
    return context


def header_values(given: Mapping[str, str], *, at: Callable[[str], Path] = Path) -> Callable[[], Mapping[str, str]]:
    """Headers as ``env:NAME``, ``file:PATH`` or plain text, read anew for each request so that a token may change.

    What it returns raises ConfigError where a variable or file is missing or empty.
    """

    def read() -> Mapping[str, str]:
        return {name: _value(name, value, at) for name, value in given.items()}

    return read


def _value(name: str, value: str, at: Callable[[str], Path]) -> str:
    if value.startswith("env:"):
        text = os.environ.get(value[4:], "")
    elif value.startswith("file:"):
        try:
            text = at(value[5:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"the header {name!r} cannot be read from its file ({type(fault).__name__})") from None
    else:
        return value
    if not text.strip():
        raise ConfigError(f"the header {name!r} is empty where it should come from; set the variable or file it names")
    return text.strip()
