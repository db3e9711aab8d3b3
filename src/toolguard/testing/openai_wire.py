"""How the loopback server's replies look on the wire: bodies and server-sent events of both OpenAI APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Reply", "Use", "events_of", "fail", "reply_body", "say", "use"]

_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
_USED = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 1,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model says. ``items`` are further Responses output items, put first, exactly as given; ``body`` is answered
    as it is, instead of everything else."""

    text: str = ""
    calls: tuple[Use, ...] = ()
    items: tuple[Mapping[str, Any], ...] = ()
    status: int = 200
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """One tool call. ``arguments`` as text go out as they are, also when they are no JSON; ``id`` None: made up."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None
    custom: bool = False

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)

    def call_id(self, request: int, position: int) -> str:
        return f"call_{request}_{position}" if self.id is None else self.id


def say(text: str) -> Reply:
    """A final answer."""
    return Reply(text=text)


def use(*calls: Use, text: str = "", items: Sequence[Mapping[str, Any]] = ()) -> Reply:
    """Tool calls, in one message."""
    return Reply(text=text, calls=calls, items=tuple(items))


def fail(status: int, message: str) -> Reply:
    """An HTTP error."""
    return Reply(text=message, status=status)


def reply_body(api: str, request: Mapping[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    """The whole answer, for a request that does not stream."""
    if api == "chat":
        choice = {"index": 0, "message": _message(reply, number), "finish_reason": _finish(reply), "logprobs": None}
        return {**_completion(request, number), "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return _response(request, number, "completed", _items(reply, number))


def events_of(api: str, request: Mapping[str, Any], reply: Reply, number: int, chunk: int) -> Iterator[str]:
    """The answer as server-sent events, cut into deltas of ``chunk`` characters."""
    events = _chat_events if api == "chat" else _response_events
    return events(request, reply, number, chunk)


def _cut(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


# --- chat completions ---------------------------------------------------------------------------------


def _completion(request: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "created": 1_700_000_000, "model": request.get("model", "test")}


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def _message(reply: Reply, number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.calls:
        message["tool_calls"] = [_tool_call(call, number, at) for at, call in enumerate(reply.calls)]
    return message


def _tool_call(call: Use, number: int, position: int) -> dict[str, Any]:
    head = {"id": call.call_id(number, position)}
    if call.custom:
        return {**head, "type": "custom", "custom": {"name": call.name, "input": call.text}}
    return {**head, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def _chat_events(request: Mapping[str, Any], reply: Reply, number: int, size: int) -> Iterator[str]:
    def event(delta: Mapping[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        body = {**_completion(request, number), "object": "chat.completion.chunk", "choices": [choice]}
        return f"data: {json.dumps(body)}\n\n"

    yield event({"role": "assistant", "content": ""})
    for piece in _cut(reply.text, size):
        yield event({"content": piece})
    for at, call in enumerate(reply.calls):
        whole = _tool_call(call, number, at)
        part, key = ("custom", "input") if call.custom else ("function", "arguments")
        yield event({"tool_calls": [{**whole, "index": at, part: {"name": call.name, key: ""}}]})
        for piece in _cut(call.text, size):
            yield event({"tool_calls": [{"index": at, part: {key: piece}}]})
    yield event({}, _finish(reply))
    yield "data: [DONE]\n\n"


# --- Responses ----------------------------------------------------------------------------------------


def _response(request: Mapping[str, Any], number: int, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": request.get("model", "test"),
        "status": status,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": _USED if status == "completed" else None,
    }


def _items(reply: Reply, number: int) -> list[dict[str, Any]]:
    items = [dict(item) for item in reply.items]
    if reply.text:
        content = [{"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}]
        items.append(
            {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": content}
        )
    for at, call in enumerate(reply.calls):
        head = {"id": f"fc_{number}_{at}", "call_id": call.call_id(number, at), "name": call.name}
        if call.custom:
            items.append({**head, "type": "custom_tool_call", "input": call.text})
        else:
            items.append({**head, "type": "function_call", "status": "completed", "arguments": call.text})
    return items


_STREAMED = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}


def _response_events(request: Mapping[str, Any], reply: Reply, number: int, size: int) -> Iterator[str]:
    counter = iter(range(1_000_000))

    def event(kind: str, **data: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': next(counter), **data})}\n\n"

    items = _items(reply, number)
    yield event("response.created", response=_response(request, number, "in_progress", []))
    for at, item in enumerate(items):
        where = {"item_id": item.get("id", ""), "output_index": at}
        if item["type"] == "message" and reply.text:
            part = {**where, "content_index": 0}
            empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield event("response.output_item.added", output_index=at, item={**item, "content": []})
            yield event("response.content_part.added", **part, part=empty)
            for piece in _cut(reply.text, size):
                yield event("response.output_text.delta", **part, delta=piece, logprobs=[])
            yield event("response.output_text.done", **part, text=reply.text, logprobs=[])
            yield event("response.content_part.done", **part, part=item["content"][0])
        elif item["type"] in _STREAMED:
            key, name = _STREAMED[item["type"]]
            yield event("response.output_item.added", output_index=at, item={**item, key: ""})
            for piece in _cut(item[key], size):
                yield event(f"{name}.delta", **where, delta=piece)
            yield event(f"{name}.done", **where, **{key: item[key]}, name=item["name"])
        else:
            yield event("response.output_item.added", output_index=at, item=item)
        yield event("response.output_item.done", output_index=at, item=item)
    yield event("response.completed", response=_response(request, number, "completed", items))
