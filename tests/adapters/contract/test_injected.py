"""S2, S6 and the rest of S5: what only LangChain has: injected arguments, artifacts, commands."""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.prebuilt import InjectedState
from langgraph.types import Command

from adapters.contract.driver import Call, Driver
from adapters.contract.table import rule
from adapters.contract.ward import ADA, MRN, PERSON, RECORD, assert_masked

SECRET = "known to the graph alone"


def in_langchain(path: type[Driver]) -> bool:
    return path.adapter == "langchain"


def in_a_graph(path: type[Driver]) -> bool:
    return in_langchain(path) and path.path != "tool.invoke"


def offer(driver: Any, *tools: Any) -> Any:
    """The driver, with other tools."""
    driver.settings = {**driver.settings, "tools": [tool(t) if not hasattr(t, "invoke") else t for t in tools]}
    if hasattr(driver, "build"):
        driver.graph = driver.build(driver.saver)
    return driver


@rule("S2", where=in_a_graph)
async def test_what_the_graph_injects_is_given_and_never_looked_at(drive: Any) -> None:
    driver, got = await drive(), list[Any]()

    @tool
    async def find_injected(
        patient: str,
        state: Annotated[dict[str, Any], InjectedState],
        id: Annotated[str, InjectedToolCallId],
        config: RunnableConfig,
    ) -> str:
        """Find a patient."""
        got.append((patient, len(state["messages"]), id, config["configurable"]["secret"]))
        return "found"

    @tool("find_injected")
    def find_in_sync(
        patient: str,
        state: Annotated[dict[str, Any], InjectedState],
        id: Annotated[str, InjectedToolCallId],
        config: RunnableConfig,
    ) -> str:
        """Find a patient."""
        got.append((patient, len(state["messages"]), id, config["configurable"]["secret"]))
        return "found"

    offer(driver, find_in_sync if driver.ward.way == "sync" else find_injected)
    driver.config["configurable"]["secret"] = SECRET
    await driver.start(Call("find_injected", {"patient": PERSON}))
    assert got == [(ADA, 2, "c1", SECRET)]
    assert {"patient": ADA} in driver.ward.detector.shown
    assert SECRET not in repr(driver.ward.detector.shown) + driver.ward.written()
    assert not any("state" in shown for shown in driver.ward.detector.shown if isinstance(shown, dict))


@rule("S2", where=lambda path: path.path == "tool.invoke")
async def test_a_runs_config_is_given_and_never_looked_at(drive: Any) -> None:
    driver, got = await drive(), list[Any]()

    @tool
    def find_injected(patient: str, config: RunnableConfig) -> str:
        """Find a patient."""
        got.append((patient, config["metadata"]["secret"]))
        return "found"

    driver.more = {"metadata": {"secret": SECRET}}
    await offer(driver, find_injected).start(Call("find_injected", {"patient": PERSON}))
    assert got == [(ADA, SECRET)]
    assert SECRET not in repr(driver.ward.detector.shown) + driver.ward.written()


@rule("S6", where=in_langchain)
async def test_artifacts_follow_the_policy(drive: Any) -> None:
    driver = await drive()

    @tool(response_format="content_and_artifact")
    def find_artifact(patient: str) -> tuple[str, Any]:
        """Gives content and artifact."""
        return ADA, {"who": ADA}

    @tool(response_format="content_and_artifact")
    def open_artifact(patient: str) -> tuple[str, Any]:
        """The same, of a tool whose results pass."""
        return ADA, {"who": ADA}

    offer(driver, find_artifact, open_artifact)
    calls = [Call("find_artifact", {"patient": "x"}, "a1"), Call("open_artifact", {"patient": "x"}, "a2")]
    found = await driver.start(*calls)
    assert found.answers == {"a1": PERSON, "a2": ADA}
    assert driver.artifacts == {"a1": {"who": PERSON}, "a2": {"who": ADA}}


@rule("S5", where=in_a_graph)
async def test_a_command_puts_only_tokens_into_the_conversation(drive: Any) -> None:
    driver = await drive()

    @tool
    def find_update(patient: str, id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Updates the state."""
        told = ToolMessage(f"found {ADA}", tool_call_id=id, artifact={"mrn": MRN})
        return Command(update={"messages": [told]})

    found = await offer(driver, find_update).start(Call("find_update", {"patient": PERSON}))
    assert found.answers == {"c1": f"found {PERSON}"}
    assert driver.artifacts == {"c1": {"mrn": RECORD}}
    assert_masked(driver.model_saw)
