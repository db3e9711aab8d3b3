"""What approvers and duty officers do beyond single answers: edit, revoke, resolve, emergencies, standing, statistics."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from toolguard.authority import visible
from toolguard.cli._service import (
    CONFIG,
    ConfigOption,
    IdArgument,
    JsonOption,
    StepUpOption,
    TokenOption,
    UrlOption,
    fail,
    listed,
    safe,
    service_of,
)
from toolguard.cli._show import print_table

__all__ = ["register", "standing_app"]

ReasonOption = Annotated[str, typer.Option(prompt=True, help="Why; kept with what you do. Name no patients.")]
standing_app = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to ``toolguard approvals``."""
    for name, command in (
        ("comment", comment),
        ("comments", comments),
        ("reveal", reveal),
        ("propose", propose),
        ("revoke", revoke),
        ("resolve", resolve),
        ("break-glass", break_glass),
        ("reviews", reviews),
        ("review", review),
        ("stats", stats),
    ):
        app.command(name)(command)


def comment(
    approval: IdArgument,
    text: Annotated[str, typer.Option(prompt=True, help="What you say; kept. Name no patients.")],
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Say something about a request that is open, to its approvers and to who asked. It decides nothing."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        made = service.post(f"/v1/approvals/{found['id']}/comments", {"text": text})
    typer.echo(f"kept as: {visible(made['text'])}")


def comments(
    approval: IdArgument,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what people said about a request, oldest first."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        said = service.list(f"/v1/approvals/{found['id']}/comments")
    if as_json:
        typer.echo(json.dumps(said, indent=2))
        return
    if not said:
        typer.echo("nobody has commented")
    for each in said:
        side = {"asking": "asking side", "approver": "approver"}.get(each["side"], "")
        typer.echo(f"{visible(each['name'])}{f' ({side})' if side else ''}, {visible(each['at'])}")
        typer.echo("\n".join(f"  {visible(line)}" for line in each["text"].split("\n")))


def reveal(
    approval: IdArgument,
    purpose: Annotated[str, typer.Option(prompt=True, help="What you need to see it for; recorded.")],
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what decides a call in clear. Recorded before anything is shown."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        shown = service.post(f"/v1/approvals/{found['id']}/reveal", {"purpose": purpose})
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    for name, value in shown["values"].items():
        typer.echo(f"{visible(name)}: {visible(str(value))}")


def propose(
    approval: IdArgument,
    arguments: Annotated[
        str, typer.Option(prompt=True, help="The arguments you would approve, as JSON; use the tokens that are shown.")
    ],
    reason: ReasonOption,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Ask for other arguments. The agent has to make that call anew, and someone else has to approve it."""
    try:
        wanted = json.loads(arguments)
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        fail("the arguments have to be a JSON object, such as '{\"limit\": 10}'")
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        service.post(f"/v1/approvals/{found['id']}/proposal", {"arguments": wanted, "reason": reason})
    typer.echo("proposed; the agent is told, and the request is superseded")


def revoke(
    approval: IdArgument,
    reason: ReasonOption,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Take a yes, or broken glass, back before it is used."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        after = service.post(f"/v1/approvals/{found['id']}/revoke", {"reason": reason})
    typer.echo(f"revoked; it is now {after['state']}")


def resolve(
    approval: IdArgument,
    ran: Annotated[bool, typer.Option("--ran/--did-not-run", help="What became of it.")],
    evidence: Annotated[str, typer.Option(prompt=True, help="How you know; kept. Name no patients.")],
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Say what became of a call whose end nobody saw. It is never run again by itself."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        after = service.post(f"/v1/approvals/{found['id']}/resolve", {"ran": ran, "evidence": evidence})
    typer.echo(f"resolved; it is now {after['state']} ({after['outcome'].replace('_', ' ')})")


def break_glass(
    approval: IdArgument,
    reason: ReasonOption,
    code: StepUpOption = "",
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Go ahead in an emergency without waiting for an approval. Every approver is told, and someone reviews it."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        after = service.post("/v1/break-glass", {"approval": found["id"], "reason": reason}, code=code)
    typer.echo(f"the glass is broken for this patient until {after['grant_expires']}; this will be reviewed")


def reviews(
    url: UrlOption = None, config: ConfigOption = CONFIG, token_file: TokenOption = None, as_json: JsonOption = False
) -> None:
    """List emergencies that nobody else has looked at yet."""
    with service_of(url, config, token_file) as service:
        found = service.list("/v1/reviews")
    columns = {"id": "id", "person": "who", "agent": "agent", "since": "since", "used": "calls", "reason": "said"}
    listed(found, columns, "no emergency waits for a review", as_json)


def review(
    emergency: Annotated[str, typer.Argument(help="The id 'reviews' shows.")],
    finding: Annotated[str, typer.Option(prompt=True, help="justified, or not_justified.")],
    reason: ReasonOption,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """Review an emergency, as someone else than whoever broke the glass."""
    with service_of(url, config, token_file) as service:
        service.post(f"/v1/reviews/{emergency}", {"finding": finding, "reason": reason})
    typer.echo("reviewed")


@standing_app.command("list")
def list_standing(
    url: UrlOption = None, config: ConfigOption = CONFIG, token_file: TokenOption = None, as_json: JsonOption = False
) -> None:
    """List standing approvals in force."""
    with service_of(url, config, token_file) as service:
        found = service.list("/v1/standing-approvals")
    shown = [{**s, "left": f"{s['uses'] - s['used']} of {s['uses']}", "by": ", ".join(s["approvers"])} for s in found]
    columns = {
        "id": "id",
        "requester": "for",
        "agent": "agent",
        "tool": "tool",
        "left": "left",
        "expires": "until",
        "by": "by",
    }
    listed(found if as_json else shown, columns, "no yes stands", as_json)


@standing_app.command("end")
def end_standing(
    standing: Annotated[str, typer.Argument(help="The id 'list' shows.")],
    reason: ReasonOption,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
) -> None:
    """End a standing approval: the next call is asked again."""
    with service_of(url, config, token_file) as service:
        service.post(f"/v1/standing-approvals/{standing}/end", {"reason": reason})
    typer.echo("ended")


def stats(
    hours: Annotated[float, typer.Option(min=0.1, help="How far back.")] = 168.0,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """How approvers decide: how many, how fast, how often yes, and who approves whom."""
    with service_of(url, config, token_file) as service:
        found = service.get("/v1/stats", hours=str(hours))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    people = Table("approver", "answers", "yes", "median", "under a second", "over budget")
    for p in found["approvers"]:
        answers, rate = p["approved"] + p["denied"], f"{p['approve_rate']:.0%}"
        cells = (p["person"], answers, rate, _seconds(p["median_seconds"]), p["fast"], p["over_budget"])
        people.add_row(*(safe(c) for c in cells))
    print_table(people)
    for pair in found["favours"]:
        one, other = safe(pair["one"]), safe(pair["other"])
        typer.echo(f"approve each other: {one} ({pair['forth']} of {other}'s) and {other} ({pair['back']} of {one}'s)")
    for group in found["alike"]:
        typer.echo(f"much alike: {len(group)} requests, such as {group[0][:12]}")
    typer.echo(f"{found['requests']} requests; emergencies without a review: {found['open_reviews']}")
    if found["truncated"]:
        typer.echo("there was more than could be read; ask for fewer hours", err=True)


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
