"""``toolguard people``: who is in the directory, and their tokens and sign-in links."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from toolguard._core.call import Person
from toolguard.cli._show import AsJson, print_json, print_table
from toolguard.cli.duty import factor_app, show_coverage
from toolguard.directory import Audience, FileDirectory, IssuedToken, TokenFile
from toolguard.errors import ConfigError, IdentityError, ToolguardError

__all__ = ["app"]

app = typer.Typer(name="people", help="People, their tokens, second factors and sign-in links.", no_args_is_help=True)
app.add_typer(factor_app, name="factor", help="Second factors, for what needs them.")
app.command("coverage")(show_coverage)

ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="TOOLGUARD_CONFIG", help="The configuration that names both files.")
]
DirectoryOption = Annotated[
    Path | None, typer.Option("--directory", envvar="TOOLGUARD_DIRECTORY", help="The directory file (YAML).")
]
TokensOption = Annotated[Path | None, typer.Option("--tokens", envvar="TOOLGUARD_TOKENS", help="The token file.")]
CONFIG = Path("toolguard.toml")
TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Which tenant; needed if the person has identities in several.")
]


class TokenKind(StrEnum):
    """The audiences a token can be asked for by name."""

    DECIDE = "decide"
    SESSION = "session"
    SERVICE = "service"


@app.command("list")
def list_people(
    config: ConfigOption = CONFIG,
    directory: DirectoryOption = None,
    tokens: TokensOption = None,
    as_json: AsJson = False,
) -> None:
    """Show persons and services, their groups now, and their live tokens."""
    try:
        files = _files(config, directory, tokens)
        known, issued = FileDirectory(files.directory), TokenFile(files.tokens, now=time.time).entries()
        rows = known.overview(at=time.time())
    except ToolguardError as error:
        _fail(error)
    live = [t for t in issued if t.expires > time.time()]
    if as_json:
        print_json([
            {
                "id": row.id,
                "name": row.name,
                "tenant": row.tenant,
                "groups": list(row.groups),
                "tokens": [
                    {"id": t.id, "audience": t.audience.value, "until": _utc(t.expires)}
                    for t in live
                    if t.person == row.id and t.tenant == row.tenant
                ],
            }
            for row in rows
        ])  # fmt: skip
        return
    table = Table("id", "name", "tenant", "groups now", "tokens (id, audience, until)")
    for row in rows:
        held = [
            f"{t.id} {t.audience.value} {_utc(t.expires)}"
            for t in live
            if t.person == row.id and t.tenant == row.tenant
        ]
        table.add_row(*map(escape, (row.id, row.name, row.tenant, ", ".join(row.groups), "\n".join(held))))
    print_table(table)


@app.command("token")
def token(
    who: Annotated[str, typer.Argument(help="A person's id, or a service account's name for --audience service.")],
    audience: Annotated[TokenKind, typer.Option(help="What it is for.")] = TokenKind.DECIDE,
    config: ConfigOption = CONFIG,
    directory: DirectoryOption = None,
    tokens: TokensOption = None,
    tenant: TenantOption = None,
    hours: Annotated[float | None, typer.Option(min=0.01, help="How long it lives.")] = None,
) -> None:
    """Make a token and print it, once. Only its hash is kept."""
    lifetime = None if hours is None else hours * 3600
    issued, _ = _issue(Audience(audience.value), who, (config, directory, tokens), tenant, lifetime)
    typer.echo(
        f"token {issued.entry.id} for {who!r}, audience {audience.value}, until {_utc(issued.entry.expires)}; "
        "it is shown this once:",
        err=True,
    )
    typer.echo(issued.secret)


@app.command("link")
def link(
    person: Annotated[str, typer.Argument(help="A person's id.")],
    config: ConfigOption = CONFIG,
    directory: DirectoryOption = None,
    tokens: TokensOption = None,
    tenant: TenantOption = None,
    url: Annotated[
        str | None,
        typer.Option(envvar="TOOLGUARD_SERVICE_URL", help="The service; from the configuration by default."),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, max=60.0, help="How long it can be used.")] = 10.0,
) -> None:
    """Make a sign-in link for the inbox: works once, for a few minutes, and decides nothing by itself."""
    issued, files = _issue(Audience.LINK, person, (config, directory, tokens), tenant, minutes * 60)
    typer.echo(f"{(url or files.url).rstrip('/')}/signin#{issued.secret}")


@app.command("revoke")
def revoke(
    token_id: Annotated[str | None, typer.Argument(help="The id of one token.")] = None,
    person: Annotated[str | None, typer.Option(help="All tokens and browser sessions of this person.")] = None,
    config: ConfigOption = CONFIG,
    tokens: TokensOption = None,
) -> None:
    """Take tokens back, at once."""
    if (token_id is None) == (person is None):
        _fail(IdentityError("name either a token id or --person"))
    try:
        count = TokenFile(_files(config, None, tokens).tokens, now=time.time).revoke(token_id=token_id, person=person)
    except ToolguardError as error:
        _fail(error)
    typer.echo(f"{count} revoked")
    if not count:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where things are."""

    directory: Path
    tokens: Path
    url: str = "http://127.0.0.1:8790"


def _files(config: Path, directory: Path | None, tokens: Path | None) -> Files:
    """The files named on the command line, else in the configuration, else by their usual names."""
    if not config.exists():
        if config != CONFIG:
            raise ConfigError(f"cannot read the configuration {str(config)!r}; give its path or run from its folder")
        return Files(directory=directory or Path("directory.yaml"), tokens=tokens or Path("tokens.json"))
    from toolguard.config import load_config  # heavy, and only needed here

    settings = load_config(config)
    named = settings.directory
    if directory is None and named is not None:
        directory = settings.at(named.file)
    if tokens is None and named is not None and named.tokens is not None:
        tokens = settings.at(named.tokens)
    if directory is None or tokens is None:
        raise ConfigError(f"{str(config)!r} names no directory and token file; set [directory] file and tokens")
    return Files(directory=directory, tokens=tokens, url=settings.service.url)


def _issue(
    audience: Audience,
    who: str,
    where: tuple[Path, Path | None, Path | None],
    tenant: str | None,
    lifetime: float | None,
) -> tuple[IssuedToken, Files]:
    try:
        files = _files(*where)
        known = FileDirectory(files.directory)
        file = TokenFile(files.tokens, now=time.time)
        if audience is Audience.SERVICE:
            service = known.service(who)
            if service is None:
                raise IdentityError(f"no service account is named {who!r}; add it under 'services' in the directory")
            issued = file.issue(
                audience=audience, person=service.id, identity=None, tenant=service.tenant, lifetime=lifetime
            )
        else:
            identity = _identity(known, who, tenant)
            issued = file.issue(
                audience=audience, person=who, identity=identity, tenant=identity.tenant, lifetime=lifetime
            )
    except ToolguardError as error:
        _fail(error)
    return issued, files


def _identity(known: FileDirectory, who: str, tenant: str | None) -> Person:
    person = known.find(who)
    if person is None:
        raise IdentityError(f"no person has the id {who!r}; add them under 'persons' in the directory")
    fitting = [i for i in person.identities if tenant is None or i.tenant == tenant]
    if not fitting:
        raise IdentityError(f"{who!r} has no identity in tenant {tenant!r}; link one in the directory")
    if len({i.tenant for i in fitting}) > 1:
        raise IdentityError(f"{who!r} has identities in several tenants; say which with --tenant")
    return next((i for i in fitting if i.issuer == "local"), fitting[0])


def _utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%MZ")


def _fail(error: ToolguardError) -> NoReturn:
    typer.echo(f"toolguard: error: {error}", err=True)
    raise typer.Exit(3 if isinstance(error, ConfigError) else 2)
