"""Approval requests of MCP servers at the provider: each is gated as a call of ``mcp.<server>.<tool>``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from toolguard import BoundTool, Effect, Guard, Tool
from toolguard_openai.texts import parse_arguments

__all__ = ["YES", "mcp_tool"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
YES = {"approve": True}


def mcp_tool(guard: Guard, item: Mapping[str, Any]) -> tuple[BoundTool, dict[str, Any]] | None:
    """The tool an approval request asks for, and its arguments; None where the policy knows nothing of it.

    The server gets what stands in the request, tokens as tokens: nothing at the provider can turn them back.

    Raises:
        ValueError: its arguments are no JSON object.
    """
    label, name = item.get("server_label"), item.get("name")
    if not all(isinstance(part, str) and _NAME.fullmatch(part) for part in (label, name)):
        return None
    tool = Tool.describe(
        f"mcp.{label}.{name}",
        source=f"openai-mcp:{label}",
        description="A tool of an MCP server, run at the provider.",
        schema={"type": "object"},
    )
    policy = guard.parts.policy
    if not policy.plan(tool).known and policy.defaults.unknown_tool is Effect.DENY:
        return None
    arguments = parse_arguments(str(item.get("arguments") or "{}"))
    if not isinstance(arguments, dict):
        raise ValueError("no object")
    return BoundTool(tool=tool, invoke=lambda _: YES), arguments
