"""What ``[telemetry]`` sets up: sinks of a guard, and a service that delivers what others left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.process import configure, start, stop, wait_for
from server.visitors import Visitors, verdict
from telemetry.receiver import Receiver
from toolguard.config import load_config, shown
from toolguard.errors import ConfigError
from toolguard.stores.memory import MemoryStore
from toolguard.telemetry import CurrentSpan, MetricsSink, OtlpPump, TracerSink


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def test_the_service_delivers_its_own_records_and_those_of_guards_that_are_gone(
    tmp_path: Path, receiver: Receiver
) -> None:
    ward = configure(tmp_path)
    with (tmp_path / "toolguard.toml").open("a") as config:
        config.write(f'[telemetry]\nspans = "otlp"\nendpoint = "{receiver.url}"\nservice = "ward"\n')
    asked = ward.ask()
    process = start(tmp_path, "--port", "0", "--ready-file", str(tmp_path / "ready.json"))
    url = wait_for(process, tmp_path)
    reply = httpx.post(
        f"{url}/v1/approvals/{asked.id}/decision",
        json=verdict(asked),
        headers={**Visitors(ward).bearer("ada"), "If-Match": '"1"'},
        timeout=60,
    )
    assert reply.status_code == 200
    receiver.wait_for(2, timeout=30.0)
    assert {"toolguard.approval.decision", "toolguard.approval.wait"} <= {s.name for s in receiver.taken}
    said = stop(process)
    assert "Traceback" not in said
    assert "toolguard.approval.request" in {s.name for s in receiver.taken}, "asked by a process that shows nothing"
    assert set(receiver.ids.values()) == {1}
    assert b"ward" in receiver.requests[0][2]
    ward.store.close()


def section(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "toolguard.toml"
    file.write_text(f'[guard]\npolicy = "p.yaml"\n[store]\nurl = "memory:"\n[telemetry]\n{text}\n', "utf-8")
    return load_config(file)


@pytest.mark.parametrize(
    ("spans", "sinks", "traced"),
    [
        ("off", [MetricsSink], False),
        ("journal", [MetricsSink], True),
        ("tracer", [TracerSink, MetricsSink], True),
        ("otlp", [OtlpPump, MetricsSink], True),
    ],
)
def test_each_word_sets_up_what_it_says(tmp_path: Path, spans: str, sinks: list[type], traced: bool) -> None:
    where = shown(section(tmp_path, f'spans = "{spans}"'), MemoryStore())
    assert [type(s) for s in where.sinks] == sinks
    assert isinstance(where.tracing, CurrentSpan) == traced
    for close in where.closers:
        close()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('endpoint = "http://collector.example.org:4318"', "clear text"),
        ('headers = {authorization = "env:TG_NOT_SET"}', "authorization"),
        ('ca = "nothing.pem"', "certificates"),
        ('key = "nothing.pem"', "without its certificate"),
    ],
)
def test_what_cannot_work_is_said_before_anything_runs(
    tmp_path: Path, text: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TG_NOT_SET", raising=False)
    with pytest.raises(ConfigError, match=why):
        shown(section(tmp_path, f'spans = "otlp"\n{text}'), MemoryStore())


def test_a_header_is_in_no_repr_of_the_configuration(tmp_path: Path) -> None:
    assert "s3cret" not in repr(section(tmp_path, 'headers = {authorization = "s3cret"}'))
