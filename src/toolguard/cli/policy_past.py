"""``toolguard policy replay``, ``shadow`` and ``simulate``: what a policy would do to calls that were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from toolguard.cli._show import (
    AsJson,
    ConfigOption,
    McpOption,
    SegmentsOption,
    Since,
    StoreOption,
    ToolsOption,
    console,
    counted,
    inert,
    opened_store,
    print_json,
    transitions,
    unusable_input,
)
from toolguard.policytools.offered import placed, read_tools
from toolguard.policytools.reading import load_any
from toolguard.policytools.recorded import decisions, whole_since
from toolguard.policytools.replay import Replay, Report, replay_all
from toolguard.policytools.shadow import ShadowReport, shadow_report
from toolguard.policytools.simulate import Simulated, read_calls, simulate

__all__ = ["replay", "report_data", "run_simulate", "shadow"]

_CONFIG = Path("toolguard.toml")
_CAUSES = 10
_ORDER = ("allow", "mask", "require_approval", "deny")
PolicyArgument = Annotated[str, typer.Argument(help="The policy to try (a file, or pack:NAME).", show_default=False)]
Week = "7d"


class FailOn(StrEnum):
    NONE = "none"
    CHANGE = "change"
    LOOSEN = "loosen"


FailOption = Annotated[FailOn, typer.Option("--fail-on", help="What ends in exit code 1.")]


def replay(
    policy: PolicyArgument,
    base: Annotated[
        str | None,
        typer.Option("--base", help="The policy that was in force: of rules that stand in both, the record tells."),
    ] = None,
    store: StoreOption = None,
    config: ConfigOption = _CONFIG,
    segments: SegmentsOption = None,
    since: Since = Week,  # type: ignore[assignment]  # typer parses the default, too
    fail_on: FailOption = FailOn.NONE,
    as_json: AsJson = False,
) -> None:
    """Judge recorded calls again under another policy, from what was recorded of them.

    What rules ask of arguments is not on record: such calls are counted and named, and never guessed. Records that were taken
    out of the store come from their segments.

    Exit codes: 0 done, 1 what --fail-on names, 2 wrong usage, 3 the policy or the store is unusable.
    """
    with unusable_input():
        tried = Replay(load_any(policy), base=None if base is None else load_any(base))
        with opened_store(store, config, segments) as opened:
            begin = opened.now() - since
            report = replay_all(decisions(whole_since(opened, begin), begin), tried)
    if as_json:
        print_json(report_data(report))
    else:
        _print_report(report)
    _end(fail_on, report.changes)


def _end(fail_on: FailOn, changes: Counter[tuple[str, str]]) -> None:
    looser = [c for c in changes if _ORDER.index(c[1]) < _ORDER.index(c[0])]
    if (fail_on is FailOn.CHANGE and changes) or (fail_on is FailOn.LOOSEN and looser):
        raise typer.Exit(1)


def report_data(report: Report) -> dict[str, Any]:
    """A replay as plain data."""
    return {
        "calls": report.calls,
        "same": report.same,
        "changed": [{"before": b, "after": a, "calls": n} for (b, a), n in report.changes.most_common()],
        "tools": [
            {"tool": tool, "before": b, "after": a, "calls": n} for (tool, b, a), n in report.by_tool.most_common()
        ],
        "not_replayed": report.not_replayed,
        "why_not": dict(report.unknown.most_common()),
        "unusable": dict(report.unusable.most_common()),
        "rules": dict(sorted(report.by_rule.items())),
        "examples": [
            {
                "call": e.recorded.call,
                "tool": e.recorded.tool.name,
                "before": e.recorded.effect.label,
                "after": e.after.label if e.after is not None else None,
                "rules": list(e.rules),
                "approvals": list(e.approvals),
            }
            for e in report.examples
        ],
    }


def _print_report(report: Report) -> None:
    out = console()
    out.print(f"{counted(report.calls, 'recorded call')}: {report.replayed} replayed, {report.same} come out the same")
    for line in transitions(report.changes):
        out.print(Text("  ") + line)
    if report.by_tool:
        table = Table("  tool", "was", "would be", "calls", box=None, pad_edge=False)
        for (tool, before, after), count in report.by_tool.most_common(20):
            table.add_row(Text("  ") + inert(tool), before, after, str(count))
        out.print(table)
    for example in report.examples[:5]:
        rules = ", ".join(example.rules) or "the default"
        out.print(Text(f"  such as {example.recorded.call[:12]} (toolguard audit show): {rules}", style="dim"))
    if report.not_replayed:
        out.print(Text(f"{counted(report.not_replayed, 'call')} cannot be replayed:", style="yellow"))
        grouped = _by_cause(report.unknown)
        for why, count in grouped[:_CAUSES]:
            out.print(Text(f"  {count:>6}  ") + inert(why))
        if len(grouped) > _CAUSES:
            out.print(
                Text(f"          and {counted(len(grouped) - _CAUSES, 'more rule')} (--json has all)", style="dim")
            )
    for why, count in report.unusable.most_common():
        out.print(Text(f"{counted(count, 'call')} cannot be replayed: {why}", style="dim"))


def _by_cause(unknown: Mapping[str, int]) -> list[tuple[str, int]]:
    """A line for each rule: what of a call it asks for, together, and the most calls any of these stands for."""
    asked: dict[str, list[str]] = {}
    calls: dict[str, int] = {}
    for why, count in unknown.items():
        rule, _, what = why.partition(": ")
        asked.setdefault(rule, []).append(what)
        calls[rule] = max(count, calls.get(rule, 0))
    lines = [
        (f"{rule}: {', '.join(filter(None, whats))}".removesuffix(": "), calls[rule]) for rule, whats in asked.items()
    ]
    return sorted(lines, key=lambda line: -line[1])


def shadow(
    store: StoreOption = None,
    config: ConfigOption = _CONFIG,
    segments: SegmentsOption = None,
    since: Since = Week,  # type: ignore[assignment]  # typer parses the default, too
    as_json: AsJson = False,
) -> None:
    """Report what rules and policies in shadow would have done to the calls that were made.

    Exit codes: 0 done, 2 wrong usage, 3 the store is unusable.
    """
    with unusable_input(), opened_store(store, config, segments) as opened:
        begin = opened.now() - since
        report = shadow_report(decisions(whole_since(opened, begin), begin))
    if as_json:
        print_json(_shadow_data(report))
    else:
        _print_shadow(report)


def _shadow_data(report: ShadowReport) -> dict[str, Any]:
    return {
        "calls": report.calls,
        "unusable": report.unusable,
        "mode": [{"did": did, "would": would, "calls": n} for (did, would), n in report.mode.most_common()],
        "rules": [
            {
                "id": name,
                "matched": rule.matched,
                "changed": [{"was": b, "would": a, "calls": n} for (b, a), n in rule.changed.most_common()],
                "tools": dict(rule.tools.most_common()),
            }
            for name, rule in sorted(report.rules.items())
        ],
    }


def _print_shadow(report: ShadowReport) -> None:
    out = console()
    out.print(f"{counted(report.calls, 'recorded call')}")
    if report.mode:
        out.print("Policies in shadow mode would have changed:")
        for line in transitions(report.mode):
            out.print(Text("  ") + line)
        for (tool, would), count in report.mode_tools.most_common(10):
            out.print(Text(f"  {count:>6}  ", style="dim") + inert(tool) + Text(f"  {would}"))
    for name, rule in sorted(report.rules.items()):
        changed = sum(rule.changed.values())
        out.print(Text(f"rule {name}: matched {counted(rule.matched, 'call')}, would have changed {changed}"))
        for line in transitions(rule.changed):
            out.print(Text("  ") + line)
    if not report.mode and not report.rules:
        out.print("nothing in shadow spoke")
    if report.unusable:
        out.print(Text(f"{counted(report.unusable, 'call')} say nothing of it", style="dim"))


def run_simulate(
    policy: PolicyArgument,
    calls: Annotated[
        str, typer.Argument(help="JSON lines {tool, args, caller, environment, at, …}.", show_default=False)
    ],
    against: Annotated[str | None, typer.Option("--against", help="The policy to compare with.")] = None,
    tools: ToolsOption = None,
    mcp: McpOption = None,
    fail_on: FailOption = FailOn.NONE,
    as_json: AsJson = False,
) -> None:
    """Judge calls with their arguments under a policy, and under another to compare. Nothing is run.

    Exit codes: 0 done, 1 what --fail-on names, 2 wrong usage, 3 a file is unusable.
    """
    with unusable_input():
        tried, before = load_any(policy), None if against is None else load_any(against)
        known = [placed(tool, tried) for tool in read_tools(tools or (), mcp or ())]
        found = list(simulate(read_calls(calls, known), tried, before=before))
    changes: Counter[tuple[str, str]] = Counter(
        (s.before.effect, s.after.effect) for s in found if s.before is not None and s.before.effect != s.after.effect
    )
    if as_json:
        print_json([_simulated(s) for s in found])
    else:
        _print_simulated(found, changes)
    _end(fail_on, changes)


def _simulated(each: Simulated) -> dict[str, Any]:
    data: dict[str, Any] = {
        "line": each.line,
        "tool": each.tool,
        "effect": each.after.effect,
        "reason": each.after.reason,
        "rules": list(each.after.rules),
        "approvals": list(each.after.approvals),
    }
    if each.before is not None:
        data |= {"before": each.before.effect, "changed": each.changed}
    return data


def _print_simulated(found: list[Simulated], changes: Counter[tuple[str, str]]) -> None:
    out = console()
    counts = Counter(s.after.effect for s in found)
    said = ", ".join(f"{counts[word]} {word}" for word in _ORDER if counts[word])
    out.print(f"{counted(len(found), 'call')}: {said or 'none'}")
    for line in transitions(changes):
        out.print(Text("  ") + line)
    table = Table("  line", "tool", "effect", "because of", box=None, pad_edge=False)
    for each in found:
        if each.changed or (each.before is None and each.after.effect != "allow"):
            was = f"{each.before.effect} → " if each.before is not None else ""
            why = ", ".join(each.after.rules) or each.after.reason
            table.add_row(f"  {each.line}", inert(each.tool), was + each.after.effect, why)
    if table.row_count:
        out.print(table)
