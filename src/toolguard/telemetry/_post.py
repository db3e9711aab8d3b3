"""One OTLP/HTTP request: what was sent, and what the receiver really took."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan

from toolguard.errors import ConfigError

__all__ = ["Answer", "Fate", "post", "traces_url"]

_BAD_DATA = frozenset({400, 413, 422})
_LONGEST_WAIT = 300.0


class Fate(Enum):
    """What became of a batch."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    """Something in it was not taken: send its parts apart."""
    FAILED = "failed"
    """Nothing can be said of it: send it again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``reason`` is a class or status, never text from outside; ``wait`` is what the receiver asked for, in seconds."""

    fate: Fate
    reason: str = ""
    wait: float = 0.0


def traces_url(endpoint: str) -> str:
    """The address spans are posted to: ``endpoint`` + ``/v1/traces``, or as given if it has a path.

    Raises:
        ConfigError: it is no http(s) address, holds credentials, or is clear text beyond this machine.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("the span endpoint is no http(s) address; write for example 'http://127.0.0.1:4318'")
    if parts.username or parts.password:
        raise ConfigError("the span endpoint holds credentials; pass them as headers")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigError(
            f"the span endpoint on {parts.hostname!r} is clear text beyond this machine; "
            "use https, or a collector on loopback"
        )
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def post(
    client: httpx.Client, url: str, headers: Mapping[str, str], spans: Sequence[ReadableSpan], *, timeout: float
) -> Answer:
    """Send spans. Delivered means: answered 2xx, by something that speaks OTLP, with none rejected."""
    body = encode_spans(spans).SerializeToString(deterministic=True)
    try:
        response = client.post(
            url, content=body, headers={**headers, "content-type": "application/x-protobuf"}, timeout=timeout
        )
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
        return Answer(fate=Fate.FAILED, reason=type(fault).__name__)
    status = response.status_code
    if status in _BAD_DATA:
        return Answer(fate=Fate.REJECTED, reason=f"status {status}")
    if not 200 <= status < 300:
        return Answer(fate=Fate.FAILED, reason=f"status {status}", wait=_retry_after(response))
    rejected = _rejected(response)
    if rejected is None:
        return Answer(fate=Fate.FAILED, reason="the answer is not OTLP")
    return Answer(fate=Fate.REJECTED if rejected else Fate.DELIVERED, reason="partial success" if rejected else "")


def _rejected(response: httpx.Response) -> int | None:
    """How many spans were rejected; None if the answer cannot be read."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not response.content:
        return 0
    try:
        if kind == "application/json":
            partial = json.loads(response.content).get("partialSuccess") or {}
            return int(partial.get("rejectedSpans", 0))
        if kind in ("application/x-protobuf", "application/octet-stream", ""):
            return int(ExportTraceServiceResponse.FromString(response.content).partial_success.rejected_spans)
    except (ValueError, AttributeError, TypeError, DecodeError):
        return None
    return None


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(_LONGEST_WAIT, max(0.0, float(response.headers.get("retry-after", "0"))))
    except ValueError:
        return 0.0
