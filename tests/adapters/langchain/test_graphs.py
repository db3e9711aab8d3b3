"""Graphs people build themselves: map-reduce, sub-graphs, agents as tools, hand-overs, the functional API, stores."""

from __future__ import annotations

import operator
from contextlib import nullcontext
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.tools import InjectedStore, ToolRuntime
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, Command, Send
from typing_extensions import TypedDict

from adapters.langchain.kit import (
    ADA,
    CONFIG,
    MRN,
    Desk,
    Guard,
    Script,
    Session,
    call,
    caller,
    drop_all,
    everything_recorded,
    go,
    kinds_of_records,
    says,
)
from toolguard import current_session
from toolguard_langchain import GuardMiddleware, guard_tools

SENT: list[str] = []


@tool
def plain_find(patient: str) -> str:
    """Find a patient."""
    SENT.append(f"find {patient}")
    return f"{patient} has {MRN}"


@tool
def send_letter(to: str) -> str:
    """Send a letter."""
    SENT.append(f"letter to {to}")
    return f"sent to {to}"


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    SENT.clear()


def told(done: dict[str, Any]) -> list[ToolMessage]:
    return [m for m in done["messages"] if isinstance(m, ToolMessage)]


def waiting(result: dict[str, Any]) -> list[str]:
    return [p.value["approval_id"] for p in result["__interrupt__"]]


async def approve_all(graph: Any, way: str, desk: Desk, result: dict[str, Any]) -> dict[str, Any]:
    """Say yes to whatever waits, and resume, until nothing waits."""
    for _ in range(9):
        if "__interrupt__" not in result:
            return result
        for asked in desk.store.list("general"):
            if asked.state.value == "pending":
                desk.approve(asked.id)
        answers = {p.id: True for p in result["__interrupt__"]}
        result = await go(graph, way, Command(resume=answers))
    raise AssertionError("it still waits")


BOTH = pytest.mark.parametrize("way", ["sync", "async"])


# --- a ToolNode and its hooks ---------------------------------------------------------------------------------------


@pytest.mark.holds("S3", "S4", "S5", "S7", "S16", adapter="langchain", path="ToolNode")
@BOTH
async def test_a_middlewares_hooks_guard_a_tool_node_of_ones_own(way: str, guard: Guard, session: Session) -> None:
    mine = GuardMiddleware(guard)
    node = ToolNode([plain_find, drop_all], wrap_tool_call=mine.wrap_tool_call, awrap_tool_call=mine.awrap_tool_call)
    graph = StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools").compile()
    calls = (
        call("plain_find", {"patient": session.mask(ADA)}, "c1"),
        call("drop_all", {"x": 1}, "c2"),
        call("made_up", {"x": ADA}, "c3"),
    )
    done = await go(graph, way, {"messages": [says(*calls)]}, None)
    assert [(m.tool_call_id, m.status) for m in told(done)] == [("c1", "success"), ("c2", "error"), ("c3", "error")]
    assert told(done)[0].content == "<PERSON_1> has <MRN_1>"
    assert [f"find {ADA}"] == SENT
    assert ADA not in everything_recorded(guard)


@pytest.mark.holds("S3", "S11", adapter="langchain", path="ToolNode", mode="interrupt")
@BOTH
async def test_s11_map_reduce_over_tool_calls_runs_each_once(
    way: str, guard: Guard, session: Session, desk: Desk
) -> None:
    """Each call of one message in a branch of its own (`Send`); the letters wait, the look-ups do not run again."""

    def spread(state: MessagesState) -> list[Send]:
        message = state["messages"][-1]
        assert isinstance(message, AIMessage)
        return [Send("tools", [c]) for c in message.tool_calls]

    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(guard_tools([plain_find, send_letter], guard=guard, mode="interrupt")))
    graph.add_conditional_edges(START, spread, ["tools"])
    app = graph.compile(checkpointer=InMemorySaver())
    token = session.mask(ADA)
    calls = [call("plain_find", {"patient": token}, f"f{n}") for n in range(3)]
    calls += [call("send_letter", {"to": token}, f"s{n}") for n in range(2)]
    result = await go(app, way, {"messages": [says(*calls)]})
    assert len(set(waiting(result))) == 2
    assert [f"find {ADA}"] * 3 == SENT
    done = await approve_all(app, way, desk, result)
    assert sorted(SENT) == [f"find {ADA}"] * 3 + [f"letter to {ADA}"] * 2
    assert {m.tool_call_id for m in told(done)} == {c["id"] for c in calls}
    assert ADA not in repr([m.content for m in told(done)])


@BOTH
async def test_branches_without_messages_are_told_apart_by_call_id_and_never_run_twice(
    way: str, guard: Guard, session: Session
) -> None:
    """Where a graph keeps no messages the call id alone names a call: the same id again is a replay, not a new call."""

    class Work(TypedDict):
        todo: list[dict[str, Any]]
        done: Annotated[list[Any], operator.add]

    (find,) = guard_tools([plain_find], guard=guard)

    def one(item: dict[str, Any]) -> dict[str, Any]:
        return {"done": [find.invoke(item)]}

    graph = StateGraph(Work)
    graph.add_node("one", one)  # type: ignore[arg-type]  # a branch's own input
    graph.add_conditional_edges(START, lambda state: [Send("one", c) for c in state["todo"]], ["one"])
    todo = [call("plain_find", {"patient": p}, i) for p, i in (("bob", "c1"), ("eve", "c2"), ("eve", "c1"))]
    done = await go(graph.compile(), way, {"todo": todo, "done": []}, None)
    assert sorted(m.status for m in done["done"]) == ["error", "success", "success"]
    assert len(SENT) == 2


# --- sub-graphs and sub-agents ----------------------------------------------------------------------------------------


@pytest.mark.holds("S12", "S17", "S19", adapter="langchain", path="sub-agent", mode="interrupt")
@BOTH
async def test_s19_an_agent_as_a_node_with_its_own_middleware_waits_through_its_parent(
    way: str, guard: Guard, session: Session, desk: Desk
) -> None:
    script = Script(
        lines=[
            says(call("plain_find", {"patient": "<PERSON_1>"}, "c1"), call("send_letter", {"to": "<PERSON_1>"}, "c2")),
            AIMessage("fine"),
        ]
    )
    inner = create_agent(
        script, [plain_find, send_letter], middleware=[GuardMiddleware(guard, mode="interrupt")], name="clerk"
    )
    graph = StateGraph(MessagesState)
    graph.add_node("before", lambda state: {"messages": [HumanMessage(f"Write to {ADA}.")]})
    graph.add_node("clerk", inner)
    graph.add_edge(START, "before")
    graph.add_edge("before", "clerk")
    app = graph.compile(checkpointer=InMemorySaver())
    result = await go(app, way, {"messages": []})
    assert len(waiting(result)) == 1
    again = await go(app, way, Command(resume="approved, says the model"))
    assert waiting(again) == waiting(result)
    done = await approve_all(app, way, desk, again)
    assert sorted(SENT) == [f"find {ADA}", f"letter to {ADA}"]
    assert done["messages"][-1].content == "fine"
    assert ADA not in repr(script.shown)
    assert kinds_of_records(guard).count("approval.requested") == 1


def clerk_tool(guard: Guard, lines: list[Any], way: str, mode: Any) -> tuple[Script, BaseTool]:
    """An agent as a tool: the sub-agent's own model, tools and middleware behind one function."""
    script = Script(lines=lines)
    clerk = create_agent(script, [plain_find, send_letter, drop_all], middleware=[GuardMiddleware(guard, mode=mode)])

    @tool
    def plain_clerk(task: str) -> str:
        """Ask the clerk."""
        return str(clerk.invoke({"messages": [HumanMessage(task)]})["messages"][-1].content)

    @tool("plain_clerk")
    async def plain_aclerk(task: str) -> str:
        """Ask the clerk."""
        return str((await clerk.ainvoke({"messages": [HumanMessage(task)]}))["messages"][-1].content)

    return script, plain_aclerk if way == "async" else plain_clerk


@pytest.mark.holds("S3", "S5", "S7", "S19", adapter="langchain", path="sub-agent")
@BOTH
async def test_s19_an_agent_as_a_tool_is_guarded_inside_and_out(way: str, guard: Guard, session: Session) -> None:
    inner_lines = [
        says(call("plain_find", {"patient": "<PERSON_1>"}, "c1"), call("drop_all", {"x": 1}, "c2")),
        AIMessage("<PERSON_1> has <MRN_1>"),
    ]
    inner, clerk = clerk_tool(guard, inner_lines, way, None)
    outer = Script(lines=[says(call("plain_clerk", {"task": "<PERSON_1>"}, "c1")), AIMessage("done")])
    agent = create_agent(outer, [clerk], middleware=[GuardMiddleware(guard)])
    done = await go(agent, way, {"messages": [HumanMessage(f"Who is {ADA}?")]}, None)
    assert [f"find {ADA}"] == SENT
    for script in (inner, outer):
        assert ADA not in repr(script.shown)
        assert MRN not in repr(script.shown)
    assert [m.status for m in inner.shown[-1] if isinstance(m, ToolMessage)] == ["success", "error"]
    assert [m.status for m in told(done)] == ["success"]
    assert ADA not in everything_recorded(guard)


WHOSE: dict[str, str] = {"the outer agent's": "ana", "one entered inside": "lee", "one given inside": "lee"}


@pytest.mark.parametrize("how", WHOSE)
@BOTH
async def test_whose_calls_a_sub_agents_are(way: str, how: str, guard: Guard) -> None:
    """The outer middleware's person stands for everything inside, until code inside says another."""
    own = guard.session(caller=caller("lee"))
    inner = Script(lines=[says(call("plain_find", {"patient": "bob"}, "c1")), AIMessage("told")])
    clerk: Any = create_agent(inner, [plain_find], middleware=[GuardMiddleware(guard)])
    config = {"configurable": {"toolguard_session": own}} if how == "one given inside" else None
    entering = own if how == "one entered inside" else nullcontext()

    @tool
    def plain_clerk(task: str) -> str:
        """Ask the clerk."""
        with entering:
            return str(clerk.invoke({"messages": [HumanMessage(task)]}, config)["messages"][-1].content)

    @tool("plain_clerk")
    async def plain_aclerk(task: str) -> str:
        """Ask the clerk."""
        with entering:
            return str((await clerk.ainvoke({"messages": [HumanMessage(task)]}, config))["messages"][-1].content)

    asking = plain_aclerk if way == "async" else plain_clerk
    outer = Script(lines=[says(call("plain_clerk", {"task": "x"}, "c1")), AIMessage("done")])
    middleware = GuardMiddleware(guard, guard.session(caller=caller("ana")))
    with guard.session(caller=caller("okafor")):
        agent = create_agent(outer, [asking], middleware=[middleware])
        await go(agent, way, {"messages": [HumanMessage("x")]}, None)
    ran = [r.draft.body for r in guard.parts.store.records() if r.draft.kind == "call.decided"]
    assert [b["toolguard.actor.id"].rpartition(":")[2] for b in ran] == ["ana", WHOSE[how]]


@pytest.mark.holds("S8", "S11", "S12", adapter="langchain", path="sub-agent", mode="interrupt")
@BOTH
async def test_s11_an_agent_as_a_tool_waits_and_goes_on_without_running_anything_twice(
    way: str, guard: Guard, session: Session, desk: Desk
) -> None:
    """The sub-agent pauses inside its tool; resumed, the tool's code runs anew and what it had done is not done again."""
    inner_lines = [
        says(call("plain_find", {"patient": "<PERSON_1>"}, "c1")),
        says(call("send_letter", {"to": "<PERSON_1>"}, "c2")),
        AIMessage("told"),
    ]
    _, clerk = clerk_tool(guard, inner_lines, way, "interrupt")
    outer = Script(lines=[says(call("plain_clerk", {"task": "<PERSON_1>"}, "c1")), AIMessage("done")])
    agent = create_agent(
        outer, [clerk], middleware=[GuardMiddleware(guard, mode="interrupt")], checkpointer=InMemorySaver()
    )
    result = await go(agent, way, {"messages": [HumanMessage(f"Write to {ADA}.")]})
    assert [f"find {ADA}"] == SENT
    done = await approve_all(agent, way, desk, result)
    assert [f"find {ADA}", f"letter to {ADA}"] == SENT
    assert [m.content for m in told(done)] == ["told"]
    assert kinds_of_records(guard).count("approval.requested") == 1


@pytest.mark.holds("S5", "S19", adapter="langchain", path="supervisor")
@BOTH
async def test_s19_a_supervisor_hands_over_and_the_history_goes_along_masked(
    way: str, guard: Guard, session: Session
) -> None:
    @tool
    def plain_hand_over(
        note: str, state: Annotated[dict[str, Any], InjectedState], id: Annotated[str, InjectedToolCallId]
    ) -> Command[Any]:
        """Hand over to the clerk."""
        answer = ToolMessage(f"over to the clerk, about {note}", tool_call_id=id)
        return Command(goto="clerk", graph=Command.PARENT, update={"messages": [*state["messages"], answer]})

    boss = Script(lines=[says(call("plain_hand_over", {"note": "<PERSON_1>"}, "c1"))])
    clerk = Script(
        lines=[None, says(call("plain_find", {"patient": "<PERSON_1>"}, "c1")), AIMessage("<PERSON_1> has <MRN_1>")]
    )
    graph = StateGraph(MessagesState)
    graph.add_node(
        "boss", create_agent(boss, [plain_hand_over], middleware=[GuardMiddleware(guard)]), destinations=("clerk",)
    )
    graph.add_node("clerk", create_agent(clerk, [plain_find, drop_all], middleware=[GuardMiddleware(guard)]))
    graph.add_edge(START, "boss")
    graph.add_edge("clerk", END)
    done = await go(graph.compile(), way, {"messages": [HumanMessage(f"Who is {ADA}?")]}, None)
    assert done["messages"][-1].content == "<PERSON_1> has <MRN_1>"
    assert [f"find {ADA}"] == SENT
    assert [m.content for m in clerk.shown[0]][:1] == ["Who is <PERSON_1>?"]
    for script in (boss, clerk):
        assert ADA not in repr(script.shown)
        assert MRN not in repr(script.shown)


@pytest.mark.holds("S5", "S8", "S12", "S19", adapter="langchain", path="swarm", mode="interrupt")
@pytest.mark.parametrize("policy", ["asks", "denies"])
@BOTH
async def test_s19_a_swarms_hand_over_goes_where_the_policy_lets_it(
    way: str, policy: str, guard: Guard, session: Session, desk: Desk
) -> None:
    """As langgraph-swarm does it: the tool names the next agent in the state, whose graph remembers it for the next turn."""

    class Swarm(MessagesState):
        active: str

    @tool("send_to_clerk" if policy == "asks" else "drop_to_clerk")
    def hand_over(state: Annotated[Any, InjectedState], id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Hand over to the clerk."""
        answer = ToolMessage(f"over to the clerk, as {ADA} wants", tool_call_id=id)
        return Command(
            goto="clerk", graph=Command.PARENT, update={"messages": [*state["messages"], answer], "active": "clerk"}
        )

    def boss_says(messages: list[Any]) -> AIMessage:
        refused = isinstance(messages[-1], ToolMessage)
        return AIMessage("I may not") if refused else says(call(hand_over.name, {}, "over"))

    boss, clerk = Script(lines=[boss_says] * 2), Script(lines=[AIMessage("<PERSON_1> is well")] * 3)
    graph = StateGraph(Swarm)
    for name, script, tools in (("boss", boss, [hand_over]), ("clerk", clerk, [])):
        agent = create_agent(script, tools, middleware=[GuardMiddleware(guard, mode="interrupt")], name=name)
        graph.add_node(name, agent, destinations=("clerk",))
    graph.add_conditional_edges(START, lambda state: state.get("active") or "boss", ["boss", "clerk"])
    app = graph.compile(checkpointer=InMemorySaver())
    done = await go(app, way, {"messages": [HumanMessage(f"How is {ADA}?")]})
    if policy == "denies":
        assert (done["messages"][-1].content, done.get("active"), clerk.shown) == ("I may not", None, [])
        return
    (asked,) = waiting(done)
    assert waiting(await go(app, way, Command(resume={"decisions": [{"type": "approve"}]}))) == [asked]
    assert clerk.shown == []
    desk.approve(asked)
    done = await go(app, way, Command(resume=True))
    assert [m.content for m in told(done)] == ["over to the clerk, as <PERSON_1> wants"]
    assert done["messages"][-1].content == "<PERSON_1> is well"
    await go(app, way, {"messages": [HumanMessage(f"And {ADA} now?")]})
    assert (len(boss.shown), len(clerk.shown)) == (1, 2), "the clerk has the word"
    assert ADA not in repr(boss.shown + clerk.shown)
    assert kinds_of_records(guard).count("approval.requested") == 1


# --- the functional API -------------------------------------------------------------------------------------------------


@pytest.mark.holds("S10", "S11", "S12", adapter="langchain", path="functional API", mode="interrupt")
@BOTH
async def test_s11_entrypoints_and_tasks_wait_and_run_nothing_twice(
    way: str, guard: Guard, session: Session, desk: Desk
) -> None:
    find, letter = guard_tools([plain_find, send_letter], guard=guard, mode="interrupt")
    runs: list[int] = []

    @task
    def look(made: dict[str, Any]) -> Any:
        return find.invoke(made)

    @task
    async def alook(made: dict[str, Any]) -> Any:
        return await find.ainvoke(made)

    @entrypoint(checkpointer=InMemorySaver())
    def flow(made: list[dict[str, Any]]) -> list[str]:
        runs.append(1)
        found = look(made[0]).result()
        again = find.invoke(made[1])  # outside a task: LangGraph itself would run it again
        return [found.content, again.content, letter.invoke(made[2]).content]

    @entrypoint(checkpointer=InMemorySaver())
    async def aflow(made: list[dict[str, Any]]) -> list[str]:
        runs.append(1)
        found = await alook(made[0])
        again = await find.ainvoke(made[1])
        return [found.content, again.content, (await letter.ainvoke(made[2])).content]

    app: Any = aflow if way == "async" else flow
    token = session.mask(ADA)
    made = [
        call("plain_find", {"patient": token}, "c1"),
        call("plain_find", {"patient": "bob"}, "c2"),
        call("send_letter", {"to": token}, "c3"),
    ]
    result = await go(app, way, made)
    (asked,) = waiting(result)
    assert waiting(await go(app, way, Command(resume={"type": "approve"}))) == [asked]
    desk.approve(asked)
    done: Any = await go(app, way, Command(resume=True))
    assert done == ["<PERSON_1> has <MRN_1>", "bob has <MRN_1>", "sent to <PERSON_1>"]
    assert sorted(SENT) == sorted([f"find {ADA}", "find bob", f"letter to {ADA}"])
    assert len(runs) == 3


@BOTH
async def test_what_langgraph_caches_is_given_again_past_the_guard(way: str, guard: Guard) -> None:
    """The hole that the documentation names: a cached node or task does not run, so nobody asks; key it by session."""

    def flow(keyed: bool) -> Any:
        (find,) = guard_tools([plain_find], guard=guard)

        def key(made: dict[str, Any]) -> str:
            return f"{current_session().id if keyed else ''} {made}"

        @task(cache_policy=CachePolicy(key_func=key))
        def look(made: dict[str, Any]) -> Any:
            return find.invoke(made["args"])

        @task(cache_policy=CachePolicy(key_func=key))
        async def alook(made: dict[str, Any]) -> Any:
            return await find.ainvoke(made["args"])

        def run(made: dict[str, Any]) -> Any:
            return look(made).result()

        async def arun(made: dict[str, Any]) -> Any:
            return await alook(made)

        return entrypoint(cache=InMemoryCache())(arun if way == "async" else run)

    for keyed, ran in ((False, 1), (True, 2)):
        app = flow(keyed)
        SENT.clear()
        for person in ("ana", "lee"):
            with guard.session(caller=caller(person), run=f"{person}-{keyed}"):
                assert await go(app, way, call("plain_find", {"patient": "bob"}), None) == "bob has <MRN_1>"
        assert len(SENT) == ran


# --- what a graph puts into tools, and what tools put into graphs ------------------------------------------------------------


@pytest.mark.holds("S2", "S5", adapter="langchain", path="ToolNode")
@BOTH
async def test_s2_stores_runtimes_and_writers_are_given_and_never_looked_at(
    way: str, guard: Guard, session: Session
) -> None:
    got: list[Any] = []

    @tool
    def plain_remember(fact: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
        """Remember a fact."""
        got.append(store)
        store.put(("facts",), "1", {"fact": fact})
        return f"remembered {fact}"

    @tool
    def plain_recall(key: str, runtime: ToolRuntime[Any, Any], config: RunnableConfig) -> str:
        """Recall a fact."""
        assert runtime.store is not None
        got.append((runtime.store, runtime.tool_call_id, runtime.context, config["configurable"]["thread_id"]))
        runtime.stream_writer({"reading": key})
        found = runtime.store.get(("facts",), key)
        assert found is not None
        return str(found.value)

    store = InMemoryStore()
    graph = StateGraph(MessagesState, context_schema=dict)
    graph.add_node("tools", ToolNode(guard_tools([plain_remember, plain_recall], guard=guard)))
    graph.add_edge(START, "tools")
    app = graph.compile(store=store)
    first = says(call("plain_remember", {"fact": session.mask(ADA)}, "c1"))
    context = {"secret": "of the application"}
    run = app.ainvoke if way == "async" else app.invoke
    done = run({"messages": [first]}, CONFIG, context=context)
    done = await done if way == "async" else done
    assert told(done)[0].content == "remembered <PERSON_1>"
    assert store.get(("facts",), "1").value == {"fact": ADA}  # type: ignore[union-attr]  # a tool's own storage holds what the tool was given
    second = {"messages": [says(call("plain_recall", {"key": "1"}, "c2"))]}
    parts: list[Any] = []
    if way == "async":
        parts += [p async for p in app.astream(second, CONFIG, context=context, stream_mode=["custom", "values"])]
    else:
        parts += app.stream(second, CONFIG, context=context, stream_mode=["custom", "values"])
    assert ("custom", {"reading": "1"}) in parts
    assert told(parts[-1][1])[0].content == "{'fact': '<PERSON_1>'}"
    assert got == [store, (store, "c2", context, "thread-1")]
    assert "of the application" not in everything_recorded(guard)


@pytest.mark.holds("S19", adapter="langchain", path="ToolNode")
@BOTH
async def test_s19_a_tool_that_calls_tools_is_guarded_at_each(way: str, guard: Guard, session: Session) -> None:
    find, drop = guard_tools([plain_find, drop_all], guard=guard)

    @tool
    def plain_round(patient: str) -> str:
        """Find, then drop."""
        found = find.invoke({"patient": patient})
        refused = drop.invoke(call("drop_all", {"x": 1}, "inner"))
        return f"{found} / {refused.status}"

    @tool("plain_round")
    async def plain_around(patient: str) -> str:
        """Find, then drop."""
        found = await find.ainvoke({"patient": patient})
        refused = await drop.ainvoke(call("drop_all", {"x": 1}, "inner"))
        return f"{found} / {refused.status}"

    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(guard_tools([plain_around if way == "async" else plain_round], guard=guard)))
    graph.add_edge(START, "tools")
    made = says(call("plain_round", {"patient": session.mask(ADA)}, "c1"))
    done = await go(graph.compile(), way, {"messages": [made]}, None)
    (answer,) = told(done)
    assert answer.status == "success"
    assert str(answer.content).endswith("/ error")
    assert ADA not in str(answer.content)
    assert [f"find {ADA}"] == SENT
    assert kinds_of_records(guard).count("call.decided") == 3


@pytest.mark.holds("S5", adapter="langchain", path="ToolNode")
@BOTH
async def test_s5_a_tools_update_of_any_part_of_the_state_is_masked(way: str, guard: Guard, session: Session) -> None:
    class State(TypedDict):
        messages: Annotated[list[AnyMessage], operator.add]
        patient: str
        found: Annotated[list[dict[str, str]], operator.add]

    @tool
    def plain_admit(patient: str, id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Admit a patient."""
        return Command(
            update={
                "patient": patient,
                "found": [{"mrn": MRN}],
                "messages": [ToolMessage(f"admitted {patient}", tool_call_id=id), {"role": "user", "content": ADA}],
            },
            goto=Send("after", {"who": patient, "mrn": MRN}),
        )

    seen: list[Any] = []
    graph = StateGraph(State)
    graph.add_node("tools", ToolNode(guard_tools([plain_admit], guard=guard)), destinations=("after",))
    graph.add_node("after", lambda given: seen.append(given))  # type: ignore[arg-type]  # a branch's own input
    graph.add_edge(START, "tools")
    made = says(call("plain_admit", {"patient": session.mask(ADA)}, "c1"))
    done = await go(graph.compile(), way, {"messages": [made], "patient": "", "found": []}, None)
    assert (done["patient"], done["found"]) == ("<PERSON_1>", [{"mrn": "<MRN_1>"}])
    assert ADA not in repr(done)
    assert seen == [{"who": "<PERSON_1>", "mrn": "<MRN_1>"}]
