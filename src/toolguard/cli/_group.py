"""Groups of commands: help like a manual page, and errors that all begin alike."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from toolguard.cli._manual import GROUPS, epilog

__all__ = ["Group", "complete_pages", "first_sentence", "page_of"]


class Group(TyperGroup):
    """Lists its commands with their whole first sentence; the root one by what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands, nothing of them cut off."""
        rows = {name: first_sentence(command) for name, command in self.commands.items() if not command.hidden}
        grouped: Mapping[str, Sequence[str]] = GROUPS if ctx.parent is None else {"Commands": tuple(rows)}
        for title, names in grouped.items():
            with formatter.section(title):
                formatter.write_dl([(name, rows[name]) for name in names if name in rows])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Like the library's; a wrong usage is one line with our prefix, and where to get help."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.Abort:
            if not standalone_mode:
                raise
            newline = "\n" if sys.stderr.isatty() else ""  # what was asked stands on this line
            typer.echo(f"{newline}toolguard: error: stopped; nothing more was done", err=True)
            sys.exit(1)
        except Exception as fault:
            if not standalone_mode or not hasattr(fault, "format_message") or not hasattr(fault, "exit_code"):
                raise
            _wrong_usage(fault)
            sys.exit(fault.exit_code)
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _wrong_usage(fault: Any) -> None:
    said, context = str(fault.format_message()), getattr(fault, "ctx", None)
    if type(fault).__name__ == "NoArgsIsHelpError":  # nothing was asked for: the help is the answer
        typer.echo(said, err=True)
        return
    said = said.removeprefix("Invalid value: ").rstrip(".")
    typer.echo(f"toolguard: error: {said[:1].lower()}{said[1:]}", err=True)
    if context is not None:
        typer.echo(f"See '{context.command_path} --help'.", err=True)


def first_sentence(command: Any) -> str:
    """The first sentence of a command's help."""
    text = " ".join(inspect.cleandoc(command.short_help or command.help or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".") + "." if text else ""


def complete_pages(app: typer.Typer, path: str) -> None:
    """Give every command of a sub-app its examples, exit codes and related commands."""
    app.info.cls = Group
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__.replace("_", "-") if command.callback is not None else "")
        command.epilog = command.epilog or page_of(f"{path} {name}", command.callback, command.help)
    for inner in app.registered_groups:
        if inner.typer_instance is not None:
            inner.cls = Group
            named = inner.name if isinstance(inner.name, str) else inner.typer_instance.info.name
            complete_pages(inner.typer_instance, f"{path} {named}")


def page_of(path: str, callback: Any, text: str | None = None) -> str:
    """The lower half of one command's manual page."""
    return epilog(path, text or inspect.getdoc(callback) or "")
