"""``toolguard doctor``: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolguard.cli._show import McpOption, ToolsOption, counted, inert, print_json, screen
from toolguard.health import Finding, Level, examine
from toolguard.policytools.offered import read_tools

__all__ = ["app"]

_MARK = {Level.OK: ("✓", "ok", "green"), Level.WARNING: ("!", "!!", "yellow"), Level.FAULT: ("✗", "XX", "bold red")}

_NARROW = 60
"""Columns under which an area stands above what is said of it, not beside it."""
_PROGRAMS = frozenset({"chmod", "curl", "docker", "mkdir", "pip", "timedatectl", "toolguard"})
"""What a line that mends begins with where it is a command."""


def app(
    config: Annotated[Path, typer.Option("--config", envvar="TOOLGUARD_CONFIG", help="The configuration file.")] = Path(
        "toolguard.toml"
    ),
    tools: ToolsOption = None,
    mcp: McpOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no address: files, keys and the store alone.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only what is wrong.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Look at everything this installation needs, say what is wrong and how to mend it. Nothing is written.

    It reads toolguard.toml and looks at the policy, keys, store, directory, tokens, approval service, separation of duties,
    identity providers, channels, spans, audit, clocks and installed extras. A warning works, but should be known; a fault
    does not work, or protects nobody. No secret is ever shown.

    Run it as the user the guard runs as, and once more as the one of the service: each can reach other files.

    \b
    Examples:
      toolguard doctor
      toolguard doctor --tools my_agent.tools:TOOLS
      toolguard doctor --json | jq -r '.findings[] | select(.level == "fault").mend'

    Exit codes: 0 no fault, 1 a fault (with --strict: or a warning), 2 wrong usage, 3 the tools cannot be read.

    See also: toolguard init, toolguard policy lint, toolguard store status, toolguard audit verify
    """
    known = read_tools(tools or (), mcp or ())
    waiting = Console(stderr=True)
    if as_json or not waiting.is_terminal:
        found = examine(config, tools=known, online=not offline)
    else:
        with waiting.status("") as status:
            found = examine(
                config, tools=known, online=not offline, progress=lambda area: status.update(f"looking at {area} …")
            )
    if as_json:
        print_json({"config": str(config), "findings": [_data(f) for f in found], "counts": _counts(found)})
    else:
        _show(found, quiet=quiet)
    least = Level.WARNING if strict else Level.FAULT
    if any(f.level >= least for f in found):
        raise typer.Exit(1)


def _data(finding: Finding) -> dict[str, str]:
    return {
        "area": finding.area,
        "code": finding.code,
        "level": finding.level.label,
        "message": finding.said,
        "mend": finding.mend,
    }


def _counts(found: tuple[Finding, ...]) -> dict[str, int]:
    return {level.label: sum(f.level is level for f in found) for level in Level}


def _show(found: tuple[Finding, ...], *, quiet: bool) -> None:
    out = screen()
    plain = not (out.encoding or "").lower().startswith("utf")
    wide = max(len(f.area) for f in found)
    narrow = out.width < _NARROW
    before = ""
    for finding in found:
        if quiet and finding.level is Level.OK:
            continue
        mark, word, style = _MARK[finding.level]
        area = "" if finding.area == before else finding.area
        row = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        row.add_column(no_wrap=True)
        if not narrow:
            row.add_column(no_wrap=True, min_width=wide)
        elif area:
            out.print(Text(area, style="bold"))
        row.add_column(overflow="fold")
        cells = [Text(word if plain else mark, style=style), Text(area, style="bold"), inert(finding.said)]
        row.add_row(*(cells[::2] if narrow else cells))
        out.print(row)
        if finding.mend:
            _print_mend(out, finding.mend, "->" if plain else "→", 3 if narrow else 5 + wide)
        before = finding.area
    counts = _counts(found)
    out.print(
        Text.assemble(
            "\n",
            (counted(counts["fault"], "fault"), "bold red" if counts["fault"] else ""),
            ", ",
            (counted(counts["warning"], "warning"), "yellow" if counts["warning"] else ""),
            f", {counts['ok']} in order",
        )
    )


def _print_mend(out: Console, mend: str, arrow: str, indent: int) -> None:
    """How to mend it, below what is wrong: words are folded there, a command that is too long is left to the terminal to wrap,
    so that it can be copied as one line.
    """
    said = Text(str(inert(mend)), style="cyan")
    if said.cell_len + indent + 3 <= out.width or mend.split(" ", 1)[0] not in _PROGRAMS:
        line = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        line.add_column(no_wrap=True, min_width=indent + 1, justify="right")
        line.add_column(overflow="fold")
        line.add_row(Text(arrow, style="dim"), said)
        out.print(line)
    else:
        out.print(Text.assemble((f"{' ' * min(indent, 4)}{arrow} ", "dim"), said), soft_wrap=True)
