"""Loops of before ``create_agent``: `AgentExecutor` of langchain-classic, whose calls have no call id and no graph."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_classic.agents import AgentExecutor, create_react_agent, create_tool_calling_agent
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.tools import tool

from adapters.langchain.kit import (
    ADA,
    BOTH,
    GOT,
    MRN,
    Desk,
    Guard,
    Script,
    Session,
    kinds_of_records,
    plain_find,
    send_letter,
)
from adapters.langchain.served import connections_end, served  # noqa: F401 - the first is a fixture of every test here
from toolguard import Suspended
from toolguard.errors import NotAllowedError
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, say, use
from toolguard_langchain import guard_model, guard_tools

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*deprecated:langchain_core._api.deprecation.LangChainDeprecationWarning"
)


@tool
def drop_all(x: str) -> str:
    """Drop."""
    raise AssertionError("ran")


def calls(name: str, arguments: dict[str, Any]) -> Any:
    def script(request: ModelRequest) -> Reply:
        return say("<PERSON_1> has <MRN_1>") if request.outputs else use(Use(name, arguments))

    return script


def loop(guard: Guard, server: OpenAIServer, *tools: Any, mode: Any = None) -> AgentExecutor:
    model = served(server)
    guarded = guard_tools(tools, guard=guard, mode=mode)
    prompt = ChatPromptTemplate.from_messages(
        [("system", f"You know {ADA}."), ("human", "{input}"), ("placeholder", "{agent_scratchpad}")]
    )
    agent = create_tool_calling_agent(guard_model(model, guard=guard), guarded, prompt)
    return AgentExecutor(agent=agent, tools=guarded)


async def go(executor: AgentExecutor, way: str, text: str) -> dict[str, Any]:
    given = {"input": text}
    return await executor.ainvoke(given) if way == "async" else executor.invoke(given)


@pytest.mark.holds("S3", "S4", "S5", adapter="langchain", path="AgentExecutor")
@BOTH
async def test_s5_an_older_loop_runs_on_placeholders(way: str, guard: Guard, session: Session) -> None:
    with OpenAIServer(calls("plain_find", {"patient": "<PERSON_1>"})) as server:
        done = await go(loop(guard, server, plain_find), way, f"Who is {ADA}?")
        assert done["output"] == "<PERSON_1> has <MRN_1>"
        assert GOT == [ADA]
        assert ADA not in server.seen
        assert MRN not in server.seen
    assert kinds_of_records(guard) == ["call.decided", "call.executing", "call.returned"]


@pytest.mark.holds("S3", "S5", adapter="langchain", path="AgentExecutor")
@BOTH
async def test_s5_a_loop_that_reads_its_calls_out_of_text_does_too(way: str, guard: Guard, session: Session) -> None:
    text = "Answer.\n{tools}\n{tool_names}\nQuestion: {input}\n{agent_scratchpad}"
    model = Script(
        lines=[
            AIMessage("Thought: look\nAction: plain_find\nAction Input: <PERSON_1>"),
            AIMessage("Final Answer: <PERSON_1> has <MRN_1>"),
        ]
    )
    answers = iter(model.lines)
    model.lines = [lambda messages: next(answers)] * 3
    guarded = guard_tools([plain_find], guard=guard)
    agent = create_react_agent(guard_model(model, guard=guard), guarded, PromptTemplate.from_template(text))
    done = await go(AgentExecutor(agent=agent, tools=guarded), way, f"Who is {ADA}?")
    assert done["output"] == "<PERSON_1> has <MRN_1>"
    assert GOT == [ADA]
    assert ADA not in repr(model.shown)
    assert MRN not in repr(model.shown)


@pytest.mark.holds("S7", adapter="langchain", path="AgentExecutor")
@BOTH
async def test_s7_a_refusal_stops_the_loop_or_is_told_where_the_tool_answers_errors(
    way: str, guard: Guard, session: Session
) -> None:
    answering = drop_all.model_copy(update={"handle_tool_error": True})
    with OpenAIServer(calls("drop_all", {"x": "1"})) as server:
        with pytest.raises(NotAllowedError):
            await go(loop(guard, server, drop_all), way, "x")
        done = await go(loop(guard, server, answering), way, "x")
        assert done["output"] == "<PERSON_1> has <MRN_1>"
        assert NotAllowedError.model_text in server.requests[-1].outputs or "refused" in server.requests[-1].outputs[0]
    assert kinds_of_records(guard) == ["call.decided"] * 2


@pytest.mark.holds("S12", adapter="langchain", path="AgentExecutor", mode="block")
@BOTH
async def test_an_older_loop_can_wait_in_place(way: str, guard: Guard, desk: Desk) -> None:
    def approve() -> None:
        while not guard.parts.store.list("general"):
            threading.Event().wait(0.02)
        desk.approve(guard.parts.store.list("general")[0].id)

    person = threading.Thread(target=approve)
    person.start()
    from adapters.langchain.kit import caller

    with OpenAIServer(calls("send_letter", {"to": "bob"})) as server, guard.session(caller=caller(), wait=20.0):
        await go(loop(guard, server, send_letter, mode="block"), way, "x")
    person.join()
    assert GOT == ["letter to bob"]


@pytest.mark.holds("S8", adapter="langchain", path="AgentExecutor", mode="raise")
@BOTH
async def test_s8_a_suspension_leaves_an_older_loop_even_if_its_tools_answer_errors(
    way: str, guard: Guard, session: Session
) -> None:
    answering = send_letter.model_copy(update={"handle_tool_error": True, "handle_validation_error": True})
    with OpenAIServer(calls("send_letter", {"to": "bob"})) as server, pytest.raises(Suspended):
        await go(loop(guard, server, answering, mode="raise"), way, "x")
    assert GOT == []
