"""``toolguard people factor`` and ``coverage``: second factors, and whether somebody can always decide."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.table import Table

from toolguard.cli._show import print_table
from toolguard.config import Config, load_config
from toolguard.directory import FileDirectory, SecondFactors, coverage
from toolguard.errors import ConfigError, ToolguardError

__all__ = ["factor_app", "show_coverage"]

ConfigOption = Annotated[Path, typer.Option("--config", envvar="TOOLGUARD_CONFIG", help="The configuration file.")]
CONFIG = Path("toolguard.toml")
factor_app = typer.Typer(no_args_is_help=True)


@factor_app.command("enrol")
def enrol(person: Annotated[str, typer.Argument(help="A person's id.")], config: ConfigOption = CONFIG) -> None:
    """Make a second factor for a person and print it, once, for their authenticator app. An earlier one ends."""
    try:
        settings, directory = _read(config)
        if directory.find(person) is None:
            raise ConfigError(f"no person has the id {person!r}; 'toolguard people list' shows who there is")
        address = _factors(settings).enrol(person)
    except ToolguardError as error:
        _fail(error)
    typer.echo(f"a second factor for {person!r}; it is shown this once: add it to an authenticator app", err=True)
    typer.echo(address)


@factor_app.command("remove")
def remove(person: Annotated[str, typer.Argument(help="A person's id.")], config: ConfigOption = CONFIG) -> None:
    """Take a person's second factor away."""
    try:
        settings, _ = _read(config)
        found = _factors(settings).remove(person)
    except ToolguardError as error:
        _fail(error)
    typer.echo("removed" if found else f"{person!r} has no second factor")
    if not found:
        raise typer.Exit(1)


def show_coverage(
    entries: Annotated[list[str], typer.Argument(help="group:NAME, person:ID or oncall:SCHEDULE; together one stage.")],
    tenant: Annotated[str, typer.Option(help="Which tenant.")],
    quorum: Annotated[int, typer.Option(min=1, help="How many different persons are needed.")] = 1,
    hours: Annotated[int, typer.Option(min=1, max=24 * 366, help="How far ahead.")] = 24 * 7,
    config: ConfigOption = CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Find the hours in which too few persons could decide. Exit code 1 where there are any."""
    try:
        _, directory = _read(config)
        gaps = coverage(directory, tenant, entries, quorum, start=time.time(), hours=hours)
    except ToolguardError as error:
        _fail(error)
    if as_json:
        rows = [{"from": _utc(g.start), "until": _utc(g.end), "present": g.present} for g in gaps]
        typer.echo(json.dumps({"gaps": rows}, indent=2))
    elif gaps:
        table = Table("from (UTC)", "until (UTC)", "could decide", "needed")
        for gap in gaps:
            table.add_row(_utc(gap.start), _utc(gap.end), str(gap.present), str(quorum))
        print_table(table)
    else:
        typer.echo(f"every one of the next {hours} hours has {quorum} or more who could decide")
    if gaps:
        raise typer.Exit(1)


def _read(config: Path) -> tuple[Config, FileDirectory]:
    settings = load_config(config)
    if settings.directory is None:
        raise ConfigError(f"{config}: no directory is set; name the file under [directory] file")
    return settings, FileDirectory(settings.at(settings.directory.file))


def _factors(settings: Config) -> SecondFactors:
    file = settings.directory.second_factors if settings.directory else None
    if file is None:
        raise ConfigError("no file for second factors is set; name one under [directory] second_factors")
    return SecondFactors(settings.at(file), now=time.time)


def _utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M")


def _fail(error: ToolguardError) -> NoReturn:
    typer.echo(f"toolguard: error: {error}", err=True)
    raise typer.Exit(3)
