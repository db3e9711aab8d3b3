"""What a LangChain tool gives back, as JSON for masking and back again.

Plain values are JSON already. Messages, commands, (content, artifact) pairs and lists of them travel as an
object with one reserved key, holding only what has to be looked into: ids, names and node names stay outside.
Whatever a tool itself returns under such a key is wrapped, so that no result can pass for a message or command.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage, convert_to_messages
from langgraph.types import Command, Overwrite, Send
from pydantic import BaseModel, ValidationError

from toolguard.errors import BadArgumentsError
from toolguard_langchain.messages import WITHHELD, as_heard, closed_part, open_message, plain, shut_message

__all__ = ["Parcel"]

_MARK = "toolguard."
_PLAIN, _TREE, _PAIR, _MESSAGE, _COMMAND, _LIST, _SAME, _OBJECT, _OVERWRITE = (
    _MARK + w for w in ("plain", "tree", "pair", "message", "command", "list", "same", "object", "overwrite")
)
_MESSAGES = "messages"
"""The part of the state that holds the conversation."""
_SCALARS = (str, int, float, bool, type(None))


class Parcel:
    """One result: ``json`` to be masked, and the original to put the masked JSON back into.

    Args:
        pair: the tool's ``response_format`` is ``content_and_artifact``.
        passes: the policy lets results through as they are.
        allow: kinds of content parts that may pass though nobody can look into them (see `toolguard_langchain.allow`).
        known: ids of objects the tool was given from the graph's state; returned as they are, they are no result.
    """

    def __init__(
        self, original: Any, *, pair: bool, passes: bool, allow: frozenset[str], known: frozenset[int] = frozenset()
    ) -> None:
        self.original = original
        self.lasting = True
        """Whether ``json`` alone is enough to give the result again."""
        self.fault = ""
        self._passes = passes
        self._allow = allow
        self._known = known
        try:
            self.json = self._pack(original, pair)
        except Exception as fault:  # noqa: BLE001 - the tool has run: whatever fails now, its result is withheld
            self.json, self.fault = None, f"the result could not be taken apart ({type(fault).__name__})"

    def open(self) -> Any:
        """The JSON to be masked. Raises BadArgumentsError where a part of the result cannot be looked into."""
        if self.fault:
            raise BadArgumentsError(self.fault)
        return self.json

    # --- to JSON

    def _pack(self, value: Any, pair: bool) -> Any:
        if isinstance(value, str):
            return value
        if pair and isinstance(value, tuple) and len(value) == 2:
            return {_PAIR: [self._content(value[0]), self._artifact(value[1])]}
        if isinstance(value, BaseMessage | Command):
            return self._value(value)
        if isinstance(value, list) and value and all(isinstance(v, ToolMessage | Command) for v in value):
            return {_LIST: [self._value(v) for v in value]}
        return self._content(value)

    def _content(self, value: Any) -> Any:
        if isinstance(value, BaseMessage | Command):
            return self._value(value)
        if isinstance(value, list) and any(isinstance(v, dict) and isinstance(v.get("type"), str) for v in value):
            value = [self._block(v) for v in value]
        return _escaped(plain(value))

    def _block(self, block: Any) -> Any:
        kind = block.get("type") if isinstance(block, dict) else None
        if (
            not isinstance(kind, str)
            or self._passes
            or closed_part(block, self._allow) is None
            or not _has_payload(block)
        ):
            return block
        return {"type": "text", "text": WITHHELD}

    def _artifact(self, value: Any) -> Any:
        if isinstance(value, (*_SCALARS, dict, list, tuple, BaseModel)) or dataclasses.is_dataclass(value):
            return _escaped(plain(value))
        if self._passes:
            self.lasting = False
            return {_OBJECT: True}
        return None

    def _value(self, value: Any) -> Any:
        """A message, a command, or a part of one."""
        if isinstance(value, _SCALARS):
            return value
        if id(value) in self._known:
            self.lasting = False
            return {_SAME: True}
        if isinstance(value, BaseMessage):
            return {_MESSAGE: self._message(value)}
        if isinstance(value, Command):
            return {_COMMAND: self._command(value)}
        if isinstance(value, Overwrite):
            self.lasting = False
            return {_OVERWRITE: self._value(value.value)}
        if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
            packed = {k: self._value(v) for k, v in value.items()}
            return {_TREE: packed} if _is_marked(packed) else packed
        if isinstance(value, list | tuple):
            return [self._value(v) for v in value]
        if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
            self.lasting = False
            return {_PLAIN: plain(value)}
        self.lasting = False
        if not self._passes:
            self.fault = f"the result holds a {type(value).__name__!r}, which cannot be looked into"
        return {_OBJECT: True}

    def _message(self, message: BaseMessage) -> dict[str, Any]:
        if not isinstance(message, ToolMessage):
            self.lasting = False
            return open_message(message, self._allow, strict=False)
        content = [self._block(b) for b in message.content] if isinstance(message.content, list) else message.content
        body: dict[str, Any] = {"content": plain(content), "failed": message.status == "error"}
        if message.artifact is not None:
            body["artifact"] = self._artifact(message.artifact)
        if message.additional_kwargs:
            body["additional_kwargs"] = plain(message.additional_kwargs)
        return body

    def _command(self, command: Command[Any]) -> dict[str, Any]:
        if command.goto or command.graph or command.resume is not None:
            self.lasting = False
        goto = list(command.goto) if isinstance(command.goto, list | tuple) else [command.goto]
        sent = [self._value(g.arg) if isinstance(g, Send) else None for g in goto]
        return {"update": self._value(command.update), "sent": sent}

    # --- from JSON

    def shut(self, masked: Any) -> Any:
        """The result with masked contents."""
        return _Shut("", "").top(masked, self.original)

    @staticmethod
    def again(masked: Any, *, call_id: str | None, name: str) -> Any:
        """The result from its recorded JSON alone."""
        return _Shut(call_id or "", name).top(masked, None)


def _is_marked(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(_MARK)


def _escaped(packed: Any) -> Any:
    return {_PLAIN: packed} if _is_marked(packed) else packed


def _has_payload(block: Mapping[str, Any]) -> bool:
    """Whether a typed object is a content part and not just data that has a ``type``."""
    return any(k in block for k in ("data", "base64", "url", "image_url", "source", "file", "file_id", "input_audio"))


class _Shut:
    """Masked JSON back into results; ``call_id`` and ``name`` are those of messages that have no original."""

    def __init__(self, call_id: str, name: str) -> None:
        self._call_id = call_id
        self._name = name

    def top(self, masked: Any, original: Any) -> Any:
        """A whole result: marked, or plain JSON in which nothing is a mark."""
        return self._marked(masked, original) if _is_marked(masked) else _refit(masked, original)

    def _tree(self, masked: Any, original: Any) -> Any:
        """A state update, in which every mark is ours."""
        if _is_marked(masked):
            return self._marked(masked, original)
        if isinstance(masked, dict):
            return self._members(masked, original)
        if isinstance(masked, list):
            items = [self._tree(m, o) for m, o in zip(masked, _items(original, len(masked)), strict=True)]
            return tuple(items) if isinstance(original, tuple) else items
        return masked

    def _members(self, masked: dict[str, Any], original: Any) -> dict[str, Any]:
        known = original if isinstance(original, Mapping) else {}
        return {k: self._tree(v, known.get(k)) for k, v in masked.items()}

    def _marked(self, masked: dict[str, Any], original: Any) -> Any:
        ((mark, body),) = masked.items()
        if mark in (_SAME, _OBJECT):
            return original
        if mark == _PLAIN:
            return _refit(body, original)
        if mark == _TREE:
            return self._members(body, original)
        if mark == _OVERWRITE:
            return Overwrite(value=self._tree(body, original.value))
        if mark == _PAIR:
            content, artifact = original if original is not None else (None, None)
            return self.top(body[0], content), self.top(body[1], artifact)
        if mark == _LIST:
            return [self._tree(b, o) for b, o in zip(body, _items(original, len(body)), strict=True)]
        if mark == _COMMAND:
            return self._command(body, original)
        return self._message(body, original)

    def _message(self, body: dict[str, Any], original: Any) -> BaseMessage:
        if isinstance(original, BaseMessage) and not isinstance(original, ToolMessage):
            return as_heard(shut_message(original, body))
        changes = {
            "content": body["content"],
            "artifact": self.top(body.get("artifact"), getattr(original, "artifact", None)),
            "additional_kwargs": body.get("additional_kwargs", {}),
        }
        if isinstance(original, ToolMessage):
            return original.model_copy(update=changes)
        status = "error" if body["failed"] else "success"
        return ToolMessage(**changes, tool_call_id=self._call_id, name=self._name, status=status)

    def _command(self, body: dict[str, Any], original: Any) -> Command[Any]:
        if original is None:
            return Command(update=_told(self._tree(body["update"], None)))
        many = isinstance(original.goto, list | tuple)
        goto = list(original.goto) if many else [original.goto]
        sent = [
            Send(g.node, _told(self._tree(arg, g.arg))) if isinstance(g, Send) else g
            for g, arg in zip(goto, body["sent"], strict=True)
        ]
        update = _told(self._tree(body["update"], original.update))
        return dataclasses.replace(original, update=update, goto=sent if many else sent[0])


def _told(update: Any) -> Any:
    """A state update in which messages that are not yet of any class are, and say that a tool brought them."""
    if isinstance(update, Mapping):
        return {k: _classed(v) if k == _MESSAGES else v for k, v in update.items()}
    if isinstance(update, list) and all(isinstance(v, tuple) and len(v) == 2 and not _is_pair(v) for v in update):
        return [(k, _classed(v) if k == _MESSAGES else v) for k, v in update]
    return _classed(update) if isinstance(update, list) else update  # where messages are the whole state


def _classed(given: Any) -> Any:
    if isinstance(given, Overwrite):
        return Overwrite(value=_classed(given.value))
    if isinstance(given, BaseMessage) or given is None:
        return given
    if isinstance(given, list) or (isinstance(given, tuple) and not _is_pair(given)):
        return [_classed(one) for one in given]
    try:
        return as_heard(convert_to_messages([given])[0])
    except Exception:  # noqa: BLE001 - what LangChain cannot read as a message, the graph cannot either
        return given


def _is_pair(given: tuple[Any, ...]) -> bool:
    return len(given) == 2 and all(isinstance(part, str) for part in given)


def _items(original: Any, count: int) -> list[Any]:
    return list(original) if isinstance(original, list | tuple) and len(original) == count else [None] * count


def _refit(masked: Any, original: Any) -> Any:
    """Masked plain JSON in the original's own types, as far as they take it."""
    if isinstance(original, BaseModel) and not isinstance(original, BaseMessage):
        try:
            return type(original).model_validate(masked)
        except ValidationError:
            return masked
    if isinstance(masked, dict):
        known = original if isinstance(original, Mapping) else {}
        order = [*(k for k in known if k in masked), *(k for k in masked if k not in known)]
        return {k: _refit(masked[k], known.get(k)) for k in order}
    if isinstance(masked, list):
        items = [_refit(m, o) for m, o in zip(masked, _items(original, len(masked)), strict=True)]
        return tuple(items) if isinstance(original, tuple) else items
    return masked
