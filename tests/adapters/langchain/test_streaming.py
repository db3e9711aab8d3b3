"""Streams, events and batches: every one passes the same gate, shows placeholders, and maps back for who may see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from adapters.langchain.kit import (
    ADA,
    BOTH,
    CONFIG,
    GOT,
    MRN,
    Desk,
    Guard,
    Session,
    call,
    caller,
    everything_recorded,
    kinds_of_records,
    make_guard,
    plain_find,
    revealing_guard,
    run_tools,
    send_letter,
    tool_graph,
)
from adapters.langchain.served import connections_end, served  # noqa: F401 - the first is a fixture of every test here
from toolguard.errors import NotAllowedError
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, say, use
from toolguard_langchain import GuardMiddleware, guard_tools

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is in beta"),
    pytest.mark.filterwarnings("ignore:The v3 streaming protocol on Pregel is experimental"),
    pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated"),
]

MODES = ["values", "updates", "messages", "custom", "checkpoints", "tasks", "debug"]


def script(request: ModelRequest) -> Reply:
    if request.outputs:
        return say("I found <PERSON_1>, whose number is <MRN_1>.")
    return use(Use("send_letter" if "letter" in request.user_text else "plain_find", _who(request)))


def _who(request: ModelRequest) -> dict[str, str]:
    return {"to": "<PERSON_1>"} if "letter" in request.user_text else {"patient": "<PERSON_1>"}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(script, chunk=3) as server:
        yield server


def agent_of(guard: Guard, server: OpenAIServer, **more: Any) -> Any:
    model = served(server, streaming=True)
    middleware = [GuardMiddleware(guard, mode="interrupt" if more else None)]
    return create_agent(model, [plain_find, send_letter], middleware=middleware, **more)


async def parts_of(agent: Any, way: str, given: Any, **how: Any) -> list[Any]:
    if way == "async":
        return [part async for part in agent.astream(given, CONFIG, **how)]
    return list(agent.stream(given, CONFIG, **how))


@pytest.mark.holds("S3", "S4", "S5", adapter="langchain", path="stream")
@pytest.mark.parametrize("mode", [*MODES, MODES])
@BOTH
async def test_s5_every_kind_of_stream_shows_placeholders(
    way: str, mode: Any, guard: Guard, session: Session, server: OpenAIServer
) -> None:
    agent = agent_of(guard, server, checkpointer=InMemorySaver())
    typed = session.mask(f"Who is {ADA}?")
    parts = await parts_of(agent, way, {"messages": [HumanMessage(typed)]}, stream_mode=mode, subgraphs=True)
    assert parts or mode == "custom"
    assert GOT == [ADA]
    assert ADA not in repr(parts) + server.seen
    assert MRN not in repr(parts) + server.seen
    assert kinds_of_records(guard) == ["call.decided", "call.executing", "call.returned"]


@pytest.mark.holds("S8", "S12", adapter="langchain", path="stream", mode="interrupt")
@BOTH
async def test_s8_a_streamed_run_pauses_and_goes_on(
    way: str, guard: Guard, desk: Desk, session: Session, server: OpenAIServer
) -> None:
    agent = agent_of(guard, server, checkpointer=InMemorySaver())
    parts = await parts_of(agent, way, {"messages": [HumanMessage(f"A letter to {ADA}.")]}, stream_mode="updates")
    (pause,) = parts[-1]["__interrupt__"]
    assert (await parts_of(agent, way, Command(resume=True), stream_mode="updates"))[-1]["__interrupt__"]
    assert GOT == []
    desk.approve(pause.value["approval_id"])
    parts = await parts_of(agent, way, Command(resume=True), stream_mode=["updates", "messages"])
    assert [f"letter to {ADA}"] == GOT
    assert ADA not in repr([p for p in parts if p[0] == "updates"])
    assert kinds_of_records(guard).count("approval.requested") == 1


@pytest.mark.holds("S18", adapter="langchain", path="stream")
@BOTH
async def test_s18_placeholders_cut_in_pieces_map_back_for_who_may_see(
    way: str, desk: Desk, server: OpenAIServer
) -> None:
    guard = revealing_guard(desk)
    with guard.session(caller=caller()) as session:
        agent = agent_of(guard, server)
        given = {"messages": [HumanMessage(f"Who is {ADA}?")]}
        pieces: list[str] = []

        def texts() -> Iterator[str]:
            for chunk, _ in agent.stream(given, CONFIG, stream_mode="messages"):
                if isinstance(chunk, AIMessageChunk) and chunk.text:
                    pieces.append(chunk.text)
                    yield chunk.text

        async def atexts() -> AsyncIterator[str]:
            async for chunk, _ in agent.astream(given, CONFIG, stream_mode="messages"):
                if isinstance(chunk, AIMessageChunk) and chunk.text:
                    pieces.append(chunk.text)
                    yield chunk.text

        clear = session.stream_reveal(purpose="treatment")
        shown = [t async for t in clear.aover(atexts())] if way == "async" else list(clear.over(texts()))
    assert "".join(shown) == f"I found {ADA}, whose number is {MRN}."
    assert max(len(p) for p in pieces) <= 3  # every placeholder came in pieces
    assert "<PERSON_1>" in "".join(pieces)
    assert kinds_of_records(guard).count("call.executing") == 1


@BOTH
async def test_who_may_not_see_an_answer_in_clear_is_refused_and_on_record(
    way: str, guard: Guard, session: Session, server: OpenAIServer
) -> None:
    agent = agent_of(guard, server)
    given = {"messages": [HumanMessage(f"Who is {ADA}?")]}
    answer = (await agent.ainvoke(given) if way == "async" else agent.invoke(given))["messages"][-1].text
    assert "<PERSON_1>" in answer
    with pytest.raises(NotAllowedError) as refused:
        await session.areveal(answer, purpose="curiosity") if way == "async" else session.reveal(
            answer, purpose="curiosity"
        )
    clear = session.stream_reveal(purpose="curiosity")
    with pytest.raises(NotAllowedError):
        clear.take(answer)
    assert ADA not in str(refused.value)
    assert "toolguard.reveal" in everything_recorded(guard)


@pytest.mark.holds("S3", "S4", "S5", adapter="langchain", path="events")
@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
async def test_s5_events_of_every_version_show_placeholders(
    version: Any, guard: Guard, session: Session, server: OpenAIServer
) -> None:
    agent = agent_of(guard, server)
    given = {"messages": [HumanMessage(session.mask(f"Who is {ADA}?"))]}
    if version == "v3":
        run = await agent.astream_events(given, CONFIG, version="v3")
        told = repr([e async for e in run])
    else:
        events = [e async for e in agent.astream_events(given, CONFIG, version=version)]
        told = repr(events)
        assert {"on_tool_start", "on_tool_end", "on_chat_model_start", "on_chat_model_end"} <= {
            e["event"] for e in events
        }
    assert GOT == [ADA]
    assert "<PERSON_1>" in told
    assert ADA not in told + server.seen
    assert MRN not in told + server.seen
    assert kinds_of_records(guard) == ["call.decided", "call.executing", "call.returned"]


@pytest.mark.holds("S3", "S19", adapter="langchain", path="batch")
@BOTH
async def test_s19_a_batch_of_runs_keeps_persons_apart(way: str, desk: Desk, server: OpenAIServer) -> None:
    """Each run has a session of its own, in its own config; nobody's calls are another's."""
    guard = make_guard(desk)
    sessions = [guard.session(caller=caller(subject), run=f"run-{subject}") for subject in ("ana", "lee", "chen")]
    configs: list[Any] = [
        {"configurable": {"thread_id": f"t{n}", "toolguard_session": each}} for n, each in enumerate(sessions)
    ]
    given = [{"messages": [HumanMessage(f"Who is {ADA}?")]} for _ in sessions]
    agent = agent_of(guard, server)
    done = await agent.abatch(given, configs) if way == "async" else agent.batch(given, configs)
    assert GOT == [ADA] * 3
    assert [[m.content for m in d["messages"] if isinstance(m, ToolMessage)] for d in done] == [
        ["<PERSON_1> has <MRN_1>"]
    ] * 3
    decided = [r.draft.body for r in guard.parts.store.records() if r.draft.kind == "call.decided"]
    assert sorted(b["toolguard.actor.id"] for b in decided) == [f"local:general:{s}" for s in ("ana", "chen", "lee")]
    assert len({b["toolguard.session.id"] for b in decided}) == 3
    assert ADA not in server.seen


@pytest.mark.holds("S3", "S7", "S19", adapter="langchain", path="batch")
@BOTH
async def test_s19_a_batch_of_a_tool_decides_each_call(way: str, guard: Guard, session: Session) -> None:
    @tool
    def drop_all(x: int) -> str:
        """Drop."""
        raise AssertionError("ran")

    find, drop = guard_tools([plain_find, drop_all], guard=guard)
    token = session.mask(ADA)
    made = [call("plain_find", {"patient": token}, f"c{n}") for n in range(4)]
    refused = [call("drop_all", {"x": n}, f"d{n}") for n in range(2)]
    if way == "async":
        done = [*await find.abatch(made), *await drop.abatch(refused)]  # type: ignore[arg-type]  # calls are input
        done += [one async for _, one in find.abatch_as_completed([call("plain_find", {"patient": "bob"}, "e1")])]  # type: ignore[list-item]  # as above
    else:
        done = [*find.batch(made), *drop.batch(refused)]  # type: ignore[arg-type]  # calls are input
        done += [one for _, one in find.batch_as_completed([call("plain_find", {"patient": "bob"}, "e1")])]  # type: ignore[list-item]  # as above
    assert [m.status for m in done] == ["success"] * 4 + ["error"] * 2 + ["success"]
    assert sorted(GOT) == [ADA] * 4 + ["bob"]
    assert kinds_of_records(guard).count("call.decided") == 7


@pytest.mark.holds("S3", adapter="langchain", path="stream")
async def test_s3_a_tool_that_is_streamed_or_composed_passes_its_gate(guard: Guard, session: Session) -> None:
    find = guard_tools([plain_find], guard=guard)[0]
    token = session.mask(ADA)
    got: list[Any] = list(find.stream({"patient": token}))
    got += [part async for part in find.astream({"patient": token})]
    got += list(find.with_retry().stream({"patient": token}))
    got.append((find | str).invoke({"patient": token}))
    got.append(find.with_config(tags=["x"]).invoke({"patient": token}))
    got.append(find.with_fallbacks([find]).invoke({"patient": token}))
    got += list(find.transform(iter([{"patient": token}])))
    got += [
        e["data"]["output"]
        async for e in find.astream_events({"patient": token}, version="v2")
        if e["event"] == "on_tool_end"
    ]
    got += list(find.map().invoke([{"patient": token}]))
    assert got == ["<PERSON_1> has <MRN_1>"] * 9
    assert GOT == [ADA] * 9
    assert kinds_of_records(guard).count("call.decided") == 9


# --- several guards in one process -----------------------------------------------------------------------------------


@pytest.mark.holds("S3", "S19", adapter="langchain", path="several guards")
@BOTH
async def test_s19_two_guards_in_one_process_judge_record_and_mask_apart(
    way: str, tmp_path: Any, server: OpenAIServer
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    desks = [Desk(tmp_path / "a", store="memory:"), Desk(tmp_path / "b", store="memory:")]
    strict = desks[1].folder / "strict.yaml"
    first = make_guard(desks[0])
    strict.write_text(
        (desks[0].folder / "policy.yaml").read_text("utf-8").replace('tool: "drop_*"', 'tool: "plain_*"'), "utf-8"
    )
    second = desks[1].guard(strict, detector=first.parts.detector)
    guards = [first, second]
    agents = [agent_of(g, server) for g in guards]
    for number in (0, 1, 0, 1):
        with guards[number].session(caller=caller(), run=f"run-{number}"):
            given = {"messages": [HumanMessage(f"Who is {ADA}?")]}
            done = await agents[number].ainvoke(given) if way == "async" else agents[number].invoke(given)
        (answer,) = [m for m in done["messages"] if isinstance(m, ToolMessage)]
        assert answer.status == ("success", "error")[number]
    assert GOT == [ADA] * 2
    assert kinds_of_records(first) == ["call.decided", "call.executing", "call.returned"] * 2
    assert kinds_of_records(second) == ["call.decided"] * 2
    assert ADA not in server.seen
    for desk in desks:
        desk.store.close()


@pytest.mark.holds("S3", "S19", adapter="langchain", path="several guards")
@BOTH
async def test_s19_an_agent_of_one_guard_inside_an_agent_of_another(
    way: str, tmp_path: Any, desk: Desk, server: OpenAIServer
) -> None:
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other", store="memory:")
    outer, inner = make_guard(desk), make_guard(other)
    clerk = agent_of(inner, server)

    @tool("plain_find")
    def ask_clerk(patient: str) -> str:
        """Ask the other department."""
        with inner.session(caller=caller("lee")):
            done = clerk.invoke({"messages": [HumanMessage(f"Who is {patient}?")]})
        return str(done["messages"][-1].content)

    @tool("plain_find")
    async def aask_clerk(patient: str) -> str:
        """Ask the other department."""
        with inner.session(caller=caller("lee")):
            done = await clerk.ainvoke({"messages": [HumanMessage(f"Who is {patient}?")]})
        return str(done["messages"][-1].content)

    model = served(server)
    asking = aask_clerk if way == "async" else ask_clerk
    agent = create_agent(model, [asking], middleware=[GuardMiddleware(outer)])
    with outer.session(caller=caller("ana")):
        given = {"messages": [HumanMessage(f"Who is {ADA}?")]}
        done = await agent.ainvoke(given) if way == "async" else agent.invoke(given)  # type: ignore[call-overload]  # plain messages
    assert done["messages"][-1].content.startswith("I found")
    assert GOT == [ADA]
    for guard, who in ((outer, "ana"), (inner, "lee")):
        actors = {r.draft.body["toolguard.actor.id"] for r in guard.parts.store.records() if r.draft.call}
        assert actors == {f"local:general:{who}"}
        assert kinds_of_records(guard) == ["call.decided", "call.executing", "call.returned"]
    assert ADA not in server.seen
    assert MRN not in server.seen
    other.store.close()


@pytest.mark.holds("S3", "S16", adapter="langchain", path="several guards")
def test_s16_the_same_tool_under_two_guards_asks_its_own_and_nobody_elses(desk: Desk) -> None:
    first, second = make_guard(desk), make_guard(desk)
    (one,), (two,) = guard_tools([plain_find], guard=first), guard_tools([plain_find], guard=second)
    with first.session(caller=caller()), second.session(caller=caller("lee")):
        with pytest.raises(Exception, match="belongs to another guard"):
            one.invoke({"patient": "bob"})
        assert two.invoke({"patient": "bob"}).startswith("bob")
        config = {"configurable": {"toolguard_session": first.session(caller=caller())}}
        assert run_tools(tool_graph([one]), call("plain_find", {"patient": "bob"}), config=config)
    assert GOT == ["bob", "bob"]
