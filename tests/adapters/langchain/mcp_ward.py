"""A small MCP server for the tests, over stdio: a look-up, a failure, a picture, a letter."""

from mcp.server import MCPServer
from mcp_types import CallToolResult, ImageContent, TextContent, ToolAnnotations

server = MCPServer("ward")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def plain_find(patient: str) -> CallToolResult:
    """Find a patient."""
    return CallToolResult(
        content=[TextContent(type="text", text=f"{patient} has 4711-0815")],
        structured_content={"patient": patient, "mrn": "4711-0815"},
    )


@server.tool()
def plain_fail(patient: str) -> CallToolResult:
    """Fail, as MCP says it."""
    return CallToolResult(is_error=True, content=[TextContent(type="text", text=f"no bed for {patient}")])


@server.tool()
def plain_scan(patient: str) -> CallToolResult:
    """Give a picture."""
    picture = ImageContent(type="image", data="aGVsbG8=", mime_type="image/png")
    return CallToolResult(content=[TextContent(type="text", text=patient), picture])


@server.tool()
def send_letter(to: str) -> str:
    """Send a letter."""
    return f"sent to {to}"


@server.tool()
def drop_all(x: int) -> str:
    """Drop."""
    raise AssertionError("ran")


if __name__ == "__main__":
    server.run()
