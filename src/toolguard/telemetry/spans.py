"""Spans as the projection of audit records: the same record always gives the same spans, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from toolguard._core.audit import AuditRecord, Draft, Kind, Outcome
from toolguard._core.call import Json, canonical
from toolguard._core.moment import iso
from toolguard.telemetry import names

__all__ = ["DETACH_AFTER", "SCOPE", "spans_of"]

SCOPE = InstrumentationScope("toolguard", "1")
"""The version is that of this projection, not of the package: an upgrade must not change spans sent again."""
DETACH_AFTER = 24 * 3600.0
"""Seconds after which what follows on an approval stands in a trace of its own, linked to the first."""

_NAMES: Mapping[Kind, str] = {
    Kind.POLICY_LOADED: "toolguard.policy.load",
    Kind.POLICY_REFUSED: "toolguard.policy.refuse",
    Kind.CALL_DECIDED: "toolguard.evaluate {tool}",
    Kind.CALL_NOT_RUN: "toolguard.not_run {tool}",
    Kind.CALL_RETURNED: "execute_tool {tool}",
    Kind.CALL_FAILED: "execute_tool {tool}",
    Kind.CALL_INDETERMINATE: "execute_tool {tool}",
    Kind.APPROVAL_REQUESTED: "toolguard.approval.request",
    Kind.APPROVAL_VERDICT: "toolguard.approval.decision",
    Kind.APPROVAL_REFUSED: "toolguard.approval.decision",
    Kind.APPROVAL_RESOLVED: "toolguard.approval.wait",
    Kind.APPROVAL_REVEALED: "toolguard.approval.reveal",
    Kind.ACT_RECORDED: "toolguard.act",
    Kind.VALUES_REVEALED: "toolguard.values.reveal",
    Kind.CREDENTIAL_RELEASED: "toolguard.credential.release",
    Kind.CREDENTIAL_REVOKED: "toolguard.credential.revoke",
    Kind.CREDENTIAL_REFUSED: "toolguard.credential.refuse",
    Kind.AUDIT_CHECKPOINT: "toolguard.audit.checkpoint",
    Kind.AUDIT_REVIEW: "toolguard.audit.review",
    Kind.AUDIT_ARCHIVED: "toolguard.audit.archive",
    Kind.AUDIT_PRUNED: "toolguard.audit.prune",
    Kind.CONTENT_OPENED: "toolguard.audit.open",
    Kind.CONTENT_REDACTED: "toolguard.audit.redact",
    Kind.SPAN_PARKED: "toolguard.span.parked",
}
"""A record of another kind has no span: a log's opening, and ``executing``, which its end shows."""
_KINDS = {
    Kind.APPROVAL_REQUESTED: SpanKind.PRODUCER,
    Kind.APPROVAL_VERDICT: SpanKind.CONSUMER,
    Kind.APPROVAL_REFUSED: SpanKind.CONSUMER,
}
_CREDENTIALS = frozenset({Kind.CREDENTIAL_RELEASED, Kind.CREDENTIAL_REVOKED, Kind.CREDENTIAL_REFUSED})
_LATE = _CREDENTIALS | frozenset(
    {
        Kind.ACT_RECORDED,
        Kind.CALL_NOT_RUN,
        Kind.APPROVAL_VERDICT,
        Kind.APPROVAL_REFUSED,
        Kind.APPROVAL_RESOLVED,
        Kind.APPROVAL_REVEALED,
        Kind.CALL_RETURNED,
        Kind.CALL_FAILED,
        Kind.CALL_INDETERMINATE,
    }
)
_FAULTS = frozenset({Kind.CALL_FAILED, Kind.CALL_INDETERMINATE})
_WITHOUT_VERDICT = frozenset(
    {Outcome.EXPIRED, Outcome.WITHDRAWN, Outcome.REVOKED, Outcome.INVALIDATED, Outcome.SUPERSEDED}
)
_GUARDRAILS = {
    "policy": ("toolguard.policy.", "toolguard.decision.", "toolguard.risk."),
    "phi": ("toolguard.phi.",),
}
_ALWAYS = (names.TOOL_NAME, names.CALL_ID)
_ACTIONS = {"deny": "block", "require_approval": "escalate", "mask": "modify"}


def spans_of(record: AuditRecord, resource: Resource, *, drafts: bool = False) -> tuple[ReadableSpan, ...]:
    """The spans a record is shown as, its own first; none for a record without a span.

    With ``drafts`` guardrail spans carry the ``gen_ai.guardrail.*`` attributes that are under discussion, too.
    """
    draft = record.draft
    name = _NAMES.get(draft.kind)
    if name is None:
        return ()
    context, parent, links = _place(record)
    attributes = {key: value for key, item in draft.body.items() if (value := _attribute(key, item)) is not None}
    attributes |= draft.aside
    audit: dict[str, AttributeValue] = {names.LOG_ID: record.log_id, names.SEQ: record.seq, names.HASH: record.hash}
    own = _span(
        name.format(tool=draft.body.get(names.TOOL_NAME, "")).strip(),
        draft,
        resource,
        context=context,
        parent=parent,
        links=links,
        attributes={**attributes, **audit},
        kind=_KINDS.get(draft.kind, SpanKind.INTERNAL),
        status=_status(draft),
    )
    return (own, *_children(record, resource, context, attributes, audit, drafts))


def _place(record: AuditRecord) -> tuple[SpanContext, SpanContext | None, tuple[Link, ...]]:
    """Where the span stands: its context, its parent and its links."""
    draft = record.draft
    trace = _hex(draft.trace_id) or _derived(record.hash, "trace", 16)
    span = _hex(draft.span_id) or _derived(record.hash, "span", 8)
    parent = _hex(draft.parent_id)
    link = _hex(draft.link_id)
    linked = [_context(trace, link)] if link else []
    if _is_late(draft):
        origin = 0 if draft.kind in _CREDENTIALS else link or parent
        linked = [_context(trace, origin)] if origin else []
        parent = parent if draft.kind in _CREDENTIALS else 0  # they stand under the execution, which is late, too
        trace = _derived(str(draft.body.get(names.APPROVAL_ID, record.hash)), "trace", 16)
    resumed = [_hex(str(draft.body.get(n, ""))) for n in (names.RESUMED_TRACE_ID, names.RESUMED_SPAN_ID)]
    if all(resumed):
        linked.append(_context(*resumed))  # the span that made the call again, maybe in another process
    return _context(trace, span), _context(trace, parent) if parent else None, tuple(Link(c) for c in linked)


def _is_late(draft: Draft) -> bool:
    asked = draft.body.get(names.APPROVAL_REQUESTED_AT)
    return draft.kind in _LATE and isinstance(asked, int | float) and draft.at - asked > DETACH_AFTER


def _children(
    record: AuditRecord,
    resource: Resource,
    parent: SpanContext,
    attributes: Mapping[str, AttributeValue],
    audit: Mapping[str, AttributeValue],
    drafts: bool,
) -> tuple[ReadableSpan, ...]:
    draft = record.draft
    if draft.kind is Kind.APPROVAL_RESOLVED and draft.body.get(names.OUTCOME) in _WITHOUT_VERDICT:
        name, kept = "toolguard.approval.decision", {**attributes, **audit}
        child = _derived_span(record, resource, parent, "decision", name, kept, kind=SpanKind.CONSUMER, instant=True)
        return (child,)
    if draft.kind is not Kind.CALL_DECIDED:
        return ()
    spans = []
    for guardrail, prefixes in _GUARDRAILS.items():
        said = {key: value for key, value in attributes.items() if key.startswith(prefixes)}
        if guardrail == "policy" and names.POLICY_SHA256 not in said:
            continue  # no policy was reached
        if not said:
            continue
        kept = {key: attributes[key] for key in _ALWAYS if key in attributes} | said | dict(audit)
        if drafts:
            kept |= _drafted(guardrail, draft)
        name = f"run_guardrail toolguard.{guardrail}"
        spans.append(_derived_span(record, resource, parent, guardrail, name, kept))
    return tuple(spans)


def _drafted(guardrail: str, draft: Draft) -> dict[str, AttributeValue]:
    """What a convention for guardrails may come to say; it is not agreed, and may change with any version."""
    if guardrail == "phi":
        found = draft.body.get("toolguard.phi.count", 0) != 0
        masked = draft.body.get("toolguard.phi.masked", 0) != 0
        action = "modify" if masked else "allow"
    else:
        found = draft.body.get("toolguard.decision.effect") != "allow"
        action = _ACTIONS.get(str(draft.body.get("toolguard.decision.effect")), "allow")
    return {
        names.GUARDRAIL_NAME: f"toolguard.{guardrail}",
        names.GUARDRAIL_TRIGGERED: found,
        names.GUARDRAIL_ACTION: action,
    }


def _derived_span(
    record: AuditRecord,
    resource: Resource,
    parent: SpanContext,
    part: str,
    name: str,
    attributes: Mapping[str, AttributeValue],
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    instant: bool = False,
) -> ReadableSpan:
    context = _context(parent.trace_id, _derived(record.hash, part, 8))
    return _span(
        name,
        record.draft,
        resource,
        context=context,
        parent=parent,
        links=(Link(parent),) if instant else (),
        attributes=attributes,
        kind=kind,
        status=Status(StatusCode.UNSET),
        instant=instant,
    )


def _span(
    name: str,
    draft: Draft,
    resource: Resource,
    *,
    context: SpanContext,
    parent: SpanContext | None,
    links: Sequence[Link],
    attributes: Mapping[str, AttributeValue],
    kind: SpanKind,
    status: Status,
    instant: bool = False,
) -> ReadableSpan:
    end = _nanoseconds(draft.at)
    return ReadableSpan(
        name,
        context=context,
        parent=parent,
        resource=resource,
        attributes=attributes,
        links=links,
        kind=kind,
        status=status,
        start_time=end if instant else min(_nanoseconds(draft.started), end),
        end_time=end,
        instrumentation_scope=SCOPE,
    )


def _status(draft: Draft) -> Status:
    """ERROR is for real faults; a denial and a question are none."""
    fault = draft.kind in _FAULTS or names.ERROR_TYPE in draft.body
    return Status(StatusCode.ERROR if fault else StatusCode.UNSET)


def _attribute(key: str, value: Json) -> AttributeValue | None:
    """A body's value as an attribute: scalars, times as people read them (``…_at``), lists of one scalar type; anything
    else as canonical JSON."""
    if key.endswith("_at") and isinstance(value, int | float) and not isinstance(value, bool):
        return iso(value)
    if value is None or isinstance(value, str | bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, list | tuple) and len({type(item) for item in value}) <= 1:
        if all(isinstance(item, str | bool | float) for item in value):
            return tuple(value)
        if all(isinstance(item, int) and -(2**63) <= item < 2**63 for item in value):
            return tuple(value)
    return canonical(value).decode()


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _hex(text: str) -> int:
    try:
        return int(text, 16) if text else 0
    except ValueError:
        return 0


def _derived(seed: str, part: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(f"toolguard:{part}:{seed}".encode()).digest()[:size]) or 1


def _nanoseconds(seconds: float) -> int:
    return max(0, round(seconds * 1e9))
