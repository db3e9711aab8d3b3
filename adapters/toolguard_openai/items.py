"""The two APIs' own words for calls and their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from toolguard.errors import UnknownToolError
from toolguard_openai.gate import Answer, Asked
from toolguard_openai.native import checks_of, shell_output

__all__ = [
    "CALLS",
    "as_item",
    "asked_of",
    "calls_in_chat",
    "calls_in_response",
    "chat_message",
    "next_items",
    "output_item",
    "output_items",
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
    elif kind == "mcp_approval_request":
        call_id = item.get("id")
    return Asked(
        kind=kind,
        name=str(name or ""),
        text=str(text or ""),
        call_id=str(call_id or ""),
        ordinal=ordinal,
        reason=reason,
        item={} if kind in ("function_call", "custom_tool_call") else item,
    )


def output_item(item: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """The answer to a call, in the form its API takes.

    Raises:
        UnknownToolError: this kind of call has no refusal in words.
    """
    kind, call_id, text = str(item.get("type", "function")), item.get("call_id"), answer.text
    if kind in ("function", "custom"):
        return {"role": "tool", "tool_call_id": item.get("id"), "content": text}
    if kind in ("function_call", "custom_tool_call"):
        return {"type": f"{kind}_output", "call_id": call_id, "output": text}
    if kind == "mcp_approval_request":
        said = {"type": "mcp_approval_response", "approval_request_id": item.get("id")}
        return {**said, "approve": True} if answer.ran else {**said, "approve": False, "reason": text}
    if kind == "shell_call":
        refused = [{"stdout": "", "stderr": text, "exit_code": 126}]
        output = shell_output(answer.value if answer.ran else refused)
        limit = (item.get("action") or {}).get("max_output_length")
        return {
            "type": "shell_call_output",
            "call_id": call_id,
            "output": output,
            **({} if limit is None else {"max_output_length": limit}),
        }
    if kind == "local_shell_call":
        told: Any = shell_output(answer.value) if answer.ran else {"error": text}
        return {
            "type": "local_shell_call_output",
            "id": call_id,
            "output": json.dumps(told, ensure_ascii=False),
        }
    if kind == "apply_patch_call":
        status = "completed" if answer.ran else "failed"
        log = "" if answer.ran and answer.value is None else text
        return {"type": "apply_patch_call_output", "call_id": call_id, "status": status, "output": log}
    if kind == "computer_call" and answer.ran and isinstance(answer.value, str):
        return _screen(item, answer.value, [dict(check) for check in checks_of(item)])
    raise UnknownToolError(
        "the model asked for an action that a tool box neither runs nor can refuse in words; it did not run",
        code="unguarded_tool",
    )


def output_items(item: Mapping[str, Any], answer: Answer) -> list[dict[str, Any]]:
    """`output_item` for a whole conversation: what has no refusal in words is answered by an empty screen and a message."""
    if item.get("type") != "computer_call" or (answer.ran and isinstance(answer.value, str)):
        return [output_item(item, answer)]
    said = "These actions ran before; take a new screenshot." if answer.ran else answer.text
    return [_screen(item, _BLANK, []), {"role": "developer", "content": said}]


_BLANK = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJRU5ErkJggg=="
)
"""One white point."""


def _screen(item: Mapping[str, Any], url: str, checks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "computer_call_output",
        "call_id": item.get("call_id"),
        "output": {"type": "computer_screenshot", "image_url": url},
        **({"acknowledged_safety_checks": checks} if checks else {}),
    }


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
