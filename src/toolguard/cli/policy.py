"""``toolguard policy``: check a policy file, explain what it decides, print its JSON Schema."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from toolguard._core.call import Assurance, Caller, Person, Tool
from toolguard._core.policy import Effect, Handling, Policy, glob_matches
from toolguard._core.toolrule import identity_fits
from toolguard.cli import policy_cases, policy_diff, policy_lint, policy_past, policy_scan, policy_sign
from toolguard.cli._show import McpOption, ToolsOption
from toolguard.config import ANALYSES
from toolguard.errors import ConfigError, PolicyError
from toolguard.policyfile import Problem, explain, json_schema, load_policy
from toolguard.policytools.judging import Call, Judge, local_seconds
from toolguard.policytools.offered import named_tool, read_tools
from toolguard.policytools.reading import load_any
from toolguard.policytools.spec import cases_schema

__all__ = ["app"]

app = typer.Typer(name="policy", help="Check and explain policies.", no_args_is_help=True)
app.command("test")(policy_cases.run_cases)
app.command("lint")(policy_lint.run_lint)
app.command("replay")(policy_past.replay)
app.command("simulate")(policy_past.run_simulate)
app.command("shadow")(policy_past.shadow)
app.command("diff")(policy_diff.diff)
app.command("scan")(policy_scan.scan)
app.command("sign")(policy_sign.sign)
app.command("verify")(policy_sign.verify)

PolicyFile = Annotated[str, typer.Argument(help="The policy file (YAML), or pack:NAME.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("check")
def check(
    files: Annotated[list[str], typer.Argument(help="Policy files, or pack:NAME.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Load policy files; print every fault as file:line:column: message. Exit code 1 if there is any."""
    problems: list[Problem] = []
    for file in files:
        try:
            loaded = load_any(file) if file.startswith("pack:") else load_policy(Path(file), functions=ANALYSES)
        except PolicyError as error:
            if not error.problems:
                raise
            problems += [p for p in error.problems if isinstance(p, Problem)]
        else:
            if not as_json:
                typer.echo(
                    f"{file}: policy {loaded.id!r} version {loaded.version} is in order: "
                    f"{len(loaded.rules)} rules, {len(loaded.tools)} tool patterns, sha256 {loaded.sha256}"
                )
            if said := _undone(loaded):
                typer.echo(f"{file}: warning: {said}", err=True)
            for pattern in _trusted_from_anywhere(loaded):
                typer.echo(
                    f"{file}: warning: tools named {pattern!r} are trusted wherever they come from; "
                    "say where with source: so that another tool of that name is refused",
                    err=True,
                )
    if as_json:
        names = ("file", "line", "column", "path", "message")
        typer.echo(json.dumps([{n: getattr(p, n) for n in names} for p in problems], indent=2))
    else:
        for problem in problems:
            typer.echo(str(problem))
    if problems:
        raise typer.Exit(1)


def _undone(policy: Policy) -> str:
    """What is so where one pattern names every tool there is, and unknown ones were to be held back; "" elsewhere."""
    unknown = policy.defaults.unknown_tool
    star = next((t for t in policy.tools if not t.pattern.strip("*") and t.source is None and t.digest is None), None)
    if star is None or unknown < Effect.REQUIRE_APPROVAL:
        return ""
    packs = [name for name in policy.packs if _names_everything(name)]
    where = f" (of {', '.join(packs)})" if packs else ""
    return (
        f"the tool pattern {star.pattern!r}{where} names every tool, so 'unknown_tool: {unknown.label}' holds nobody back: "
        "a tool that nobody thought of is judged by its risk alone; leave the pattern or the pack out where that is not meant"
    )


def _names_everything(pack: str) -> bool:
    name = pack.partition("@")[0]
    try:
        loaded = load_any(name if name.startswith("pack:") else f"pack:{name}")
    except (PolicyError, ConfigError):
        return False
    return any(not t.pattern.strip("*") for t in loaded.tools)


def _trusted_from_anywhere(policy: Policy) -> list[str]:
    """Patterns that trust tools with identifiers, credentials, or with what they say, by name alone."""
    return [
        t.pattern
        for t in policy.tools
        if t.source is None
        and t.digest is None
        and (t.trusted_for or t.trusted_results or t.credentials or Handling.UNMASK in t.args.values())
    ]


@app.command("schema")
def schema(cases: Annotated[bool, typer.Option("--cases", help="That of files of cases.")] = False) -> None:
    """Print the JSON Schema of policy files, for editors; or that of files of cases."""
    typer.echo(json.dumps(cases_schema() if cases else json_schema(), indent=2, ensure_ascii=False))


@app.command("explain")
def explain_call(
    file: PolicyFile,
    tool: Annotated[str, typer.Option("--tool", help="The tool's name.")],
    args: Annotated[
        str,
        typer.Option("--args", help="The arguments as JSON; - reads them from standard input, so no shell keeps them."),
    ] = "{}",
    tools: ToolsOption = None,
    mcp: McpOption = None,
    source: Annotated[str, typer.Option("--source", help="Where the tool comes from.")] = "app",
    description: Annotated[str, typer.Option("--description", help="The tool's description.")] = "",
    schema_file: Annotated[
        Path | None, typer.Option("--schema", help="The JSON Schema of its arguments (file).")
    ] = None,
    caller: Annotated[str, typer.Option("--caller", help="The person behind the call.")] = "somebody",
    role: Annotated[list[str] | None, typer.Option("--role", help="A role of theirs; may be repeated.")] = None,
    agent: Annotated[str, typer.Option("--agent", help="The agent that calls.")] = "agent",
    tenant: Annotated[str, typer.Option("--tenant", help="Their tenant.")] = "default",
    verified: Annotated[bool, typer.Option("--verified", help="The person was verified, not only asserted.")] = False,
    environment: Annotated[str, typer.Option("--environment", help="Where it happens.")] = "production",
    hour: Annotated[int, typer.Option("--hour", min=0, max=23, help="Local hour of a working day.")] = 12,
    at: Annotated[datetime | None, typer.Option("--at", help="Local time, such as 2026-11-22T23:30.")] = None,
    session: Annotated[str, typer.Option("--session", help="Facts about the session, as JSON.")] = "{}",
    as_json: AsJson = False,
) -> None:
    """Decide one call as the guard would, without running anything, and say why. No value is shown in clear."""
    policy = load_any(file)
    if tools or mcp:
        known = named_tool(tool, read_tools(tools or (), mcp or ()), policy)
    else:
        known = Tool.describe(
            tool,
            source=source,
            description=description,
            schema=_object("--schema", _text(schema_file)) if schema_file else None,
        )
    who = Caller(
        person=Person(issuer="local", tenant=tenant, subject=caller),
        agent=agent,
        tenant=tenant,
        roles=frozenset(role or ()),
        assurance=Assurance.VERIFIED if verified else Assurance.ASSERTED,
    )
    data = _object("--args", sys.stdin.read() if args == "-" else args)
    call = Call(
        tool=known,
        args=data,
        caller=who,
        environment=environment,
        at=local_seconds(hour=hour, moment=at),
        session=_object("--session", session),
    )
    with Judge(policy) as judge:
        answer, masked = judge.explained(call)
    if answer.plan.drifted:
        _say_drift(known, policy)
    if answer.decision is None:
        _refused(answer.refused, as_json)
        return
    told = explain(answer.decision, policy, masked=masked)
    if as_json:
        typer.echo(json.dumps(told.to_dict(), indent=2, ensure_ascii=True))
        return
    typer.echo(told.auditor)
    typer.echo(f"\nTo the approver:\n{told.approver}")
    typer.echo(f"\nTo the model:\n{told.model}")


def _say_drift(tool: Tool, policy: Policy) -> None:
    """What the policy says of the tool that this one is not: most often the command line said too little of it."""
    named = (t for t in policy.tools if glob_matches(t.pattern, tool.name) and not identity_fits(t, tool))
    entry = next(named, None)
    if (
        entry is not None
        and entry.source is not None
        and not glob_matches(entry.source, tool.identity.source, exact_case=True)
    ):
        said = f"the policy wants {tool.name!r} from {entry.source!r}, and this one is from {tool.identity.source!r}"
    else:
        said = f"the policy binds {tool.name!r} to another schema and description than this one's"
    typer.echo(f"note: {said}; give --tools, so that the tool is known as the guard knows it", err=True)


def _refused(code: str, as_json: bool) -> None:
    """A call that no rule decides on, because it cannot be judged at all."""
    if as_json:
        typer.echo(json.dumps({"effect": "deny", "reason_code": code, "rules": []}, indent=2))
    else:
        typer.echo(f"The call is denied ({code}): it cannot be judged, so no rule decides on it and it does not run.")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter("cannot be read; check the path", param_hint="--schema") from None


def _object(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise typer.BadParameter("is not a JSON object", param_hint=option) from None
    return value
