"""Accuracy and speed of risk classification with no rule written.

    python benchmarks/risk.py DATA_DIR [--errors N]

DATA_DIR holds ``iam*.jsonl``, ``mcp_tools*.jsonl``, ``sql*.jsonl`` and ``shell*.jsonl`` (any of them), one object a
line: {service, action, access_level, description}, {name, description, readOnlyHint, params}, {sql, label} and
{command, label}. A tool or action counts as changing if it is not a read of low level; a statement or command as
risky if its level is high or critical.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolguard._core.call import Tool
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard.analysis import analyser_for, classify_iam, classify_shell, classify_sql, classify_tool
from toolguard.analysis.lexicon import DELETE_FAMILY
from toolguard.analysis.words import split_words

Row = dict[str, Any]
SQL_PLAIN = ("read", "write", "ddl")


@dataclass(slots=True, kw_only=True)
class Table:
    """A confusion table and the entries that were judged wrongly."""

    name: str
    target: str
    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, truth: bool, said: bool, shown: str) -> None:
        self.tp += truth and said
        self.fn += truth and not said
        self.fp += said and not truth
        self.tn += not truth and not said
        if truth != said:
            self.wrong.append(f"{'missed' if truth else 'false alarm'}: {shown}")

    def show(self, errors: int) -> None:
        recall = self.tp / max(1, self.tp + self.fn)
        alarms = self.fp / max(1, self.fp + self.tn)
        precision = self.tp / max(1, self.tp + self.fp)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        print(
            f"{self.name:36} n {self.tp + self.fp + self.fn + self.tn:6}  tp {self.tp:5} fn {self.fn:4} fp {self.fp:4} tn {self.tn:5}",
            end="  ",
        )
        print(
            f"recall {recall:.4f}  false alarms {alarms:.4f}  precision {precision:.3f}  F1 {f1:.3f}   target {self.target}"
        )
        for line in sorted(self.wrong)[:errors]:
            print("    ", line[:200])


def rows(directory: Path, pattern: str) -> Iterator[Row]:
    for path in sorted(directory.glob(pattern)):
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def changes(risk: Risk) -> bool:
    return risk.risk_class is not RiskClass.READ or risk.level > RiskLevel.LOW


def iam(data: Iterable[Row]) -> list[Table]:
    mutating = Table(name="IAM: mutating", target="recall >= .99, false alarms <= .02")
    privilege = Table(name="IAM: permissions management", target="F1 >= .75")
    for row in data:
        risk = classify_iam(f"{row['service']}:{row['action']}", row["description"])
        shown = f"{row['access_level']:12.12} {row['service']}:{row['action']} | {row['description'][:90]}"
        mutating.add(row["access_level"] not in ("Read", "List"), changes(risk), shown)
        privilege.add(row["access_level"] == "Permissions management", risk.risk_class is RiskClass.PRIVILEGE, shown)
    return [mutating, privilege]


def mcp(data: Iterable[Row]) -> list[Table]:
    table = Table(name="MCP tools: not read-only", target="recall >= .985, false alarms <= .07")
    family = Table(name="MCP tools: delete family", target="none missed")
    for row in data:
        schema = {"type": "object", "properties": {p: {} for p in row["params"]}}
        risk = classify_tool(
            Tool.describe(row["name"], source=row["repo"], description=row["description"], schema=schema)
        )
        table.add(row["readOnlyHint"] is False, changes(risk), f"{row['name']} | {row['description'][:90]}")
        if DELETE_FAMILY.intersection(split_words(row["name"])):
            family.add(True, changes(risk), row["name"])
    return [table, family]


def texts(
    data: Iterable[Row], key: str, judge: Callable[[str], Risk], plain: tuple[str, ...], name: str, target: str
) -> list[Table]:
    table = Table(name=name, target=target)
    for row in data:
        risk = judge(row[key])
        table.add(
            row["label"] not in plain,
            risk.level >= RiskLevel.HIGH,
            f"{row['label']:12} {risk.level.label:9} {row[key]!r}",
        )
    return [table]


def speed(name: str, judge: Callable[[Any], object], items: list[Any], budget: str) -> None:
    if not items:
        return
    spent = []
    for item in items:
        best = float("inf")
        for _ in range(5):  # the machine is shared: the best of five is the cost, the rest is waiting
            started = time.perf_counter()
            judge(item)
            best = min(best, time.perf_counter() - started)
        spent.append(best * 1e6)
    spent.sort()
    p50, p99 = spent[len(spent) // 2], spent[min(len(spent) - 1, int(len(spent) * 0.99))]
    print(
        f"{name:36} n {len(spent):6}  p50 {p50:8.1f} µs  p99 {p99:8.1f} µs  max {spent[-1]:8.1f} µs   budget {budget}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="accuracy and speed of risk classification")
    parser.add_argument("data", type=Path, nargs="?", help="the folder; without one nothing is measured")
    parser.add_argument("--errors", type=int, default=8, help="wrongly judged entries shown per table")
    args = parser.parse_args()
    if args.data is None:
        print("no accuracy measured: give the folder with the labelled data (make bench-risk DATA=folder)")
        return 0
    if not args.data.is_dir():
        print(f"no such directory: {args.data}", file=sys.stderr)
        return 2
    sql = list(rows(args.data, "sql*.jsonl"))
    shell = list(rows(args.data, "shell*.jsonl"))
    tools = list(rows(args.data, "mcp_tools*.jsonl"))
    tables = [*iam(rows(args.data, "iam*.jsonl")), *mcp(tools)]
    tables += texts(sql, "sql", classify_sql, SQL_PLAIN, "SQL: risky", "recall >= .99, false alarms <= .03")
    tables += texts(
        shell, "command", classify_shell, ("safe",), "shell: dangerous", "recall >= .92, false alarms <= .03"
    )
    for table in tables:
        table.show(args.errors)

    def call(name: str, value: str) -> Callable[[str], object]:
        tool = Tool.describe(
            name, source="benchmark", schema={"type": "object", "properties": {value: {"type": "string"}}}
        )
        plan = analyser_for(tool)
        return lambda text: plan.applicable({value: text})

    print()
    speed("a call with SQL", call("execute_sql", "sql"), [r["sql"] for r in sql], "3 ms")
    speed("a call with a command", call("run_command", "command"), [r["command"] for r in shell], "1 ms")
    speed(
        "a call with a URL", call("fetch_page", "url"), [f"https://example.org/{i}?q={i}" for i in range(200)], "1 ms"
    )
    plan = analyser_for(
        Tool.describe(
            "get_patient",
            source="benchmark",
            schema={"properties": {"id": {"type": "string"}, "verbose": {"type": "boolean"}}},
        )
    )
    speed(
        "a call with nothing to analyse", plan.evidence, [{"id": f"p-{i}", "verbose": True} for i in range(200)], "5 µs"
    )
    described = [
        Tool.describe(
            r["name"], source="x", description=r["description"], schema={"properties": {p: {} for p in r["params"]}}
        )
        for r in tools
    ]
    speed("a tool, once", classify_tool, described, "-")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
