"""A tool list is read as the guard will know it, wherever it stands."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolguard.bound import from_function
from toolguard.errors import ConfigError
from toolguard.toollist import from_file, from_mcp, from_module
from toolguard_langchain import guard_tools

HERE = Path(__file__).parent
SERVER = HERE / "mcp_records.py"


def names(found) -> list[str]:
    return [tool.name for tool in found]


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("LANGCHAIN", ["find_patient"]),
        ("find_patient", ["find_patient"]),
        ("FUNCTIONS", ["delete_record"]),
        ("PAIRS", ["SendEmail", "erase"]),
        ("OPENAI", ["export_all", "web_search"]),
        ("made", ["find_patient", "delete_record"]),
    ],
)
def test_tools_of_a_module(attribute, expected):
    assert names(from_module(f"offered:{attribute}", folder=HERE)) == expected


def test_what_is_read_is_what_the_guard_knows_at_run_time(guard_of):
    import offered

    guard = guard_of("find_patient", "delete_record")
    guard_tools(offered.LANGCHAIN, guard=guard)
    (read,) = from_module("offered:LANGCHAIN", folder=HERE)
    assert read.identity == guard.known("find_patient").identity
    (function,) = from_module("offered:FUNCTIONS", folder=HERE)
    assert function.identity == from_function(offered.delete_record).tool.identity


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("offered", "write module:attribute"),
        ("offered:nothing", "has no 'nothing'"),
        ("no_such_module:x", "cannot be imported"),
        ("offered:BROKEN", "holds a int"),
        ("offered:failing", "failed with RuntimeError"),
    ],
)
def test_what_is_no_tool_is_said_and_no_text_of_it_shown(reference, says):
    with pytest.raises(ConfigError, match=says) as told:
        from_module(reference, folder=HERE)
    assert "84021733" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "a", "input_schema": {"type": "object"}}, {"name": "b"}]',
        '{"tools": [{"name": "a", "inputSchema": {}}, {"name": "b", "annotations": {"readOnlyHint": true}}]}',
        '{"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "a"}, {"name": "b"}]}}',
        '{"name": "a"}\n\n{"type": "function", "name": "b", "parameters": {}}\n',
        '[{"type": "function", "function": {"name": "a"}}, {"type": "custom", "custom": {"name": "b"}}]',
        '[{"type": "mcp", "server_label": "a"}, {"type": "b"}]',
    ],
)
def test_files_of_every_shape(tmp_path, text):
    file = tmp_path / "tools.json"
    file.write_text(text)
    assert names(from_file(str(file))) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "entry 1 is no object"),
        ("7", "holds no list"),
        ('{"name": "a"}\nnot json', "line 2 is not JSON"),
        ('[{"description": "x"}]', "entry 1: a tool has no 'name'"),
        ('[{"name": "a", "input_schema": 3}]', "does not fit"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_bad_files_are_refused_by_entry(tmp_path, text, says):
    file = tmp_path / "tools.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        from_file(str(file))


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="check the path"):
        from_file(str(tmp_path / "none.json"))


def test_hints_of_the_wrong_type_are_no_hints(tmp_path):
    file = tmp_path / "tools.json"
    file.write_text(json.dumps([{"name": "a", "annotations": {"readOnlyHint": "yes", "destructiveHint": True}}]))
    (tool,) = from_file(str(file))
    assert (tool.annotations.read_only, tool.annotations.destructive) == (None, True)


@pytest.fixture
def http_server() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SERVER), "http", str(port)], stderr=subprocess.DEVNULL)
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.wait(60)


def test_an_mcp_server_is_asked_over_its_standard_streams():
    found = from_mcp(f"{sys.executable} {SERVER}")
    assert names(found) == ["get_note", "purge_notes"]
    assert {tool.identity.source for tool in found} == {"mcp:mcp_records.py"}
    assert all(tool.annotations.read_only and not tool.annotations.trusted for tool in found)


def test_and_over_http(http_server):
    found = from_mcp(http_server)
    assert names(found) == ["get_note", "purge_notes"]
    assert found[0].identity.source.startswith("mcp:127.0.0.1:")


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("", "no MCP server is named"),
        ("/no/such/program", "cannot be asked"),
        (f"{sys.executable} -c pass", "cannot be asked|did not list"),
        ("http://records.example/mcp", "https only"),
        ("http://127.0.0.1:9/mcp", "cannot be asked"),
    ],
)
def test_a_server_that_does_not_answer_is_said(server, says):
    with pytest.raises(ConfigError, match=says):
        from_mcp(server, timeout=10.0)
