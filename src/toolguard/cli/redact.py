"""``toolguard audit redact`` and ``hold``: delete what is kept beside records, by two persons, and keep it from that.

Exit codes: 0 done · 1 not your duty, or not by you alone · 2 wrong usage · 3 no usable service, token or configuration ·
4 no such thing · 5 under legal hold, or expired · 6 the service itself failed.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from toolguard.cli._service import (
    CONFIG,
    ConfigOption,
    JsonOption,
    TokenOption,
    UrlOption,
    fail,
    listed,
    safe,
    service_of,
)

__all__ = ["holds_app", "redact"]

ReasonOption = Annotated[str, typer.Option(help="Why; kept, signed. Name no patients.")]
RecordOption = Annotated[str, typer.Option("--record", help="One record: LOG:NUMBER, as 'audit show' has it.")]
CallOption = Annotated[str, typer.Option("--call", help="All of one call.")]
SessionOption = Annotated[str, typer.Option("--session", help="All of one session: its toolguard.session.id.")]
ActorOption = Annotated[str, typer.Option("--actor", help="All that one account asked for: its toolguard.actor.id.")]

holds_app = typer.Typer(name="hold", help="Keep what is kept beside records from being redacted.", no_args_is_help=True)


def redact(
    record: RecordOption = "",
    call: CallOption = "",
    session: SessionOption = "",
    actor: ActorOption = "",
    confirm: Annotated[str, typer.Option("--confirm", help="The id of a proposal of somebody else's.")] = "",
    reason: ReasonOption = "",
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose to delete masked content kept beside records, or confirm what another person proposed.

    Without any of them it lists what waits. The records stay, and every proof of them holds.
    """
    with service_of(url, config, token_file) as service:
        named = _named(record=record, call=call, session=session, actor=actor)
        if confirm and named:
            fail("give a target to propose, or --confirm, not both")
        if confirm:
            done = service.post(f"/v1/redactions/{confirm}/confirm", {"reason": reason})
            _said(done, f"redacted: {done['contents']} contents and their keys are deleted", as_json)
            return
        if named:
            made = service.post("/v1/redactions", {**named, "reason": reason})
            how = f"toolguard audit redact --confirm {safe(made['id'])}"
            _said(
                made,
                f"proposed: {made['contents']} contents; within a week a second person confirms with '{how}'",
                as_json,
            )
            return
        columns = {"id": "id", "scope": "what", "target": "of", "contents": "contents", "person": "by", "reason": "why"}
        listed(service.list("/v1/redactions"), columns, "nothing waits for a second person", as_json)


@holds_app.command("add")
def add(
    reason: Annotated[str, typer.Option(prompt=True, help="Why; kept, signed. Name no patients.")],
    record: RecordOption = "",
    call: CallOption = "",
    session: SessionOption = "",
    actor: ActorOption = "",
    tenant: Annotated[bool, typer.Option("--tenant", help="Everything of your tenant.")] = False,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put what is kept, or will be, under legal hold: nobody redacts it."""
    named = _named(record=record, call=call, session=session, actor=actor)
    if bool(named) == tenant:
        fail("name what to hold with one of --record, --call, --session, --actor and --tenant")
    with service_of(url, config, token_file) as service:
        made = service.post("/v1/holds", {**(named or {"scope": "tenant"}), "reason": reason})
    _said(
        made,
        f"held: {safe(made['id'])}; two persons lift it with 'toolguard audit hold lift {safe(made['id'])}'",
        as_json,
    )


@holds_app.command("lift")
def lift(
    hold: Annotated[str, typer.Argument(help="The id 'list' shows.")],
    reason: Annotated[str, typer.Option(prompt=True, help="Why; kept, signed. Name no patients.")],
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose to lift a hold, or lift it as the second person."""
    with service_of(url, config, token_file) as service:
        done = service.post(f"/v1/holds/{hold}/lift", {"reason": reason})
    _said(done, "lifted" if done["lifted"] else "proposed; a second person lifts it with the same command", as_json)


@holds_app.command("list")
def list_holds(
    url: UrlOption = None, config: ConfigOption = CONFIG, token_file: TokenOption = None, as_json: JsonOption = False
) -> None:
    """List what is under legal hold."""
    with service_of(url, config, token_file) as service:
        found = service.list("/v1/holds")
    columns = {
        "id": "id",
        "scope": "what",
        "target": "of",
        "person": "by",
        "at": "since",
        "reason": "why",
        "lift_by": "lift proposed by",
    }
    listed(found, columns, "nothing is under legal hold", as_json)


def _named(**targets: str) -> dict[str, str]:
    given = {scope: target for scope, target in targets.items() if target}
    if len(given) > 1:
        fail("name one of --record, --call, --session and --actor")
    return next(({"scope": scope, "target": target} for scope, target in given.items()), {})


def _said(answer: dict[str, Any], text: str, as_json: bool) -> None:
    typer.echo(json.dumps(answer, indent=2) if as_json else text)
