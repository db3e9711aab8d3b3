"""YAML bytes to plain data in which every value knows its line and column.

Only what a policy needs is accepted: one document, maps with string keys, lists and scalars read by the
rules of YAML 1.2 (so ``no`` and ``on`` are words). Anchors, aliases, tags and merge keys are refused, and
size, depth and number of nodes are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from toolguard.policyfile.faults import Problem

__all__ = ["MAX_BYTES", "At", "Document", "read_document"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 100_000

Plain: TypeAlias = Any
At: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the document to a value."""

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_MAX_DIGITS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file: plain ``data``, and where each key and value stands."""

    file: str
    text: str
    data: Plain
    problems: tuple[Problem, ...] = ()
    values: dict[At, yaml.Node] = field(default_factory=dict)
    keys: dict[At, yaml.Node] = field(default_factory=dict)

    def problem(self, at: At, message: str, *, key: bool = False, offset: int | None = None) -> Problem:
        """A fault at ``at``: at its key if ``key``, else at its value; ``offset`` counts characters into a text.

        If nothing stands at ``at`` the nearest thing around it is pointed at.
        """
        line, column = self.position(at, key=key, offset=offset)
        return Problem(file=self.file, line=line, column=column, path=_path(at), message=message)

    def position(self, at: At, *, key: bool = False, offset: int | None = None) -> tuple[int, int]:
        """Line and column, from 1."""
        if offset is not None and at in self.values:
            return self._inside(self.values[at], offset)
        table = self.keys if key else self.values
        here = at
        while here and here not in table:
            here = here[:-1]
            table = self.keys if here in self.keys and here != at else self.values
        node = table.get(here)
        if node is None:
            return 1, 1
        return node.start_mark.line + 1, node.start_mark.column + 1

    def _inside(self, node: yaml.Node, offset: int) -> tuple[int, int]:
        """Where character ``offset`` of a scalar's value stands in the file, whatever its quoting."""
        raw, at = self.text, node.start_mark.index
        end = node.end_mark.index
        style = getattr(node, "style", None)
        if style in ("|", ">"):
            at = raw.find("\n", at) + 1
        elif style in ("'", '"'):
            at += 1
        for index, char in enumerate(node.value):
            while at < end and raw[at] != char and (raw[at] in " \t\r\n\\" or char in " \n"):
                if raw[at] not in " \t\r\n\\":
                    break
                at += 1
            if index >= offset:
                break
            at += 2 if style == "'" and char == "'" else 1
        at = min(at, end)
        line = raw.count("\n", 0, at) + 1
        return line, at - (raw.rfind("\n", 0, at) + 1) + 1


def _path(at: At) -> str:
    out = ""
    for part in at:
        if isinstance(part, int):
            out += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part):
            out += f".{part}" if out else part
        else:
            out += f"[{part!r}]"
    return out


def read_document(raw: bytes, file: str) -> Document:
    """Parse ``raw``. Every fault found is in ``problems``; with any, ``data`` may be incomplete."""
    reader = _Reader(file)
    if len(raw) > MAX_BYTES:
        return reader.failed(1, 1, f"the file has {len(raw)} bytes and the limit is {MAX_BYTES}; split it into packs")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = raw.count(b"\n", 0, failure.start) + 1
        return reader.failed(line, 1, "the file is not UTF-8 text; save it as UTF-8")
    try:
        if not reader.safe_shape(text):
            return Document(file=file, text=text, data=None, problems=tuple(reader.problems))
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = failure.problem or failure.context or "it cannot be parsed"
        return reader.failed(line, column, f"not valid YAML: {what}; check indentation, quotes and colons here")
    except yaml.YAMLError:
        return reader.failed(
            1, 1, "not valid YAML: it holds a character YAML does not allow; remove control characters"
        )
    if root is None:
        return reader.failed(1, 1, "the file is empty; start with 'apiVersion: toolguard/v1' and 'kind: ToolPolicy'")
    data = reader.plain(root, ())
    return Document(
        file=file, text=text, data=data, problems=tuple(reader.problems), values=reader.values, keys=reader.keys
    )


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.values: dict[At, yaml.Node] = {}
        self.keys: dict[At, yaml.Node] = {}

    def failed(self, line: int, column: int, message: str) -> Document:
        problem = Problem(file=self.file, line=line, column=column, path="", message=message)
        return Document(file=self.file, text="", data=None, problems=(*self.problems, problem))

    def _note(self, mark: Any, message: str, at: At = ()) -> None:
        self.problems.append(
            Problem(file=self.file, line=mark.line + 1, column=mark.column + 1, path=_path(at), message=message)
        )

    def safe_shape(self, text: str) -> bool:
        """Look at the events alone, so that nothing is built from a document meant to blow up."""
        depth = documents = nodes = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._note(event.start_mark, "a second YAML document starts here; put one policy in one file")
                    return False
            if isinstance(event, yaml.AliasEvent):
                self._note(event.start_mark, "an alias (*name) is not allowed in a policy; write the value out")
                continue
            if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
                depth -= isinstance(event, yaml.CollectionEndEvent)
                continue
            nodes += 1
            if nodes > MAX_NODES:
                self._note(event.start_mark, f"the file has more than {MAX_NODES} values; split it into packs")
                return False
            if event.anchor is not None:
                self._note(event.start_mark, "an anchor (&name) is not allowed in a policy; write the value out")
            if event.tag is not None:
                self._note(event.start_mark, "a tag (!name) is not allowed in a policy; write plain values")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    self._note(event.start_mark, f"nested more than {MAX_DEPTH} deep; no policy needs that")
                    return False
        return not self.problems

    def plain(self, node: yaml.Node, at: At) -> Plain:
        self.values[at] = node
        if isinstance(node, yaml.MappingNode):
            return self._map(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*at, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, at)

    def _map(self, node: yaml.MappingNode, at: At) -> dict[str, Plain]:
        out: dict[str, Plain] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key.start_mark, "a key must be a plain word, not a list or a map", at)
                continue
            name = key.value
            here = (*at, name)
            if name == "<<":
                self._note(key.start_mark, "a merge key (<<) is not allowed in a policy; write the keys out", at)
                continue
            if name in out:
                first = self.keys[here].start_mark.line + 1
                self._note(
                    key.start_mark,
                    f"key {name!r} stands twice, first on line {first}; YAML would drop one silently, so keep one",
                    here,
                )
                continue
            self.keys[here] = key
            out[name] = self.plain(value, here)
        return out

    def _scalar(self, node: yaml.Node, at: At) -> Plain:
        text: str = node.value
        if getattr(node, "style", None):  # quoted or block: text, whatever it looks like
            return text
        if text in _NULLS:
            return None
        if text in _BOOLS:
            return _BOOLS[text]
        if _INT.fullmatch(text) and len(text) <= _MAX_DIGITS:
            return int(text)
        if _FLOAT.fullmatch(text) and len(text) <= _MAX_DIGITS:
            return float(text)
        return text
