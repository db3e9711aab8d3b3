"""``toolguard approvals``: see and answer requests from a terminal, through the approval service.

Exit codes: 0 done · 1 refused: not yours to decide · 2 wrong usage · 3 no usable service, token or configuration ·
4 no such approval for you · 5 it has changed, was decided or has expired · 6 the service itself failed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from toolguard.authority import visible
from toolguard.errors import ConfigError, ToolguardError

__all__ = ["app"]

app = typer.Typer(name="approvals", help=__doc__, no_args_is_help=True)

REFUSED, USAGE, UNUSABLE, MISSING, CHANGED, FAILED = 1, 2, 3, 4, 5, 6
_EXIT = {401: UNUSABLE, 403: REFUSED, 404: MISSING, 409: CHANGED, 410: CHANGED, 412: CHANGED, 422: USAGE, 428: USAGE}

UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar="TOOLGUARD_SERVICE_URL", help="The service; from the configuration by default."),
]
ConfigOption = Annotated[Path, typer.Option("--config", envvar="TOOLGUARD_CONFIG", help="The configuration file.")]
TokenOption = Annotated[
    Path | None, typer.Option("--token-file", help="A file with your token; TOOLGUARD_TOKEN by default.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
IdArgument = Annotated[str, typer.Argument(help="The approval's id, or its first characters.")]
CONFIG = Path("toolguard.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The approval service, as one person."""

    client: httpx.Client

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._answer(lambda: self.client.get(path, params=query))

    def post(self, path: str, body: dict[str, str], if_match: str) -> dict[str, Any]:
        return self._answer(lambda: self.client.post(path, json=body, headers={"If-Match": if_match}))

    def _answer(self, send: Any) -> dict[str, Any]:
        try:
            reply: httpx.Response = send()
            found = reply.json()
        except httpx.HTTPError as error:
            _fail(
                f"the approval service cannot be reached ({type(error).__name__}); is 'toolguard serve' running?",
                UNUSABLE,
            )
        except ValueError:
            _fail("what answered is not an approval service; check --url", FAILED)
        if not isinstance(found, dict):
            _fail("what answered is not an approval service; check --url", FAILED)
        if not reply.is_success:
            detail = visible(str(found.get("detail", "no detail")))
            code = visible(str(found.get("code", reply.status_code)))
            _fail(f"refused ({code}): {detail}", _EXIT.get(reply.status_code, FAILED))
        return found

    def find(self, name: str) -> dict[str, Any]:
        """One approval by its id or a beginning of it that only one has."""
        if len(name) == 32:
            return self.get(f"/v1/approvals/{_hex(name)}")
        found = [a for a in self.all() if a["id"].startswith(_hex(name))]
        if len(found) != 1:
            _fail(
                f"{len(found)} approvals begin with {name!r}; give more of the id"
                if found
                else f"no approval that you may see begins with {name!r}; look at 'toolguard approvals list'",
                MISSING,
            )
        return self.get(f"/v1/approvals/{found[0]['id']}")

    def all(self, **query: str) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self.get("/v1/approvals", limit="100", **query, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return


def _hex(name: str) -> str:
    if not name or set(name) - set("0123456789abcdef"):
        _fail("an approval's id has only the characters 0-9 and a-f; copy it from 'toolguard approvals list'")
    return name


@contextlib.contextmanager
def _service(url: str | None, config: Path, token_file: Path | None) -> Iterator[Service]:
    try:
        base = url or _configured(config)
        token = _token(token_file)
        parsed = httpx.URL(base)
        if parsed.scheme != "https" and parsed.host not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigError(f"refusing to send a token to {parsed.host!r} in clear text; use https")
    except (ToolguardError, httpx.InvalidURL) as error:
        _fail(str(error), UNUSABLE)
    with httpx.Client(
        base_url=base, timeout=15.0, headers={"Authorization": f"Bearer {token}"}, trust_env=parsed.scheme == "https"
    ) as client:
        yield Service(client=client)


def _configured(config: Path) -> str:
    if not config.exists():
        return "http://127.0.0.1:8790"
    from toolguard.config import load_config  # heavy, and not needed where the address is given

    return load_config(config).service.url


def _token(file: Path | None) -> str:
    if file is None:
        token = os.environ.get("TOOLGUARD_TOKEN", "").strip()
        if not token:
            raise ConfigError("no token: set TOOLGUARD_TOKEN or give --token-file; 'toolguard people token' makes one")
    else:
        try:
            if os.name == "posix" and file.stat().st_mode & 0o077:
                raise ConfigError(f"token file {str(file)!r} can be read by others; run chmod 600 on it")
            token = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"token file {str(file)!r} cannot be read ({type(error).__name__})") from None
    if not token.isascii() or not token.isprintable() or not token:
        raise ConfigError("the token is empty or damaged; copy it again")
    return token


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
    with _service(url, config, token_file) as service:
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
        left = _left(a["expires"]) if a["state"] == "pending" else ""
        cells = (a["id"][:12], a["state"], a["tool"], a["risk"]["level"], who["name"], who["agent"], left)
        table.add_row(*(_safe(c) for c in cells))
    Console().print(table)


@app.command("show")
def show(
    approval: IdArgument,
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one approval: who, what, why, and what an answer is bound to."""
    with _service(url, config, token_file) as service:
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
    url: UrlOption = None,
    config: ConfigOption = CONFIG,
    token_file: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve one call, once. Shows it first; what is shown is what is approved."""
    with _service(url, config, token_file) as service:
        found = service.find(approval)
        _print(found, to_stderr=as_json)
        if not yes:
            if not sys.stdin.isatty():
                _fail("nobody can be asked here; look at it with 'show', then add --yes")
            if not typer.confirm("Approve this one call, once?", err=True):
                typer.echo("nothing was decided", err=True)
                raise typer.Exit(USAGE)
        _decide(service, found, "approve", reason, f'"{found["version"]}"', as_json)


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
    with _service(url, config, token_file) as service:
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
    with _service(url, config, token_file) as service:
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


def _decide(service: Service, found: dict[str, Any], answer: str, reason: str, if_match: str, as_json: bool) -> None:
    after = service.post(
        f"/v1/approvals/{found['id']}/decision",
        {
            "answer": answer,
            "reason": reason,
            "seen_call_digest": found["call_digest"],
            "seen_view_digest": found["view_digest"],
        },
        if_match,
    )
    if as_json:
        typer.echo(json.dumps(after, indent=2))
    else:
        waits = " (more approvers are needed)" if after["state"] == "pending" else ""
        typer.echo(f"{'approved once' if answer == 'approve' else 'denied'}; it is now {after['state']}{waits}")


def _print(a: dict[str, Any], *, to_stderr: bool = False) -> None:
    who, policy, risk = a["requester"], a["policy"], a["risk"]
    rows: list[tuple[str, str]] = [
        ("state", a["state"] + (f", {_left(a['expires'])} left" if a["state"] == "pending" else "")),
        ("who", f"{who['name']} ({who['assurance']}) through {who['agent']}, run {who['run']}"),
        ("why asked", policy["because"]),
        ("rule", f"{', '.join(policy['rules']) or 'default'} (policy {policy['id']} {policy['version']})"),
        ("risk", f"{risk['level']}, {risk['risk_class'].replace('_', ' ')}"),
        *(("", f"- {line}") for line in risk["evidence"]),
        *((f"decides: {name}", value) for name, value in a["decisive"].items()),
        *((f"refers: {name}", "contents bound") for name in a["contents_bound"]),
        *((f"refers: {name}", "contents not bound: they may change after the answer") for name in a["contents_not_bound"]),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(_safe(name), _safe(value))
    arguments = a["arguments"] if isinstance(a["arguments"], dict) else {"": a["arguments"]}
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        table.add_row(_safe(f"argument {name}"), _safe(text, keep="\n"))
    if a["truncated"]:
        table.add_row("", "[bold red]this view is shortened: the call holds more than is shown[/]")
    if a["agent_reason"]:
        table.add_row("agent says", f"[yellow]{_safe(a['agent_reason'], keep=chr(10))}[/] [dim](not checked)[/]")
    for v in a["verdicts"]:
        said = "approved" if v["answer"] == "approve" else "denied"
        table.add_row("answer", _safe(f"{v['person']} {said} at {v['at']}: {v['reason']}"))
    table.add_row("expires", _safe(a["expires"]))
    table.add_row("call", _safe(a["call_digest"]))
    table.add_row("view", _safe(a["view_digest"]))
    Console(stderr=to_stderr).print(
        Panel(table, title=f"[bold]{_safe(a['tool'])}[/]", subtitle=a["id"], title_align="left", subtitle_align="left")
    )


def _safe(text: object, *, keep: str = "") -> str:
    return escape(visible(str(text), keep=keep))


def _left(expires: str) -> str:
    seconds = max(0, int((dt.datetime.fromisoformat(expires) - dt.datetime.now(dt.UTC)).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min" if rest >= 60 else f"{rest} s"


def _fail(message: str, code: int = USAGE) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)
