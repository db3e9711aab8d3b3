"""How long a decision takes, from 10 rules to 1000, beside its peers in the same run.

    python benchmarks/decisions.py [--peers PYTHON] [--calls 1000] [--repeats 5] [--json FILE]

Every system has the same rules: all but one about other tools, and one about the measured tool with a condition on a
number. Ours is shown in three depths: ``decide`` (the policy alone, on facts that stand), a judged call (detection
aside: take in, resolve, validate, classify, decide, both digests), and a guarded call with a journal in memory, which
is what the peers' figures (a guarded call with or without an audit entry) compare to. ``PYTHON`` is an interpreter that
has the peers (``agent-governance-toolkit-core``, ``veto``); ``make bench-risk`` makes one. Medians over interleaved
repeats, microseconds a call.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from decision_peers import ARGUMENTS, PEERS
from overhead import noop, policy
from toolguard import Caller, Guard
from toolguard._core.call import Tool
from toolguard._core.condition import Facts
from toolguard._core.decide import decide
from toolguard._core.policy import Effect
from toolguard.testing import NoDetector

RULES = (10, 100, 1000)
HERE = Path(__file__).parent


def ours(folder: Path, rules: int, *, cel: bool) -> dict[str, Callable[[int], None]]:
    """What is measured of toolguard with so many rules; with ``cel`` one rule on the tool has a condition."""
    guard = Guard(policy(folder, rules, own=cel), detector=NoDetector())
    caller = Caller.of("ana", agent="bench", tenant="general")
    session = guard.session(caller=caller)
    bound = guard.tool(noop)
    if cel and session.explain(bound, {"patient_id": "pat-7", "limit": 501}).effect is not Effect.DENY:
        raise SystemExit("the rule on the measured tool does not hold; the comparison would be worth nothing")
    known = guard.know(bound.tool)
    risk, _ = known.analysis.analyse(dict(ARGUMENTS))
    tool: Tool = bound.tool

    def decided(calls: int) -> None:
        for _ in range(calls):
            facts = Facts(tool=tool, caller=caller, data=dict(ARGUMENTS), risk=risk)
            decide(guard.parts.policy, known.plan, facts)

    def judged(calls: int) -> None:
        for _ in range(calls):
            session.explain(bound, ARGUMENTS)

    def called(calls: int) -> None:
        for _ in range(calls):
            session.call(bound, ARGUMENTS)

    kind = "one CEL rule" if cel else "no CEL rule"
    return {
        f"toolguard decide, {kind}": decided,
        f"toolguard judged call, {kind}": judged,
        f"toolguard guarded call, {kind}, journal in memory": called,
    }


def timed(run: Callable[[int], None], calls: int) -> float:
    run(max(1, calls // 10))
    started = time.perf_counter()
    run(calls)
    return (time.perf_counter() - started) / calls * 1e6


def peer_times(python: Path, peer: str, rules: int, calls: int) -> tuple[str, float]:
    asked = [str(python), "-W", "ignore", str(HERE / "decision_peers.py"), peer, str(rules), str(calls)]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=300)
    said = json.loads(answer.stdout.splitlines()[-1])
    return said["version"], said["microseconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description="decision latency beside the peers")
    parser.add_argument("--peers", type=Path, help="an interpreter that has the peers")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, dest="out")
    args = parser.parse_args()
    console = Console()
    spent: dict[tuple[str, int], list[float]] = {}
    versions = {"toolguard": version("toolguard-middleware"), "python": platform.python_version()}
    with tempfile.TemporaryDirectory() as name:
        runs = {
            (what, rules): run
            for rules in RULES
            for cel in (False, True)
            for what, run in ours(Path(name), rules, cel=cel).items()
        }
        for turn in range(args.repeats):
            console.print(f"repeat {turn + 1} of {args.repeats} …", style="dim")
            for key, run in runs.items():
                spent.setdefault(key, []).append(timed(run, args.calls))
            for peer in PEERS if args.peers else ():
                for rules in RULES:
                    calls = max(20, args.calls * 10 // rules)  # a peer whose time grows with the rules gets fewer calls
                    versions[peer], one = peer_times(args.peers, peer, rules, calls)
                    spent.setdefault((peer, rules), []).append(one)
    medians = {key: statistics.median(times) for key, times in spent.items()}
    table = Table("system", *(f"{rules} rules" for rules in RULES), "1000 / 10", box=None, pad_edge=False)
    for what in dict.fromkeys(what for what, _ in medians):
        row = [medians[what, rules] for rules in RULES]
        table.add_row(what, *(f"{value:,.1f} µs" for value in row), f"{row[-1] / row[0]:.2f}")
    console.print(table)
    console.print(f"versions: {versions}; medians of {args.repeats} repeats of {args.calls} calls", style="dim")
    if not args.peers:
        console.print("no peers measured: give --peers an interpreter that has them", style="yellow")
    if args.out:
        told = [{"system": what, "rules": rules, "microseconds": value} for (what, rules), value in medians.items()]
        args.out.write_text(json.dumps({"versions": versions, "medians": told}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
