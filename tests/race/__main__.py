"""Race approvals until they break: ``python -m race --store sqlite -n 10000`` (in the folder ``tests``).

Exit code 0: nothing was broken; 1: a promise was broken; 3: time ran out before every request was through.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from postgres_server import Server
from race.harness import Result, race
from race.mutants import MUTANTS
from race.plan import Plan


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="race", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--store",
        action="append",
        help="sqlite, postgresql (one is started), or a URL of an empty database; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: a random one, printed")
    parser.add_argument("-n", "--requests", type=int, default=10_000)
    parser.add_argument("--bound", type=float, default=1800.0, help="seconds until a race is given up")
    parser.add_argument("--guards", type=int, default=2, help="guard processes, two threads each")
    parser.add_argument("--deciders", type=int, default=2)
    parser.add_argument("--dawdle", type=float, default=0.05, help="chance of a pause before a commit")
    parser.add_argument("--die", type=float, default=0.0005, help="chance of SIGKILL at each boundary")
    parser.add_argument("--kill-every", type=float, default=12.0, help="requests between SIGKILLs, on average; 0: none")
    parser.add_argument("--crash-every", type=float, default=400.0, help="requests between database crashes; 0: none")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS], help="take a guarantee out; the race must fail")
    parser.add_argument("--folder", type=Path, help="keep everything here")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a server that was started here is ended
    results: list[Result] = []
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolguard-race-")))
        for name in options.store or ["sqlite", "postgresql"]:
            place = folder / str(len(results))
            place.mkdir(parents=True)
            server = stack.enter_context(Server.private(durable=True)) if name == "postgresql" else None
            plan = Plan(
                folder=place,
                store=f"sqlite:///{place / 'race.db'}"
                if name == "sqlite"
                else server.url(server.new())
                if server
                else name,
                seed=options.seed,
                requests=options.requests,
                guards=options.guards,
                deciders=options.deciders,
                dawdle=options.dawdle,
                die=options.die,
                kill_every=options.kill_every,
                crash_every=options.crash_every,
                bound=options.bound,
                mutant=options.mutant,
            )
            print(f"seed {plan.seed}, {name.partition(':')[0]}, {plan.requests} requests", file=sys.stderr)
            results.append(race(plan, lambda line: print(f"  {line}", file=sys.stderr, flush=True), server))
            if not options.json:
                _show(results[-1])
    if options.json:
        print(json.dumps([asdict(result) for result in results]))
    if any(result.faults for result in results):
        return 1
    return 0 if all(result.complete for result in results) else 3


def _show(result: Result) -> None:
    rows = {"store": result.store, "seed": result.seed, **result.counts, "seconds": f"{result.seconds:.0f}"}
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"  {name:<{width}}  {value:>10}")
    if not result.complete:
        print(
            f"  given up: {result.counts['requests']} of {result.requests} requests were raced (--bound, or workers that fail)"
        )
    for code, count in Counter(fault.code for fault in result.faults).items():
        print(f"  BROKEN  {code}: {count}")
    for fault in result.faults[:20]:
        print(f"    {fault.code}: {fault.about}: {fault.why}")
    if not result.faults:
        print("  nothing was broken")


if __name__ == "__main__":
    sys.exit(main())
