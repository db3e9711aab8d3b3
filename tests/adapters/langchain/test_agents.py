"""`GuardMiddleware` in real agents: what the model sees, which tools run, what is refused."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, ToolRetryMiddleware
from langchain_core.callbacks import BaseCallbackHandler, FileCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_core.tracers import ConsoleCallbackHandler, LangChainTracer
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from langsmith import Client

from adapters.langchain.kit import (
    ADA,
    CONFIG,
    GOT,
    MRN,
    Desk,
    Guard,
    Script,
    Session,
    call,
    caller,
    drop_all,
    everything_recorded,
    kinds_of_records,
    make_guard,
    says,
)
from toolguard import DeniedError, IdentityError
from toolguard.detection import DefaultDetector
from toolguard.errors import UnknownToolError
from toolguard_langchain import GuardMiddleware, guard_tools


@tool
def plain_find(patient: str) -> dict[str, str]:
    """Find a patient."""
    GOT.append(patient)
    return {"patient": patient, "mrn": MRN}


@tool
def send_letter(to: str) -> str:
    """Send a letter."""
    GOT.append(f"letter to {to}")
    return "sent"


def seen(model: Script) -> str:
    return repr(model.shown)


async def ask(agent: Any, way: str, *messages: Any, config: Any = None) -> list[BaseMessage]:
    given = {"messages": list(messages)}
    result = await agent.ainvoke(given, config) if way == "async" else agent.invoke(given, config)
    found: list[BaseMessage] = result["messages"]
    return found


WRAPPED = [("wrapped", lambda g: guard_tools([plain_find], guard=g)), ("not wrapped", lambda g: [plain_find])]


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(("how", "tools"), WRAPPED, ids=[w[0] for w in WRAPPED])
async def test_s3_s5_the_model_sees_placeholders_and_the_tool_the_patient(
    how: str, tools: Any, way: str, guard: Guard, session: Session
) -> None:
    model = Script(lines=[says(call("plain_find", {"patient": "<PERSON_1>"})), AIMessage("<PERSON_1> is <MRN_1>")])
    agent = create_agent(model, tools(guard), system_prompt=f"You know {ADA}.", middleware=[GuardMiddleware(guard)])
    messages = await ask(agent, way, HumanMessage(f"Who is {ADA}?"))
    assert GOT == [ADA]
    assert ADA not in seen(model)
    assert MRN not in seen(model)
    assert [m.content for m in model.shown[0]] == ["You know <PERSON_1>.", "Who is <PERSON_1>?"]
    assert messages[-2].content == '{"patient": "<PERSON_1>", "mrn": "<MRN_1>"}'
    assert kinds_of_records(guard) == ["call.decided", "call.executing", "call.returned"]
    assert session.guard.parts.store.values(session._key, session._sealer)


def test_the_whole_history_is_masked_calls_extras_and_broken_calls_included(guard: Guard, session: Session) -> None:
    model = Script(lines=[None, AIMessage("fine")])
    history = [
        HumanMessage([{"type": "text", "text": f"about {ADA}"}, f"and {MRN}"], name="ana"),
        AIMessage(
            content=[{"type": "text", "text": ADA}, {"type": "tool_use", "id": "c0", "name": "plain_find", "input": {"patient": ADA}}],
            tool_calls=[call("plain_find", {"patient": ADA, "deep": [{ADA: MRN}]}, "c0")],
            invalid_tool_calls=[{"name": "x", "args": f'{{"p": "{ADA}', "id": "c1", "error": f"bad {ADA}", "type": "invalid_tool_call"}],
            additional_kwargs={
                "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "plain_find", "arguments": f'{{"patient": "{ADA}"}}'}}],
                "refusal": f"not about {ADA}",
            },
        ),
        ToolMessage(f"{ADA}: {MRN}", tool_call_id="c0", name="plain_find", artifact={"raw": ADA}),
        ToolMessage("no", tool_call_id="c1", name="x"),
        SystemMessage(f"remember {ADA}"),
        HumanMessage("go on", name=ADA),
    ]  # fmt: skip
    kept = copy.deepcopy([vars(m) for m in history])
    agent = create_agent(model, [plain_find], middleware=[GuardMiddleware(guard)])
    agent.invoke({"messages": history})
    for message, before in zip(history, kept, strict=True):
        assert {k: v for k, v in vars(message).items() if k != "id"} == {k: v for k, v in before.items() if k != "id"}
    assert ADA not in seen(model)
    assert MRN not in seen(model)
    person, ai, result, *_ = model.shown[0]
    assert isinstance(ai, AIMessage)
    assert isinstance(result, ToolMessage)
    assert (
        ai.tool_calls[0]["id"]
        == ai.additional_kwargs["tool_calls"][0]["id"]
        == ai.content[1]["id"]
        == result.tool_call_id
        == "c0"
    )  # type: ignore[index]  # a content part
    assert ai.tool_calls[0]["args"]["patient"] == "<PERSON_M1>"  # its own words, in a namespace of their own
    assert person.content == [{"type": "text", "text": "about <PERSON_1>"}, "and <MRN_1>"]
    assert (person.name, model.shown[0][-1].name) == ("ana", None)


async def test_masking_again_changes_nothing_and_costs_one_look_at_each_new_text(guard: Guard, desk: Desk) -> None:
    guard = make_guard(desk, detector=DefaultDetector())
    calls = [says(call("plain_find", {"patient": "x"}, f"c{i}")) for i in range(12)]
    model = Script(lines=[*calls, AIMessage("done")])
    agent = create_agent(model, [plain_find], middleware=[GuardMiddleware(guard)])
    with guard.session(caller=caller()) as session:
        read: list[str] = []
        recognize = session._detector._recognize
        session._detector._recognize = lambda text, check: read.append(text) or recognize(text, check)
        agent.invoke({"messages": [HumanMessage(f"Patient {ADA}, MRN {MRN}, was admitted on March 3, 2024.")]})
    assert len(model.shown) == 13
    assert len(read) <= 4 * 13  # history grows to 25 messages, each text is read once
    for earlier, later in zip(model.shown, model.shown[1:], strict=False):
        assert [m.content for m in later[: len(earlier)]] == [m.content for m in earlier]
    assert ADA not in seen(model)


REFUSED_PARTS: list[tuple[str, str | None, dict[str, Any]]] = [
    ("image_url", "images", {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}),
    ("image", "images", {"type": "image", "base64": "aaaa", "mime_type": "image/png"}),
    ("audio", "audio", {"type": "audio", "base64": "aaaa", "mime_type": "audio/wav"}),
    ("file", "files", {"type": "file", "base64": "aaaa", "mime_type": "application/pdf"}),
    ("text-plain", "files", {"type": "text-plain", "base64": "aaaa", "mime_type": "text/plain"}),
    ("video", "files", {"type": "video", "file_id": "f1"}),
    ("redacted_thinking", "reasoning", {"type": "redacted_thinking", "data": "aaaa"}),
    ("thinking", "reasoning", {"type": "thinking", "thinking": "hm", "signature": "aaaa"}),
    ("web_search_call", "web_search", {"type": "web_search_call", "action": {"query": "aaaa"}}),
    (
        "image",
        "images",
        {"type": "tool_result", "tool_use_id": "c0", "content": [{"type": "image", "source": {"data": "aaaa"}}]},
    ),
    ("non_standard", None, {"type": "non_standard", "value": {}}),
    ("unknown", None, {"type": f"Of {ADA}", "x": 1}),
]


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(("kind", "word", "part"), REFUSED_PARTS, ids=[f"{p[2]['type']}" for p in REFUSED_PARTS])
async def test_t14_parts_nobody_can_look_into_are_refused_unless_allowed(
    kind: str, word: str | None, part: dict[str, Any], way: str, guard: Guard, session: Session
) -> None:
    model = Script(lines=[AIMessage("fine")])
    with pytest.raises(DeniedError, match=f"a part of type '{kind}'") as caught:
        await ask(create_agent(model, [], middleware=[GuardMiddleware(guard)]), way, HumanMessage([part]))
    assert ADA not in str(caught.value)
    assert model.shown == []
    if word is None:
        assert "no name allows it" in str(caught.value)
        return
    assert f"allow={{'{word}'}}" in str(caught.value)
    agent = create_agent(model, [], middleware=[GuardMiddleware(guard, allow={word})])
    await ask(agent, way, HumanMessage([part, {"type": "text", "text": ADA}]))
    assert model.shown[0][0].content == [part, {"type": "text", "text": "<PERSON_1>"}]


def test_readable_reasoning_is_masked_like_other_text(guard: Guard, session: Session) -> None:
    model = Script(lines=[None, AIMessage("fine")])
    thought = AIMessage([{"type": "reasoning", "reasoning": f"about {ADA}"}, {"type": "text", "text": "hm"}])
    create_agent(model, [], middleware=[GuardMiddleware(guard)]).invoke({"messages": [HumanMessage("x"), thought]})
    assert model.shown[0][1].content[0] == {"type": "reasoning", "reasoning": "about <PERSON_M1>"}


@pytest.mark.parametrize("setting", ["previous_response_id", "conversation"])
def test_t14_history_kept_at_the_provider_is_refused(setting: str, guard: Guard, session: Session) -> None:
    class Settings(AgentMiddleware):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(model_settings={setting: "r1"}))

    model = Script(lines=[AIMessage("fine")])
    with pytest.raises(DeniedError, match=r"allow=\{'history'\}"):
        create_agent(model, [], middleware=[Settings(), GuardMiddleware(guard)]).invoke(
            {"messages": [HumanMessage("x")]}
        )
    assert model.shown == []


PROVIDER_TOOLS: list[tuple[str | None, dict[str, Any]]] = [
    ("web_search", {"type": "web_search"}),
    ("web_search", {"type": "web_search_20250305", "name": "web_search"}),
    ("google_search", {"google_search": {}}),
    (None, {"type": "telepathy"}),
]


@pytest.mark.parametrize(("word", "offered"), PROVIDER_TOOLS)
def test_t14_tools_that_run_at_the_provider_are_refused_unless_allowed(
    word: str | None, offered: dict[str, Any], guard: Guard, session: Session
) -> None:
    model = Script(lines=[AIMessage("fine")])
    with pytest.raises(DeniedError, match="runs at the provider") as caught:
        create_agent(model, [offered], middleware=[GuardMiddleware(guard)]).invoke({"messages": [HumanMessage("x")]})
    if word is None:
        assert "no name allows it" in str(caught.value)
        return
    agent = create_agent(model, [offered], middleware=[GuardMiddleware(guard, allow={word})])
    agent.invoke({"messages": [HumanMessage("x")]})
    assert len(model.shown) == 1


DESCRIBED: list[tuple[str | None, str]] = [
    (None, "bash_20250124"),
    ("web_search", "web_search_20250305"),
    ("mcp", "mcp_toolset"),
]


@pytest.mark.parametrize(("word", "kind"), DESCRIBED)
def test_t14_a_tool_that_carries_a_providers_description_is_judged_by_it(
    word: str | None, kind: str, guard: Guard, session: Session
) -> None:
    """Such a tool is offered as the provider describes it: one that runs there never comes to its gate here."""
    offered = plain_find.model_copy(update={"extras": {"provider_tool_definition": {"type": kind, "name": "x"}}})
    model = Script(lines=[AIMessage("fine")])
    agent = create_agent(model, [offered], middleware=[GuardMiddleware(guard)])
    if word is None:
        agent.invoke({"messages": [HumanMessage("x")]})
        assert len(model.shown) == 1
        return
    with pytest.raises(DeniedError, match=rf"allow=\{{'{word}'\}}"):
        agent.invoke({"messages": [HumanMessage("x")]})
    assert model.shown == []


def test_tools_described_as_functions_do_not_run_at_the_provider(guard: Guard, session: Session) -> None:
    model = Script(lines=[AIMessage("fine")])
    offered = {"name": "note", "description": "Note.", "input_schema": {"type": "object"}}
    create_agent(model, [offered], middleware=[GuardMiddleware(guard)]).invoke({"messages": [HumanMessage("x")]})
    assert len(model.shown) == 1


def to_langsmith(folder: Path) -> BaseCallbackHandler:
    class Elsewhere(BaseCallbackHandler):
        """Stands for a handler of a package that need not be installed."""

    Elsewhere.__module__ = "langsmith.callbacks"
    return Elsewhere()


WRITERS: list[tuple[str, Callable[[Path], BaseCallbackHandler]]] = [
    ("LangChainTracer", lambda folder: LangChainTracer(client=Client(api_url="http://127.0.0.1:9", api_key="none"))),
    ("ConsoleCallbackHandler", lambda folder: ConsoleCallbackHandler()),
    ("FileCallbackHandler", lambda folder: FileCallbackHandler(str(folder / "log"))),
    ("RunCollectorCallbackHandler", lambda folder: RunCollectorCallbackHandler()),
    ("Elsewhere", to_langsmith),
]


@pytest.mark.parametrize(("name", "make"), WRITERS, ids=[w[0] for w in WRITERS])
@pytest.mark.filterwarnings("ignore:Direct instantiation of FileCallbackHandler:DeprecationWarning")
@pytest.mark.filterwarnings(
    "ignore:.*FileCallbackHandler.*:langchain_core._api.deprecation.LangChainDeprecationWarning"
)
def test_t14_tracers_of_raw_state_are_refused(
    name: str, make: Callable[[Path], BaseCallbackHandler], tmp_path: Path, guard: Guard, session: Session
) -> None:
    model = Script(lines=[AIMessage("fine")])
    agent = create_agent(model, [], middleware=[GuardMiddleware(guard)])
    with pytest.raises(DeniedError, match=f"'{name}' writes the graph's raw state"):
        agent.invoke({"messages": [HumanMessage("x")]}, {"callbacks": [make(tmp_path)]})
    assert model.shown == []


def test_a_tracer_runs_where_it_is_allowed(guard: Guard, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    model = Script(lines=[AIMessage("fine")])
    agent = create_agent(model, [], middleware=[GuardMiddleware(guard, allow={"tracers"})])
    agent.invoke({"messages": [HumanMessage("x")]}, {"callbacks": [ConsoleCallbackHandler()]})
    assert len(model.shown) == 1
    assert capsys.readouterr().out


class Counter(BaseCallbackHandler):
    """An application's own handler."""

    heard = 0

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.heard += 1


async def test_an_applications_own_handlers_and_events_are_its_own_business(guard: Guard, session: Session) -> None:
    counter = Counter()
    agent = create_agent(Script(lines=[AIMessage("fine")]), [], middleware=[GuardMiddleware(guard)])
    given = {"messages": [HumanMessage("x")]}
    events = [e["event"] async for e in agent.astream_events(given, {"callbacks": [counter]}, version="v2")]
    assert "on_chat_model_end" in events
    assert counter.heard


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_names_the_model_makes_up_are_refused_and_recorded(way: str, guard: Guard, session: Session) -> None:
    model = Script(lines=[says(call("delete_everything", {"who": ADA})), AIMessage("fine")])
    agent = create_agent(model, [plain_find], middleware=[GuardMiddleware(guard)])
    messages = await ask(agent, way, HumanMessage("x"))
    told = messages[-2]
    assert isinstance(told, ToolMessage)
    assert (told.content, told.status, told.tool_call_id) == (UnknownToolError.model_text, "error", "c1")
    assert kinds_of_records(guard) == ["call.decided"]
    record = everything_recorded(guard)
    assert "unknown_tool" in record
    assert "delete_everything" not in record
    assert ADA not in record


def test_another_tool_under_a_known_name_is_refused(guard: Guard, session: Session) -> None:
    guard_tools([plain_find], guard=guard)

    @tool("plain_find")
    def impostor(patient: str) -> str:
        """Not the tool the guard knows."""
        raise AssertionError("ran")

    model = Script(lines=[says(call("plain_find", {"patient": "bob"})), AIMessage("fine")])
    agent = create_agent(model, [impostor], middleware=[GuardMiddleware(guard)])
    told = agent.invoke({"messages": [HumanMessage("x")]})["messages"][-2]
    assert (told.status, told.artifact) == ("error", {"toolguard": "unknown_tool"})


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s7_the_run_goes_on_after_a_denial(way: str, guard: Guard, session: Session) -> None:
    model = Script(
        lines=[says(call("drop_all", {"x": 1}), call("plain_find", {"patient": "bob"}, "c2")), AIMessage("fine")]
    )
    agent = create_agent(model, [plain_find, drop_all], middleware=[GuardMiddleware(guard)])
    messages = await ask(agent, way, HumanMessage("x"))
    assert [(m.tool_call_id, m.status) for m in messages if isinstance(m, ToolMessage)] == [
        ("c1", "error"),
        ("c2", "success"),
    ]
    assert messages[-1].content == "fine"


def test_nobody_behind_the_agent_is_an_error_before_the_model_is_asked(guard: Guard) -> None:
    model = Script(lines=[AIMessage("fine")])
    with pytest.raises(IdentityError):
        create_agent(model, [], middleware=[GuardMiddleware(guard)]).invoke({"messages": [HumanMessage(ADA)]})
    assert model.shown == []


def test_the_middlewares_session_is_the_tools_session(guard: Guard) -> None:
    session = guard.session(caller=caller("lee"))
    for tools in ([plain_find], guard_tools([plain_find], guard=guard)):
        model = Script(lines=[says(call("plain_find", {"patient": "bob"})), AIMessage("fine")])
        agent = create_agent(model, tools, middleware=[GuardMiddleware(guard, session)])
        agent.invoke({"messages": [HumanMessage("x")]})
    actors = {r.draft.body["toolguard.actor.id"] for r in guard.parts.store.records() if r.draft.call}
    assert actors == {"local:general:lee"}
    assert GOT == ["bob", "bob"]


def test_an_inner_middleware_that_rewrites_arguments_is_judged_on_what_it_wrote(guard: Guard, session: Session) -> None:
    class Rewrites(AgentMiddleware):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(tool_call={**request.tool_call, "args": {"to": "eve"}}))

    model = Script(lines=[says(call("send_letter", {"to": "bob"})), AIMessage("fine")])
    agent = create_agent(
        model,
        [send_letter],
        middleware=[GuardMiddleware(guard, mode="interrupt"), Rewrites()],
        checkpointer=InMemorySaver(),
    )
    result = agent.invoke({"messages": [HumanMessage("x")]}, CONFIG)
    (asked,) = guard.parts.store.list("general")
    assert asked.request.view == {"to": "eve"}
    assert result["__interrupt__"][0].value["approval_id"] == asked.id


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_interrupt_and_resume_in_an_agent_with_siblings_and_a_real_checkpointer(
    way: str, tmp_path: Path, desk: Desk
) -> None:
    guard = make_guard(desk)
    connection = sqlite3.connect(tmp_path / "c.db", check_same_thread=False)
    saver: Any = InMemorySaver() if way == "async" else SqliteSaver(connection)
    model = Script(
        lines=[
            says(call("send_letter", {"to": "bob"}), call("plain_find", {"patient": "bob"}, "c2")),
            AIMessage("fine"),
        ]
    )
    agent = create_agent(
        model, [send_letter, plain_find], middleware=[GuardMiddleware(guard, mode="interrupt")], checkpointer=saver
    )
    with guard.session(caller=caller(), run="thread-1"):
        given = {"messages": [HumanMessage("x")]}
        result = await agent.ainvoke(given, CONFIG) if way == "async" else agent.invoke(given, CONFIG)
        assert GOT == ["bob"]
        desk.approve(result["__interrupt__"][0].value["approval_id"])
        done = (
            await agent.ainvoke(Command(resume=1), CONFIG)
            if way == "async"
            else agent.invoke(Command(resume=1), CONFIG)
        )
    assert GOT == ["bob", "letter to bob"]
    assert done["messages"][-1].content == "fine"
    connection.close()


def test_an_edit_by_langchains_own_review_is_judged_again_under_the_other_tools_policy(
    guard: Guard, session: Session
) -> None:
    model = Script(lines=[says(call("plain_find", {"patient": "bob"})), AIMessage("fine")])
    review = HumanInTheLoopMiddleware(interrupt_on={"plain_find": True})
    agent = create_agent(
        model, [plain_find, drop_all], middleware=[review, GuardMiddleware(guard)], checkpointer=InMemorySaver()
    )
    agent.invoke({"messages": [HumanMessage("x")]}, CONFIG)
    edit = {"type": "edit", "edited_action": {"name": "drop_all", "args": {"x": 1}}}
    done = agent.invoke(Command(resume={"decisions": [edit]}), CONFIG)
    assert [m.status for m in done["messages"] if isinstance(m, ToolMessage)] == ["error"]
    assert GOT == []


def test_a_retrying_middleware_asks_once_and_retries_failures_by_their_type(guard: Guard, session: Session) -> None:
    tries: list[int] = []

    @tool
    def plain_flaky(who: str) -> str:
        """Fails at first."""
        tries.append(1)
        if len(tries) < 3:
            raise TimeoutError(f"no answer about {who}")
        return "at last"

    model = Script(lines=[says(call("plain_flaky", {"who": ADA})), AIMessage("fine")])
    retry = ToolRetryMiddleware(max_retries=3, retry_on=(TimeoutError,), initial_delay=0.0, jitter=False)
    agent = create_agent(model, [plain_flaky], middleware=[retry, GuardMiddleware(guard)])
    done = agent.invoke({"messages": [HumanMessage("x")]})
    assert [m.content for m in done["messages"] if isinstance(m, ToolMessage)] == ["at last"]
    assert len(tries) == 3


def test_streaming_shows_placeholders_only(guard: Guard, session: Session) -> None:
    model = Script(lines=[says(call("plain_find", {"patient": "<PERSON_1>"})), AIMessage("about <PERSON_1>")])
    model.disable_streaming = True
    agent = create_agent(model, [plain_find], middleware=[GuardMiddleware(guard)])
    session.mask(ADA)
    given = {"messages": [HumanMessage("Who is <PERSON_1>?")]}
    told = repr(list(agent.stream(given, stream_mode=["messages", "updates", "tools", "debug"])))
    assert GOT == [ADA]
    assert ADA not in told
    assert MRN not in told
