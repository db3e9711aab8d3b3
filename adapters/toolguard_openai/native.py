"""Provider tools that are carried out on this side: shell, apply_patch, computer. Their calls are gated like any other.

To the policy they are the tools ``shell`` (``commands``, one text each), ``apply_patch`` (``type``, ``path``, ``diff``) and
``computer`` (``actions``, ``safety_checks``).
"""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from toolguard import BoundTool, ResultShape, Tool
from toolguard.errors import BadArgumentsError

__all__ = [
    "NATIVE",
    "ApplyPatchTool",
    "ComputerTool",
    "NativeTool",
    "ShellTool",
    "arguments_of",
    "bound_of",
    "checks_of",
    "native_of",
    "shell_output",
]

NATIVE = "toolguard_openai.native"
"""The source of these tools, for a policy that names it."""

Function: TypeAlias = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellTool:
    """The provider's shell tool, its commands run by ``function({"commands": […], …})``.

    It gives back a text, or ``{"stdout", "stderr", "exit_code"}`` for each command; ``exit_code`` None: it took too long.
    ``legacy`` offers ``local_shell`` instead, whose one command arrives quoted as a shell would read it.
    """

    function: Function
    legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPatchTool:
    """The provider's apply_patch tool: ``function({"type": …, "path": …, "diff": …})`` changes the file, and may say a text."""

    function: Function


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputerTool:
    """The provider's computer tool: ``function({"actions": […]})`` carries them out and gives the screenshot, a data URL.

    A screenshot cannot be masked, so the client must allow ``images``. What the provider itself wants checked
    (``safety_checks``) is only acknowledged where a person approved the call.
    """

    function: Function
    offered: Mapping[str, Any] = field(default_factory=lambda: {"type": "computer"})


NativeTool: TypeAlias = ShellTool | ApplyPatchTool | ComputerTool

_TEXT = {"type": "string"}
_COUNT = {"type": "integer"}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "shell": {
        "commands": {"type": "array", "items": _TEXT},
        "timeout_ms": _COUNT,
        "max_output_length": _COUNT,
        "working_directory": _TEXT,
        "user": _TEXT,
        "env": {"type": "object"},
    },
    "apply_patch": {"type": _TEXT, "path": _TEXT, "diff": _TEXT},
    "computer": {
        "actions": {"type": "array", "items": {"type": "object"}},
        "safety_checks": {"type": "array", "items": {"type": "object"}},
    },
}
_WORDS = {
    "shell": "Run shell commands.",
    "apply_patch": "Create, change or delete a file.",
    "computer": "Click and type on a screen.",
}
_KINDS = {
    "shell_call": "shell",
    "local_shell_call": "shell",
    "apply_patch_call": "apply_patch",
    "computer_call": "computer",
}


def native_of(kind: str) -> str:
    """The tool a kind of item calls; nothing for any other."""
    return _KINDS.get(kind, "")


def bound_of(native: NativeTool) -> tuple[BoundTool, Mapping[str, Any]]:
    """The tool as the guard knows it, and as it is offered to the model."""
    name, offered = _offered(native)
    schema = {"type": "object", "properties": _SCHEMAS[name], "additionalProperties": False}
    tool = Tool.describe(name, source=NATIVE, description=_WORDS[name], schema=schema)
    function = native.function

    def validate(data: Any) -> Any:
        if not isinstance(data, dict) or not data:
            raise BadArgumentsError(f"the call of {name!r} has another shape than the provider's; it did not run")
        return data

    if name == "computer":
        return BoundTool(tool=tool, invoke=_without_checks(function), validate=validate, shape=_SCREEN), offered
    return BoundTool(tool=tool, invoke=function, validate=validate), offered


def _offered(native: NativeTool) -> tuple[str, Mapping[str, Any]]:
    if isinstance(native, ShellTool):
        return "shell", {"type": "local_shell"} if native.legacy else {
            "type": "shell",
            "environment": {"type": "local"},
        }
    if isinstance(native, ApplyPatchTool):
        return "apply_patch", {"type": "apply_patch"}
    return "computer", dict(native.offered)


def _without_checks(function: Function) -> Function:
    def act(passed: dict[str, Any]) -> Any:
        return function({"actions": passed["actions"]})

    async def aact(passed: dict[str, Any]) -> Any:
        return await function({"actions": passed["actions"]})

    return aact if inspect.iscoroutinefunction(function) else act


def _seen(value: Any) -> Any:
    """What is recorded of a screenshot: that there was one. Its pixels cannot be read for identifiers."""
    if not isinstance(value, str) or not value.startswith("data:image/"):
        raise TypeError("a computer tool gives a screenshot as a data URL")
    return {"screenshot": len(value)}


_SCREEN = ResultShape(open=_seen, close=lambda value, masked: value)


def arguments_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of one call, in the shape the policy sees.

    Raises:
        ValueError: the item has another shape.
    """
    try:
        return _READ[str(item.get("type"))](item)
    except (AttributeError, KeyError, TypeError):
        raise ValueError("another shape than the provider's") from None


def _shell(item: Mapping[str, Any]) -> dict[str, Any]:
    environment = item.get("environment")
    if environment is not None and environment.get("type") != "local":
        raise ValueError("it runs at the provider")
    action = item["action"]
    commands = action["commands"]
    if not isinstance(commands, list) or not commands or not all(isinstance(c, str) for c in commands):
        raise ValueError("no commands")
    return {"commands": commands, **_given(action, "timeout_ms", "max_output_length")}


def _local_shell(item: Mapping[str, Any]) -> dict[str, Any]:
    action = item["action"]
    return {
        "commands": [shlex.join(action["command"])],
        **_given(action, "timeout_ms", "working_directory", "user", "env"),
    }


def _patch(item: Mapping[str, Any]) -> dict[str, Any]:
    operation = item["operation"]
    if operation["type"] not in ("create_file", "update_file", "delete_file") or not isinstance(operation["path"], str):
        raise ValueError("no such operation")
    return {"type": operation["type"], "path": operation["path"], **_given(operation, "diff")}


def _computer(item: Mapping[str, Any]) -> dict[str, Any]:
    actions = item.get("actions") or [item["action"]]
    if not isinstance(actions, list) or not all(isinstance(a, Mapping) and a.get("type") for a in actions):
        raise ValueError("no actions")
    return {"actions": [dict(a) for a in actions], "safety_checks": [dict(c) for c in checks_of(item)]}


def checks_of(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the provider wants a person to look at before the actions are carried out."""
    return list(item.get("pending_safety_checks") or ())


_READ = {"shell_call": _shell, "local_shell_call": _local_shell, "apply_patch_call": _patch, "computer_call": _computer}


def _given(action: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: action[name] for name in names if action.get(name) is not None}


def shell_output(value: Any) -> list[dict[str, Any]]:
    """What a shell tool gave, as the provider takes it: one entry for each command."""
    entries = value if isinstance(value, list) else [value]
    return [_entry(e) for e in entries]


def _entry(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        text = entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)
        return {"stdout": text, "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
    code = entry.get("exit_code", 0)
    outcome = {"type": "timeout"} if code is None else {"type": "exit", "exit_code": int(code)}
    return {"stdout": str(entry.get("stdout", "")), "stderr": str(entry.get("stderr", "")), "outcome": outcome}
