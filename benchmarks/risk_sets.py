"""Labelled sets of tools, cloud actions, SQL and commands, and what the classifier says of each entry."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolguard._core.call import Tool
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard.analysis import classify_iam, classify_shell, classify_sql, classify_tool
from toolguard.analysis.lexicon import DELETE_FAMILY
from toolguard.analysis.words import split_words

Row = dict[str, Any]
PLAIN = ("read", "write", "ddl", "safe")
"""Labels of statements and commands that need not wait for a person."""


@dataclass(slots=True, kw_only=True)
class Table:
    """One question asked of every entry of a set: who should be held, who was, and which class was said of which.

    ``recall`` and ``alarms`` are what was aimed at: at least so many found, at most so many false alarms.
    """

    name: str
    recall: float | None = None
    alarms: float | None = None
    f1: float | None = None
    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """How grave the mistake is (the greater the worse), and the entry."""

    def add(self, *, truth: bool, said: bool, label: str, risk: Risk, shown: str) -> None:
        self.tp += truth and said
        self.fn += truth and not said
        self.fp += said and not truth
        self.tn += not truth and not said
        self.classes[label, risk.risk_class.value] += 1
        if truth == said:
            return
        kind = "missed" if truth else "false alarm"
        grave = (10 - risk.level) if truth else int(risk.level)  # a danger called harmless is the worst
        said_of_it = f"said {risk.risk_class.value}, {risk.level.label}"
        self.wrong.append((grave, f"{kind}: {label}: {shown[:140]!r} ({said_of_it})"))

    def figures(self) -> dict[str, float]:
        recall = self.tp / max(1, self.tp + self.fn)
        precision = self.tp / max(1, self.tp + self.fp)
        return {
            "recall": recall,
            "alarms": self.fp / max(1, self.fp + self.tn),
            "precision": precision,
            "f1": 2 * precision * recall / max(1e-9, precision + recall),
        }

    @property
    def met(self) -> bool:
        got = self.figures()
        return (
            (self.recall is None or got["recall"] >= self.recall)
            and (self.alarms is None or got["alarms"] <= self.alarms)
            and (self.f1 is None or got["f1"] >= self.f1)
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "counts": {"tp": self.tp, "fn": self.fn, "fp": self.fp, "tn": self.tn},
            **self.figures(),
            "aim": {"recall": self.recall, "alarms": self.alarms, "f1": self.f1, "met": self.met},
            "classes": [{"true": t, "said": s, "entries": n} for (t, s), n in sorted(self.classes.items())],
            "wrong": [shown for _, shown in sorted(self.wrong, reverse=True)],
        }


def rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def changes(risk: Risk) -> bool:
    """Whether a tool or action is said to do more than look."""
    return risk.risk_class is not RiskClass.READ or risk.level > RiskLevel.LOW


def described(row: Row) -> Tool:
    schema = {"type": "object", "properties": {p: {} for p in row["params"]}}
    return Tool.describe(row["name"], source=row.get("repo", "x"), description=row["description"], schema=schema)


def tables_of(path: Path) -> list[Table]:
    """The tables of one file, by the first word of its name; none if the word is not known."""
    kind = path.stem.split("_")[0]
    if kind not in _KINDS:
        return []
    return _KINDS[kind](path.stem.replace("_", " "), rows(path))


def _iam(name: str, data: Iterable[Row]) -> list[Table]:
    mutating = Table(name=f"{name}: mutating", recall=0.99, alarms=0.02)
    privilege = Table(name=f"{name}: permissions management", f1=0.75)
    for row in data:
        level = row["access_level"]
        risk = classify_iam(f"{row['service']}:{row['action']}", row["description"])
        shown = f"{row['service']}:{row['action']} | {row['description']}"
        mutating.add(truth=level not in ("Read", "List"), said=changes(risk), label=level, risk=risk, shown=shown)
        said = risk.risk_class is RiskClass.PRIVILEGE
        privilege.add(truth=level == "Permissions management", said=said, label=level, risk=risk, shown=shown)
    return [mutating, privilege]


def _tools(name: str, data: Iterable[Row]) -> list[Table]:
    table = Table(name=f"{name}: not read-only", recall=0.985, alarms=0.07)
    family = Table(name=f"{name}: delete family", recall=1.0)
    for row in data:
        risk, shown = classify_tool(described(row)), f"{row['name']} | {row['description']}"
        label = row.get("label") or ("read" if row["readOnlyHint"] else "not read-only")
        table.add(truth=label != "read", said=changes(risk), label=label, risk=risk, shown=shown)
        if label == "delete" or (label != "read" and DELETE_FAMILY.intersection(split_words(row["name"]))):
            family.add(truth=True, said=changes(risk), label=label, risk=risk, shown=shown)
    return [table, family]


def _texts(key: str, judge: Callable[[str], Risk], recall: float) -> Callable[[str, Iterable[Row]], list[Table]]:
    def measured(name: str, data: Iterable[Row]) -> list[Table]:
        table = Table(name=f"{name}: risky", recall=recall, alarms=0.03)
        for row in data:
            risk, label = judge(row[key]), row["label"]
            held = risk.level >= RiskLevel.HIGH
            table.add(truth=label not in PLAIN, said=held, label=label, risk=risk, shown=row[key])
        return [table]

    return measured


_KINDS: dict[str, Callable[[str, Iterable[Row]], list[Table]]] = {
    "iam": _iam,
    "mcp": _tools,
    "tools": _tools,
    "sql": _texts("sql", classify_sql, 0.99),
    "shell": _texts("command", classify_shell, 0.92),
}
