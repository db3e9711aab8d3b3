"""What was measured, as one document of figures, and the tables a person reads."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from phi_run import DataSet, Measured
from phi_score import Tally
from phi_systems import SYSTEMS, VANILLA
from phi_targets import judge

MB = 1 << 20


def _speed(one: Measured, vanilla: Measured | None, sets: Sequence[DataSet]) -> dict[str, float | None]:
    cpu, wall = one.speeds(sets), one.speeds(sets, clock=1)
    ratio = None
    if vanilla is not None and not vanilla.failed:
        ratio = statistics.median(a / b for a, b in zip(cpu, vanilla.speeds(sets), strict=True))
    return {"chars_per_s": statistics.median(cpu), "chars_per_s_wall": statistics.median(wall), "ratio": ratio}


def document(
    measured: Sequence[Measured],
    sets: Sequence[DataSet],
    *,
    machine: dict[str, Any],
    import_s: float,
    years_ok: bool,
) -> dict[str, Any]:
    """Everything measured. Speeds in characters a second of CPU time unless named otherwise, memory in bytes."""
    vanilla = next((one for one in measured if one.system == VANILLA), None)
    prose = [data for data in sets if not data.structured]
    systems: dict[str, Any] = {}
    for one in measured:
        title = SYSTEMS[one.system].title
        if one.failed:
            systems[one.system] = {"title": title, "version": one.version, "failed": one.failed}
            continue
        pooled = Tally()
        for data in prose:
            pooled += one.tallies[data.name]
        p95, p95_wall = one.p95(), one.p95(clock=1)
        row: dict[str, Any] = {
            "title": title,
            "version": one.version,
            "load_s": statistics.median(wall for _, wall in one.loads),
            "load_cpu_s": statistics.median(cpu for cpu, _ in one.loads),
            "memory_growth": one.memory["peak"] - one.memory["base"],
            "memory_peak": one.memory["peak"],
            "p95_ms": None if p95 is None else 1000 * p95,
            "p95_wall_ms": None if p95_wall is None else 1000 * p95_wall,
            "sets": {
                data.name: {
                    **one.tallies[data.name].rates(),
                    **_speed(one, vanilla, [data]),
                    "worst": one.tallies[data.name].worst(),
                }
                for data in sets
            },
        }
        if prose:
            row["prose"] = {**pooled.rates(), **_speed(one, vanilla, prose), "worst": pooled.worst()}
        systems[one.system] = row
    return {
        "machine": machine,
        "years_ok": years_ok,
        "import_toolguard_s": import_s,
        "sets": {
            data.name: {
                "texts": len(data.docs),
                "chars": sum(len(doc["text"]) for doc in data.docs),
                "timed_chars": sum(map(len, data.timed)),
                "structured": data.structured,
                "genres": len({doc["genre"] for doc in data.docs if "genre" in doc}),
            }
            for data in sets
        },
        "systems": systems,
    }


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def rate(value: float) -> str:
    return f"{value / 1e6:,.1f}M" if value >= 1e6 else f"{value / 1e3:,.0f}k"


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}×" if value >= 10 else f"{value:.1f}×"


def print_report(result: dict[str, Any], *, errors: bool) -> None:
    console = Console(width=150)
    machine, systems = result["machine"], result["systems"]
    console.print(
        f"Python {machine['python']}, {machine['system']}, {machine['cores']} cores, one used; load average "
        f"{machine['load'][0]} before, {machine['load'][1]} after. Speeds are of CPU time unless wall is said."
    )
    for row in systems.values():
        console.print(
            f"  {row['title']}: {row['version'] or '?'}" + (f"  !! {row['failed']}" if "failed" in row else "")
        )
    if any("prose" in row for row in systems.values()):
        _systems(console, systems)
    for name, data in result["sets"].items():
        _set(console, name, data, systems)
    rows = judge(result)
    if rows:
        table = Table("target", "aim", "Presidio", "measured", "", title="Targets")
        for target in rows:
            table.add_row(target.what, target.aim, target.vanilla, target.measured, "met" if target.met else "MISSED")
        console.print(table)
    if errors:
        for key in ("rules", "fast", "accurate"):
            if "prose" in systems.get(key, {}):
                _errors(console, systems[key])


def _systems(console: Console, systems: dict[str, Any]) -> None:
    table = Table(title="All sets of prose together")
    for head in (
        "system",
        "recall",
        "precision",
        "touched",
        "chars/s",
        "wall",
        "×",
        "p95 ms",
        "wall",
        "memory MB",
        "load s",
    ):
        table.add_column(head, justify="left" if head == "system" else "right")
    for row in systems.values():
        if "failed" in row:
            table.add_row(row["title"], "[bold red]NOT MEASURED[/]", style="red")
            continue
        prose = row["prose"]
        table.add_row(
            row["title"],
            *(share(prose[key]) for key in ("recall", "precision", "clean_touched")),
            rate(prose["chars_per_s"]),
            rate(prose["chars_per_s_wall"]),
            times(prose["ratio"]),
            *("–" if row[key] is None else f"{row[key]:.2f}" for key in ("p95_ms", "p95_wall_ms")),
            f"{row['memory_growth'] / MB:.0f}",
            f"{row['load_s']:.2f}",
        )
    console.print(table)


def _set(console: Console, name: str, data: dict[str, Any], systems: dict[str, Any]) -> None:
    table = Table(title=f"{name}: {data['texts']} texts, {data['chars']:,} characters")
    for head in ("system", "gold", "recall", "precision", "clean", "touched", "chars/s", "×"):
        table.add_column(head, justify="left" if head == "system" else "right")
    for row in systems.values():
        if "failed" in row:
            table.add_row(row["title"], "[bold red]NOT MEASURED[/]", style="red")
            continue
        one = row["sets"][name]
        table.add_row(
            row["title"],
            str(one["gold"]),
            share(one["recall"]),
            share(one["precision"]),
            str(one["clean"]),
            share(one["clean_touched"]),
            rate(one["chars_per_s"]),
            times(one["ratio"]),
        )
    console.print(table)


def _errors(console: Console, row: dict[str, Any]) -> None:
    console.print(f"Worst errors of {row['title']} (prose):")
    for kind, found in row["prose"]["worst"].items():
        shown = ", ".join(f"{name} {n}/{of}" for name, (n, of) in list(found.items())[:10])
        console.print(f"  {kind}: {shown or 'none'}")
