"""One readable story: over long waits, restarts and other processes, and inside the traces of the agents themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typer.testing import CliRunner

from adapters.langchain.kit import Script, call, caller, make_guard, says
from adapters.langchain.test_agents import plain_find
from adapters.openai.ward import MRN, PLAIN, Ward, ana
from telemetry.jaeger import Jaeger
from telemetry.receiver import Receiver
from toolguard.cli.main import build
from toolguard.journal import verify
from toolguard.telemetry import CurrentSpan, JaegerQuery, OtlpPump, TracerSink, reconcile_spans
from toolguard.testing import FakeClock
from toolguard.testing.desk import Desk
from toolguard.testing.openai_server import Use, in_turn, say, use
from toolguard_langchain import GuardMiddleware
from toolguard_openai import ToolBox

ASKS = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: waits, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 7d}
tools:
  export: {risk: high}
"""
START = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def process(desk: Desk, receiver: Receiver, what: str, now: float) -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    environment |= {"TG_SEAL": desk.seal_key.line, "TG_TRUSTED": desk.trusted[0]}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    script = Path(__file__).with_name("later.py")
    done = subprocess.run(
        [sys.executable, script, str(desk.folder), receiver.url, what, str(now)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["delivered"]
    return told


def waited(folder: Path, receiver: Receiver, seconds: float) -> tuple[Desk, dict[str, Any], dict[str, Any]]:
    """Asked by one process, approved by a service after ``seconds``, carried out by another process."""
    (folder / "policy.yaml").write_text(ASKS, "utf-8")
    clock = FakeClock(START)
    desk = Desk(folder, clock=clock)
    asked = process(desk, receiver, "ask", START)
    clock.advance(seconds)
    desk.approve(asked["approval"])
    ran = process(desk, receiver, "resume", START + seconds + 5.0)
    assert ran["result"] == "written"
    return desk, asked, ran


def by_name(receiver: Receiver) -> dict[str, Span]:
    assert set(receiver.ids.values()) == {1}
    return {s.name: s for s in receiver.taken if s.name != "toolguard.policy.load"}


def links(span: Span) -> set[tuple[str, str]]:
    return {(link.trace_id.hex(), link.span_id.hex()) for link in span.links}


def test_an_hours_wait_over_two_processes_is_one_trace(tmp_path: Path, receiver: Receiver) -> None:
    desk, asked, ran = waited(tmp_path, receiver, HOUR)
    spans = by_name(receiver)
    assert set(spans) == {
        "toolguard.evaluate export",
        "run_guardrail toolguard.policy",
        "run_guardrail toolguard.phi",
        "toolguard.approval.request",
        "toolguard.approval.decision",
        "toolguard.approval.wait",
        "execute_tool export",
    }
    assert {s.trace_id.hex() for s in spans.values()} == {asked["trace"]}
    evaluate, execute = spans["toolguard.evaluate export"], spans["execute_tool export"]
    assert evaluate.parent_span_id.hex() == asked["span"]
    assert execute.parent_span_id == evaluate.span_id
    assert links(execute) == {(asked["trace"], evaluate.span_id.hex()), (ran["trace"], ran["span"])}
    wait = spans["toolguard.approval.wait"]
    assert (wait.end_time_unix_nano - wait.start_time_unix_nano) / 1e9 == HOUR
    assert verify(desk.store).ok
    desk.store.close()


def test_after_three_days_what_follows_is_a_trace_of_its_own_linked_to_the_first(
    tmp_path: Path, receiver: Receiver
) -> None:
    desk, asked, ran = waited(tmp_path, receiver, 3 * DAY)
    spans = by_name(receiver)
    first = {n for n, s in spans.items() if s.trace_id.hex() == asked["trace"]}
    assert first == {
        "toolguard.evaluate export",
        "run_guardrail toolguard.policy",
        "run_guardrail toolguard.phi",
        "toolguard.approval.request",
    }
    late = [spans[n] for n in spans.keys() - first]
    assert len({s.trace_id for s in late}) == 1
    assert late[0].trace_id.hex() not in {asked["trace"], ran["trace"]}
    request = (asked["trace"], spans["toolguard.approval.request"].span_id.hex())
    evaluate = (asked["trace"], spans["toolguard.evaluate export"].span_id.hex())
    assert links(spans["toolguard.approval.decision"]) == links(spans["toolguard.approval.wait"]) == {request}
    assert links(spans["execute_tool export"]) == {evaluate, (ran["trace"], ran["span"])}
    assert verify(desk.store).ok

    jaeger = Jaeger()
    jaeger.keep(receiver.taken)
    query = JaegerQuery(jaeger.url)
    told = reconcile_spans(desk.store.records(), query, now=START + 4 * DAY)
    assert (told.findings, told.exit_code) == ((), 0)
    query.close()
    jaeger.stop()
    drawn = CliRunner().invoke(
        build(["trace"]), ["trace", "run-1", "--store", f"sqlite:///{tmp_path / 'toolguard.db'}"]
    )
    assert "waited 3.0 days  approved" in drawn.output
    desk.store.close()


# --- inside the agent's own trace ---------------------------------------------------------------------------


class Application:
    """An application with its own tracing."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.sinks = {"sinks": [TracerSink(self.provider)], "tracing": CurrentSpan()}

    def check(self, *tools: str) -> None:
        """All that is guarded hangs from the span the agent was in."""
        spans = {s.context.span_id: s for s in self.exporter.get_finished_spans() if s.context}
        (agent,) = [s for s in spans.values() if s.name == "agent"]
        guarded = [s for s in spans.values() if s.name.startswith(("toolguard.evaluate", "execute_tool"))]
        assert [s.name for s in guarded] == [
            f"{what} {t}" for t in tools for what in ("toolguard.evaluate", "execute_tool")
        ]
        assert agent.context is not None
        for span in guarded:
            assert span.context is not None
            assert span.context.trace_id == agent.context.trace_id
            assert agent.context.span_id in _above(span, spans)


def _above(span: ReadableSpan, spans: dict[int, ReadableSpan]) -> set[int]:
    found: set[int] = set()
    while span.parent is not None:
        found.add(span.parent.span_id)
        span = spans[span.parent.span_id]
    return found


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_calls_of_a_langchain_agent_stand_inside_its_trace(tmp_path: Path, way: str) -> None:
    application = Application()
    guard = make_guard(Desk(tmp_path, store="memory:"), **application.sinks)
    model = Script(lines=[says(call("plain_find", {"patient": "p1"})), says(content="done")])
    agent = create_agent(model, [plain_find], middleware=[GuardMiddleware(guard)])
    asked = {"messages": [HumanMessage("find p1")]}
    with application.provider.get_tracer("app").start_as_current_span("agent"):
        with guard.session(caller=caller(), run="thread-1"):
            await agent.ainvoke(asked) if way == "async" else agent.invoke(asked)
    application.check("plain_find")


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_calls_of_an_openai_run_stand_inside_its_trace(tmp_path: Path, way: str) -> None:
    application = Application()
    ward = Ward(folder=tmp_path, desk=Desk(tmp_path, store="memory:"), sync=way == "sync")
    guard = ward.guard(**application.sinks)
    server = ward.server(in_turn(use(Use("look_up", {"mrn": MRN})), say("done")))
    with application.provider.get_tracer("app").start_as_current_span("agent"), ana(guard):
        await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    application.check("look_up")
    await ward.close()


@pytest.mark.parametrize("sampler", [sampling.ALWAYS_OFF, sampling.ParentBased(sampling.ALWAYS_OFF)])
def test_a_parent_that_is_not_sampled_takes_nothing_out_of_the_trail(
    tmp_path: Path, receiver: Receiver, sampler: sampling.Sampler
) -> None:
    """Whoever looks for the call in the agent's trace finds it there, sampled or not."""
    desk = Desk(tmp_path, store="memory:")
    pump = OtlpPump(desk.store, receiver.url, linger=0.01)
    guard = make_guard(desk, sinks=[pump], tracing=CurrentSpan())
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    with provider.get_tracer("app").start_as_current_span("agent") as span, guard.session(caller=caller()) as session:
        assert not span.is_recording()
        session.call(kind_plain, {"patient": "p1"})
    assert pump.close(30.0)
    context = span.get_span_context()
    spans = [s for s in receiver.taken if s.name != "toolguard.policy.load"]
    assert [s.name for s in spans if not s.name.startswith("run_guardrail")] == [
        "toolguard.evaluate kind_plain",
        "execute_tool kind_plain",
    ]
    assert {s.trace_id.hex() for s in spans} == {f"{context.trace_id:032x}"}


def kind_plain(patient: str) -> str:
    """Find a patient."""
    return "found"
