"""``toolguard risk``: how risky tools, SQL statements and shell commands are, with no rule written.

Reads JSON lines from a file, or from standard input with -. Each answer is the line with "class", "level" and
"evidence" added.

Exit codes: 0 done · 2 wrong usage · 3 the file cannot be read, or a line does not fit.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from toolguard._core.call import Annotations, Tool
from toolguard._core.risk import Risk
from toolguard.analysis import classify_iam, classify_shell, classify_sql, classify_tool
from toolguard.cli._show import screen

__all__ = ["app"]

app = typer.Typer(name="risk", help=__doc__, no_args_is_help=True)
FileArgument = Annotated[str, typer.Argument(help="JSON lines; - for standard input.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]
_CLOUD_ACTION = re.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]*")
_COLOURS = {"low": "green", "medium": "yellow", "high": "red", "critical": "bold red"}
_HINTS = {
    "readOnlyHint": "read_only",
    "destructiveHint": "destructive",
    "idempotentHint": "idempotent",
    "openWorldHint": "open_world",
}


@app.command("tools")
def tools(file: FileArgument, as_json: JsonOption = False) -> None:
    """Tools: lines {name, description, input_schema?, annotations?}; a cloud action (s3:DeleteBucket) is one too."""
    _judge(file, "name", _tool, as_json)


@app.command("sql")
def sql(file: FileArgument, as_json: JsonOption = False) -> None:
    """SQL statements: lines {sql}."""
    _judge(file, "sql", lambda line: classify_sql(_text(line, "sql")), as_json)


@app.command("shell")
def shell(file: FileArgument, as_json: JsonOption = False) -> None:
    """Shell commands: lines {command}."""
    _judge(file, "command", lambda line: classify_shell(_text(line, "command")), as_json)


class _UnfitError(ValueError):
    """A line that does not fit; its text says which field."""


def _tool(line: Mapping[str, Any]) -> Risk:
    name, description = _text(line, "name"), str(line.get("description") or "")
    if _CLOUD_ACTION.fullmatch(name):
        return classify_iam(name, description)
    schema = line.get("input_schema", line.get("inputSchema", line.get("parameters"))) or {}
    hints = line.get("annotations") or {}
    if not isinstance(schema, Mapping) or not isinstance(hints, Mapping):
        raise _UnfitError("'input_schema' and 'annotations' have to be objects")
    said = {_HINTS.get(k, k): v for k, v in hints.items() if isinstance(v, bool)}
    annotations = Annotations(
        **{k: said[k] for k in ("read_only", "destructive", "idempotent", "open_world") if k in said}
    )
    return classify_tool(
        Tool.describe(name, source="file", description=description, schema=schema, annotations=annotations)
    )


def _text(line: Mapping[str, Any], name: str) -> str:
    value = line.get(name)
    if not isinstance(value, str):
        raise _UnfitError(f"it needs {name!r}, as text")
    return value


def _judge(file: str, name: str, judge: Callable[[Mapping[str, Any]], Risk], as_json: bool) -> None:
    table = Table(name, "level", "class", "because", header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    levels: Counter[str] = Counter()
    for number, line in _lines(file):
        try:
            risk = judge(line)
        except _UnfitError as fault:
            _fail(f"line {number}: {fault}; nothing after it was judged")
        evidence = [e.text for e in risk.evidence]
        if as_json:
            answer = {**line, "class": risk.risk_class.value, "level": risk.level.label, "evidence": evidence}
            typer.echo(json.dumps(answer, ensure_ascii=False))
            continue
        levels[risk.level.label] += 1
        level = f"[{_COLOURS[risk.level.label]}]{risk.level.label}[/]"
        table.add_row(
            escape(str(line[name])[:200]),
            level,
            risk.risk_class.value.replace("_", " "),
            escape("; ".join(evidence[:3])),
        )
    if not as_json:
        screen().print(table)
        typer.echo(", ".join(f"{levels[level]} {level}" for level in _COLOURS if levels[level]) or "no lines")


def _lines(file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        raw = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        _fail(f"{file!r} cannot be read ({type(error).__name__}); check the path")
    with raw:
        for number, text in enumerate(raw, start=1):
            if not text.strip():
                continue
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                line = None
            if not isinstance(line, dict):
                _fail(f"line {number} is no JSON object; nothing after it was judged")
            yield number, line


def _fail(message: str) -> NoReturn:
    typer.echo(f"toolguard: error: {message}", err=True)
    raise typer.Exit(3)
