"""``toolguard teams``: the app package to upload to Teams."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from toolguard.config import load_config
from toolguard.errors import ConfigError
from toolguard_teams.manifest import app_package

__all__ = ["app"]

app = typer.Typer(name="teams", help="Set Microsoft Teams up as a channel.", no_args_is_help=True)


@app.callback()
def _teams() -> None:
    """Set Microsoft Teams up as a channel."""


@app.command("manifest")
def manifest(
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("toolguard.toml"),
    channel: Annotated[str, typer.Option(help="The channel's name in it.")] = "teams",
    out: Annotated[Path, typer.Option(help="The package to write; it must not be there yet.")] = Path(
        "toolguard-teams.zip"
    ),
    name: Annotated[str, typer.Option(help="What people see the app called.")] = "toolguard",
    company: Annotated[str, typer.Option(help="Who publishes it.")] = "Your organisation",
) -> None:
    """Write the app package for the bot of [channels.teams], to be uploaded in the Teams admin centre.

    Exit codes: 0 written, 2 wrong usage, 3 the configuration does not fit.
    """
    settings = load_config(config)
    found = settings.channels.get(channel)
    if found is None or not isinstance(found.get("app_id"), str):
        raise ConfigError(
            f"{config} has no [channels.{channel}] with an app_id; register the bot first, see docs/teams.md"
        )
    url = urlsplit(settings.service.url)
    if url.scheme != "https" or url.hostname is None:
        raise ConfigError("Teams opens https pages only: set [service] url to the address people reach the inbox by")
    package = app_package(
        app_id=found["app_id"], name=name, host=url.hostname, company=company, website=f"https://{url.hostname}"
    )
    try:
        with out.open("xb") as file:
            file.write(package)
    except FileExistsError:
        raise ConfigError(f"{str(out)!r} is there already and was left as it is; give another name") from None
    except OSError as fault:
        raise ConfigError(f"cannot write {str(out)!r} ({type(fault).__name__}); choose another place") from None
    typer.echo(f"wrote {out}: upload it in the Teams admin centre, then install it for the approvers")
