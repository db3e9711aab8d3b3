"""The approval service as the command line reaches it: one person's token, plain errors, exit codes."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.markup import escape
from rich.table import Table

from toolguard.authority import visible
from toolguard.cli._show import print_table
from toolguard.errors import ConfigError, ToolguardError

__all__ = [
    "CONFIG",
    "ConfigOption",
    "IdArgument",
    "JsonOption",
    "MISSING",
    "Service",
    "StepUpOption",
    "TokenOption",
    "USAGE",
    "UrlOption",
    "fail",
    "left",
    "listed",
    "safe",
    "seconds_of",
    "service_of",
]

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
StepUpOption = Annotated[
    str, typer.Option("--code", help="A one-time code of your second factor, where one is needed.")
]
IdArgument = Annotated[str, typer.Argument(help="The approval's id, or its first characters.")]
CONFIG = Path("toolguard.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The approval service, as one person."""

    client: httpx.Client

    def get(self, path: str, **query: str) -> dict[str, Any]:
        found: dict[str, Any] = self._answer(lambda: self.client.get(path, params=query), dict)
        return found

    def list(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._answer(lambda: self.client.get(path), list)
        return found

    def post(self, path: str, body: dict[str, Any], *, if_match: str = "", code: str = "") -> dict[str, Any]:
        """``code`` is a one-time code of the person's second factor."""
        headers = {**({"If-Match": if_match} if if_match else {}), **({"Toolguard-Step-Up": code} if code else {})}
        found: dict[str, Any] = self._answer(lambda: self.client.post(path, json=body, headers=headers), dict)
        return found

    def _answer(self, send: Callable[[], httpx.Response], kind: type) -> Any:
        try:
            reply = send()
            found: Any = {} if reply.status_code == 204 else reply.json()
        except httpx.HTTPError as error:
            fail(
                f"the approval service cannot be reached ({type(error).__name__}); is 'toolguard serve' running?",
                UNUSABLE,
            )
        except ValueError:
            fail("what answered is not an approval service; check --url", FAILED)
        if not reply.is_success and isinstance(found, dict):
            detail = visible(str(found.get("detail", "no detail")))
            code = visible(str(found.get("code", reply.status_code)))
            fail(f"refused ({code}): {detail}", _EXIT.get(reply.status_code, FAILED))
        if not reply.is_success or not isinstance(found, kind):
            fail("what answered is not an approval service; check --url", FAILED)
        return found

    def find(self, name: str) -> dict[str, Any]:
        """One approval by its id or a beginning of it that only one has."""
        if len(name) == 32:
            return self.get(f"/v1/approvals/{_hex(name)}")
        found = [a for a in self.all() if a["id"].startswith(_hex(name))]
        if len(found) != 1:
            fail(
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
        fail("an approval's id has only the characters 0-9 and a-f; copy it from 'toolguard approvals list'")
    return name


@contextlib.contextmanager
def service_of(url: str | None, config: Path, token_file: Path | None) -> Iterator[Service]:
    try:
        base = url or _configured(config)
        token = _token(token_file)
        parsed = httpx.URL(base)
        if parsed.scheme != "https" and parsed.host not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigError(f"refusing to send a token to {parsed.host!r} in clear text; use https")
    except (ToolguardError, httpx.InvalidURL) as error:
        fail(str(error), UNUSABLE)
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


def safe(text: object, *, keep: str = "") -> str:
    return escape(visible(str(text), keep=keep))


def left(expires: str) -> str:
    seconds = max(0, int((dt.datetime.fromisoformat(expires) - dt.datetime.now(dt.UTC)).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min" if rest >= 60 else f"{rest} s"


def listed(found: list[dict[str, Any]], columns: dict[str, str], empty: str, as_json: bool) -> None:
    """Rows as a table: of each the fields that ``columns`` names, under its headings; ``empty`` where there are none."""
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo(empty)
        return
    table = Table(*columns.values())
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for row in found:
        table.add_row(*(safe(row[name]) for name in columns))
    print_table(table)


def fail(message: str, code: int = USAGE) -> NoReturn:
    typer.echo(f"toolguard: error: {message}", err=True)
    raise typer.Exit(code)


def seconds_of(duration: str) -> float:
    """``30m``, ``8h``, ``90s`` or ``2d`` in seconds."""
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}.get(duration[-1:], 0.0)
    try:
        seconds = float(duration[:-1]) * unit
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        fail(f"{duration!r} is not a duration; write a number and a unit (s, m, h or d), such as 30m")
    return seconds
