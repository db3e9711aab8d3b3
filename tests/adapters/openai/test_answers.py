"""What a client gives back: structured answers, streams cut anywhere, refusals, log probabilities, several calls at once."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from adapters.openai.ward import (
    BORN,
    DETECTOR,
    MRN,
    NAME,
    PLAIN,
    POLICY,
    RAN,
    USER,
    Visit,
    Ward,
    ana,
    assert_masked,
    visit,
)
from toolguard.errors import BadArgumentsError, DeniedError
from toolguard.policyfile import load_policy
from toolguard.testing.openai_server import Reply, Use, in_turn, say, use
from toolguard_openai import ToolBox, areveal_parsed, reveal_parsed


class Told(BaseModel):
    """What the model is asked for: texts, where a token may stand."""

    name: str
    born: str
    beds: list[str]


class Clear(BaseModel):
    """What it is once the tokens have turned back."""

    name: str
    born: str
    beds: list[str]


class Strict(BaseModel):
    name: str
    born: dt.date


async def wait(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


async def parsed(ward: Ward, client: Any, model: type[BaseModel], text: str = USER) -> Any:
    """(the SDK's parsed object, the text it came from)."""
    if ward.api == "chat":
        user: Any = {"role": "user", "content": text}
        answer = await wait(client.chat.completions.parse(model="m", messages=[user], response_format=model))
        message = answer.choices[0].message
        return message.parsed, message.content
    answer = await wait(client.responses.parse(model="m", input=text, text_format=model))
    return answer.output_parsed, answer.output_text


@pytest.mark.holds("S5", adapter="openai", path="structured outputs")
async def test_s5_a_structured_answer_holds_tokens_and_turns_back_for_a_person(ward: Ward) -> None:
    said = {"name": "<PERSON_1>", "born": "<DATE_OF_BIRTH_1>", "beds": ['for "<PERSON_1>"', "4"]}
    server, guard = ward.server(in_turn(say(json.dumps(said)))), ward.guard()
    with ana(guard, roles={"clinician"}) as session:
        told, text = await parsed(ward, ward.client(server, guard), Told)
        assert told == Told(**said)
        if ward.sync:
            clear = reveal_parsed(text, Clear, session=session, purpose="treatment")
        else:
            clear = await areveal_parsed(text, Clear, session=session, purpose="treatment")
    assert clear == Clear(name=NAME, born=BORN, beds=[f'for "{NAME}"', "4"])
    assert_masked(server.seen)
    kinds = [r.draft.kind.value for r in ward.desk.store.records()]
    assert "values.revealed" in kinds


async def test_s5_a_name_with_quotes_cannot_break_out_of_its_field(quiet_ward: Ward) -> None:
    guard = quiet_ward.guard()
    name = 'Mara "Mo" Delgado'
    with ana(guard, roles={"clinician"}) as session:
        masked = session.mask({"name": name}, origin="system")
        text = json.dumps(masked).replace("{", '{"more": 1, ')
        back = reveal_parsed(text, Named, session=session, purpose="treatment")
    assert back.name == name


class Named(BaseModel):
    name: str


class Record(BaseModel):
    """What both the model and the person are held to: an int, a date, a time, and texts."""

    mrn: int
    admitted: dt.date
    seen: dt.datetime | None
    name: str


ADMITTED = dt.date(2024, 3, 5)
ABOUT = f"{NAME}, MRN {MRN}, was admitted on {ADMITTED}."


def surrogate(request: Any, field: str, token: str) -> str:
    """What a model that does as it is told writes for ``token``: the legend stands at the end of the request."""
    words = request.items[-1]["content"]
    return next(
        line.rpartition(": ")[2]
        for line in words.splitlines()
        if line.startswith(f"<{token}_1> in a field of type {field}:")
    )


def obedient(request: Any) -> Any:
    said = {"mrn": int(surrogate(request, "integer", "MRN")), "admitted": surrogate(request, "date", "DATE")}
    return say(json.dumps({**said, "seen": surrogate(request, "date-time", "DATE"), "name": "<PERSON_1>"}))


@pytest.mark.parametrize("how", ["parse", "stream"])
@pytest.mark.holds("S5", adapter="openai", path="structured outputs")
async def test_s5_a_typed_field_holds_a_surrogate_that_turns_back_for_a_person(ward: Ward, how: str) -> None:
    server, guard = ward.server(obedient, chunk=3), ward.guard()
    with ana(guard, roles={"clinician"}) as session:
        client = ward.client(server, guard)
        if how == "parse":
            told, text = await parsed(ward, client, Record, ABOUT)
        else:
            told, text = await streamed(ward, client, Record, ABOUT)
        assert told.mrn >= 900_000_000_000_000
        assert told.admitted.year == told.seen.year == 9000, "the SDK's own object is whole, and no day of anybody's"
        if ward.sync:
            clear = reveal_parsed(text, DateOnly, session=session, purpose="treatment")
        else:
            clear = await areveal_parsed(text, DateOnly, session=session, purpose="treatment")
    assert clear == DateOnly(mrn=int(MRN), admitted=ADMITTED, seen=ADMITTED, name=NAME)
    assert str(ADMITTED) not in server.seen
    assert_masked(server.seen)


class DateOnly(Record):
    seen: dt.date | None  # type: ignore[assignment] # the time of day was never told: what turns back is the date


async def streamed(ward: Ward, client: Any, model: type[BaseModel], text: str) -> Any:
    """`parsed`, through the SDK's stream."""
    if ward.api == "chat":
        manager = client.chat.completions.stream(
            model="m", messages=[{"role": "user", "content": text}], response_format=model
        )
    else:
        manager = client.responses.stream(model="m", input=text, text_format=model)
    if ward.sync:
        with manager as events:
            final = events.get_final_completion() if ward.api == "chat" else events.get_final_response()
    else:
        async with manager as events:
            final = await (events.get_final_completion() if ward.api == "chat" else events.get_final_response())
    if ward.api == "chat":
        return final.choices[0].message.parsed, final.choices[0].message.content
    return final.output_parsed, final.output_text


async def test_nothing_is_added_where_no_surrogate_is_wanted(ward: Ward) -> None:
    """Texts only, nothing masked, or a policy without surrogates: the request is as it was."""
    server, guard = ward.server(lambda request: say('{"name": "x"}')), ward.guard()
    refusing = load_policy(POLICY.replace("defaults:", "masking: {typed: refuse}\ndefaults:"))
    bare = ward.desk.guard(refusing, detector=DETECTOR)
    with ana(guard):
        await parsed(ward, ward.client(server, guard), Named, ABOUT)
        with contextlib.suppress(ValidationError):
            await parsed(ward, ward.client(server, guard), Record, "Who is it?")
    with ana(bare), contextlib.suppress(ValidationError):
        await parsed(ward, ward.client(server, bare), Record, ABOUT)
    assert len(server.requests) == 3
    assert "surrogate" not in server.seen
    assert "<MRN_1>" in server.requests[2].raw


async def test_a_strict_tool_is_told_the_surrogates_and_its_call_turns_them_back(ward: Ward) -> None:
    """A tool offered as strict holds the model to its types, as a structured answer does."""

    def model(request: Any) -> Any:
        if request.items[-1].get("role") not in ("system", "developer"):
            return say("no surrogates were told")
        born = surrogate(request, "date", "DATE")
        return use(Use("Visit", {"mrn": "<MRN_1>", "born": born}, id="v"))

    policy = load_policy(POLICY.replace("[MRN, DATE_OF_BIRTH]", "[MRN, DATE]"))
    server, guard = ward.server(model), ward.desk.guard(policy, detector=DETECTOR)
    schema = Visit.model_json_schema()
    box = ToolBox({Visit: visit}, guard=guard)
    offered = box.chat_tools() if ward.api == "chat" else box.response_tools()
    inner = offered[0].get("function", offered[0])
    inner["strict"] = True
    assert inner["parameters"] == schema
    client = ward.client(server, guard)
    with ana(guard):
        about = f"MRN {MRN}, born 1961-04-03."
        if ward.api == "chat":
            user: Any = {"role": "user", "content": about}
            answer = await wait(client.chat.completions.create(model="m", messages=[user], tools=offered))
            call = answer.choices[0].message.tool_calls[0]
        else:
            call = (await wait(client.responses.create(model="m", input=about, tools=offered))).output[0]
        await ward.execute(box, call)
    assert [("Visit", Visit(mrn=MRN, born=dt.date(1961, 4, 3)))] == RAN


async def test_s5_a_token_in_a_typed_field_fails_aloud_and_shows_no_value(ward: Ward) -> None:
    said = json.dumps({"name": "<PERSON_1>", "born": "<DATE_OF_BIRTH_1>"})
    server, guard = ward.server(in_turn(say(said))), ward.guard()
    with ana(guard, roles={"clinician"}) as session:
        with pytest.raises(ValidationError) as wrong:
            await parsed(ward, ward.client(server, guard), Strict)
        assert_masked(str(wrong.value))
        with pytest.raises(BadArgumentsError) as fault:  # in clear it is 03/04/1961, which is no ISO date
            reveal_parsed(said, Strict, session=session, purpose="treatment")
        assert_masked(str(fault.value) + repr(fault.value.__cause__))
    with ana(guard) as session, pytest.raises(DeniedError):
        reveal_parsed('{"name": "<PERSON_1>"}', Named, session=session, purpose="curiosity")


async def test_s18_a_call_that_streams_in_pieces_is_gated_when_it_is_whole(ward: Ward) -> None:
    calls = (Use("look_up", {"mrn": "<MRN_1>"}, id="a"), Use("look_up", {"mrn": "7"}, id="b"))
    server, guard = ward.server(in_turn(use(*calls)), chunk=1), ward.guard()
    box, client = ToolBox(*PLAIN, guard=guard), ward.client(server, guard)
    with ana(guard):
        whole = await _streamed(ward, client, box)
        answers = [await ward.execute(box, call, ordinal=at) for at, call in enumerate(whole)]
    assert RAN == [("look_up", MRN), ("look_up", "7")]
    assert [a.get("tool_call_id", a.get("call_id")) for a in answers] == ["a", "b"]
    assert_masked(server.seen + "".join(map(ward.said, answers)))


async def _streamed(ward: Ward, client: Any, box: ToolBox) -> list[dict[str, Any]]:
    """The calls put together from the raw deltas, one character each."""
    user: Any = {"role": "user", "content": USER}
    if ward.api == "chat":
        stream = client.chat.completions.create(model="m", messages=[user], tools=box.chat_tools(), stream=True)
    else:
        stream = client.responses.create(model="m", input=[user], tools=box.response_tools(), stream=True)
    events = list(stream) if ward.sync else [event async for event in await stream]
    if ward.api == "responses":
        return [
            e.item.to_dict() for e in events if e.type == "response.output_item.done" and e.item.type == "function_call"
        ]
    calls: dict[int, dict[str, Any]] = {}
    for event in events:
        for delta in event.choices[0].delta.tool_calls or ():
            call = calls.setdefault(delta.index, {"type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = delta.id or call.get("id")
            call["function"]["name"] += delta.function.name or ""
            call["function"]["arguments"] += delta.function.arguments or ""
    return [calls[at] for at in sorted(calls)]


async def test_s16_a_stream_that_ends_in_the_middle_of_a_call_runs_nothing(ward: Ward) -> None:
    guard = ward.guard()
    box = ToolBox(*PLAIN, guard=guard)
    with ana(guard):
        for cut in range(len('{"mrn": "7"}')):
            said = ward.said(await ward.execute(box, ward.call("look_up", '{"mrn": "7"}'[:cut], f"c{cut}")))
            assert "do not fit this tool" in said or cut == 0
    assert RAN == []


async def test_s5_a_refusal_of_the_model_is_its_text_and_stays_masked(ward: Ward) -> None:
    server, guard = ward.server(_refusing(ward)), ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard))
    assert result.text == "I will not write about <PERSON_M1>."
    assert_masked(result.text + json.dumps(result.messages))


def _refusing(ward: Ward) -> Any:
    words = f"I will not write about {NAME}."
    if ward.api == "responses":
        content = [{"type": "refusal", "refusal": words}]
        item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
        return in_turn(use(items=[item]))
    message = {"role": "assistant", "content": None, "refusal": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return in_turn(Reply(body=body))


async def test_s5_log_probabilities_do_not_go_along_with_the_history(ward: Ward) -> None:
    ward.api = "responses"
    pieces = [{"token": piece, "bytes": [], "logprob": -0.1, "top_logprobs": []} for piece in ("Mar", "ia", " Delgado")]
    content = [{"type": "output_text", "text": f"{NAME} is well.", "annotations": [], "logprobs": pieces}]
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
    server, guard = (
        ward.server(in_turn(use(Use("look_up", {"mrn": "1"}), items=[item]), say("ok"), say("ok"))),
        ward.guard(),
    )
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard, allow={"reasoning"}))
        await wait(ward.client(server, guard).responses.create(model="m", input=[item]))
    assert "Delgado" not in server.seen + json.dumps(result.messages)


async def test_s8_s11_of_calls_at_once_one_waits_and_the_others_are_done(ward: Ward) -> None:
    calls = [Use("look_up", {"mrn": str(n)}, id=f"r{n}") for n in range(5)]
    letter = Use("send_letter", {"to": "<PERSON_1>", "body": "Dear patient"}, id="w")
    server, guard = ward.server(in_turn(use(*calls[:3], letter, *calls[3:]), say("done"))), ward.guard()
    box = ToolBox(*PLAIN, guard=guard)
    with ana(guard):
        paused = await ward.run(box, ward.client(server, guard))
    assert [(p.call_id, p.ordinal) for p in paused.pending] == [("w", 3)]
    assert [c.outcome for c in paused.calls] == ["executed"] * 5
    ward.desk.approve(paused.pending[0].approval_id)
    with ana(guard, run=paused.run, id=paused.session):
        result = await ward.resume(box, ward.client(server, guard), paused.to_json())
    assert [c.outcome for c in result.calls] == ["replayed"] * 3 + ["executed"] + ["replayed"] * 2
    assert [name for name, *_ in RAN] == ["look_up"] * 5 + ["send_letter"]
    ids = [i.get("tool_call_id", i.get("call_id")) for i in server.requests[1].items[-6:]]
    assert ids == ["r0", "r1", "r2", "w", "r3", "r4"], "answers stand in the order of their calls"
