"""What the audit trail costs a call, and what is lost of it, beside the stock way of spans.

    python benchmarks/audit.py [--quick] [--json] [--only cost|loss]

Cost: threads write what a guarded call writes (decided and executing in one commit, its end in another), every commit
durable; beside it the same bytes in a bare table of SQLite, and at the end of a file, each with a wait for the disk of its own. Showing: a guarded call while its spans go nowhere, to the application's tracer provider, to the pump. Loss: the
same number of spans through the SDK's BatchSpanProcessor with its OTLP exporter, and through the journal and its pump, to
the same kind of receiver on loopback, which misbehaves as the case says:

    slow        2,000 spans a second while each request takes a second
    burst       20,000 spans at once, while each request takes a tenth of a second
    refused     every request is answered 400 for some seconds, then as usual
    unavailable every request is answered 503 for some seconds, then as usual
    rejected    every request is answered 200 with a partial success that takes nothing, then as usual
    killed      the process gets SIGKILL right after its last span

Lost is what has not arrived once the sender says that it is done and a next process had its chance; ``flushed`` is what
`force_flush` answered. Stores lie in a folder that is removed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from rich.console import Console
from rich.table import Table

from toolguard import Caller
from toolguard._core.audit import GENESIS, Draft, Kind, seal
from toolguard._core.steps import Change
from toolguard._core.stored import COLUMNS
from toolguard.ports import Store
from toolguard.stores import open_store
from toolguard.stores._rows import record_row
from toolguard.stores.memory import MemoryStore
from toolguard.telemetry import OtlpPump, TracerSink
from toolguard.testing.desk import Desk

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from audit_journal import a_draft
from telemetry.receiver import Receiver, Reply, refuse, reject, slow, take

# --- cost ---------------------------------------------------------------------------------------------------


Write: TypeAlias = Callable[[int], object]
"""Writes down the call of this number, in two commits; durable once it returns."""


def cost(write: Write, threads: int, seconds: float) -> dict[str, float]:
    """Records a second, what the writes of one call take (ms), and this process's processor time for a record (µs)."""
    gate = threading.Barrier(threads + 1)
    took: list[list[float]] = [[] for _ in range(threads)]
    over = threading.Event()

    def work(mine: list[float], place: int) -> None:
        n = place * 10**9
        gate.wait()
        while not (over.is_set() and mine):  # one at least, however slow the disk is
            n += 1
            at = time.perf_counter()
            write(n)
            mine.append(time.perf_counter() - at)

    crew = [threading.Thread(target=work, args=(mine, place)) for place, mine in enumerate(took)]
    for thread in crew:
        thread.start()
    gate.wait()
    began, busy = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    over.set()
    for thread in crew:
        thread.join()
    lasted, busy = time.perf_counter() - began, time.process_time() - busy
    all_of_them = sorted(t * 1e3 for mine in took for t in mine)
    return {
        "threads": threads,
        "records/s": 3 * len(all_of_them) / lasted,
        "call p50 ms": statistics.median(all_of_them),
        "call p95 ms": all_of_them[int(0.95 * len(all_of_them))],
        "call p99 ms": all_of_them[min(len(all_of_them) - 1, int(0.99 * len(all_of_them)))],
        "cpu µs": busy * 1e6 / (3 * len(all_of_them)),
    }


_CALL = (Kind.CALL_DECIDED, Kind.CALL_EXECUTING, Kind.CALL_RETURNED)


def _drafts(n: int) -> tuple[Draft, ...]:
    return tuple(replace(a_draft(n), kind=kind) for kind in _CALL)


@contextmanager
def in_store(url: str) -> Iterator[Write]:
    """What a guarded call writes."""

    def write(n: int) -> None:
        decided, began, ended = _drafts(n)
        store.commit(Change(tenant="north", records=(decided, began)))
        store.commit(Change(tenant="north", records=(ended,)))

    with closing(open_store(url)) as store:
        yield write


@contextmanager
def in_bare_sqlite(folder: Path) -> Iterator[Write]:
    """The same columns in a table without anything else, nothing chained or hashed, one thread after the other."""
    lock = threading.Lock()
    ready = [record_row(record) for record in seal(_drafts(1), log_id="5e" * 16, seq=0, prev=GENESIS)]
    insert = f"INSERT INTO records VALUES ({', '.join('?' * len(COLUMNS))})"

    def write(n: int) -> None:
        for rows in (ready[:2], ready[2:]):
            with lock:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(insert, [(row[0], n, *row[2:]) for row in rows])
                db.execute("COMMIT")

    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"CREATE TABLE records ({', '.join(COLUMNS)})")
        yield write


@contextmanager
def in_a_file(folder: Path) -> Iterator[Write]:
    """The same texts at the end of a file, and `os.fdatasync`: what the disk itself takes."""
    lock = threading.Lock()
    ready = [repr(record_row(record)).encode() for record in seal(_drafts(1), log_id="5e" * 16, seq=0, prev=GENESIS)]

    def write(_: int) -> None:
        for texts in (ready[:2], ready[2:]):
            with lock:
                file.write(b"\n".join(texts))
                os.fdatasync(file.fileno())

    with (folder / "bare.log").open("ab", buffering=0) as file:
        yield write


# --- showing --------------------------------------------------------------------------------------------------

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1, owner: bench@general.example}
approvals: {default: {approvers: ["group:privacy-office"], expires: 1h}}
tools: {look: {risk: low}}
"""


def look(name: str) -> str:
    """Look something up."""
    return "found"


def showing(quick: bool) -> list[dict[str, Any]]:
    """What a guarded no-op call takes (ms, journal in memory) while its spans are shown nowhere, by a tracer, by the pump."""
    calls, rounds = (100, 3) if quick else (400, 7)
    ana = Caller.of("ana", agent="discharge-agent", tenant="general")
    receiver = Receiver()
    took: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="toolguard-bench-") as at:
        folder = Path(at)
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        guards: dict[str, Any] = {}
        closers: list[Callable[[], object]] = []
        for name in ("nowhere", "tracer", "otlp"):
            store = MemoryStore()
            sinks: list[Any] = []
            if name == "tracer":
                provider = TracerProvider(shutdown_on_exit=False)
                exporter = OTLPSpanExporter(endpoint=f"{receiver.url}/v1/traces")
                provider.add_span_processor(BatchSpanProcessor(exporter))
                sinks.append(TracerSink(provider))
                closers.append(provider.shutdown)
            elif name == "otlp":
                sinks.append(pump := OtlpPump(store, receiver.url))
                closers.append(pump.close)
            guards[name] = Desk(folder, store=store).guard(folder / "policy.yaml", sinks=sinks)
        for _ in range(rounds):
            for name, guard in guards.items():
                with guard.session(caller=ana) as session:
                    for _ in range(calls):
                        began = time.perf_counter()
                        session.call(look, {"name": "x"})
                        took.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
        for close in closers:
            close()
    receiver.stop()
    return [
        {"spans": name, "call p50 ms": statistics.median(times), "call p95 ms": sorted(times)[int(0.95 * len(times))]}
        for name, times in took.items()
    ]


# --- loss ---------------------------------------------------------------------------------------------------


def one_span(n: int) -> Draft:
    """A record that is one span."""
    at = time.time()
    return Draft(kind=Kind.POLICY_LOADED, at=at, started=at, span_id=f"{n + 1:016x}", body={"n": n})


class Stock:
    """The SDK's own: BatchSpanProcessor, OTLP over HTTP, all as it comes."""

    name = "BatchSpanProcessor"

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
        self._tracer = self._provider.get_tracer("bench")

    def send(self, numbers: Sequence[int]) -> None:
        for n in numbers:
            self._tracer.start_span("bench", attributes={"n": n}).end()

    def end(self, patience: float) -> bool:
        flushed = self._provider.force_flush(int(patience * 1000))
        self._provider.shutdown()
        return flushed


class Ours:
    """The journal in SQLite (``synchronous=FULL``), twenty records a commit, and the pump as it comes."""

    name = "toolguard"

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._store: Store = open_store(f"sqlite:///{folder / 'bench.db'}")
        self._pump = OtlpPump(self._store, endpoint)

    def send(self, numbers: Sequence[int]) -> None:
        for at in range(0, len(numbers), 20):
            drafts = tuple(map(one_span, numbers[at : at + 20]))
            self._pump.emit(self._store.commit(Change(tenant="", records=drafts)))

    def end(self, patience: float) -> bool:
        self._pump.start()
        flushed = self._pump.flush(patience)
        self._pump.close(patience)
        self._store.close()
        return flushed


WAYS: tuple[Callable[[str, Path], Any], ...] = (Stock, Ours)


def paced(way: Any, count: int, per_second: float) -> None:
    began = time.perf_counter()
    for at in range(0, count, 20):
        way.send(range(at, min(count, at + 20)))
        ahead = at / per_second - (time.perf_counter() - began)
        if ahead > 0:
            time.sleep(ahead)


def fails_for(seconds: float, reply: Reply) -> Reply:
    """``reply`` until some seconds after the first request, then everything is taken."""
    first: list[float] = []

    def answer(handler: Any, request: Any) -> None:
        first.append(time.monotonic())
        (reply if time.monotonic() - first[0] < seconds else take)(handler, request)

    return answer


def lose(case: str, make: Callable[[str, Path], Any], quick: bool) -> dict[str, Any]:
    """One way through one case."""
    count, broken = (4_000, 3.0) if quick else (20_000, 8.0)
    always: dict[str, Reply] = {
        "slow": slow(1.0),
        "burst": slow(0.1),
        "refused": fails_for(broken, refuse(400)),
        "unavailable": fails_for(broken, refuse(503)),
        "rejected": fails_for(broken, reject(lambda _: True)),
        "killed": take,
    }
    if case == "burst":
        count = 20_000
    elif case != "slow":
        count = 2_000
    patience = 120.0
    receiver = Receiver(always[case])
    with tempfile.TemporaryDirectory(prefix="toolguard-bench-") as folder:
        began = time.perf_counter()
        if case == "killed":
            _kill(make, receiver.url, folder, count)
            flushed = None
            sent = time.perf_counter() - began
            if make is Ours:
                flushed = Ours(receiver.url, Path(folder)).end(patience)
        else:
            way = make(receiver.url, Path(folder))
            if case == "burst":
                way.send(range(count))
            else:
                paced(way, count, 2_000.0)
            sent = time.perf_counter() - began
            flushed = way.end(patience)
        whole = time.perf_counter() - began
    time.sleep(0.2)
    arrived = len(receiver.ids)
    repeated = sum(n - 1 for n in receiver.ids.values())
    receiver.stop()
    return {
        "case": case,
        "way": make.name,  # type: ignore[attr-defined] # both ways have one
        "spans": count,
        "arrived": arrived,
        "lost %": 100.0 * (count - arrived) / count,
        "repeated": repeated,
        "flushed": flushed,
        "sent in s": sent,
        "done in s": whole,
    }


def _kill(make: Callable[[str, Path], Any], url: str, folder: str, count: int) -> None:
    """A process of its own, killed right after its last span."""
    child = subprocess.Popen([sys.executable, __file__, "--child", make.name, url, folder, str(count)])  # type: ignore[attr-defined] # as above
    assert child.wait(120) == -signal.SIGKILL


def _child(name: str, url: str, folder: str, count: str) -> None:
    way = next(w for w in WAYS if w.name == name)(url, Path(folder))  # type: ignore[attr-defined] # as above
    way.send(range(int(count)))
    os.kill(os.getpid(), signal.SIGKILL)


CASES = ("slow", "burst", "refused", "unavailable", "rejected", "killed")

# --- the run ------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    names = ("toolguard-middleware", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "asyncpg")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in names},
    }


def costs(quick: bool) -> list[dict[str, Any]]:
    seconds = 1.0 if quick else 5.0
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        from postgres_server import Server

        server = stack.enter_context(Server.private(durable=True))
        ways: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
            "memory": lambda _: in_store("memory:"),
            "a file and fdatasync": in_a_file,
            "bare SQLite": in_bare_sqlite,
            "SQLite": lambda folder: in_store(f"sqlite:///{folder / 'bench.db'}"),
            "PostgreSQL": lambda _: in_store(server.url(server.new())),
        }
        for threads in (1, 8, 32):  # ways in turn, so that what is compared was taken in the same minute
            for name, way in ways.items():
                with tempfile.TemporaryDirectory(prefix="toolguard-bench-") as folder, way(Path(folder)) as write:
                    rows.append({"store": name, **cost(write, threads, seconds)})
    return sorted(rows, key=lambda row: list(ways).index(row["store"]))


def show(console: Console, title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()))
    console.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer spans and seconds")
    parser.add_argument("--only", choices=["cost", "loss"], help="one half")
    parser.add_argument("--case", action="append", choices=CASES, help="one case of loss; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        _child(*options.child)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a server that was started here is ended
    logging.disable(logging.ERROR)  # both ways say what fails; here it is meant
    console = Console(width=140, stderr=options.json)
    facts = machine()
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    told: dict[str, Any] = {"machine": facts}
    if options.only != "loss":
        told["cost"] = costs(options.quick)
        show(console, "what the records of one call cost", told["cost"])
        told["showing"] = showing(options.quick)
        show(console, "what showing its spans adds to a guarded call", told["showing"])
    if options.only != "cost":
        told["loss"] = [lose(c, w, options.quick) for c in options.case or CASES for w in WAYS]
        show(console, "what is lost", told["loss"])
    told["load after"] = round(os.getloadavg()[0], 1)
    if options.json:
        print(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
