"""``toolguard policy scan``: an inventory of a live tool list, and a policy to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from toolguard._core.policy import Policy
from toolguard.cli._show import McpOption, inert, print_json, screen
from toolguard.config import ANALYSES
from toolguard.errors import ConfigError
from toolguard.policyfile import load_policy
from toolguard.policytools.offered import read_tools
from toolguard.policytools.scan import Entry, inventory, starter

__all__ = ["scan"]

_STYLES = {"low": "green", "medium": "yellow", "high": "red", "critical": "bold red"}
_BAR = {"low": "▂", "medium": "▂▄", "high": "▂▄▆", "critical": "▂▄▆█"}


def scan(
    tools: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files of tools (JSON or JSON lines; -: standard input), or module:attribute.", show_default=False
        ),
    ] = None,
    mcp: McpOption = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Say also what this policy's defaults do to each tool.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write a policy to start from to this new file.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The name of that policy.")] = "my-agent",
    pin: Annotated[
        bool, typer.Option("--pin", help="Bind each tool in it to its present schema and description.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="Exit with 1 where there is a: disagreement, unnamed (needs --policy).")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what the tools of an agent can do, with no rule written: class, level and why; where they contradict themselves.

    Exit codes: 0 done, 1 something that --fail-on names, 2 wrong usage, 3 the tools or the policy cannot be read.
    """
    if not tools and not mcp:
        raise typer.BadParameter("name a file, module:attribute, or an MCP server with --mcp")
    if fail_on not in ("", "disagreement", "unnamed"):
        raise typer.BadParameter("--fail-on takes 'disagreement' or 'unnamed'")
    if fail_on == "unnamed" and policy is None:
        raise typer.BadParameter("--fail-on unnamed needs --policy")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise typer.BadParameter("--name takes letters, digits, '.', '_' and '-'")
    loaded: Policy | None = None if policy is None else load_policy(policy, functions=ANALYSES)
    found = read_tools(tools or (), mcp or ())
    if not found:
        raise ConfigError("there is no tool in it; check what was named")
    entries = inventory(found, loaded)
    if as_json:
        print_json([_data(entry) for entry in entries])
    else:
        _show(entries)
    if write is not None:
        _write(write, starter(entries, name=name, pin=pin))
    disagree = any(_contradicts(entry) for entry in entries)
    if (fail_on == "disagreement" and disagree) or (fail_on == "unnamed" and not all(e.named for e in entries)):
        raise typer.Exit(1)


def _contradicts(entry: Entry) -> bool:
    return any(said.startswith("it declares itself") or "destroys nothing" in said for said in entry.disagreements)


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise ConfigError(f"{str(file)!r} is there already and was left as it is; give another name") from None
    except OSError as fault:
        raise ConfigError(f"cannot write {str(file)!r} ({type(fault).__name__}); choose another place") from None
    typer.echo(f"wrote {file}: read it, then 'toolguard policy check {file}'", err=True)


def _data(entry: Entry) -> dict[str, object]:
    return {
        "name": entry.tool.name,
        "source": entry.tool.identity.source,
        "digest": entry.tool.identity.digest,
        "class": entry.risk.risk_class.value,
        "level": entry.risk.level.label,
        "evidence": [{"source": e.source, "text": e.text} for e in entry.risk.evidence],
        "per_call": list(entry.per_call),
        "decisive": list(entry.decisive),
        "disagreements": list(entry.disagreements),
        "named": entry.named,
        "default_effect": None if entry.effect is None else entry.effect.label,
    }


def _show(entries: tuple[Entry, ...]) -> None:
    console = screen()
    judged = any(entry.named is not None for entry in entries)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("tool", overflow="fold")
    table.add_column("risk", no_wrap=True)
    table.add_column("class", no_wrap=True)
    if judged:
        table.add_column("by default", no_wrap=True)
    table.add_column("because", overflow="fold", ratio=1)
    for entry in entries:
        level = entry.risk.level.label
        why = list(dict.fromkeys(e.text for e in entry.risk.evidence if e.level is entry.risk.level))[:2]
        because = inert("; ".join(why))
        if entry.per_call:
            because.append(f"\njudged anew for each call: it takes {', '.join(entry.per_call)}", style="dim")
        for said in entry.disagreements:
            because.append(f"\n! {inert(said)}", style="yellow")
        cells = [
            Text(str(inert(entry.tool.name)), style="bold"),
            Text(f"{_BAR[level]:<4} {level}", style=_STYLES[level]),
            Text(entry.risk.risk_class.value.replace("_", " ")),
        ]
        if judged:
            effect = "" if entry.effect is None else entry.effect.label.replace("_", " ")
            cells.append(Text(effect if entry.named else f"{effect} (not named)"))
        table.add_row(*cells, because)
    console.print(table)
    levels = [entry.risk.level.label for entry in entries]
    counted = ", ".join(f"{levels.count(level)} {level}" for level in reversed(_STYLES) if level in levels)
    disagreeing = sum(map(_contradicts, entries))
    tail = f"; {disagreeing} contradict what they declare" if disagreeing else ""
    console.print(f"\n{len(entries)} tools: {counted}{tail}", style="bold")
