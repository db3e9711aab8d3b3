"""What guarding a call costs: a no-op tool, with 50 and 1000 rules, sync and async, decided only and with a journal.

    python benchmarks/overhead.py [--calls 2000] [--repeats 7] [--json FILE]

Medians over interleaved repeats, in microseconds a call, with a detector that finds nothing (masking is measured
by ``benchmarks/phi.py``, a whole agent run by ``benchmarks/frameworks.py``). ``least`` is the least processor time of
any repeat: what the same work takes while the machine does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from toolguard import Caller, Guard
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.testing import NoDetector

HEAD = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1, owner: bench@general.example}
approvals: {default: {approvers: ["group:g"]}}
tools: {noop: {risk: low}}
rules:
"""
OTHER = """\
  - id: other-{n}
    because: "About another tool."
    match: {{tool: ["other_{n}.*"]}}
    when: args.limit > {n}
    effect: deny
"""
OWN = """\
  - id: own
    because: "About this tool."
    match: {tool: noop}
    when: args.limit > 500
    effect: deny
"""


def noop(patient_id: str, limit: int = 10) -> str:
    """Do nothing."""
    return "ok"


def policy(folder: Path, rules: int, *, own: bool) -> Path:
    """A policy with ``rules`` rules; with ``own`` one of them is a CEL rule on the measured tool."""
    file = folder / f"policy-{rules}-{own}.yaml"
    file.write_text(HEAD + "".join(OTHER.format(n=n) for n in range(rules - own)) + (OWN if own else ""), "utf-8")
    return file


def cases(folder: Path) -> list[tuple[str, str, int, Callable[[int], None]]]:
    """(what, journal, rules, a function that makes n calls)."""
    made: list[tuple[str, str, int, Callable[[int], None]]] = []
    caller = Caller.of("ana", agent="bench", tenant="general")
    keys = KeyRing([SecretKey.generate(Purpose.SEAL)])
    arguments = {"patient_id": "pat-7", "limit": 10}
    made.append(("bare function", "-", 0, lambda n: [noop(**arguments) for _ in range(n)] and None))
    for rules in (50, 1000):
        for own in (False, True):
            file = policy(folder, rules, own=own)
            guard = Guard(file, detector=NoDetector())
            session = guard.session(caller=caller)
            tool = guard.tool(noop)
            label = "decision, one CEL rule on the tool" if own else "decision"
            made.append(
                (
                    label,
                    "none",
                    rules,
                    lambda n, s=session, t=tool: [s.explain(t, arguments) for _ in range(n)] and None,
                )
            )
            if own:
                continue
            for journal in ("memory", "sqlite (FULL)"):
                store = "memory:" if journal == "memory" else f"sqlite:///{folder}/bench-{rules}.db"
                durable = Guard(file, detector=NoDetector(), store=store, keys=keys)
                kept = durable.session(caller=caller)
                bound = durable.tool(noop)
                made.append(
                    (
                        "guarded call, sync",
                        journal,
                        rules,
                        lambda n, s=kept, t=bound: [s.call(t, arguments) for _ in range(n)] and None,
                    )
                )
                made.append(
                    (
                        "guarded call, async",
                        journal,
                        rules,
                        lambda n, s=kept, t=bound: asyncio.run(_many(s, t, arguments, n)),
                    )
                )
    return made


async def _many(session: Any, tool: Any, arguments: dict[str, Any], n: int) -> None:
    for _ in range(n):
        await session.acall(tool, arguments)


def measure(calls: int, repeats: int) -> list[dict[str, Any]]:
    """Every case in turn, ``repeats`` times; the median of the repeats' times a call, in µs."""
    with tempfile.TemporaryDirectory() as name:
        all_cases = cases(Path(name))
        times: list[list[float]] = [[] for _ in all_cases]
        busy: list[list[float]] = [[] for _ in all_cases]
        for _, _, _, go in all_cases:
            go(50)
        for _ in range(repeats):
            for i, (_, journal, _, go) in enumerate(all_cases):
                n = max(50, calls // 20) if journal.startswith("sqlite") else calls
                started, worked = time.perf_counter(), time.process_time()
                go(n)
                times[i].append((time.perf_counter() - started) / n * 1e6)
                busy[i].append((time.process_time() - worked) / n * 1e6)
        return [
            {
                "what": w,
                "journal": j,
                "rules": r,
                "us": statistics.median(t),
                "min": min(t),
                "max": max(t),
                "cpu": statistics.median(b),
                "least": min(b),
            }
            for (w, j, r, _), t, b in zip(all_cases, times, busy, strict=True)
        ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="calls a repeat (a twentieth of it on disk)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    options = parser.parse_args(argv)
    console = Console(width=110)
    packages = ("toolguard-middleware", "pydantic", "cel-expr-python", "opentelemetry-sdk")
    console.print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        + ", ".join(f"{p} {version(p)}" for p in packages)
    )
    rows = measure(options.calls, options.repeats)
    table = Table(title=f"one call of a no-op tool, median of {options.repeats} repeats", title_justify="left")
    for column in ("", "journal", "rules", "µs", "min-max", "µs of CPU", "least"):
        table.add_column(column, justify="left" if column in ("", "journal") else "right")
    for row in rows:
        table.add_row(
            row["what"],
            row["journal"],
            str(row["rules"]),
            f"{row['us']:.1f}",
            f"{row['min']:.1f}-{row['max']:.1f}",
            f"{row['cpu']:.1f}",
            f"{row['least']:.1f}",
        )
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
