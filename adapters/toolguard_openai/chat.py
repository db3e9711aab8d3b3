"""Chat completions: where text stands in a request, and where it came from."""

from __future__ import annotations

from typing import Any

from toolguard import Origin
from toolguard.errors import DeniedError
from toolguard_openai.requests import (
    ORIGINS,
    Request,
    add_fields,
    add_inner,
    add_name,
    add_own,
    add_rest,
    add_tools,
    check_choice,
    check_setting,
)

__all__ = ["add_message", "read_chat"]

_HANDLED = frozenset({"messages", "tools", "functions", "audio", "modalities", "web_search_options"})
_PARTS = {"image_url": "images", "input_audio": "audio", "file": "files"}
_PAYLOAD = ("data", "file_data", "url")


def read_chat(request: Request) -> None:
    """Collect everything a model would read.

    Raises:
        DeniedError: something in it cannot be read here and is not allowed.
    """
    body = request.body
    for message in _list(body.get("messages"), "messages"):
        add_message(request, message)
    if body.get("tools"):
        add_tools(request, body["tools"], nested=True)
    for function in body.get("functions") or ():
        add_own(request, function, custom=False)
    if body.get("modalities") is not None:
        check_setting(request, "modalities", body["modalities"])
    if body.get("audio") is not None:
        check_setting(request, "audio", body["audio"])
    if body.get("audio") or "audio" in (body.get("modalities") or ()):
        request.allowed.require("audio")
    if body.get("web_search_options") is not None:
        request.allowed.require("web_search")
        request.hosted.append(("web_search", body["web_search_options"]))
        request.texts.add(Origin.SYSTEM, body, "web_search_options")
    check_choice(request)
    add_fields(request, _HANDLED)


def add_message(request: Request, message: Any) -> None:
    """Collect one message."""
    role = message.get("role") if isinstance(message, dict) else None
    origin = ORIGINS.get(str(role))
    if origin is None:
        raise DeniedError(
            "the request was not sent: a message has a role this adapter does not know, so its origin is not known",
            code="unguarded_part",
        )
    done = ["content", "tool_calls", "function_call", "audio", "name"]
    if isinstance(message.get("content"), str):
        add = request.texts.add_json if origin is Origin.RESULT else request.texts.add
        add(origin, message, "content")
    else:
        for part in _list(message.get("content") or [], "content"):
            _add_part(request, origin, part)
    for call in message.get("tool_calls") or ():
        _add_call(request, call)
    if message.get("function_call"):
        request.texts.add_json(Origin.MODEL, message["function_call"], "arguments")
        add_name(request, Origin.MODEL, message["function_call"])
        add_rest(request, Origin.MODEL, message["function_call"], ("name", "arguments"))
    if message.get("audio"):
        request.allowed.require("audio")
        add_inner(request, origin, message, "audio", ("data",))
    if message.get("name") and role != "function":
        request.texts.add_name(origin, message, "name")
    else:
        add_name(request, origin, message)
    add_rest(request, origin, message, done)


def _add_part(request: Request, origin: Origin, part: Any) -> None:
    if isinstance(part, str):
        raise DeniedError(
            "the request was not sent: a content part is bare text; use {'type': 'text'}", code="unguarded_part"
        )
    kind = part.get("type")
    if kind in _PARTS:
        request.allowed.require(_PARTS[kind])
        add_inner(request, origin, part, kind, _PAYLOAD)
        add_rest(request, origin, part, (kind,))
    elif kind in ("text", "refusal"):
        add_rest(request, origin, part, ())
    else:
        request.allowed.require_type(str(kind))
        add_rest(request, origin, part, ())


def _add_call(request: Request, call: Any) -> None:
    if call.get("type") == "custom":
        request.texts.add(Origin.MODEL, call["custom"], "input")
    else:
        request.texts.add_json(Origin.MODEL, call["function"], "arguments")
    inner = call["custom" if call.get("type") == "custom" else "function"]
    add_name(request, Origin.MODEL, inner)
    add_rest(request, Origin.MODEL, inner, ("name", "arguments", "input"))
    add_rest(request, Origin.MODEL, call, ("function", "custom"))


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise DeniedError(f"the request was not sent: its {what} are not a list", code="unguarded_part")
    return value
