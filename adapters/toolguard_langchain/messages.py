"""Messages on their way to the model: everything a person, tool or model wrote is looked into, the whole history.

A message opens into JSON that holds only what was written; ids, types and names the protocol needs stay as
they are. Parts that no text masker can look into are refused unless they are allowed by name.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel

from toolguard import Origin
from toolguard_langchain.allow import part_word, refusal_of

__all__ = [
    "WITHHELD",
    "Opened",
    "as_heard",
    "class_of",
    "closed_part",
    "is_text_block",
    "open_message",
    "origin_of",
    "plain",
    "shut_message",
]

WITHHELD = "(a part of this result is not text and is withheld: nobody can look for identifiers in it)"

_TEXT = frozenset({"text", "input_text", "output_text", "summary_text", "refusal", "json"})
_CALLS = frozenset(
    {"tool_use", "tool_call", "invalid_tool_call", "function_call", "custom_tool_call", "server_tool_call"}
)
_RESULTS = frozenset({"tool_result", "server_tool_result", "search_result", "custom_tool_call_output"})
_THOUGHTS = frozenset({"reasoning", "thinking"})
_OPAQUE = ("signature", "encrypted_content", "data", "base64", "file_id", "source", "url", "image_url", "file")
_FRAME = frozenset({"type", "id", "index", "call_id", "tool_call_id", "tool_use_id", "status", "role", "name"})
_WORD = re.compile(r"[\w.:/@+=|-]{0,200}", re.ASCII)
"""Ids and names the protocol needs are single words; what reads otherwise is text somebody wrote."""


_HEARD = "toolguard_heard"
"""Says of a message, whoever it claims to be of, that a tool put it into the conversation."""


def as_heard(message: BaseMessage) -> BaseMessage:
    """The message as one that a tool brought: neither the user nor the application said it."""
    if not isinstance(message, HumanMessage | SystemMessage):
        return message
    return message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, _HEARD: True}})


_CLASSES: tuple[type[BaseMessage], ...] = (AIMessage, HumanMessage, ToolMessage, SystemMessage, ChatMessage)


@functools.lru_cache(maxsize=256)
def class_of(kind: type[BaseMessage]) -> type[BaseMessage]:
    """Which of LangChain's messages one of class ``kind`` is; pydantic takes a microsecond to say so of an object."""
    return next((known for known in _CLASSES if issubclass(kind, known)), BaseMessage)


def origin_of(message: BaseMessage) -> Origin:
    """Who wrote it. A human's message with a name is how graphs pass on what another agent said: nobody's word; nor is
    what a tool put into the conversation.
    """
    if message.additional_kwargs.get(_HEARD):
        return Origin.RESULT
    kind = class_of(type(message))
    if kind is HumanMessage:
        return Origin.RESULT if message.name else Origin.USER
    return Origin.MODEL if kind is AIMessage else Origin.SYSTEM if kind is SystemMessage else Origin.RESULT


def is_text_block(block: Mapping[str, Any]) -> bool:
    """Whether a content part is text through and through."""
    kind = block.get("type")
    if kind == "text-plain":
        return "text" in block and not any(k in block for k in _OPAQUE)
    if kind in _TEXT or kind in _CALLS:
        return True
    if kind in _THOUGHTS:
        return not any(block.get(k) for k in _OPAQUE) and "extras" not in block
    if kind in _RESULTS:
        return all(is_text_block(b) for key in ("content", "output") for b in _blocks(block.get(key)))
    return False


def _blocks(value: Any) -> list[Mapping[str, Any]]:
    return [b for b in value if isinstance(b, Mapping) and "type" in b] if isinstance(value, list) else []


def closed_part(block: Mapping[str, Any], allow: frozenset[str]) -> tuple[object, str | None] | None:
    """The first part of ``block`` that may not pass: its type, and the word that would allow it. None if all may."""
    kind = block.get("type")
    if is_text_block(block):
        return None
    if kind in _RESULTS:
        inner = [b for key in ("content", "output") for b in _blocks(block.get(key))]
        return next((found for b in inner if (found := closed_part(b, allow)) is not None), None)
    word = part_word(kind)
    return None if word in allow else (kind, word)


def _check(block: Mapping[str, Any], allow: frozenset[str]) -> bool:
    """Whether to look into this part; raises where it can be neither looked into nor allowed."""
    closed = closed_part(block, allow)
    if closed is not None:
        raise refusal_of(*closed)
    kind = block.get("type")
    return is_text_block(block) or kind in _RESULTS or kind in _THOUGHTS


def open_message(message: BaseMessage, allow: frozenset[str], *, strict: bool = True) -> dict[str, Any]:
    """What was written in ``message``, as JSON. Raises DeniedError for a part that may not pass."""
    body: dict[str, Any] = {}
    if message.content:
        body["content"] = _open_content(message.content, allow, strict)
    if message.additional_kwargs:
        body["more"] = {k: _open_extra(k, v) for k, v in message.additional_kwargs.items()}
    kind = class_of(type(message))
    if message.name and (kind is not ToolMessage or not _WORD.fullmatch(message.name)):
        body["name"] = message.name
    if kind is ChatMessage and not _WORD.fullmatch(cast("ChatMessage", message).role):
        body["role"] = cast("ChatMessage", message).role
    if kind is AIMessage:
        message = cast("AIMessage", message)
        if message.tool_calls:
            body["calls"] = [c["args"] for c in message.tool_calls]
            if not all(_WORD.fullmatch(c["name"]) for c in message.tool_calls):
                body["called"] = [c["name"] for c in message.tool_calls]
        if message.invalid_tool_calls:
            body["invalid"] = [[c.get("args"), c.get("error")] for c in message.invalid_tool_calls]
    return body


def _open_content(content: Any, allow: frozenset[str], strict: bool) -> Any:
    if isinstance(content, str):
        return content
    parts: list[Any] = []
    for block in content:
        if isinstance(block, str):
            parts.append(block)
        elif (not strict and not is_text_block(block)) or not _check(block, allow):
            parts.append(None)
        else:
            parts.append({k: v for k, v in block.items() if not _is_frame(block, k, v)})
    return parts


def _is_frame(block: Mapping[str, Any], key: str, value: Any) -> bool:
    """Whether this says what a part is, and nothing else. Only what calls something has a name by protocol."""
    if key not in _FRAME or (key == "name" and block.get("type") not in _CALLS):
        return False
    return not isinstance(value, str) or _WORD.fullmatch(value) is not None


def plain(value: Any) -> Any:
    """``value`` as JSON; what JSON does not know becomes text, as LangChain itself would write it."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {k if isinstance(k, str) else str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="python"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return str(value)


def _open_extra(key: str, value: Any) -> Any:
    if key == "tool_calls" and isinstance(value, list):
        return [_open_call(v) for v in value]
    if key == "function_call":
        return _open_function(value)
    return plain(value)


def _open_call(call: Any) -> Any:
    if not isinstance(call, Mapping):
        return plain(call)
    opened = {k: plain(v) for k, v in call.items() if k != "function" and not _is_frame(call, k, v)}
    return {**opened, "function": _open_function(call["function"])} if "function" in call else opened


def _open_function(function: Any) -> Any:
    if not isinstance(function, Mapping):
        return plain(function)
    return {k: plain(v) for k, v in function.items() if k != "name" or not _WORD.fullmatch(str(v))}


def shut_message(message: BaseMessage, masked: Mapping[str, Any]) -> BaseMessage:
    """A copy of ``message`` with masked JSON in place of what `open_message` took out."""
    changes: dict[str, Any] = {}
    if "content" in masked:
        changes["content"] = _shut_content(message.content, masked["content"])
    if "more" in masked:
        given = message.additional_kwargs.items()
        changes["additional_kwargs"] = {
            k: _shut_extra(k, v, m) for (k, v), m in zip(given, masked["more"].values(), strict=True)
        }
    if "name" in masked and masked["name"] != message.name:
        changes["name"] = None  # providers accept no token as a name
    if "role" in masked:
        changes["role"] = masked["role"]
    if isinstance(message, AIMessage):
        if "calls" in masked:
            names = masked.get("called") or [c["name"] for c in message.tool_calls]
            told = zip(message.tool_calls, masked["calls"], names, strict=True)
            changes["tool_calls"] = [{**c, "args": a, "name": n} for c, a, n in told]
        if "invalid" in masked:
            broken = zip(message.invalid_tool_calls, masked["invalid"], strict=True)
            changes["invalid_tool_calls"] = [{**c, "args": a, "error": e} for c, (a, e) in broken]
    return message.model_copy(update=changes)


def _shut_content(content: Any, masked: Any) -> Any:
    if isinstance(content, str):
        return masked
    return [
        b if m is None else m if isinstance(b, str) else _shut_block(b, m) for b, m in zip(content, masked, strict=True)
    ]


def _shut_block(block: Mapping[str, Any], masked: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in block.items() if _is_frame(block, k, v)}, **masked}


def _shut_extra(key: str, value: Any, masked: Any) -> Any:
    if key == "tool_calls" and isinstance(value, list):
        return [_shut_call(v, m) for v, m in zip(value, masked, strict=True)]
    if key == "function_call" and isinstance(value, Mapping):
        return {**value, **masked}
    return masked


def _shut_call(call: Any, masked: Any) -> Any:
    if not isinstance(call, Mapping):
        return masked
    function = call.get("function")
    inner = {"function": {**function, **masked["function"]}} if isinstance(function, Mapping) else {}
    return {**call, **masked, **inner}


_ORDER = (Origin.USER, Origin.SYSTEM, Origin.RESULT, Origin.MODEL)
"""What a person typed is looked into first: the identifiers it holds are then known in everything else."""


class Opened:
    """A list of messages taken apart, by who wrote what."""

    def __init__(self, messages: Sequence[BaseMessage], allow: frozenset[str]) -> None:
        self.messages = list(messages)
        self.changed = False
        self._bodies = [open_message(m, allow) for m in self.messages]
        self._origins = [origin_of(m) for m in self.messages]

    def groups(self) -> list[tuple[Origin, list[int], list[Any]]]:
        """(origin, positions, values) for each origin that wrote something, in the order to look into them."""
        wrote: dict[Origin, list[int]] = {}
        for i, (origin, body) in enumerate(zip(self._origins, self._bodies, strict=True)):
            if body:
                wrote.setdefault(origin, []).append(i)
        return [(o, wrote[o], [_lean(self._bodies[i]) for i in wrote[o]]) for o in _ORDER if o in wrote]

    def put(self, at: list[int], before: list[Any], masked: list[Any]) -> None:
        """Put masked values back; a message in which nothing was found stays the object it is."""
        for i, old, new in zip(at, before, masked, strict=True):
            message = given = self.messages[i]
            if new != old:
                message = shut_message(message, new if isinstance(new, dict) else {"content": new})
            if class_of(type(message)) is ToolMessage and cast("ToolMessage", message).artifact is not None:
                message = message.model_copy(
                    update={"artifact": None}
                )  # the model has no use for it, tracers would show it
            self.messages[i] = message
            self.changed = self.changed or message is not given


def _lean(body: dict[str, Any]) -> Any:
    """Just the text where there is nothing else, so that it reads as text to the detector."""
    content = body.get("content")
    return content if len(body) == 1 and isinstance(content, str) else body
