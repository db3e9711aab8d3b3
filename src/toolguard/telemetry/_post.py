"""One OTLP/HTTP request: what was sent, and what the receiver really took."""

from __future__ import annotations

import email.utils
import gzip
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["Answer", "Fate", "encoded", "post"]

_OTLP = frozenset({"application/x-protobuf", "application/octet-stream", "application/json", ""})
_BAD_DATA = frozenset({400, 413, 422})
_LONGEST_WAIT = 300.0
_LONGEST_ANSWER = 256 * 1024


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


def encoded(spans: Sequence[ReadableSpan]) -> bytes:
    """OTLP protobuf; the same spans always give the same bytes."""
    return encode_spans(spans).SerializeToString(deterministic=True)


def post(
    client: httpx.Client, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float, compress: bool = False
) -> Answer:
    """Send an encoded batch. Delivered means: answered 2xx, by something that speaks OTLP, with none rejected.

    ``timeout`` (seconds) bounds the whole exchange once the answer begins, however slowly it drips.
    """
    # an answer is a few bytes: one that is packed could unpack to anything
    sent = {**headers, "content-type": "application/x-protobuf", "accept-encoding": "identity"}
    if compress:
        body = gzip.compress(body, compresslevel=6, mtime=0)
        sent["content-encoding"] = "gzip"
    until = time.monotonic() + timeout
    try:
        with client.stream("POST", url, content=body, headers=sent, timeout=timeout) as response:
            answer = _read(response, until)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as fault:
        return Answer(fate=Fate.FAILED, reason=type(fault).__name__)
    if answer is None:
        return Answer(fate=Fate.FAILED, reason="the answer has no end, or is packed")
    return _judged(response, answer)


def _read(response: httpx.Response, until: float) -> bytes | None:
    """The answer's body; None where it is too long, takes too long, or is packed though nobody asked for that."""
    read = bytearray()
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return None
    for chunk in response.iter_raw():
        read += chunk
        if len(read) > _LONGEST_ANSWER or time.monotonic() > until:
            return None
    return bytes(read)


def _judged(response: httpx.Response, content: bytes) -> Answer:
    status = response.status_code
    if status in _BAD_DATA:
        return Answer(fate=Fate.REJECTED, reason=f"status {status}")
    if not 200 <= status < 300:
        return Answer(fate=Fate.FAILED, reason=f"status {status}", wait=_retry_after(response))
    rejected = _rejected(response, content)
    if rejected is None:
        return Answer(fate=Fate.FAILED, reason="the answer is not OTLP")
    return Answer(fate=Fate.REJECTED if rejected else Fate.DELIVERED, reason="partial success" if rejected else "")


def _rejected(response: httpx.Response, content: bytes) -> int | None:
    """How many spans were rejected; None if the answer cannot be read."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content:
        return 0 if kind in _OTLP else None
    try:
        if kind == "application/json":
            partial = json.loads(content).get("partialSuccess") or {}
            return math.ceil(float(partial.get("rejectedSpans", 0)))
        if kind in _OTLP:
            return int(ExportTraceServiceResponse.FromString(content).partial_success.rejected_spans)
    except (ValueError, AttributeError, TypeError, DecodeError, OverflowError, RecursionError):
        return None
    return None


def _retry_after(response: httpx.Response) -> float:
    """Seconds, or until a date, as the receiver asked; never more than five minutes."""
    said = response.headers.get("retry-after", "")
    try:
        wait = float(said)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(_LONGEST_WAIT, max(0.0, wait)) if wait == wait else 0.0
