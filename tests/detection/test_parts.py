"""The parts by themselves: normalisation, check digits, field names, the ZIP table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard.detection import DefaultDetector, zip3
from toolguard.detection.checks import aba_ok, dea_ok, iban_ok, luhn_ok, mbi_ok, npi_ok, ssn_ok, vin_ok
from toolguard.detection.fields import SAFE, field_type
from toolguard.detection.normalise import fold, normalise
from toolguard.detection.spans import Span, unite
from toolguard.errors import DetectionError
from toolguard.ports import Origin


@given(st.text())
def test_every_range_of_normalised_text_maps_into_the_original(text: str) -> None:
    plain = normalise(text)
    previous = 0
    for i in range(len(plain.text)):
        start, end = plain.original(i, i + 1)
        assert 0 <= start < end <= len(text)
        assert start >= previous or start == previous - 1 or plain.starts is None
        previous = start


@pytest.mark.parametrize(
    ("text", "expected"),
    [("１２３", "123"), ("1\u200b2", "12"), ("a‑b", "a-b"), ("Jose\u0301", "José"), ("٣٤", "34"), ("“x”", '"x"'), ("O’Neill", "O'Neill"), ("a\u00a0b", "a b"), ("ﬁ", "fi")],
)  # fmt: skip
def test_typographic_disguise_is_taken_off(text: str, expected: str) -> None:
    assert normalise(text).text == expected


def test_words_are_folded_for_look_ups() -> None:
    assert [fold(w) for w in ("Núñez", "Łukasz", "Søren", "SMITH")] == ["nunez", "lukasz", "soren", "smith"]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (luhn_ok, "4111111111111111", "4111111111111112"), (npi_ok, "1234567893", "1234567890"), (dea_ok, "AB1234563", "AB1234560"),
        (aba_ok, "021000021", "021000022"), (iban_ok, "GB82WEST12345698765432", "GB83WEST12345698765432"), (vin_ok, "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),
        (mbi_ok, "1EG4-TE5-MK73", "1EG4-TE5-MK7B"), (ssn_ok, "219099999", "000123456"),
    ],
)  # fmt: skip
def test_check_digits(check, good: str, bad: str) -> None:  # type: ignore[no-untyped-def]  # a table of functions
    assert check(good)
    assert not check(bad)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("patientLastName", "PERSON"), ("SSN", "SSN"), ("date-of-birth", "DATE_OF_BIRTH"), ("Emergency Contact Phone", "PHONE"), ("memberId", "HEALTH_PLAN_ID"),
     ("icd10", SAFE), ("max_tokens", SAFE), ("status", SAFE), ("temperature", SAFE), ("comment", None), ("", None), ("x" * 500, None)],
)  # fmt: skip
def test_field_names(name: str, expected: str | None) -> None:
    assert field_type(name) == expected


def test_sparsely_populated_zip_areas_become_zeros() -> None:
    assert [zip3(z) for z in ("60614", "03601", "82109-1234", "821", "", "ab123")] == [
        "606",
        "000",
        "000",
        "000",
        "000",
        "000",
    ]


def test_spans_unite_and_the_one_that_holds_the_other_gives_its_type() -> None:
    town, street = Span(10, 16, "LOCATION", 0.9, "a"), Span(0, 20, "ADDRESS", 0.7, "b")
    assert unite([town, street]) == [Span(0, 20, "ADDRESS", 0.7, "b")]
    crossing = [Span(0, 5, "PERSON", 0.5, "a"), Span(4, 9, "ID", 0.9, "b")]
    assert unite(crossing) == [Span(0, 9, "ID", 0.9, "b")]


def test_a_tenants_lists_are_followed() -> None:
    session = DefaultDetector(
        allow=["Maria Gonzalez"], deny={"Project Heron": "PROJECT"}, allow_hosts=["intranet.example"]
    ).session()
    found = session.inspect(
        "Maria Gonzalez leads project heron, see https://intranet.example/x and https://else.example/y",
        origin=Origin.USER,
    )
    assert [f.type for f in found] == ["PROJECT", "URL"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_value_is_inspected_with_offsets_inside_its_leaves(value: object) -> None:
    for finding in DefaultDetector().session().inspect(value, origin=Origin.USER):
        item: object = finding.path[-1] if finding.key else value
        for step in () if finding.key else finding.path:
            item = item[step]  # type: ignore[index]  # a JSON value
        assert 0 <= finding.start < finding.end <= len(str(item))


def test_a_key_that_is_no_string_is_refused() -> None:
    with pytest.raises(DetectionError):
        DefaultDetector().session().inspect({1: "x"}, origin=Origin.USER)
