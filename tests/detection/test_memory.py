"""What a session learns, from whom, and what nobody can make it learn (T10)."""

from __future__ import annotations

import threading
import time

import pytest

from detection.marked import shown
from toolguard.detection import DefaultDetector, Session, TextPipeline
from toolguard.detection.propagate import MAX_TERMS, KnownTerms
from toolguard.errors import DetectionError
from toolguard.ports import Origin, Term

LATER = "zorvath quillmere; QUILLMERE; chart K-77-8123 and K778123"
RECORD = {"patient_name": "Zorvath Quillmere", "mrn": "K-77-8123"}


def test_a_trusted_record_is_known_in_any_later_text_by_alias() -> None:
    session = DefaultDetector().session()
    session.inspect(RECORD, origin=Origin.TRUSTED)
    assert [t for _, t in shown(LATER, session.inspect(LATER, origin=Origin.MODEL))] == [
        "zorvath quillmere",
        "QUILLMERE",
        "K-77-8123",
        "K778123",
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"m": 48213377}, True),
        ({"rows": [[1, 48213377]]}, True),
        ({"total": -48213377}, True),
        ('{"n": "x", "m": 48213377}', True),
        (48213377, True),
        ({"m": 48213378}, False),
        ({"m": 482133770}, False),
        ({"m": 48213377.5}, False),
        ({"m": 12345}, False),
    ],
)
def test_a_known_number_is_found_under_any_name(value: object, found: bool) -> None:
    session = DefaultDetector().session()
    session.inspect("MRN 48213377, and MRN 12345.", origin=Origin.USER)
    assert bool(session.inspect(value, origin=Origin.RESULT)) is found
    assert DefaultDetector().session().inspect(value, origin=Origin.RESULT) == ()


@pytest.mark.parametrize("origin", [Origin.RESULT, Origin.MODEL, Origin.SYSTEM])
def test_untrusted_sources_teach_nothing(origin: Origin) -> None:
    session = DefaultDetector().session()
    session.inspect(RECORD, origin=origin)
    session.inspect("The patient, Zorvath Quillmere, was seen.", origin=origin)
    assert "quillmere" not in [
        t for _, t in shown("ask quillmere", session.inspect("ask quillmere", origin=Origin.MODEL))
    ]


def test_free_text_of_a_trusted_source_teaches_nothing() -> None:
    session = DefaultDetector().session()
    session.inspect({"note": "The patient, Zorvath Quillmere, was seen."}, origin=Origin.TRUSTED)
    assert session.inspect("ask quillmere", origin=Origin.MODEL) == ()


def test_what_the_user_typed_is_learned() -> None:
    session = DefaultDetector().session()
    session.inspect("My patient is Zorvath Quillmere.", origin=Origin.USER)
    assert shown("ask quillmere", session.inspect("ask quillmere", origin=Origin.RESULT)) == [("PERSON", "quillmere")]


@pytest.mark.parametrize(
    ("type", "value"),
    [("PERSON", "not"), ("PERSON", "10 mg"), ("PERSON", "the"), ("PERSON", "Metformin"), ("PERSON", "not a dose"), ("MRN", "10 mg"), ("MRN", "2021"),
     ("MRN", "500mg"), ("ID", "12"), ("PHONE", "120"), ("FACILITY", "clinic"), ("LOCATION", "Home"), ("DATE", "2021-01-01"), ("AGE", "92"), ("PERSON", "")],
)  # fmt: skip
def test_a_common_word_or_quantity_cannot_be_declared_an_identifier(type: str, value: str) -> None:
    assert KnownTerms().add(type, value) is False
    session = DefaultDetector().session()
    session.learn([Term(type=type, value=value)])
    text = "do not give the 10 mg dose of metformin 500mg at home or clinic 120 12"
    assert session.inspect(text, origin=Origin.MODEL) == ()


def test_a_name_that_is_a_word_needs_its_capital() -> None:
    session = DefaultDetector().session()
    session.learn([Term(type="PERSON", value="Grace Young")])
    text = "grace period for young adults; Young improved"
    assert shown(text, session.inspect(text, origin=Origin.MODEL)) == [("PERSON", "Young")]


def test_the_number_of_terms_is_capped() -> None:
    terms = KnownTerms(limit=3)
    assert [terms.add("MRN", f"A-10{i}-99{i}7") for i in range(5)] == [True, True, True, False, False]
    assert MAX_TERMS > 1000


def test_history_sent_again_is_not_recognized_again_but_checked_for_new_terms() -> None:
    seen: list[str] = []
    pipeline = TextPipeline()

    def recognize(text: str, _check: object) -> list:  # type: ignore[type-arg]  # spans
        seen.append(text)
        return pipeline.spans(text)

    session = Session(recognize, pipeline.known)
    history = [f"turn {i}: ask quillmere about the dose" for i in range(20)]
    for end in range(1, 21):
        session.inspect(history[:end], origin=Origin.MODEL)
    assert len(seen) == 20
    session.learn([Term(type="PERSON", value="Zorvath Quillmere")])
    assert len(session.inspect(history, origin=Origin.MODEL)) == 20
    assert len(seen) == 20


def test_sessions_do_not_share_what_they_know() -> None:
    detector = DefaultDetector()
    detector.session().learn([Term(type="PERSON", value="Zorvath Quillmere")])
    assert detector.session().inspect("ask quillmere", origin=Origin.MODEL) == ()


def test_a_session_may_be_used_from_many_threads() -> None:
    session = DefaultDetector().session()
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(15):
            name = f"Quill{'abcdefgh'[number]}mere Zor{'abcdefghijklmno'[turn]}vath"
            session.learn([Term(type="PERSON", value=name)])
            text = f"ask {name.lower()}"
            if [t for _, t in shown(text, session.inspect(text, origin=Origin.MODEL))] != [name.lower()]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_no_time_left_withholds_the_value() -> None:
    session = DefaultDetector(time_budget=0.0).session()
    time.sleep(0.001)
    with pytest.raises(DetectionError):
        session.inspect("John Smith", origin=Origin.USER)


def test_the_cache_holds_no_text() -> None:
    session = DefaultDetector().session()
    session.inspect("Zorvath Quillmere, SSN 219-09-9999", origin=Origin.RESULT)
    held = repr(session._cache)
    assert "Quillmere" not in held
    assert "219-09" not in held
