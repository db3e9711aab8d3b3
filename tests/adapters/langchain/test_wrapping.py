"""What can be wrapped, what is refused and why, and whose calls they are."""

from __future__ import annotations

import contextvars
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool, tool
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt import InjectedState

from adapters.langchain.kit import (
    ADA,
    Desk,
    Guard,
    Session,
    call,
    caller,
    kinds_of_records,
    last,
    make_guard,
    run_tools,
    tool_graph,
)
from toolguard import DeniedError, IdentityError, Suspended
from toolguard.errors import ConfigError, NotAllowedError, ReplayError, UnknownToolError
from toolguard_langchain import GraphSuspended, guard_tools


@tool
def plain_add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


class OwnInvoke(BaseTool):
    name: str = "plain_own"
    description: str = "Has its own way in."

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return "past the gate"

    def _run(self, x: int) -> int:
        return x


class Strange:
    pass


REFUSED = [
    ("a provider's tool", {"type": "web_search"}, "runs at the provider"),
    ("a bound runnable", plain_add.bind(x=1), "do not pass through BaseTool.run"),
    ("a runnable", RunnableLambda(lambda x: x), "do not pass through BaseTool.run"),
    ("not callable", 7, "do not pass through BaseTool.run"),
    ("a class with its own invoke", OwnInvoke(), "has its own 'invoke'"),
]


@pytest.mark.parametrize(("what", "given", "why"), REFUSED, ids=[r[0] for r in REFUSED])
def test_s16_what_cannot_be_guarded_is_refused_with_the_reason(what: str, given: Any, why: str, guard: Guard) -> None:
    with pytest.raises(ConfigError, match=why):
        guard_tools([given], guard=guard)


def test_s16_arguments_nobody_can_describe_are_refused(guard: Guard) -> None:
    def plain_odd(what: Strange) -> str:
        """Takes something no JSON can hold."""
        return "x"

    plain_odd.__annotations__ = {"what": Strange, "return": str}
    with pytest.raises(ConfigError, match="no JSON schema"):
        guard_tools([StructuredTool.from_function(plain_odd)], guard=guard)


def test_s16_a_tool_the_policy_does_not_name_is_said_aloud_and_denied(guard: Guard, session: Session) -> None:
    misspelt = plain_add.model_copy(update={"name": "plan_add"})
    with pytest.warns(UserWarning, match="'plan_add' is not named in the policy") as told:
        (guarded,) = guard_tools([misspelt], guard=guard)
    assert told[0].filename == __file__
    with pytest.raises(DeniedError):
        guarded.invoke({"a": 1})


ALOUD = {
    "nobody is known": IdentityError("the directory failed, so nobody is known"),
    "set up wrongly": ConfigError("a part is missing"),
    "it waits": Suspended("waits", approval_id="a", call_digest="d", tool="plain_add", expires_at=0.0),
}


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("fault", ALOUD.values(), ids=ALOUD)
async def test_s16_what_is_no_answer_to_the_model_reaches_the_application(
    way: str, fault: Exception, guard: Guard, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is told to the model; that the guard cannot do its work, or that a person is asked, is not."""

    def fails(*args: Any, **more: Any) -> Any:
        raise fault

    monkeypatch.setattr(Session, "authorise", fails)
    monkeypatch.setattr(Session, "aauthorise", fails)
    (guarded,) = guard_tools([plain_add], guard=guard)
    made = call("plain_add", {"a": 1})
    with pytest.raises(type(fault), match=str(fault)):
        await guarded.ainvoke(made) if way == "async" else guarded.invoke(made)


def test_s16_an_unknown_mode_is_refused(guard: Guard) -> None:
    with pytest.raises(ConfigError, match="mode 'ask' is unknown"):
        guard_tools([plain_add], guard=guard, mode="ask")  # type: ignore[arg-type]  # what is tested


def test_two_tools_of_one_name_are_refused(guard: Guard) -> None:
    with pytest.raises(ConfigError, match="two tools are called 'plain_add'"):
        guard_tools([plain_add, plain_add], guard=guard)

    @tool("plain_add")
    def other(a: int) -> int:
        """Another tool under that name."""
        return a

    guard_tools([plain_add], guard=guard)
    with pytest.raises(UnknownToolError, match="another tool is already known"):
        guard_tools([other], guard=guard)


def test_the_same_tool_twice_in_a_row_is_one_wrap(guard: Guard, session: Session) -> None:
    once = guard_tools([plain_add], guard=guard)
    assert guard_tools(once, guard=guard) == once
    assert once[0].invoke({"a": 1}) == 2
    assert kinds_of_records(guard) == ["call.decided", "call.executing", "call.returned"]


def test_a_tool_of_another_guard_is_refused(guard: Guard, desk: Desk) -> None:
    with pytest.raises(ConfigError, match="guarded by another guard"):
        guard_tools(guard_tools([plain_add], guard=guard), guard=make_guard(desk))


def test_a_guarded_tool_that_was_changed_afterwards_is_refused(guard: Guard, session: Session) -> None:
    (guarded,) = guard_tools([plain_add], guard=guard)
    swapped = guarded.model_copy(update={"func": lambda a, b=1: "something else"})
    with pytest.raises(UnknownToolError, match="was changed after it was guarded"):
        swapped.invoke({"a": 1})
    assert guarded.invoke({"a": 1}) == 2


def test_copies_stay_guarded_and_pickles_are_refused(guard: Guard) -> None:
    (guarded,) = guard_tools([plain_add], guard=guard)
    for twin in (guarded.model_copy(), copy.copy(guarded), copy.deepcopy(guarded)):
        with pytest.raises(IdentityError):
            twin.invoke({"a": 1})
    with pytest.raises((ConfigError, pickle.PicklingError)):
        pickle.dumps(guarded)


def test_a_tool_made_anew_of_a_guarded_class_is_refused(guard: Guard, session: Session) -> None:
    """What `configurable_fields` does at run time: the class has the gate, the new object nobody behind it."""
    (guarded,) = guard_tools([plain_add], guard=guard)
    assert isinstance(guarded, StructuredTool)
    anew = type(guarded)(name="plain_add", description="Add.", func=plain_add.func, args_schema=plain_add.args_schema)  # type: ignore[attr-defined]  # a StructuredTool
    configured = guarded.configurable_fields(description=ConfigurableField(id="d"))
    with pytest.raises(UnknownToolError, match="made without its guard"):
        anew.invoke({"a": 1})
    with pytest.raises(UnknownToolError, match="made without its guard"):
        configured.invoke({"a": 1}, {"configurable": {"d": "Add two."}})
    assert anew.invoke(call("plain_add", {"a": 1})).status == "error"
    assert kinds_of_records(guard) == []


def test_functions_become_tools(guard: Guard, session: Session) -> None:
    def plain_double(x: int) -> int:
        """Twice."""
        return 2 * x

    (guarded,) = guard_tools([plain_double], guard=guard)
    assert guarded.invoke({"x": 4}) == 8


def test_the_source_can_be_said(guard: Guard) -> None:
    guard_tools([plain_add], guard=guard, source="mcp:sums")
    known = guard.known("plain_add")
    assert known is not None
    assert known.identity.source == "mcp:sums"


# --- who is behind a call -----------------------------------------------------------------------------------


def test_nobody_behind_a_call_is_an_error_before_anything_runs(guard: Guard) -> None:
    (guarded,) = guard_tools([plain_add], guard=guard)
    with pytest.raises(IdentityError, match="no session"):
        guarded.invoke({"a": 1})
    with pytest.raises(IdentityError, match="no session"):
        run_tools(tool_graph([guarded]), call("plain_add", {"a": 1}))
    assert kinds_of_records(guard) == []


def test_the_session_can_be_given_to_the_tools_the_config_or_the_context(guard: Guard) -> None:
    ana, lee = guard.session(caller=caller("ana")), guard.session(caller=caller("lee"))
    (tools,) = guard_tools([plain_add], guard=guard, session=ana)
    (by_config,) = guard_tools([plain_add], guard=guard)
    (by_function,) = guard_tools(
        [plain_add], guard=guard, session=lambda config: {"u1": ana}[config["metadata"]["user"]]
    )
    with lee:
        tools.invoke({"a": 1})
        by_config.invoke({"a": 1})
        by_config.invoke({"a": 1}, {"configurable": {"toolguard_session": ana}})
    by_function.invoke({"a": 1}, {"metadata": {"user": "u1"}})
    actors = [r.draft.body["toolguard.actor.id"] for r in guard.parts.store.records() if r.draft.kind == "call.decided"]
    assert [a.rpartition(":")[2] for a in actors] == ["ana", "lee", "ana", "ana"]


@pytest.mark.parametrize("forged", ["thread-1", {"caller": "chen"}, 7])
def test_a_name_in_the_config_is_no_session(forged: Any, guard: Guard, session: Session) -> None:
    (guarded,) = guard_tools([plain_add], guard=guard)
    with pytest.raises(IdentityError, match="give a Session object"):
        guarded.invoke({"a": 1}, {"configurable": {"toolguard_session": forged}})


def test_a_session_of_another_guard_is_refused(guard: Guard, desk: Desk) -> None:
    (guarded,) = guard_tools([plain_add], guard=guard)
    with make_guard(desk).session(caller=caller()), pytest.raises(IdentityError, match="another guard"):
        guarded.invoke({"a": 1})


# --- past the gate -------------------------------------------------------------------------------------------


def test_s19_calls_in_threads_and_inside_other_tools_are_guarded(guard: Guard, session: Session) -> None:
    @tool
    def drop_all(a: int) -> str:
        """Drops."""
        raise AssertionError("ran")

    (inner,) = guard_tools([drop_all], guard=guard)

    @tool
    def plain_outer(a: int) -> str:
        """Calls another tool, here and in a thread."""
        told = []
        for run in (lambda f: f(), ThreadPoolExecutor(1).submit):
            context = contextvars.copy_context()
            done = run(
                lambda context=context: context.run(inner.invoke, call("drop_all", {"a": a}, id=f"n{len(told)}"))
            )  # type: ignore[misc]  # the loop's own
            told.append((done.result() if hasattr(done, "result") else done).status)
        return " ".join(told)

    (outer,) = guard_tools([plain_outer], guard=guard)
    message = last(run_tools(tool_graph([outer]), call("plain_outer", {"a": 1})))
    assert message.content == "error error"


def test_t12_reaching_past_run_is_refused(guard: Guard, session: Session) -> None:
    (guarded,) = guard_tools([plain_add], guard=guard)
    with pytest.raises(DeniedError, match="past its gate"):
        guarded._run(a=1, config={})
    with pytest.raises(DeniedError, match="past its gate"):
        guarded._to_args_and_kwargs({"a": 1}, None)


async def test_t12_a_sealed_original_runs_only_through_its_guarded_copy(guard: Guard, session: Session) -> None:
    @tool
    def plain_sealed(a: int) -> int:
        """Sealed."""
        return a

    @tool
    async def plain_sealed_async(a: int) -> int:
        """Sealed."""
        return a

    class Finder(BaseTool):
        name: str = "plain_finder"
        description: str = "Sealed."

        def _run(self, a: int) -> int:
            return a

        async def _arun(self, a: int) -> int:
            return self._run(a)

    finder = Finder()
    first, second, third = guard_tools([plain_sealed, plain_sealed_async, finder], guard=guard, seal=True)
    assert first.invoke({"a": 1}) == 1
    assert await first.ainvoke({"a": 2}) == 2
    assert await second.ainvoke({"a": 3}) == 3
    assert third.invoke({"a": 4}) == 4
    assert await third.ainvoke({"a": 5}) == 5
    with pytest.raises(DeniedError, match="sealed"):
        plain_sealed.invoke({"a": 1})
    for function in (plain_sealed.func, first.func):
        with pytest.raises(DeniedError, match="sealed"):
            function(a=1)
    with pytest.raises(DeniedError, match="sealed"):
        await plain_sealed_async.coroutine(a=1)
    with pytest.raises(DeniedError, match="sealed"):
        finder.invoke({"a": 1})


def test_arguments_only_a_graph_may_put_in_are_refused_from_a_model(guard: Guard, session: Session) -> None:
    seen = []

    @tool
    def plain_state(x: int, state: Annotated[dict, InjectedState]) -> str:  # type: ignore[type-arg]  # read by pydantic
        """Uses the state."""
        seen.append(state)
        return "x"

    (guarded,) = guard_tools([plain_state], guard=guard)
    told = guarded.invoke(call("plain_state", {"x": 1, "state": {"is_admin": True}}))
    assert told.status == "error"
    run_tools(tool_graph([guarded]), call("plain_state", {"x": 1, "state": {"is_admin": True}}, id="c2"))
    assert [sorted(s) for s in seen] == [["messages", "patient"]]


def test_direct_calls_raise_and_model_calls_get_a_message(guard: Guard, session: Session) -> None:
    @tool
    def drop_it(x: int) -> str:
        """Drops."""
        raise AssertionError("ran")

    (guarded,) = guard_tools([drop_it], guard=guard)
    with pytest.raises(NotAllowedError):
        guarded.invoke({"x": 1})
    assert guarded.invoke(call("drop_it", {"x": 1})).status == "error"


def test_s10_the_same_call_made_again_runs_once_and_gives_its_result_again(guard: Guard, session: Session) -> None:
    ran = []

    @tool
    def plain_once(x: int) -> str:
        """Counts."""
        ran.append(x)
        return f"{ADA} {x}"

    (guarded,) = guard_tools([plain_once], guard=guard)
    first, again = (guarded.invoke(call("plain_once", {"x": 1})) for _ in range(2))
    assert ran == [1]
    assert first.content == again.content == "<PERSON_1> 1"
    other = guarded.invoke(call("plain_once", {"x": 2}))
    assert (other.status, other.content) == ("error", ReplayError.model_text)
    guarded.invoke({"x": 3})
    guarded.invoke({"x": 3})
    assert ran == [1, 3, 3]


def test_a_suspension_is_a_graph_bubble_up() -> None:
    assert issubclass(GraphSuspended, Suspended)
    assert issubclass(GraphSuspended, GraphBubbleUp)
