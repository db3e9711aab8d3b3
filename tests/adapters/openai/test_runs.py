"""Whole runs: what the model saw, what the tools got, what came back; both APIs, sync and async."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.openai.ward import (
    MRN,
    NAME,
    PLAIN,
    RAN,
    USER,
    WEIGHT,
    Visit,
    Ward,
    ana,
    assert_masked,
    set_weight,
    visit,
    write_note,
)
from toolguard.errors import ConfigError, DeniedError, IdentityError
from toolguard.testing.openai_server import ModelRequest, Reply, Use, in_turn, say, use
from toolguard_openai import CustomTool, RunResult, ToolBox


def read_token(request: ModelRequest, kind: str) -> str:
    """The first token of a kind in what the model was sent, as a model would copy it."""
    text = request.user_text
    at = text.index(f"<{kind}_")
    return text[at : text.index(">", at) + 1]


def one_call(name: str, **arguments: str) -> Any:
    """A model that makes one call with tokens it read, then repeats the tool's answer."""

    def script(request: ModelRequest) -> Reply:
        if request.outputs:
            return say(f"The tool said: {request.outputs[-1]}")
        return use(Use(name, {k: read_token(request, v) if v.isupper() else v for k, v in arguments.items()}))

    return script


async def test_s5_the_model_sees_tokens_and_the_tool_gets_the_real_value(ward: Ward) -> None:
    server = ward.server(one_call("look_up", mrn="MRN"))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN == [("look_up", MRN)]
    assert isinstance(result, RunResult)
    assert result.stop == "done"
    assert [(c.tool, c.outcome) for c in result.calls] == [("look_up", "executed")]
    assert len(server.requests) == 2
    assert "<MRN_1>" in server.requests[1].raw
    assert_masked(server.seen + result.text + json.dumps(result.messages) + repr(result))
    assert "<PERSON_1> may go home." in result.text


async def test_s5_everything_that_goes_along_is_masked_too(ward: Ward) -> None:
    server = ward.server(in_turn(say("ok")))
    guard = ward.guard()
    instructions = f"The patient is {NAME}."
    extra: dict[str, Any] = {"metadata": {"patient": NAME}, "user": NAME}
    with ana(guard):
        box, client = ToolBox(*PLAIN, guard=guard), ward.client(server, guard)
        if ward.api == "chat":
            history = [
                {"role": "system", "content": instructions},
                {"role": "user", "name": "Maria_Delgado", "content": USER},
            ]
            given = {"model": "m", "messages": history, **extra}
            await _either(box.run(client, **given) if ward.sync else box.arun(client, **given))
        else:
            await ward.run(box, client, instructions=instructions, **extra)
    assert server.seen.count("<PERSON_1>") >= 4
    assert_masked(server.seen)


async def _either(result: Any) -> Any:
    return result if isinstance(result, RunResult) else await result


async def test_s7_a_denial_is_a_constant_text_under_the_right_call_id_and_the_run_goes_on(ward: Ward) -> None:
    server = ward.server(in_turn(use(Use("export_all", {"path": NAME}, id="x7")), say("Understood.")))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN == []
    assert result.text == "Understood."
    assert [c.outcome for c in result.calls] == ["denied"]
    assert server.requests[1].outputs == ["This call was refused by policy and did not run. Do not retry it."]
    answer = server.requests[1].items[-1]
    assert answer.get("tool_call_id", answer.get("call_id")) == "x7"
    assert_masked(server.seen)


async def test_s5_a_tools_exception_never_reaches_the_model_raw(ward: Ward) -> None:
    server = ward.server(one_call("fails", mrn="MRN"))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN == [("fails", MRN)]
    assert [c.outcome for c in result.calls] == ["failed"]
    assert "The tool failed: no record for <PERSON_1>" in result.text
    assert_masked(server.seen + result.text)


@pytest.mark.parametrize(
    ("reply", "outcome", "text"),
    [
        (use(Use("look_upp", {"mrn": "<MRN_1>"})), "unknown_tool", "No such tool is available. Do not retry it."),
        (use(Use("look_up", '{"mrn": "<MRN_1>"')), "bad_arguments", "do not fit this tool"),
        (use(Use("look_up", '{"mrn": "1", "mrn": "<MRN_1>"}')), "bad_arguments", "do not fit this tool"),
        (use(Use("look_up", '["<MRN_1>"]')), "bad_arguments", "do not fit this tool"),
        (use(Use("look_up", '{"mrn": NaN}')), "bad_arguments", "do not fit this tool"),
        (use(Use("look_up", '{"mrn": "1", "more": 1e999}')), "bad_arguments", "do not fit this tool"),
        (use(Use("look_up", '{"mrn": "1", "more": 2}')), "bad_arguments", "do not fit this tool"),
        (use(Use("look_up", "look it up", custom=True)), "unknown_tool", "No such tool is available. Do not retry it."),
    ],
    ids=["unknown", "cut-off", "duplicate-key", "no-object", "nan", "infinite", "extra-field", "custom-of-a-function"],
)
async def test_s16_what_cannot_be_read_does_not_run_and_is_recorded(
    ward: Ward, reply: Reply, outcome: str, text: str
) -> None:
    server = ward.server(in_turn(reply, say("ok")))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN == []
    assert [c.outcome for c in result.calls] == [outcome]
    assert text in server.requests[1].outputs[0]
    decided = [r for r in ward.desk.store.records() if r.draft.kind.value == "call.decided"]
    assert [r.draft.body["toolguard.decision.reason_code"] for r in decided] == [outcome]
    assert "look_upp" not in str([r.draft.body for r in decided])


async def test_s11_parallel_calls_are_calls_of_their_own(ward: Ward) -> None:
    calls = use(Use("look_up", {"mrn": "1"}), Use("export_all", {"path": "x"}), Use("look_up", {"mrn": "2"}))
    server = ward.server(in_turn(calls, say("ok")))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN == [("look_up", "1"), ("look_up", "2")]
    assert [(c.ordinal, c.outcome) for c in result.calls] == [(0, "executed"), (1, "denied"), (2, "executed")]
    assert len(server.requests[1].outputs) == 3


async def test_s10_a_call_id_twice_in_one_message_is_two_calls_and_again_later_it_is_the_same_one(ward: Ward) -> None:
    twice = use(Use("look_up", {"mrn": "1"}, id="same"), Use("look_up", {"mrn": "1"}, id="same"))
    server = ward.server(in_turn(twice, use(Use("look_up", {"mrn": "1"}, id="same")), say("ok")))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN == [("look_up", "1")] * 2
    assert [c.outcome for c in result.calls] == ["executed", "executed", "replayed"]


async def test_every_kind_of_tool_runs_on_real_values(ward: Ward) -> None:
    box = {Visit: visit, "set_weight": (WEIGHT, set_weight)}

    def script(request: ModelRequest) -> Reply:
        if request.outputs:
            return say("ok")
        mrn, born = read_token(request, "MRN"), read_token(request, "DATE_OF_BIRTH")
        return use(
            Use("Visit", {"mrn": mrn, "born": None}),
            Use("set_weight", {"mrn": mrn, "kg": 70}),
            Use("write_note", f"{mrn} is well, born {born}", custom=True),
        )

    server, guard = ward.server(script), ward.guard()
    with ana(guard):
        note = CustomTool(function=write_note)
        result = await ward.run(ToolBox(box, note, guard=guard), ward.client(server, guard))
    assert [c.outcome for c in result.calls] == ["executed"] * 3
    # the note may hold record numbers, but nobody trusts it with dates of birth
    assert [
        ("Visit", Visit(mrn=MRN)),
        ("set_weight", {"mrn": int(MRN), "kg": 70}),
        ("write_note", f"{MRN} is well, born <DATE_OF_BIRTH_1>"),
    ] == RAN
    assert_masked(server.seen)


async def test_an_untrusted_tool_gets_the_token(ward: Ward) -> None:
    server = ward.server(one_call("note_outside", text="PERSON"))
    guard = ward.guard()
    with ana(guard):
        await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN == [("note_outside", "<PERSON_1>")]


async def test_t8_what_the_model_writes_itself_never_meets_the_protected_token(ward: Ward) -> None:
    call = use(Use("note_outside", {"text": f"{NAME} was here"}), Use("search_papers", {"query": NAME}))
    server = ward.server(in_turn(call, say(f"I told {NAME}.")))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert RAN[0] == ("note_outside", "<PERSON_M1> was here")
    assert RAN[1] == ("search_papers", NAME), "the policy passes what the model writes into a search"
    assert result.text == "I told <PERSON_M1>."
    assert_masked(server.seen)


async def test_t9_a_token_planted_in_a_result_is_escaped(ward: Ward) -> None:
    def planted(mrn: str) -> str:
        """Look up."""
        return "write to <PERSON_1> and [MRN_1]"

    planted.__name__ = "look_up"
    server = ward.server(in_turn(use(Use("look_up", {"mrn": "1"})), say("ok")))
    guard = ward.guard()
    with ana(guard):
        await ward.run(ToolBox(planted, guard=guard), ward.client(server, guard))
    assert server.requests[1].outputs == ["write to <LITERAL_1> and <LITERAL_2>"]


async def test_turns_are_bounded(ward: Ward) -> None:
    server = ward.server(lambda request: use(Use("look_up", {"mrn": "1"})))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard), max_turns=3)
    assert result.stop == "max_turns"
    assert (len(server.requests), len(RAN)) == (3, 3)


async def test_a_final_answer_in_clear_is_a_recorded_decision(ward: Ward) -> None:
    server = ward.server(one_call("look_up", mrn="MRN"))
    guard = ward.guard()
    box, client = ToolBox(*PLAIN, guard=guard), ward.client(server, guard)
    with ana(guard, roles={"clinician"}) as session:
        result = await ward.run(box, client)
        clear = (
            result.reveal(session, purpose="treatment")
            if ward.sync
            else await result.areveal(session, purpose="treatment")
        )
    assert f"{NAME} may go home." in clear.text
    assert [r.draft.kind.value for r in ward.desk.store.records()][-1] == "values.revealed"
    with ana(guard) as session, pytest.raises(DeniedError):
        result.reveal(session, purpose="curiosity")


async def test_s16_without_a_session_nothing_is_sent_and_nothing_runs(ward: Ward) -> None:
    server = ward.server(in_turn(say("never")))
    guard = ward.guard()
    box, client = ToolBox(*PLAIN, guard=guard), ward.client(server, guard)
    with pytest.raises(IdentityError):
        await ward.run(box, client)
    with pytest.raises(IdentityError):
        await ward.execute(box, ward.call("look_up", "{}"))
    assert server.requests == []


async def test_a_box_and_a_client_can_be_given_their_session(ward: Ward) -> None:
    server = ward.server(one_call("look_up", mrn="MRN"))
    guard = ward.guard()
    session = ana(guard)
    result = await ward.run(ToolBox(*PLAIN, guard=guard, session=session), ward.client(server, guard))
    assert [c.outcome for c in result.calls] == ["executed"]
    assert_masked(server.seen)


async def test_a_run_needs_a_guarded_client(ward: Ward) -> None:
    server = ward.server(in_turn(say("never")))
    guard = ward.guard()
    with ana(guard), pytest.raises(ConfigError, match="not guarded"):
        await ward.run(ToolBox(*PLAIN, guard=guard), ward.plain_client(server))
    assert server.requests == []
