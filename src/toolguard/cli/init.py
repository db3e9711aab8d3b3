"""``toolguard init``: everything a first guarded call needs, in one folder."""

from __future__ import annotations

import getpass
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from toolguard._core.call import Tool
from toolguard.cli._beginning import FIRST_CALL, Wishes, write
from toolguard.cli._show import McpOption, print_json, screen
from toolguard.errors import ConfigError, ToolguardError
from toolguard.policytools.offered import read_tools

__all__ = ["app"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_APPROVER = "second.person"
_ALONE = "is the person who asks; nobody approves their own call"


def app(
    folder: Annotated[Path, typer.Argument(help="Where to; made if it is not there.")] = Path(),
    tools: Annotated[
        list[str] | None,
        typer.Option("--tools", help="Your tools: a file (JSON, JSON lines) or module:attribute; may be repeated."),
    ] = None,
    mcp: McpOption = None,
    name: Annotated[str, typer.Option("--name", help="The agent's name, and the policy's.")] = "",
    person: Annotated[str, typer.Option("--person", help="Your id: the person who asks.")] = "",
    approver: Annotated[str, typer.Option("--approver", help="The id of a second person, who approves.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose data it is: a house, a customer.")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; take what flags leave out by default.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output; asks nothing.")] = False,
) -> None:
    """Begin: write a configuration, a policy for your tools with its test, a directory and keys. Nothing is overwritten.

    It asks a few questions, reads your tools (nothing of them is run but the import of their module), and writes
    toolguard.toml, policy.yaml, policy.cases.yaml, directory.yaml, tokens.json and keys/ (mode 0600). The policy has passed
    check, lint and test before it stands there. Without tools it is about an example, which first_call.py calls.

    \b
    Examples:
      toolguard init
      toolguard init --tools my_agent.tools:TOOLS --person ana.ruiz --approver wei.chen --yes
      toolguard init ward --mcp "python ward_server.py"

    Exit codes: 0 written, 2 wrong usage, 3 something is there already, or the tools cannot be read.

    See also: toolguard doctor, toolguard policy scan, toolguard people token, toolguard serve
    """
    asks = not yes and not as_json
    if asks and not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here; add --yes, and flags for what should differ")
    found = _asked_tools() if asks and not tools and not mcp else _read(tools or (), mcp or ())
    called = _id("--name", name, "What is your agent called", "my-agent", asks)
    you = _id("--person", person, "Your id (you ask; verdicts compare persons)", _user(), asks)
    other = "Who approves besides you (an id; change it later)"
    wishes = Wishes(
        name=called,
        person=you,
        approver=_id("--approver", approver, other, _APPROVER, asks, not_=you),
        tenant=_id("--tenant", tenant, "Whose data is it (a house, a customer)", "default", asks),
        tools=found,
    )
    written = write(folder, wishes)
    steps = _next(folder, wishes)
    if as_json:
        print_json({"folder": str(folder), "written": list(written), "next": [command for command, _ in steps]})
        return
    _tell(folder, wishes, written, steps)


def _read(tools: Sequence[str], mcp: Sequence[str]) -> tuple[Tool, ...]:
    found = read_tools(tools, mcp)
    if (tools or mcp) and not found:
        raise ConfigError("there is no tool in it; check what was named")
    return found


def _asked_tools() -> tuple[Tool, ...]:
    """The tools somebody names; what cannot be read is asked for again."""
    while True:
        said = typer.prompt(
            "Where are your tools (module:attribute or a file; empty: an example)", default="", show_default=False
        ).strip()
        try:
            return _read([said] if said else [], ())
        except ToolguardError as wrong:
            typer.echo(f"  {wrong}", err=True)


_SHAPE = "takes up to 64 letters, digits, '.', '_' and '-', a letter or digit first"


def _id(option: str, given: str, question: str, default: str, asks: bool, *, not_: str = "") -> str:
    """An id from a flag, from whoever is asked (until it is one), or by default; never ``not_``."""
    while True:
        said = given or (str(typer.prompt(question, default=default)) if asks else default)
        wrong = _SHAPE if not _ID.fullmatch(said) else _ALONE if said == not_ else ""
        if not wrong:
            return said
        if given or not asks:
            raise typer.BadParameter(wrong, param_hint=option)
        typer.echo(f"  this {wrong}", err=True)


def _user() -> str:
    """Who is logged in, where that can be an id."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = ""
    return name if _ID.fullmatch(name) and name != _APPROVER else "me"


def _next(folder: Path, wishes: Wishes) -> list[tuple[str, str]]:
    there = [] if folder == Path() else [(f"cd {shlex.quote(str(folder))}", "")]
    call = (
        ("toolguard doctor", "what is in order, and what is not yet")
        if wishes.tools
        else (f"python {FIRST_CALL}", "in a third terminal: a call that waits for them")
    )
    return [
        *there,
        (f"toolguard people token {wishes.approver} --audience decide", "a token for whoever approves, shown once"),
        ("toolguard serve", "the approval service, in a terminal of its own"),
        call,
    ]


def _tell(folder: Path, wishes: Wishes, written: tuple[str, ...], steps: list[tuple[str, str]]) -> None:
    out = screen()
    tools = f"{len(wishes.tools)} tools" if wishes.tools else "an example tool"
    out.print(
        Text.assemble((f"{len(written)} files", "bold"), f" in {folder.resolve()}: a policy about {tools}"),
        soft_wrap=True,
    )
    for file in written:
        if not file.startswith("keys/"):
            out.print(Text(f"  {file}"))
    out.print(Text.assemble("  keys/", ("   secrets: keep them out of version control", "dim")), soft_wrap=True)
    out.print(Text("\nNext:", style="bold"))
    wide = max(len(command) for command, _ in steps)
    for command, why in steps:
        out.print(
            Text.assemble("  ", (command.ljust(wide), "cyan"), ("   # " + why if why else "", "dim")), soft_wrap=True
        )
    out.print(Text("\n'toolguard doctor' says what is in order, and what is not yet.", style="dim"), soft_wrap=True)
