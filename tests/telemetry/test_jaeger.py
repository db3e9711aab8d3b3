"""Files a person can open: Jaeger's JSON as its upload tab and query API have it, and OTLP JSON; and the tree in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from typer.testing import CliRunner

from telemetry.jaeger import Jaeger
from telemetry.receiver import spans_in
from telemetry.records import CALLER, EVALUATE, REQUEST, TRACE, changed, life
from toolguard._core.steps import Change
from toolguard.cli.main import build
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import jaeger_json, otlp_json, spans_of

TYPES = {"string": str, "bool": bool, "int64": (int, str), "float64": float}


@pytest.fixture
def shown() -> dict[str, Any]:
    return jaeger_json(life())


def test_it_has_the_shape_that_jaeger_opens(shown: dict[str, Any]) -> None:
    """Every field its reader takes, of the type it takes; nothing that JSON cannot say."""
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    (trace,) = shown["data"]
    assert trace["traceID"] == TRACE
    assert trace["processes"] == {"p1": {"serviceName": "toolguard", "tags": []}}
    for span in trace["spans"]:
        assert set(span) == {
            "traceID", "spanID", "operationName", "references", "flags", "startTime", "duration", "tags", "logs",
            "processID", "warnings",
        }  # fmt: skip
        assert (len(span["traceID"]), len(span["spanID"]), span["processID"]) == (32, 16, "p1")
        assert isinstance(span["startTime"], int)
        assert isinstance(span["duration"], int)
        assert span["duration"] >= 0
        assert 1_700_000_000_000_000 < span["startTime"] < 2_000_000_000_000_000, "microseconds"
        for tag in span["tags"]:
            assert set(tag) == {"key", "type", "value"}
            assert isinstance(tag["value"], TYPES[tag["type"]])
        for reference in span["references"]:
            assert set(reference) == {"refType", "traceID", "spanID"}
            assert reference["refType"] in ("CHILD_OF", "FOLLOWS_FROM")


def test_parents_links_and_kinds_are_where_jaeger_looks(shown: dict[str, Any]) -> None:
    spans = {s["operationName"]: s for s in shown["data"][0]["spans"]}
    evaluate, decision = spans["toolguard.evaluate mail.send"], spans["toolguard.approval.decision"]
    assert evaluate["references"] == [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": CALLER}]
    assert "application's" in evaluate["warnings"][0], "its parent is in no file of ours"
    assert decision["references"] == [
        {"refType": "CHILD_OF", "traceID": TRACE, "spanID": REQUEST},
        {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": REQUEST},
    ]
    kinds = {name: next(t["value"] for t in s["tags"] if t["key"] == "span.kind") for name, s in spans.items()}
    assert kinds["toolguard.approval.request"] == "producer"
    assert kinds["toolguard.approval.decision"] == "consumer"
    assert kinds["execute_tool mail.send"] == "internal"
    assert spans["execute_tool mail.send"]["references"][0]["spanID"] == EVALUATE


def test_it_is_what_jaegers_own_api_would_answer(shown: dict[str, Any]) -> None:
    """The same records over OTLP, and as its query API gives them back: tag by tag."""
    jaeger = Jaeger()
    sent = encode_spans([s for r in life() for s in spans_of(r, Resource({}))])
    jaeger.keep(spans_in(ExportTraceServiceRequest.FromString(sent.SerializeToString())))
    _, answered = jaeger.answer(f"/api/traces/{TRACE}", {})
    jaeger.stop()
    ours, theirs = shown["data"][0], answered["data"][0]
    for mine, other in zip(ours["spans"], theirs["spans"], strict=True):
        tags = {t["key"]: (t["type"], t["value"]) for t in mine["tags"]}
        tags.pop("otel.scope.version")
        assert tags == {t["key"]: (t["type"], t["value"]) for t in other["tags"]}
        for name in ("traceID", "spanID", "operationName", "references", "startTime", "duration", "flags"):
            assert mine[name] == other[name]


def test_a_number_that_javascript_cannot_hold_is_text() -> None:
    (span, *_) = jaeger_json([changed(life()[1], big=2**60, small=7, neg=-(2**60))])["data"][0]["spans"]
    values = {t["key"]: t["value"] for t in span["tags"]}
    assert (values["big"], values["small"], values["neg"]) == (str(2**60), 7, str(-(2**60)))


def test_it_is_the_same_every_time() -> None:
    assert json.dumps(jaeger_json(life())) == json.dumps(jaeger_json(life()))


def test_otlp_json_says_what_otlp_says() -> None:
    told = otlp_json(life())
    back = json.loads(json.dumps(told))
    for span in back["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        assert (len(span["traceId"]), len(span["spanId"])) == (32, 16), "hex, as OTLP/JSON has ids"
        assert isinstance(span["startTimeUnixNano"], str)
        for holder in (span, *span.get("links", ())):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in holder:  # the library reads base64, as protobuf's JSON has bytes
                    import base64

                    holder[name] = base64.b64encode(bytes.fromhex(holder[name])).decode()
    parsed = ParseDict(back, ExportTraceServiceRequest())
    direct = encode_spans([s for r in life() for s in spans_of(r, Resource({"service.name": "toolguard"}))])
    assert spans_in(parsed) == spans_in(ExportTraceServiceRequest.FromString(direct.SerializeToString()))


# --- the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    store = SqliteStore(tmp_path / "store.db")
    store.commit(Change(tenant="north", records=tuple(r.draft for r in life()[1:])))
    store.close()
    return f"sqlite:///{tmp_path / 'store.db'}"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(build(["trace"]), ["trace", *arguments])


@pytest.mark.parametrize("named", ["c1", TRACE])
def test_a_call_is_drawn_as_a_tree(url: str, named: str) -> None:
    done = run(named, "--store", url)
    assert done.exit_code == 0
    for line in ("mail.send  executed", "decided pending  high", "waited 5.0 s  approved", "ran 250.0 ms  executed"):
        assert line in done.output, done.output


def test_a_call_is_written_for_jaeger_and_for_collectors(url: str, tmp_path: Path) -> None:
    jaeger, otlp = tmp_path / "jaeger.json", tmp_path / "otlp.json"
    done = run("c1", "--store", url, "--jaeger", str(jaeger), "--otlp", str(otlp), "--service", "ward")
    assert done.exit_code == 0
    assert len(json.loads(jaeger.read_text("utf-8"))["data"][0]["spans"]) == 7
    assert json.loads(jaeger.read_text("utf-8"))["data"][0]["processes"]["p1"]["serviceName"] == "ward"
    assert len(json.loads(otlp.read_text("utf-8"))["resourceSpans"][0]["scopeSpans"][0]["spans"]) == 7
    printed = run("c1", "--store", url, "--jaeger", "-")
    assert json.loads(printed.stdout)["data"][0]["traceID"] == TRACE


@pytest.mark.parametrize("arguments", [("unknown-call",), ("c1", "--jaeger", "/no/such/folder/x.json")])
def test_what_cannot_be_drawn_or_written_ends_with_3(url: str, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, "--store", url)
    assert (done.exit_code, "toolguard: " in done.output) == (3, True)
