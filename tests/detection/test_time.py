"""Linear time on hostile input, and a cheap start."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from toolguard.detection import TextPipeline

UNITS = {
    "letters": "a",
    "digits": "1",
    "at signs": "a@",
    "dots": "a.",
    "dashes": "1-",
    "spaces": " ",
    "colons": "f:",
    "slashes": "1/",
    "capitals": "Aa ",
    "initials": "A. ",
    "shouting": "AB CD ",
    "street": "1 Main ",
    "streets": "12 Oak St, ",
    "card": "1234 ",
    "label": "mrn mrn: ",
    "name": "John ",
    "titles": "Dr. ",
    "months": "May ",
    "number words": "five ",
    "quotes": '"',
    "commas": ",a",
    "pipes": "PID|",
    "equals": "a=",
    "json": '{"a":',
    "newlines": "a,b\n",
    "plus": "+1",
    "parens": "(1",
    "hospital": "Saint Mary ",
    "jwt": "eyJa.",
    "url": "http://",
    "hash": "#1",
    "accents": "é\u0301",
    "zero width": "1\u200b",
}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
def test_time_grows_with_the_text_and_no_faster(unit: str) -> None:
    pipeline = TextPipeline()
    pipeline.spans("warm up 1")

    def cost(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        began = time.process_time()
        pipeline.spans(text)
        return time.process_time() - began

    small, large = cost(8_000), cost(64_000)
    assert large < 0.2 or large < 24 * small, (small, large)
    assert large < 3.0


@pytest.mark.slow
def test_a_megabyte_is_read_in_seconds() -> None:
    text = "Pt John Smith, MRN: 778123, seen 04/12/2023 at Elm Clinic; BP 120/80, metformin 500 mg. " * 12_000
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
