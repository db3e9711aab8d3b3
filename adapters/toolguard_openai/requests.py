"""What every guarded endpoint has in common: fields by kind, messages by role, and the tools that are offered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from toolguard import Origin, Tool
from toolguard.errors import DeniedError
from toolguard_openai.allow import Allowed
from toolguard_openai.texts import Texts

__all__ = ["CONTROL", "ORIGINS", "Request", "add_fields", "add_rest", "add_tools"]

ORIGINS = {
    "user": Origin.USER,
    "system": Origin.SYSTEM,
    "developer": Origin.SYSTEM,
    "assistant": Origin.MODEL,
    "tool": Origin.RESULT,
    "function": Origin.RESULT,
}
CONTROL = frozenset({"call_id", "id", "role", "status", "tool_call_id", "type", "prompt_cache_breakpoint", "phase"})
"""Keys whose values are ids and words of the protocol, not text."""

_TEXT = ("metadata", "user", "safety_identifier", "prompt_cache_key", "stop", "response_format", "prediction", "text")
_PLAIN = frozenset(
    {
        "frequency_penalty",
        "include",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "max_tool_calls",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "reasoning_effort",
        "seed",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "function_call",
        "top_logprobs",
        "top_p",
        "truncation",
        "verbosity",
    }
)


class Request:
    """One request body taken apart: its text, and the hosted tools the policy still has to judge."""

    def __init__(self, body: dict[str, Any], allowed: Allowed) -> None:
        self.body = body
        self.allowed = allowed
        self.texts = Texts()
        self.hosted: list[tuple[str, Mapping[str, Any]]] = []
        self.offered: list[Tool] = []


def add_fields(request: Request, handled: frozenset[str]) -> None:
    """Every field that is not ``handled`` by the endpoint itself: masked, passed, or refused."""
    for name, value in request.body.items():
        if name in handled or name in _PLAIN or value is None:
            continue
        if name in _TEXT:
            request.texts.add(Origin.SYSTEM, request.body, name)
        else:
            request.allowed.require_field(name)
            request.texts.add(Origin.USER, request.body, name)


def add_rest(request: Request, origin: Origin, item: dict[str, Any], done: Iterable[str]) -> None:
    """Whatever else an item holds: masked as text, apart from the words of the protocol."""
    for name in item.keys() - CONTROL - frozenset(done):
        request.texts.add(origin, item, name)


def add_tools(request: Request, tools: Any, *, nested: bool) -> None:
    """The tools a request offers. ``nested``: chat completions keep a function's fields one level down."""
    if not isinstance(tools, list):
        raise DeniedError("the request was not sent: its tools are not a list", code="unguarded_part")
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind in ("function", "custom"):
            inner = tool.get(kind) if nested and isinstance(tool.get(kind), dict) else tool
            _add_own(request, inner, custom=kind == "custom")
        else:
            hosted = request.allowed.require_type(str(kind))
            secret = {"authorization", "headers"}
            request.hosted.append((hosted, {k: v for k, v in tool.items() if k not in secret}))
            add_rest(request, Origin.SYSTEM, tool, secret)


def _add_own(request: Request, tool: dict[str, Any], *, custom: bool) -> None:
    name, description = tool.get("name"), tool.get("description") or ""
    if isinstance(name, str) and isinstance(description, str) and not custom:
        schema = tool.get("parameters") or {}
        request.offered.append(Tool.describe(name, source="", description=description, schema=schema))
    add_rest(request, Origin.SYSTEM, tool, ("name", "strict"))
