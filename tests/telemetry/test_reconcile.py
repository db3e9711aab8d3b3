"""The journal against what Jaeger shows: delivered by the pump over real OTLP, read back through the query API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from telemetry.jaeger import Jaeger
from telemetry.receiver import Receiver, reject
from telemetry.records import AT, draft, life
from toolguard._core.audit import Kind
from toolguard._core.steps import Change
from toolguard.cli.audit import app
from toolguard.errors import ConfigError, ToolguardError
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import JaegerQuery, OtlpPump, reconcile_spans
from toolguard.testing import FakeClock

RUN = CliRunner()
NOW = AT + 3600.0


@pytest.fixture
def jaeger() -> Iterator[Jaeger]:
    jaeger = Jaeger()
    yield jaeger
    jaeger.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db", FakeClock(NOW))
    store.commit(Change(tenant="north", records=tuple(r.draft for r in life()[1:])))
    for n in range(20):
        loaded = draft(Kind.POLICY_LOADED, AT + n, span="", trace_id="", parent_id="", call="", body={"n": n})
        store.commit(Change(tenant="", records=(loaded,)))
    yield store
    store.close()


@pytest.fixture
def delivered(store: SqliteStore, receiver: Receiver, jaeger: Jaeger) -> Jaeger:
    pump = OtlpPump(store, receiver.url, linger=0.01)
    pump.start()
    assert pump.flush(30.0)
    assert pump.close(30.0)
    jaeger.keep(receiver.taken)
    return jaeger


def report(store: SqliteStore, jaeger: Jaeger, **settings: Any) -> Any:
    query = JaegerQuery(jaeger.url)
    told = reconcile_spans(store.records(), query, **{"now": NOW, **settings})
    query.close()
    return told


def test_everything_delivered_is_there_once_and_nothing_else(store: SqliteStore, delivered: Jaeger) -> None:
    told = report(store, delivered)
    assert (told.records, told.spans, told.findings, told.repeated, told.exit_code) == (27, 27, (), 0, 0)


def _lose(spans: list[dict[str, Any]]) -> None:
    del spans[3]


def _rename(spans: list[dict[str, Any]]) -> None:
    spans[0]["operationName"] = "toolguard.evaluate mail.read"


def _hasten(spans: list[dict[str, Any]]) -> None:
    spans[5]["duration"] = 0


def _acquit(spans: list[dict[str, Any]]) -> None:
    tag = next(t for t in spans[0]["tags"] if t["key"] == "toolguard.decision.outcome")
    tag["value"] = "allowed"


def _rehash(spans: list[dict[str, Any]]) -> None:
    next(t for t in spans[1]["tags"] if t["key"] == "toolguard.audit.hash")["value"] = "0" * 64


def _detach(spans: list[dict[str, Any]]) -> None:
    spans[4]["references"] = []


def _slip_in(spans: list[dict[str, Any]]) -> None:
    spans.append({**spans[0], "spanID": "99" * 8})


def _slip_in_elsewhere(spans: list[dict[str, Any]]) -> None:
    spans.append({**spans[0], "traceID": "99" * 16, "spanID": "99" * 8})


@pytest.mark.parametrize(
    ("change", "codes", "exit_code"),
    [
        (_lose, ["missing"], 2),
        (_rename, ["differs"], 1),
        (_hasten, ["differs"], 1),
        (_acquit, ["differs"], 1),
        (_rehash, ["differs"], 1),
        (_detach, ["differs"], 1),
        (_slip_in, ["stranger"], 1),
        (_slip_in_elsewhere, ["stranger"], 1),
        (list.clear, ["missing"] * 27, 2),
    ],
)
def test_what_was_done_to_the_spans_is_found(
    store: SqliteStore,
    delivered: Jaeger,
    change: Callable[[list[dict[str, Any]]], None],
    codes: list[str],
    exit_code: int,
) -> None:
    change(delivered.spans)
    told = report(store, delivered)
    assert ([f.code for f in told.findings], told.exit_code) == (codes, exit_code)


def test_a_finding_names_the_record(store: SqliteStore, delivered: Jaeger) -> None:
    gone = delivered.spans.pop(0)
    (finding,) = report(store, delivered).findings
    record = next(store.records(log_id=finding.log_id, after=finding.seq - 1, limit=1))
    assert (finding.trace, finding.span) == (gone["traceID"], gone["spanID"])
    assert record.draft.kind is Kind.CALL_DECIDED


def test_the_applications_own_spans_are_no_strangers(store: SqliteStore, delivered: Jaeger) -> None:
    theirs = {**delivered.spans[0], "spanID": "99" * 8, "operationName": "chat", "_service": "agent"}
    theirs["tags"] = [{"key": "otel.scope.name", "type": "string", "value": "app"}]
    delivered.spans.append(theirs)
    assert report(store, delivered).exit_code == 0


def test_a_repeat_that_is_the_same_is_no_fault(store: SqliteStore, delivered: Jaeger) -> None:
    """At least once: the same span may stand there again."""
    delivered.spans += delivered.spans[:2]
    told = report(store, delivered)
    assert (told.repeated, told.exit_code) == (2, 0)


def test_what_is_young_is_not_expected_yet(store: SqliteStore, jaeger: Jaeger) -> None:
    told = report(store, jaeger, now=AT + 10)
    assert (told.young, told.findings) == (27, ())


def test_a_parked_span_is_no_gap_and_is_said(store: SqliteStore, receiver: Receiver, jaeger: Jaeger) -> None:
    receiver.always = reject(lambda span: span.name == "toolguard.approval.wait")
    pump = OtlpPump(store, receiver.url, linger=0.01)
    pump.start()
    assert pump.flush(30.0)
    assert pump.close(30.0)
    jaeger.keep({s.span_id: s for s in receiver.taken}.values())
    told = report(store, jaeger, grace=0.0, now=NOW + 60)
    assert (told.parked, told.findings, told.exit_code) == (1, (), 0)


def test_only_a_part_of_the_time_can_be_asked_for(store: SqliteStore, delivered: Jaeger) -> None:
    told = report(store, delivered, since=AT + 10, until=AT + 15)
    assert (told.records, told.findings) == (5, ())


def test_a_search_that_is_cut_off_is_asked_in_parts(
    store: SqliteStore, delivered: Jaeger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolguard.telemetry.reconcile._PAGE", 5)
    _slip_in_elsewhere(delivered.spans)
    assert [f.code for f in report(store, delivered).findings] == ["stranger"]


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"<html>"), (200, b'{"data": 3}'), (302, b"")])
def test_what_is_not_jaeger_is_said_to_be_none(store: SqliteStore, delivered: Jaeger, status: int, body: bytes) -> None:
    delivered.status, delivered.body = status, body
    with pytest.raises(ToolguardError, match="not Jaeger's query API"):
        report(store, delivered)


@pytest.mark.parametrize("url", ["http://jaeger.example.org:16686", "ftp://127.0.0.1", "http://me:secret@127.0.0.1:1"])
def test_an_address_that_would_leak_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JaegerQuery(url)
    assert "secret" not in str(caught.value)


def _command(store: SqliteStore, jaeger: Jaeger, *more: str) -> Any:
    return RUN.invoke(app, ["reconcile", "--store", f"sqlite:///{store._path}", "--jaeger", jaeger.url, *more])


def test_the_command_says_it_for_people_and_for_machines(store: SqliteStore, delivered: Jaeger) -> None:
    done = _command(store, delivered)
    assert (done.exit_code, "27 of 27 spans of 27 records are there as recorded" in done.output) == (0, True), (
        done.output
    )
    _lose(delivered.spans)
    _slip_in(delivered.spans)
    done = _command(store, delivered)
    assert done.exit_code == 1
    assert "the record has no span there" in done.output
    assert "no record stands behind this span" in done.output
    data = json.loads(_command(store, delivered, "--json").output)
    assert (data["ok"], sorted(f["code"] for f in data["findings"])) == (False, ["missing", "stranger"])


def test_the_command_ends_with_3_where_nothing_can_be_compared(store: SqliteStore, jaeger: Jaeger) -> None:
    url = jaeger.url
    jaeger.stop()
    store_url = f"sqlite:///{store._path}"
    for arguments in (["--jaeger", url], [], ["--jaeger", url, "--log", "x"], ["--jaeger", url, "--since", "soon"]):
        done = RUN.invoke(app, ["reconcile", "--store", store_url, *arguments])
        assert (done.exit_code, "toolguard: " in done.output) == (3, True), done.output
    jaeger.__init__()  # type: ignore[misc] # so that the fixture has something to stop
