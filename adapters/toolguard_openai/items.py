"""The two APIs' own words for calls and their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from toolguard.errors import UnknownToolError
from toolguard_openai.gate import Asked

__all__ = [
    "CALLS",
    "as_item",
    "asked_of",
    "calls_in_chat",
    "calls_in_response",
    "chat_message",
    "next_items",
    "output_item",
]

CALLS = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
    }
)
"""Output items that wait for an answer from this side."""


def as_item(call: Any) -> dict[str, Any]:
    """A call as a plain object, whatever class of the SDK it came in."""
    dump = getattr(call, "to_dict", None)
    item: Any = dump(mode="json", exclude_unset=False, exclude_none=True) if dump else call
    if not isinstance(item, Mapping):
        raise TypeError(f"a call is a tool call of a message or an output item, not a {type(call).__name__!r}")
    return dict(item)


def asked_of(item: Mapping[str, Any], ordinal: int, reason: str = "") -> Asked:
    """What a chat tool call or a Responses item asks for."""
    kind, text = str(item.get("type", "function")), ""
    name, call_id = item.get("name"), item.get("call_id") or item.get("id")
    if kind in ("function", "custom"):  # chat completions
        inner = item[kind]
        name, text = inner.get("name"), inner.get("arguments" if kind == "function" else "input")
        kind = "function_call" if kind == "function" else "custom_tool_call"
    elif kind == "function_call":
        text = item.get("arguments", "")
    elif kind == "custom_tool_call":
        text = item.get("input", "")
    return Asked(
        kind=kind,
        name=str(name or ""),
        text=str(text or ""),
        call_id=str(call_id or ""),
        ordinal=ordinal,
        reason=reason,
    )


def output_item(item: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The answer to a call, in the form its API takes.

    Raises:
        UnknownToolError: this kind of call has no refusal in words.
    """
    kind, call_id = str(item.get("type", "function")), item.get("call_id")
    if kind in ("function", "custom"):
        return {"role": "tool", "tool_call_id": item.get("id"), "content": text}
    if kind in ("function_call", "custom_tool_call"):
        return {"type": f"{kind}_output", "call_id": call_id, "output": text}
    if kind == "mcp_approval_request":
        return {
            "type": "mcp_approval_response",
            "approval_request_id": item.get("id"),
            "approve": False,
            "reason": text,
        }
    if kind == "shell_call":
        outcome = {"type": "exit", "exit_code": 126}
        return {
            "type": "shell_call_output",
            "call_id": call_id,
            "output": [{"stdout": "", "stderr": text, "outcome": outcome}],
        }
    if kind == "local_shell_call":
        return {"type": "local_shell_call_output", "id": call_id, "output": json.dumps({"error": text})}
    if kind == "apply_patch_call":
        return {"type": "apply_patch_call_output", "call_id": call_id, "status": "failed", "output": text}
    raise UnknownToolError(
        "the model asked for an action that a tool box neither runs nor can refuse in words; it did not run",
        code="unguarded_tool",
    )


def chat_message(message: Any) -> dict[str, Any]:
    """The model's message as the next request carries it."""
    kept: dict[str, Any] = {"role": "assistant", "content": message.content}
    if message.refusal:
        kept["refusal"] = message.refusal
    if message.tool_calls:
        kept["tool_calls"] = [_call(as_item(call)) for call in message.tool_calls]
    return kept


def _call(call: dict[str, Any]) -> dict[str, Any]:
    kind = call.get("type", "function")
    inner = {k: v for k, v in call[kind].items() if k in ("name", "arguments", "input")}
    return {"id": call.get("id"), "type": kind, kind: inner}


def calls_in_chat(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(message.get("tool_calls") or ())


def next_items(output: Any, *, reasoning: bool) -> list[dict[str, Any]]:
    """A response's output as the next request carries it.

    Without ``reasoning`` the encrypted items stay behind; then ids go too, since an item that names its
    reasoning without it is refused by the provider.
    """
    kept: list[dict[str, Any]] = []
    for one in output:
        item = as_item(one)
        kind = item.get("type")
        if kind == "message" and not reasoning:
            kept.append({"role": "assistant", "content": _text(item)})
        elif kind == "reasoning" and not reasoning:
            continue
        else:
            drop = set() if reasoning or kind not in ("function_call", "custom_tool_call") else {"id", "status"}
            kept.append({k: v for k, v in item.items() if k not in drop})
    return kept


def calls_in_response(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if item.get("type") in CALLS]


def _text(item: Mapping[str, Any]) -> str:
    return "".join(str(part.get("text") or part.get("refusal") or "") for part in item.get("content", ()))
