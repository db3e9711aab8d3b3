"""The journal held against what a Jaeger query API shows: every span there, unchanged, and none that nobody recorded."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from toolguard._core.audit import AuditRecord, Kind, whole
from toolguard.errors import ConfigError, ToolguardError
from toolguard.telemetry import names
from toolguard.telemetry.jaeger import jaeger_json
from toolguard.telemetry.spans import SCOPE
from toolguard.telemetry.target import is_loopback

__all__ = ["JaegerQuery", "SpanFinding", "SpanReport", "reconcile_spans"]

_PAGE = 200
_NARROWEST = 1_000_000
_LONGEST = 256 * 1024 * 1024
"""Bytes of an answer."""
_MARGIN = 0.001
"""Seconds: at the edge of a time span it cannot be said on which side a rounded time stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFinding:
    """One span that is not as it should be. ``log_id`` and ``seq`` name its record, ``""`` and 0 for a stranger.

    Codes: ``missing``; ``differs`` (same ids, other content); ``stranger`` (it says it is one of ours, and no record
    stands behind it).
    """

    code: str
    trace: str
    span: str
    log_id: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanReport:
    """What `reconcile_spans` found. ``repeated``: spans that stand there more than once, each time the same; ``parked``:
    those the receiver would not take, as the journal says itself; ``young``: records not yet expected there.
    """

    records: int
    spans: int
    findings: tuple[SpanFinding, ...] = ()
    repeated: int = 0
    parked: int = 0
    young: int = 0

    @property
    def exit_code(self) -> int:
        """0 all there, 1 something was changed or added, 2 something is missing (no span at all is no evidence)."""
        codes = {finding.code for finding in self.findings}
        return 1 if codes & {"differs", "stranger"} else 2 if "missing" in codes or not self.spans else 0


class JaegerQuery:
    """Jaeger's HTTP query API (``/api/traces``), read only.

    Raises (in its methods):
        ToolguardError: it cannot be reached, or what answers is not Jaeger.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, client: httpx.Client | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ConfigError("the Jaeger address is no plain http(s) one; write for example 'http://127.0.0.1:16686'")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ConfigError(f"Jaeger on {parts.hostname!r} is clear text beyond this machine; use https")
        self._url = url.rstrip("/")
        self._headers = dict(headers or {})
        self._client = client or httpx.Client(trust_env=False, follow_redirects=False, timeout=30.0)

    def close(self) -> None:
        self._client.close()

    def trace(self, trace_id: str) -> list[Mapping[str, Any]]:
        """The spans of one trace; none where Jaeger does not know it."""
        return [span for trace in self._get(f"/api/traces/{trace_id}", {}) for span in _spans(trace)]

    def search(self, service: str, start: int, end: int) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
        """(trace id, spans) of every trace of ``service`` between two moments (microseconds)."""
        found = self._get("/api/traces", {"service": service, "start": start, "end": end, "limit": _PAGE})
        if len(found) < _PAGE or end - start <= _NARROWEST:
            for trace in found:
                yield str(trace.get("traceID", "")), _spans(trace)
            return
        middle = (start + end) // 2
        seen: set[str] = set()
        for low, high in ((start, middle), (middle, end)):
            for trace_id, spans in self.search(service, low, high):
                if trace_id not in seen:
                    seen.add(trace_id)
                    yield trace_id, spans

    def _get(self, path: str, query: Mapping[str, str | int]) -> list[Mapping[str, Any]]:
        try:
            url, headers = f"{self._url}{path}", {**self._headers, "accept-encoding": "identity"}
            with self._client.stream("GET", url, params=dict(query), headers=headers) as answer:
                content = _body_of(answer)
        except (httpx.HTTPError, OSError) as fault:
            raise ToolguardError(
                f"Jaeger cannot be reached ({type(fault).__name__}); give its query address, such as http://127.0.0.1:16686"
            ) from None
        if answer.status_code == 404:
            return []
        try:
            data = json.loads(content)["data"] if answer.status_code == 200 else None
        except (ValueError, KeyError, TypeError, RecursionError):
            data = None
        if not isinstance(data, list) or not all(isinstance(trace, dict) for trace in data):
            raise ToolguardError(
                f"what answers (status {answer.status_code}) is not Jaeger's query API; check the address"
            )
        return data


def _body_of(answer: httpx.Response) -> bytes:
    """The answer's body; empty where it is larger than any, or packed though nobody asked for that."""
    read = bytearray()
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return b""
    for chunk in answer.iter_raw():
        read += chunk
        if len(read) > _LONGEST:
            return b""
    return bytes(read)


def _spans(trace: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spans = trace.get("spans")
    return [span for span in spans if isinstance(span, dict)] if isinstance(spans, list) else []


@dataclass(slots=True)
class _Expected:
    span: Mapping[str, Any]
    record: AuditRecord
    seen: int = 0
    differs: bool = False


@dataclass(slots=True)
class _Journal:
    spans: dict[tuple[str, str], _Expected] = field(default_factory=dict)
    young: set[tuple[str, str]] = field(default_factory=set)
    parked: set[tuple[str, int]] = field(default_factory=set)
    records: int = 0


def reconcile_spans(
    records: Iterable[AuditRecord],
    jaeger: JaegerQuery,
    *,
    now: float,
    service: str = "toolguard",
    grace: float = 60.0,
    since: float = 0.0,
    until: float = float("inf"),
) -> SpanReport:
    """Hold ``records`` (those of ``since`` ≤ time < ``until``, UTC seconds) against Jaeger.

    A span may be late by ``grace`` seconds. Strangers are looked for in the traces of the records, and in every trace of
    ``service`` in that time. Holds one entry for each span of that time.
    """
    journal = _read(records, now=now, grace=grace, since=since, until=until)
    strangers: list[SpanFinding] = []
    traces = dict.fromkeys(trace for trace, _ in journal.spans)
    for trace in traces:
        strangers += _look(journal, jaeger.trace(trace), since, until)
    if journal.spans:
        times = [e.span["startTime"] + e.span["duration"] for e in journal.spans.values()]
        first = min(e.span["startTime"] for e in journal.spans.values())
        for trace, spans in jaeger.search(service, first - 1_000_000, max(times) + 1_000_000):
            if trace.zfill(32) not in traces:
                strangers += _look(journal, spans, since, until)
    findings = []
    for (trace, span), expected in journal.spans.items():
        where = (expected.record.log_id, expected.record.seq)
        code = "differs" if expected.differs else "missing"
        excused = (trace, span) in journal.young or where in journal.parked
        if expected.differs or (not expected.seen and not excused):
            findings.append(SpanFinding(code=code, trace=trace, span=span, log_id=where[0], seq=where[1]))
    return SpanReport(
        records=journal.records,
        spans=len(journal.spans),
        findings=(*findings, *strangers),
        repeated=sum(e.seen > 1 for e in journal.spans.values()),
        parked=sum(not e.seen and (e.record.log_id, e.record.seq) in journal.parked for e in journal.spans.values()),
        young=sum(not journal.spans[key].seen for key in journal.young),
    )


def _read(records: Iterable[AuditRecord], *, now: float, grace: float, since: float, until: float) -> _Journal:
    journal = _Journal()
    for record in records:
        draft = record.draft
        if draft.kind is Kind.SPAN_PARKED:
            log_id, seq = draft.body.get(names.PARKED_LOG_ID), whole(draft.body.get(names.PARKED_SEQ))
            if isinstance(log_id, str) and seq is not None:
                journal.parked.add((log_id, seq))
        if not since <= draft.at < until:
            continue
        journal.records += 1
        for trace in jaeger_json([record])["data"]:
            for span in trace["spans"]:
                key = (span["traceID"], span["spanID"])
                journal.spans[key] = _Expected(span=span, record=record)
                if draft.at > now - grace:
                    journal.young.add(key)
    return journal


def _look(journal: _Journal, spans: Iterable[Mapping[str, Any]], since: float, until: float) -> Iterator[SpanFinding]:
    """Tick off what is expected; yield what nobody recorded and yet says that it is ours."""
    for span in spans:
        key = (str(span.get("traceID", "")).zfill(32), str(span.get("spanID", "")).zfill(16))
        expected = journal.spans.get(key)
        if expected is not None:
            expected.seen += 1
            expected.differs = expected.differs or not _says(_same, expected.span, span, otherwise=False)
        elif _says(_is_ours, span, otherwise=True) and since + _MARGIN <= _end(span) < until - _MARGIN:
            yield SpanFinding(code="stranger", trace=key[0], span=key[1])


def _says(ask: Callable[..., bool], *spans: Mapping[str, Any], otherwise: bool) -> bool:
    """An answer about spans, whatever somebody made of them."""
    try:
        return ask(*spans)
    except _WRONG:
        return otherwise


_WRONG = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)


def _end(span: Mapping[str, Any]) -> float:
    try:
        return (float(span.get("startTime", 0)) + float(span.get("duration", 0))) / 1e6
    except _WRONG:
        return 0.0


def _is_ours(span: Mapping[str, Any]) -> bool:
    tags = _tags(span)
    return (
        names.HASH in tags or tags.get("otel.scope.name") == SCOPE.name or tags.get("otel.library.name") == SCOPE.name
    )


def _same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Name, times, parent and links, and every attribute of ours. Collectors may add attributes of their own, by other names."""
    for name in ("operationName", "startTime", "duration"):
        if ours[name] != theirs.get(name):
            return False
    wanted, shown = _tags(ours), _tags(theirs)
    if any(shown.get(k) != v for k, v in wanted.items() if k.startswith(("toolguard.", "gen_ai.", "error"))):
        return False
    told = [str(tag.get("key")) for tag in theirs.get("tags") or ()]
    if any(key not in wanted or told.count(key) > 1 for key in told if key.startswith("toolguard.")):
        return False
    return _references(ours) <= _references(theirs)


def _references(span: Mapping[str, Any]) -> set[tuple[str, str]]:
    given = span.get("references") or ()
    return {(str(r.get("traceID", "")).zfill(32), str(r.get("spanID", "")).zfill(16)) for r in given}


def _tags(span: Mapping[str, Any]) -> dict[str, Any]:
    """Values in one form: Jaeger gives large numbers as text, and lists as JSON."""
    found: dict[str, Any] = {}
    for tag in span.get("tags") or ():
        value, kind = tag.get("value"), tag.get("type")
        if kind in ("int64", "float64"):
            value = float(value)
        elif kind == "string" and isinstance(value, str) and value.startswith("["):
            with contextlib.suppress(ValueError):
                value = json.loads(value)
        elif kind == "bool":
            value = str(value).lower()
        found[str(tag.get("key"))] = value
    return found
