"""The detector through its public face: what is found, what is left alone, what a session remembers."""

from __future__ import annotations

import pytest

from detection.marked import shown
from toolguard.detection import DefaultDetector
from toolguard.errors import DetectionError
from toolguard.ports import Detector, DetectorSession, Origin, Term


def found(value: object, origin: Origin = Origin.RESULT) -> list[tuple[str, str]]:
    return shown(value, DefaultDetector().session().inspect(value, origin=origin))


def test_the_detector_is_one_by_the_port() -> None:
    detector: Detector = DefaultDetector()
    session: DetectorSession = detector.session()
    assert detector.version.startswith("toolguard-rules/")
    assert session.inspect("nothing here", origin=Origin.MODEL) == ()


def test_a_tool_call_is_read_by_its_field_names() -> None:
    call = {
        "patient_name": "Mitchell Vaughan",
        "dob": "05/26/1999",
        "mrn": 41608329,
        "provider": "Dr. Franklin",
        "icd10": ["E11.9", "I10"],
        "priority": 2,
        "reason": "Elevated HbA1c 8.2%, eGFR 54, started metformin 500 mg BID",
    }
    assert found(call) == [
        ("DATE_OF_BIRTH", "05/26/1999"),
        ("MRN", "41608329"),
        ("PERSON", "Mitchell Vaughan"),
        ("PERSON", "Dr. Franklin"),
    ]


def test_an_error_inside_becomes_a_constant_detection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def tag(self, text: str) -> list[object]:
            raise RuntimeError(f"cannot read {text}")

    session = DefaultDetector(tagger=Broken()).session()  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(DetectionError) as caught:
        session.inspect("John Smith", origin=Origin.USER)
    assert "Smith" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_the_vault_restores_is_found_again() -> None:
    session = DefaultDetector().session()
    session.learn([Term(type="PERSON", value="Zorvath Quillmere")])
    assert shown("ask quillmere about it", session.inspect("ask quillmere about it", origin=Origin.MODEL)) == [
        ("PERSON", "quillmere")
    ]
