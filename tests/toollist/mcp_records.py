"""A small MCP server for the tests: one tool that declares what it is, and one that does not. ``http PORT``, or stdio."""

import sys

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("records")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def get_note(id: str) -> str:
    """Get a note."""
    return ""


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def purge_notes(patient: str) -> str:
    """Delete all notes of a patient."""
    return ""


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run()
