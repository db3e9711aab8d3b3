"""Our recognizers behind Presidio, and Presidio's registry in the guard."""

from __future__ import annotations

import socket
from typing import Literal

import pytest
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.predefined_recognizers import EmailRecognizer

from toolguard.detection import DefaultDetector, Shape, TextPipeline, tagger_of
from toolguard.errors import ConfigError, DetectionError
from toolguard.ports import Detector, Origin
from toolguard_presidio import PlainNlpEngine, PresidioDetector, analyzer_engine

TEXTS = [
    "Pt Maria Gonzalez, MRN: 00293841, DOB 4/2/1990, call 555-201-3344 or maria.g@example.org.",
    "Seen by Dr. Jürgen Dubois at Alderfield Regional Hospital on 12 April 2023, SSN 123‑45‑6789.",
    "Parkinson's disease; metformin 500 mg BID; BP 120/80.",
    "Lives at 3226 Orchid Crescent, Fernborough, VT 05401; a 96-year-old; IP 192.0.2.218.",
    "",
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("detection reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("text", TEXTS)
def test_through_presidio_and_directly_the_findings_are_the_same(text: str) -> None:
    through = {(r.entity_type, r.start, r.end) for r in analyzer_engine().analyze(text, language="en")}
    assert through == {(s.type, s.start, s.end) for s in TextPipeline().spans(text)}


@pytest.mark.parametrize("text", TEXTS[:4])
def test_the_guard_sees_the_same_in_compatibility_mode(text: str) -> None:
    presidio: Detector = PresidioDetector(analyzer_engine())
    ours = DefaultDetector().session().inspect({"note": text}, origin=Origin.RESULT)
    theirs = presidio.session().inspect({"note": text}, origin=Origin.RESULT)
    assert [(f.path, f.start, f.end, f.type) for f in theirs] == [(f.path, f.start, f.end, f.type) for f in ours]


def test_a_users_recognizer_runs_beside_ours_and_its_context_words_count() -> None:
    badge = PatternRecognizer(
        supported_entity="BADGE", patterns=[Pattern("badge", r"\bZQ\d{3}\b", 0.3)], context=["badge"]
    )
    engine = analyzer_engine(recognizers=[badge])
    plain = {r.entity_type: r.score for r in engine.analyze("see ZQ123", language="en")}
    in_context = {r.entity_type: r.score for r in engine.analyze("her badge is ZQ123", language="en")}
    assert plain["BADGE"] == pytest.approx(0.3)
    assert in_context["BADGE"] > 0.3


def test_a_users_whole_registry_runs_in_the_guard_without_network() -> None:
    registry = RecognizerRegistry(recognizers=[EmailRecognizer()], supported_languages=["en"])
    engine = AnalyzerEngine(registry=registry, nlp_engine=PlainNlpEngine(), supported_languages=["en"])
    session = PresidioDetector(engine).session()
    findings = session.inspect({"note": "write to anna@example.org", "patient_name": "Zo Quill"}, origin=Origin.RESULT)
    assert [(f.type, f.source) for f in findings] == [("EMAIL", "presidio"), ("PERSON", "field")]


def test_only_the_entities_asked_for_are_returned() -> None:
    results = analyzer_engine().analyze(TEXTS[0], language="en", entities=["MRN"])
    assert [r.entity_type for r in results] == ["MRN"]


def test_deny_and_allow_lists_hold_behind_presidio() -> None:
    engine = analyzer_engine(allow=["Maria Gonzalez"], deny={"project heron": "PROJECT"})
    types = {r.entity_type for r in engine.analyze("Maria Gonzalez leads Project Heron", language="en")}
    assert types == {"PROJECT"}


def test_an_engine_that_fails_withholds_the_value() -> None:
    engine = analyzer_engine()
    with pytest.raises(DetectionError):
        PresidioDetector(engine, language="xx").session().inspect("John Smith", origin=Origin.USER)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("profile", ["fast", "accurate"])
def test_a_profile_finds_the_same_on_both_paths(profile: Literal["fast", "accurate"], text: str) -> None:
    through = {(r.entity_type, r.start, r.end) for r in analyzer_engine(profile=profile).analyze(text, language="en")}
    direct = TextPipeline(tagger=tagger_of(None, profile)).spans(text)
    assert through == {(s.type, s.start, s.end) for s in direct}


def test_a_request_may_bring_its_own_allow_and_deny_lists() -> None:
    engine = analyzer_engine()
    text = "Maria Gonzalez asked about Project Heron"
    project = PatternRecognizer(supported_entity="PROJECT", deny_list=["Project Heron"])
    results = engine.analyze(text, language="en", allow_list=["Maria Gonzalez"], ad_hoc_recognizers=[project])
    assert {r.entity_type for r in results} == {"PROJECT"}
    assert {r.entity_type for r in engine.analyze(text, language="en")} == {"PERSON"}


WARD = Shape(name="ward", type="WARD_KEY", pattern=r"\bWK\d{3}\b", labels=("key",))


def test_a_tenants_shapes_are_entities_of_the_engine() -> None:
    engine = analyzer_engine(shapes=[WARD], deny={"Heron": "PROJECT"})
    assert {"WARD_KEY", "PROJECT"} <= set(engine.get_supported_entities("en"))
    results = engine.analyze("her key WK204, Heron", language="en", entities=["WARD_KEY"])
    assert [r.entity_type for r in results] == ["WARD_KEY"]


def test_in_compatibility_mode_the_guards_own_lists_count_too() -> None:
    detector = PresidioDetector(
        analyzer_engine(), shapes=[WARD], deny={"Heron": "PROJECT"}, allow=["Maria Gonzalez"], fields={"nick": "PERSON"}
    )
    value = {"note": "Maria Gonzalez has key WK204", "status": "heron", "nick": "the usual"}
    findings = detector.session().inspect(value, origin=Origin.RESULT)
    assert [(f.type, f.path) for f in findings] == [
        ("PERSON", ("nick",)),
        ("WARD_KEY", ("note",)),
        ("PROJECT", ("status",)),
    ]


def test_a_pattern_that_might_be_slow_is_refused_here_too() -> None:
    with pytest.raises(ConfigError, match="position 1"):
        analyzer_engine(shapes=[Shape(name="x", type="X", pattern="(?<=a)b")])


def test_a_long_text_is_read_in_windows_within_the_budget() -> None:
    session = PresidioDetector(analyzer_engine(), time_budget=0.2).session()
    with pytest.raises(DetectionError, match="ran out of time"):
        session.inspect("Pt John Smith, MRN: 778123. " * 40_000, origin=Origin.RESULT)
