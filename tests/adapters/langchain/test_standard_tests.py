"""LangChain's own standard tests of tools (`langchain-tests`), on guarded tools of every kind."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from adapters.langchain.kit import ADA, Guard, Kind, Session, kinds, kinds_of_records
from toolguard_langchain import guard_tools

UNIT = [n for n in dir(ToolsUnitTests) if n.startswith("test_") and not n.endswith("DO_NOT_OVERRIDE")]
"""The last one is about how a package inherits the tests, not about a tool."""
LIVE = [n for n in dir(ToolsIntegrationTests) if n.startswith("test_") and not hasattr(ToolsUnitTests, n)]
NAMES = [k.name for k in kinds()]
IN_GRAPHS = ("kind_state", "kind_runtime", "kind_runtime_schema")
"""Kinds that a graph injects arguments into: the standard tests call a tool without a graph, and so cannot."""
TEXT = {"kind_single": {"tool_input": ADA}}
"""How the schema of a kind calls its argument, where its calls call it otherwise."""


def kind_called(name: str) -> Kind:
    return next(k for k in kinds() if k.name == name)


class TheirTests(ToolsUnitTests, ToolsIntegrationTests):
    """Their tests of one tool. (Not collected by itself: the table below runs it for each.)"""

    __test__ = False
    tool_of_this_run: BaseTool
    arguments: dict[str, Any]

    @property
    def tool_constructor(self) -> BaseTool:
        return self.tool_of_this_run

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.arguments


async def run(test: str, tool: BaseTool, arguments: dict[str, Any]) -> None:
    theirs = TheirTests()
    theirs.tool_of_this_run, theirs.arguments = tool, arguments
    method = getattr(theirs, test)
    takes = inspect.signature(method).parameters
    done = method(**({"tool": tool} if "tool" in takes else {}))
    if inspect.isawaitable(done):
        await done


async def ends(test: str, tool: BaseTool, arguments: dict[str, Any]) -> str:
    """``passed``, or the kind of error it failed with."""
    try:
        await run(test, tool, arguments)
    except Exception as fault:
        return type(fault).__name__
    return "passed"


def test_their_tests_are_the_ones_we_think_they_are() -> None:
    assert set(UNIT) >= {
        "test_has_input_schema",
        "test_has_name",
        "test_init",
        "test_input_schema_matches_invoke_params",
    }
    assert set(LIVE) >= {"test_invoke_matches_output_schema", "test_async_invoke_matches_output_schema"}
    assert set(IN_GRAPHS) < set(NAMES)


@pytest.mark.holds("S1", adapter="langchain", path="standard tests")
@pytest.mark.parametrize("test", UNIT)
@pytest.mark.parametrize("name", NAMES)
async def test_s1_their_unit_tests_end_as_for_the_bare_tool(name: str, test: str, guard: Guard) -> None:
    kind = kind_called(name)
    arguments = TEXT.get(name, kind.arguments)
    (guarded,) = guard_tools([kind.tool], guard=guard)
    bare = await ends(test, kind.tool, arguments)
    assert await ends(test, guarded, arguments) == bare
    if test == "test_input_schema_matches_invoke_params" and name in (*IN_GRAPHS, "kind_single"):
        return  # injected arguments are in the schema, and a tool without one has none to match
    assert bare == "passed"


@pytest.mark.holds("S1", "S3", adapter="langchain", path="standard tests")
@pytest.mark.parametrize("test", LIVE)
@pytest.mark.parametrize("name", [n for n in NAMES if n not in IN_GRAPHS])
async def test_s1_their_integration_tests_end_as_for_the_bare_tool(
    name: str, test: str, guard: Guard, session: Session
) -> None:
    kind, other = kind_called(name), kind_called(name)
    arguments = TEXT.get(name, kind.arguments)
    (guarded,) = guard_tools([kind.tool], guard=guard)
    bare = await ends(test, other.tool, arguments)
    assert await ends(test, guarded, arguments) == bare
    sync_of_async = name == "kind_async_only" and "async" not in test
    assert bare == ("NotImplementedError" if sync_of_async else "passed")
    if not sync_of_async:
        assert len(kind.seen) == 1
        assert kinds_of_records(guard)[:2] == ["call.decided", "call.executing"]


@pytest.mark.parametrize("name", IN_GRAPHS)
async def test_without_a_graph_the_bare_tool_fails_them_too(name: str) -> None:
    kind = kind_called(name)
    assert await ends("test_invoke_no_tool_call", kind.tool, kind.arguments) != "passed"
