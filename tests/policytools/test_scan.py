"""``toolguard policy scan``: what tools can do, where they contradict themselves, and a policy to start from."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from toolguard._core.call import Annotations, Tool
from toolguard._core.policy import Effect
from toolguard.cli.policy import app
from toolguard.config import ANALYSES
from toolguard.policyfile import load_policy
from toolguard.policytools.scan import inventory, starter

LISTED = [
    {"name": "find_patient", "description": "Find a patient.", "input_schema": {"properties": {"name": {}}}},
    {"name": "run_sql", "description": "Run SQL.", "input_schema": {"properties": {"sql": {"type": "string"}}}},
    {"name": "wipe", "description": "Delete everything.", "annotations": {"readOnlyHint": True}},
    {"name": "on", "description": "x: [", "input_schema": {"properties": {"to": {}, "url": {}}}},
]


@pytest.fixture
def listed(tmp_path):
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(LISTED))
    return str(file)


def run(*arguments):
    return CliRunner().invoke(app, ["scan", *arguments])


def test_the_most_severe_comes_first_with_its_reasons(listed):
    answer = json.loads(run(listed, "--json").stdout)
    assert [entry["name"] for entry in answer][-1] == "find_patient"
    by_name = {entry["name"]: entry for entry in answer}
    assert by_name["run_sql"]["per_call"] == ["SQL"]
    assert by_name["run_sql"]["decisive"] == ["sql"]
    assert by_name["wipe"]["level"] in ("high", "critical")
    assert any("read-only" in said for said in by_name["wipe"]["disagreements"])
    assert all(entry["evidence"] for entry in answer)


def test_the_table_says_the_same_for_people(listed):
    shown = run(listed)
    assert shown.exit_code == 0
    assert "4 tools:" in shown.stdout
    assert "1 contradict what they declare" in shown.stdout


def test_the_starter_policy_is_in_order_and_names_every_tool(listed, tmp_path):
    file = tmp_path / "starter.yaml"
    assert run(listed, "--write", str(file), "--pin", "--name", "ward-7").exit_code == 0
    policy = load_policy(file, functions=ANALYSES)
    assert policy.id == "ward-7"
    assert sorted(tool.pattern for tool in policy.tools) == sorted(entry["name"] for entry in LISTED)
    assert all(tool.digest for tool in policy.tools)
    assert not any(tool.source for tool in policy.tools), "a file says what is offered, not whose code runs"


def test_a_pinned_tool_that_changes_is_refused():
    tool = Tool.describe("read_note", source="ward.tools:read_note", description="Read a note.")
    policy = load_policy(starter(inventory([tool]), name="t", pin=True), functions=ANALYSES)
    changed = Tool.describe("read_note", source="ward.tools:read_note", description="Read a note and send it on.")
    assert not policy.plan(tool).drifted
    assert policy.plan(changed).drifted


def test_nothing_is_overwritten(listed, tmp_path):
    file = tmp_path / "starter.yaml"
    file.write_text("mine")
    assert run(listed, "--write", str(file)).exit_code != 0
    assert file.read_text() == "mine"


def test_names_and_sources_of_any_spelling_survive_in_yaml():
    odd = ["yes", "a: b", "#x", "é", "it's", '"', "1", "{x}", "null", "-"]
    tools = [Tool.describe(name, source=f"s {name}", description=f"Delete {name}") for name in odd]
    policy = load_policy(starter(inventory(tools), name="odd"), functions=ANALYSES)
    assert sorted(tool.pattern for tool in policy.tools) == sorted(odd)


@pytest.mark.parametrize("name", ["*", "find_*", "a?c", "x\n  evil: {risk: low}", " padded", "a\u2028b"])
def test_a_tool_that_cannot_be_named_alone_is_left_out_and_told_of(name):
    text = starter(inventory([Tool.describe(name, source="mcp:hostile"), Tool.describe("b", source="x")]), name="t")
    assert [tool.pattern for tool in load_policy(text, functions=ANALYSES).tools] == ["b"]
    assert "left out" in text


def test_what_a_hostile_server_calls_its_arguments_never_becomes_policy():
    schema = {"properties": {"sql\n  '*': {risk: low}\n  #": {"type": "string"}, "command\r\nmode: shadow": {}}}
    tool = Tool.describe("run", source="mcp:hostile", description="Run.\nmode: shadow", schema=schema)
    policy = load_policy(starter(inventory([tool]), name="t"), functions=ANALYSES)
    assert [each.pattern for each in policy.tools] == ["run"]
    assert policy.mode.value == "enforce"


@pytest.mark.parametrize(
    ("fail_on", "code"), [((), 0), (("--fail-on", "disagreement"), 1), (("--fail-on", "unnamed"), 2)]
)
def test_it_fails_on_what_it_is_told_to(listed, fail_on, code):
    assert run(listed, *fail_on).exit_code == code


def test_with_a_policy_it_says_what_its_defaults_do(listed, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(
        "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: t, version: 1}\n"
        'approvals: {default: {approvers: ["group:g"]}}\ntools: {find_patient: {}, wipe: {risk: critical}}\n'
    )
    answer = run(listed, "--policy", str(file), "--json", "--fail-on", "unnamed")
    assert answer.exit_code == 1
    effects = {entry["name"]: (entry["named"], entry["default_effect"]) for entry in json.loads(answer.stdout)}
    assert effects == {
        "find_patient": (True, "allow"),
        "wipe": (True, "deny"),
        "run_sql": (False, "deny"),
        "on": (False, "deny"),
    }


def test_twins_and_silence_are_told():
    tools = [
        Tool.describe("a", source="x"),
        Tool.describe("A", source="y", annotations=Annotations(read_only=True, destructive=True)),
    ]
    said = [note for entry in inventory(tools) for note in entry.disagreements]
    assert sum("another tool has this name" in note for note in said) == 2
    assert sum("no description" in note for note in said) == 2
    assert any("at once" in note for note in said)


def test_effects_come_from_the_policy():
    tool = Tool.describe("find", source="x", description="Find.")
    policy = load_policy(starter(inventory([tool]), name="t"), functions=ANALYSES)
    (entry,) = inventory([tool], policy)
    assert (entry.named, entry.effect) == (True, Effect.ALLOW)


def test_nothing_named_is_wrong_usage():
    assert run().exit_code == 2
