"""The ``toolguard`` command. Sub-commands live in their own modules and load when they are asked for."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points, version

import click
import typer
from typer.core import TyperGroup

from toolguard.errors import MissingExtraError, ToolguardError

__all__ = ["main"]

_OWN = {
    "approvals": ("toolguard.cli.approvals", "See what waits for a person, and decide it."),
    "audit": ("toolguard.cli.audit", "Verify and read the audit trail."),
    "keys": ("toolguard.cli.keys", "Make, show and rotate keys."),
    "people": ("toolguard.cli.people", "Who may decide, and their personal tokens."),
    "policy": ("toolguard.cli.policy", "Check and explain policies."),
}
_FIRST_PARTY = {
    "demo": ("all", "The main job, end to end, on this machine alone."),
    "serve": ("server", "Run the approval service."),
}
_EXIT_CODES = """Exit codes: 0 done, 1 refused or tampered, 2 wrong usage or incomplete, 3 unusable input. A
sub-command's own help says more."""


class _Commands(TyperGroup):
    """Sub-commands by name. Only first-party names are ever loaded from installed packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*_OWN, *_FIRST_PARTY])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OWN:
            module = importlib.import_module(_OWN[cmd_name][0])
            module.app._add_completion = False  # the root command offers it
            command = typer.main.get_command(module.app)
        elif cmd_name in _FIRST_PARTY:
            command = typer.main.get_command(_load(cmd_name))
        else:
            return None
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        texts = {name: text for name, (_, text) in (_OWN | _FIRST_PARTY).items()}
        with formatter.section("Commands"):
            formatter.write_dl([(name, texts[name]) for name in self.list_commands(ctx)])


def _load(name: str) -> typer.Typer:
    extra = _FIRST_PARTY[name][0]
    found: list[EntryPoint] = list(entry_points(group="toolguard.commands", name=name))
    try:
        if not found:
            raise ImportError(name)
        loaded = found[0].load()
    except ImportError:
        raise MissingExtraError(
            f"'toolguard {name}' needs the {extra!r} extra; install toolguard-middleware[{extra}]"
        ) from None
    if isinstance(loaded, typer.Typer):
        return loaded
    app = typer.Typer(add_completion=False)
    app.command(name)(loaded)
    return app


app = typer.Typer(
    cls=_Commands,
    name="toolguard",
    help="The guard between a model and its tools.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(show_version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if show_version:
        typer.echo(version("toolguard-middleware"))
        raise typer.Exit


def main() -> None:
    """Entry point. An error of ours is one line on standard error, without a traceback."""
    try:
        app()
    except ToolguardError as error:
        typer.echo(f"toolguard: {error}", err=True)
        sys.exit(3)
