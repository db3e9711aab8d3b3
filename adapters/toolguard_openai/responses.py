"""Responses: where text stands in a request, and where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from toolguard import Origin
from toolguard.errors import DeniedError
from toolguard_openai.requests import (
    ORIGINS,
    Request,
    add_fields,
    add_inner,
    add_name,
    add_rest,
    add_tools,
    check_choice,
    check_setting,
)

__all__ = ["add_approvals", "add_item", "read_responses"]

_HANDLED = frozenset({"input", "instructions", "tools", "prompt", "previous_response_id", "conversation"})
_PARTS = {"input_image": "images", "input_audio": "audio", "input_file": "files"}
_PAYLOAD = ("image_url", "input_audio", "file_data", "file_id", "file_url")
_TEXTS = frozenset({"input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"})
_LOCAL = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "computer_call",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
    }
)
"""Calls of provider tools that are carried out on this side, and their answers: plain text."""
_OPAQUE = frozenset({"reasoning", "compaction", "compaction_summary"})


def read_responses(request: Request) -> None:
    """Collect everything a model would read.

    Raises:
        DeniedError: something in it cannot be read here and is not allowed.
    """
    body = request.body
    for name in ("previous_response_id", "conversation"):
        if body.get(name):
            request.allowed.require("history")
            check_setting(request, name, body[name])
    if body.get("prompt"):
        request.allowed.require("prompts")
        add_rest(request, Origin.USER, body["prompt"], ())
    if isinstance(body.get("input"), str):
        request.texts.add(Origin.USER, body, "input")
    else:
        for item in body.get("input") or ():
            add_item(request, item)
        add_approvals(request, body.get("input") or ())
    if isinstance(body.get("instructions"), str):
        request.texts.add(Origin.SYSTEM, body, "instructions")
    else:
        for item in body.get("instructions") or ():
            add_item(request, item)
    if body.get("tools"):
        add_tools(request, body["tools"], nested=False)
    if not body.get("prompt"):  # a prompt kept at the provider may offer what is chosen
        check_choice(request)
    add_fields(request, _HANDLED)


def add_item(request: Request, item: Any) -> None:
    """Collect one input item."""
    if not isinstance(item, dict):
        raise DeniedError("the request was not sent: an input item is not an object", code="unguarded_part")
    kind = item.get("type", "message")
    texts = request.texts
    add_name(request, Origin.MODEL, item)
    if kind != "mcp_list_tools" and item.get("tools") is not None:  # found or added on the way: offers like any other
        add_tools(request, item["tools"], nested=False)
    if kind == "message":
        _add_message(request, item)
    elif kind == "function_call":
        texts.add_json(Origin.MODEL, item, "arguments")
        add_rest(request, Origin.MODEL, item, ("arguments", "name"))
    elif kind == "custom_tool_call":
        texts.add(Origin.MODEL, item, "input")
        add_rest(request, Origin.MODEL, item, ("input", "name"))
    elif kind in ("function_call_output", "custom_tool_call_output"):
        _add_output(request, item)
    elif kind in _OPAQUE:
        request.allowed.require("reasoning")
        add_rest(request, Origin.MODEL, item, ("encrypted_content",))
    elif kind == "item_reference":
        request.allowed.require("history")
        add_rest(request, Origin.MODEL, item, ())
    elif kind == "additional_tools":
        add_rest(request, Origin.SYSTEM, item, ("tools",))
    elif kind == "computer_call_output":
        request.allowed.require("images")  # a screenshot
        add_inner(request, Origin.RESULT, item, "output", ("image_url",))
        add_rest(request, Origin.RESULT, item, ("output",))
    elif kind in _LOCAL:
        origin = Origin.RESULT if kind.endswith("_output") else Origin.MODEL
        if isinstance(item.get("output"), str):
            texts.add_json(origin, item, "output")
        add_rest(request, origin, item, ("output",) if isinstance(item.get("output"), str) else ())
    elif kind.startswith("mcp_"):
        request.allowed.require("mcp")
        done = ("arguments", "output", "name", "server_label", "approval_request_id", "approve")
        for name in ("server_label", "approval_request_id"):
            if item.get(name) is not None:
                check_setting(request, name, item[name])
        origin = Origin.RESULT if kind == "mcp_list_tools" else Origin.MODEL
        for name, came in (("arguments", Origin.MODEL), ("output", Origin.RESULT)):
            if item.get(name) is not None:
                texts.add_json(came, item, name)
        add_rest(request, origin, item, done)
    else:
        base = kind.removesuffix("_output").removesuffix("_call")
        request.allowed.require_type(base)
        origin = Origin.RESULT if kind.endswith("_output") else Origin.MODEL
        add_rest(request, origin, item, ("name", "tools"))


def add_approvals(request: Request, items: Iterable[Any]) -> None:
    """Every answer that lets an MCP server's tool run, with the request it answers."""
    asked: dict[Any, Mapping[str, Any]] = {}
    for item in items:
        if item.get("type") == "mcp_approval_request":
            if item.get("id") in asked:
                raise DeniedError(
                    "the request was not sent: two MCP approval requests have one id", code="unguarded_part"
                )
            asked[item.get("id")] = item
        elif item.get("type") == "mcp_approval_response" and item.get("approve") is not False:
            request.approved.append((asked.get(item.get("approval_request_id")), item))


def _add_message(request: Request, item: dict[str, Any]) -> None:
    origin = ORIGINS.get(str(item.get("role")))
    if origin is None:
        raise DeniedError(
            "the request was not sent: a message has a role this adapter does not know, so its origin is not known",
            code="unguarded_part",
        )
    if isinstance(item.get("content"), str):
        request.texts.add(origin, item, "content")
    else:
        _add_parts(request, origin, item.get("content"))
    add_rest(request, origin, item, ("content",))


def _add_output(request: Request, item: dict[str, Any]) -> None:
    if isinstance(item.get("output"), str):
        request.texts.add_json(Origin.RESULT, item, "output")
    else:
        _add_parts(request, Origin.RESULT, item.get("output"))
    add_rest(request, Origin.RESULT, item, ("output",))


def _add_parts(request: Request, origin: Origin, parts: Any) -> None:
    if not isinstance(parts, list):
        raise DeniedError("the request was not sent: a message's content is no text and no list", code="unguarded_part")
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _PARTS:
            request.allowed.require(_PARTS[kind])
            add_inner(request, origin, part, "input_audio", ("data",))
            add_rest(request, origin, part, _PAYLOAD)
        elif kind in _TEXTS:
            part.pop("logprobs", None)  # the text again, in pieces too small to be found
            add_rest(request, origin, part, ())
        else:
            request.allowed.require_type(str(kind))
            add_rest(request, origin, part, ())
