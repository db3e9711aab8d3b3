"""Calls a tool box does not run, text that streams, and boxes that are put together wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from adapters.openai.ward import NAME, PLAIN, RAN, Ward, ana, look_up
from toolguard import Session
from toolguard.errors import ConfigError, DeniedError, IdentityError, Suspended, UnknownToolError
from toolguard.testing.openai_server import in_turn, say, use
from toolguard_openai import CustomTool, ToolBox, areveal_stream, reveal_stream

REFUSAL = "No such tool is available. Do not retry it."
ITEMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "mcp_approval_request", "id": "a1", "name": "delete", "server_label": "s", "arguments": "{}"},
        {"type": "mcp_approval_response", "approval_request_id": "a1", "approve": False, "reason": REFUSAL},
    ),
    (
        {"type": "shell_call", "id": "s1", "call_id": "c", "status": "completed", "action": {"commands": ["rm -rf /"]}},
        {
            "type": "shell_call_output",
            "call_id": "c",
            "output": [{"stdout": "", "stderr": REFUSAL, "outcome": {"type": "exit", "exit_code": 126}}],
        },
    ),
    (
        {"type": "local_shell_call", "id": "s1", "call_id": "c", "status": "completed", "action": {"command": ["ls"]}},
        {"type": "local_shell_call_output", "id": "c", "output": f'{{"error": "{REFUSAL}"}}'},
    ),
    (
        {
            "type": "apply_patch_call",
            "id": "p1",
            "call_id": "c",
            "status": "completed",
            "operation": {"type": "delete_file"},
        },
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": REFUSAL},
    ),
]


@pytest.mark.parametrize(("call", "answer"), ITEMS, ids=[c["type"] for c, _ in ITEMS])
async def test_actions_at_the_provider_are_refused_in_their_own_words_and_recorded(
    ward: Ward, call: dict[str, Any], answer: dict[str, Any]
) -> None:
    guard = ward.guard()
    with ana(guard):
        assert await ward.execute(ToolBox(*PLAIN, guard=guard), call) == answer
    reasons = [r.draft.body["toolguard.decision.reason_code"] for r in ward.desk.store.records() if r.draft.call]
    assert reasons == ["unknown_tool"]


async def test_a_computer_call_stops_aloud(ward: Ward) -> None:
    guard = ward.guard()
    call = {"type": "computer_call", "call_id": "c", "action": {"type": "click", "x": 1, "y": 1}}
    with ana(guard), pytest.raises(UnknownToolError):
        await ward.execute(ToolBox(*PLAIN, guard=guard), call)


async def test_a_run_refuses_what_the_model_asks_of_the_provider_and_goes_on(ward: Ward) -> None:
    ward.api = "responses"
    call, answer = ITEMS[0]
    server = ward.server(in_turn(use(items=[call]), say("ok")))
    guard = ward.guard()
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard, allow={"mcp"}))
    assert result.text == "ok"
    assert answer in server.requests[1].items


@pytest.mark.parametrize("allow", [set(), {"reasoning"}])
async def test_t14_reasoning_blobs_stay_behind_unless_they_are_allowed(ward: Ward, allow: set[str]) -> None:
    ward.api = "responses"
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "b64"}
    from toolguard.testing.openai_server import Use

    server = ward.server(in_turn(use(Use("look_up", {"mrn": "1"}), items=[reasoning]), say("ok")))
    guard = ward.guard()
    with ana(guard):
        await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(server, guard, allow=allow))
    call = server.requests[1].items[-2]
    assert ("b64" in server.requests[1].raw) is bool(allow)
    assert ("id" in call) is bool(allow), "a call that names its reasoning is not sent without it"
    assert server.requests[0].body["store"] is False


async def test_s18_a_token_cut_in_two_by_the_stream_still_maps_back(ward: Ward) -> None:
    text = "Tell <PERSON_1>[PERSON_1] and PERSON_1, not <PERSON_99> <b> or 3<4_a; MRN_1x."
    server = ward.server(in_turn(say(text)))
    guard = ward.guard()
    with ana(guard, roles={"clinician"}) as session:
        session.mask(f"Patient {NAME}")
        client = ward.client(server, guard)
        pieces: list[str] = []
        if ward.api == "chat":
            chunks = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )
        else:
            chunks = client.responses.create(model="m", input="hi", stream=True)

        def delta(event: Any) -> str | None:
            if ward.api == "chat":
                found: str | None = event.choices[0].delta.content
                return found
            return event.delta if event.type == "response.output_text.delta" else None

        if ward.sync:
            pieces = list(reveal_stream(map(delta, chunks), session=session, purpose="treatment"))
        else:
            stream = await chunks

            async def deltas() -> Any:
                async for event in stream:
                    yield delta(event)

            pieces = [p async for p in areveal_stream(deltas(), session=session, purpose="treatment")]
    assert "".join(pieces) == f"Tell {NAME}{NAME} and {NAME}, not <PERSON_99> <b> or 3<4_a; MRN_1x."
    assert len(pieces) > 3, "it still streams"


def test_a_stream_is_not_shown_to_whom_the_policy_does_not_let_see(quiet_ward: Ward) -> None:
    guard = quiet_ward.guard()
    with ana(guard) as session, pytest.raises(DeniedError):
        list(reveal_stream(["for <PER", "SON_1>"], session=session, purpose="curiosity"))


class Bare(BaseModel):
    x: int


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        ((), "at least one"),
        ((look_up, look_up), "two tools"),
        ((3,), "no tool"),
        ((Bare,), "no tool"),
        (({Bare: 3},), "a pair is"),
        (({"no spaces": look_up},), "cannot be offered"),
        (({"x": ({"type": "nonsense"}, look_up)},), "no JSON Schema"),
        ((lambda *args: None,), "by name"),
        (({"look_up": lambda mrn: None, "Visit": 3},), "a pair is"),
    ],
)
def test_s16_a_box_that_is_put_together_wrongly_says_so_at_once(
    quiet_ward: Ward, tools: tuple[Any, ...], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        ToolBox(*tools, guard=quiet_ward.guard())


def test_s16_a_tool_the_policy_does_not_name_is_said_aloud(quiet_ward: Ward) -> None:
    def unheard_of(x: str) -> str:
        return x

    with pytest.warns(UserWarning, match="does not name tool 'unheard_of'"):
        ToolBox(unheard_of, guard=quiet_ward.guard())


ALOUD = {
    "nobody is known": IdentityError("the directory failed, so nobody is known"),
    "set up wrongly": ConfigError("a part is missing"),
    "it waits": Suspended("waits", approval_id="a", call_digest="d", tool="look_up", expires_at=0.0),
}


@pytest.mark.parametrize("fault", ALOUD.values(), ids=ALOUD)
async def test_s16_what_is_no_answer_to_the_model_reaches_the_application(
    ward: Ward, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is told to the model; that the guard cannot do its work, or that a person is asked, is not."""
    guard = ward.guard()
    box = ToolBox(look_up, guard=guard)

    def fails(*args: Any, **more: Any) -> Any:
        raise fault

    monkeypatch.setattr(Session, "authorise", fails)
    monkeypatch.setattr(Session, "aauthorise", fails)
    call = {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": '{"mrn": "x"}'}
    with ana(guard), pytest.raises(type(fault)) as raised:
        await ward.execute(box, call)
    assert raised.value is fault


def test_two_boxes_may_share_a_tool_but_not_a_name(quiet_ward: Ward) -> None:
    def other(mrn: str) -> str:
        return mrn

    guard = quiet_ward.guard()
    ToolBox(look_up, guard=guard)
    ToolBox(look_up, guard=guard)
    with pytest.raises(UnknownToolError, match="another tool"):
        ToolBox({"look_up": other}, guard=guard)


async def test_coroutine_tools_run_on_the_event_loop_and_nowhere_else(ward: Ward) -> None:
    async def later(mrn: str) -> dict[str, str]:
        """Look a patient up."""
        RAN.append(mrn)
        return {"name": NAME}

    guard = ward.guard()
    box = ToolBox({"look_up": later}, guard=guard)
    with ana(guard):
        if ward.sync:
            with pytest.raises(ConfigError, match="coroutine"):
                box.execute(ward.call("look_up", '{"mrn": "1"}'))
            assert RAN == []
        else:
            assert ward.said(await box.aexecute(ward.call("look_up", '{"mrn": "1"}'))) == '{"name": "<PERSON_1>"}'
            assert RAN == ["1"]


def test_s1_definitions_say_what_the_guard_knows(quiet_ward: Ward) -> None:
    guard = quiet_ward.guard()
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]+"}}
    note = CustomTool(function=lambda text: text, name="write_note", description="Note.", format=grammar)
    box = ToolBox(look_up, note, guard=guard)
    known = guard.known("look_up")
    assert known is not None
    function = {"name": "look_up", "description": known.description, "parameters": dict(known.schema), "strict": False}
    flat = {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"}
    assert box.chat_tools() == [
        {"type": "function", "function": function},
        {"type": "custom", "custom": {"name": "write_note", "description": "Note.", "format": grammar}},
    ]
    assert box.response_tools() == [
        {"type": "function", **function},
        {"type": "custom", "name": "write_note", "description": "Note.", "format": flat},
    ]


@pytest.mark.parametrize("given", [{"stream": True}, {"tools": []}, {"n": 2}])
async def test_a_run_keeps_its_own_fields(ward: Ward, given: dict[str, Any]) -> None:
    guard = ward.guard()
    with ana(guard), pytest.raises(ConfigError, match="itself"):
        await ward.run(ToolBox(*PLAIN, guard=guard), ward.client(ward.server(in_turn()), guard), **given)
