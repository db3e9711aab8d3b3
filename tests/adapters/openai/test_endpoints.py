"""Endpoints besides the two that models answer on: masked on the way out, masked on the way in, or refused."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from adapters.openai.ward import MRN, NAME, RAW, SSN, USER, Ward, ana, assert_masked
from toolguard.errors import DeniedError, IdentityError
from toolguard.testing.openai_server import ModelRequest, in_turn, say

STORED: dict[str, Any] = {
    "id": "resp_48213377",
    "object": "response",
    "created_at": 1_700_000_000,
    "model": "m",
    "status": "completed",
    "instructions": f"You care for {NAME}.",
    "metadata": {"patient": NAME, "mrn": MRN},
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": f"{NAME} may go home; write to <PERSON_77>.",
                    "annotations": [],
                    "logprobs": [{"token": "Maria", "bytes": [], "logprob": 0.0, "top_logprobs": []}],
                }
            ],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c1",
            "name": "look_up",
            "arguments": json.dumps({"mrn": MRN, "name": NAME}),
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "SECRET"},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "SECRET"},
    ],
}
ITEMS = {
    "object": "list",
    "first_id": "msg_1",
    "last_id": "msg_2",
    "has_more": False,
    "data": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "user",
            "status": "completed",
            "content": [
                {"type": "input_text", "text": USER},
                {"type": "input_image", "image_url": "data:SECRET", "detail": "auto"},
            ],
        },
        {
            "type": "function_call_output",
            "id": "o1",
            "call_id": "c1",
            "output": json.dumps({"ssn": SSN, "mrn": int(MRN)}),
        },
    ],
}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"Bye {NAME}"}}],
}
MESSAGES = {
    "object": "list",
    "has_more": False,
    "first_id": "a",
    "last_id": "a",
    "data": [{"id": "a", "role": "user", "name": "Maria_Delgado", "content": USER}],
}
CONVERSATION = {"id": "conv_1", "object": "conversation", "created_at": 1, "metadata": {"about": NAME}}


def kept(request: ModelRequest) -> dict[str, Any] | None:
    """What another client, which nobody guards, has left at the provider."""
    path = request.path.removeprefix("/v1")
    if path.endswith(("/items", "/input_items")):
        return ITEMS
    if path.endswith("/messages"):
        return MESSAGES
    if path == "/chat/completions":
        return {**MESSAGES, "data": [CHAT]}
    for start, answer in (("/responses", STORED), ("/conversations", CONVERSATION), ("/chat", CHAT)):
        if path.startswith(start):
            return answer
    return None


INCOMING = {
    "responses.retrieve": lambda c: c.responses.retrieve("resp_1"),
    "responses.cancel": lambda c: c.responses.cancel("resp_1"),
    "beta.responses.retrieve": lambda c: c.beta.responses.retrieve("resp_1"),
    "input_items": lambda c: c.responses.input_items.list("resp_1"),
    "conversation": lambda c: c.conversations.retrieve("conv_1"),
    "conversation-update": lambda c: c.conversations.update("conv_1", metadata={"about": NAME}),
    "conversation-items": lambda c: c.conversations.items.list("conv_1"),
    "items-create": lambda c: c.conversations.items.create("conv_1", items=[{"role": "user", "content": USER}]),
    "completion": lambda c: c.chat.completions.retrieve("chatcmpl-1"),
    "completion-update": lambda c: c.chat.completions.update("chatcmpl-1", metadata={"about": NAME}),
    "completions": lambda c: c.chat.completions.list(),
    "messages": lambda c: c.chat.completions.messages.list("chatcmpl-1"),
    "untyped": lambda c: c.get("/responses/resp_1", cast_to=object),
}


async def wait(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


def shown(result: Any) -> str:
    dump = getattr(result, "to_json", None)
    return dump() if dump else json.dumps(result, default=str)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_s5_what_was_kept_at_the_provider_is_masked_on_its_way_in(quiet_ward: Ward, sync: bool) -> None:
    quiet_ward.sync = sync
    server = quiet_ward.server(in_turn(), other=kept)
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard, allow={"history"})
    with ana(guard):
        for name, get in INCOMING.items():
            text = shown(await wait(get(client)))
            found = [raw for raw in (*RAW, "Maria", "SECRET") if raw in text.replace("resp_48213377", "")]
            assert not found, f"{name}: {len(found)} came in raw"
        whole = await wait(client.responses.retrieve("resp_1"))
    assert "<PERSON_1> may go home; write to <LITERAL_" in whole.output_text
    assert whole.id == "resp_48213377", "an id stays what it is"
    assert json.loads(whole.output[1].arguments)["mrn"] == "<MRN_1>"
    assert_masked(server.seen)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_s5_raw_and_streamed_responses_are_masked_too(quiet_ward: Ward, sync: bool) -> None:
    quiet_ward.sync = sync
    server = quiet_ward.server(in_turn(), other=kept)
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard, allow={"history"})
    with ana(guard):
        raw = await wait(client.responses.with_raw_response.retrieve("resp_1"))
        assert_masked((raw.text + shown(raw.parse())).replace("resp_48213377", ""))
        assert raw.headers["content-type"] == "application/json"
        assert raw.elapsed.total_seconds() >= 0
        if sync:
            with client.responses.with_streaming_response.retrieve("resp_1") as response:
                text = "".join(response.iter_text())
        else:
            async with client.responses.with_streaming_response.retrieve("resp_1") as response:
                text = "".join([piece async for piece in response.iter_text()])
        assert "<PERSON_1>" in text
        assert_masked(text.replace("resp_48213377", ""))
        with pytest.raises(DeniedError, match="stream"):
            await wait(client.responses.retrieve("resp_1", stream=True))
        with pytest.raises(DeniedError, match="stream"):
            await wait(client.responses.retrieve("resp_1", extra_query={"stream": "true"}))


async def test_s5_what_comes_in_as_no_json_is_not_shown(quiet_ward: Ward) -> None:
    server = quiet_ward.server(in_turn(), other=lambda request: USER)  # type: ignore[arg-type,return-value] # a JSON text
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard, allow={"history"})
    with ana(guard):
        raw = client.responses.with_raw_response.retrieve("resp_1")
    assert_masked(raw.text)


async def test_s5_pages_that_follow_are_masked_as_the_first(quiet_ward: Ward) -> None:
    pages = iter([{**ITEMS, "has_more": True}, ITEMS])
    server = quiet_ward.server(in_turn(), other=lambda request: next(pages))
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard, allow={"history"})
    with ana(guard):
        text = "".join(item.to_json() for item in client.responses.input_items.list("resp_1"))
    assert len(server.requests) == 2
    assert_masked(text)


async def test_s16_nothing_comes_in_without_a_session(quiet_ward: Ward) -> None:
    server = quiet_ward.server(in_turn(), other=kept)
    client = quiet_ward.client(server, quiet_ward.guard(), allow={"history"})
    with pytest.raises(IdentityError):
        client.responses.retrieve("resp_1")
    assert server.requests == []


VECTORS = {"object": "list", "model": "m", "data": [], "usage": {"prompt_tokens": 0, "total_tokens": 0}}
MASKED = {
    "embedding": lambda c: c.embeddings.create(model="m", input=USER),
    "embeddings": lambda c: c.embeddings.create(model="m", input=["hello", USER]),
    "moderation": lambda c: c.moderations.create(input=USER),
    "moderations": lambda c: c.moderations.create(input=[{"type": "text", "text": USER}]),
    "completion": lambda c: c.completions.create(model="m", prompt=[USER], suffix=NAME, stop=[NAME], user=NAME),
}
UNREADABLE = {
    "tokens": lambda c: c.embeddings.create(model="m", input=[1, 2, 3]),
    "token-lists": lambda c: c.embeddings.create(model="m", input=[[1, 2, 3]]),
    "prompt-tokens": lambda c: c.completions.create(model="m", prompt=[[1, 2]]),
    "image": lambda c: c.moderations.create(input=[{"type": "image_url", "image_url": {"url": "data:x"}}]),
}


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
async def test_s5_text_for_other_models_is_masked_and_numbers_are_refused(quiet_ward: Ward, sync: bool) -> None:
    quiet_ward.sync = sync
    server = quiet_ward.server(in_turn(), other=lambda request: VECTORS)
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard)
    with ana(guard):
        for send in MASKED.values():
            before = len(server.requests)
            try:  # the SDK cannot read one answer for all of them; what counts is what was sent
                await wait(send(client))
            except (TypeError, ValueError):
                assert len(server.requests) == before + 1
        assert len(server.requests) == len(MASKED)
        assert server.seen.count("<PERSON_1>") >= len(MASKED)
        assert_masked(server.seen)
        for send in UNREADABLE.values():
            with pytest.raises(DeniedError):
                await wait(send(client))
    assert len(server.requests) == len(MASKED)


PATHS = (
    "/embeddings/../chat/completions",
    "/embeddings/%2e%2e/chat/completions",
    "/embeddings//../chat/completions",
    "/embeddings/x?y=1",
    "/embeddings/x#y",
    "/embeddings/./x",
    "/embeddings\\x",
    "//evil.test/embeddings",
    "http://127.0.0.1:9/embeddings",
    "embeddings",
    "/EMBEDDINGS/",
    "/chat/completions/",
    "/responses?beta=true&x=1",
    "chat/completions",
)


@pytest.mark.parametrize("path", PATHS)
async def test_t14_no_spelling_of_a_path_leads_around_its_row(quiet_ward: Ward, path: str) -> None:
    server = quiet_ward.server(lambda request: say("never"), other=lambda request: {})
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard, allow={"/embeddings/x", "history"})
    with ana(guard), pytest.raises(DeniedError):
        client.post(path, body={"messages": [], "tools": [{"type": "web_search"}]}, cast_to=object)
    assert server.requests == []


async def test_t14_an_opened_path_sends_no_bytes_of_its_own(quiet_ward: Ward) -> None:
    server = quiet_ward.server(in_turn(), other=lambda request: {"id": "f"})
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard, allow={"/files", "/batches"})
    with ana(guard):
        for send in (
            lambda: client.files.create(file=USER.encode(), purpose="assistants"),
            lambda: client.post("/files", content=USER.encode(), cast_to=object),
            lambda: client.post("/files", body=USER.encode(), cast_to=object),
        ):
            with warnings.catch_warnings(), pytest.raises(DeniedError, match="files"):
                warnings.simplefilter("ignore", DeprecationWarning)  # bytes as a body are on their way out of the SDK
                send()
        assert server.requests == []
        client.batches.create(
            completion_window="24h", endpoint="/v1/responses", input_file_id="f", metadata={"about": NAME}
        )
    assert len(server.requests) == 1
    assert_masked(server.seen)


OUTSIDE = {
    "default-header": lambda c: c.with_options(default_headers={"x-patient": NAME}),
    "default-query": lambda c: c.with_options(default_query={"patient": NAME}),
    "own-looking": lambda c: c.with_options(default_headers={"x-stainless-patient": f"{NAME} MRN {MRN}"}),
    "openai-looking": lambda c: c.with_options(default_headers={"openai-note": f"MRN:{MRN}"}),
    "accept": lambda c: c.with_options(default_headers={"accept-language": USER}),
}


@pytest.mark.parametrize("how", OUTSIDE)
async def test_t14_what_the_client_adds_to_every_request_holds_no_identifier(quiet_ward: Ward, how: str) -> None:
    server = quiet_ward.server(in_turn(say("never")))
    guard = quiet_ward.guard()
    client = OUTSIDE[how](quiet_ward.client(server, guard))
    with ana(guard), pytest.raises(DeniedError, match="header or query"):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert server.requests == []


async def test_a_client_that_adds_harmless_headers_is_let_through(quiet_ward: Ward) -> None:
    server = quiet_ward.server(in_turn(say("a")))
    guard = quiet_ward.guard()
    plain = quiet_ward.client(server, guard)
    client = plain.with_options(default_headers={"x-trace": "on"}, default_query={"v": "1"})
    with ana(guard):
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], extra_headers={"OpenAI-Beta": "assistants=v2"}
        )
    assert len(server.requests) == 1
    with ana(guard), pytest.raises(DeniedError):
        plain.post(
            "/chat/completions",
            body={"model": "m", "messages": []},
            cast_to=object,
            options={"idempotency_key": f"{NAME}"},
        )
