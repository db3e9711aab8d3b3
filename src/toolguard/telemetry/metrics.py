"""Audit records as OpenTelemetry metrics: what is decided, how long it and people take, and what waits to be shown.

`INSTRUMENTS` lists them all (meter ``toolguard``). They hold no name of a person, tool or patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation, get_meter

from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.call import Json
from toolguard.telemetry.otlp import OtlpPump
from toolguard.telemetry.tracer import TracerSink

__all__ = ["IMPLAUSIBLE", "INSTRUMENTS", "Instrument", "MetricsSink", "observe_kept"]

IMPLAUSIBLE = 1.0
"""Seconds in which nobody has read a request."""

_QUICK = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
_PATIENT = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0, 72 * 3600.0)


class Instrument(NamedTuple):
    """``kind``: counter, histogram (seconds, with its ``buckets``) or gauge. ``by``: its attributes."""

    kind: str
    description: str
    by: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()


INSTRUMENTS: Mapping[str, Instrument] = {
    "toolguard.decisions": Instrument(
        "counter", "Calls the policy was asked about.", ("outcome", "effect", "risk"), "{call}"
    ),
    "toolguard.evaluate.duration": Instrument(
        "histogram", "What the guard adds: from a call's start to its decision.", ("outcome",), "s", _QUICK
    ),
    "toolguard.executions": Instrument("counter", "Ends of guarded calls.", ("outcome",), "{call}"),
    "toolguard.execute.duration": Instrument("histogram", "How long tools ran.", ("outcome",), "s", _QUICK),
    "toolguard.phi.entities": Instrument(
        "counter", "Identifiers found in arguments and results.", ("type", "where"), "{entity}"
    ),
    "toolguard.phi.masked": Instrument("counter", "Identifiers the model wrote that became tokens.", unit="{entity}"),
    "toolguard.verdicts": Instrument("counter", "Answers people gave.", ("answer",), "{verdict}"),
    "toolguard.verdicts.refused": Instrument("counter", "Answers that were not taken.", ("reason",), "{verdict}"),
    "toolguard.verdicts.implausible": Instrument("counter", "Answers within a second.", ("answer",), "{verdict}"),
    "toolguard.verdict.time": Instrument("histogram", "From request to answer.", ("answer",), "s", _PATIENT),
    "toolguard.approval.wait": Instrument("histogram", "From request to its end.", ("outcome",), "s", _PATIENT),
    "toolguard.outbox.depth": Instrument("gauge", "Records that wait to be delivered as spans.", ("sink",), "{record}"),
    "toolguard.outbox.age": Instrument("gauge", "Age of the oldest record that waits.", ("sink",), "s"),
    "toolguard.spans.parked": Instrument(
        "counter", "Records the receiver refuses while it takes others.", ("sink",), "{record}"
    ),
    "toolguard.spans.dropped": Instrument(
        "counter",
        "Records that were never shown: 0 over OTLP; what the application's provider failed on.",
        ("sink",),
        "{record}",
    ),
    "toolguard.journal.kept": Instrument(
        "gauge",
        "Records old enough to leave the store that unfinished calls or legal holds keep there.",
        unit="{record}",
    ),
}


def observe_kept(read: Callable[[], int | None], meter: Meter | None = None) -> None:
    """Show how many records the last pruning had to leave; ``read`` gives None before the first."""
    said = INSTRUMENTS["toolguard.journal.kept"]

    def look(_: CallbackOptions) -> Iterable[Observation]:
        count = read()
        return [] if count is None else [Observation(count)]

    made = meter or get_meter("toolguard")
    made.create_observable_gauge("toolguard.journal.kept", [look], unit=said.unit, description=said.description)


class MetricsSink:
    """A `toolguard.ports.Sink`. ``meter`` is the application's own by default; without a provider it costs nothing.

    ``pump`` and ``tracer`` are where spans go: what waits there, was parked or dropped is observed, too.
    """

    def __init__(
        self, meter: Meter | None = None, *, pump: OtlpPump | None = None, tracer: TracerSink | None = None
    ) -> None:
        self._meter = meter or get_meter("toolguard")
        self._pump, self._tracer = pump, tracer
        self._decisions = self._counter("toolguard.decisions")
        self._evaluate = self._histogram("toolguard.evaluate.duration")
        self._executions = self._counter("toolguard.executions")
        self._execute = self._histogram("toolguard.execute.duration")
        self._entities = self._counter("toolguard.phi.entities")
        self._masked = self._counter("toolguard.phi.masked")
        self._verdicts = self._counter("toolguard.verdicts")
        self._refused = self._counter("toolguard.verdicts.refused")
        self._fast = self._counter("toolguard.verdicts.implausible")
        self._time = self._histogram("toolguard.verdict.time")
        self._wait = self._histogram("toolguard.approval.wait")
        if pump is not None:
            self._observe("toolguard.outbox.depth", lambda: pump.backlog().records)
            self._observe("toolguard.outbox.age", lambda: pump.backlog().age)
            self._observe("toolguard.spans.parked", lambda: len(pump.parked))
        if pump is not None or tracer is not None:
            self._observe("toolguard.spans.dropped", lambda: 0 if tracer is None else tracer.failures)

    def _counter(self, name: str) -> Counter:
        said = INSTRUMENTS[name]
        return self._meter.create_counter(name, unit=said.unit, description=said.description)

    def _histogram(self, name: str) -> Histogram:
        said = INSTRUMENTS[name]
        return self._meter.create_histogram(
            name, unit=said.unit, description=said.description, explicit_bucket_boundaries_advisory=said.buckets
        )

    def _observe(self, name: str, read: Callable[[], float]) -> None:
        said = INSTRUMENTS[name]
        sink = {"sink": "tracer" if self._pump is None else self._pump.sink}

        def look(_: CallbackOptions) -> Iterable[Observation]:
            try:
                return [Observation(read(), sink)]
            except Exception:  # noqa: BLE001 - a store that cannot be read has no figure; it says so itself elsewhere
                return []

        make = self._meter.create_observable_gauge if said.kind == "gauge" else self._meter.create_observable_counter
        make(name, [look], unit=said.unit, description=said.description)

    def emit(self, records: Sequence[AuditRecord]) -> None:
        for record in records:
            draft = record.draft
            body = draft.body
            outcome = {"outcome": _word(body, "toolguard.decision.outcome")}
            took = max(0.0, draft.at - draft.started)
            if draft.kind is Kind.CALL_DECIDED:
                level = _word(body, "toolguard.risk.level")
                self._decisions.add(1, {**outcome, "effect": _word(body, "toolguard.decision.effect"), "risk": level})
                self._evaluate.record(took, outcome)
                self._found(body, "arguments")
                self._masked.add(int(_number(body, "toolguard.phi.masked")))
            elif draft.kind in (Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE):
                self._executions.add(1, outcome)
                self._execute.record(took, outcome)
                self._found(body, "result")
            elif draft.kind is Kind.APPROVAL_VERDICT:
                self._answered(body)
            elif draft.kind is Kind.APPROVAL_REFUSED:
                self._refused.add(1, {"reason": _word(body, "toolguard.decision.reason_code")})
            elif draft.kind is Kind.APPROVAL_RESOLVED:
                self._wait.record(_number(body, "toolguard.approval.wait_s"), outcome)

    def _found(self, body: Mapping[str, Json], where: str) -> None:
        entities = body.get("toolguard.phi.entities")
        for entity in entities if isinstance(entities, list | tuple) else ():
            kind, _, count = str(entity).rpartition(":")
            self._entities.add(int(count) if count.isdecimal() else 0, {"type": kind, "where": where})

    def _answered(self, body: Mapping[str, Json]) -> None:
        answer = {"answer": _word(body, "toolguard.decision.reason_code")}
        seconds = _number(body, "toolguard.approval.wait_s")
        self._verdicts.add(1, answer)
        self._time.record(seconds, answer)
        if seconds < IMPLAUSIBLE:
            self._fast.add(1, answer)


def _word(body: Mapping[str, Json], name: str) -> str:
    value = body.get(name, "")
    return value if isinstance(value, str) else ""


def _number(body: Mapping[str, Json], name: str) -> float:
    value = body.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
