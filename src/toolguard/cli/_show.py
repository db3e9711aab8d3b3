"""How the tools for policies show what they found: text for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from toolguard.errors import ToolguardError

__all__ = ["AsJson", "console", "counted", "inert", "print_json", "unusable_input"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def console() -> Console:
    """Colours where the terminal takes them and NO_COLOR is not set; lines are never cut."""
    return Console(highlight=False, soft_wrap=True)


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
        typer.echo(f"toolguard: {error}", err=True)
        raise typer.Exit(3) from None
