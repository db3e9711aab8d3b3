"""One call is judged by what its arguments hold, wherever they hold it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toolguard._core.call import Annotations, Json, Tool
from toolguard._core.risk import RiskClass, RiskLevel, combine
from toolguard.analysis import analyser_for, classify_call, classify_tool
from toolguard.analysis.plan import MAX_DEPTH, Plan

NO_HINTS = Annotations()


def plan(name: str, description: str = "", annotations: Annotations = NO_HINTS, **properties: Any) -> Plan:
    schema = {
        "type": "object",
        "properties": {k: {"type": v} if isinstance(v, str) else v for k, v in properties.items()},
    }
    tool = Tool.describe(name, source="test", description=description, schema=schema, annotations=annotations)
    return analyser_for(tool, classify_tool(tool))


SQL = plan("execute_sql", "Executes raw SQL, including DELETE and DROP.", query="string")
SHELL = plan("run_command", "Runs a shell command", command="string", cwd="string")
FHIR = plan("fhir_request", path="string", method="string", body="object")
FREE = plan("process_item", "Processes an item", item="object")


@pytest.mark.parametrize(
    ("judge", "data", "risk_class", "level"),
    [
        (SQL, {"query": "SELECT a FROM t WHERE id = 1"}, "read", "low"),
        (SQL, {"query": "UPDATE t SET a = 1 WHERE id = 1"}, "write", "medium"),
        (SQL, {"query": "DROP TABLE t"}, "destructive", "critical"),
        (SQL, {"query": "not sql at all ((("}, "code_execution", "high"),
        (SHELL, {"command": "ls -la"}, "read", "low"),
        (SHELL, {"command": "rm -rf /"}, "destructive", "critical"),
        (SHELL, {"command": ["rm", "-rf", "/"]}, "destructive", "critical"),
        (SHELL, {"command": ["ls", "rm -rf /"]}, "destructive", "critical"),
        (SHELL, {"command": ""}, "read", "low"),
        (FHIR, {"path": "Patient/1", "method": "GET"}, "write", "medium"),
        (FHIR, {"path": "Patient/$export", "method": "GET"}, "exfiltration", "critical"),
        (FHIR, {"path": "Patient/1", "method": "DELETE"}, "destructive", "high"),
        (FHIR, {"method": "delete", "path": "Patient?name=x"}, "destructive", "critical"),
        (FHIR, {"path": "Patient?_count=5000"}, "exfiltration", "high"),
        (plan("fetch_page", "Fetch a page", url="string"), {"url": "https://example.org/a"}, "read", "low"),
        (plan("fetch_page", "Fetch a page", url="string"), {"url": "http://169.254.169.254/"}, "privilege", "critical"),
        (plan("read_file", "Read a file", path="string"), {"path": "notes/a.txt"}, "read", "low"),
        (plan("read_file", "Read a file", path="string"), {"path": "../../etc/shadow"}, "exfiltration", "high"),
        (plan("send_letter", to="array"), {"to": ["a@x.example"]}, "communication", "medium"),
        (plan("send_letter", to="array"), {"to": [f"p{i}@x.example" for i in range(30)]}, "communication", "high"),
        (plan("send_letter", to="string"), {"to": "all-staff@x.example"}, "communication", "high"),
        (plan("record_copay", amount="number"), {"amount": 20}, "financial", "medium"),
        (plan("record_copay", amount="number"), {"amount": 5000}, "financial", "high"),
        (plan("record_copay", amount="string"), {"amount": "5,000.00 USD"}, "financial", "high"),
        (plan("record_copay", amount="string"), {"amount": "five thousand dollars"}, "financial", "high"),
        (plan("record_copay", amount="object"), {"amount": {"value": 20, "currency": "USD"}}, "financial", "medium"),
        (plan("manage_item", action="string"), {"action": "delete"}, "destructive", "high"),
        (plan("manage_item", action="string"), {"action": "list"}, "write", "medium"),
        (plan("call_cloud", action="string"), {"action": "s3:PutBucketPolicy"}, "privilege", "high"),
        (plan("search_patients", limit="integer"), {"limit": 20}, "read", "low"),
        (plan("search_patients", limit="integer"), {"limit": 100000}, "exfiltration", "medium"),
        (plan("search_patients", limit="integer"), {"limit": "100000"}, "exfiltration", "medium"),
        (plan("search_patients", limit="integer"), {"limit": -1}, "exfiltration", "medium"),
        (plan("get_patient", id="string"), {"id": "p-1"}, "read", "low"),
        (plan("get_patient", id="string"), {}, "read", "low"),
    ],
)
def test_a_call_is_judged_by_its_arguments(judge: Plan, data: Json, risk_class: str, level: str) -> None:
    found = judge.risk(data)
    assert (found.risk_class.value, found.level.label) == (risk_class, level)


WORST = {"sql": "DROP TABLE patients", "command": "rm -rf /", "url": "http://169.254.169.254/latest"}


@pytest.mark.parametrize("kind", sorted(WORST))
@pytest.mark.parametrize(
    "wrap",
    [
        lambda k, v: {k: v},
        lambda k, v: {k: [v]},
        lambda k, v: {k: [[v]]},
        lambda k, v: {"item": {k: v}},
        lambda k, v: {"item": {"inner": [{k: v}]}},
        lambda k, v: {"item": json.dumps({k: v})},
        lambda k, v: {"item": json.dumps(json.dumps({k: v}))},
        lambda k, v: {k: {"value": v}},
        lambda k, v: {k: json.dumps(v)},
        lambda k, v: {k: f"  {v}  "},
        lambda k, v: {k: v.upper() if k == "sql" else v},
        lambda k, v: {k: v.replace("p", "\uff50") if k != "url" else v},
        lambda k, v: {"unknown": v},
        lambda k, v: [{k: v}],
        lambda k, v: {"harmless": "x", "list": ["a", {"b": None, k: v}]},
    ],
)
def test_no_packing_makes_a_call_milder(kind: str, wrap: Any) -> None:
    for judge in (FREE, plan("process_item", **{kind: "string"})):
        assert judge.risk(wrap(kind, WORST[kind])).level >= RiskLevel.HIGH


def test_the_text_of_a_free_form_argument_replaces_what_it_could_do() -> None:
    tool = Tool.describe("execute_sql", source="t", schema={"properties": {"sql": {"type": "string"}}})
    static = classify_tool(tool)
    assert static.risk_class is RiskClass.CODE_EXECUTION
    own = classify_call(tool, static, {"sql": "SELECT 1"})
    assert combine(own, default=static).level is RiskLevel.LOW
    assert not any(e.source == "schema.sql" for e in own)


def test_a_free_form_argument_that_is_not_given_runs_nothing() -> None:
    judge = plan("get_report", sql="string", id="string")
    assert judge.risk({"id": "7"}).level is RiskLevel.LOW
    assert judge.risk({"id": "7", "sql": "DROP TABLE t"}).level is RiskLevel.CRITICAL


def test_a_tool_that_speaks_of_sql_without_declaring_it_stays_high() -> None:
    judge = plan("execute_sql", "Executes raw SQL")
    assert judge.risk({"whatever": "x"}).level is RiskLevel.HIGH
    assert judge.risk({}).level is RiskLevel.HIGH


def test_reading_one_language_does_not_excuse_another() -> None:
    judge = plan("run_job", sql="string", script="string")
    assert judge.risk({"sql": "SELECT 1", "script": "import os; os.remove('x')"}).level is RiskLevel.HIGH


def test_an_annotation_that_raises_is_kept() -> None:
    judge = plan("execute_sql", annotations=Annotations(destructive=True), sql="string")
    assert judge.risk({"sql": "SELECT 1"}).risk_class is RiskClass.DESTRUCTIVE


def test_prose_that_speaks_of_commands_is_left_alone() -> None:
    judge = plan("create_comment", "Adds a comment", body="string", title="string")
    assert (
        judge.evidence({"body": "please run `rm -rf build` or DROP TABLE x; DELETE FROM y", "title": "clean up"}) == ()
    )


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-02T10:00:00Z",
        "follow up; see notes",
        "Dr. Smith",
        "a/b",
        "select a slot from the list",
        5,
        None,
        True,
        1.5,
    ],
)
def test_everyday_values_raise_nothing(value: Json) -> None:
    judge = plan("book_slot", when="string")
    assert all(e.level <= RiskLevel.LOW for e in judge.evidence({"when": value}))


def test_depth_and_size_are_bounded() -> None:
    deep: Json = "x"
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    assert FREE.risk({"item": deep}).level is RiskLevel.HIGH
    assert FREE.risk({"item": ["x"] * 6_000}).level is RiskLevel.HIGH


def test_evidence_names_no_value() -> None:
    data = {"query": "DELETE FROM jane_doe WHERE ssn = '123-45-6789'", "note": "jane_doe", "url": "http://jane:pw@h/x"}
    for judge in (SQL, SHELL, FHIR, FREE):
        assert not any(secret in e.text for e in judge.applicable(data) for secret in ("jane", "123-45", "pw@"))


def test_arguments_that_upset_a_reader_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def upset(text: str, **_: object) -> None:
        raise RuntimeError(text)

    judge = plan("fetch_page", url="string")
    monkeypatch.setattr("toolguard.analysis.plan.url_evidence", upset)
    assert judge.risk({"url": "https://example.org/"}).level is RiskLevel.HIGH


def test_a_judgement_tells_the_arguments_part_apart() -> None:
    found, own = SQL.judge({"query": "DROP TABLE t"})
    assert found == SQL.risk({"query": "DROP TABLE t"})
    assert own == SQL.evidence({"query": "DROP TABLE t"})
    assert set(own) <= set(found.evidence)


def test_a_bulk_limit_counts_where_no_schema_declares_it() -> None:
    assert plan("search_patients").risk({"limit": 5_000}).risk_class is RiskClass.EXFILTRATION


KUBECTL = plan("kubectl", args="string")
GIT = plan("run_git", "Run a git command", command="string")


@pytest.mark.parametrize(
    ("judge", "data", "risk_class", "level"),
    [
        (KUBECTL, {"args": "get pods"}, "read", "low"),
        (KUBECTL, {"args": "delete namespace prod"}, "destructive", "high"),
        (KUBECTL, {"args": "kubectl delete namespace prod"}, "destructive", "high"),
        (KUBECTL, {"args": "get pods; rm -rf /"}, "destructive", "critical"),
        (plan("kubectl", args="array"), {"args": ["get", "pods"]}, "read", "low"),
        (plan("kubectl", args="array"), {"args": ["delete", "pods", "--all"]}, "destructive", "critical"),
        (plan("kubectl"), {"args": "delete pod x"}, "destructive", "high"),
        (plan("mcp__k8s__kubectl", args="string"), {"args": "delete pod x"}, "destructive", "high"),
        (plan("git", args="array"), {"args": ["commit", "-m", "rm -rf the old way"]}, "write", "medium"),
        (GIT, {"command": "status"}, "read", "low"),
        (GIT, {"command": "push --force"}, "destructive", "high"),
        (GIT, {"command": "rm -rf /"}, "destructive", "critical"),
        (plan("git_push", args="string"), {"args": "--force"}, "destructive", "high"),
        (plan("call_aws", cli_command="string"), {"cli_command": "aws s3 rb s3://x --force"}, "destructive", "high"),
        (plan("aws", args="string"), {"args": "s3 ls"}, "read", "low"),
        (plan("docker_exec", args="string"), {"args": "web rm -rf /data"}, "destructive", "high"),
        (plan("psql", args="string"), {"args": "-c 'drop table t'"}, "destructive", "critical"),
        (plan("bash", cmd="string"), {"cmd": "ls"}, "read", "low"),
        (plan("bash", args="array"), {"args": ["-c", "rm -rf /srv"]}, "destructive", "critical"),
        (plan("make_appointment", args="string"), {"args": "delete"}, "write", "medium"),
    ],
)
def test_a_tool_that_is_a_program_is_read_as_its_command_line(
    judge: Plan, data: Json, risk_class: str, level: str
) -> None:
    found = judge.risk(data)
    assert (found.risk_class.value, found.level.label) == (risk_class, level)


def test_a_program_of_which_nothing_was_said_yet_may_run_anything() -> None:
    assert classify_tool(Tool.describe("kubectl", source="test", schema={"properties": {"args": {}}})).level is (
        RiskLevel.HIGH
    )


def test_where_a_span_ends_is_no_recipient() -> None:
    assert "communication" not in plan("list_visits", **{"from": "string", "to": "string"}).risk({}).classes
    letters = plan("post_letter", **{"from": "string", "to": "string", "body": "string"})
    assert "communication" in letters.risk({}).classes
