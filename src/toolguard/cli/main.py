"""The ``toolguard`` command. A sub-command's module is loaded when that sub-command is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version
from typing import Any

import typer

from toolguard.cli._group import Group, complete_pages, page_of
from toolguard.cli.completion import ASKED, answer
from toolguard.errors import MissingExtraError, ToolguardError

__all__ = ["build", "main", "whole"]

_OWN = {
    "approvals": "See what waits for a person, and decide it.",
    "init": "Begin: write a configuration, a policy for your tools, a directory and keys.",
    "doctor": "Say what is wrong with this installation, and how to mend it.",
    "completion": "Print completion for a shell: bash, zsh, fish.",
    "audit": "Verify and read the audit trail.",
    "freeze": "Stop an agent, a tenant or everyone, and let them go on.",
    "keys": "Make, show and rotate keys.",
    "mask": "Mask text, JSONL, CSV and Parquet files.",
    "people": "Who may decide, and their personal tokens.",
    "phi": "Report missed and wrong findings, and check them.",
    "policy": "Check and explain policies.",
    "report": "What the records show for the controls of a framework.",
    "risk": "How risky tools, statements and commands are, with no rule written.",
    "trace": "Draw what happened to a call, or write it for Jaeger.",
    "store": "The schema of the store, and the roles of one in PostgreSQL.",
}
_FIRST_PARTY = {
    "demo": ("all", "The main job, end to end, on this machine alone."),
    "serve": ("server", "Run the approval service."),
    "teams": ("teams", "Set Microsoft Teams up as a channel."),
}
"""Sub-commands that adapters bring: name → (extra, help). No other name is ever loaded from installed packages."""

_BELOW = """\b
Begin:
  toolguard init       a configuration, a policy for your tools, a directory and keys
  toolguard doctor     what is wrong, and how to mend it
  toolguard COMMAND --help

Every command ends in 0 when it is done, 1 when it found what it looks for or was refused, 2 for wrong usage or something
incomplete, 3 for input that cannot be used; each one's help has its own list. NO_COLOR is kept to.
"""


def build(arguments: Sequence[str]) -> typer.Typer:
    """The command, with the sub-command that ``arguments`` name loaded and the others as their help line."""
    app = typer.Typer(
        name="toolguard",
        help="The guard between a model and its tools.",
        epilog=_BELOW.replace("\\b", "\b"),
        cls=Group,
        add_completion=False,  # 'toolguard completion' prints it; nothing is installed unasked
        context_settings={"max_content_width": 100},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_root)
    wanted = next((a for a in arguments if not a.startswith("-")), "")
    for name, text in sorted({**_OWN, **{n: t for n, (_, t) in _FIRST_PARTY.items()}}.items()):
        if name == wanted:
            _add(app, name, text)
        else:
            app.command(name, help=text)(_not_loaded)
    return app


def whole() -> Any:
    """Every command loaded, as the library has it: for what is made of all of them."""
    app = build([])
    app.registered_commands.clear()
    for name, text in sorted({**_OWN, **{n: t for n, (_, t) in _FIRST_PARTY.items()}}.items()):
        _add(app, name, text)
    return typer.main.get_command(app)


def _add(app: typer.Typer, name: str, text: str) -> None:
    loaded = importlib.import_module(f"toolguard.cli.{name}").app if name in _OWN else _from_adapter(name)
    if isinstance(loaded, typer.Typer):
        complete_pages(loaded, name)
        app.add_typer(loaded, name=name, help=text)
    else:
        app.command(name, epilog=page_of(name, loaded))(loaded)


def _from_adapter(name: str) -> Any:
    extra = _FIRST_PARTY[name][0]
    try:
        (found,) = entry_points(group="toolguard.commands", name=name)
        return found.load()
    except (ImportError, ValueError):
        raise MissingExtraError(
            f"'toolguard {name}' needs the {extra!r} extra; install toolguard-middleware[{extra}]"
        ) from None


def _not_loaded() -> None:
    raise AssertionError("only the sub-command that was asked for is ever run")


def _root(show_version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if show_version:
        typer.echo(version("toolguard-middleware"))
        raise typer.Exit


def main() -> None:
    """Entry point. An error of ours is one line on standard error, without a traceback."""
    try:
        if ASKED in os.environ:
            for line in answer(os.environ):
                typer.echo(line)
        else:
            build(sys.argv[1:])()
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
