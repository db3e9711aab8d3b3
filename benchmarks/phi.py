#!/usr/bin/env python3
"""How much PHI is found, what is masked for nothing, how fast, and at what weight: ours and others, side by side.

    python benchmarks/phi.py [DATA …] [--quick] [--only NAME …] [--json FILE] [--plot FILE.svg] [--years-ok]

DATA is a folder or a file of lines ``{"text": str, "spans": [{"start": int, "end": int, "label": str}]}`` (and
``"genre"``, if there are several); without DATA the project's own probe texts are read. Each system runs in a process
of its own, all on one core and in turns, on the same texts; peers run in environments of their own
(``phi_peers.py``), and one that cannot be had is shown as such. No text is printed or written.

    recall    gold spans of which every letter and digit is hidden (``phi_score.py``), labels are not compared
    precision hidden letters and digits that stand in a gold span
    touched   texts without any gold span in which something is hidden
    chars/s   of CPU time (and of the wall's), warm: median over rounds; x is the ratio to Presidio, round by round
    p95       of one 150-character argument by itself: over arguments, each by its median over rounds
    memory    what resident memory grew by, at most, over the bare interpreter; load: import to first answer
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from phi_report import document, print_report
from phi_run import DataSet, pieces_of, run
from phi_systems import SYSTEMS
from phi_targets import OWN

ROOT = Path(__file__).parents[1]


def read(path: Path, limit: int | None, chars: int | None, timed: int) -> DataSet:
    """The labelled lines of a file, evenly thinned to ``limit`` texts and ``chars`` characters."""
    docs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not all(isinstance(doc, dict) and {"text", "spans"} <= doc.keys() for doc in docs):
        raise SystemExit(f"{path.name!r} has a line without text or spans, leave it out")
    return dataset(path.stem, docs, limit, chars, timed)


def dataset(name: str, docs: list[dict[str, Any]], limit: int | None, chars: int | None, timed: int) -> DataSet:
    if chars:
        limit = min(limit or len(docs), max(1, len(docs) * chars // max(1, sum(len(doc["text"]) for doc in docs))))
    if limit and len(docs) > limit:
        docs = [docs[at * len(docs) // limit] for at in range(limit)]
    step = max(1, -(-sum(len(doc["text"]) for doc in docs) // timed))
    return DataSet(name=name, docs=docs, timed=[doc["text"] for doc in docs[::step]])


def probes() -> list[dict[str, Any]]:
    """The project's own hand-written texts."""
    spec = importlib.util.spec_from_file_location("probe", ROOT / "tests" / "detection_tagger" / "probe.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [
        {"text": text, "genre": genre, "spans": [{"start": s, "end": e, "label": "any"} for s, e in spans]}
        for genre, text, spans in module.probes()
    ]


def import_seconds(times: int) -> float:
    """CPU seconds of ``import toolguard`` in a fresh interpreter, its own start not counted: the median."""
    code = "import time; t = time.process_time(); import toolguard; print(time.process_time() - t)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return statistics.median(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout)
        for _ in range(times)
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path, metavar="DATA")
    parser.add_argument(
        "--quick", action="store_true", help="at most 300 texts and 60,000 characters of a set, fewer rounds"
    )
    parser.add_argument("--limit", type=int, help="at most this many texts of a set, evenly spaced")
    parser.add_argument("--rounds", type=int, help="timed passes (7; 3 with --quick)")
    parser.add_argument("--timed", type=int, help="characters of each set in a timed pass (40,000; 8,000)")
    parser.add_argument("--only", nargs="+", choices=SYSTEMS, metavar="NAME", help=", ".join(SYSTEMS))
    parser.add_argument("--years-ok", action="store_true", help="a visible year in a date is no leak (Safe Harbor)")
    parser.add_argument("--errors", action="store_true", help="the worst errors by kind, as counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw recall over speed as SVG")
    parser.add_argument("--patience", type=float, default=1800, help="seconds for one system's pass over one set")
    args = parser.parse_args(argv)
    limit = args.limit or (300 if args.quick else None)
    chars = 60_000 if args.quick and not args.limit else None
    timed = args.timed or (8_000 if args.quick else 40_000)
    files = [file for path in args.data for file in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])]
    if args.data and not files:
        raise SystemExit("no .jsonl file there")
    sets = [read(file, limit, chars, timed) for file in files] or [dataset(OWN, probes(), limit, chars, timed)]

    before = os.getloadavg()[0]
    measured = run(
        args.only or list(SYSTEMS),
        sets,
        rounds=args.rounds or (3 if args.quick else 7),
        loads=1 if args.quick else 3,
        pieces=pieces_of(sets, 150, 60 if args.quick else 200),
        years_ok=args.years_ok,
        patience=args.patience,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    result = document(
        measured,
        sets,
        machine={
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        },
        import_s=import_seconds(3 if args.quick else 5),
        years_ok=args.years_ok,
    )
    print_report(result, errors=args.errors)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.plot:
        from phi_plot import draw

        args.plot.write_text(draw(result), encoding="utf-8")
    return int(any(one.failed for one in measured))


if __name__ == "__main__":
    sys.exit(main())
