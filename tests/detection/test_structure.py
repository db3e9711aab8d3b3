"""JSON: field names, FHIR elements, schemas, keys, numbers, and JSON inside strings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from detection.marked import shown
from toolguard._core.mask import apply_findings
from toolguard.detection import DefaultDetector
from toolguard.errors import DetectionError
from toolguard.ports import Origin

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "pat-77812",
    "meta": {
        "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"],
        "security": [{"code": "HTEST", "display": "test health data"}],
    },
    "identifier": [
        {
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "SS"}]},
            "system": "http://hl7.org/fhir/sid/us-ssn",
            "value": "572-01-6967",
        },
        {"system": "urn:oid:1.2.3", "value": "0420BBE1"},
    ],
    "name": [{"use": "official", "family": "Placeholt", "given": ["Cato", "May"]}],
    "gender": "female",
    "birthDate": "1963-05-30",
    "address": [
        {"line": ["3923 Dean Corners"], "city": "Tracychester", "state": "VA", "postalCode": "80876", "country": "US"}
    ],
    "telecom": [{"system": "phone", "value": "(693) 256-3272"}, {"system": "fax", "value": "693 256 3273"}],
    "photo": [{"contentType": "image/png", "data": "iVBORw0KGgoAAAANSUhEUg"}],
    "generalPractitioner": [{"reference": "Practitioner/9", "display": "Dr. Odalys Brim"}],
    "text": {"status": "generated", "div": "<div>Placeholt, seen for <b>gout</b></div>"},
}


def inspect(value: Any, schema: Any = None, origin: Origin = Origin.RESULT, **options: Any) -> list[tuple[str, str]]:
    return shown(value, DefaultDetector(**options).session().inspect(value, origin=origin, schema=schema))


def test_a_fhir_patient_is_read_by_element() -> None:
    found = set(inspect(PATIENT))
    assert found == {
        ("FHIR_ID", "pat-77812"), ("SSN", "572-01-6967"), ("MRN", "0420BBE1"), ("PERSON", "Placeholt"), ("PERSON", "Cato"), ("PERSON", "May"),
        ("DATE_OF_BIRTH", "1963-05-30"), ("ADDRESS", "3923 Dean Corners"), ("LOCATION", "Tracychester"), ("ZIP", "80876"),
        ("PHONE", "(693) 256-3272"), ("FAX", "693 256 3273"), ("PHOTO", "iVBORw0KGgoAAAANSUhEUg"), ("PERSON", "Dr. Odalys Brim"),
    }  # fmt: skip


def test_ids_of_patients_stay_where_the_caller_says_so() -> None:
    reference = {
        "resourceType": "Observation",
        "subject": {"reference": "Patient/88213"},
        "performer": [{"reference": "Practitioner/9"}],
    }
    assert inspect(reference) == [("FHIR_ID", "88213")]
    assert inspect(reference, fhir_ids=False) == []


def test_codes_units_and_displays_stay() -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "2951-2", "display": "Sodium [Moles/volume] in Serum"}],
            "text": "Sodium [Moles/volume] in Serum",
        },
        "subject": {"reference": "urn:uuid:2d241fcc-286b-518c-ae8b-af17d116b4d4"},
        "valueQuantity": {"value": 142, "unit": "mmol/L", "system": "http://unitsofmeasure.org"},
        "effectiveDateTime": "2026",
    }
    assert inspect(observation) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"ssn": 123456789}, [("SSN", "123456789")]),
        ({"patientMRN": 41608329}, [("MRN", "41608329")]),
        ({"emergency_contact_phone": "5552013344"}, [("PHONE", "5552013344")]),
        ({"age": 92, "score": 92}, [("AGE", "92")]),
        ({"age": 71, "birth_year": 1950}, []),
        ({"zip": 60614}, [("ZIP", "60614")]),
        ({"name": "metformin", "dose": "500 mg"}, []),
        ({"name": "Zo Quill", "dob": "1990-01-02"}, [("DATE_OF_BIRTH", "1990-01-02"), ("PERSON", "Zo Quill")]),
        ({"address": {"street": "22 Oak St", "city": "Dayton", "state": "OH"}}, [("LOCATION", "Dayton"), ("ADDRESS", "22 Oak St")]),
        ({"status": "active", "code": "E11.9", "units": "mg/dL", "max_tokens": 1024, "priority": 2}, []),
        ({"password": "hunter2!"}, [("SECRET", "hunter2!")]),
        ({"123-45-6789": {"dx": "gout"}}, [("SSN", "123-45-6789")]),
        ({"anna@example.org": True}, [("EMAIL", "anna@example.org")]),
        ([{"first_name": "Femi"}, {"first_name": "Olga"}], [("PERSON", "Femi"), ("PERSON", "Olga")]),
    ],
)  # fmt: skip
def test_fields_are_read_by_their_names(value: Any, expected: list[tuple[str, str]]) -> None:
    assert sorted(inspect(value)) == sorted(expected)


def test_a_schema_overrules_the_names_of_fields() -> None:
    schema = {
        "type": "object",
        "$defs": {"key": {"type": "string", "x-phi": "mrn"}},
        "properties": {
            "handle": {"$ref": "#/$defs/key"},
            "patient_name": {"type": "string", "x-phi": "none"},
            "tags": {"type": "array", "items": {"type": "string", "x-phi": "PERSON"}},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "string", "x-phi": "dob"}]},
            "pin": {"type": "integer", "x-phi": "id"},
        },
    }
    value = {"handle": "abc", "patient_name": "Grace Kelly", "tags": ["lo"], "maybe": "soon", "pin": 7}
    assert sorted(inspect(value, schema)) == [("DATE_OF_BIRTH", "soon"), ("ID", "7"), ("MRN", "abc"), ("PERSON", "lo")]


def test_json_in_a_string_is_read_as_json_with_offsets_into_the_string() -> None:
    inner = {
        "patient_name": 'Zo "Zed" Quill é',
        "mrn": 41608329,
        "nested": json.dumps({"ssn": "219-09-9999"}),
        "code": "E11.9",
    }
    text = json.dumps(inner, indent=1)
    value = {"payload": text}
    findings = DefaultDetector().session().inspect(value, origin=Origin.RESULT)
    assert sorted(shown(value, findings)) == [
        ("MRN", "41608329"),
        ("PERSON", 'Zo \\"Zed\\" Quill \\u00e9'),
        ("SSN", "219-09-9999"),
    ]
    masked = apply_findings(value, [f for f in findings if f.type != "MRN"], lambda f, _: f"<{f.type}_1>")
    assert json.loads(masked["payload"])["patient_name"] == "<PERSON_1>"


def test_a_repeated_key_hides_nothing() -> None:
    assert ("SSN", "219-09-9999") in inspect('{"ssn": "219-09-9999", "ssn": "x"}')


def test_a_name_in_a_field_is_found_in_the_prose_beside_it() -> None:
    assert ("PERSON", "Quillmere") in inspect(
        {"patient_name": "Zorva Quillmere", "note": "Quillmere tolerated it well"}
    )


def test_too_deep_a_value_is_refused() -> None:
    value: Any = "x"
    for _ in range(300):
        value = [value]
    with pytest.raises(DetectionError):
        inspect(value)
