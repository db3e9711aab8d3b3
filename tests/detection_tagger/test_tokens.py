"""Tokens cover every visible character and keep their offsets."""

from __future__ import annotations

import pytest

from toolguard.detection.tagger.tokens import NEWLINE, tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dr. O'Brien's 03/14/1964", ["Dr", ".", "O'Brien", "'s", "03/14/1964"]),
        ("2024-05-12T13:22:01Z", ["2024-05-12T13:22:01Z"]),
        ("jane.doe@example.org,x", ["jane.doe@example.org", ",", "x"]),
        ("PID|1||DOE^JANE", ["PID", "|", "1", "|", "|", "DOE", "^", "JANE"]),
        ("34yo F\r\n\r\n  c/o", ["34yo", "F", NEWLINE, "c", "/", "o"]),
        ("patient_name=Grace", ["patient", "_", "name", "=", "Grace"]),
        ("see https://x.org/a?b=1 now", ["see", "https://x.org/a?b=1", "now"]),
        ("55\u201360%", ["55", "\u2013", "60", "%"]),
        ("1988-02-14,2024-01-09,1,200", ["1988-02-14", ",", "2024-01-09", ",", "1,200"]),
        ("1984-02-17,202-555-0143,9", ["1984-02-17", ",", "202-555-0143", ",", "9"]),
        ("1,234,567.89 of 12,345", ["1,234,567.89", "of", "12,345"]),
        ("", []),
    ],
)
def test_text_falls_into_these_tokens(text: str, words: list[str]) -> None:
    assert tokenize(text)[0] == words


@pytest.mark.parametrize(
    "text",
    [
        "a\u00b2 x\u0660\u0661 \U0001f642 e\u0301 \u4e2d\u6587",
        "(555) 123-4567 ext. 9",
        "a" * 5000,
        "@" * 50,
        "1." * 300,
        "\n\n a \r",
    ],
)
def test_no_visible_character_is_lost_and_offsets_hold(text: str) -> None:
    words, starts, ends = tokenize(text)
    covered = {at for start, end in zip(starts, ends, strict=True) for at in range(start, end)}
    assert all(at in covered for at, char in enumerate(text) if not char.isspace())
    assert all(text[start:end] == word for word, start, end in zip(words, starts, ends, strict=True) if word != NEWLINE)
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
