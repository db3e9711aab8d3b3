"""The eleven kinds of LangChain tools, bare and guarded, through a real ToolNode, sync and async."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, create_retriever_tool
from langchain_core.utils.function_calling import convert_to_openai_tool

from adapters.langchain.kit import (
    ADA,
    MRN,
    Guard,
    Kind,
    Session,
    arun_tools,
    call,
    everything_recorded,
    kinds,
    kinds_of_records,
    last,
    run_tools,
    tool_graph,
)
from toolguard_langchain import guard_tools

EACH = [(k.name, way) for k in kinds() for way in ("sync", "async") if k.sync or way == "async"]
NAMES = [k.name for k in kinds()]


def kind_called(name: str) -> Kind:
    return next(k for k in kinds() if k.name == name)


async def run(way: str, tool: Any, kind: Kind, arguments: dict[str, Any], config: Any = None) -> Any:
    graph = tool_graph([tool])
    if way == "sync":
        return last(run_tools(graph, call(kind.name, arguments), config=config))
    return last(await arun_tools(graph, call(kind.name, arguments), config=config))


def with_token(arguments: dict[str, Any], session: Session) -> dict[str, Any]:
    token = session.mask(ADA)
    assert token == "<PERSON_1>"
    return {k: token if v == ADA else v for k, v in arguments.items()}


class Tracer(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr((args, kwargs.get("inputs"))))

    def on_tool_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr(args))

    def on_tool_error(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr(args))


@pytest.mark.parametrize("name", NAMES)
def test_s1_a_guarded_tool_looks_like_the_bare_one(name: str, guard: Guard) -> None:
    bare = kind_called(name).tool
    (guarded,) = guard_tools([bare], guard=guard)
    assert isinstance(guarded, type(bare))
    assert type(guarded).__name__ == type(bare).__name__
    for what in (
        "name",
        "description",
        "args_schema",
        "return_direct",
        "response_format",
        "extras",
        "tags",
        "metadata",
        "args",
    ):
        assert getattr(guarded, what) == getattr(bare, what), what
    assert guarded.is_single_input == bare.is_single_input
    assert convert_to_openai_tool(guarded) == convert_to_openai_tool(bare)
    assert guarded is not bare
    assert guard_tools([guarded], guard=guard) == [guarded]


@pytest.mark.parametrize(("name", "way"), EACH)
async def test_the_bare_tool_does_what_the_table_says(name: str, way: str) -> None:
    kind = kind_called(name)
    message = await run(way, kind.tool, kind, kind.arguments)
    assert message.content == kind.expected


@pytest.mark.parametrize(("name", "way"), EACH)
async def test_s4_s5_the_tool_gets_the_value_and_the_model_and_tracers_only_placeholders(
    name: str, way: str, guard: Guard, session: Session
) -> None:
    kind, bare, tracer = kind_called(name), kind_called(name), Tracer()
    (guarded,) = guard_tools([kind.tool], guard=guard)
    message = await run(way, guarded, kind, with_token(kind.arguments, session), {"callbacks": [tracer]})
    reference = await run(way, bare.tool, bare, bare.arguments)

    assert kind.seen == bare.seen  # defaults, coercion and injected arguments included
    assert kind.seen[0][0] == ADA
    assert (message.tool_call_id, message.name, message.status) == (
        reference.tool_call_id,
        reference.name,
        reference.status,
    )
    assert message.content == session.mask(kind.expected)
    assert len(tracer.seen) == 2
    for told in (*tracer.seen, repr(message), everything_recorded(guard)):
        assert ADA not in told
        assert MRN not in told


@pytest.mark.parametrize(("name", "way"), EACH)
async def test_s2_injected_arguments_are_given_and_never_looked_at(
    name: str, way: str, guard: Guard, session: Session
) -> None:
    kind = kind_called(name)
    (guarded,) = guard_tools([kind.tool], guard=guard)
    asked: list[Any] = []
    detector = session._detector
    inspect = detector.inspect

    class Watching:
        def inspect(self, value: Any, **kw: Any) -> Any:
            asked.append(value)
            return inspect(value, **kw)

        learn = detector.learn

    session._detector = Watching()
    await run(way, guarded, kind, with_token(kind.arguments, session))
    assert asked
    assert "bed 7" not in repr(asked)
    assert "bed 7" not in everything_recorded(guard)


@pytest.mark.parametrize(("name", "way"), EACH)
async def test_s3_a_call_is_classified_once_and_leaves_one_trail(
    name: str, way: str, guard: Guard, session: Session
) -> None:
    kind = kind_called(name)
    (guarded,) = guard_tools([kind.tool], guard=guard)
    await run(way, guarded, kind, kind.arguments)
    end = "call.failed" if name == "kind_handles" else "call.returned"
    assert kinds_of_records(guard) == ["call.decided", "call.executing", end]
    assert len(kind.seen) == 1


@pytest.mark.parametrize(("name", "way"), EACH)
async def test_s7_a_denial_has_the_right_id_and_constant_text_and_nothing_ran(
    name: str, way: str, guard: Guard, session: Session
) -> None:
    kind = kind_called(name)
    renamed = kind.tool.model_copy(update={"name": f"drop_{name}"})
    kind.name = renamed.name
    (guarded,) = guard_tools([renamed], guard=guard)
    message = await run(way, guarded, kind, kind.arguments)
    assert (message.tool_call_id, message.name, message.status) == ("c1", f"drop_{name}", "error")
    assert message.content == "This call was refused by policy and did not run. Do not retry it."
    assert message.artifact == {"toolguard": "denied"}
    assert kind.seen == []
    assert ADA not in everything_recorded(guard)


class Notes(BaseRetriever):
    """Finds what it is asked for, and what stands beside it."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(f"{query} has {MRN}", metadata={"mrn": MRN})]


def chain(given: dict[str, str]) -> str:
    return f"{given['query']} has {MRN}"


def text_chain(text: str) -> str:
    return f"{text} has {MRN}"


MADE: dict[str, Callable[[], BaseTool]] = {
    "a retriever": lambda: create_retriever_tool(Notes(), "plain_made", "Search."),
    "a retriever with its documents": lambda: create_retriever_tool(
        Notes(), "plain_made", "Search.", response_format="content_and_artifact"
    ),
    "a chain": lambda: RunnableLambda(chain).as_tool(name="plain_made", description="Ask.", arg_types={"query": str}),
    "a chain of one text": lambda: RunnableLambda(text_chain).as_tool(name="plain_made", description="Ask."),
}


@pytest.mark.filterwarnings("ignore:This API is in beta")
@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("what", MADE)
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_s5_tools_that_langchain_makes_of_other_things(
    what: str, way: str, guard: Guard, session: Session
) -> None:
    (guarded,) = guard_tools([MADE[what]()], guard=guard)
    argument = "__arg1" if "one text" in what else "query"
    graph = tool_graph([guarded])
    made = call("plain_made", {argument: session.mask(ADA)})
    message = last(await arun_tools(graph, made) if way == "async" else run_tools(graph, made))
    assert message.content == "<PERSON_1> has <MRN_1>"
    if message.artifact is not None:
        assert message.artifact == [Document("<PERSON_1> has <MRN_1>", metadata={"mrn": "<MRN_1>"})]
    assert ("documents" in what) == (message.artifact is not None)
    assert ADA not in everything_recorded(guard)
