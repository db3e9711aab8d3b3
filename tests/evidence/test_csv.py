"""Tables that a spreadsheet may open: no cell is a formula, and every reader of RFC 4180 gets the values back."""

from __future__ import annotations

import csv
import io

import pytest

from toolguard.evidence.csvtext import cell, csv_parts

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0=1",
    "\u200b=1",
    "\ufeff=1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "=cmd|'/c calc'!A0",
    "|x",
    "%x",
    '=HYPERLINK("http://x","y")',
]
PLAIN = ["", "a", "send_letter", "a=b", "1-2", "ana@general", 'say "hi"', "a,b", "two\nlines", "0x41"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_be_a_formula_is_made_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_what_could_not_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


def test_a_list_is_guarded_as_a_whole() -> None:
    assert cell(["=x", "y"]) == "'=x; y"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (True, "yes"), (False, "no"), (3, "3"), (0.5, "0.5"), (-1, "-1")]
)
def test_what_is_no_text_is_written_plainly(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_readers_get_back_what_was_written() -> None:
    wanted = [[text, cell(text)] for text in [*HOSTILE, *PLAIN]]
    (part,) = csv_parts(["plain", "again"], wanted, most=10_000)
    assert part.count(b"\r\n") >= len(wanted) + 1
    read = list(csv.reader(io.StringIO(part.decode(), newline="")))
    assert read[1:] == [[cell(a), cell(b)] for a, b in wanted]


def test_parts_keep_to_their_size_and_each_has_the_header() -> None:
    parts = csv_parts(["n"], [[n] for n in range(1000)], most=100)
    assert all(len(part) <= 100 and part.startswith(b"n\r\n") for part in parts)
    assert [int(line) for part in parts for line in part.split()[1:]] == list(range(1000))


def test_an_empty_table_is_its_header() -> None:
    assert csv_parts(["a", "b"], [], most=100) == [b"a,b\r\n"]
