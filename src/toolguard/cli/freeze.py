"""``toolguard freeze``: stop an agent, a tenant or everyone, and let them go on.

Nothing of what is frozen is claimed from that moment; what waits is void. A second person has to lift it.

Exit codes: 0 done · 1 not your duty · 2 wrong usage · 3 no usable service, token or configuration · 4 no such freeze ·
5 it was lifted already · 6 the service itself failed.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from toolguard.cli._service import (
    CONFIG,
    USAGE,
    ConfigOption,
    JsonOption,
    StepUpOption,
    TokenOption,
    UrlOption,
    safe,
    service_of,
)
from toolguard.cli._show import print_table

__all__ = ["app"]

app = typer.Typer(name="freeze", help=__doc__, no_args_is_help=True)
ReasonOption = Annotated[str, typer.Option(prompt=True, help="Why; kept. Name no patients.")]


@app.command("agent")
def agent(
    name: Annotated[str, typer.Argument(help="The agent, as its sessions name it.")],
    reason: ReasonOption,
    code: StepUpOption = "",
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Freeze one agent of your tenant."""
    _freeze({"agent": name, "reason": reason}, code, url, config, token_file)


@app.command("tenant")
def tenant(
    reason: ReasonOption,
    code: StepUpOption = "",
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Freeze every agent of your tenant."""
    _freeze({"agent": None, "reason": reason}, code, url, config, token_file)


@app.command("everyone")
def everyone(
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    code: StepUpOption = "",
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Freeze every agent of every tenant."""
    if not yes and not typer.confirm("Stop every guarded call of every tenant?", err=True):
        typer.echo("nothing was frozen", err=True)
        raise typer.Exit(USAGE)
    _freeze({"agent": None, "everyone": True, "reason": reason}, code, url, config, token_file)


def _freeze(body: dict[str, object], code: str, url: str | None, config: ConfigOption, token_file: TokenOption) -> None:
    with service_of(url, config, token_file) as service:
        made = service.post("/v1/freeze", body, code=code)
    typer.echo(f"frozen: {made['id']}; a second person lifts it with 'toolguard freeze lift {made['id']}'")


@app.command("list")
def list_freezes(
    url: UrlOption = None, config: ConfigOption = CONFIG, token_file: TokenOption = None, as_json: JsonOption = False
) -> None:
    """List what is frozen."""
    with service_of(url, config, token_file) as service:
        found = service.list("/v1/freeze")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("nothing is frozen")
        return
    table = Table("id", "what", "by", "since", "why")
    table.columns[0].no_wrap = True
    for f in found:
        what = "every tenant" if f["everyone"] else f["agent"] or "every agent"
        table.add_row(*(safe(c) for c in (f["id"], what, f["person"], f["at"], f["reason"])))
    print_table(table)


@app.command("lift")
def lift(
    freeze: Annotated[str, typer.Argument(help="The id 'list' shows.")],
    reason: ReasonOption,
    code: StepUpOption = "",
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Lift a freeze, as someone else than whoever froze."""
    with service_of(url, config, token_file) as service:
        service.post(f"/v1/freeze/{freeze}/lift", {"reason": reason}, code=code)
    typer.echo("lifted; calls that were void stay void, and agents may make new ones")
