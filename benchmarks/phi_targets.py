"""What the project asks of itself, judged by what was measured. A row stands only where its kind of data was given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from phi_systems import VANILLA

MB = 1 << 20
KINDS: tuple[tuple[str, str], ...] = (
    ("clinical queries", r"asq"),
    ("generated notes", r"outis|carenotes"),
)
"""Kind of data → what its file is called. Structured data and texts of many genres are known by their content."""

OWN = "probe"
"""The project's own texts: written beside the tagger's generator, so they prove nothing."""


class Target(NamedTuple):
    what: str
    aim: str
    vanilla: str
    measured: str
    met: bool


def _kind(name: str, data: dict[str, Any]) -> str | None:
    if name == OWN:
        return None
    if data["structured"]:
        return "structured"
    if data["genres"] > 1:
        return "genres"
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), None)


def judge(result: dict[str, Any]) -> list[Target]:
    """Every target that these data can speak about."""
    systems = {name: row for name, row in result["systems"].items() if "failed" not in row}
    fast, vanilla = systems.get("fast"), systems.get(VANILLA)
    rows: list[Target] = []
    if fast:
        for name, data in result["sets"].items():
            rows += _of_set(name, _kind(name, data), fast["sets"][name], vanilla and vanilla["sets"][name])
    rows += _of_speed(systems)
    rows += _of_weight(systems, vanilla, result["import_toolguard_s"])
    return rows


def _of_set(name: str, kind: str | None, row: dict[str, Any], vanilla: dict[str, Any] | None) -> Iterator[Target]:
    def least(key: str, aim: float) -> Target:
        return Target(f"{name}: {key}", f"≥ {aim}", _show(vanilla, key), f"{row[key]:.3f}", row[key] >= aim)

    if kind == "clinical queries":
        yield least("recall", 0.985)
        yield least("precision", 0.98)
        if row["clean"]:
            touched = row["clean_touched"]
            yield Target(
                f"{name}: clean texts touched",
                "≤ 0.05",
                _show(vanilla, "clean_touched"),
                f"{touched:.3f}",
                touched <= 0.05,
            )
    elif kind == "generated notes":
        yield least("recall", 0.98)
    elif kind == "genres":
        yield least("recall", 0.92)
        yield least("precision", 0.90)
    elif kind == "structured":
        yield least("recall", 0.995)
        yield least("precision", 0.95)
        if row["ratio"] is not None:
            yield Target(f"{name}: speed", "≥ 50×", "1×", f"{row['ratio']:.0f}×", row["ratio"] >= 50)


def _of_speed(systems: dict[str, Any]) -> Iterator[Target]:
    for name, aim in (("fast", 10), ("rules", 25), ("accurate", 4)):
        ratio = systems.get(name, {}).get("prose", {}).get("ratio")
        if ratio is not None:
            yield Target(f"prose, {name}: speed", f"≥ {aim}×", "1×", f"{ratio:.1f}×", ratio >= aim)


def _of_weight(systems: dict[str, Any], vanilla: dict[str, Any] | None, import_s: float) -> Iterator[Target]:
    def most(what: str, name: str, key: str, aim: float, unit: str, scale: float = 1) -> Iterator[Target]:
        if name in systems and systems[name][key] is not None:
            value = systems[name][key] / scale
            there = f"{vanilla[key] / scale:.1f}" if vanilla and vanilla[key] is not None else "–"
            yield Target(what, f"≤ {aim:g} {unit}", there, f"{value:.2f}", value <= aim)

    yield from most("150-character argument, fast, p95 (CPU)", "fast", "p95_ms", 1.5, "ms")
    yield from most("memory of the process, fast, directly", "fast", "memory_peak", 100, "MB", MB)
    yield from most("load, fast, directly (CPU)", "fast", "load_cpu_s", 0.5, "s")
    yield from most("memory of the process, fast, in AnalyzerEngine", "fast-engine", "memory_peak", 200, "MB", MB)
    yield from most("load, fast, in AnalyzerEngine (CPU)", "fast-engine", "load_cpu_s", 2, "s")
    yield Target("import toolguard (CPU)", "≤ 0.15 s", "–", f"{import_s:.2f}", import_s <= 0.15)


def _show(row: dict[str, Any] | None, key: str) -> str:
    return "–" if row is None or row[key] is None else f"{row[key]:.3f}"
