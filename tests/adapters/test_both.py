"""What both adapters do alike: what they log, what they call things, what they let pass by name."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from toolguard import Caller, Guard, Risk, RiskClass, RiskLevel
from toolguard.errors import ConfigError, StoreError
from toolguard.testing import BrokenDetector, WordDetector
from toolguard.testing.desk import Desk
from toolguard_langchain import GuardMiddleware, guard_tools, middleware
from toolguard_langchain import allow as langchain_allow
from toolguard_openai import ToolBox, gate, guard_client
from toolguard_openai import allow as openai_allow

CANARY = "Ada Byron 219-09-9999"
POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1}
approvals: {default: {approvers: ["group:privacy-office"]}}
tools:
  find: {risk: low}
  fail: {risk: low}
  drop: {risk: low}
rules:
  - {id: never, because: "Nothing is dropped.", match: {tool: drop}, effect: deny}
"""


def find(patient: str) -> str:
    """Find a patient."""
    return "found"


def fail(patient: str) -> str:
    """Fail."""
    raise RuntimeError(f"no bed for {patient}")


def drop(patient: str) -> str:
    """Drop a patient."""
    raise AssertionError("ran")


def through_langchain(guard: Guard, name: str, args: dict[str, Any]) -> str:
    tools = {t.name: t for t in guard_tools([find, fail, drop], guard=guard)}
    try:
        message = tools[name].invoke({"name": name, "args": args, "id": "c1", "type": "tool_call"})
    except RuntimeError as fault:
        return str(fault)
    return str(message.content)


def through_openai(guard: Guard, name: str, args: dict[str, Any]) -> str:
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}
    return str(ToolBox(find, fail, drop, guard=guard).execute(call)["content"])


ADAPTERS = {"langchain": through_langchain, "openai": through_openai}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(tmp_path, store="memory:")
    yield desk
    desk.store.close()


class BrokenAnalyser:
    """Raises what it was given to read."""

    static = Risk(risk_class=RiskClass.READ, level=RiskLevel.LOW)

    def tool(self, tool: object) -> object:
        return self

    def analyse(self, data: object) -> object:
        raise KeyError(f"{data!r}")


def full(change: object) -> None:
    raise StoreError("the store is full; make room, then try again")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "detector": ({"detector": BrokenDetector()}, "the detector failed"),
    "analyser": ({"analyser": BrokenAnalyser()}, "could not be judged (KeyError)"),
    "store": ({}, "the store is full"),
}


@pytest.mark.parametrize("part", FAULTS)
def test_a_broken_part_is_logged_and_no_value_with_it(
    adapter: str, part: str, desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, told = FAULTS[part]
    guard = desk.guard(desk.folder / "policy.yaml", **given)
    with guard.session(caller=Caller.of("ana", agent="desk", tenant="general")), caplog.at_level(logging.DEBUG):
        if part == "store":
            monkeypatch.setattr(desk.store, "commit", full)
        answer = ADAPTERS[adapter](guard, "find", {"patient": CANARY})
    assert answer.startswith("This call was refused")
    records = [r for r in caplog.records if r.name == f"toolguard.{adapter}"]
    assert [r.levelname for r in records] == ["WARNING"]
    assert told in records[0].getMessage()
    assert "Ada" not in caplog.text
    assert "219-09" not in caplog.text


@pytest.mark.parametrize(
    ("name", "answer"), [("find", "found"), ("fail", "no bed for <"), ("drop", "refused by policy")]
)
def test_answers_refusals_and_failing_tools_are_no_news(
    adapter: str, name: str, answer: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    guard = desk.guard(desk.folder / "policy.yaml", detector=WordDetector({CANARY: "PERSON"}))
    with guard.session(caller=Caller.of("ana", agent="desk", tenant="general")), caplog.at_level(logging.DEBUG):
        assert answer in ADAPTERS[adapter](guard, name, {"patient": CANARY})
    assert [r for r in caplog.records if r.name == f"toolguard.{adapter}"] == []
    assert "Ada" not in caplog.text


WORDS = ["images", "audio", "files", "reasoning", "history", "web_search", "mcp", "code_interpreter"]


@pytest.mark.parametrize("name", WORDS)
def test_what_passes_has_one_name(name: str, desk: Desk) -> None:
    guard = desk.guard(desk.folder / "policy.yaml")
    guard_client(OpenAI(api_key="x"), guard=guard, allow={name})
    GuardMiddleware(guard, allow={name})
    guard_tools([find], guard=guard, allow={name})


def test_provider_tools_have_one_name() -> None:
    assert openai_allow._HOSTED <= langchain_allow.HOSTED
    for kind in ("web_search_preview_2025_03_11", "local_shell", "computer_use_preview", "mcp", "code_interpreter"):
        assert langchain_allow.tool_word(kind) == openai_allow.hosted_kind(kind)


@pytest.mark.parametrize("name", ["image", "provider_history", "tracer", "", "web_serch"])
def test_a_misspelt_name_is_refused_at_once_with_the_known_ones(name: str, desk: Desk) -> None:
    guard = desk.guard(desk.folder / "policy.yaml")
    for make in (
        lambda: guard_client(OpenAI(api_key="x"), guard=guard, allow={name}),
        lambda: GuardMiddleware(guard, allow={name}),
        lambda: guard_tools([find], guard=guard, allow={name}),
    ):
        with pytest.raises(ConfigError, match=r"none of.*history, image_generation, images") as refused:
            make()
        assert repr(name) in str(refused.value)


def test_one_text_is_no_set_of_names(desk: Desk) -> None:
    guard = desk.guard(desk.folder / "policy.yaml")
    with pytest.raises(ConfigError, match="is one text"):
        guard_client(OpenAI(api_key="x"), guard=guard, allow="images")
    with pytest.raises(ConfigError, match="is one text"):
        GuardMiddleware(guard, allow="images")


def test_a_tool_nobody_has_is_recorded_under_one_name() -> None:
    assert gate._STRANGE.tool.identity == middleware._UNKNOWN.identity
    assert gate._STRANGE.tool.identity.name == "toolguard.unknown"
