"""How risk is told with no rule written: right and wrong by class, and how long it takes.

    python benchmarks/risk.py [DATA] [--errors N] [--json FILE]

DATA is a folder with ``iam*``, ``mcp_tools*``, ``tools*``, ``sql*`` and ``shell*.jsonl`` (any of them), one object a
line: {service, action, access_level, description}, {name, description, readOnlyHint or label, params}, {sql, label}
and {command, label}. Without it the project's own corpora are read (``benchmarks/data/risk``). A tool or action counts
as changing unless it is said to be a read of low level; a statement or command as risky if its level is high or
critical. Of each set a table shows which class was said of which, and the worst mistakes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from risk_sets import Row, Table, described, rows, tables_of
from toolguard._core.call import Tool
from toolguard._core.risk import RiskClass
from toolguard.analysis import analyser_for, classify_tool

OWN = Path(__file__).parent / "data" / "risk"


def show(console: Console, table: Table, errors: int) -> None:
    """One table: its figures against what was aimed at, class by class, and its worst errors."""
    got = table.figures()
    aims = [f"recall >= {table.recall}"] if table.recall is not None else []
    aims += [f"false alarms <= {table.alarms}"] if table.alarms is not None else []
    aims += [f"F1 >= {table.f1}"] if table.f1 is not None else []
    console.print(
        f"\n[bold]{table.name}[/]: recall {got['recall']:.4f} ({table.tp} of {table.tp + table.fn}), false alarms "
        f"{got['alarms']:.4f} ({table.fp} of {table.fp + table.tn}), precision {got['precision']:.3f}, F1 {got['f1']:.3f}; "
        f"aim {', '.join(aims)}: {'[green]met[/]' if table.met else '[red]missed[/]'}",
        highlight=False,
    )
    said = [c.value for c in RiskClass if any(s == c.value for _, s in table.classes)]
    grid = Grid("true \\ said", *said, box=None, pad_edge=False)
    for label in sorted({t for t, _ in table.classes}):
        grid.add_row(label, *(str(table.classes[label, s] or "·") for s in said))
    console.print(grid)
    for _, line in sorted(table.wrong, reverse=True)[:errors]:
        console.print(f"  {line}", markup=False, highlight=False)


def spent(judge: Callable[[Any], object], items: list[Any]) -> list[float]:
    """Microseconds of processor time for each item, ascending: the best of five each, for the machine may be shared."""
    times = []
    for item in items:
        best = float("inf")
        for _ in range(5):
            started = time.thread_time()
            judge(item)
            best = min(best, time.thread_time() - started)
        times.append(best * 1e6)
    return sorted(times)


def call(name: str, value: str) -> Callable[[str], object]:
    schema = {"type": "object", "properties": {value: {"type": "string"}}}
    plan = analyser_for(Tool.describe(name, source="benchmark", schema=schema))
    return lambda text: plan.applicable({value: text})


def speeds(data: dict[str, list[Row]]) -> list[dict[str, Any]]:
    """How long classifying takes, by what a call holds."""
    quiet = analyser_for(
        Tool.describe(
            "get_patient",
            source="benchmark",
            schema={"properties": {"id": {"type": "string"}, "verbose": {"type": "boolean"}}},
        )
    )
    urls = [f"https://example.org/{i}?q={i}" for i in range(200)]
    measured = (
        ("a call with SQL", call("execute_sql", "sql"), [r["sql"] for r in data["sql"]], 3000),
        ("a call with a command", call("run_command", "command"), [r["command"] for r in data["shell"]], 1000),
        ("a call with a URL", call("fetch_page", "url"), urls, 1000),
        (
            "a call with nothing to look into",
            quiet.evidence,
            [{"id": f"p-{i}", "verbose": True} for i in range(200)],
            1000,
        ),
        ("a tool, once", classify_tool, [described(r) for r in data["tools"]], None),
    )
    told = []
    for name, judge, items, aim in measured:
        if not items:
            continue
        times = spent(judge, items)
        p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
        told.append({"what": name, "entries": len(items), "p50": p50, "p99": p99, "max": times[-1], "aim": aim})
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description="how risk is told with no rule written")
    parser.add_argument("data", type=Path, nargs="?", default=OWN, help="a folder of labelled sets")
    parser.add_argument("--errors", type=int, default=5, help="mistakes shown of each set, the worst first")
    parser.add_argument("--json", type=Path, dest="out", help="keep everything in this file")
    args = parser.parse_args()
    files = sorted(args.data.glob("*.jsonl")) if args.data.is_dir() else []
    tables = [table for path in files for table in tables_of(path)]
    if not tables:
        print(f"no labelled set in {str(args.data)!r}: it needs iam*, tools*, sql* or shell*.jsonl", file=sys.stderr)
        return 2
    console = Console()
    for table in tables:
        show(console, table, args.errors)
    data: dict[str, list[Row]] = {"sql": [], "shell": [], "tools": []}
    for path in files:
        kind = path.stem.split("_")[0].replace("mcp", "tools")
        if kind in data:
            data[kind] += rows(path)
    told = speeds(data)
    grid = Grid("", "entries", "p50 µs", "p99 µs", "max µs", "aim p99 µs", box=None, pad_edge=False)
    for row in told:
        numbers = (f"{row[key]:,.0f}" for key in ("p50", "p99", "max"))
        grid.add_row(row["what"], str(row["entries"]), *numbers, str(row["aim"] or "–"))
    console.print()
    console.print(grid)
    if args.out:
        kept = {"sets": [table.as_json() for table in tables], "speed": told}
        args.out.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
