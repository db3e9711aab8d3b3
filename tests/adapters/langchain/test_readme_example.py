"""The example for newcomers, word for word, with a scripted model in the place of a provider's."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from adapters.langchain.kit import Script, call, says

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1}
approvals:
  default: {approvers: ["group:privacy-office"]}
tools:
  find_patient: {risk: low, trusted_for: [PERSON], trusted_results: true}
  toolguard.reveal: {risk: low}
"""

EXAMPLE = '''\
from langchain.agents import create_agent
from toolguard import Caller, Guard
from toolguard_langchain import GuardMiddleware, guard_tools

def find_patient(name: str) -> dict:
    """Find a patient by name."""
    return {"resourceType": "Patient", "name": [{"text": name}], "birthDate": "1947-03-12"}

guard = Guard("policy.yaml")
agent = create_agent(model, guard_tools([find_patient], guard=guard), middleware=[GuardMiddleware(guard)])
with guard.session(caller=Caller.of("ana.ruiz", agent="ward-assistant", tenant="general")) as session:
    state = agent.invoke({"messages": [("user", "When was Margaret O'Neil born?")]})
    answer = state["messages"][-1].content
    print(answer)
    print(session.reveal(answer, purpose="treatment").text)
'''


def test_the_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(POLICY, "utf-8")

    def answer(messages: list[object]) -> AIMessage:
        told = messages[-1]
        assert isinstance(told, ToolMessage)
        assert "1947" not in str(told.content)
        born = str(told.content).partition('"birthDate": "')[2].partition('"')[0]
        return AIMessage(f"<PERSON_1> was born on {born}.")

    model = Script(lines=[says(call("find_patient", {"name": "<PERSON_1>"})), answer])
    names: dict[str, object] = {"model": model, "__name__": "example"}
    told = io.StringIO()
    with redirect_stdout(told):
        exec(compile(EXAMPLE, "example.py", "exec"), names)
    masked, clear = told.getvalue().splitlines()
    assert masked.startswith("<PERSON_1> was born on <DATE")
    assert clear == "Margaret O'Neil was born on 1947-03-12."
    assert "Margaret" not in repr(model.shown)
    assert len(EXAMPLE.splitlines()) == 15
