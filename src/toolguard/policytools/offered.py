"""The tools a policy is tried on, read from where the agent has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from toolguard._core.call import Tool
from toolguard._core.policy import Policy, glob_matches
from toolguard.errors import ConfigError
from toolguard.policyfile.faults import did_you_mean
from toolguard.toollist import from_file, from_mcp, from_module

__all__ = ["UNKNOWN_SOURCE", "named_tool", "placed", "read_tools"]

UNKNOWN_SOURCE = "?"
"""Where tools come from whose list does not say it: a file of JSON tells what a model is offered, not whose code runs."""


def read_tools(lists: Iterable[str] = (), servers: Iterable[str] = ()) -> tuple[Tool, ...]:
    """The tools of files (JSON, JSON lines; ``-``: standard input), of ``module:attribute`` and of MCP servers.

    Raises:
        ConfigError: one cannot be read, or holds what is no tool.
        MissingExtraError: an MCP server is named, and the extra is not installed.
    """
    found: list[Tool] = []
    for where in lists:
        if where == "-" or Path(where).exists() or where.endswith((".json", ".jsonl")) or ":" not in where:
            found += from_file(where, source=UNKNOWN_SOURCE)
        else:
            found += from_module(where)
    for server in servers:
        found += from_mcp(server)
    return tuple(found)


def placed(tool: Tool, policy: Policy) -> Tool:
    """``tool``, coming from where the policy says where its list does not say where it comes from."""
    wanted = next((t.source for t in policy.tools if t.source is not None and glob_matches(t.pattern, tool.name)), None)
    if tool.identity.source != UNKNOWN_SOURCE or wanted is None:
        return tool
    source = wanted.replace("*", tool.name).replace("?", "x")
    return replace(tool, identity=replace(tool.identity, source=source))


def named_tool(name: str, tools: Iterable[Tool], policy: Policy) -> Tool:
    """The tool of that name, `placed`. Raises ConfigError where none, or more than one, has it."""
    listed = tuple(tools)
    found = [tool for tool in listed if tool.name == name]
    if len(found) > 1:
        raise ConfigError(f"{len(found)} of these tools are called {name!r}; give one list at a time")
    if not found:
        raise ConfigError(f"none of these tools is called {name!r}; {did_you_mean(name, [t.name for t in listed])}")
    return placed(found[0], policy)
