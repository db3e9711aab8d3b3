"""Files of made-up patients, and the command that masks them."""

from __future__ import annotations

import csv
import io
import json
import random

from typer.testing import CliRunner

from toolguard.cli.main import build

FIRST = ["Margaret", "John", "Ana", "Wei", "Fatima", "Olu"]
LAST = ["O'Neil", "Smith", "Gonzalez", "Zhang", "Khan", "Adeyemi"]


def visits(patients: int, each: int, *, seed: int = 1) -> list[dict[str, str]]:
    """Visits, ``each`` a patient: identifiers in columns, and in a note of two lines."""
    rng = random.Random(seed)
    rows = []
    for p in range(patients):
        name = f"{FIRST[p % 6]} {LAST[p // 6 % 6]}"
        for _ in range(each):
            day = f"2021-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
            rows.append(
                {
                    "patient_id": f"P{10_000 + p}",
                    "name": name,
                    "birth_date": f"19{50 + p % 50}-03-1{p % 9}",
                    "visit_date": day,
                    "code": "E11.9",
                    "note": f'{name} was seen on {day}.\nCall (212) 555-{1000 + p}, "at noon". Mr. {name.split()[1]} rests.',
                }
            )
    return rows


def as_csv(rows, *, ending="\r\n", delimiter=","):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator=ending, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def from_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def from_jsonl(text):
    return [json.loads(line) for line in text.splitlines()]


def mask(*arguments, ok=(0,)):
    """Run ``toolguard mask``; its result."""
    result = CliRunner().invoke(build(["mask"]), ["mask", *map(str, arguments)])
    assert result.exit_code in ok, (result.exit_code, result.output, result.exception)
    return result
