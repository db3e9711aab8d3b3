"""Cases beside a policy: what can be said of a call, and what is told when it comes out otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from policytools.support import CASES, HEAD, WARD, run, write
from toolguard.errors import PolicyError
from toolguard.policytools.cases import read_cases, run_files

LETTER = "tool: send_letter"
PATIENT = 'tool: {name: find_patient, source: "ward:ehr"}'


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    write(tmp_path, "ward.yaml", WARD)
    return tmp_path


def cases(folder: Path, *each: str, head: str = "") -> Path:
    lines = "".join(f"  - {{name: case {n}, {text}}}\n" for n, text in enumerate(each))
    return write(folder, "ward.cases.yaml", CASES + head + "cases:\n" + lines)


def came_out(folder: Path, case: str, head: str = "") -> dict[str, tuple[str, str]]:
    """What came out otherwise: what → (expected, got)."""
    ((_, result),) = run_files([read_cases(str(cases(folder, case, head=head)))])
    return {d.what: (d.expected, d.got) for d in result.differences}


RIGHT = {
    "the effect": f"{LETTER}, expect: {{effect: allow}}",
    "the rules that matched": f"{LETTER}, hour: 3, expect: {{effect: deny, rules: by-day, not_rules: [nurses]}}",
    "a local time of day": f'{LETTER}, at: "2026-11-22T23:30", expect: {{rules: [by-day]}}',
    "a time just inside the day": f'{LETTER}, at: "2026-11-22T18:59", expect: {{not_rules: [by-day]}}',
    "roles, and who is asked": f"{LETTER}, caller: {{roles: nurse}}, expect: {{approvals: privacy, effect: require_approval}}",
    "nobody is asked": f"{LETTER}, expect: {{approvals: []}}",
    "arguments": f"{PATIENT}, args: {{limit: 500}}, expect: {{effect: deny, reason: rule}}",
    "handling of arguments": f"{PATIENT}, expect: {{args: {{note: mask, mrn: default}}, results: mask}}",
    "what the tool would get": f"{PATIENT}, args: {{name: Mary Smith}}, expect: {{finds: PERSON, reveals: PERSON}}",
    "what it would not get": f"{LETTER}, args: {{body: Mary Smith}}, expect: {{finds: PERSON, reveals: []}}",
    "a tool from elsewhere": "tool: {name: find_patient, source: other}, expect: {effect: deny, reason: drift}",
    "a tool nobody named": "tool: rm, expect: {effect: deny, reason: unknown_tool}",
    "risk": f"{LETTER}, expect: {{risk: {{level: medium, category: communication}}}}",
}


@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT)
def test_a_case_can_say(ward: Path, case: str) -> None:
    assert came_out(ward, case) == {}


WRONG = [
    (f"{LETTER}, expect: {{effect: deny}}", {"effect": ("deny", "allow")}),
    (f"{LETTER}, hour: 3, expect: {{rules: [nurses]}}", {"rules": ("nurses", "by-day")}),
    (f"{LETTER}, hour: 3, expect: {{not_rules: [by-day]}}", {"not_rules": ("not by-day", "by-day")}),
    (f"{LETTER}, expect: {{approvals: [privacy]}}", {"approvals": ("privacy", "none")}),
    (f"{PATIENT}, expect: {{args: {{note: default}}}}", {"args.note": ("default", "mask")}),
    (f"{PATIENT}, expect: {{results: pass}}", {"results": ("pass", "mask")}),
    (f"{LETTER}, args: {{body: Mary Smith}}, expect: {{reveals: [PERSON]}}", {"reveals": ("PERSON", "none")}),
    (f"{LETTER}, expect: {{risk: {{level: high}}}}", {"risk.level": ("high", "medium")}),
    (f"{LETTER}, expect: {{reason: rule}}", {"reason": ("rule", "default")}),
    (f"{LETTER}, expect: {{max_result_chars: 5}}", {"max_result_chars": ("5", "none")}),
]


@pytest.mark.parametrize(("case", "differences"), WRONG, ids=[c for c, _ in WRONG])
def test_what_comes_out_otherwise_is_told(ward: Path, case: str, differences: dict[str, tuple[str, str]]) -> None:
    assert came_out(ward, case) == differences


def test_what_a_file_gives_holds_where_a_case_says_nothing(ward: Path) -> None:
    given = "given: {caller: {roles: nurse, subject: ada}, hour: 3}\n"
    assert came_out(ward, f"{LETTER}, expect: {{rules: [by-day, nurses]}}", given) == {}
    assert came_out(ward, f"{LETTER}, hour: 12, expect: {{rules: nurses, not_rules: by-day}}", given) == {}
    assert came_out(ward, f"{LETTER}, caller: {{roles: clerk}}, expect: {{not_rules: nurses}}", given) == {}


def test_tools_described_once_are_named_in_cases(ward: Path) -> None:
    tools = 'tools: [{name: find_patient, source: "ward:ehr", description: Finds.}]\n'
    assert came_out(ward, "tool: find_patient, expect: {effect: allow}", tools) == {}


def test_a_fragment_is_laid_over_the_policy(ward: Path) -> None:
    over = (
        "with:\n  tools: {extra: {risk: low}}\n"
        "  rules: [{id: no, because: Never., match: {tool: send_letter}, effect: deny}]\n"
    )
    assert came_out(ward, "tool: extra, expect: {effect: allow}", over) == {}
    assert came_out(ward, f"{LETTER}, expect: {{rules: no}}", over) == {}


def test_a_pack_is_tried_as_a_policy_includes_it(tmp_path: Path) -> None:
    text = CASES.replace("ward.yaml", "pack:hipaa") + (
        "cases:\n  - {name: a, tool: fhir.search, args: {path: '/Patient/$export'},"
        " expect: {effect: deny, rules: [hipaa/no-bulk-export]}}\n"
        "  - {name: b, tool: fhir.search, args: {path: '/Patient/1'}, expect: {not_rules: no-bulk-export}}\n"
    )
    ran = list(run_files([read_cases(str(write(tmp_path, "x.cases.yaml", text)))]))
    assert [r.differences for _, r in ran] == [(), ()]


FAULTY = [
    (f"{LETTER}, expect: {{effect: denied}}", "5:"),
    (f"{LETTER}, expect: {{rules: by-dya}}", "no rule is called 'by-dya'; did you mean 'by-day'"),
    (f"{LETTER}, expect: {{approvals: privcay}}", "did you mean 'privacy'"),
    (f"{LETTER}, expct: {{effect: deny}}", "unknown key 'expct'; did you mean 'expect'"),
    (f"{LETTER}, caller: {{role: nurse}}, expect: {{}}", "unknown key 'role'; did you mean 'roles'"),
    (f"{LETTER}, at: noon, expect: {{}}", "is no local time"),
    (f'{LETTER}, at: "2026-11-22T23:30Z", expect: {{}}', "leave the zone out"),
    (f'{LETTER}, at: "2026-11-22T23:30", hour: 3, expect: {{}}', "names both 'at' and 'hour'"),
    ("expect: {effect: deny}", "'tool' is missing"),
]


@pytest.mark.parametrize(("case", "told"), FAULTY, ids=[t for _, t in FAULTY])
def test_a_case_that_makes_no_sense_is_refused_with_its_place(ward: Path, case: str, told: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_cases(str(cases(ward, case)))
    assert told in str(refused.value)
    assert "ward.cases.yaml:5:" in str(refused.value)


def test_no_fault_shows_a_value_of_an_argument(ward: Path) -> None:
    with pytest.raises(PolicyError) as refused:
        read_cases(str(cases(ward, f"{LETTER}, args: [Mary Smith], expect: {{}}")))
    assert "Smith" not in str(refused.value)


def test_the_command_says_what_passed_and_what_the_cases_cover(ward: Path) -> None:
    cases(ward, f"{LETTER}, hour: 3, expect: {{effect: deny}}", f"{LETTER}, expect: {{effect: allow}}")
    result = run("test", ward / "ward.yaml")
    assert result.exit_code == 0, result.output
    assert "2 cases passed" in result.output
    assert "ward.yaml: 50 % of what its rules can do is covered" in result.output
    assert "big, nurses" in result.output or "nurses, big" in result.output


def test_too_little_coverage_fails_and_names_what_is_missing(ward: Path) -> None:
    file = cases(ward, f"{LETTER}, hour: 3, expect: {{effect: deny}}")
    result = run("test", file, "--min-coverage", 100)
    assert result.exit_code == 1
    assert "by-day" in result.output
    assert "that it does not match" in result.output
    assert "100 % is asked for" in result.stderr
    everything = cases(
        ward,
        f"{LETTER}, hour: 3, expect: {{}}",
        f"{LETTER}, caller: {{roles: nurse}}, expect: {{}}",
        f"{PATIENT}, args: {{limit: 500}}, expect: {{}}",
        f"{PATIENT}, args: {{limit: 5}}, expect: {{}}",
    )
    assert run("test", everything, "--min-coverage", 100).exit_code == 0


def test_a_rule_is_not_covered_by_calls_of_other_tools(ward: Path) -> None:
    file = cases(ward, f"{LETTER}, expect: {{}}")
    (covered,) = json.loads(run("test", file, "--json").stdout)["coverage"]
    assert {r["id"]: r["missed"] for r in covered["rules"]} == {"by-day": 1, "nurses": 1, "big": 0}


def test_failures_are_shown_as_expected_and_got_and_end_in_1(ward: Path) -> None:
    file = cases(ward, f"{LETTER}, expect: {{effect: deny}}")
    result = run("test", file)
    assert result.exit_code == 1
    assert f"FAILED {file}:5: case 0" in result.output
    assert "effect: expected deny" in result.output
    assert "got      allow" in result.output
    (told,) = json.loads(run("test", file, "--json").stdout)["cases"]
    assert told["differences"] == [{"what": "effect", "expected": "deny", "got": "allow"}]


@pytest.mark.parametrize("words", [["nothing.yaml"], ["pack:nothing"], ["nothing.cases.yaml"]])
def test_what_cannot_be_read_ends_in_3(ward: Path, words: list[str]) -> None:
    result = run("test", *words)
    assert result.exit_code == 3
    assert result.stderr.startswith("toolguard: ")


def test_with_no_names_every_file_below_is_run(ward: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ward / "deep").mkdir()
    write(ward / "deep", "p.yaml", HEAD + "approvals: {default: {approvers: [group:g]}}\nrules: []\n")
    write(
        ward / "deep",
        "p.cases.yaml",
        CASES.replace("ward", "p") + "cases: [{name: n, tool: t, expect: {reason: unknown_tool}}]",
    )
    cases(ward, f"{LETTER}, expect: {{effect: allow}}")
    monkeypatch.chdir(ward)
    result = run("test")
    assert result.exit_code == 0
    assert "2 cases passed" in result.output


def test_the_schema_for_editors_takes_what_is_read(ward: Path) -> None:
    schema = json.loads(run("schema", "--cases").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    for case in RIGHT.values():
        data = yaml.safe_load(cases(ward, case).read_text("utf-8"))
        check.validate(data)
    assert not check.is_valid({**data, "cases": [{"name": "x", "tool": "t", "expct": {}}]})
