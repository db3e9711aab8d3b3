"""What the demonstration prints: who saw what, side by side, and the list of promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

__all__ = ["Promises", "Screen"]

_TOKEN = re.compile(r"<[A-Z][A-Z_]*_M?\d+[a-z]*>")
_LONG = 420


@dataclass
class Promises:
    """What has to hold, and whether it did. The demonstration's exit code."""

    kept: list[tuple[str, bool]] = field(default_factory=list)

    def note(self, text: str, held: bool) -> bool:
        self.kept.append((text, held))
        return held

    @property
    def all_held(self) -> bool:
        return bool(self.kept) and all(held for _, held in self.kept)


class Screen:
    """The console, with the demonstration's few shapes. ``quiet``: no story, only what a script reads."""

    def __init__(self, console: Console, promises: Promises) -> None:
        self.console = console
        self.promises = promises

    def title(self, text: str, under: str) -> None:
        self.console.print()
        self.console.print(
            Panel(Text(under, style="dim"), title=f"[bold]{escape(text)}[/]", title_align="left", border_style="cyan")
        )

    def scene(self, number: int, text: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{number} · {escape(text)}[/]", align="left", style="cyan")

    def views(self, rows: Iterable[tuple[str, str]], clear: Iterable[str] = ()) -> None:
        """Who saw what. Tokens stand out; ``clear`` are identifiers, marked wherever they stand in clear."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 1), pad_edge=False)
        table.add_column(style="bold", no_wrap=True, min_width=21)
        table.add_column(overflow="fold")
        for who, what in rows:
            table.add_row(who, self._marked(what, clear))
        self.console.print(table)

    def _marked(self, what: str, clear: Iterable[str]) -> Text:
        text = Text(what if len(what) <= _LONG else what[:_LONG] + " …")
        text.highlight_regex(_TOKEN, "bold green")
        for value in clear:
            text.highlight_words([value], "bold red")
        return text

    def promise(self, text: str, held: bool) -> None:
        """One promise, and whether it held just now."""
        self.promises.note(text, held)
        mark, style = ("✓", "green") if held else ("✗ NOT KEPT", "bold red")
        self.console.print(f"  [{style}]{mark}[/] {escape(text)}")

    def note(self, text: str) -> None:
        self.console.print(f"  [dim]{escape(text)}[/]")

    def request(self, approval: dict[str, Any]) -> None:
        """What an approver is shown."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        who = approval["requester"]
        table.add_row("who", f"{escape(who['name'])}, through agent {escape(who['agent'])} ({who['assurance']})")
        table.add_row(
            "what",
            f"[bold]{escape(approval['tool'])}[/] {escape(json.dumps(approval['arguments'], ensure_ascii=False))}",
        )
        for name, value in approval["decisive"].items():
            table.add_row(f"  {escape(name)}", f"[bold]{escape(value)}[/]")
        table.add_row("risk", f"{approval['risk']['level']} · {approval['risk']['risk_class']}")
        table.add_row("why you", escape(approval["policy"]["because"]))
        table.add_row("until", escape(approval["expires"]))
        table.add_row("digest", escape(approval["call_digest"][:24]) + "…")
        self.console.print(Panel(table, title="[bold]waits for a person[/]", title_align="left", border_style="yellow"))

    def how_to_decide(self, lines: Iterable[tuple[str, str]]) -> None:
        """The commands and the link, printed so that they can be copied whole."""
        for what, line in lines:
            self.console.print(f"  [dim]{escape(what)}[/]")
            self.console.print(Text(f"    {line}", style="bold"), soft_wrap=True)

    def summary(self, seconds: float) -> None:
        table = Table(box=SIMPLE_HEAD, title="What was promised", title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("promise")
        for text, held in self.promises.kept:
            table.add_row("[green]✓[/]" if held else "[bold red]✗[/]", escape(text))
        kept = sum(held for _, held in self.promises.kept)
        total = len(self.promises.kept)
        style = "green" if self.promises.all_held else "bold red"
        told = Text(f"{kept} of {total} promises held, in {seconds:.1f} s", style=style)
        self.console.print(Group(table, told))
