"""A guard on SQLite, a person, and a receiver that decodes: what arrives is the trail, whole, and no identifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from telemetry.receiver import Receiver
from toolguard import Caller, Suspended
from toolguard.errors import DeniedError, ToolFailedError
from toolguard.journal import verify
from toolguard.telemetry import CurrentSpan, OtlpPump
from toolguard.testing import WordDetector
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: spans, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  look: {risk: low, trusted_for: [PERSON]}
  export: {risk: high}
  wipe: {risk: critical}
  fails: {risk: low}
"""
CANARY = "Zebedee Quill"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def look(name: str) -> str:
    """Look a patient up."""
    return f"{name} was seen"


def export(name: str) -> str:
    """Export a chart."""
    return f"wrote the chart of {name}"


def wipe(name: str) -> str:
    """Delete everything."""
    return name


def fails(name: str) -> str:
    """Fail."""
    raise ValueError(f"no such patient: {name}")


def attributes(span: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def test_every_proposed_call_arrives_exactly_once_and_in_the_callers_trace(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(tmp_path)
    pump = OtlpPump(desk.store, receiver.url, linger=0.01)
    guard = desk.guard(
        tmp_path / "policy.yaml",
        detector=WordDetector({CANARY: "PERSON"}),
        sinks=[pump],
        tracing=CurrentSpan(),
    )
    ana = Caller.of("ana", agent="discharge-agent", tenant="general")
    errors = []
    with (
        TracerProvider(shutdown_on_exit=False).get_tracer("app").start_as_current_span("agent") as agent,
        guard.session(caller=ana, run="run-1") as session,
    ):
        here = agent.get_span_context()
        session.call(look, {"name": CANARY})
        for tool, kind in ((wipe, DeniedError), (fails, ToolFailedError)):
            with pytest.raises(kind) as refused:
                session.call(tool, {"name": CANARY})
            errors.append(str(refused.value))
        with pytest.raises(Suspended) as suspended:
            session.call(export, {"name": CANARY}, call_id="x1")
        desk.approve(suspended.value.approval_id)
        session.call(export, {"name": CANARY}, call_id="x1")
    assert pump.flush(60.0)
    assert trace.get_current_span() is trace.INVALID_SPAN

    names = Counter(span.name for span in receiver.taken)
    assert {n: c for n, c in names.items() if n.startswith("toolguard.evaluate")} == {
        "toolguard.evaluate look": 1,
        "toolguard.evaluate wipe": 1,
        "toolguard.evaluate fails": 1,
        "toolguard.evaluate export": 1,
    }
    assert {n: c for n, c in names.items() if n.startswith("execute_tool")} == {
        "execute_tool look": 1,
        "execute_tool fails": 1,
        "execute_tool export": 1,
    }
    assert names["toolguard.approval.request"] == names["toolguard.approval.decision"] == 1
    assert names["toolguard.policy.load"] == 1
    assert set(receiver.ids.values()) == {1}, "two spans with one id, or one sent twice"

    by_id = {span.span_id: span for span in receiver.taken}
    for span in receiver.taken:
        if span.name == "toolguard.policy.load":
            continue
        assert span.trace_id == here.trace_id.to_bytes(16, "big"), span.name
        assert span.parent_span_id in by_id or span.parent_span_id == here.span_id.to_bytes(8, "big"), span.name
        if span.name.startswith("toolguard.evaluate"):
            assert span.parent_span_id == here.span_id.to_bytes(8, "big")
    ran = next(s for s in receiver.taken if s.name == "execute_tool export")
    assert attributes(ran)["toolguard.approval.id"] == suspended.value.approval_id
    failed = next(s for s in receiver.taken if s.name == "execute_tool fails")
    assert (failed.status.code, failed.status.message, attributes(failed)["error.type"]) == (2, "", "ValueError")

    sent = b"".join(body for _, _, body in receiver.requests)
    kept = "\n".join(str(record) for record in desk.store.records())
    for piece in CANARY.split():
        assert piece.encode() not in sent
        assert piece not in kept + caplog.text + "".join(errors)
    assert verify(desk.store).ok
    assert pump.close(30.0)
    desk.store.close()
