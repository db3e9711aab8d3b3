"""What every guarded endpoint has in common: fields by kind, messages by role, and the tools that are offered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from toolguard import Origin, Tool
from toolguard.errors import DeniedError
from toolguard_openai.allow import Allowed, hosted_kind
from toolguard_openai.texts import Texts

__all__ = [
    "CONTROL",
    "CUSTOM",
    "ORIGINS",
    "PROTOCOL",
    "Request",
    "add_fields",
    "add_inner",
    "add_name",
    "add_own",
    "add_rest",
    "add_tools",
    "check_choice",
    "check_setting",
    "words_of",
]

CUSTOM = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The schema of a tool that takes free text, as the policy sees it: one argument, ``input``."""

ORIGINS = {
    "user": Origin.USER,
    "system": Origin.SYSTEM,
    "developer": Origin.SYSTEM,
    "assistant": Origin.MODEL,
    "tool": Origin.RESULT,
    "function": Origin.RESULT,
}
CONTROL = frozenset({"call_id", "id", "role", "status", "tool_call_id", "type", "prompt_cache_breakpoint", "phase"})
"""Keys whose values are ids and words of the protocol; what is none there is text, and masked as such."""

PROTOCOL = frozenset(
    {
        *ORIGINS,
        "allowed_tools",
        "auto",
        "commentary",
        "completed",
        "computer_call",
        "custom",
        "custom_tool_call",
        "custom_tool_call_output",
        "default",
        "disabled",
        "failed",
        "final_answer",
        "function_call",
        "function_call_output",
        "high",
        "in_progress",
        "incomplete",
        "input_file",
        "input_image",
        "input_text",
        "json_object",
        "json_schema",
        "low",
        "medium",
        "message",
        "minimal",
        "none",
        "output_text",
        "refusal",
        "required",
        "text",
    }
)
"""Words of the APIs themselves, the frequent ones: nothing is looked for in them."""

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


_WORD = re.compile(r"[\w.:/@+-]{0,200}", re.ASCII)


def _is_plain(value: Any) -> bool:
    """Settings are numbers and single words: nothing that a person would be named in."""
    if isinstance(value, dict):
        return all(_WORD.fullmatch(k) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, str) or _WORD.fullmatch(value) is not None


class Request:
    """One request body taken apart: its text, and the hosted tools the policy still has to judge."""

    def __init__(self, body: dict[str, Any], allowed: Allowed) -> None:
        self.body = body
        self.allowed = allowed
        self.texts = Texts()
        self.hosted: list[tuple[str, Mapping[str, Any]]] = []
        """Provider tools (kind, definition) that the policy has to allow before the request is sent."""
        self.local: list[tuple[str, Mapping[str, Any]]] = []
        """Provider tools whose calls come back to this side: a tool box may gate them."""
        self.offered: list[Tool] = []
        self.approved: list[tuple[Mapping[str, Any] | None, Mapping[str, Any]]] = []
        """Answers that let an MCP server's tool run (the request for it, the answer)."""


def add_fields(request: Request, handled: frozenset[str]) -> None:
    """Every field that is not ``handled`` by the endpoint itself: masked, passed, or refused."""
    for name, value in request.body.items():
        if name in handled or value is None:
            continue
        if name in _PLAIN:
            check_setting(request, name, value)
        elif name in _TEXT:
            request.texts.add(Origin.SYSTEM, request.body, name)
            if name == "metadata" and isinstance(value, dict):
                request.texts.add_keys(request.body, name)
            _check_form(request, name, value)
        else:
            request.allowed.require_field(name)
            request.texts.add(Origin.USER, request.body, name)


def check_setting(request: Request, name: str, value: Any) -> None:
    """A setting holds numbers and single words, and nothing is found in any of them; else the request is refused.

    Raises:
        DeniedError: it holds text.
    """
    if not _is_plain(value):
        raise DeniedError(
            f"the request was not sent: the field {name!r} holds text where a setting belongs; leave it out",
            code="unguarded_field",
        )
    if name == "logit_bias" and isinstance(value, dict) and all(key.isdecimal() for key in value):
        return  # numbers of word pieces

    def refuse(masked: Any) -> None:
        raise DeniedError(
            f"the request was not sent: the field {name!r} holds an identifier where a setting belongs; leave it out",
            code="unguarded_field",
        )

    offered = {tool.name for tool in request.offered}
    for word in words_of(value):
        if word not in PROTOCOL and word not in offered:
            request.texts.add_word(word, refuse)


def _check_form(request: Request, name: str, value: Any) -> None:
    """The type of an answer's form is a word of the protocol, and no detector looks into what is called so."""
    for form in (value, value.get("format")) if isinstance(value, dict) and name != "metadata" else ():
        if isinstance(form, dict) and isinstance(form.get("type"), str):
            check_setting(request, name, form["type"])


def words_of(value: Any) -> Iterator[str]:
    """Every text in a value, keys and all."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from words_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from words_of(item)


def add_rest(request: Request, origin: Origin, item: dict[str, Any], done: Iterable[str]) -> None:
    """Whatever else an item holds: masked as text, apart from the words of the protocol."""
    for name in item.keys() - frozenset(done):
        value = item[name]
        if name not in CONTROL or not _is_plain(value):
            request.texts.add(origin, item, name)
        elif isinstance(value, str) and value not in PROTOCOL:
            request.texts.add_id(item, name)
        elif isinstance(value, dict | list):
            request.texts.add(Origin.MODEL, item, name)


def add_inner(request: Request, origin: Origin, item: dict[str, Any], key: str, done: Iterable[str]) -> None:
    """What stands beside the payload inside ``item[key]``, as in ``{"file": {"file_data": …, "filename": …}}``."""
    if isinstance(item.get(key), dict):
        add_rest(request, origin, item[key], done)


def add_name(request: Request, origin: Origin, item: dict[str, Any]) -> None:
    """The name of a function in the history: one that the request offers, or a word that nothing is found in."""
    name = item.get("name")
    if not _is_plain(name):
        request.texts.add_name(origin, item, "name")
    elif isinstance(name, str):

        def put(masked: Any) -> None:
            if all(name != tool.name for tool in request.offered):
                request.texts.put_name(item, "name", masked)

        request.texts.add_word(name, put)


_CHOSEN = frozenset({"allowed_tools", "custom", "function"})


def check_choice(request: Request) -> None:
    """A choice among tools may only name a provider's tool that the request offers as well, where it is judged."""
    choice = request.body.get("tool_choice")
    if not isinstance(choice, dict):
        return
    nested = choice.get("allowed_tools")
    inner = nested if isinstance(nested, dict) else choice
    offered = {kind for kind, _ in (*request.hosted, *request.local)}
    for each in (choice, *(inner.get("tools") or ())):
        kind = str(each.get("type"))
        if kind not in _CHOSEN and hosted_kind(kind) not in offered:
            raise DeniedError(
                "the request was not sent: its tool_choice names a provider's tool that it does not offer; offer it in tools, "
                "where it is judged, or leave it out",
                code="unguarded_tool",
            )


def add_tools(request: Request, tools: Any, *, nested: bool) -> None:
    """The tools a request offers. ``nested``: chat completions keep a function's fields one level down."""
    if not isinstance(tools, list):
        raise DeniedError("the request was not sent: its tools are not a list", code="unguarded_part")
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind in ("function", "custom"):
            inner = tool.get(kind) if nested and isinstance(tool.get(kind), dict) else tool
            add_own(request, inner, custom=kind == "custom")
            if inner is not tool:
                add_rest(request, Origin.SYSTEM, tool, (kind,))
        else:
            _add_hosted(request, tool, str(kind))


_SECRET = frozenset({"authorization", "headers"})


def _add_hosted(request: Request, tool: dict[str, Any], kind: str) -> None:
    shown = {k: v for k, v in tool.items() if k not in _SECRET}
    if is_local(tool):
        request.local.append((hosted_kind(kind), shown))
    else:
        request.hosted.append((request.allowed.require_type(kind), shown))
    if tool.get("tools") is not None:  # a namespace holds tools of its own, and each is judged by itself
        add_tools(request, tool["tools"], nested=False)
    settings = [name for name in _SETTINGS if _is_setting(name, tool.get(name))]
    for name in settings:
        check_setting(request, name, _parts_of(tool.get(name)) if name == "server_url" else tool.get(name))
    add_rest(request, Origin.SYSTEM, tool, (*_SECRET, "tools", *settings))


_SETTINGS = ("allowed_tools", "connector_id", "require_approval", "server_label", "server_url", "vector_store_ids")
"""What a provider tool cannot do without. Masked, it would mean something else."""


def _is_setting(name: str, value: Any) -> bool:
    if name == "server_url" and isinstance(value, str):
        parts = urlsplit(value)
        return not (parts.query or parts.fragment or parts.username) and _WORD.fullmatch(value) is not None
    return _is_plain(value)


def _parts_of(url: Any) -> list[str]:
    """The words of an address: as a whole it would be found to be one."""
    return [part for part in re.split(r"[/:]+", url) if part] if isinstance(url, str) else []


def is_local(tool: Mapping[str, Any]) -> bool:
    """Whether what the model does with this provider tool is done on this side."""
    kind = hosted_kind(str(tool.get("type")))
    if kind == "shell" and tool.get("type") != "local_shell":
        environment = tool.get("environment")
        return isinstance(environment, Mapping) and environment.get("type") == "local"
    return kind in ("shell", "apply_patch", "computer")


def add_own(request: Request, tool: dict[str, Any], *, custom: bool) -> None:
    """A function or custom tool: what it says it is must be what the guard knows."""
    name, description = tool.get("name"), tool.get("description") or ""
    if isinstance(name, str) and isinstance(description, str):
        schema = CUSTOM if custom else tool.get("parameters") or {}
        request.offered.append(Tool.describe(name, source="", description=description, schema=schema))
    if not _is_plain(name):
        request.texts.add_name(Origin.SYSTEM, tool, "name")
    add_rest(request, Origin.SYSTEM, tool, ("name", "strict") if _is_plain(tool.get("strict")) else ("name",))
