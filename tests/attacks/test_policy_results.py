"""Attackers against what a rule obliges a result to: many rows in the shape of few, lengths that are hidden, word of mouth."""

import dataclasses
import decimal
import json
import time
import types

import pytest

from attacks.den import Den, outcome, person, rule
from toolguard._core.flow.items import most_items

ROWS = [{"id": n, "name": f"p{n}"} for n in range(40)]


@dataclasses.dataclass
class Page:
    rows: list
    more: bool = False


def rows_as(kind):
    return {
        "a list": ROWS,
        "a tuple": tuple(ROWS),
        "a list in a list": [[ROWS]],
        "a field deep inside": {"a": {"b": {"c": {"d": ROWS}}}},
        "pages of nine rows": [ROWS[i : i + 9] for i in range(0, 36, 9)],
        "pages that are fields": {f"page{i}": ROWS[i : i + 9] for i in range(0, 36, 9)},
        "a record for each key": {f"p{n}": {"id": n} for n in range(40)},
        "a row for each key": {f"p{n}": [n, "x"] for n in range(40)},
        "columns of lists": {"id": list(range(40)), "name": ["x"] * 40},
        "columns by number in text": {"id": {str(n): n for n in range(40)}},
        "a data class": Page(ROWS),
        "JSON": json.dumps(ROWS),
        "JSON in JSON": json.dumps(json.dumps(ROWS)),
        "JSON in a field": {"text": json.dumps({"rows": ROWS})},
        "JSON in a fence": "Here you are:\n```json\n" + json.dumps(ROWS) + "\n```",
        "JSON after a word": "Result: " + json.dumps(ROWS),
        "JSON with a mark before it": "\ufeff" + json.dumps(ROWS),
        "JSON lines": "\n".join(map(json.dumps, ROWS)),
        "JSON lines under a heading": "rows:\n" + "\n".join(map(json.dumps, ROWS)),
        "as Python writes it": str([(n, "Ann") for n in range(40)]),
        "as Python writes what JSON has not": str([(n, decimal.Decimal("1.5"), None) for n in range(40)]),
        "as Python writes records": str(ROWS),
        "comma-separated": "id,name\n" + "\n".join(f"{n},p{n}" for n in range(40)),
        "comma-separated with quotes": "\r\n".join(f'{n},"Doe, Ann"' for n in range(40)),
        "semicolons": "\n".join(f"{n};p{n}" for n in range(40)),
        "tabs": "\n".join(f"{n}\tp{n}" for n in range(40)),
        "a table": "| id | name |\n|---|---|\n" + "\n".join(f"| {n} | p{n} |" for n in range(40)),
        "a table of a terminal": "+----+\n| id |\n+----+\n" + "\n".join(f"| {n} |" for n in range(40)),
        "one value in a line": "\n".join(f"p{n}" for n in range(40)),
        "one value after a comma": ", ".join(f"MRN-{n}" for n in range(40)),
        "points": "\n".join(f"- Ann Reed {n}" for n in range(40)),
        "numbered points": "\n".join(f"{n}. Ann Reed, born 19{n:02}" for n in range(40)),
        "HTML rows": "<table>" + "".join(f"<tr><td>{n}</td></tr>" for n in range(40)) + "</table>",
        "HTML points": "<ul>" + "".join(f"<li>{n}</li>" for n in range(40)) + "</ul>",
        "XML": "<rows>" + "".join(f"<row id='{n}'/>" for n in range(40)) + "</rows>",
        "YAML": "\n".join(f"- id: {n}\n  name: p" for n in range(40)),
    }[kind]


KINDS = """a list|a tuple|a list in a list|a field deep inside|pages that are fields|a record for each key|
a row for each key|columns of lists|columns by number in text|a data class|JSON|
JSON in JSON|JSON in a field|JSON in a fence|JSON after a word|JSON with a mark before it|JSON lines|
JSON lines under a heading|as Python writes it|as Python writes what JSON has not|as Python writes records|comma-separated|
comma-separated with quotes|semicolons|tabs|a table|a table of a terminal|one value in a line|one value after a comma|points|
numbered points|HTML rows|HTML points|XML|YAML|pages of nine rows""".replace("\n", "").split("|")


@pytest.fixture
def den(tmp_path):
    den = Den(tmp_path)
    yield den
    den.desk.store.close()


def limited(den, kind, most=10):
    def look():
        """Look."""
        return rows_as(kind)

    guard = den.guard({"look": {"risk": "low"}}, rule("allow", {"tool": "look"}, max_results=most))
    with guard.session(caller=person()) as session:
        return outcome(session, look)


@pytest.mark.parametrize("kind", KINDS)
def test_forty_rows_are_forty_rows_in_whatever_shape(den, kind):
    assert limited(den, kind) == "withheld"
    assert limited(den, kind, most=200) == "ran"


HARMLESS = {
    "a letter": "Dear Ann,\n\nthe results are in, and they are good.\nPlease call us.\n\nYours,\nDr Lee\n",
    "an object": {"id": 1, "name": "Ann", "born": "1961-03-04", "ward": {"id": 3, "name": "West"}, "tags": ["a", "b"]},
    "long prose": "\n".join(
        f"This is sentence {w} of a report, and it says little." for w in ("one", "two", "three") * 20
    ),
    "prose with commas": "We saw Ann, Bo, Cy and Di.\n" * 3,
    "a few rows": "id,name\n1,Ann\n2,Bo\n",
    "a big record": {f"field_{n}": n for n in range(60)},
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_is_no_table_is_not_withheld(den, kind):
    def look():
        """Look."""
        return HARMLESS[kind]

    guard = den.guard({"look": {"risk": "low"}}, rule("allow", {"tool": "look"}, max_results=10))
    with guard.session(caller=person()) as session:
        assert outcome(session, look) == "ran"


UNREADABLE = {
    "a generator": lambda: (row for row in ROWS),
    "a map": lambda: map(dict, ROWS),
    "columns by number, as a data frame has them": lambda: {"id": {n: n for n in range(40)}},
    "keys": lambda: dict.fromkeys(range(40), 1).keys(),
    "a proxy": lambda: types.MappingProxyType({"rows": ROWS}),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_counted_is_not_given(den, kind):
    def look():
        """Look."""
        return UNREADABLE[kind]()

    guard = den.guard({"look": {"risk": "low"}}, rule("allow", {"tool": "look"}, max_results=10))
    with guard.session(caller=person()) as session:
        assert outcome(session, look) == "withheld"


COSTLY = {
    "lists that never end": "[1," * 100_000,
    "objects that never end": '{"a":' * 200_000,
    "braces": "{" * 500_000,
    "braces with quotes": '{"' * 200_000,
    "brackets with numbers": "[1 " * 200_000,
    "one long list that ends badly, many times over": "[" * 900 + "1," * 60_000,
    "quotes": "'" * 500_000,
    "commas": "," * 500_000,
    "lines": "a,b\n" * 40_000,
    "points": "- a\n" * 40_000,
}


@pytest.mark.parametrize("kind", COSTLY)
def test_counting_ends_soon_whatever_stands_there(kind):
    began = time.process_time()
    most_items(COSTLY[kind])
    assert time.process_time() - began < 3


LONG = {
    "text": "x" * 2_000,
    "keys": {"k" * 2_000: 1},
    "many small": ["x"] * 1_000,
    "numbers": [10**6] * 300,
    "bytes": b"x" * 2_000,
    "wide letters": "あ" * 700,
    "escapes": "\n" * 1_200,
}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("results", ["mask", "pass"])
def test_what_is_too_long_is_withheld_in_whatever_shape(den, kind, results):
    def look():
        """Look."""
        return LONG[kind]

    guard = den.guard(
        {"look": {"risk": "low", "results": results}}, rule("allow", {"tool": "look"}, max_result_chars=1000)
    )
    with guard.session(caller=person()) as session:
        assert outcome(session, look) == "withheld"
