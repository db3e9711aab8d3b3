"""``toolguard keys``: make, show and rotate keys. Secrets are written to files, never printed.

Exit codes: 0 done · 2 wrong usage · 3 a key file is missing, wrong or already there.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from toolguard.cli._show import AsJson, print_json
from toolguard.errors import KeyUnavailableError, ToolguardError
from toolguard.keys import Ed25519Signer, PublicKey, Purpose, SecretKey, read_keys, write_key
from toolguard.keys.secret import PUBLIC

__all__ = ["app"]

GUARD_KEY = "guard.key"
SERVICE_KEY = "service.key"
REVEAL_KEY = "reveal.key"
AUDIT_KEY = "audit.key"

app = typer.Typer(name="keys", help="Keys of the guard and of the approval service.", no_args_is_help=True)


@app.command("init")
def init(directory: Annotated[Path, typer.Argument(help="Folder for the key files; made if it is not there.")]) -> None:
    """Make the guard's key and the service's signing key, and print the public key to pin."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (GUARD_KEY, SERVICE_KEY, REVEAL_KEY, AUDIT_KEY):
            if (directory / name).exists():
                raise KeyUnavailableError(f"key file {str(directory / name)!r} is already there; it was left as it is")
        signing = SecretKey.generate(Purpose.SIGN)
        write_key(directory / GUARD_KEY, SecretKey.generate(Purpose.SEAL))
        write_key(directory / SERVICE_KEY, signing)
        write_key(directory / REVEAL_KEY, SecretKey.generate(Purpose.REVEAL))
        auditing = SecretKey.generate(Purpose.AUDIT)
        write_key(directory / AUDIT_KEY, auditing)
    except (ToolguardError, OSError) as error:
        _fail(error)
    typer.echo(f"guard key:    {directory / GUARD_KEY}  (every process that runs a guard reads it)")
    typer.echo(f"service key:  {directory / SERVICE_KEY}  (only the approval service may read it)")
    typer.echo(
        f"reveal key:   {directory / REVEAL_KEY}  (guards and the service: approvers may see what decides a call)"
    )
    typer.echo(
        f"audit key:    {directory / AUDIT_KEY}  (the approval service signs checkpoints of the journal with it)"
    )
    typer.echo("\nIn toolguard.toml:\n\n[keys]")
    typer.echo(f'file = "{directory / GUARD_KEY}"')
    typer.echo(f'trusted = ["{Ed25519Signer(signing).public_key.line}"]')
    typer.echo(f'\n[service]\nsigning_key = "{directory / SERVICE_KEY}"\nreveal_key = "{directory / REVEAL_KEY}"')
    _say_audit(directory / AUDIT_KEY, auditing)


@app.command("audit")
def audit(
    path: Annotated[Path, typer.Argument(help="The new key file; only who makes checkpoints may read it.")],
) -> None:
    """Make the key that checkpoints of the journal are signed with, and print the public key to pin."""
    try:
        key = SecretKey.generate(Purpose.AUDIT)
        write_key(path, key)
    except ToolguardError as error:
        _fail(error)
    typer.echo(f"audit key:    {path}\n\nIn toolguard.toml:")
    _say_audit(path, key)


def _say_audit(path: Path, key: SecretKey) -> None:
    typer.echo(f'\n[audit]\nsigning_key = "{path}"\ntrusted = ["{PublicKey.of(key).line}"]')
    typer.echo('anchors = []  # files on another machine or medium, such as "/mnt/worm/toolguard.anchor"')


@app.command("policy")
def policy(
    path: Annotated[Path, typer.Argument(help="The new key file; it belongs to one person, away from the agents.")],
    name: Annotated[str, typer.Option("--name", help="Whose key it is, such as ann.")],
) -> None:
    """Make one person's key for signing policies, and print the line that guards pin under [policy] trusted."""
    try:
        key = SecretKey.generate(Purpose.POLICY)
        write_key(path, key)
    except ToolguardError as error:
        _fail(error)
    typer.echo(f"policy key:   {path}  (only {name} may read it; not on a machine where agents run)")
    typer.echo(
        f'\nIn toolguard.toml of every guard:\n\n[policy.trusted]\n{json.dumps(name)} = "{PublicKey.of(key).line}"'
    )


@app.command("show")
def show(
    reference: Annotated[str, typer.Argument(help="A key file, file:PATH or env:NAME.")], as_json: AsJson = False
) -> None:
    """Show ids, and the public key of a signing key. Never the secret."""
    try:
        keys = _any_purpose(reference)
    except ToolguardError as error:
        _fail(error)
    found = [(key.id, key.purpose, PublicKey.of(key).line if key.purpose in PUBLIC else None) for key in keys]
    if as_json:
        print_json([{"id": id_, "purpose": purpose.value, "public": line} for id_, purpose, line in found])
        return
    for id_, purpose, line in found:
        typer.echo(f"{id_}  {purpose.value}")
        if line is not None:
            typer.echo(line)


@app.command("rotate")
def rotate(path: Annotated[Path, typer.Argument(help="A key file; a new key is added as its last line.")]) -> None:
    """Add a new key. It seals or signs from now on; the old ones still open what they sealed.

    Pin a new signing key's public line in every guard before the service starts with it.
    """
    try:
        key = SecretKey.generate(_any_purpose(str(path))[-1].purpose)
        write_key(path, key, append=True)
    except ToolguardError as error:
        _fail(error)
    typer.echo(f"added {key.id} to {path}")
    if key.purpose in PUBLIC:
        typer.echo(f"pin it in every guard's {_PINNED[key.purpose]}:\n{PublicKey.of(key).line}")


_PINNED = {
    Purpose.SIGN: "[keys] trusted",
    Purpose.POLICY: "[policy] trusted, beside the one before",
    Purpose.AUDIT: "[audit] trusted",
}


def _any_purpose(reference: str) -> tuple[SecretKey, ...]:
    for purpose in (Purpose.SEAL, Purpose.REVEAL, Purpose.POLICY, Purpose.AUDIT):
        with contextlib.suppress(KeyUnavailableError):
            return read_keys(reference, purpose=purpose)
    return read_keys(reference, purpose=Purpose.SIGN)


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"toolguard: error: {error if isinstance(error, ToolguardError) else type(error).__name__}", err=True)
    raise typer.Exit(3)
