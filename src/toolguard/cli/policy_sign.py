"""``toolguard policy sign | verify``: answer for a policy somebody else wrote, and see whether somebody did.

Exit codes: 0 done or trusted · 1 not trusted, or the policy has faults · 2 wrong usage · 3 a key or file is missing or wrong.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from toolguard._core.policy import Policy
from toolguard.config import ANALYSES, load_config
from toolguard.config.policies import SIGNATURE
from toolguard.errors import KeyUnavailableError, PolicyError, PolicyRefusedError
from toolguard.keys import PolicySigner, PolicyStatement, PolicyVerifier
from toolguard.policyfile import load_policy

__all__ = ["sign", "verify"]

PolicyFile = Annotated[Path, typer.Argument(help="The policy file (YAML).", show_default=False)]


def sign(
    file: PolicyFile,
    key: Annotated[str, typer.Option("--key", help="Your policy key: a file, or env:NAME.")],
    signer: Annotated[str, typer.Option("--signer", help="Your name, as guards pin your key under [policy.trusted].")],
    author: Annotated[str, typer.Option("--author", help="Who wrote the policy, or its last change; not you.")],
) -> None:
    """Sign a policy: FILE.sig says that you answer for exactly this file and the packs it includes."""
    loaded = _load(file)
    statement = PolicyStatement(
        policy=loaded.id,
        version=loaded.version,
        sha256=loaded.sha256,
        author=author.strip(),
        signer=signer.strip(),
        at=int(time.time()),
    )
    if not statement.author or not statement.signer:
        raise typer.BadParameter("must not be empty", param_hint="--author, --signer")
    out = file.with_name(file.name + SIGNATURE)
    try:
        out.write_bytes(PolicySigner.load(key).sign(statement))
    except PolicyRefusedError as fault:
        typer.echo(f"toolguard: error: {fault}", err=True)
        raise typer.Exit(1) from None
    except KeyUnavailableError as fault:
        typer.echo(f"toolguard: error: {fault}", err=True)
        raise typer.Exit(3) from None
    except OSError as fault:
        typer.echo(f"toolguard: error: {str(out)!r} cannot be written ({fault.strerror})", err=True)
        raise typer.Exit(3) from None
    typer.echo(
        f"{out}: {statement.signer} answers for policy {loaded.id!r} version {loaded.version}, written by {statement.author}\n"
        f"sha256 {loaded.sha256}"
    )


def verify(
    file: PolicyFile,
    config: Annotated[Path, typer.Option(help="The configuration file that says whom to trust.")] = Path(
        "toolguard.toml"
    ),
) -> None:
    """See whether a guard with this configuration would put a policy file into force, older versions apart."""
    loaded = _load(file)
    signature = file.with_name(file.name + SIGNATURE)
    try:
        raw = signature.read_bytes() if signature.exists() else None
        settings = load_config(config).policy
        if settings.name not in (None, loaded.id):
            typer.echo(f"other_policy: {config} is for policy {settings.name!r}, and this is {loaded.id!r}", err=True)
            raise typer.Exit(1)
        trusted = PolicyVerifier(settings.trusted)
        statement = trusted.open(raw, policy=loaded.id, version=loaded.version, sha256=loaded.sha256)
    except PolicyRefusedError as fault:
        typer.echo(f"{fault.reason}: {fault}", err=True)
        raise typer.Exit(1) from None
    except OSError as fault:
        typer.echo(f"toolguard: error: {str(signature)!r} cannot be read ({fault.strerror})", err=True)
        raise typer.Exit(3) from None
    when = datetime.fromtimestamp(statement.at, UTC).isoformat(timespec="seconds")
    typer.echo(
        f"{file}: {statement.signer} answers for policy {loaded.id!r} version {loaded.version}, "
        f"written by {statement.author}, since {when}"
    )


def _load(file: Path) -> Policy:
    try:
        return load_policy(file, functions=ANALYSES)
    except PolicyError as fault:
        typer.echo(f"toolguard: error: {fault}", err=True)
        raise typer.Exit(1) from None
