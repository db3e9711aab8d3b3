"""The commands that docs/datasets.md shows do what it says."""

import csv
import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text("utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which every command of the page was run, and what they said."""
    folder = tmp_path_factory.mktemp("datasets")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-e", "-c", "\n".join(SHELL)],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stderr
    return folder, ran.stdout + ran.stderr


def rows(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_files_can_be_joined_and_days_between_stay(place):
    folder, _ = place
    patients = rows(folder / "masked/patients.csv")
    visits = [json.loads(line) for line in (folder / "masked/visits.jsonl").read_text("utf-8").splitlines()]
    assert {v["patient_id"] for v in visits} == {patients[1]["patient_id"]}
    first, second = (datetime.date.fromisoformat(v["visit_date"]) for v in visits)
    assert (second - first).days == 14
    assert [p["zip"] for p in patients] == ["021", "000"]
    assert all(v["code"] == "I10" for v in visits)
    (lab,) = rows(folder / "lab.masked.csv")
    assert (lab["who"], lab["reviewer"], lab["value"]) == ("<ID>", "Wei Zhang", "7.1")
    shift = datetime.date.fromisoformat(lab["drawn"]) - datetime.date(2021, 5, 6)
    assert first - datetime.date(2021, 5, 6) == shift


def test_the_answer_is_the_one_shown(place):
    folder, _ = place
    answer = json.loads((folder / "answers.jsonl").read_text("utf-8"))
    shown = re.search(r'^    (\{"id": 1.*), …\]\}$', PAGE, re.MULTILINE)[1]
    assert json.dumps(answer).startswith(shown)


def test_feedback_counts_and_holds_no_value(place):
    folder, said = place
    assert "2 cases" in said
    assert "fails" not in said
    held = b"".join(p.read_bytes() for p in folder.glob("phi-feedback*"))
    assert b"qwaxil" not in held.lower()
    assert b"zyntrava" not in held.lower()


def test_nothing_that_names_someone_is_left(place):
    folder, _ = place
    for path in [*(folder / "masked").glob("*.*l"), *(folder / "masked").glob("*.csv")]:
        text = path.read_text("utf-8")
        assert not [n for n in ("O'Neil", "Gonzalez", "P101", "2021-05-06") if n in text], path.name
