"""Behind ``AnalyzerEngine`` the same is found as by the guard's own detector, also in text that is JSON."""

import json

import pytest

from toolguard.detection import DefaultDetector
from toolguard.ports import Origin
from toolguard_presidio import analyzer_engine

PATIENT = {
    "resourceType": "Patient",
    "id": "p-17",
    "name": [{"family": "Okonkwo-Lindqvist", "given": ["Adaeze"]}],
    "birthDate": "1961-04-09",
    "telecom": [{"system": "phone", "value": "+1 312 555 0143"}],
    "generalPractitioner": [{"display": "Dr. Tuan Le"}],
}
TEXTS = [
    json.dumps(PATIENT),
    json.dumps(PATIENT, indent=2),
    'Result: {"mrn": 40012345, "status": "final", "note": "seen by Maria Gonzalez"} (from cache)',
    json.dumps({"arguments": json.dumps({"patient_name": "Ravi Subramaniam", "limit": 10})}),
    "Maria Gonzalez, SSN 219-09-9999, was seen on March 3rd.",
    "nothing to see here",
]


@pytest.fixture(scope="module")
def engine():
    return analyzer_engine(profile="fast")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:24])
def test_the_engine_finds_what_the_detector_finds(engine, text):
    direct = DefaultDetector(profile="fast").session().inspect(text, origin=Origin.RESULT)
    through = engine.analyze(text, language="en")
    assert {(r.start, r.end, r.entity_type) for r in through} == {(f.start, f.end, f.type) for f in direct}


def test_codes_of_a_resource_stay_in_clear(engine):
    hidden = [(r.start, r.end) for r in engine.analyze(TEXTS[0], language="en")]
    for word in ("resourceType", "Patient", "telecom", "phone"):
        at = TEXTS[0].index(f'"{word}"')
        assert not any(start < at + len(word) and at < end for start, end in hidden), word
