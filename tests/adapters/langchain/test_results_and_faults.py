"""What comes back: results of every shape, failures, and arguments that do not fit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, ToolException, tool
from langgraph.prebuilt import InjectedState
from langgraph.types import Command, Send
from pydantic import BaseModel, ValidationError, field_validator

from adapters.langchain.kit import (
    ADA,
    MRN,
    Guard,
    Session,
    arun_tools,
    call,
    everything_recorded,
    kinds_of_records,
    last,
    run_tools,
    tool_graph,
)
from toolguard.errors import ReplayError, ResultWithheldError
from toolguard_langchain import guard_tools

PERSON, RECORD = "<PERSON_1>", "<MRN_1>"


class Row(BaseModel):
    who: str
    at: dt.date


class Opaque:
    def __str__(self) -> str:
        return f"opaque {ADA}"


PLAIN: list[tuple[str, Any, str]] = [
    ("text", f"{ADA}!", f"{PERSON}!"),
    ("number", 7, "7"),
    ("nothing", None, "null"),
    ("object", {"who": ADA, "n": [1, MRN]}, f'{{"who": "{PERSON}", "n": [1, "{RECORD}"]}}'),
    ("an identifier as a key", {ADA: 1}, f'{{"{PERSON}": 1}}'),
    ("dates and decimals", {"d": dt.date(2026, 1, 2), "x": Decimal("1.5")}, '{"d": "2026-01-02", "x": "1.5"}'),
    ("an object of no known kind", Opaque(), f"opaque {PERSON}"),
    ("text parts", [{"type": "text", "text": ADA}], [{"type": "text", "text": PERSON}]),
    (
        "a picture",
        [{"type": "text", "text": ADA}, {"type": "image", "base64": "aaaa", "mime_type": "image/png"}],
        [{"type": "text", "text": PERSON}, {"type": "text", "text": "(a part of this result is not text and is withheld: nobody can look for identifiers in it)"}],
    ),
    ("what looks like our own envelope", {"toolguard.same": ADA}, f'{{"toolguard.same": "{PERSON}"}}'),
    ("our envelope further in", [{"toolguard.command": ADA}], f'[{{"toolguard.command": "{PERSON}"}}]'),
]  # fmt: skip


@pytest.mark.parametrize(("what", "value", "content"), PLAIN, ids=[p[0] for p in PLAIN])
def test_s5_results_of_every_shape_are_masked(
    what: str, value: Any, content: Any, guard: Guard, session: Session
) -> None:
    @tool
    def plain_give(x: int) -> Any:
        """Gives something."""
        return value

    session.mask([ADA, MRN])
    (guarded,) = guard_tools([plain_give], guard=guard)
    assert guarded.invoke(call("plain_give", {"x": 1})).content == content
    again = guarded.invoke(call("plain_give", {"x": 1})).content  # from the ledger, which knows no order of keys
    assert again == content or sorted(again) == sorted(content)


def test_models_come_back_as_the_models_they_are(guard: Guard, session: Session) -> None:
    @tool
    def plain_row(x: int) -> Row:
        """Gives a row."""
        return Row(who=ADA, at=dt.date(2026, 1, 2))

    (guarded,) = guard_tools([plain_row], guard=guard)
    assert guarded.invoke({"x": 1}) == Row(who=PERSON, at=dt.date(2026, 1, 2))


ARTIFACTS: list[tuple[str, str, Any, Any]] = [
    ("masked", "plain_artifact", {"who": ADA}, {"who": PERSON}),
    (
        "documents stay documents",
        "plain_artifact",
        [Document(ADA, metadata={"m": MRN})],
        [Document(PERSON, metadata={"m": RECORD})],
    ),
    ("withheld where nobody can look into it", "plain_artifact", Opaque, None),
    ("passed by policy", "open_artifact", {"who": ADA}, {"who": ADA}),
    ("passed by policy as it is", "open_artifact", Opaque, Opaque),
]


@pytest.mark.parametrize(("what", "name", "given", "expected"), ARTIFACTS, ids=[a[0] for a in ARTIFACTS])
def test_s6_artifacts_follow_the_policy(
    what: str, name: str, given: Any, expected: Any, guard: Guard, session: Session
) -> None:
    @tool(name, response_format="content_and_artifact")
    def give(x: int) -> tuple[str, Any]:
        """Gives content and artifact."""
        return ADA, given

    session.mask([ADA, MRN])
    (guarded,) = guard_tools([give], guard=guard)
    message = guarded.invoke(call(name, {"x": 1}))
    assert message.content == (ADA if name.startswith("open") else PERSON)
    assert message.artifact == expected


async def test_s5_messages_commands_and_lists_of_them_are_masked(guard: Guard, session: Session) -> None:
    @tool
    def plain_update(
        x: int, id: Annotated[str, InjectedToolCallId], state: Annotated[dict[str, Any], InjectedState]
    ) -> Command[Any]:
        """Updates the state."""
        told = ToolMessage(f"found {ADA}", tool_call_id=id, artifact={"m": MRN})
        return Command(update={"messages": [*state["messages"], told, HumanMessage(ADA, id="h1")], "patient": ADA})

    @tool
    def plain_message(x: int, id: Annotated[str, InjectedToolCallId]) -> ToolMessage:
        """Answers with a message."""
        return ToolMessage(f"found {ADA}", tool_call_id=id, status="error", additional_kwargs={"m": MRN})

    @tool
    def plain_list(x: int, id: Annotated[str, InjectedToolCallId]) -> list[Any]:
        """Answers with several."""
        return [Command(update={"patient": ADA}), ToolMessage(ADA, tool_call_id=id)]

    session.mask([ADA, MRN])
    graph = tool_graph(guard_tools([plain_update, plain_message, plain_list], guard=guard))
    for run in ("sync", "async"):
        made = call("plain_update", {"x": 1}, f"{run}1")
        result = await arun_tools(graph, made) if run == "async" else run_tools(graph, made)
        tools = [m for m in result["messages"] if isinstance(m, ToolMessage)]
        assert [(m.content, m.tool_call_id, m.artifact) for m in tools] == [
            (f"found {PERSON}", f"{run}1", {"m": RECORD})
        ]
        assert result["patient"] == PERSON
        assert result["messages"][-1].content == PERSON
        made = call("plain_message", {"x": 1}, f"{run}2")
        message = last(await arun_tools(graph, made) if run == "async" else run_tools(graph, made))
        assert (message.content, message.status, message.additional_kwargs) == (
            f"found {PERSON}",
            "error",
            {"m": RECORD},
        )
        made = call("plain_list", {"x": 1}, f"{run}3")
        result = await arun_tools(graph, made) if run == "async" else run_tools(graph, made)
        assert (result["patient"], last(result).content) == (PERSON, PERSON)


def test_what_a_tool_hands_back_untouched_is_no_result(guard: Guard, session: Session) -> None:
    token = session.mask(ADA)

    @tool
    def plain_handoff(
        x: int, id: Annotated[str, InjectedToolCallId], state: Annotated[dict[str, Any], InjectedState]
    ) -> Command[Any]:
        """Hands the history on."""
        return Command(
            goto=Send("tools", {"n": ADA}),
            update={"messages": [*state["messages"], ToolMessage("on", tool_call_id=id)]},
        )

    (guarded,) = guard_tools([plain_handoff], guard=guard)
    state = {"messages": [HumanMessage(f"about {token}")]}
    attempt = guarded.invoke(
        {**call("plain_handoff", {"x": 1, "state": state}), "id": "c9"},
        {"configurable": {"__pregel_runtime": object()}},
    )
    assert attempt.update["messages"][0] is state["messages"][0]
    assert attempt.goto.arg == {"n": PERSON}


def test_a_result_nobody_can_look_into_is_withheld_and_said_to_have_run(guard: Guard, session: Session) -> None:
    @tool
    def plain_odd(x: int, id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Puts an object into the state."""
        return Command(update={"patient": Opaque(), "messages": [ToolMessage("x", tool_call_id=id)]})

    (guarded,) = guard_tools([plain_odd], guard=guard)
    message = guarded.invoke(call("plain_odd", {"x": 1}))
    assert (message.status, message.content) == ("error", ResultWithheldError.model_text)
    assert kinds_of_records(guard)[-1] == "call.returned"
    assert guarded.invoke(call("plain_odd", {"x": 1})).content == ReplayError.model_text


# --- failures -------------------------------------------------------------------------------------------------


def failing(error: type[Exception], **settings: Any) -> Any:
    @tool
    def plain_fail(who: str) -> str:
        """Fails."""
        if error is UnicodeDecodeError:
            raise UnicodeDecodeError("utf-8", ADA.encode(), 0, 1, ADA)
        raise error(f"no bed for {who}")

    for name, value in settings.items():
        setattr(plain_fail, name, value)
    return plain_fail


HANDLED: list[tuple[str, Any, str]] = [
    ("true", True, f"no bed for {PERSON}"),
    ("text", "try later", "try later"),
    ("a function", lambda e: f"sorry: {e}", f"sorry: no bed for {PERSON}"),
]


@pytest.mark.parametrize(("what", "setting", "content"), HANDLED, ids=[h[0] for h in HANDLED])
def test_s5_handle_tool_error_works_with_the_masked_message(
    what: str, setting: Any, content: str, guard: Guard, session: Session
) -> None:
    (guarded,) = guard_tools([failing(ToolException, handle_tool_error=setting)], guard=guard)
    message = guarded.invoke(call("plain_fail", {"who": session.mask(ADA)}))
    assert (message.content, message.status) == (content, "error")


class Detailed(ToolException):
    """Carries more than its text, as the errors of MCP tools do."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.parts = [{"type": "text", "text": text}]

    @property
    def first(self) -> object:
        return self.args[0]


def refuse(error: Exception) -> str:
    raise error


ASKING: list[tuple[str, Any, str | None]] = [
    ("for what stays with the tool", lambda e: e.parts, f"no bed for {PERSON}"),
    ("for all there is", lambda e: repr((vars(e), e.args, e.__cause__, e.__context__)), None),
    ("for its own kind", lambda e: f"{type(e).__name__} {isinstance(e, Detailed)} {e.first}", f"Detailed True no bed for {PERSON}"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "handler", "content"), ASKING, ids=[a[0] for a in ASKING])
def test_s5_a_handler_that_asks_a_fault_for_more_gets_masked_text_or_none(
    what: str, handler: Any, content: str | None, guard: Guard, session: Session
) -> None:
    (guarded,) = guard_tools([failing(Detailed, handle_tool_error=handler)], guard=guard)
    message = guarded.invoke(call("plain_fail", {"who": session.mask(ADA)}))
    assert message.status == "error"
    assert ADA not in repr(message)
    assert content is None or message.content == content


def test_a_handler_that_raises_the_fault_again_lets_it_through(guard: Guard, session: Session) -> None:
    (guarded,) = guard_tools([failing(Detailed, handle_tool_error=refuse)], guard=guard)
    with pytest.raises(Detailed, match=f"no bed for {PERSON}"):
        guarded.invoke(call("plain_fail", {"who": session.mask(ADA)}))


NODE_HANDLED: list[tuple[str, Any, type[Exception], str | None]] = [
    ("everything", True, ValueError, f"Error: ValueError('no bed for {PERSON}')\n Please fix your mistakes."),
    ("its type", (ValueError,), ValueError, f"Error: ValueError('no bed for {PERSON}')\n Please fix your mistakes."),
    (
        "its type, with structure",
        OSError,
        ConnectionError,
        f"Error: ConnectionError('no bed for {PERSON}')\n Please fix your mistakes.",
    ),
    ("another type", (KeyError,), ValueError, None),
    ("nothing", False, ValueError, None),
]


@pytest.mark.parametrize(("what", "setting", "error", "content"), NODE_HANDLED, ids=[h[0] for h in NODE_HANDLED])
def test_s5_handlers_by_type_still_find_the_type_and_only_masked_text(
    what: str, setting: Any, error: type[Exception], content: str | None, guard: Guard, session: Session
) -> None:
    (guarded,) = guard_tools([failing(error)], guard=guard)
    graph = tool_graph([guarded], handle_tool_errors=setting)
    made = call("plain_fail", {"who": session.mask(ADA)})
    if content is not None:
        assert last(run_tools(graph, made)).content == content
        return
    with pytest.raises(error) as caught:
        run_tools(graph, made)
    fault: BaseException | None = caught.value
    assert str(fault) == f"no bed for {PERSON}"
    while fault is not None:
        assert ADA not in f"{fault} {fault!r}"
        fault = fault.__cause__ or fault.__context__
    assert ADA not in everything_recorded(guard)


@pytest.mark.parametrize("error", [UnicodeDecodeError, KeyError])
def test_exceptions_that_show_their_parts_show_masked_text(
    error: type[Exception], guard: Guard, session: Session
) -> None:
    (guarded,) = guard_tools([failing(error)], guard=guard)
    with pytest.raises(error) as caught:
        guarded.invoke({"who": session.mask(ADA)})
    assert ADA not in f"{caught.value} {caught.value!r} {caught.value.args}"


# --- arguments that do not fit --------------------------------------------------------------------------------


class Strict(BaseModel):
    who: str
    n: int

    @field_validator("who")
    @classmethod
    def tall(cls, value: str) -> str:
        raise ValueError(f"{value} is not on this ward")


BAD: list[tuple[str, dict[str, Any]]] = [
    ("the resolved value is refused", {"who": "<PERSON_1>", "n": 1}),
    ("a wrong type", {"who": ADA, "n": ADA}),
    ("one missing", {"who": ADA}),
]
CONSTANT = "The arguments do not fit this tool, which did not run. Correct them and call it again."


@pytest.mark.parametrize("handled", [False, True, "tell me", lambda e: str(e)], ids=["off", "on", "text", "function"])
@pytest.mark.parametrize(("what", "arguments"), BAD, ids=[b[0] for b in BAD])
async def test_s5_a_validation_error_never_prints_a_value(
    what: str, arguments: dict[str, Any], handled: Any, guard: Guard, session: Session
) -> None:
    @tool(args_schema=Strict)
    def plain_strict(who: str, n: int) -> str:
        """Strict."""
        raise AssertionError("ran")

    plain_strict.handle_validation_error = handled
    session.mask(ADA)
    (guarded,) = guard_tools([plain_strict], guard=guard)
    graph = tool_graph([guarded])
    for result in (
        run_tools(graph, call("plain_strict", arguments)),
        await arun_tools(graph, call("plain_strict", arguments, "c2")),
    ):
        assert last(result).content == CONSTANT
    assert ADA not in everything_recorded(guard)
    with pytest.raises(Exception, match="do not fit the tool's schema") as caught:
        guarded.invoke(arguments)
    assert not isinstance(caught.value, ValidationError)
    assert ADA not in str(caught.value)
