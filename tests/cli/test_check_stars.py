"""``policy check`` says where one word undoes ``unknown_tool: deny``; and that it really does."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from toolguard._core.call import Assurance, Caller, Person, Tool
from toolguard._core.policy import Effect
from toolguard.cli.main import build
from toolguard.config import ANALYSES
from toolguard.policyfile import load_policy
from toolguard.policytools.judging import Call, Judge

HEAD = (
    "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: ward, version: 1}\n"
    'approvals:\n  default: {approvers: ["group:office"], expires: 1h}\n'
)
RULE = "rules:\n  - {id: r, because: So., effect: allow, match: {tool: [%s]}}\n"
CASES = {
    "nothing of the kind": ("tools:\n  find_patient: {}\n", "", Effect.DENY),
    "a pack that knows every tool": ("include: [pack:agents]\n", "agents", Effect.ALLOW),
    "a pattern": ('tools:\n  "*": {}\n', "'*'", Effect.ALLOW),
    "a pattern in other clothes": ('tools:\n  "**": {}\n', "'**'", Effect.ALLOW),
    "a rule that allows every tool, of those that are named": (RULE % '"*"', "", Effect.DENY),
    "a rule that allows some": (RULE % '"find_*"', "", Effect.DENY),
    "a pattern of one server's": ('tools:\n  "*": {source: "mcp:ward"}\n', "", Effect.DENY),
    "unknown tools may run anyway": ('defaults: {unknown_tool: allow}\ntools:\n  "*": {}\n', "", Effect.ALLOW),
}


@pytest.mark.parametrize("what", CASES)
def test_what_undoes_unknown_tool_is_said(what: str, tmp_path: Path) -> None:
    text, named, effect = CASES[what]
    file = tmp_path / "ward.yaml"
    file.write_text(HEAD + text, "utf-8")
    done = CliRunner().invoke(build(["policy"]), ["policy", "check", str(file)])
    assert done.exit_code == 0, done.output
    assert ("warning" in done.stderr) is bool(named)
    assert named in done.stderr
    who = Person(issuer="local", tenant="general", subject="ana")
    call = Call(
        tool=Tool.describe("read_stranger", source="app", description="Read a stranger"),
        args={},
        caller=Caller(person=who, agent="agent", tenant="general", assurance=Assurance.ASSERTED),
    )
    with Judge(load_policy(file, functions=ANALYSES)) as judge:
        decision = judge.explained(call)[0].decision
    assert (Effect.DENY if decision is None else decision.effect) is effect
