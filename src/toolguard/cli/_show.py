"""How the tools for policies show what they found: text for people, JSON for programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolguard.config import load_config, segments_of
from toolguard.errors import ToolguardError
from toolguard.journal import joined
from toolguard.ports import Store
from toolguard.stores import open_store

__all__ = [
    "AsJson",
    "ConfigOption",
    "McpOption",
    "SegmentsOption",
    "Since",
    "StoreOption",
    "ToolsOption",
    "console",
    "counted",
    "inert",
    "opened_store",
    "print_json",
    "print_table",
    "screen",
    "transitions",
    "unusable_input",
]

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Store URL, e.g. sqlite:///toolguard.db; else the one of --config.")
]
ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file that names the store.")]
SegmentsOption = Annotated[
    Path | None,
    typer.Option(
        "--segments", help="The folder with the segments of records that were taken out of the store; else of --config."
    ),
]
ToolsOption = Annotated[
    list[str] | None,
    typer.Option("--tools", help="The real tools: a file (JSON, JSON lines) or module:attribute; may be repeated."),
]
McpOption = Annotated[
    list[str] | None,
    typer.Option("--mcp", help="An MCP server: its URL, or the command line that starts it; may be repeated."),
]
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([mhdw])", text)
    if found is None:
        raise typer.BadParameter("is no span of time; write a number and m, h, d or w, such as 7d")
    return int(found[1]) * _UNITS[found[2]]


Since = Annotated[
    float, typer.Option("--since", parser=_seconds, metavar="SPAN", help="How far back, such as 7d or 12h.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def console() -> Console:
    """For lines: colours where the terminal takes them and NO_COLOR is not set; nothing is ever cut."""
    made = Console(highlight=False, soft_wrap=True)
    return made if made.is_terminal else Console(highlight=False, soft_wrap=True, width=_UNCUT)


def screen(*, stderr: bool = False) -> Console:
    """For tables: as wide as the terminal; where nobody looks at one (a pipe, a file) nothing is cut or folded."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=_UNCUT)


_UNCUT = 100_000
_NARROW = 72
"""Columns under which a table that does not fit is no table any more."""


def print_table(table: Table, *, stderr: bool = False) -> None:
    """A table; in a terminal that is too narrow for it, each row as a list."""
    out = screen(stderr=stderr)
    if out.width >= min(_NARROW, out.measure(table, options=out.options.update(width=_UNCUT)).maximum):
        out.print(table)
        return
    for number, cells in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        lines = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        lines.add_column(style="dim", no_wrap=True)
        lines.add_column(overflow="fold")
        for column, cell in zip(table.columns, cells, strict=True):
            lines.add_row(column.header, cell)
        out.print(*([""] if number else []), lines, sep="\n")


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=True))


def counted(number: int, one: str, many: str = "") -> str:
    """``1 case``, ``2 cases``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def inert(text: str) -> Text:
    """Text out of a file, with nothing in it that could steer a terminal."""
    return Text("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text))


@contextmanager
def unusable_input() -> Iterator[None]:
    """Whatever is wrong with what was given ends in one line and exit code 3."""
    try:
        yield
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None


@contextmanager
def opened_store(url: str | None, config: Path, segments: Path | None = None) -> Iterator[Store]:
    """The store with its segments, for looking only."""
    settings = load_config(config) if url is None else None
    store = open_store(settings.store_url if settings is not None else url or "", read_only=True)
    try:
        yield joined(store, segments if segments is not None else segments_of(settings))
    finally:
        store.close()


_SEVERITY = ("allow", "mask", "require_approval", "deny")


def transitions(changes: Counter[tuple[str, str]]) -> Iterator[Text]:
    """``allow → deny: 3 calls``, the most frequent first; what gets through more easily than before in red."""
    for (before, after), count in changes.most_common():
        looser = _SEVERITY.index(after) < _SEVERITY.index(before)
        yield Text.assemble((f"{before} → {after}", "bold red" if looser else "yellow"), f": {counted(count, 'call')}")
