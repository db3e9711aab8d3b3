"""What a span may show of a call: nothing, unless asked; then masked, short, and in no journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry.receiver import Receiver, refuse, take
from telemetry.records import changed, life
from telemetry.test_guarded_calls import attributes
from toolguard import Caller
from toolguard.telemetry import OtlpPump, TracerSink, spans_of
from toolguard.testing import WordDetector
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: shown, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  look: {risk: low, trusted_for: [PERSON], args: {query: pass}}
  opened: {risk: low, results: pass}
"""
CANARY = "Zebedee Quill"
ARGUMENTS, RESULT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"
ANA = Caller.of("ana", agent="discharge-agent", tenant="general")


def look(name: str, query: str = "", pad: str = "") -> str:
    """Look a patient up."""
    return f"{name} was seen{pad}"


def opened(name: str) -> str:
    """Give what is there as it is."""
    return f"{name} was seen"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    return tmp_path


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def called(
    folder: Path, tool: Any = look, *, sinks: list[Any], content: bool, store: Any = "memory:", **more: str
) -> Any:
    desk = Desk(folder, store=store)
    words = WordDetector({CANARY: "PERSON"})
    guard = desk.guard(folder / "policy.yaml", detector=words, sinks=sinks, content=content)
    with guard.session(caller=ANA) as session:
        session.call(tool, {"name": CANARY, **more})
    assert CANARY not in str(list(desk.store.records()))
    assert "was seen" not in str(list(desk.store.records()))
    return desk


def shown(content: bool, folder: Path, tool: Any = look, **more: str) -> dict[str, Any]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    called(folder, tool, sinks=[TracerSink(provider)], content=content, **more)
    found: dict[str, Any] = {}
    for span in exporter.get_finished_spans():
        assert CANARY not in span.to_json()
        found |= {k: v for k, v in (span.attributes or {}).items() if k in (ARGUMENTS, RESULT)}
    return found


def test_nothing_is_shown_unless_it_is_asked_for(folder: Path) -> None:
    assert shown(False, folder) == {}


def test_what_is_asked_for_is_masked_even_where_the_policy_lets_it_pass(folder: Path) -> None:
    assert shown(True, folder, query=f"about {CANARY}") == {
        ARGUMENTS: '{"name":"<PERSON>","pad":"","query":"about <PERSON>"}',
        RESULT: '"<PERSON_M1> was seen"',
    }


def test_a_result_nobody_looked_into_is_not_shown(folder: Path) -> None:
    assert RESULT not in shown(True, folder, opened)


def test_it_is_cut_to_a_size(folder: Path) -> None:
    found = shown(True, folder, pad="x" * 50_000)
    for text in found.values():
        assert len(text) < 4200
        assert "characters)" in text


def test_it_goes_over_otlp_while_the_process_lives_and_never_into_the_journal(folder: Path, receiver: Receiver) -> None:
    """A repeat from this process is the same; one from another, after a crash, goes without it."""
    desk = Desk(folder)
    receiver.replies = [refuse(503)] * 2
    pump = OtlpPump(desk.store, receiver.url, linger=0.01)
    called(folder, sinks=[pump], content=True, store=desk.store)
    assert pump.flush(30.0)
    evaluate = next(s for s in receiver.taken if s.name == "toolguard.evaluate look")
    execute = next(s for s in receiver.taken if s.name == "execute_tool look")
    assert "<PERSON>" in attributes(evaluate)[ARGUMENTS]
    assert "was seen" in attributes(execute)[RESULT]
    assert pump._delivery._asides == {}, "what is delivered is forgotten"
    pump.close()

    receiver.always = take
    receiver.taken.clear()
    other = OtlpPump(desk.store, receiver.url, sink="otlp:another", linger=0.01)
    other.start()
    assert other.flush(30.0)
    assert not any(name in attributes(s) for s in receiver.taken for name in (ARGUMENTS, RESULT))
    other.close()
    assert CANARY.encode() not in b"".join(body for _, _, body in receiver.requests)
    desk.store.close()


# --- attributes of a convention that is not agreed --------------------------------------------------------------


def drafted(spans: tuple[ReadableSpan, ...]) -> list[dict[str, Any]]:
    return [{k: v for k, v in (s.attributes or {}).items() if k.startswith("gen_ai.guardrail.")} for s in spans]


def test_drafts_are_shown_behind_a_switch_only() -> None:
    decided = life()[1]
    assert drafted(spans_of(decided, Resource({}))) == [{}, {}, {}]
    assert drafted(spans_of(decided, Resource({}), drafts=True)) == [
        {},
        {
            "gen_ai.guardrail.name": "toolguard.policy",
            "gen_ai.guardrail.triggered": True,
            "gen_ai.guardrail.action": "escalate",
        },
        {
            "gen_ai.guardrail.name": "toolguard.phi",
            "gen_ai.guardrail.triggered": True,
            "gen_ai.guardrail.action": "allow",
        },
    ]


@pytest.mark.parametrize(
    ("effect", "triggered", "action"),
    [
        ("allow", False, "allow"),
        ("deny", True, "block"),
        ("mask", True, "modify"),
        ("require_approval", True, "escalate"),
    ],
)
def test_a_draft_says_what_the_policy_did(effect: str, triggered: bool, action: str) -> None:
    policy = drafted(spans_of(changed(life()[1], **{"toolguard.decision.effect": effect}), Resource({}), drafts=True))[
        1
    ]
    assert (policy["gen_ai.guardrail.triggered"], policy["gen_ai.guardrail.action"]) == (triggered, action)
