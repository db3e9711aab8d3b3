"""Tools as JSON: OpenAI's tool lists, what an MCP server lists, and plain lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolguard._core.call import Annotations, Tool
from toolguard.errors import ConfigError

__all__ = ["MAX_BYTES", "from_file", "tool_of"]

MAX_BYTES = 32 * 1024 * 1024
_SCHEMAS = ("input_schema", "inputSchema", "parameters", "args_schema")
_HINTS = {
    "readOnlyHint": "read_only",
    "destructiveHint": "destructive",
    "idempotentHint": "idempotent",
    "openWorldHint": "open_world",
}
_HOSTED = "hosted"
"""What a tool without a name is called that the provider runs itself (``web_search``, ``code_interpreter``, …)."""


def tool_of(record: Mapping[str, Any], *, source: str) -> Tool:
    """The tool one JSON object describes, in any of these shapes.

    ``{name, description, input_schema | inputSchema | parameters, annotations}``; OpenAI's
    ``{type: function, function: {…}}`` and ``{type: function, name, …}``; a hosted tool ``{type: web_search}``.

    Raises:
        ConfigError: it has no name, or a field has the wrong type.
    """
    inner = record.get("function")
    if isinstance(inner, Mapping):
        record = inner
    elif isinstance(record.get("custom"), Mapping):
        record = record["custom"]
    name = record.get("name", record.get("server_label"))
    if name is None and isinstance(record.get("type"), str) and record["type"] != "function":
        name, source = record["type"], _HOSTED
    if not isinstance(name, str) or not name.strip():
        raise ConfigError("a tool has no 'name'; give each one a name")
    schema: Any = next((record[key] for key in _SCHEMAS if record.get(key) is not None), {})
    hints = record.get("annotations") or {}
    description = record.get("description") or ""
    if not isinstance(schema, Mapping) or not isinstance(hints, Mapping) or not isinstance(description, str):
        raise ConfigError(
            f"tool {name!r} does not fit: 'description' is text, 'input_schema' and 'annotations' are objects"
        )
    said = {_HINTS.get(key, key): value for key, value in hints.items() if isinstance(value, bool)}
    known = {key: said[key] for key in _HINTS.values() if key in said}
    own = record.get("source")
    return Tool.describe(
        name,
        source=own if isinstance(own, str) and own else source,
        description=description,
        schema=schema,
        annotations=Annotations(**known),
    )


def from_file(file: str, *, source: str | None = None) -> tuple[Tool, ...]:
    """Tools out of a file of JSON (a list, or ``{"tools": […]}``) or of JSON lines; ``-`` is standard input.

    Args:
        source: where they come from, for those that do not say; the file's name by default.

    Raises:
        ConfigError: the file cannot be read, is no such list, or a tool in it does not fit. Nothing of what it holds is
            in the message but names of tools.
    """
    raw = _bytes(file)
    origin = source or ("stdin" if file == "-" else Path(file).name)
    found = []
    for number, record in enumerate(_records(raw, file), start=1):
        if not isinstance(record, Mapping):
            raise ConfigError(f"{file}: entry {number} is no object; a tool is {{name, description, input_schema}}")
        try:
            found.append(tool_of(record, source=origin))
        except ConfigError as fault:
            raise ConfigError(f"{file}: entry {number}: {fault}") from None
    return tuple(found)


def _bytes(file: str) -> bytes:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_BYTES + 1)
    except OSError as fault:
        raise ConfigError(f"cannot read the tools in {file!r} ({type(fault).__name__}); check the path") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{file}: a list of tools may have {MAX_BYTES >> 20} MB; split it")
    return raw


def _records(raw: bytes, file: str) -> Iterator[Any]:
    try:
        whole = json.loads(raw)
    except (ValueError, RecursionError):
        yield from _lines(raw, file)
        return
    if isinstance(whole, Mapping):
        result = whole.get("result")
        inner = result if isinstance(result, Mapping) else whole
        listed = inner.get("tools")
        whole = listed if isinstance(listed, list) else [whole]
    if not isinstance(whole, list):
        raise ConfigError(f"{file}: holds no list of tools; give a JSON list, {{'tools': […]}} or one object a line")
    yield from whole


def _lines(raw: bytes, file: str) -> Iterator[Any]:
    for number, line in enumerate(raw.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            python = "name Python's as module:attribute, such as my_agent.tools:TOOLS" if file.endswith(".py") else ""
            mend = python or "give a JSON list, or one object a line"
            raise ConfigError(f"{file}: line {number} is not JSON; {mend}") from None
