"""What a tenant denies wins its characters: no longer finding takes its type away."""

from __future__ import annotations

from typing import Any

import pytest

from detection.marked import shown
from toolguard.detection import DefaultDetector, TextPipeline
from toolguard.ports import Origin

DENY = {"Project Heron": "PROJECT", "Smith": "VIP"}


def found(value: Any) -> list[tuple[str, str]]:
    return shown(value, DefaultDetector(deny=DENY).session().inspect(value, origin=Origin.RESULT))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Dr. Anna Smith called", [("PERSON", "Dr. Anna "), ("VIP", "Smith")]),
        ("write to smith@example.org", [("VIP", "smith"), ("EMAIL", "@example.org")]),
        ("https://portal.example.org/smith/7", [("URL", "https://portal.example.org/"), ("VIP", "smith"), ("URL", "/7")]),
    ],
)  # fmt: skip
def test_what_is_denied_is_cut_out_of_what_covers_it(text: str, wanted: list[tuple[str, str]]) -> None:
    assert found(text) == wanted
    assert [(s.type, text[s.start : s.end]) for s in TextPipeline(deny=DENY).spans(text)] == wanted


def test_a_project_is_no_part_of_the_pharmacy_after_it() -> None:
    text = "Project Heron of Fenwick Pharmacy"
    assert found(text) == [("PROJECT", "Project Heron"), ("FACILITY", "Fenwick Pharmacy")]
    assert [kind for kind, _ in shown(text, DefaultDetector().session().inspect(text, origin=Origin.RESULT))] == [
        "FACILITY"
    ]


def test_a_field_that_is_an_identifier_keeps_what_is_denied_in_it() -> None:
    assert found({"patient_name": "Anna Smith"}) == [("PERSON", "Anna "), ("VIP", "Smith")]


def test_what_the_session_knows_gives_way_too() -> None:
    session = DefaultDetector(deny=DENY).session()
    session.inspect({"patient_name": "Anna Smith"}, origin=Origin.TRUSTED)
    text = "Anna Smith was here"
    assert shown(text, session.inspect(text, origin=Origin.RESULT))[-1] == ("VIP", "Smith")
