"""The frameworks' tools get their credentials the same way, in threads and on event loops."""

import asyncio
import json

import pytest

import toolguard
from credentials.conftest import LOADED
from toolguard import CredentialError, Suspended
from toolguard_langchain import guard_tools
from toolguard_openai import ToolBox

SEEN = []


def read_ehr(ward: str) -> str:
    """Read the record."""
    SEEN.append(toolguard.credential("ehr_token"))
    return "with " + SEEN[-1].reveal()


async def read_ehr_on_the_loop(ward: str) -> str:
    """Read the record."""
    SEEN.append(await toolguard.acredential("ehr_token"))
    return "with " + SEEN[-1].reveal()


read_ehr_on_the_loop.__name__ = "read_ehr"


def fails(ward: str) -> str:
    """Fail."""
    raise RuntimeError("401 for " + toolguard.credential("ehr_token").reveal())


fails.__name__ = "read_ehr"


def chat(guard, function, *, on_loop):
    box = ToolBox(function, guard=guard)
    call = {"id": "c1", "type": "function", "function": {"name": "read_ehr", "arguments": json.dumps({"ward": "4B"})}}
    return (asyncio.run(box.aexecute(call)) if on_loop else box.execute(call))["content"]


def langchain(guard, function, *, on_loop):
    from langchain_core.tools import StructuredTool

    made = (
        StructuredTool.from_function(coroutine=function, name="read_ehr")
        if asyncio.iscoroutinefunction(function)
        else StructuredTool.from_function(function, name="read_ehr")
    )
    (tool,) = guard_tools([made], guard=guard)
    call = {"name": "read_ehr", "args": {"ward": "4B"}, "id": "c1", "type": "tool_call"}
    try:
        return (asyncio.run(tool.ainvoke(call)) if on_loop else tool.invoke(call)).content
    except RuntimeError as fault:
        return f"{fault}{fault.__cause__!r}{fault.__context__!r}"


WAYS = [
    pytest.param(read_ehr, False, id="sync"),
    pytest.param(read_ehr, True, id="sync tool on the loop"),
    pytest.param(read_ehr_on_the_loop, True, id="async"),
]


@pytest.mark.parametrize("adapter", [chat, langchain])
@pytest.mark.parametrize(("function", "on_loop"), WAYS)
def test_a_tool_has_its_credential_and_the_model_does_not(guard, session, issuer, adapter, function, on_loop):
    assert adapter(guard, function, on_loop=on_loop) == "with [credential]"
    assert (len(issuer.given), issuer.live) == (1, set())
    with pytest.raises(CredentialError, match="has ended"):
        SEEN[-1].reveal()


@pytest.mark.parametrize("adapter", [chat, langchain])
@pytest.mark.parametrize("on_loop", [False, True])
def test_a_failure_tells_the_model_nothing_of_it(guard, session, issuer, adapter, on_loop):
    told = adapter(guard, fails, on_loop=on_loop)
    assert "401 for [credential]" in told
    assert issuer.given[0] not in told
    assert not issuer.live


def test_a_tool_that_waits_for_a_person_gets_it_only_after_the_yes(desk, guard, session, issuer):
    def export(ward: str) -> str:
        """Export."""
        return "exported with " + toolguard.credential("ehr_token").reveal()

    box = ToolBox(export, guard=guard)
    call = {"id": "c1", "type": "function", "function": {"name": "export", "arguments": '{"ward": "4B"}'}}
    with pytest.raises(Suspended) as waits:
        box.execute(call)
    assert issuer.given == []
    desk.approve(waits.value.approval_id)
    assert box.execute(call)["content"] == "exported with [credential]"
    assert LOADED.plan(guard.known("export")).rule.credentials == {"ehr_token"}
