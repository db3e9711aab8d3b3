"""``toolguard policy``: check, explain, schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from policy.support import APPROVALS, HEAD
from toolguard.cli.policy import app
from toolguard.policyfile import json_schema

TEXT = (
    HEAD
    + APPROVALS
    + "tools: {send_email: {args: {body: unmask}}, 'ehr.*': {}}\n"
    + "rules:\n"
    + "- {id: out, because: Mail needs a person., effect: require_approval, match: {tool: send_email},"
    + " when: 'reveals(args).size() > 0 && args.to != \"x\"'}\n"
    + "- {id: night, because: Not at night., effect: deny, when: 'hour >= 22 || caller.agent == \"rogue\"'}\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(TEXT)
    return path


def run(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words], input=stdin)


def test_check_of_a_good_file_says_what_it_holds(file: Path) -> None:
    result = run("check", file)
    assert result.exit_code == 0
    assert "policy 'test' version 1 is in order: 2 rules, 2 tool patterns, sha256 " in result.output


def test_check_warns_of_trust_by_name_alone(file: Path, tmp_path: Path) -> None:
    warned = run("check", file)
    assert warned.exit_code == 0
    assert "warning: tools named 'send_email' are trusted wherever they come from" in warned.stderr
    bound = tmp_path / "bound.yaml"
    bound.write_text(TEXT.replace("{body: unmask}", "{body: unmask}, source: app"))
    assert "warning" not in run("check", bound).stderr


def test_check_prints_each_fault_and_fails(file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(HEAD + APPROVALS + "mode: shaddow\nrules: [{id: r}]\n")
    result = run("check", file, bad)
    assert result.exit_code == 1
    assert f"{bad}:5:7: mode: 'shaddow' is not one of the words" in result.output
    assert f"{bad}:6:9: rules[0]: 'because' is missing" in result.output


def test_check_as_json_gives_every_part_of_a_fault(file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(HEAD + APPROVALS + "mode: shaddow\n")
    found = json.loads(run("check", file, bad, "--json").stdout)
    assert [(p["file"], p["line"], p["column"], p["path"]) for p in found] == [(str(bad), 5, 7, "mode")]
    assert json.loads(run("check", file, "--json").stdout) == []


def test_explain_masks_what_the_tool_may_not_have_and_what_is_shown(file: Path) -> None:
    args = json.dumps({"to": "bob@example.org", "body": "Patient John Smith, SSN 123-45-6789"})
    result = run("explain", file, "--tool", "send_email", "--args", "-", stdin=args)
    assert result.exit_code == 0
    assert "The call waits for approval (rule)." in result.output
    assert "Rule 'out' (line 7) asks for require_approval: Mail needs a person." in result.output
    assert "Value of args.to, masked: '<EMAIL_M1>'." in result.output
    assert "123-45" not in result.output
    assert "Smith" not in result.output
    assert "bob@" not in result.output


def test_explain_decides_with_who_where_and_when(file: Path) -> None:
    words = ("explain", file, "--tool", "ehr.read", "--json")
    assert json.loads(run(*words).output)["effect"] == "allow"
    late = json.loads(run(*words, "--hour", 23).output)
    assert (late["effect"], [r["id"] for r in late["rules"]]) == ("deny", ["night"])
    assert json.loads(run(*words, "--agent", "rogue").output)["effect"] == "deny"


@pytest.mark.parametrize("args", ["[1]", "{", "secret-123"])
def test_explain_refuses_arguments_that_are_no_object_without_repeating_them(file: Path, args: str) -> None:
    result = run("explain", file, "--tool", "ehr.read", "--args", args)
    assert result.exit_code == 2
    assert "secret" not in result.output


def test_schema_prints_the_schema() -> None:
    assert json.loads(run("schema").output) == json_schema()
