"""``toolguard store``: the schema of the store, the roles of one in PostgreSQL, and taking a restored one into use.

Exit codes: 0 up to date, or done · 2 wrong usage, or migrations are to be run · 3 the store cannot be read or changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from toolguard.cli.restore import accept
from toolguard.config import load_config
from toolguard.errors import ToolguardError
from toolguard.stores.schema import Schema, migrate_store, roles_sql, schema_of

__all__ = ["app"]

app = typer.Typer(name="store", help="The store: its schema, and who may do what in it.", no_args_is_help=True)

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Store URL, e.g. sqlite:///toolguard.db; else the one of --config.")
]
ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="TOOLGUARD_CONFIG", help="Configuration file that names the store.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_CONFIG = Path("toolguard.toml")

app.command("accept")(accept)


@app.command("status")
def status(store: StoreOption = None, config: ConfigOption = _CONFIG, as_json: JsonOption = False) -> None:
    """Show which schema the store has, and what this user may do. Nothing is changed."""
    try:
        found = schema_of(_url(store, config))
    except ToolguardError as error:
        _fail(error)
    _show(found, as_json=as_json)
    raise typer.Exit(2 if found.pending else 0)


@app.command("migrate")
def migrate(store: StoreOption = None, config: ConfigOption = _CONFIG, as_json: JsonOption = False) -> None:
    """Bring the schema up to date, or make it. Several at once do no harm."""
    try:
        found = migrate_store(_url(store, config))
    except ToolguardError as error:
        _fail(error)
    _show(found, as_json=as_json)


@app.command("roles")
def roles(
    to_print: Annotated[bool, typer.Option("--print", help="Write the SQL to standard output.")] = False,
) -> None:
    """The SQL that makes the roles of a store in PostgreSQL. It is printed for you to read and run, never run from here."""
    if not to_print:
        typer.echo(
            "toolguard: error: say --print, read the SQL, and run it with psql in the store's database", err=True
        )
        raise typer.Exit(2)
    typer.echo(roles_sql(), nl=False)


def _url(store: str | None, config: Path) -> str:
    return store if store is not None else load_config(config).store_url


def _show(found: Schema, *, as_json: bool) -> None:
    facts = dict(found.facts)
    if as_json:
        said = {
            "version": found.version,
            "latest": found.latest,
            "pending": found.pending,
            "epoch": found.epoch,
            **facts,
        }
        typer.echo(json.dumps(said, indent=2))
        return
    state = "up to date" if not found.pending else f"{found.pending} to run: toolguard store migrate"
    typer.echo(f"schema {found.version} of {found.latest}: {state}")
    for name, value in {"epoch": found.epoch, **facts}.items():
        if value:
            typer.echo(f"{name}: {value}")


def _fail(error: ToolguardError) -> NoReturn:
    typer.echo(f"toolguard: error: {error}", err=True)
    raise typer.Exit(3) from None
