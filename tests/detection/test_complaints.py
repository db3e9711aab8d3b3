"""What people complain about in other maskers, each as a test (the vault's and the stream's are with the core)."""

from __future__ import annotations

from typing import Any

import pytest

from detection.marked import hidden, shown
from toolguard._core.mask import apply_findings
from toolguard.detection import DefaultDetector
from toolguard.ports import Origin


def found(value: Any) -> list[tuple[str, str]]:
    return shown(value, DefaultDetector().session().inspect(value, origin=Origin.RESULT))


@pytest.mark.parametrize(
    "text",
    ["Dr. Anna Smith-Jones, MRN: 778123, DOB 4/2/1990, anna.smith@example.org", "123-45-6789 555-201-3344 4111 1111 1111 1111", "Smith, John; https://portal.example.org/p/7?name=John+Smith"],
)  # fmt: skip
def test_overlapping_spans_do_not_corrupt_the_text(text: str) -> None:
    findings = DefaultDetector().session().inspect(text, origin=Origin.RESULT)
    ends = [0, *(f.end for f in findings)]
    assert all(f.start >= end for f, end in zip(findings, ends, strict=False))
    masked = apply_findings(text, findings, lambda _, clear: f"«{clear}»")
    assert masked.replace("«", "").replace("»", "") == text


def test_offsets_point_into_the_text_that_was_given() -> None:
    text = "🙂 Ｍａｒｉａ Gonza\u0301lez\u200b, SSN 219\u201109\u20119999 é"
    assert found(text)[-1] == ("SSN", "219\u201109\u20119999")
    assert "Gonza\u0301lez" in found(text)[0][1]


@pytest.mark.parametrize(
    "text",
    [
        "write to anna@example.org",
        "mail anna.b+c@mail.example.co.uk.",
        "anna@example.org, https://portal.example.org/x",
    ],
)
def test_an_email_is_an_email_and_no_url(text: str) -> None:
    assert found(text)[0][0] == "EMAIL"
    assert all("@" not in piece for kind, piece in found(text) if kind == "URL")


@pytest.mark.parametrize(
    "text",
    ["2024 requests in 400ms, retry 2/5, port 5432", "INFO worker-3 batch=64 tokens=18231 p95=7.4ms", "GET /health 200 12ms", "pid 4312 exited with status 137", "Traceback at line 118 of parser.py"],
)  # fmt: skip
def test_numbers_of_a_log_are_no_people(text: str) -> None:
    assert hidden(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "An 18-year-old man",
        "a 34 yo F",
        "aged 67",
        "89-year-old",
        "5 years of data",
        "for 90 days",
        "BP 120/90, HR 92, temp 101 F",
        "oxygen 94 %",
        "95 mg",
    ],
)
def test_an_age_below_ninety_and_a_quantity_are_no_identifiers(text: str) -> None:
    assert hidden(text) == []


@pytest.mark.parametrize(
    "text",
    ["a 92-year-old woman", "92 yo F", "aged 101", "she is 94.", "92F", "93/M", "ninety-four years old", "died at 97"],
)
def test_an_age_from_ninety_on_is_one(text: str) -> None:
    assert [kind for kind, _ in hidden(text)] == ["AGE"]


SSN = "219-09-9999"


@pytest.mark.parametrize(
    "value",
    [
        {"x": SSN.replace("-", "\u2011")}, {"x": SSN.replace("-", " ")}, {"x": "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in SSN)}, {"x": "\u200b".join(SSN)},
        {SSN: "x"}, {"ssn": 219099999}, {"ssn": "219099999"}, {"a": {"SSN": 219099999}}, {"note": f"the number {SSN}"}, {"data": '{"ssn": 219099999}'},
    ],
)  # fmt: skip
def test_a_social_security_number_is_found_however_it_is_written(value: Any) -> None:
    assert [kind for kind, _ in found(value)] == ["SSN"]


def test_every_message_is_looked_at_and_not_only_the_newest() -> None:
    session = DefaultDetector().session()
    history = [{"role": "user", "content": f"SSN 219-09-99{n:02}"} for n in range(10, 20)]
    for end in range(1, 11):
        assert len(session.inspect(history[:end], origin=Origin.USER)) == end


def test_arguments_of_a_tool_call_are_neither_missed_nor_blanked() -> None:
    arguments = {
        "patient": "Rahul Deshpande",
        "reason": "cellulitis",
        "when": "2024-07-03",
        "priority": 2,
        "notes": None,
        "codes": ["L03.90"],
    }
    findings = DefaultDetector().session().inspect(arguments, origin=Origin.MODEL)
    masked = apply_findings(arguments, findings, lambda f, _: f"<{f.type}_1>")
    assert masked == {**arguments, "patient": "<PERSON_1>", "when": "<DATE_1>"}


@pytest.mark.parametrize(
    "text",
    ["Parkinson's disease and Wilson disease", "Foley catheter, McBurney point, Babinski negative", "Use the Glasgow Coma Scale; Apgar 8/9", "Lyme disease, Graves disease, Bell palsy", "Kaplan-Meier curves and Cox models"],
)  # fmt: skip
def test_what_is_named_after_a_person_is_no_person(text: str) -> None:
    assert hidden(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "lisinopril 10 mg PO daily #90",
        "ICD-10 E11.9, CPT 99213, LOINC 4548-4",
        "Sodium 138 (136-145), Ferritin 15-150",
        "in 2019 and 2021",
        "strength 4/5, vision 20/40, take 1/2 tab",
    ],
)
def test_codes_doses_ranges_and_years_stay(text: str) -> None:
    assert hidden(text) == []
