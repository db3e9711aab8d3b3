"""``toolguard approvals``: see and answer requests from a terminal, through the approval service.

Exit codes: 0 done · 1 refused: not yours to decide · 2 wrong usage · 3 no usable service, token or configuration ·
4 no such approval for you · 5 it has changed, was decided or has expired · 6 the service itself failed.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from toolguard.cli._service import (
    CONFIG,
    USAGE,
    ConfigOption,
    IdArgument,
    JsonOption,
    Service,
    StepUpOption,
    TokenOption,
    UrlOption,
    fail,
    left,
    safe,
    seconds_of,
    service_of,
)
from toolguard.cli._show import print_table, screen
from toolguard.cli.acts import register, standing_app

__all__ = ["app"]

app = typer.Typer(name="approvals", help=__doc__, no_args_is_help=True)
app.add_typer(standing_app, name="standing", help="Standing approvals: list them, end one.")
register(app)


@app.command("list")
def list_approvals(
    mine: Annotated[bool, typer.Option("--mine", help="Only what waits for your answer.")] = False,
    state: Annotated[list[str] | None, typer.Option(help="Only these states.")] = None,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the approvals you may see, newest first."""
    query: dict[str, Any] = {**({"assigned_to": "me"} if mine else {}), **({"state": state} if state else {})}
    with service_of(url, config, token_file) as service:
        found = list(service.all(**query))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("nothing waits for you" if mine else "no approvals you may see")
        return
    table = Table("id", "state", "tool", "risk", "asked by", "agent", "left")
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    for a in found:
        who = a["requester"]
        rest = left(a["expires"]) if a["state"] == "pending" else ""
        cells = (a["id"][:12], a["state"], a["tool"], a["risk"]["level"], who["name"], who["agent"], rest)
        table.add_row(*(safe(c) for c in cells))
    print_table(table)


@app.command("show")
def show(
    approval: IdArgument,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one approval: who, what, why, and what an answer is bound to."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(found)


@app.command("approve")
def approve(
    approval: IdArgument,
    reason: Annotated[str, typer.Option(prompt=True, help="Why; kept with your answer. Name no patients.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again; needed where nobody can be asked.")] = False,
    code: StepUpOption = "",
    stands_for: Annotated[
        str, typer.Option("--for", help="Let the yes stand for calls like this one: 30m, 8h. Needs --uses.")
    ] = "",
    uses: Annotated[int, typer.Option(min=0, help="How many calls a standing yes may let run.")] = 0,
    vary: Annotated[
        list[str] | None, typer.Option(help="With --for: an argument that may differ; NAME, or NAME<=LIMIT.")
    ] = None,
    session_only: Annotated[bool, typer.Option("--session-only", help="With --for: only in the same session.")] = False,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve one call, once. Shows it first; what is shown is what is approved.

    What decides the call and is hidden is revealed to you first, and that is recorded.
    """
    standing = _standing(stands_for, uses, vary or [], session_only)
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        _print(found, to_stderr=as_json)
        seen = _reveal(service, found) if found["hidden"] else ""
        if not yes:
            if not sys.stdin.isatty():
                fail("nobody can be asked here; look at it with 'show', then add --yes")
            what = (
                f"Approve this call and let the yes stand for {stands_for}?"
                if standing
                else "Approve this one call, once?"
            )
            if not typer.confirm(what, err=True):
                typer.echo("nothing was decided", err=True)
                raise typer.Exit(USAGE)
        more = {"seen_decisive": seen, "standing": standing}
        _decide(service, found, "approve", reason, f'"{found["version"]}"', as_json, code=code, more=more)


def _standing(stands_for: str, uses: int, vary: list[str], session_only: bool) -> dict[str, Any] | None:
    if not stands_for:
        if uses or vary or session_only:
            fail("--uses, --vary and --session-only belong to a standing yes; say how long it stands with --for")
        return None
    if uses < 1:
        fail("a standing yes needs --uses: how many calls it may let run")
    varied = []
    for each in vary:
        name, limited, limit = each.partition("<=")
        try:
            varied.append({"argument": name.strip(), "at_most": float(limit) if limited else None})
        except ValueError:
            fail("--vary is NAME or NAME<=LIMIT, with a number as the limit")
    return {"seconds": seconds_of(stands_for), "uses": uses, "session_only": session_only, "vary": varied}


def _reveal(service: Service, found: dict[str, Any]) -> str:
    """Show what decides the call in clear, on the screen only, and give the proof that it was shown."""
    shown = service.post(f"/v1/approvals/{found['id']}/reveal", {"purpose": "to decide this request"})
    for name, value in shown["values"].items():
        Console(stderr=True).print(f"  decides, in clear: [bold]{safe(name)}[/] = {safe(value)}")
    return str(shown["digest"])


@app.command("deny")
def deny(
    approval: IdArgument,
    reason: Annotated[str, typer.Option(prompt=True, help="Why; kept with your answer. Name no patients.")],
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny a call. Also takes back an approval that has not been used yet."""
    with service_of(url, config, token_file) as service:
        found = service.find(approval)
        _print(found, to_stderr=as_json)
        _decide(service, found, "deny", reason, "*", as_json)


@app.command("watch")
def watch(
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    until: Annotated[float | None, typer.Option(help="Stop after so many seconds; until Ctrl-C by default.")] = None,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print requests as they begin to wait for your answer."""
    seen: set[str] = set()
    end = None if until is None else time.monotonic() + until
    with service_of(url, config, token_file) as service:
        while True:
            for found in service.all(assigned_to="me"):
                if found["id"] not in seen:
                    seen.add(found["id"])
                    if as_json:
                        typer.echo(json.dumps(found))
                    else:
                        _print(found)
            if end is not None and time.monotonic() + every > end:
                return
            time.sleep(every)


def _decide(
    service: Service,
    found: dict[str, Any],
    answer: str,
    reason: str,
    if_match: str,
    as_json: bool,
    *,
    code: str = "",
    more: dict[str, Any] | None = None,
) -> None:
    after = service.post(
        f"/v1/approvals/{found['id']}/decision",
        {
            "answer": answer,
            "reason": reason,
            "seen_call_digest": found["call_digest"],
            "seen_view_digest": found["view_digest"],
            **(more or {}),
        },
        if_match=if_match,
        code=code,
    )
    if as_json:
        typer.echo(json.dumps(after, indent=2))
    else:
        waits = " (more approvers are needed)" if after["state"] == "pending" else ""
        typer.echo(f"{'approved once' if answer == 'approve' else 'denied'}; it is now {after['state']}{waits}")


def _print(a: dict[str, Any], *, to_stderr: bool = False) -> None:
    who, policy, risk = a["requester"], a["policy"], a["risk"]
    rows: list[tuple[str, str]] = [
        ("state", a["state"] + (f", {left(a['expires'])} left" if a["state"] == "pending" else "")),
        ("who", f"{who['name']} ({who['assurance']}) through {who['agent']}, run {who['run']}"),
        ("why asked", policy["because"]),
        ("rule", f"{', '.join(policy['rules']) or 'default'} (policy {policy['id']} {policy['version']})"),
        ("risk", f"{risk['level']}, {risk['risk_class'].replace('_', ' ')}"),
        *(("", f"- {line}") for line in risk["evidence"]),
        *((f"decides: {name}", value) for name, value in a["decisive"].items()),
        *([("proposed", json.dumps(a["proposal"], ensure_ascii=False))] if a["proposal"] is not None else []),
        *((f"refers: {name}", "contents bound") for name in a["contents_bound"]),
        *(
            (f"refers: {name}", "contents not bound: they may change after the answer")
            for name in a["contents_not_bound"]
        ),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(safe(name), safe(value))
    arguments = a["arguments"] if isinstance(a["arguments"], dict) else {"": a["arguments"]}
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        table.add_row(safe(f"argument {name}"), safe(text, keep="\n"))
    if a["truncated"]:
        table.add_row("", "[bold red]this view is shortened: the call holds more than is shown[/]")
    if a["agent_reason"]:
        table.add_row("agent says", f"[yellow]{safe(a['agent_reason'], keep=chr(10))}[/] [dim](not checked)[/]")
    for v in a["verdicts"]:
        said = "approved" if v["answer"] == "approve" else "denied"
        table.add_row("answer", safe(f"{v['person']} {said} at {v['at']}: {v['reason']}"))
    table.add_row("expires", safe(a["expires"]))
    table.add_row("call", safe(a["call_digest"]))
    table.add_row("view", safe(a["view_digest"]))
    out = screen(stderr=to_stderr)
    out.print(
        Panel(
            table,
            title=f"[bold]{safe(a['tool'])}[/]",
            subtitle=a["id"],
            title_align="left",
            subtitle_align="left",
            expand=out.is_terminal,
        )
    )
