"""Bounded time: linear on hostile input, within a budget on huge input, and a cheap start."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

import toolguard.detection
from toolguard._core.masking import Shape
from toolguard.detection import DefaultDetector, TextPipeline
from toolguard.detection.shapes import Shapes
from toolguard.errors import DetectionError
from toolguard.ports import Origin

UNITS = {
    "letters": "a", "digits": "1", "at signs": "a@", "dots": "a.", "dashes": "1-", "spaces": " ", "colons": "f:", "slashes": "1/", "capitals": "Aa ", "initials": "A. ",
    "shouting": "AB CD ", "street": "1 Main ", "streets": "12 Oak St, ", "card": "1234 ", "label": "mrn mrn: ", "name": "John ", "titles": "Dr. ", "months": "May ",
    "number words": "five ", "ordinals": "first of the ", "quotes": '"', "single quotes": "'", "commas": ",a", "pipes": "PID|", "equals": "a=", "json": '{"a":', "newlines": "a,b\n",
    "plus": "+1", "parens": "(1", "hospital": "Saint Mary ", "jwt": "eyJa.", "url": "http://", "hash": "#1", "accents": "é\u0301", "zero width": "1\u200b", "cyrillic": "аa",
    "escapes": "%41", "entities": "&#65;", "unicode escapes": "\\u0041", "base64": "QUJD", "hex": "4a6f", "sql": "a='b',", "in list": "IN ('a', ", "password": "password=", "values": "values (",
    "ages": "aged 93, ", "short dates": "1/2 ", "ranges": "1/2-3/4 ", "ordinal": "the 3rd ", "spelled": "a b ", "dotted": "1.2.", "village": "Village at ", "route": "I 80 ", "pem": "-----BEGIN PRIVATE KEY-----",
    "tokens": "sk-", "query": "/a?name=", "underscores": "_", "marks": "e\u0336", "tabs": "a\tb\n", "birth": "born ", "corner": "at 5th and ",
}  # fmt: skip


def cost(run: Callable[[str], Any], text: str) -> float:
    """Seconds of this thread's own, the least of two, so that other work does not count."""
    return min(_once(run, text), _once(run, text))


def _once(run: Callable[[str], Any], text: str) -> float:
    began = time.thread_time()
    run(text)
    return time.thread_time() - began


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
def test_time_grows_with_the_text_and_no_faster(unit: str) -> None:
    pipeline = TextPipeline()
    pipeline.spans("warm up 1")

    def text(size: int) -> str:
        return (unit * (size // len(unit) + 1))[:size]

    small, large = cost(pipeline.spans, text(2_500)), cost(pipeline.spans, text(10_000))
    assert large < 0.25 or large < 9 * small, (small, large)
    assert large < 2.0


PATTERNS = {
    f"{module.name.removeprefix('toolguard.detection.')}.{name}": pattern
    for module in pkgutil.walk_packages(toolguard.detection.__path__, "toolguard.detection.")
    if "tagger" not in module.name
    for name, pattern in vars(importlib.import_module(module.name)).items()
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str)
}
HOSTILE = [unit for unit in UNITS.values() if len(unit) < 6]


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_every_pattern_searches_in_linear_time(pattern: re.Pattern[str]) -> None:
    for unit in HOSTILE:
        small, large = (unit * (size // len(unit)) for size in (1_000, 4_000))
        took = cost(pattern.search, large)
        # four times the text may take four times as long, and what a clock and a cache add to that
        assert took < 0.02 or took < 10 * cost(pattern.search, small), (unit, took)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(.*)(.*)(.*)x", "(a?){60}a{60}", "([a-z]+)*z1"])
def test_a_tenants_pattern_cannot_be_slow(pattern: str) -> None:
    shapes = Shapes([Shape(name="slow", type="ID", pattern=f"q{pattern}")])
    small, large = cost(shapes.find, "q" + "a" * 20_000), cost(shapes.find, "q" + "a" * 80_000)
    assert large < 0.05 or large < 9 * small
    assert large < 1.0


NOTE = "Pt John Smith, MRN: 778123, seen 04/12/2023 at Elm Clinic; BP 120/80, metformin 500 mg. "


def test_ten_megabytes_are_read_or_withheld_within_their_budget() -> None:
    session = DefaultDetector(time_budget=1.0).session()
    began = time.process_time()
    with pytest.raises(DetectionError, match="ran out of time"):
        session.inspect({"note": NOTE * 115_000}, origin=Origin.RESULT)
    assert time.process_time() - began < 6


def test_one_huge_leaf_cannot_overrun_the_budget() -> None:
    session = DefaultDetector(time_budget=0.2).session()
    for text in (NOTE * 20_000, "a@" * 500_000, json.dumps({"x": NOTE * 20_000}), "1 Main " * 200_000):
        began = time.process_time()
        with pytest.raises(DetectionError):
            session.inspect(text, origin=Origin.RESULT)
        assert time.process_time() - began < 3


def test_long_text_gives_the_findings_of_its_parts() -> None:
    pipeline = TextPipeline()
    lines = [
        f"{at}. Visit on 03/0{at % 9 + 1}/2023: Dr. Priya Nair saw Maria Gonzalez (MRN: {700000 + at}), call 617-555-{1000 + at}; labs fine.\n"
        for at in range(600)
    ]
    text = "".join(lines)
    assert len(text) > 60_000
    found = {(s.start, s.end, s.type) for s in pipeline.spans(text)}
    expected = set()
    start = 0
    for line in lines:
        expected |= {(start + s.start, start + s.end, s.type) for s in pipeline.spans(line)}
        start += len(line)
    assert found == expected


def test_a_table_longer_than_a_window_keeps_its_header() -> None:
    text = "code,pt_name,bday\n" + "".join(f"x{at},Quillmere Zorva,19{at % 90 + 10}-02-03\n" for at in range(1500))
    found = TextPipeline().spans(text)
    assert sum(s.type == "PERSON" for s in found) == 1500


def test_a_hundred_thousand_findings_are_all_kept() -> None:
    value = [{"mrn": f"A{at}X"} for at in range(100_000)]
    began = time.process_time()
    assert len(DefaultDetector(time_budget=60).session().inspect(value, origin=Origin.RESULT)) == 100_000
    assert time.process_time() - began < 30


@pytest.mark.parametrize("deep", ["[" * 5_000 + "]" * 5_000, '{"a":' * 5_000 + "1" + "}" * 5_000])
def test_json_nested_deeply_in_a_string_is_read_as_text(deep: str) -> None:
    assert DefaultDetector().session().inspect({"x": deep + " SSN 219-09-9999"}, origin=Origin.RESULT)
    assert DefaultDetector().session().inspect({"x": deep}, origin=Origin.RESULT) == ()


@pytest.mark.slow
def test_a_megabyte_is_read_in_seconds() -> None:
    text = NOTE * 12_000
    began = time.process_time()
    found = TextPipeline().spans(text)
    assert len(found) >= 48_000
    assert time.process_time() - began < 30


def test_detection_needs_neither_presidio_nor_spacy_and_loads_quickly() -> None:
    code = (
        "import sys, time; began = time.process_time()\n"
        "from toolguard.detection import DefaultDetector\n"
        "from toolguard.ports import Origin\n"
        "DefaultDetector().session().inspect('John Smith', origin=Origin.USER)\n"
        "spent = time.process_time() - began\n"
        "assert not {'presidio_analyzer', 'spacy', 'numpy'} & set(sys.modules), 'heavy import'\n"
        "assert spent < 2.0, spent\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
