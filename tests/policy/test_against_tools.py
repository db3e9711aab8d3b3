"""A policy meets a tool: what the tool's schema rules out is found before a call comes, at whatever depth."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from policy.support import policy
from toolguard import Guard
from toolguard._core.call import Tool
from toolguard.policyfile import check_against, load_policy
from toolguard.testing import NoDetector

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "limit": {"type": "integer"},
        "amount": {"type": "number"},
        "urgent": {"type": "boolean"},
        "to": {"type": "array", "items": {"type": "string"}},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "open": {"type": "object"},
        "free": {},
        "extra": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
        "patient": {"$ref": "#/$defs/Patient"},
        "patients": {"type": "array", "items": {"$ref": "#/$defs/Patient"}},
        "odd-name": {"type": "string"},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "nullable": {"type": ["integer", "null"]},
    },
    "$defs": {
        "Patient": {
            "type": "object",
            "properties": {
                "mrn": {"type": "string"},
                "age": {"type": "integer"},
                "mother": {"$ref": "#/$defs/Patient"},
                "address": {"type": "object", "properties": {"zip": {"type": "string"}}},
            },
        }
    },
}
TOOL = Tool.describe("book", source="app", schema=SCHEMA)


def told(when: str, *, match: str = "book", tool: Tool = TOOL) -> list[str]:
    loaded = policy(
        f"tools: {{'{match}': {{}}}}\nrules:\n- id: r\n  because: b\n  effect: deny\n  match: {{tool: '{match}'}}\n  when: {when}",
        functions={"sql": lambda _: {"writes": True}},
    )
    return [p.message for p in check_against(loaded, tool)]


FITS = [
    "args.name == 'x' && args.limit > 3 && args.amount > 3 && args.urgent == true",
    "args.limit > 2.5 || args.amount == 1",
    "'x' in args.to && args.to.exists(t, t.startsWith('x')) && size(args.to) > 2",
    "args.patient.mrn == 'x' && args.patient.mother.mother.age > 3",
    "args.patients.exists(p, p.address.zip == '1')",
    "args.maybe != null && args.maybe == 'x'",
    "args.nullable == null || args.nullable > 4",
    "args.either == 3 || args.either == 'x'",
    "args.open.anything.at.all == 3 && args.free > 3 && args.free == 'x'",
    "args.extra.b == 'x'",
    "args.grid[0][1] > 3",
    "args['odd-name'] == 'x'",
    "size(args) > 2 && args.exists(k, k == 'x')",
    "phi(args).size() > 0 && reveals(args.patient.mrn).size() > 0 && mentions(args, 'x')",
    "sql(args.name).writes == true",
    "type(args.to) == list",
    "has(args.limit) && args.limit > 3",
    "hour > 3 && caller.agent == 'x'",
    "args.name.matches('x') && lower(args.name) == 'y' && host_in(args.name, ['a.example'])",
]


@pytest.mark.parametrize("when", FITS)
def test_what_fits_the_schema_has_no_fault(when: str) -> None:
    assert told(f'"{when}"') == []


MISSES = [
    ("args.limt > 3", "no argument 'limt' there; did you mean 'limit'"),
    ("has(args.limt) && args.limt > 3", "did you mean 'limit'"),
    ("args.patient.mrm == 'x'", "did you mean 'mrn'"),
    ("args.patient.mother.mother.mrm == 'x'", "did you mean 'mrn'"),
    ("args.patients.exists(p, p.address.zap == '1')", "did you mean 'zip'"),
    ("args.patients.all(p, p.adress.zip == '1')", "did you mean 'address'"),
    ("reveals(args.patient.nmae).size() > 0", "no argument 'nmae' there"),
    ("mentions(args.nam, 'x')", "did you mean 'name'"),
    ("args.name > 3", "gives it string, int here, which operator > does not take"),
    ("args.limit == '3'", "gives it int, string here"),
    ("args.urgent == 'true'", "gives it bool, string here"),
    ("args.limit.contains('x')", "which contains() does not take"),
    ("args.to == 'x'", "gives it list(string), string here"),
    ("args.name.startsWith(args.limit)", "which startsWith() does not take"),
    ("args.name == args.limit", "gives it string, int here"),
    ("args.patient.age == 'old'", "gives it int, string here"),
    ("3 in args.to", "gives it int, list(string) here"),
    ("args.nullable == 'x'", "gives it int, string here"),
]


@pytest.mark.parametrize(("when", "fault"), MISSES)
def test_what_the_schema_rules_out_is_found(when: str, fault: str) -> None:
    assert any(fault in message for message in told(f'"{when}"')), told(f'"{when}"')


def test_a_field_that_other_tools_have_is_no_fault_where_it_is_asked_for() -> None:
    assert told('"has(args.zzz) && args.zzz > 3"', match="b*") == []
    assert told("\"tool == 'other' && args.zzz > 3\"", match="b*") == []
    assert told('"has(args.limt) && args.limt > 3"', match="b*")
    assert told('"args.zzz > 3"', match="b*")
    assert told('"has(args.zzz) && args.zzz > 3"')


@pytest.mark.parametrize(
    "tool", [Tool.describe("book", source="app"), Tool.describe("other", source="app", schema=SCHEMA)]
)
def test_a_tool_that_says_nothing_or_that_no_rule_concerns_has_no_faults(tool: Tool) -> None:
    assert told('"args.limt > 3"', tool=tool) == []


def test_a_fault_stands_where_it_is_in_the_file() -> None:
    text = "tools: {book: {}}\nrules:\n- id: r\n  because: b\n  effect: deny\n  when: \"args.name == 'x' && args.limt > 3\"\n"
    (problem,) = check_against(policy(text), TOOL)
    assert (problem.file, problem.line, problem.path) == ("test.yaml", 10, "rule r")
    line = (policy.__globals__["HEAD"] + policy.__globals__["APPROVALS"] + text).splitlines()[9]
    assert line[problem.column - 1 :].startswith(".limt")


SETTINGS = [
    ("{args: {nmae: mask}}", "'nmae' is no argument"),
    ("{decisive: [too]}", "did you mean 'to'"),
    ("{prose: [body]}", "'body' is no argument"),
    ("{subject: patient.mrn}", None),
    ("{references: {path: file}}", "'path' is no argument"),
    ("{args: {patient.mrn: mask}, decisive: [to]}", None),
]


@pytest.mark.parametrize(("said", "fault"), SETTINGS)
def test_settings_name_arguments_the_tool_has(said: str, fault: str | None) -> None:
    found = check_against(policy(f"tools: {{book: {said}}}"), TOOL)
    assert [fault in p.message for p in found] == ([True] if fault else []), found
    assert all(p.line > 4 and p.path == "tools.book" for p in found)


def test_arguments_a_rule_withholds_are_looked_at_too() -> None:
    text = "tools: {book: {}}\nrules: [{id: r, because: b, effect: mask, match: {tool: book}, args: {nmae: mask, '*': mask}}]"
    assert ["'nmae' is no argument" in p.message for p in check_against(policy(text), TOOL)] == [True]


def test_schemas_that_turn_in_circles_or_are_huge_do_no_harm() -> None:
    circle: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}}
    circle["$defs"] = {"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}}
    assert told('"args.a.b.c == 3"', tool=Tool.describe("book", source="app", schema=circle)) == []
    deep: dict[str, Any] = {"type": "string"}
    for n in range(30):
        deep = {"type": "object", "properties": {f"k{n}": deep}}
    assert told('"args.k29.k28.x == 3"', tool=Tool.describe("book", source="app", schema=deep))
    wide = {"type": "object", "properties": {f"k{n}": {"type": "object", "properties": {"a": {}}} for n in range(2000)}}
    assert told('"args.k1.b == 3"', tool=Tool.describe("book", source="app", schema=wide))
    broken = {
        "type": "object",
        "properties": {"a": {"$ref": "#/nowhere"}, "b": {"type": 7}, "c": 5, "d": {"anyOf": []}},
    }
    assert (
        told('"args.a.x > 3 && args.b > 3 && args.d.y > 1"', tool=Tool.describe("book", source="app", schema=broken))
        == []
    )


def book(name: str, limit: int = 3) -> str:
    """Book something."""
    return name


def test_a_guard_says_so_when_it_takes_up_the_tool_and_its_call_fails_closed(caplog: pytest.LogCaptureFixture) -> None:
    text = "tools: {book: {risk: low}}\nrules: [{id: r, because: b, effect: mask, on_error: deny, match: {tool: book}, when: 'args.limt > 3'}]"
    with caplog.at_level(logging.WARNING, "toolguard"), Guard(policy(text), detector=NoDetector()) as guard:
        guard.tool(book)
    (said,) = [r.getMessage() for r in caplog.records if r.name == "toolguard.guard"]
    assert "does not fit tool 'book'" in said
    assert "did you mean 'limit'" in said


@pytest.mark.parametrize("name", ["hipaa"])
def test_a_pack_checks_against_a_tool_with_any_schema(name: str) -> None:
    from toolguard.config import ANALYSES
    from toolguard.policyfile import read_pack

    loaded = load_policy(read_pack(name), functions=ANALYSES)
    for tool in ("fhir.search", "ehr.export_cohort", "send_email", "run_sql", "http_get"):
        check_against(loaded, Tool.describe(tool, source="app", schema=SCHEMA))
