"""Lint: every planted fault is found where it stands, and nothing is said of what is in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policytools.support import HEAD, run, write
from toolguard.policyfile import pack_names
from toolguard.policytools.lint import lint
from toolguard.policytools.offered import read_tools
from toolguard.policytools.remark import CODES

APPROVALS = 'approvals: {privacy: {approvers: ["group:office"], expires: 1h}}\n'
DENY = "because: No., effect: deny"
MAIL = "match: {tool: send_mail}"
TOOLS = [
    {
        "name": "send_mail",
        "description": "Sends a mail.",
        "annotations": {"destructiveHint": True},
        "input_schema": {
            "type": "object",
            "properties": {"to": {"type": "string"}, "body": {"type": "string"}, "cc": {"type": "string"}},
            "required": ["to", "body"],
        },
    },
    {
        "type": "function",
        "function": {
            "name": "ehr.find",
            "description": "Finds patients.",
            "parameters": {
                "type": "object",
                "properties": {
                    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
                    "ward": {"enum": ["a", "b"]},
                    "patient": {"$ref": "#/$defs/Patient"},
                },
                "required": ["limit", "ward", "patient"],
                "$defs": {
                    "Patient": {"type": "object", "properties": {"mrn": {"type": "string"}}, "required": ["mrn"]}
                },
            },
        },
    },
]
DIRECTORY = """
version: 1
persons:
  - {id: ada, name: Ada, identities: [{issuer: local, tenant: general, subject: ada}]}
  - {id: bob, name: Bob, identities: [{issuer: local, tenant: general, subject: bob}]}
groups:
  - {name: office, tenant: general, members: [ada, bob]}
  - {name: alone, tenant: general, members: [ada]}
  - {name: nobody, tenant: general, members: [{person: bob, until: 2001-01-01}]}
"""


def rules(*each: str) -> str:
    return "rules:\n" + "".join(f"  - {{{text}}}\n" for text in each)


def one(when: str, match: str = MAIL) -> str:
    return APPROVALS + "tools: {send_mail: {}, ehr.find: {}}\n" + rules(f"id: r, {DENY}, {match}, when: '{when}'")


PLANTED = [
    # code, where (line of the file's 4th line on, column), what is told, the policy below its head
    ("TG001", "5:21", "unknown key", APPROVALS + "tools: {send_mail: {riks: low}}\n"),
    ("TG001", "6:", "nothing is called", APPROVALS + rules(f"id: r, {DENY}, when: nothing(args.x)")),
    ("TG002", "7:10", "stands twice", APPROVALS + rules(f"id: r, {DENY}", f"id: r, {DENY}")),
    ("TG003", "6:", "must give yes or no", APPROVALS + rules(f"id: r, {DENY}, when: hour + 1")),
    ("TG101", "6:", "did you mean 'send_mail'", APPROVALS + rules(f"id: r, {DENY}, match: {{tool: sendmail}}")),
    ("TG101", "5:9", "no tool is called 'send_fax'", APPROVALS + "tools: {send_fax: {}}\n"),
    ("TG102", "6:", "no tool fits 'fhir.*'", APPROVALS + rules(f'id: r, {DENY}, match: {{tool: ["fhir.*", "ehr.*"]}}')),
    ("TG102", "5:9", "no tool fits 'x*'", APPROVALS + 'tools: {"x*": {}}\n'),
    ("TG103", "5:28", "'bdy' is no argument of 'send_mail'; did you mean 'body'", APPROVALS + "tools: {send_mail: {args: {bdy: mask}}}\n"),
    ("TG103", "5:", "'text' is no argument", APPROVALS + "tools: {send_mail: {prose: [text]}}\n"),
    ("TG103", "5:", "'subject' is no argument", APPROVALS + "tools: {send_mail: {decisive: [to, subject]}}\n"),
    ("TG103", "5:", "'mrn' is no argument", APPROVALS + "tools: {ehr.find: {subject: mrn}}\n"),
    ("TG103", "5:", "'path' is no argument", APPROVALS + "tools: {send_mail: {references: {path: file}}}\n"),
    ("TG103", "6:", "'bdy' is no argument", APPROVALS + rules(f"id: r, {DENY}, {MAIL}, args: {{bdy: mask}}")),
    ("TG104", "7:", "reads args.too, which is no argument of 'send_mail'; did you mean 'to'", one('args.too == "x"')),
    ("TG104", "7:", "reads args.patient.nmae", one('args.patient.nmae == "x"', "match: {tool: ehr.find}")),
    ("TG104", "7:", "reads args.limt", one("has(args.limt) && args.limt > 5", "match: {tool: ehr.find}")),
    ("TG105", "7:", "reads args.cc without has(), and a call of 'send_mail' may lack it", one('args.cc == "x"')),
    ("TG105", "7:", "reads args.to without has(), and a call of 'ehr.find' may lack it", one('args.to == "x"', "match: {}")),
    ("TG106", "7:", "takes args.to for a number, and 'send_mail' says it is string", one("args.to > 5")),
    ("TG106", "7:", "takes args.limit for a text", one('args.limit == "5"', "match: {tool: ehr.find}")),
    ("TG106", "7:", "does not take", one("args.patient.mrn + 1 > 5", "match: {tool: ehr.find}")),
    ("TG106", "7:", "does not take", one("args.to.size() > 1 && args.to in args.body")),
    ("TG107", "5:", "tool 'ehr.find' is named nowhere, so it gets 'deny'", APPROVALS + "tools: {send_mail: {}}\n"),
    ("TG201", "7:", "never holds", one("false")),
    ("TG201", "7:", "never holds", one('env == "a" && env == "b"')),
    ("TG201", "7:", "never holds", one("caller.verified && !caller.verified")),
    ("TG201", "7:", "never holds", one('lower(args.to) == "Bob"')),
    ("TG201", "7:", "never holds", one('risk.level == "severe"')),
    ("TG201", "7:", "never holds", one('weekday in ["sat", "sun"] && weekday == "mon"')),
    ("TG201", "7:", "never holds", one('args.ward == "c"', "match: {tool: ehr.find}")),
    ("TG202", "7:", "always holds", one("true")),
    ("TG202", "7:", "always holds", one("hour >= 0")),
    ("TG202", "7:", "always holds", one("args.to == args.to")),
    ("TG202", "7:", "always holds", one("size(args.to) >= 0")),
    ("TG202", "7:", "always holds", one("hour < 12 || hour >= 12")),
    ("TG203", "7:79", "a part of it never holds", one('hour < 0 || args.to == "x"')),
    ("TG203", "7:", "a part of it always holds", one('(hour < 24) && args.to == "x"')),
    ("TG204", "7:", "in a range that holds none", one("args.limit > 50 && args.limit < 10", "match: {tool: ehr.find}")),
    ("TG204", "7:", "in a range that holds none", one("hour > 23")),
    ("TG204", "7:", "in a range that holds none", one("args.limit > 500", "match: {tool: ehr.find}")),
    ("TG204", "7:", "in a range that holds none", one("size(args.to) > 4 && size(args.to) < 5")),
    ("TG204", "7:", "in a range that holds none", one("has(args.cc) && args.to > 5 && args.to <= 5")),
    ("TG205", "7:", "never holds for a call that 'match' lets through", one('env == "test"', "match: {tool: send_mail, environment: production}")),
    ("TG205", "7:", "never holds for a call", one('tool == "ehr.find"')),
    ("TG205", "7:", "never holds for a call", one('risk.level == "low"', "match: {tool: send_mail, min_risk: high}")),
    ("TG205", "7:", "never holds for a call", one("hour > 12", 'match: {tool: send_mail, time: {hours: "00:00-06:00"}}')),
    ("TG206", "6:", "both read_only and destructive", APPROVALS + rules(f"id: r, {DENY}, match: {{annotations: {{read_only: true, destructive: true}}}}")),
    ("TG206", "6:", "no tool it names says of itself", APPROVALS + rules(f"id: r, {DENY}, match: {{tool: send_mail, annotations: {{destructive: false, read_only: false}}}}")),
    ("TG102", "6:", "no tool fits 'web_*'", APPROVALS + rules(f"id: r, {DENY}, match: {{tool: send_mail, after: {{tool: 'web_*', within: 1h}}}}")),
    ("TG301", "7:5", "'narrow' never changes an outcome: 'wide'", APPROVALS + rules(f"id: wide, {DENY}", f"id: narrow, {DENY}, {MAIL}")),
    ("TG301", "6:5", "'a' never changes", APPROVALS + rules(f"id: a, because: Ask., effect: require_approval, {MAIL}", f"id: b, {DENY}, match: {{tool: 'send_*'}}")),
    ("TG301", "6:5", "never changes", APPROVALS + rules(f"id: a, {DENY}, match: {{role: [x]}}, when: hour > 3", f"id: b, {DENY}, match: {{role: [x, y]}}, when: hour > 3")),
    ("TG301", "7:5", "'b' never changes", APPROVALS + rules(f"id: a, {DENY}, match: {{time: {{hours: '20:00-08:00'}}}}", f"id: b, {DENY}, match: {{time: {{hours: '22:00-06:00', days: sat}}}}")),
    ("TG302", "6:", "'send_mail' is in 'send_*'", APPROVALS + rules(f'id: r, {DENY}, match: {{tool: ["send_*", send_mail]}}')),
    ("TG303", "6:5", "allows every call", APPROVALS + rules("id: r, because: Yes., effect: allow")),
    ("TG401", "4:", "nobody for 'group:gone'", 'approvals: {default: {approvers: ["group:gone", "group:office"], expires: 1h}}\n'),
    ("TG401", "4:", "nobody for 'group:nobody'", 'approvals: {default: {approvers: ["group:nobody", "group:office"], expires: 1h}}\n'),
    ("TG401", "4:", "nobody for 'person:eve'", 'approvals: {default: {approvers: ["group:office"], fallback: "person:eve", expires: 1h}}\n'),
    ("TG402", "4:", "2 could decide, and the quorum is 3", 'approvals: {default: {approvers: ["group:office"], quorum: 3, expires: 1h}}\n'),
    ("TG403", "4:", "only 'ada' could decide", 'approvals: {default: {approvers: ["group:alone"], expires: 1h}}\n'),
    ("TG403", "4:", "only 'ada', 'bob' could decide", 'approvals: {default: {approvers: ["group:office"], quorum: 2, expires: 1h}}\n'),
    ("TG404", "4:", "'spare' is asked for by no rule", 'approvals: {default: {approvers: ["group:office"], expires: 1h}, spare: {approvers: ["group:office"], expires: 1h}}\n'),
    ("TG405", "4:", "does not say when it expires", 'approvals: {default: {approvers: ["group:office"]}}\n'),
    ("TG501", "5:9", "trusted wherever they come from", APPROVALS + "tools: {send_mail: {trusted_for: [PERSON]}}\n"),
    ("TG501", "5:9", "trusted wherever they come from", APPROVALS + "tools: {send_mail: {args: {to: unmask}}}\n"),
    ("TG502", "5:", "unknown tools get 'allow'", APPROVALS + "defaults: {unknown_tool: allow}\n"),
    ("TG503", "5:7", "nothing is blocked", APPROVALS + "mode: shadow\n"),
    ("TG504", "7:5", "names no control", APPROVALS + rules(f'id: a, {DENY}, {MAIL}, controls: ["soc2:CC6.7"]', f"id: b, {DENY}, match: {{role: x}}")),
    ("TG901", "5:1", "nothing here is TG301", APPROVALS + "# toolguard: ignore TG301\n"),
]  # fmt: skip


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    return write(tmp_path, "tools.json", json.dumps(TOOLS))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return write(tmp_path, "directory.yaml", DIRECTORY)


@pytest.mark.parametrize(("code", "where", "told", "text"), PLANTED, ids=[f"{c}-{t}" for c, _, t, _ in PLANTED])
def test_a_planted_fault_is_found(
    tmp_path: Path, tools: Path, people: Path, code: str, where: str, told: str, text: str
) -> None:
    file = write(tmp_path, "p.yaml", HEAD + text)
    said = run("lint", file, "--tools", tools, "--directory", people, "--json", "--fail-on", "note")
    assert said.exit_code == 1, said.output
    found = [f for f in json.loads(said.stdout) if f["code"] == code and told in f["message"]]
    assert len(found) == 1, said.stdout
    assert f"{found[0]['line']}:{found[0]['column']}".startswith(where)


def test_every_code_is_planted() -> None:
    assert {code for code, *_ in PLANTED} == set(CODES)


IN_ORDER = [
    'args.to == "x"',
    'has(args.cc) && args.cc == "x"',
    "hour < 7 || hour >= 19",
    'env == "test"',
    'lower(args.to) == "bob"',
    "phi(args.body).size() > 0",
    'args.to > "b"',
    'args.to.startsWith("a") || args.to.startsWith("b")',
    'args.to != "a" && args.to != "b"',
    "hour > 3 && hour < 5",
    'weekday == "sat" || hour > 20',
    "has(args.cc) || hour > 3",
]


@pytest.mark.parametrize("when", IN_ORDER)
def test_nothing_is_said_of_a_condition_in_order(tmp_path: Path, tools: Path, when: str) -> None:
    file = write(tmp_path, "p.yaml", HEAD + one(when).replace("rules:", "defaults: {approval: privacy}\nrules:"))
    assert [str(f) for f in lint(str(file), tools=read_tools([str(tools)]))] == []


NOT_SHADOWED = {
    "another effect": (f"id: a, because: Ask., effect: require_approval, {MAIL}", f"id: b, {DENY}, {MAIL}, when: hour > 3"),
    "a wider rule with a condition": (f"id: a, {DENY}, when: hour > 3", f"id: b, {DENY}, {MAIL}"),
    "a shadow rule": (f"id: a, {DENY}, shadow: true", f"id: b, {DENY}, {MAIL}"),
    "an allow beside a mask": ("id: a, because: M., effect: mask", f"id: b, because: A., effect: allow, {MAIL}"),
    "a mask of more": ("id: a, because: M., effect: mask, args: {to: mask}", f"id: b, because: M., effect: mask, {MAIL}"),
    "a shorter result": (
        "id: a, because: M., effect: mask, max_result_chars: 9",
        f"id: b, because: M., effect: mask, max_result_chars: 5, {MAIL}",
    ),
    "an error that asks for more": ("id: a, because: M., effect: mask", f"id: b, because: M., effect: mask, {MAIL}, when: hour > 3"),
    "a time the wider rule is bound to": (
        f'id: a, {DENY}, match: {{time: {{hours: "08:00-09:00"}}}}',
        f"id: b, {DENY}, {MAIL}",
    ),
    "one character in place of many": (f"id: a, {DENY}, match: {{tool: 's?'}}", f"id: b, {DENY}, match: {{tool: 's*x'}}"),
}  # fmt: skip


@pytest.mark.parametrize("pair", NOT_SHADOWED.values(), ids=NOT_SHADOWED)
def test_a_rule_that_changes_something_is_not_shadowed(tmp_path: Path, pair: tuple[str, str]) -> None:
    file = write(tmp_path, "p.yaml", HEAD + APPROVALS + rules(*pair))
    assert "TG301" not in {f.code for f in lint(str(file))}


SILENCED = {
    "on its line": "rules:\n  - {id: r, because: Yes., effect: allow}  # toolguard: ignore TG303 as agreed\n",
    "on the line above": "rules:\n  # toolguard: ignore TG303, TG301\n  - {id: r, because: Yes., effect: allow}\n",
    "where the rule begins": (
        f"rules:\n  - id: r  # toolguard: ignore TG204\n    because: No.\n    effect: deny\n    {MAIL}\n    when: hour > 23\n"
    ),
}


@pytest.mark.parametrize("text", SILENCED.values(), ids=SILENCED)
def test_a_comment_silences_a_finding(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, "p.yaml", HEAD + APPROVALS + text)
    assert {f.code for f in lint(str(file))} <= {"TG901"}


def test_a_comment_silences_its_code_alone(tmp_path: Path) -> None:
    file = write(tmp_path, "p.yaml", HEAD + APPROVALS + SILENCED["on its line"].replace("TG303", "TG301"))
    assert {f.code for f in lint(str(file))} == {"TG303", "TG901"}


@pytest.mark.parametrize("pack", pack_names())
def test_the_shipped_packs_are_clean(pack: str) -> None:
    said = run("lint", f"pack:{pack}")
    assert said.exit_code == 0, said.output


def test_tools_may_come_from_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        "ward_tools.py",
        "def look_up(mrn: str) -> str:\n    'Looks up.'\n    return mrn\n\nTOOLS = [look_up]\n",
    )
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, "p.yaml", HEAD + APPROVALS + "tools: {look_up: {decisive: [mnr]}}\n")
    said = run("lint", file, "--tools", "ward_tools:TOOLS")
    assert "'mnr' is no argument of 'look_up'; did you mean 'mrn'" in said.output


@pytest.mark.parametrize(("fail_on", "code"), [("note", 1), ("warning", 0)])
def test_the_least_severity_that_fails_is_the_users(tmp_path: Path, fail_on: str, code: int) -> None:
    file = write(tmp_path, "p.yaml", HEAD + APPROVALS + "mode: shadow\ndefaults: {approval: privacy}\n")
    assert run("lint", file, "--fail-on", fail_on).exit_code == code


def test_what_cannot_be_read_ends_in_3(tmp_path: Path) -> None:
    assert run("lint", tmp_path / "gone.yaml").exit_code == 3
    assert run("lint", "pack:gone").exit_code == 3
    file = write(tmp_path, "p.yaml", HEAD + APPROVALS)
    assert run("lint", file, "--tools", tmp_path / "gone.json").exit_code == 3
