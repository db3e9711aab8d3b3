"""The ``toolguard`` command. A sub-command's module is loaded when that sub-command is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version
from typing import Any

import typer

from toolguard.errors import MissingExtraError, ToolguardError

__all__ = ["build", "main"]

_OWN = {
    "approvals": "See what waits for a person, and decide it.",
    "init": "Begin: write a configuration, a policy for your tools, a directory and keys.",
    "doctor": "Say what is wrong with this installation, and how to mend it.",
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

_EXIT_CODES = "Exit codes: 0 done, 1 refused or tampered, 2 wrong usage or incomplete, 3 unusable input."


def build(arguments: Sequence[str]) -> typer.Typer:
    """The command, with the sub-command that ``arguments`` name loaded and the others as their help line."""
    app = typer.Typer(
        name="toolguard",
        help="The guard between a model and its tools.",
        epilog=_EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_root)
    wanted = next((a for a in arguments if not a.startswith("-")), "")
    everything = any(name.endswith("_COMPLETE") for name in os.environ)
    for name, text in sorted({**_OWN, **{n: t for n, (_, t) in _FIRST_PARTY.items()}}.items()):
        if name == wanted or (everything and name in _OWN):
            _add(app, name, text)
        else:
            app.command(name, help=text)(_not_loaded)
    return app


def _add(app: typer.Typer, name: str, text: str) -> None:
    loaded = importlib.import_module(f"toolguard.cli.{name}").app if name in _OWN else _from_adapter(name)
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=name, help=text)
    else:
        app.command(name)(loaded)


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
        build(sys.argv[1:])()
    except ToolguardError as error:
        typer.echo(f"toolguard: {error}", err=True)
        sys.exit(3)
