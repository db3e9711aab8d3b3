"""``toolguard policy test``: run the cases that stand beside policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from toolguard.cli._show import (
    AsJson,
    McpOption,
    ToolsOption,
    console,
    counted,
    inert,
    print_json,
    unusable_input,
)
from toolguard.policytools.cases import CaseFile, Result, find_case_files, read_cases, run_files
from toolguard.policytools.coverage import RuleCoverage, coverage, share, together
from toolguard.policytools.offered import read_tools

__all__ = ["run_cases"]


_REASONS = {
    "drift": "drift: its source or its description is not what the policy says (name it under 'tools', or give --tools)",
    "unknown_tool": "unknown_tool: the policy does not name it",
    "default": "default: the policy's default for its risk",
}


def run_cases(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Case files, policies with one beside them, folders, pack:NAME. None: all below here."),
    ] = None,
    tools: ToolsOption = None,
    mcp: McpOption = None,
    min_coverage: Annotated[
        float, typer.Option("--min-coverage", min=0, max=100, help="Fail if rules are covered less than this percent.")
    ] = 0.0,
    show_rules: Annotated[bool, typer.Option("--rules", help="Show the coverage of every rule.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the cases beside policies (NAME.cases.yaml) as the guard would judge them, and say what they cover.

    A tool of which a case says only the name is looked up in the file's own 'tools', then in --tools and --mcp.

    Exit codes: 0 all came out as expected, 1 one did not or too little is covered, 2 wrong usage, 3 a file is unusable.
    """
    with unusable_input():
        read = [read_cases(name) for name in find_case_files(files or [])]
        ran = list(run_files(read, tools=read_tools(tools or (), mcp or ())))
    covered = _coverage(read, ran)
    failed = [r for _, r in ran if not r.passed]
    least = min((share(rules) for rules in covered.values()), default=100.0)
    if as_json:
        print_json(_data([r for _, r in ran], covered))
    else:
        _print(ran, covered, show_rules=show_rules or least < min_coverage)
    if least < min_coverage and not as_json:
        typer.echo(f"{least:.0f} % of what the rules can do is covered, and {min_coverage:g} % is asked for", err=True)
    if failed or least < min_coverage:
        raise typer.Exit(1)


def _coverage(files: list[CaseFile], ran: list[tuple[CaseFile, Result]]) -> dict[str, tuple[RuleCoverage, ...]]:
    parts: dict[str, list[RuleCoverage]] = {}
    for file in files:
        answers = (r.answer for f, r in ran if f is file)
        parts.setdefault(file.subject, []).extend(coverage(file.policy, answers, added=file.added))
    return {subject: together(rules) for subject, rules in parts.items()}


def _data(results: list[Result], covered: Mapping[str, tuple[RuleCoverage, ...]]) -> dict[str, Any]:
    return {
        "passed": sum(r.passed for r in results),
        "failed": sum(not r.passed for r in results),
        "cases": [
            {
                "file": r.file,
                "line": r.line,
                "name": r.name,
                "passed": r.passed,
                "effect": r.answer.effect,
                "reason": r.answer.reason,
                "rules": list(r.answer.rules),
                "differences": [{"what": d.what, "expected": d.expected, "got": d.got} for d in r.differences],
            }
            for r in results
        ],
        "coverage": [
            {
                "policy": subject,
                "percent": round(share(rules), 1),
                "rules": [{"id": r.id, "matched": r.matched, "missed": r.missed, "lacks": r.lacks} for r in rules],
            }
            for subject, rules in covered.items()
        ],
    }


def _print(
    ran: list[tuple[CaseFile, Result]], covered: Mapping[str, tuple[RuleCoverage, ...]], *, show_rules: bool
) -> None:
    out = console()
    for _, result in ran:
        if result.passed:
            continue
        out.print(Text.assemble(("FAILED ", "bold red"), f"{result.file}:{result.line}: ", inert(result.name)))
        why = result.answer.reason
        for difference in result.differences:
            out.print(Text.assemble(f"  {difference.what}: expected ", (difference.expected, "green")))
            out.print(Text.assemble(" " * len(f"  {difference.what}") + "  got      ", (difference.got, "red")))
        out.print(Text(f"  because of: {', '.join(result.answer.rules) or _REASONS.get(why, why)}", style="dim"))
    for subject, rules in covered.items():
        lacking = [r for r in rules if r.lacks]
        style = "green" if not lacking else "yellow"
        percent = Text.assemble(
            f"{subject}: ", (f"{share(rules):.0f} %", style), " of what its rules can do is covered"
        )
        out.print(percent)
        if show_rules:
            out.print(_table(rules))
        elif lacking:
            out.print(Text(f"  not shown by any case (--rules): {', '.join(r.id for r in lacking)}", style="dim"))
    failed = sum(not r.passed for _, r in ran)
    out.print(
        Text(f"{counted(len(ran) - failed, 'case')} passed", style="green"),
        Text(f", {failed} failed", style="bold red") if failed else Text(""),
        sep="",
    )


def _table(rules: tuple[RuleCoverage, ...]) -> Table:
    table = Table("  rule", "matched", "did not", "no case shows", box=None, pad_edge=False)
    for rule in rules:
        missed = str(rule.missed) if rule.wants_miss else "-"
        table.add_row(f"  {rule.id}", str(rule.matched), missed, Text(rule.lacks, style="yellow"))
    return table
