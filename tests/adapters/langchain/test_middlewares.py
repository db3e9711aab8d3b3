"""LangChain's own middlewares beside ours: retries, reviews, limits, summaries, structured answers, tools added later."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from adapters.langchain.kit import (
    ADA,
    GOT,
    MRN,
    Desk,
    Guard,
    Script,
    Session,
    call,
    caller,
    drop_all,
    go,
    kinds_of_records,
    plain_find,
    revealing_guard,
    says,
)
from adapters.langchain.served import connections_end, served  # noqa: F401 - the first is a fixture of every test here
from toolguard.errors import ReplayError, UnknownToolError
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, say, use
from toolguard_langchain import GraphSuspended, GuardMiddleware, guard_model, guard_tools


@tool
def send_letter(to: str) -> str:
    """Send a letter."""
    GOT.append(f"letter to {to}")
    return "sent"


def told(done: dict[str, Any]) -> list[tuple[Any, str]]:
    return [(m.content, m.status) for m in done["messages"] if isinstance(m, ToolMessage)]


def human(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


# --- retries --------------------------------------------------------------------------------------------------------

EAGER: dict[str, Any] = {"max_retries": 3, "initial_delay": 0.0, "jitter": False}


@pytest.mark.holds("S8", "S12", adapter="langchain", path="retry middleware", mode="interrupt")
@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "not wrapped"])
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s12_a_retrying_middleware_asks_once_not_each_time(
    way: str, wrapped: bool, guard: Guard, desk: Desk, session: Session
) -> None:
    tools = guard_tools([send_letter], guard=guard, mode="interrupt") if wrapped else [send_letter]
    agent = create_agent(
        Script(lines=[says(call("send_letter", {"to": "bob"})), AIMessage("fine")]),
        tools,
        middleware=[ToolRetryMiddleware(**EAGER), GuardMiddleware(guard, mode="interrupt")],
        checkpointer=InMemorySaver(),
    )
    paused = await go(agent, way, human("x"))
    again = await go(agent, way, Command(resume=True))
    (asked,) = guard.parts.store.list("general")
    assert [p["__interrupt__"][0].value["approval_id"] for p in (paused, again)] == [asked.id, asked.id]
    desk.approve(asked.id)
    assert told(await go(agent, way, Command(resume=True))) == [("sent", "success")]
    assert GOT == ["letter to bob"]
    assert kinds_of_records(guard).count("approval.requested") == 1


@pytest.mark.holds("S8", adapter="langchain", path="retry middleware", mode="raise")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s8_a_retrying_middleware_lets_a_suspension_through(way: str, guard: Guard, session: Session) -> None:
    agent = create_agent(
        Script(lines=[says(call("send_letter", {"to": "bob"})), AIMessage("fine")]),
        [send_letter],
        middleware=[ToolRetryMiddleware(**EAGER, on_failure="continue"), GuardMiddleware(guard, mode="raise")],
    )
    with pytest.raises(GraphSuspended):
        await go(agent, way, human("x"))
    assert kinds_of_records(guard) == ["call.decided", "approval.requested"]


@pytest.mark.holds("S10", adapter="langchain", path="retry middleware", mode="interrupt")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s10_an_approved_call_that_failed_is_not_retried_on_the_same_yes(
    way: str, guard: Guard, desk: Desk, session: Session
) -> None:
    tries: list[str] = []

    @tool
    def send_flaky(to: str) -> str:
        """Fails after it may have sent."""
        tries.append(to)
        raise TimeoutError("no answer")

    agent = create_agent(
        Script(lines=[says(call("send_flaky", {"to": "bob"})), AIMessage("fine")]),
        [send_flaky],
        middleware=[ToolRetryMiddleware(**EAGER, on_failure="continue"), GuardMiddleware(guard, mode="interrupt")],
        checkpointer=InMemorySaver(),
    )
    paused = await go(agent, way, human("x"))
    desk.approve(paused["__interrupt__"][0].value["approval_id"])
    done = await go(agent, way, Command(resume=True))
    assert tries == ["bob"]
    assert told(done) == [(ReplayError.model_text, "error")]


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_denial_is_an_answer_and_nothing_to_retry(way: str, guard: Guard, session: Session) -> None:
    agent = create_agent(
        Script(lines=[says(call("drop_all", {"x": 1})), AIMessage("fine")]),
        [drop_all],
        middleware=[ToolRetryMiddleware(**EAGER), GuardMiddleware(guard)],
    )
    done = await go(agent, way, human("x"))
    assert [status for _, status in told(done)] == ["error"]
    assert kinds_of_records(guard) == ["call.decided"]


@pytest.mark.holds("S5", adapter="langchain", path="create_agent")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s5_models_that_are_retried_or_replaced_are_shown_placeholders_too(
    way: str, guard: Guard, session: Session
) -> None:
    class Down(Script):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            self.shown.append(list(messages))
            raise TimeoutError("down")

    down, second = Down(), Script(lines=[AIMessage("<PERSON_1> is fine")])
    agent = create_agent(
        down,
        [],
        middleware=[
            ModelFallbackMiddleware(second),
            ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False, on_failure="error"),
            GuardMiddleware(guard),
        ],
    )
    done = await go(agent, way, human(f"How is {ADA}?"))
    assert done["messages"][-1].content == "<PERSON_1> is fine"
    assert len(down.shown) == 2
    assert [[m.content for m in shown] for shown in (*down.shown, *second.shown)] == [["How is <PERSON_1>?"]] * 3


# --- reviews and masks of LangChain's own, beside ours ------------------------------------------------------------------


@pytest.mark.holds("S8", "S10", adapter="langchain", path="create_agent", mode="interrupt")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_langchains_review_and_masks_stay_in_force_and_neither_replaces_our_approval(
    way: str, guard: Guard, desk: Desk, session: Session
) -> None:
    model = Script(lines=[says(call("send_letter", {"to": "bob"})), AIMessage("fine")])
    agent = create_agent(
        model,
        [send_letter],
        middleware=[
            PIIMiddleware("email", strategy="redact", apply_to_input=True),
            HumanInTheLoopMiddleware(interrupt_on={"send_letter": True}),
            GuardMiddleware(guard, mode="interrupt"),
        ],
        checkpointer=InMemorySaver(),
    )
    first = await go(agent, way, human(f"Write to ada@example.org about {ADA}."))
    assert "action_requests" in first["__interrupt__"][0].value  # LangChain's review comes first
    assert [m.content for m in model.shown[0]] == ["Write to [REDACTED_EMAIL] about <PERSON_1>."]
    assert not guard.parts.store.list("general")

    second = await go(agent, way, Command(resume={"decisions": [{"type": "approve"}]}))
    (asked,) = guard.parts.store.list("general")
    assert second["__interrupt__"][0].value["approval_id"] == asked.id  # its yes is not ours
    assert GOT == []
    desk.approve(asked.id)
    assert told(await go(agent, way, Command(resume=True))) == [("sent", "success")]
    assert GOT == ["letter to bob"]


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_no_of_langchains_review_never_reaches_the_guard(way: str, guard: Guard, session: Session) -> None:
    agent = create_agent(
        Script(lines=[says(call("send_letter", {"to": "bob"})), AIMessage("fine")]),
        [send_letter],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"send_letter": True}), GuardMiddleware(guard)],
        checkpointer=InMemorySaver(),
    )
    await go(agent, way, human("x"))
    done = await go(agent, way, Command(resume={"decisions": [{"type": "reject", "message": "no"}]}))
    assert [status for _, status in told(done)] == ["error"]
    assert (GOT, kinds_of_records(guard)) == ([], [])


# --- middlewares that ask a model of their own ----------------------------------------------------------------------------

LONG = [HumanMessage(f"Who is {ADA}?"), AIMessage("Somebody."), HumanMessage(f"And {MRN}?"), AIMessage("A number.")]


def summarizing(guard: Guard, own: Any) -> tuple[Script, Any]:
    model = Script(lines=[AIMessage("fine")] * 9)
    summary = SummarizationMiddleware(own, trigger=("messages", 3), keep=("messages", 1))
    return model, create_agent(model, [], middleware=[summary, GuardMiddleware(guard)])


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_summary_by_a_bare_model_is_written_from_raw_messages(way: str, guard: Guard, session: Session) -> None:
    """The hole: such a middleware asks its own model, past `GuardMiddleware`. The next test closes it."""
    own = Script(lines=[AIMessage("a summary")] * 9)
    _, agent = summarizing(guard, own)
    await go(agent, way, {"messages": [*LONG, HumanMessage("So?")]})
    assert ADA in repr(own.shown)


@pytest.mark.holds("S5", adapter="langchain", path="guard_model")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s5_a_summary_by_a_guarded_model_is_written_from_placeholders(
    way: str, guard: Guard, session: Session
) -> None:
    own = Script(lines=[AIMessage("about <PERSON_1>")] * 9)
    model, agent = summarizing(guard, guard_model(own, guard=guard))
    await go(agent, way, {"messages": [*LONG, HumanMessage("So?")]})
    assert own.shown
    assert "<PERSON_1>" in repr(own.shown)
    assert ADA not in repr((own.shown, model.shown))
    assert "about <PERSON_1>" in repr(model.shown)


def choosing(request: ModelRequest) -> Reply:
    if request.body.get("response_format") or request.body.get("tool_choice"):
        return say('{"tools": ["plain_find"]}')
    return say("<PERSON_1> is fine") if request.outputs else use(Use("plain_find", {"patient": "<PERSON_1>"}))


@pytest.mark.holds("S5", adapter="langchain", path="guard_model")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s5_a_model_that_chooses_tools_is_shown_placeholders(way: str, guard: Guard, session: Session) -> None:
    with OpenAIServer(choosing) as server:
        model = served(server)
        choose = LLMToolSelectorMiddleware(model=guard_model(model, guard=guard), max_tools=1)
        agent = create_agent(model, [plain_find, send_letter], middleware=[choose, GuardMiddleware(guard)])
        done = await go(agent, way, human(f"How is {ADA}?"))
        assert done["messages"][-1].content == "<PERSON_1> is fine"
        assert GOT == [ADA]
        assert len(server.requests) == 4
        assert ADA not in server.seen
        assert MRN not in server.seen


# --- an order that lets text in after the mask ------------------------------------------------------------------------------


class AddsLate(AgentMiddleware):
    """Adds to the context further in than the guard has looked."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(system_message=SystemMessage(f"Mind {ADA}.")))


def test_what_a_middleware_adds_after_ours_is_not_masked(guard: Guard, session: Session) -> None:
    """The hole that "put it last" is about; the next test closes it for any order."""
    model = Script(lines=[AIMessage("fine")])
    create_agent(model, [], middleware=[GuardMiddleware(guard), AddsLate()]).invoke(human("x"))
    assert ADA in repr(model.shown)


@pytest.mark.holds("S5", adapter="langchain", path="guard_model")
def test_s5_a_guarded_model_masks_it_in_any_order(guard: Guard, session: Session) -> None:
    model = Script(lines=[AIMessage("fine")])
    agent = create_agent(guard_model(model, guard=guard), [], middleware=[GuardMiddleware(guard), AddsLate()])
    agent.invoke(human(f"How is {ADA}?"))
    assert [m.content for m in model.shown[0]] == ["Mind <PERSON_1>.", "How is <PERSON_1>?"]


# --- all of them at once ------------------------------------------------------------------------------------------------------


@pytest.mark.holds("S3", "S5", adapter="langchain", path="create_agent")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_limits_lists_edits_and_ours_live_side_by_side(way: str, guard: Guard, session: Session) -> None:
    todo = call("write_todos", {"todos": [{"content": "find <PERSON_1>", "status": "pending"}]}, "c1")
    model = Script(
        lines=[
            says(todo),
            says(call("plain_find", {"patient": "<PERSON_1>"}, "c2")),
            says(call("plain_find", {"patient": "<PERSON_1>"}, "c3")),
            AIMessage("fine"),
        ]
    )
    agent = create_agent(
        model,
        [plain_find],
        system_prompt=f"You know {ADA}.",
        middleware=[
            TodoListMiddleware(),
            ToolCallLimitMiddleware(tool_name="plain_find", run_limit=1, exit_behavior="continue"),
            ModelCallLimitMiddleware(run_limit=9),
            ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=1, keep=1)]),
            GuardMiddleware(guard),
        ],
    )
    done = await go(agent, way, human(f"Who is {ADA}?"))
    assert GOT == [ADA]  # the second look-up is beyond LangChain's limit
    assert ADA not in repr(model.shown)
    assert MRN not in repr(model.shown)
    assert done["todos"] == [{"content": "find <PERSON_1>", "status": "pending"}]
    assert kinds_of_records(guard) == ["call.decided", "call.executing", "call.returned"] * 2


# --- tools that a middleware adds while the agent runs ---------------------------------------------------------------------------


class AddsTools(AgentMiddleware):
    """Offers and resolves a tool that the agent was not made with."""

    def __init__(self, added: Any) -> None:
        super().__init__()
        self.tools = []
        self.added = added

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(tools=[*request.tools, self.added]))

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        return await handler(request.override(tools=[*request.tools, self.added]))

    def _resolve(self, request: Any) -> Any:
        mine = request.tool_call["name"] == self.added.name
        return request.override(tool=self.added) if mine else request

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        return handler(self._resolve(request))

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        return await handler(self._resolve(request))


@pytest.mark.holds("S3", "S7", "S19", adapter="langchain", path="dynamic tools")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s19_tools_added_on_the_way_are_guarded(way: str, guard: Guard, session: Session) -> None:
    for added, arguments, status in ((plain_find, {"patient": "<PERSON_1>"}, "success"), (drop_all, {"x": 1}, "error")):
        session.mask(ADA)
        model = Script(lines=[says(call(added.name, arguments)), AIMessage("fine")])
        agent = create_agent(model, [], middleware=[AddsTools(added), GuardMiddleware(guard)])
        done = await go(agent, way, human("x"))
        assert [s for _, s in told(done)] == [status]
        assert MRN not in repr(done)
    assert GOT == [ADA]


@pytest.mark.holds("S16", adapter="langchain", path="dynamic tools")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s16_tools_added_further_in_than_ours_do_not_run(way: str, guard: Guard, session: Session) -> None:
    model = Script(lines=[says(call("plain_find", {"patient": "bob"})), AIMessage("fine")])
    agent = create_agent(model, [], middleware=[GuardMiddleware(guard), AddsTools(plain_find)])
    assert told(await go(agent, way, human("x"))) == [(UnknownToolError.model_text, "error")]
    assert GOT == []


# --- answers with a structure -------------------------------------------------------------------------------------------------------


class Finding(BaseModel):
    """What was found."""

    who: str
    sure: bool = True


def structured(request: ModelRequest) -> Reply:
    names = [t["function"]["name"] for t in request.body.get("tools", [])]
    if "plain_find" in names and not request.outputs:
        return use(Use("plain_find", {"patient": "<PERSON_1>"}))
    if "Finding" in names:
        return use(Use("Finding", {"who": "<PERSON_1>", "sure": True}))
    return say('{"who": "<PERSON_1>", "sure": true}')


@pytest.mark.holds("S4", "S5", adapter="langchain", path="structured output")
@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s5_answers_with_a_structure_hold_placeholders_until_they_are_revealed(
    way: str, strategy: Any, desk: Desk
) -> None:
    guard = revealing_guard(desk)
    with OpenAIServer(structured) as server, guard.session(caller=caller()) as session:
        model = served(server)
        agent = create_agent(
            model, [plain_find], response_format=strategy(Finding), middleware=[GuardMiddleware(guard)]
        )
        done = await go(agent, way, human(f"Who is {ADA}?"))
        answer = done["structured_response"]
        assert answer == Finding(who="<PERSON_1>", sure=True)
        assert GOT == [ADA]
        assert ADA not in server.seen
        assert MRN not in server.seen
        assert session.reveal(answer.who, purpose="treatment").text == ADA
