"""Tools an MCP server lists, asked over standard input and output or over streamable HTTP."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolguard._core.call import Tool
from toolguard.errors import ConfigError, MissingExtraError, ToolguardError
from toolguard.toollist.records import tool_of

__all__ = ["from_mcp"]

_PAGES = 100
_RUNNERS = frozenset({"python", "node", "npx", "uv", "uvx", "deno", "bun", "bunx", "docker"})
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def from_mcp(server: str, *, timeout: float = 30.0) -> tuple[Tool, ...]:
    """The tools ``server`` lists: a URL (``https://…``, or ``http://`` on this machine), or a command line.

    The server is started or asked, listed, and let go. Its annotations are hints: they may raise a risk only.

    Raises:
        MissingExtraError: the ``mcp`` extra is not installed.
        ConfigError: it cannot be started or reached, does not answer within ``timeout`` seconds, or lists what is no
            tool.
    """
    try:
        import mcp  # noqa: F401 - says early, and in one place, that the extra is missing
    except ImportError:
        raise MissingExtraError(
            "asking an MCP server needs the 'mcp' extra; install toolguard-middleware[mcp]"
        ) from None
    is_url = server.startswith(("http://", "https://"))
    if is_url and server.startswith("http://") and urlsplit(server).hostname not in _LOOPBACK:
        raise ConfigError("an MCP server beyond this machine is asked over https only; give its https URL")
    command = [] if is_url else shlex.split(server)
    if not is_url and not command:
        raise ConfigError("no MCP server is named; give its URL, or the command that starts it")
    name = f"mcp:{urlsplit(server).netloc if is_url else _program(command)}"
    try:
        listed = asyncio.run(asyncio.wait_for(_listed(server, command), timeout))
    except ToolguardError:
        raise
    except TimeoutError:
        raise ConfigError(
            f"the MCP server did not list its tools within {timeout:g} s; start it by hand and look"
        ) from None
    except BaseExceptionGroup as fault:
        raise ConfigError(f"the MCP server cannot be asked ({_kinds(fault)}); start it by hand and look") from None
    except Exception as fault:  # noqa: BLE001 - a server and its transport may fail in any way
        raise ConfigError(
            f"the MCP server cannot be asked ({type(fault).__name__}); start it by hand and look"
        ) from None
    return tuple(tool_of(each, source=name) for each in listed)


def _program(command: Sequence[str]) -> str:
    """What a command line runs: ``python -m records`` and ``npx -y records`` run records."""
    if Path(command[0]).name.rstrip("0123456789.") not in _RUNNERS:
        return Path(command[0]).name
    return next((Path(word).name for word in command[1:] if not word.startswith("-")), Path(command[0]).name)


async def _listed(server: str, command: Sequence[str]) -> list[dict[str, Any]]:
    from mcp import Client, StdioServerParameters

    target: Any = StdioServerParameters(command=command[0], args=list(command[1:])) if command else server
    found: list[dict[str, Any]] = []
    async with Client(target) as client:
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                return found
    raise ConfigError(f"the MCP server lists its tools on more than {_PAGES} pages; nothing of it was read")


def _kinds(group: BaseExceptionGroup[BaseException]) -> str:
    """The classes of the faults inside: their messages may hold anything."""
    found: dict[str, None] = {}
    for each in group.exceptions:
        found[_kinds(each) if isinstance(each, BaseExceptionGroup) else type(each).__name__] = None
    return ", ".join(found)
