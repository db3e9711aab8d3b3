"""Tools as Python objects: LangChain tools, OpenAI's dictionaries and pydantic models, plain functions."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from toolguard._core.call import Tool
from toolguard.bound import BoundTool, from_function
from toolguard.errors import ConfigError
from toolguard.toollist.records import tool_of

__all__ = ["from_module"]

_ADAPTERS = ("langchain", "openai")
"""Adapters that know tools of their framework: entry points ``toolguard.tools``. No other name is ever loaded."""


def from_module(reference: str, *, folder: Path | None = None) -> tuple[Tool, ...]:
    """The tools ``module:attribute`` holds: a list of tools, one tool, or a function without parameters that gives them.

    Importing the module runs its code, as the application does. ``folder`` (default: the current one) is looked into
    first.

    Raises:
        ConfigError: it cannot be imported, or something in it is no tool.
    """
    name, _, attribute = reference.partition(":")
    if not name or not attribute:
        raise ConfigError(f"{reference!r} names no tools; write module:attribute, such as 'my_agent.tools:TOOLS'")
    found = _attribute(name, attribute, folder or Path.cwd())
    if callable(found) and not _is_tool(found) and not isinstance(found, type) and not _parameters(found):
        try:
            found = found()
        except Exception as fault:  # noqa: BLE001 - the application's own code may fail in any way
            raise ConfigError(f"{reference!r} failed with {type(fault).__name__} when it was asked for tools") from None
    single = _is_tool(found) or isinstance(found, Mapping) or not isinstance(found, Iterable)
    return tuple(tool for each in ([found] if single else found) for tool in _described(each, reference))


def _attribute(name: str, attribute: str, folder: Path) -> Any:
    sys.path.insert(0, str(folder))
    try:
        found: Any = importlib.import_module(name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ImportError as fault:
        missing = fault.name or name
        raise ConfigError(
            f"module {name!r} cannot be imported ({missing!r} is missing); run from the project's folder"
        ) from None
    except AttributeError:
        raise ConfigError(f"module {name!r} has no {attribute!r}; give the name of the list of tools") from None
    except Exception as fault:  # noqa: BLE001 - the application's own code may fail in any way
        raise ConfigError(f"module {name!r} failed with {type(fault).__name__} when it was imported") from None
    finally:
        sys.path.remove(str(folder))
    return found


def _described(each: Any, reference: str) -> Iterable[Tool]:
    if isinstance(each, BoundTool):
        return [each.tool]
    if isinstance(each, Tool):
        return [each]
    if isinstance(each, Mapping) and isinstance(each.get("name", each.get("type")), str):
        return [tool_of(each, source=reference)]
    for describe in _adapters():
        described = describe(each)
        if described is not None:
            return described
    if callable(each) and not isinstance(each, type):
        return [from_function(each).tool]
    raise ConfigError(
        f"{reference!r} holds a {type(each).__name__}, which is no tool that can be read; give LangChain tools, "
        "OpenAI's tool dictionaries, or functions, and install the extra of the framework"
    )


def _adapters() -> Iterator[Callable[[Any], Iterable[Tool] | None]]:
    for name in _ADAPTERS:
        for found in entry_points(group="toolguard.tools", name=name):
            try:
                yield found.load()
            except ImportError:
                continue  # its extra is not installed, so no tool here is one of its own


def _is_tool(found: Any) -> bool:
    return isinstance(found, Tool | BoundTool) or (hasattr(found, "name") and hasattr(found, "description"))


def _parameters(function: Callable[..., Any]) -> bool:
    """Whether it must be given something, as a tool must and a function that makes tools need not."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
