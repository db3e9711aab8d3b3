"""Which arguments are looked up: what their names say, what the schema says, what the value looks like."""

from __future__ import annotations

import pytest

from toolguard._core.call import Tool
from toolguard._core.provenance import Aim
from toolguard.analysis.aims import aims_for

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
MANY = {"type": "array", "items": TEXT}

FIELDS = [
    # argument, its schema, a value, what it decides
    ("to", TEXT, "a@x.example", Aim.PLACE),
    ("recipients", MANY, ["a@x.example"], Aim.PLACE),
    ("participants", MANY, ["a@x.example"], Aim.PLACE),
    ("user_email", TEXT, "a@x.example", Aim.PLACE),
    ("channel", TEXT, "general", Aim.PLACE),
    ("channel_id", TEXT, "C1", Aim.PLACE),
    ("accountNumber", TEXT, "1", Aim.PLACE),
    ("iban", TEXT, "1", Aim.PLACE),
    ("webhook_url", TEXT, "https://x.example", Aim.PLACE),
    ("host", TEXT, "x.example", Aim.PLACE),
    ("password", TEXT, "hunter2", Aim.SECRET),
    ("api_key", TEXT, "hunter2", Aim.SECRET),
    ("file_id", TEXT, "7", Aim.THING),
    ("id", {"type": "integer"}, 7, Aim.THING),
    ("path", TEXT, "/tmp/x", Aim.THING),
    ("branch", TEXT, "main", Aim.THING),
    ("sql", TEXT, "select 1", Aim.COMMAND),
    ("command", TEXT, "ls", Aim.COMMAND),
    ("amount", NUMBER, 5000, Aim.AMOUNT),
    ("amount", TEXT, "a lot", Aim.AMOUNT),
    ("amount", NUMBER, 12, None),
    ("title", TEXT, "Lunch", Aim.TEXT),
    ("city", TEXT, "Paris", Aim.TEXT),
    ("body", TEXT, "Hello.", None),
    ("body", TEXT, "Hello, see www.x.example", Aim.TEXT),
    ("start_date", TEXT, "2026-01-01", None),
    ("query", TEXT, "bees", None),
    ("query", TEXT, "a@x.example", Aim.PLACE),
    ("anything", TEXT, "https://x.example/a", Aim.PLACE),
    ("anything", TEXT, "GB29NWBK60161331926819", Aim.PLACE),
    ("permission", {"enum": ["r", "rw"]}, "r", None),
    ("recurring", {"type": "boolean"}, True, None),
    ("limit", {"type": "integer"}, 50, None),
    ("to", {"type": "string", "description": "End date"}, "2026-01-01", Aim.TEXT),
    ("to", TEXT, "", None),
    ("to", TEXT, None, None),
]


def aims(properties, data, decisive=()):
    tool = Tool.describe("do_it", source="app", schema={"type": "object", "properties": properties})
    return {a.path: a.aim for a in aims_for(tool).of(data, decisive)}


@pytest.mark.parametrize(("name", "schema", "value", "aim"), FIELDS)
def test_an_argument_decides(name, schema, value, aim):
    found = set(aims({name: schema}, {name: value}).values())
    assert found == (set() if aim is None else {aim})


def test_arguments_that_no_schema_names_are_looked_at_too():
    assert aims({}, {"recipient": "a", "note": "hi", "x": {"email": "a@x.example"}}) == {
        ("recipient",): Aim.PLACE,
        ("x", "email"): Aim.PLACE,
    }


def test_fields_inside_are_found_by_their_own_name_else_by_what_holds_them():
    data = {"to": [{"name": "Ann", "address": "a@x.example"}], "message": {"title": "Hi", "recipient": "Bo"}}
    found = aims({"to": {"type": "array"}, "message": {"type": "object"}}, data)
    assert found[("to", 0, "address")] is Aim.PLACE
    assert found[("message", "recipient")] is Aim.PLACE


def test_what_the_policy_calls_decisive_is_looked_up_unless_it_is_prose_or_a_date():
    data = {"ward": "B2", "body": "Hi", "date": "2026-01-01", "patient": {"bed": "7"}}
    named = ("ward", "body", "date", "patient.bed", "missing")
    found = aims({"ward": {"enum": ["B1", "B2"]}, "body": TEXT}, data, named)
    assert found == {("ward",): Aim.THING, ("patient", "bed"): Aim.THING}


def test_a_flood_of_values_is_bounded():
    assert len(aims({"to": MANY}, {"to": [f"a{n}@x.example" for n in range(5_000)]})) == 200
