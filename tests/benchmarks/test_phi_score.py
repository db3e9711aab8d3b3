"""The scorer's arithmetic, against cases counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from phi_score import Found, Tally

TEXT = "Ann Lee, DOB 1/2/1990, room 12"
#       0123456789012345678901234567890
NAME = {"start": 0, "end": 7, "label": "NAME"}
DOB = {"start": 13, "end": 21, "label": "DATE"}
ROOM = {"start": 23, "end": 30, "label": "ROOM"}


def tally(spans: list[dict[str, Any]], found: list[Found], text: str = TEXT, *, years_ok: bool = False) -> Tally:
    one = Tally()
    one.add({"text": text, "spans": spans}, found, years_ok=years_ok)
    return one


@pytest.mark.parametrize(
    ("found", "gold", "full", "marked", "right"),
    [
        ([(0, 7, "X")], 1, 1, 6, 6),  # exact
        ([(0, 3, "X"), (4, 7, "X")], 1, 1, 6, 6),  # the space between need not be hidden
        ([(0, 6, "X")], 1, 0, 5, 5),  # one letter out: not recalled, and no character wrong
        ([(0, 12, "X")], 1, 1, 9, 6),  # "DOB" hidden for nothing; the comma counts neither way
        ([(0, 7, "X"), (3, 7, "Y")], 1, 1, 6, 6),  # characters hidden twice count once
        ([(0, 7, "X"), (9, 12, "Y")], 1, 1, 9, 6),
        ([(-5, 99, "X")], 1, 1, 21, 6),  # beyond the text's ends: cut
        ([], 1, 0, 0, 0),
    ],
)
def test_a_span_is_recalled_if_every_letter_and_digit_is_hidden(
    found: list[Found], gold: int, full: int, marked: int, right: int
) -> None:
    got = tally([NAME], found)
    assert (got.gold, got.full, got.marked, got.right) == (gold, full, marked, right)


def test_a_label_that_is_no_identifier_counts_neither_for_nor_against() -> None:
    hidden, shown = tally([NAME, ROOM], [(0, 7, "X"), (23, 30, "X")]), tally([NAME, ROOM], [(0, 7, "X")])
    assert hidden.rates() == shown.rates()
    assert (hidden.gold, hidden.marked, hidden.right) == (1, 6, 6)


def test_an_identifier_inside_an_ignored_span_still_counts() -> None:
    got = tally([{"start": 0, "end": 12, "label": "ORGANIZATION"}, NAME], [(0, 12, "X")])
    assert (got.gold, got.full, got.marked, got.right) == (1, 1, 6, 6)


@pytest.mark.parametrize(
    ("years_ok", "found", "full"),
    [(False, [(13, 16, "X")], 0), (True, [(13, 16, "X")], 1), (True, [(13, 14, "X")], 0), (False, [(13, 21, "X")], 1)],
)
def test_a_year_left_in_a_date_is_a_leak_unless_years_are_let_stay(
    years_ok: bool, found: list[Found], full: int
) -> None:
    assert tally([DOB], found, years_ok=years_ok).full == full


def test_a_date_that_is_only_a_year_is_no_gold_where_years_may_stay() -> None:
    spans = [{"start": 17, "end": 21, "label": "DATE"}]
    assert tally(spans, []).gold == 1
    assert tally(spans, [], years_ok=True).gold == 0


@pytest.mark.parametrize(
    ("spans", "found", "clean", "touched"),
    [([], [], 1, 0), ([], [(3, 4, "X")], 1, 1), ([], [(40, 50, "X")], 1, 0), ([ROOM], [(0, 3, "X")], 0, 0), ([NAME], [(9, 12, "X")], 0, 0)],
)  # fmt: skip
def test_a_clean_text_has_no_labelled_span_and_is_touched_by_any_finding(
    spans: list[dict[str, Any]], found: list[Found], clean: int, touched: int
) -> None:
    got = tally(spans, found)
    assert (got.clean, got.touched) == (clean, touched)


def test_rates_are_of_all_texts_together_not_means_of_texts() -> None:
    total = tally([NAME, DOB], [(0, 7, "X"), (9, 12, "Y")])  # 1 of 2; 6 of 9
    total += tally([NAME], [(0, 7, "X")])  # 1 of 1; 6 of 6
    total += tally([], [])
    rates = total.rates()
    assert (rates["texts"], rates["chars"], rates["gold"]) == (3, 3 * len(TEXT), 3)
    assert rates["recall"] == pytest.approx(2 / 3)
    assert rates["precision"] == pytest.approx(12 / 15)
    assert rates["clean_touched"] == 0


def test_nothing_to_share_is_none_not_a_perfect_score() -> None:
    rates = tally([], []).rates()
    assert rates["recall"] is None
    assert rates["precision"] is None
    assert tally([NAME], []).rates()["clean_touched"] is None


def test_errors_are_told_by_label_genre_and_type_and_hold_no_text() -> None:
    one = Tally()
    doc = {"text": TEXT, "genre": "note", "spans": [NAME, DOB]}
    one.add(doc, [(0, 7, "PERSON"), (9, 12, "ID")])
    assert one.worst() == {
        "missed by label": {"DATE": [1, 1]},
        "missed by genre": {"note": [1, 2]},
        "hidden for nothing": {"ID": [3, 9]},
    }


def test_characters_are_counted_as_python_counts_them() -> None:
    text = "Zoë Núñez 🙂 ok"
    spans = [{"start": 0, "end": 9, "label": "NAME"}]
    assert tally(spans, [(0, 9, "X")], text).rates()["recall"] == 1
    assert tally(spans, [(0, 8, "X")], text).rates()["recall"] == 0
