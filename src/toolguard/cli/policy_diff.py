"""``toolguard policy diff``: what a change of a policy means."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from toolguard.cli._show import (
    AsJson,
    ConfigOption,
    SegmentsOption,
    Since,
    StoreOption,
    console,
    counted,
    inert,
    opened_store,
    print_json,
    transitions,
    unusable_input,
)
from toolguard.cli.policy_past import FailOn, Week, report_data
from toolguard.policytools.difference import Change, Turn, difference
from toolguard.policytools.reading import load_any
from toolguard.policytools.recorded import Recorded, decisions, whole_since
from toolguard.policytools.replay import Replay, Report, replay_all

__all__ = ["diff"]

_CONFIG = Path("toolguard.toml")
_STYLES = {Turn.LOOSENS: "bold red", Turn.MAY_LOOSEN: "yellow", Turn.TIGHTENS: "green", Turn.NEITHER: "dim"}


def diff(
    old: Annotated[str, typer.Argument(help="The policy in force (a file, or pack:NAME).", show_default=False)],
    new: Annotated[str, typer.Argument(help="The policy to come.", show_default=False)],
    store: StoreOption = None,
    config: ConfigOption = _CONFIG,
    segments: SegmentsOption = None,
    since: Since = Week,  # type: ignore[assignment]  # typer parses the default, too
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="loosen: a change that loosens, or may; change: any change.")
    ] = FailOn.NONE,
    as_json: AsJson = False,
) -> None:
    """Say what a change of a policy allows, asks and trusts otherwise; with --store, what it would do to recorded calls.

    Exit codes: 0 done, 1 what --fail-on names, 2 wrong usage, 3 a policy or the store is unusable.
    """
    with unusable_input():
        before, after = load_any(old), load_any(new)
        changes = difference(before, after)
        report, matched = None, Counter[str]()
        if store is not None:
            with opened_store(store, config, segments) as opened:
                begin = opened.now() - since
                calls = list(decisions(whole_since(opened, begin), begin))
            report = replay_all(calls, Replay(after, base=before))
            matched.update(rule for call in calls if isinstance(call, Recorded) for rule in call.rules)
    if as_json:
        print_json(_data(changes, report, matched))
    else:
        _print(changes, report, matched)
    loosening = [c for c in changes if c.turn in (Turn.LOOSENS, Turn.MAY_LOOSEN)]
    if (fail_on is FailOn.LOOSEN and loosening) or (fail_on is FailOn.CHANGE and changes):
        raise typer.Exit(1)


def _data(changes: tuple[Change, ...], report: Report | None, matched: Counter[str]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "changes": [
            {
                "part": c.part,
                "name": c.name,
                "field": c.field,
                "before": c.before,
                "after": c.after,
                "turn": c.turn.value,
                **({"matched": matched[c.name]} if report is not None and c.part == "rule" else {}),
            }
            for c in changes
        ]
    }
    if report is not None:
        data["calls"] = report_data(report)
    return data


def _print(changes: tuple[Change, ...], report: Report | None, matched: Counter[str]) -> None:
    out = console()
    if not changes:
        out.print("the two policies say the same")
    for c in changes:
        what = f"{c.part} {c.name}{f', {c.field}' if c.field else ''}: "
        line = Text.assemble((f"{c.turn.value:<11} ", _STYLES[c.turn])) + inert(what) + inert(f"{c.before} → {c.after}")
        if report is not None and c.part == "rule" and c.before != "none":
            line += Text(f"  (matched {counted(matched[c.name], 'call')})", style="dim")
        out.print(line)
    if report is not None:
        out.print(f"of {counted(report.calls, 'recorded call')}, {report.replayed} can be replayed:")
        for line in transitions(report.changes):
            out.print(Text("  ") + line)
        out.print(
            f"  {report.same} come out the same; {report.not_replayed} depend on arguments, which are not on record"
        )
