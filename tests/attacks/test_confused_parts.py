"""Detectors, analysers, sinks and tools that fail or talk nonsense: nothing passes, nothing is shown."""

import logging
from dataclasses import replace

import pytest

from toolguard import BoundTool, Suspended
from toolguard._core.call import Tool
from toolguard._core.mask import Finding
from toolguard.errors import (
    BadArgumentsError,
    DeniedError,
    DetectionError,
    ResultWithheldError,
    ToolFailedError,
    ToolguardError,
)
from toolguard.testing import NoDetector, WordDetector

ADA = "Ada Byron"
ODD = [RuntimeError, RecursionError, MemoryError, StopIteration, StopAsyncIteration, KeyError, UnicodeError, TypeError]


def tool(name, invoke):
    return BoundTool(tool=Tool.describe(name, source="app"), invoke=invoke)


class Says(NoDetector):
    """A detector that says what it was made with, of whatever it is asked."""

    def __init__(self, answer):
        self.answer = answer

    def inspect(self, value, *, origin, schema=None):
        if isinstance(self.answer, type) and issubclass(self.answer, BaseException):
            raise self.answer(ADA)
        return self.answer() if callable(self.answer) else self.answer


F = Finding
NONSENSE = {
    "beyond the end": (F(start=0, end=99, type="PERSON"),),
    "before the start": (F(start=-3, end=2, type="PERSON"),),
    "backwards": (F(start=5, end=2, type="PERSON"),),
    "empty": (F(start=2, end=2, type="PERSON"),),
    "no such key": (F(path=("Ada",), start=0, end=3, type="PERSON"),),
    "no such index": (F(path=(7,), start=0, end=3, type="PERSON"),),
    "a key of a text": (F(path=("Ada",), start=0, end=3, type="PERSON", key=True),),
    "a type with blanks": (F(start=0, end=3, type="Ada Byron"),),
    "a type in lower case": (F(start=0, end=3, type="person"),),
    "a type with a bracket": (F(start=0, end=3, type="A>"),),
    "a type with a number part": (F(start=0, end=3, type="PERSON_1"),),
    "the type that goes everywhere": (F(start=0, end=3, type="LITERAL"),),
    "no type": (F(start=0, end=3, type=""),),
    "text for a number": (F(start="0", end=3, type="PERSON"),),
    "a float": (F(start=0.5, end=3, type="PERSON"),),
    "no findings": ("PERSON",),
    "None": None,
    "a number": 7,
    "an endless answer that fails": lambda: (1 / 0 for _ in range(3)),
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_what_a_confused_detector_says_stops_everything(desk, policy, ana, drive, said):
    ran = []
    with desk.guard(policy, detector=Says(said)).session(caller=ana) as session:
        for attempt in (("mask", ADA), ("call", tool("send", ran.append), {"body": ADA})):
            with pytest.raises(DetectionError) as refused:
                drive(session, *attempt)
            assert ADA not in str(refused.value)
            assert "Ada" not in repr(refused.value.__context__)
    assert ran == []


OVERLAPS = {
    "one inside the other": [(0, 9), (2, 4)],
    "half over": [(0, 5), (3, 9)],
    "backwards in order": [(4, 9), (0, 5)],
    "the same twice": [(0, 9), (0, 9)],
    "three": [(0, 9), (1, 2), (3, 4)],
}


@pytest.mark.parametrize("spans", OVERLAPS.values(), ids=OVERLAPS)
def test_findings_that_overlap_leave_nothing_of_the_value(desk, policy, ana, drive, spans):
    said = tuple(F(start=a, end=b, type="PERSON") for a, b in spans)
    with desk.guard(policy, detector=Says(said)).session(caller=ana) as session:
        assert drive(session, "mask", ADA) == "<PERSON_1>"


@pytest.mark.parametrize("raised", ODD)
def test_a_detector_that_raises_anything_stops_everything(desk, policy, ana, drive, raised):
    ran = []
    with desk.guard(policy, detector=Says(raised)).session(caller=ana) as session:
        with pytest.raises(DetectionError):
            drive(session, "mask", ADA)
        with pytest.raises(DetectionError):
            drive(session, "call", tool("send", ran.append), {})
    assert ran == []
    assert [r.draft.kind.value for r in desk.store.records()][-1] == "call.decided"


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_inside_a_part_passes_through_and_nothing_runs(desk, policy, ana, raised):
    ran = []
    with desk.guard(policy, detector=Says(raised)).session(caller=ana) as session, pytest.raises(raised):
        session.call(tool("send", ran.append), {})
    assert ran == []


# --- values that are no JSON ----------------------------------------------------------------------------


class Model:
    def __iter__(self):
        return iter([("name", ADA)])


HIDDEN = {
    "bytes": lambda: ADA.encode(),
    "a set": lambda: {ADA},
    "an object that can be walked": Model,
    "an iterator": lambda: iter([ADA]),
    "an object": object,
    "inside a list": lambda: [{"a": (ADA.encode(),)}],
    "a key that is no text": lambda: {(ADA,): 1},
    "bytes as key": lambda: {ADA.encode(): 1},
}


@pytest.mark.parametrize("make", HIDDEN.values(), ids=HIDDEN)
def test_what_cannot_be_looked_into_is_never_handed_on(desk, policy, ana, drive, make):
    with desk.guard(policy, detector=WordDetector({ADA: "PERSON"})).session(caller=ana) as session:
        with pytest.raises(DetectionError) as refused:
            drive(session, "mask", make())
    assert "Ada" not in str(refused.value)


def test_a_pydantic_model_is_not_taken_for_masked(desk, policy, ana, drive):
    from pydantic import BaseModel

    class Message(BaseModel):
        content: str

    with desk.guard(policy, detector=WordDetector({ADA: "PERSON"})).session(caller=ana) as session:
        with pytest.raises(DetectionError):
            drive(session, "mask", Message(content=ADA))


# --- analysers, schemas, sinks --------------------------------------------------------------------------


@pytest.mark.parametrize("raised", ODD)
def test_an_analyser_that_raises_anything_denies(desk, policy, ana, drive, calm, raised):
    ran = []

    def broken(data):
        raise raised(ADA)

    calm.analyse = broken
    with desk.guard(policy, analyser=calm).session(caller=ana) as session, pytest.raises(DeniedError) as refused:
        drive(session, "call", tool("send", ran.append), {})
    assert refused.value.code == "internal_error"
    assert ADA not in str(refused.value)
    assert ran == []


@pytest.mark.parametrize("answer", [None, (), (1, 2, 3), 7])
def test_an_analyser_that_talks_nonsense_denies(desk, policy, ana, drive, calm, answer):
    ran = []
    calm.analyse = lambda data: answer
    with desk.guard(policy, analyser=calm).session(caller=ana) as session, pytest.raises(DeniedError):
        drive(session, "call", tool("send", ran.append), {})
    assert ran == []


@pytest.mark.parametrize("raised", ODD)
def test_a_schema_that_raises_anything_refuses(desk, policy, ana, drive, raised):
    ran = []

    def validate(data):
        raise raised(ADA)

    bound = BoundTool(tool=Tool.describe("send", source="app"), invoke=ran.append, validate=validate)
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(BadArgumentsError) as refused:
        drive(session, "call", bound, {})
    assert ADA not in str(refused.value)
    assert ran == []


@pytest.mark.parametrize("raised", ODD)
def test_a_sink_that_raises_decides_nothing(desk, policy, ana, drive, caplog, raised):
    ran = []

    class Sink:
        def emit(self, records):
            raise raised(ADA)

    guard = desk.guard(policy)
    guard.parts = replace(guard.parts, sink=Sink())
    with guard.session(caller=ana) as session, caplog.at_level(logging.DEBUG):
        drive(session, "call", tool("send", lambda passed: ran.append(1) or "ok"), {})
        with pytest.raises(Suspended):
            drive(session, "call", tool("export", ran.append), {}, call_id="c")
    assert ran == [1]
    assert ADA not in caplog.text


@pytest.mark.parametrize("raised", [*ODD, ToolguardError, DeniedError, ResultWithheldError])
def test_a_tool_that_raises_anything_failed_and_its_message_is_masked(desk, policy, ana, drive, raised):
    def invoke(passed):
        raise raised(f"about {ADA}")

    guard = desk.guard(policy, detector=WordDetector({ADA: "PERSON"}))
    with guard.session(caller=ana) as session, pytest.raises(ToolFailedError) as failed:
        drive(session, "call", tool("send", invoke), {})
    assert ADA not in str(failed.value)
    assert ADA not in failed.value.model_text
    assert [r.draft.kind.value for r in desk.store.records()][-1] == "call.failed"


def test_a_tool_that_raises_an_error_it_made_up_names_nobody(desk, policy, ana, drive):
    def invoke(passed):
        raise type(f"No {ADA}", (Exception,), {"__str__": lambda self: ADA})

    class Hostile(Exception):
        def __str__(self):
            raise KeyError(ADA)

    def hostile(passed):
        raise Hostile

    with desk.guard(policy, detector=WordDetector({ADA: "PERSON"})).session(caller=ana) as session:
        for bad in (invoke, hostile):
            with pytest.raises(ToolFailedError) as failed:
                drive(session, "call", tool("send", bad), {})
            assert ADA not in str(failed.value)
    assert ADA not in repr(list(desk.store.records()))
