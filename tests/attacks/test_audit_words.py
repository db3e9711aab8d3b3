"""Names that models, servers, people and tools choose: none of them is a value, a formula, a tag or an order to a terminal
anywhere the audit trail shows it. All of these held."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from rich.console import Console

from evidence.conftest import packed
from evidence.hospital import CANARIES, Hospital, open_hospital, period_of, search_papers
from toolguard import BoundTool, Caller
from toolguard._core.call import Tool
from toolguard.cli.trace import render_trace
from toolguard.errors import ToolguardError
from toolguard.evidence import Pack
from toolguard.journal import verify
from toolguard.telemetry import MetricsSink
from toolguard.telemetry.spans import spans_of

PHI = "Adaeze Quellhund"
HOSTILE = [
    '=HYPERLINK("http://evil.example")',
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% raw %}",
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egnp.exe\x9b31m",
    "a;=1+1\r\n\t=2",
    "x\x00y",
    f"send to {PHI}",
    "../../etc/passwd",
    "[link=file:///etc/passwd]x[/link]",
    "n" * 3000,
]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """Calls in which everything a caller, a model or a server can name is hostile."""
    hospital = open_hospital(tmp_path_factory.mktemp("words"))
    for n, word in enumerate(HOSTILE):
        caller = Caller.of(f"u{n}{word}", agent=word, tenant="general", roles={"clinician", word})
        try:
            with hospital.guard.session(caller=caller, run=word) as session:
                session.call(search_papers, {"query": f"{word} {PHI}"}, call_id=word)
        except (ToolguardError, ValueError, TypeError):
            pass
        try:
            tool = Tool.describe(f"t{n}", source=word, description=word)
            bound = BoundTool(tool=tool, invoke=lambda passed: passed)
            with hospital.guard.session(caller=Caller.of("ana", agent=word, tenant="general"), run=f"r{n}{word}") as s:
                s.call(bound, {"query": word}, call_id=f"{n}{word}")
        except (ToolguardError, ValueError, TypeError):
            pass
    hospital.checkpoints.tick(final=True)
    yield hospital
    hospital.store.close()


@pytest.fixture(scope="module")
def pack(hospital: Hospital) -> Pack:
    return packed(hospital, period_of(hospital, 0.0, hospital.clock.now() + 60.0))


def test_the_calls_are_on_record_and_the_journal_holds(hospital: Hospital) -> None:
    assert len(period_of(hospital, 0.0, hospital.clock.now() + 60.0).calls) >= len(HOSTILE)
    assert verify(hospital.store).exit_code == 0


def test_no_value_is_in_a_record_a_pack_or_a_page(hospital: Hospital, pack: Pack) -> None:
    everything = b"\n".join(pack.members.values())
    for canary in CANARIES:
        assert canary.encode() not in everything, canary
    for record in hospital.store.records():
        assert PHI not in json.dumps(dict(record.draft.body), ensure_ascii=False)


def test_no_cell_is_a_formula_and_no_page_holds_a_tag_of_theirs(pack: Pack) -> None:
    for name, data in pack.members.items():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(data.decode(), newline="")):
                for cell in row:
                    assert not cell.lstrip().startswith(("=", "@", "+", "\t")), (name, cell)
        if name.endswith(".html"):
            page = data.decode()
            assert "<script" not in page.lower()
            assert "onerror=alert" not in re.sub(r"&[a-z#0-9]+;", "", page) or "<img" not in page
            assert all(c.isprintable() or c in "\n\u00a0" for c in page), name


def test_no_tree_of_calls_is_an_order_to_the_terminal(hospital: Hospital) -> None:
    """What the commands print is in `test_audit_journal`."""
    text = render_trace(hospital.store.records())
    out = io.StringIO()
    Console(file=out, width=200, highlight=False).print(text)
    assert all(c.isprintable() or c == "\n" for c in out.getvalue())


@pytest.mark.parametrize(
    "context",
    [
        SpanContext(2**128 - 1, 2**64 - 1, is_remote=True, trace_flags=TraceFlags(0)),
        SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(0xFF)),
        SpanContext(0, 5, is_remote=True, trace_flags=TraceFlags(1)),
        SpanContext(5, 0, is_remote=True, trace_flags=TraceFlags(1)),
    ],
    ids=["unsampled, the largest ids", "the smallest ids", "no trace", "no span"],
)
def test_a_hostile_parent_leaves_no_call_out_and_gives_no_two_records_one_span(
    tmp_path: Path, context: SpanContext
) -> None:
    hospital = open_hospital(tmp_path)
    with trace.use_span(NonRecordingSpan(context)):
        for n in range(3):
            with hospital.guard.session(caller=Caller.of("ana", agent="a", tenant="general"), run=f"r{n}") as session:
                session.call(search_papers, {"query": "x"}, call_id="same")
    spans = [s for r in hospital.store.records() for s in spans_of(r, Resource({}))]
    ids = [(s.context.trace_id, s.context.span_id) for s in spans if s.context is not None]
    assert all(s.context is not None and s.context.is_valid and s.context.trace_flags.sampled for s in spans)
    assert len(ids) == len(set(ids))
    assert sum(s.name.startswith("toolguard.evaluate") for s in spans) == 3
    hospital.store.close()


def test_metrics_have_no_label_that_a_caller_chooses(hospital: Hospital) -> None:
    reader = InMemoryMetricReader()
    metrics = MetricsSink(MeterProvider([reader]).get_meter("t"))
    metrics.emit(list(hospital.store.records()))
    shown = str(reader.get_metrics_data().to_json() if reader.get_metrics_data() else "")
    for word in (*HOSTILE, PHI):
        assert json.dumps(word)[1:-1] not in shown
