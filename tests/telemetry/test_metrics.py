"""Audit records as metrics, through the real SDK: counts and times, and no name of anyone or anything."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from authority.ward import Ward, human
from telemetry.receiver import Receiver, refuse, reject
from telemetry.records import AT, life
from toolguard import Caller
from toolguard._core.steps import Change
from toolguard.authority import Answer, Authority, State
from toolguard.config import RandomIds
from toolguard.detection import DefaultDetector
from toolguard.errors import ApprovalError, StoreError, ToolFailedError
from toolguard.stores.memory import MemoryStore
from toolguard.telemetry import MetricsSink, OtlpPump, TracerSink
from toolguard.telemetry.metrics import INSTRUMENTS
from toolguard.testing import FakeClock, WordDetector
from toolguard.testing.desk import Desk


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


POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: measured, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  look: {risk: low, trusted_for: [PERSON]}
  fails: {risk: low}
"""


def look(name: str) -> str:
    """Look a patient up."""
    return f"{name} and Ada Byron were seen"


def fails(name: str) -> str:
    """Fail."""
    raise ValueError(name)


def test_calls_are_counted_and_timed_and_identifiers_by_type(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("toolguard")
    words = WordDetector({"Zebedee Quill": "PERSON", "Ada Byron": "PERSON", "4711-0815": "MRN"})
    desk = Desk(tmp_path, store="memory:")
    guard = desk.guard(tmp_path / "policy.yaml", detector=words, sinks=[MetricsSink(meter)])
    ana = Caller.of("ana", agent="discharge-agent", tenant="general")
    with guard.session(caller=ana) as session:
        session.call(look, {"name": "Zebedee Quill"})
        with pytest.raises(ToolFailedError):
            session.call(fails, {"name": "4711-0815"})
    found = measured(reader)
    assert found["toolguard.decisions"] == [({"outcome": "allowed", "effect": "allow", "risk": "low"}, 2)]
    assert [a for a, _ in found["toolguard.evaluate.duration"]] == [{"outcome": "allowed"}]
    assert 0 < found["toolguard.evaluate.duration"][0][1] < 10, "seconds"
    assert {a["outcome"] for a, _ in found["toolguard.execute.duration"]} == {"executed", "failed"}
    entities = {(a["type"], a["where"]): n for a, n in found["toolguard.phi.entities"]}
    assert entities == {("PERSON", "arguments"): 1, ("MRN", "arguments"): 1, ("PERSON", "result"): 2}
    assert found["toolguard.phi.masked"] == [({}, 2)]
    said = str([attributes for points in found.values() for attributes, _ in points])
    assert not any(word in said for word in ("look", "fails", "ana", "Quill", "4711"))


def test_what_waits_was_parked_or_dropped_is_observed() -> None:
    receiver = Receiver(refuse(503))
    clock = FakeClock(AT)
    store = MemoryStore(clock)
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("toolguard")
    pump = OtlpPump(store, receiver.url, sink="otlp:here", interval=0.02, linger=0.0)
    MetricsSink(meter, pump=pump)
    pump.emit(store.commit(Change(tenant="north", records=tuple(r.draft for r in life()[1:]))))
    assert not pump.flush(0.2)
    clock.advance(60)
    found = measured(reader)
    here = {"sink": "otlp:here"}
    assert found["toolguard.outbox.depth"] == [(here, 7)]
    assert found["toolguard.outbox.age"][0][1] == 60
    assert found["toolguard.spans.parked"] == found["toolguard.spans.dropped"] == [(here, 0)]
    receiver.always = reject(lambda span: span.name == "toolguard.approval.wait")
    assert pump.flush(30.0)
    found = measured(reader)
    assert (found["toolguard.outbox.depth"], found["toolguard.outbox.age"]) == ([(here, 0)], [(here, 0)])
    assert (found["toolguard.spans.parked"], found["toolguard.spans.dropped"]) == ([(here, 1)], [(here, 0)])
    pump.close()
    receiver.stop()


def test_a_store_that_fails_has_no_figure_and_breaks_no_reader(caplog: pytest.LogCaptureFixture) -> None:
    class Fails(MemoryStore):
        def heads(self):  # type: ignore[no-untyped-def] # as in the base
            raise StoreError("locked")

    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("toolguard")
    MetricsSink(meter, pump=OtlpPump(Fails(), "http://127.0.0.1:9"))
    assert "toolguard.outbox.depth" not in measured(reader)
    assert caplog.text == ""


def test_what_the_applications_provider_failed_on_is_counted_as_dropped() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("toolguard")
    tracer = TracerSink()
    MetricsSink(meter, tracer=tracer)
    tracer.failures = 3
    assert measured(reader)["toolguard.spans.dropped"] == [({"sink": "tracer"}, 3)]


# --- the dashboard and the rules speak of metrics that are there ----------------------------------------------

DOCS = Path(__file__).parents[2] / "docs" / "observability"


def prometheus_names() -> set[str]:
    """What a Prometheus has of our instruments, by the rules of its OTLP translation."""
    found = set()
    for name, said in INSTRUMENTS.items():
        plain = name.replace(".", "_") + ("_seconds" if said.unit == "s" else "")
        kinds = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
        found |= {plain + end for end in kinds[said.kind]}
    return found


def test_every_metric_of_the_dashboard_exists_and_every_instrument_is_shown() -> None:
    dashboard = json.loads((DOCS / "dashboard.json").read_text("utf-8"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    used = set(re.findall(r"toolguard_\w+", " ".join(shown)))
    assert used <= prometheus_names()
    families = {name.replace(".", "_") for name in INSTRUMENTS}
    assert {f for f in families if not any(u.startswith(f) for u in used)} == set()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_every_label_of_the_dashboard_and_the_rules_is_an_attribute() -> None:
    rules = (DOCS / "rules.yaml").read_text("utf-8")
    text = (DOCS / "dashboard.json").read_text("utf-8").replace('\\"', '"') + rules
    known = {label for said in INSTRUMENTS.values() for label in said.by} | {"le", "job", "instance"}
    grouped = {g.strip() for group in re.findall(r"\bby ?\(([^)]*)\)", text) for g in group.split(",")}
    matched = set(re.findall(r"[{,]\s*(\w+)\s*=~?", text))
    assert grouped | matched <= known


def test_every_metric_of_the_rules_exists() -> None:
    rules = yaml.safe_load((DOCS / "rules.yaml").read_text("utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert {"ToolguardSpansWait", "ToolguardSpanParked", "ToolguardSpanDropped"} <= {a["alert"] for a in alerts}
    for alert in alerts:
        assert set(re.findall(r"toolguard_\w+", alert["expr"])) <= prometheus_names()
        assert alert["annotations"]["summary"]
        assert alert["labels"]["severity"] in ("page", "ticket")
