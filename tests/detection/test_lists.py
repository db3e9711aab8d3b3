"""The packed lists are those of their sources."""

from __future__ import annotations

from importlib import resources

from training.build_lists import build

from toolguard.detection.gazetteer import CITY, CITY_HEAD, CLINICAL, EPONYM, FAMILY, GIVEN, REGION, WORD, gazetteer


def test_the_packed_lists_are_what_the_build_makes_of_their_sources() -> None:
    packed = resources.files("toolguard.detection").joinpath("data", "lists.z").read_bytes()
    assert packed == build(), (
        "a list has changed: python -m training.build_gazetteer --lists src/toolguard/detection/data"
    )


def test_every_word_has_the_flags_of_all_its_lists() -> None:
    lists = gazetteer()
    for word, flag in (
        ("smith", FAMILY), ("priya", GIVEN), ("grace", GIVEN | WORD), ("wilson", EPONYM | FAMILY), ("metformin", CLINICAL),
        ("chicago", CITY), ("san", CITY_HEAD), ("texas", REGION),
    ):  # fmt: skip
        assert lists.flags[word] & flag == flag, word
    assert "san francisco" in lists.cities
    assert "new york" in lists.cities
    assert "mayo clinic" in lists.institutions
    assert {"MA", "DC"} <= lists.states
