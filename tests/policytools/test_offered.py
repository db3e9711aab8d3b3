"""The tools a policy is tried on are known as the guard knows them, wherever their list stands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from policytools.support import HEAD, run, write
from toolguard._core.call import Tool
from toolguard.config import ANALYSES
from toolguard.errors import ConfigError
from toolguard.policyfile import load_policy
from toolguard.policytools.lint import lint
from toolguard.policytools.offered import UNKNOWN_SOURCE, named_tool, placed, read_tools
from toolguard.policytools.scan import inventory, starter

MODULE = """
def find_patient(name: str) -> str:
    '''Find a patient.'''
    return name

def send_letter(to: str, body: str) -> str:
    '''Send a letter.'''
    return to

TOOLS = [find_patient, send_letter]
"""
CASES = """
apiVersion: toolguard/v1
kind: PolicyCases
policy: clinic.yaml
cases:
  - {name: a look-up, tool: find_patient, args: {name: Mary Smith}, expect: {effect: allow}}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an agent's tools and the policy that 'scan --pin' wrote for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"agent_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    assert run("scan", f"{name}:TOOLS", "--write", "clinic.yaml", "--pin").exit_code == 0
    write(tmp_path, "clinic.cases.yaml", CASES)
    yield tmp_path
    sys.modules.pop(name, None)


def offered(place: Path) -> str:
    return f"agent_{place.name}:TOOLS"


def test_a_pinned_starter_policy_passes_its_cases_with_the_tools_it_was_written_from(place: Path) -> None:
    done = run("test", "clinic.yaml", "--tools", offered(place))
    assert done.exit_code == 0, done.output


def test_without_them_a_failed_case_says_what_it_failed_for(place: Path) -> None:
    done = run("test", "clinic.yaml")
    assert done.exit_code == 1
    assert "because of: drift" in done.output
    assert "--tools" in done.output


def test_one_call_is_explained_with_the_tool_as_it_is(place: Path) -> None:
    alone = run("explain", "clinic.yaml", "--tool", "find_patient", "--args", '{"name": "x"}')
    assert "(drift)" in alone.output
    assert f"wants 'find_patient' from 'agent_{place.name}:find_patient', and this one is from 'app'" in alone.output
    known = run(
        "explain", "clinic.yaml", "--tool", "find_patient", "--args", '{"name": "x"}', "--tools", offered(place)
    )
    assert "The call is allowed" in known.output
    assert "drift" not in known.output


def test_a_tool_of_another_description_is_told_from_one_of_another_source(place: Path) -> None:
    source = f"agent_{place.name}:find_patient"
    told = run("explain", "clinic.yaml", "--tool", "find_patient", "--source", source)
    assert "to another schema and description" in told.output


def test_a_name_that_no_tool_has_is_a_mistake_on_the_command_line(place: Path) -> None:
    done = run("explain", "clinic.yaml", "--tool", "find_patients", "--tools", offered(place))
    assert isinstance(done.exception, ConfigError) or done.exit_code == 3
    assert "did you mean 'find_patient'" in f"{done.output}{done.exception}"


def test_calls_that_are_written_down_find_their_tools_too(place: Path) -> None:
    (place / "calls.jsonl").write_text(json.dumps({"tool": "find_patient", "args": {"name": "x"}}) + "\n")
    assert "1 call: 1 deny" in run("simulate", "clinic.yaml", "calls.jsonl").output
    assert "1 call: 1 allow" in run("simulate", "clinic.yaml", "calls.jsonl", "--tools", offered(place)).output


def test_a_tool_of_a_file_is_taken_to_come_from_where_the_policy_says(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "p.yaml",
        HEAD + 'approvals: {default: {approvers: ["group:nurses"]}}\ntools: {find: {source: "ward.tools:*"}}\n',
    )
    policy = load_policy(file, functions=ANALYSES)
    listed = tmp_path / "tools.json"
    listed.write_text('[{"name": "find", "description": "Finds."}, {"name": "send", "description": "Sends."}]')
    find, send = read_tools([str(listed)])
    assert placed(find, policy).identity.source == "ward.tools:find"
    assert placed(send, policy).identity.source == UNKNOWN_SOURCE
    elsewhere = Tool.describe("find", source="other:find")
    assert placed(elsewhere, policy) == elsewhere, "what says where it comes from is believed, and may be refused"
    with pytest.raises(ConfigError, match="2 of these tools"):
        named_tool("find", [find, elsewhere], policy)


def test_a_starter_policy_of_a_servers_tools_says_how_the_application_names_them(tmp_path: Path) -> None:
    server = tmp_path / "ward_server.py"
    server.write_text((Path(__file__).parents[1] / "toollist" / "mcp_records.py").read_text())
    tools = read_tools((), [f"{sys.executable} {server}"])
    text = starter(inventory(tools), name="ward")
    assert '# tools of this server: guard_tools(tools, guard=guard, source="mcp:ward_server.py")' in text
    remarks = lint(str(write(tmp_path, "p.yaml", text)), tools=tools)
    assert [str(r) for r in remarks] == []
