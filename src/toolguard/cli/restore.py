"""``toolguard store accept``: take a store into use again that was set back or restored from a backup."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from toolguard.authority import Authority, Human
from toolguard.config import Config, RandomIds, default_detector, load_config
from toolguard.directory import Audience, FileDirectory, TokenFile
from toolguard.errors import ConfigError, ToolguardError
from toolguard.keys import Ed25519Signer, PinnedVerifier, Purpose, read_keys
from toolguard.register import ALL
from toolguard.stores import open_store
from toolguard.witness import Witness

__all__ = ["accept"]


def accept(
    reason: Annotated[str, typer.Option(prompt=True, help="What happened, and who has looked; kept.")],
    config: Annotated[
        Path, typer.Option("--config", envvar="TOOLGUARD_CONFIG", help="The service's configuration.")
    ] = Path("toolguard.toml"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Take a store into use again that was set back. Voids every open approval; needs the duty 'freeze_all'.

    Run it where the service runs, with the service stopped and your own token in TOOLGUARD_TOKEN. Restart every guard
    afterwards: those that have read further go on refusing.
    """
    if not yes and not typer.confirm("Void every open approval of every tenant and go on from this store?", err=True):
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(2)
    try:
        voided = _accept(load_config(config), os.environ.get("TOOLGUARD_TOKEN", "").strip(), reason)
    except ToolguardError as error:
        _fail(error)
    typer.echo(f"accepted; {voided} open approvals are void; start the service and restart every guard")


def _accept(settings: Config, token: str, reason: str) -> int:
    section = settings.directory
    if section is None or section.tokens is None or settings.service.signing_key is None:
        raise ConfigError("this needs the service's configuration: [directory] file and tokens, [service] signing_key")
    if not token:
        raise ConfigError("set TOOLGUARD_TOKEN to your own token; 'toolguard people token' makes one")
    entry = TokenFile(settings.at(section.tokens), now=time.time).verify(token, audiences=(Audience.DECIDE,))
    wanted = settings.service.signing_key
    keys = read_keys(
        wanted if wanted.startswith("env:") else settings.at(wanted.removeprefix("file:")), purpose=Purpose.SIGN
    )
    directory = FileDirectory(settings.at(section.file))
    with contextlib.closing(open_store(settings.store_url)) as store:
        authority = Authority(
            store,
            directory,
            Ed25519Signer(keys[-1]),
            RandomIds(),
            verifier=PinnedVerifier([Ed25519Signer(key).public_key.line for key in keys]),
            detector=default_detector(),
        )
        actor = Human(identity=entry.identity, channel="cli", auth=f"token:{entry.id}")
        voided = authority.accept_restored(actor, reason=reason)
        Witness(settings.at(settings.service.witness), store.epoch).accept(store, (ALL, *directory.tenants()))
    return voided


def _fail(error: ToolguardError) -> NoReturn:
    typer.echo(f"toolguard: error: {error}", err=True)
    raise typer.Exit(3)
