"""Tool lists: what an application offers its model, read from wherever it stands, as the guard will know it."""

from toolguard.toollist.mcp_server import from_mcp
from toolguard.toollist.objects import from_module
from toolguard.toollist.records import from_file, tool_of

__all__ = ["from_file", "from_mcp", "from_module", "tool_of"]
