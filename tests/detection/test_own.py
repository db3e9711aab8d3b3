"""A tenant's own: shapes, fields, deny and allow lists, profiles."""

from __future__ import annotations

from typing import Any

import pytest

from detection.marked import shown
from toolguard._core.masking import Shape
from toolguard.detection import DefaultDetector, check_pattern
from toolguard.errors import ConfigError
from toolguard.ports import Origin

WARD = Shape(name="ward-key", type="WARD_KEY", pattern=r"\bWK[- ]?\d{3}\b", labels=("ward key", "Stationsschlüssel"))
STUDY = Shape(name="study", type="STUDY", pattern=r"\b(?:CARDIO|NEURO)-(\d{2})\b", score=0.7)


def found(value: Any, **options: Any) -> list[tuple[str, str]]:
    return shown(value, DefaultDetector(**options).session().inspect(value, origin=Origin.RESULT))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Her ward key: WK-204 is lost", [("WARD_KEY", "WK-204")]),
        ("WARD KEY WK 204", [("WARD_KEY", "WK 204")]),
        ("Stationsschlüssel WK204", [("WARD_KEY", "WK204")]),
        ("WK-204 without its label", []),
        ("ward key lost\nsee WK-204", []),
        ("forward key WK-204", []),
        ("enrolled in CARDIO-17", [("STUDY", "17")]),
        ("WARD\u200b KEY WK\u2011204", [("WARD_KEY", "WK\u2011204")]),
    ],
)
def test_a_shape_is_found_where_its_label_announces_it(text: str, expected: list[tuple[str, str]]) -> None:
    own = [(kind, piece) for kind, piece in found(text, shapes=[WARD, STUDY]) if kind in ("WARD_KEY", "STUDY")]
    assert own == expected


def test_a_finding_of_a_shape_names_its_rule_and_its_score() -> None:
    finding = DefaultDetector(shapes=[STUDY]).session().inspect("in NEURO-12 now", origin=Origin.RESULT)[0]
    assert (finding.source, finding.score) == ("shape:study", 0.7)


@pytest.mark.parametrize(
    ("pattern", "place", "advice"),
    [
        (r"ab(?=c)", "position 3", "look-ahead is not supported"),
        (r"(?<=MRN )\d+", "position 1", "use labels:"),
        (r"(\d)\1", "position 5", "write the alternatives out"),
        (r"\d++", "position 3", "possessive"),
        (r"ab(c", "position", "close what is open"),
        (r"[z-a]", "position 2", "not valid"),
        (r"x*", "position 1", "at least one character"),
        (r"a{5000}", "position 2", "1000 or fewer"),
        ("a" * 3000, "too long", "make several shapes"),
    ],
)
def test_a_pattern_that_cannot_run_in_linear_time_is_refused_with_place_and_advice(
    pattern: str, place: str, advice: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        check_pattern(pattern)
    assert place in str(refused.value)
    assert advice in str(refused.value)


def test_a_field_the_tenant_names_holds_an_identifier_whatever_it_looks_like() -> None:
    value = {
        "Ward-Nickname": "the usual",
        "wardNickname": 7,
        "resourceType": "Basic",
        "status": "active",
        "code": "E11.9",
    }
    assert sorted(found(value, fields={"ward nickname": "PERSON", "status": "ID"})) == [
        ("ID", "active"), ("PERSON", "7"), ("PERSON", "the usual"),
    ]  # fmt: skip
    assert found(value) == []


def test_what_is_denied_is_found_everywhere_even_where_a_code_is_expected() -> None:
    value = {"status": "project heron", "note": "about Project  Heron.", "resourceType": "Basic", "id": "Project Heron"}
    kinds = found(value, deny={"Project Heron": "PROJECT"})
    assert [kind for kind, _ in kinds] == ["PROJECT"] * 3


def test_what_is_denied_counts_even_under_a_schema_that_says_no() -> None:
    schema = {"properties": {"x": {"type": "string", "x-phi": False}}}
    session = DefaultDetector(deny={"Heron": "PROJECT"}).session()
    assert [f.type for f in session.inspect({"x": "heron"}, origin=Origin.RESULT, schema=schema)] == ["PROJECT"]


def test_what_is_allowed_stays_in_fields_too() -> None:
    value = {"pharmacy_name": "Fenwick Pharmacy", "note": "sent to Fenwick Pharmacy", "patient_name": "Ana Lopez"}
    assert found(value, allow=["fenwick pharmacy"]) == [("PERSON", "Ana Lopez")]


def test_a_profile_brings_its_own_tagger() -> None:
    detector = DefaultDetector(profile="fast")
    assert "+" in detector.version
    with pytest.raises(ConfigError, match="both a tagger and a profile"):
        DefaultDetector(profile="fast", tagger=object())  # type: ignore[arg-type]  # refused before it is used


SCHEMA = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "format": "email"},
        "since": {"type": "string", "format": "date"},
        "host": {"type": "string", "format": "ipv4"},
        "secret": {"type": "string", "format": "password"},
        "row": {"type": "string", "format": "uuid"},
        "unit": {"enum": ["Paris", "London"]},
        "safe": {"x-phi": False, "type": "object", "properties": {"who": {"type": "string"}, "mrn": {"x-phi": "mrn"}}},
        "hidden": {"x-phi": True},
        "pair": {"prefixItems": [{"x-phi": "person"}, {"type": "integer"}]},
        "map": {"additionalProperties": {"x-phi": "date of birth"}},
        "byPattern": {"patternProperties": {"^m": {"x-phi": "mrn"}}},
    },
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"to": "x@y.example"}, [("EMAIL", "x@y.example")]),
        ({"since": "2024-02-01"}, [("DATE", "2024-02-01")]),
        ({"since": "2024"}, []),
        ({"host": "10.0.0.7"}, [("IP_ADDRESS", "10.0.0.7")]),
        ({"secret": "pw12"}, [("SECRET", "pw12")]),
        ({"row": "123e4567-e89b-12d3-a456-426614174000"}, []),
        ({"unit": "Paris"}, []),
        ({"safe": {"who": "Maria Gonzalez", "mrn": "7"}}, [("MRN", "7")]),
        ({"hidden": "anything"}, [("ID", "anything")]),
        ({"pair": ["lo", 7]}, [("PERSON", "lo")]),
        ({"map": {"k": "soon"}}, [("DATE_OF_BIRTH", "soon")]),
        ({"byPattern": {"m1": "q"}}, [("MRN", "q")]),
    ],
)  # fmt: skip
def test_a_schema_says_what_a_value_is(value: Any, expected: list[tuple[str, str]]) -> None:
    findings = DefaultDetector().session().inspect(value, origin=Origin.RESULT, schema=SCHEMA)
    assert shown(value, findings) == expected


def test_a_pydantic_model_annotates_its_fields() -> None:
    from pydantic import BaseModel, Field

    class Inner(BaseModel):
        key: str = Field(json_schema_extra={"x-phi": "mrn"})
        free: str | None = Field(default=None, json_schema_extra={"x-phi": False})

    class Call(BaseModel):
        inner: Inner
        others: list[Inner] = []

    value = {"inner": {"key": "abc", "free": "Maria Gonzalez"}, "others": [{"key": "def", "free": None}]}
    findings = DefaultDetector().session().inspect(value, origin=Origin.RESULT, schema=Call.model_json_schema())
    assert shown(value, findings) == [("MRN", "abc"), ("MRN", "def")]
