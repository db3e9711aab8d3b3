"""Audit records as metrics, through the real SDK: counts and times, and no name of anyone or anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from authority.ward import Ward, human
from toolguard.authority import Answer, Authority, State
from toolguard.config import RandomIds
from toolguard.detection import DefaultDetector
from toolguard.errors import ApprovalError
from toolguard.telemetry import MetricsSink


def measured(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, str], float]]]:
    data = json.loads(reader.get_metrics_data().to_json())
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for metric in data["resource_metrics"][0]["scope_metrics"][0]["metrics"]:
        points = metric["data"]["data_points"]
        found[metric["name"]] = [(p["attributes"], p.get("value", p.get("sum"))) for p in points]
    return found


def test_answers_are_counted_and_timed(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("toolguard")
    ward.authority = Authority(
        ward.store,
        ward.directory,
        ward.signer,
        RandomIds(),
        verifier=ward.verifier,
        detector=DefaultDetector(),
        sink=MetricsSink(meter),
    )
    ward.decide(human("ada"), ward.ask())
    slow = ward.ask()
    ward.time.at += 90.0
    ward.decide(human("grace"), slow, Answer.DENY)
    with pytest.raises(ApprovalError):
        ward.decide(human("ruiz"), ward.ask())
    found = measured(reader)
    assert sorted((a["answer"], n) for a, n in found["toolguard.verdicts"]) == [("approve", 1), ("deny", 1)]
    assert found["toolguard.verdicts.implausible"] == [({"answer": "approve"}, 1)]
    assert found["toolguard.verdicts.refused"] == [({"reason": "self_approval"}, 1)]
    assert sorted((a["answer"], t) for a, t in found["toolguard.verdict.time"]) == [("approve", 0.0), ("deny", 90.0)]
    assert {a["outcome"] for a, _ in found["toolguard.approval.wait"]} == {"approved", "denied"}
    assert not any(name in str(found) for name in ("ada", "grace", "ruiz", "send_email"))
    ward.store.close()


class Broken:
    """A sink that fails."""

    def emit(self, records: object) -> None:
        raise RuntimeError("no metrics today")


def test_a_sink_that_fails_takes_no_answer_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ward = Ward(tmp_path)
    ward.authority = Authority(
        ward.store,
        ward.directory,
        ward.signer,
        RandomIds(),
        verifier=ward.verifier,
        detector=DefaultDetector(),
        sink=Broken(),
    )
    assert ward.decide(human("ada"), ward.ask()).state is State.APPROVED
    assert "a sink could not take records: RuntimeError" in caplog.text
    assert "no metrics today" not in caplog.text
    ward.store.close()
