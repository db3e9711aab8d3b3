"""Identifiers go through every path and are found afterwards nowhere in clear but where they belong."""

import logging
import random

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from toolguard import Suspended
from toolguard.errors import ToolguardError
from toolguard.telemetry import TracerSink
from toolguard.testing import WordDetector

SYLLABLES = ["bra", "vel", "zor", "min", "tash", "quel", "ori", "hund", "pell", "ska"]


@pytest.fixture(params=range(3))
def canaries(request):
    """A name, an SSN and an MRN that occur nowhere else."""
    rng = random.Random(request.param)
    name = " ".join("".join(rng.choices(SYLLABLES, k=3)).title() for _ in range(2))
    ssn = f"{rng.randint(900, 999)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"
    mrn = f"MRN{rng.randint(10**8, 10**9)}"
    return {name: "PERSON", ssn: "SSN", mrn: "MRN"}


def test_i7_no_identifier_in_journal_spans_logs_database_or_error_text(desk, policy, ana, drive, canaries, caplog):
    caplog.set_level(logging.DEBUG)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    errors = []
    text = " / ".join(canaries)
    got = []

    def lookup(name: str) -> dict:
        """A trusted look-up: returns everything."""
        got.append(name)
        return {"patient": text, text: 1, "nested": [{"note": f"seen: {text}"}]}

    def send(to: str, body: str) -> str:
        """An untrusted tool that echoes."""
        return f"{to} {body} {text}"

    def fails() -> str:
        """Fails with identifiers in its message."""
        raise RuntimeError(text)

    def export(path: str) -> str:
        """Asks a person; identifiers in the path."""
        return text

    guard = desk.guard(policy, detector=WordDetector(canaries), sinks=[TracerSink(provider)])
    shown = []

    def attempt(verb, *args, **kwargs):
        try:
            shown.append(repr(drive(session, verb, *args, **kwargs)))
        except ToolguardError as error:
            errors.append(f"{error} {error!r} {error.args} {error.model_text} {error.__cause__}")
            if isinstance(error, Suspended):
                errors.append(str(error.to_dict()))
                return error.approval_id
        return None

    with guard.session(caller=ana, run="run-1") as session:
        attempt("mask", [{"role": "user", "content": f"about {text}"}])
        attempt("call", lookup, {"name": "<PERSON_1>"})
        attempt("call", lookup, {"name": text})
        attempt("call", send, {"to": text, "body": text}, reason=f"because of {text}")
        attempt("call", fails, {})
        attempt("call", lookup, {"name": [text]})
        attempt("call", lookup, {text: 1})
        waiting = attempt("call", export, {"path": text}, call_id=text, reason=text)
        desk.approve(waiting)
        attempt("call", export, {"path": text}, call_id=text)
        attempt("call", export, {"path": text + "x"}, call_id=text)
    provider.shutdown()

    name = next(iter(canaries))
    assert name in " ".join(got), "the trusted tool must have got the clear value, or this test shows nothing"
    places = {
        "shown to the model": "\n".join(shown),
        "errors": "\n".join(errors),
        "logs": caplog.text,
        "journal": "\n".join(repr(r) for r in desk.store.records()),
        "spans": "\n".join(span.to_json() for span in exporter.get_finished_spans()),
    }
    for file in desk.folder.glob("toolguard.db*"):
        places[file.name] = file.read_bytes().decode("latin-1")
    assert exporter.get_finished_spans()
    found = {(place, canary) for place, content in places.items() for canary in canaries if canary in content}
    assert found == set()
