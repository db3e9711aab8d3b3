"""Which spans a record is shown as: name, kind, place, status, attributes; the same every time."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import SpanKind, StatusCode

from telemetry.records import ASKED, AT, BASE, CALLER, EVALUATE, EXECUTE, REQUEST, TRACE, changed, draft, life, sealed
from toolguard._core.audit import AuditRecord, Kind
from toolguard.telemetry import names, spans_of

RESOURCE = Resource({"service.name": "test"})


def spans(*records: AuditRecord) -> list[ReadableSpan]:
    return [span for record in records for span in spans_of(record, RESOURCE)]


def span_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_id(span: ReadableSpan) -> str:
    return f"{span.parent.span_id:016x}" if span.parent else ""


def test_a_call_that_waited_and_ran_is_shown_by_these_spans() -> None:
    """I6: the names and kinds of the table, hanging from the caller's span."""
    shown = [(s.name, s.kind, parent_id(s)) for s in spans(*life())]
    assert shown == [
        ("toolguard.evaluate mail.send", SpanKind.INTERNAL, CALLER),
        ("run_guardrail toolguard.policy", SpanKind.INTERNAL, EVALUATE),
        ("run_guardrail toolguard.phi", SpanKind.INTERNAL, EVALUATE),
        ("toolguard.approval.request", SpanKind.PRODUCER, EVALUATE),
        ("toolguard.approval.decision", SpanKind.CONSUMER, REQUEST),
        ("toolguard.approval.wait", SpanKind.INTERNAL, EVALUATE),
        ("execute_tool mail.send", SpanKind.INTERNAL, EVALUATE),
    ]
    assert {f"{s.context.trace_id:032x}" for s in spans(*life()) if s.context} == {TRACE}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.POLICY_LOADED, "toolguard.policy.load"),
        (Kind.CALL_NOT_RUN, "toolguard.not_run mail.send"),
        (Kind.APPROVAL_REFUSED, "toolguard.approval.decision"),
        (Kind.VALUES_REVEALED, "toolguard.values.reveal"),
        (Kind.CREDENTIAL_RELEASED, "toolguard.credential.release"),
        (Kind.CREDENTIAL_REVOKED, "toolguard.credential.revoke"),
        (Kind.CREDENTIAL_REFUSED, "toolguard.credential.refuse"),
        (Kind.AUDIT_CHECKPOINT, "toolguard.audit.checkpoint"),
        (Kind.AUDIT_REVIEW, "toolguard.audit.review"),
        (Kind.AUDIT_ARCHIVED, "toolguard.audit.archive"),
        (Kind.AUDIT_PRUNED, "toolguard.audit.prune"),
        (Kind.CONTENT_OPENED, "toolguard.audit.open"),
        (Kind.CONTENT_REDACTED, "toolguard.audit.redact"),
        (Kind.SPAN_PARKED, "toolguard.span.parked"),
        (Kind.CALL_EXECUTING, None),
        (Kind.LOG_OPENED, None),
    ],
)
def test_other_records_have_one_span_or_none(kind: Kind, name: str | None) -> None:
    assert [s.name for s in spans(*sealed(draft(kind)))] == ([name] if name else [])


def test_every_kind_of_record_has_its_place() -> None:
    """A new kind has to be given a span, or be named here as having none."""
    without = {kind for kind in Kind if not spans(*sealed(draft(kind)))}
    assert without == {Kind.LOG_OPENED, Kind.CALL_EXECUTING}


def test_ids_are_all_different_and_the_records_own_come_first() -> None:
    ids = [span_id(s) for s in spans(*life())]
    assert len(set(ids)) == len(ids)
    assert {EVALUATE, REQUEST, EXECUTE} <= set(ids)


def test_the_same_record_gives_the_same_bytes() -> None:
    first, second = (encode_spans(spans(*life())).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (Kind.CALL_DECIDED, {"toolguard.decision.outcome": "denied"}, StatusCode.UNSET),
        (Kind.CALL_DECIDED, {"toolguard.decision.outcome": "pending"}, StatusCode.UNSET),
        (Kind.CALL_DECIDED, {"toolguard.decision.outcome": "denied", "error.type": "RuntimeError"}, StatusCode.ERROR),
        (Kind.CALL_NOT_RUN, {"toolguard.decision.outcome": "expired"}, StatusCode.UNSET),
        (Kind.CALL_RETURNED, {"toolguard.decision.outcome": "executed"}, StatusCode.UNSET),
        (Kind.CALL_RETURNED, {"toolguard.result.withheld": True, "error.type": "DetectionError"}, StatusCode.ERROR),
        (Kind.CALL_FAILED, {"error.type": "OSError"}, StatusCode.ERROR),
        (Kind.CALL_INDETERMINATE, {}, StatusCode.ERROR),
        (Kind.APPROVAL_REFUSED, {"toolguard.decision.reason_code": "self_approval"}, StatusCode.UNSET),
    ],
)
def test_error_is_for_real_faults_alone(kind: Kind, body: dict[str, object], status: StatusCode) -> None:
    own = spans(*sealed(draft(kind, body={**BASE, **body})))[0]
    assert own.status.status_code is status
    assert own.status.description is None


def test_a_wait_has_its_true_beginning_and_end() -> None:
    wait = next(s for s in spans(*life()) if s.name == "toolguard.approval.wait")
    assert (wait.start_time, wait.end_time) == (int(AT * 1e9), int((AT + 5) * 1e9))


def test_attributes_are_the_body_and_the_place_in_the_journal() -> None:
    record = life()[1]
    attributes = dict(spans(record)[0].attributes or {})
    assert attributes == {
        **{k: tuple(v) if isinstance(v, list) else v for k, v in record.draft.body.items()},
        "toolguard.audit.log_id": record.log_id,
        "toolguard.audit.seq": 2,
        "toolguard.audit.hash": record.hash,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "absent"),
        (True, True),
        (2**63, str(2**63)),
        ([], ()),
        (["a", "b"], ("a", "b")),
        ([1, 2], (1, 2)),
        ([1, "a"], '[1,"a"]'),
        ([2**64], '[{"$int":"18446744073709551616"}]'),
        ({"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
    ],
)
def test_any_body_fits_into_attributes(value: object, shown: object) -> None:
    own = spans(changed(life()[1], extra=value))[0]
    assert (own.attributes or {}).get("extra", "absent") == shown
    encode_spans([own])


def test_times_stand_as_people_read_them() -> None:
    own = spans(changed(life()[1], **{"toolguard.approval.expires_at": 1795355547.437316, "other": 1795355547.5}))[0]
    attributes = own.attributes or {}
    assert attributes["toolguard.approval.expires_at"] == "2026-11-22T13:52:27.437Z"
    assert attributes["other"] == 1795355547.5


def test_guardrail_spans_say_their_part() -> None:
    policy, phi = spans(life()[1])[1:]
    assert {k for k in policy.attributes or {} if "phi" in k} == set()
    assert (policy.attributes or {})["toolguard.policy.rule.id"] == ("mail-out", "phi-out")
    assert {k for k in phi.attributes or {} if k.startswith("toolguard.phi.")} == {
        "toolguard.phi.entities",
        "toolguard.phi.count",
        "toolguard.phi.detector.version",
    }
    refused = sealed(draft(Kind.CALL_DECIDED, body={**BASE, "toolguard.decision.outcome": "denied"}))
    assert [s.name for s in spans(*refused)] == ["toolguard.evaluate mail.send"], "no policy was reached"


@pytest.mark.parametrize("outcome", ["expired", "withdrawn", "revoked", "invalidated", "superseded"])
def test_an_end_without_a_verdict_has_a_decision_span_of_its_own(outcome: str) -> None:
    body = {**ASKED, "toolguard.decision.outcome": outcome}
    record = sealed(draft(Kind.APPROVAL_RESOLVED, AT + 9, body=body, started=AT, link_id=REQUEST))[0]
    wait, decision = spans(record)
    assert (wait.name, decision.name) == ("toolguard.approval.wait", "toolguard.approval.decision")
    assert decision.start_time == decision.end_time == wait.end_time
    assert [link.context for link in decision.links] == [wait.context]


def test_what_follows_after_a_day_stands_in_a_linked_trace_of_its_own() -> None:
    late = AT + 3 * 24 * 3600
    verdict, resolved = sealed(
        draft(Kind.APPROVAL_VERDICT, late, body=ASKED, parent_id=REQUEST, link_id=REQUEST),
        draft(Kind.APPROVAL_RESOLVED, late, span="70" * 8, body=ASKED, started=AT, link_id=REQUEST),
    )
    one, two = spans(verdict)[0], spans(resolved)[0]
    assert one.context is not None
    assert two.context is not None
    assert one.context.trace_id == two.context.trace_id != int(TRACE, 16)
    assert one.parent is None
    assert [(f"{li.context.trace_id:032x}", f"{li.context.span_id:016x}") for li in one.links] == [(TRACE, REQUEST)]


@pytest.mark.parametrize("kind", [Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_NOT_RUN, Kind.ACT_RECORDED])
def test_an_execution_after_a_day_stands_where_its_answer_stands(kind: Kind) -> None:
    late = AT + 3 * 24 * 3600
    verdict, ran = sealed(
        draft(Kind.APPROVAL_VERDICT, late, body=ASKED, parent_id=REQUEST, link_id=REQUEST),
        draft(kind, late + 5, span=EXECUTE, body=ASKED, link_id=EVALUATE),
    )
    one, two = spans(verdict)[0], spans(ran)[0]
    assert one.context is not None
    assert two.context is not None
    assert one.context.trace_id == two.context.trace_id != int(TRACE, 16)
    assert two.parent is None
    assert [(f"{li.context.trace_id:032x}", f"{li.context.span_id:016x}") for li in two.links] == [(TRACE, EVALUATE)]


def test_a_credential_of_a_late_execution_stands_under_it() -> None:
    late = AT + 3 * 24 * 3600
    released, ran = sealed(
        draft(Kind.CREDENTIAL_RELEASED, late, body=ASKED, parent_id=EXECUTE),
        draft(Kind.CALL_RETURNED, late, span=EXECUTE, body=ASKED, link_id=EVALUATE),
    )
    assert spans(released)[0].parent == spans(ran)[0].context


def test_a_call_that_was_made_again_links_to_who_made_it() -> None:
    again = {**ASKED, "toolguard.resumed.trace_id": "7a" * 16, "toolguard.resumed.span_id": "8b" * 8}
    (ran,) = spans(*sealed(draft(Kind.CALL_RETURNED, AT + 60, span=EXECUTE, body=again, link_id=EVALUATE)))
    assert [(f"{li.context.trace_id:032x}", f"{li.context.span_id:016x}") for li in ran.links] == [
        (TRACE, EVALUATE),
        ("7a" * 16, "8b" * 8),
    ]


def test_a_record_without_ids_gets_them_from_its_hash() -> None:
    record = sealed(draft(Kind.POLICY_LOADED, span="", trace_id="", parent_id=""))[0]
    first, again = spans(record)[0], spans(record)[0]
    assert first.context == again.context
    assert first.context is not None
    assert first.context.is_valid


def test_genai_names_are_those_of_the_conventions() -> None:
    """Our own constants, for the package marks its own as moved; held against it while it has them."""
    ours = {
        "OPERATION_NAME": names.OPERATION_NAME,
        "TOOL_NAME": names.TOOL_NAME,
        "TOOL_TYPE": names.TOOL_TYPE,
        "TOOL_CALL_ID": names.TOOL_CALL_ID,
        "AGENT_NAME": names.AGENT_NAME,
        "CONVERSATION_ID": names.CONVERSATION_ID,
    }
    assert ours == {name: getattr(gen_ai_attributes, f"GEN_AI_{name}") for name in ours}
    assert error_attributes.ERROR_TYPE == names.ERROR_TYPE
    assert all(v.startswith(("gen_ai.", "toolguard.", "error.")) for k, v in vars(names).items() if k.isupper())
