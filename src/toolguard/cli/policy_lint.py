"""``toolguard policy lint``: what is wrong with policies that load."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from toolguard.cli._show import McpOption, ToolsOption, console, counted, inert, print_json, unusable_input
from toolguard.directory import FileDirectory
from toolguard.policytools.lint import lint
from toolguard.policytools.offered import read_tools
from toolguard.policytools.remark import Remark, Severity
from toolguard.policytools.sarif import github, sarif

__all__ = ["run_lint"]

_STYLES = {Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class Least(StrEnum):
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


def run_lint(
    files: Annotated[list[str], typer.Argument(help="Policy files, or pack:NAME.", show_default=False)],
    tools: ToolsOption = None,
    mcp: McpOption = None,
    directory: Annotated[Path | None, typer.Option("--directory", help="Who is who (directory.yaml).")] = None,
    format: Annotated[Format, typer.Option("--format", help="How remarks are printed.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    fail_on: Annotated[Least, typer.Option("--fail-on", help="The least severity that fails.")] = Least.WARNING,
) -> None:
    """Find what is wrong with policies: rules that never match or change nothing, names and arguments that do not exist.

    '# toolguard: ignore TG301' silences a remark on its line, on the line below, or of the rule that begins there.

    Exit codes: 0 nothing at --fail-on or above, 1 something, 2 wrong usage, 3 a file is unusable.
    """
    with unusable_input():
        known = read_tools(tools or (), mcp or ())
        people = None if directory is None else FileDirectory(directory)
        found = [f for file in files for f in lint(file, tools=known, directory=people)]
    match Format.JSON if as_json else format:
        case Format.TEXT:
            _print(found, files)
        case Format.JSON:
            print_json([_data(f) for f in found])
        case Format.SARIF:
            print_json(sarif(found))
        case Format.GITHUB:
            typer.echo(github(found), nl=bool(found))
    if any(f.severity >= Severity[fail_on.name] for f in found):
        raise typer.Exit(1)


def _data(remark: Remark) -> dict[str, str | int]:
    return {
        "file": remark.file,
        "line": remark.line,
        "column": remark.column,
        "path": remark.path,
        "code": remark.code,
        "severity": remark.severity.label,
        "message": remark.message,
        "advice": remark.advice,
    }


def _print(remarks: list[Remark], files: list[str]) -> None:
    out = console()
    for f in remarks:
        out.print(
            Text.assemble(
                f"{f.file}:{f.line}:{f.column}: ",
                (f"{f.severity.label} {f.code}", _STYLES[f.severity]),
                ": ",
                inert(f.message),
            )
        )
        out.print(Text(f"    {f.advice}", style="dim"))
    counts = [counted(sum(f.severity is s for f in remarks), s.label) for s in reversed(Severity)]
    said = ", ".join(c for c in counts if not c.startswith("0 ")) or "nothing found"
    out.print(f"{counted(len(files), 'policy', 'policies')}: {said}")
