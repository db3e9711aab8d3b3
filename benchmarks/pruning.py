"""Records into segments and out of the store: how long it takes, how large files are before and after, how long verify takes.

    python benchmarks/pruning.py [--records 200000] [--guards 4]

Everything is done as in service: checkpoints every 1000 records, an anchor, chunks of 2000 rows.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from toolguard._core.audit import Draft, Kind
from toolguard._core.steps import Change
from toolguard.journal import Checkpointer, FileAnchor, archive, hold_segments, prune, read_anchor, verify
from toolguard.keys import NoteSigner, NoteVerifier, Purpose, SecretKey
from toolguard.stores.schema import compact_store
from toolguard.stores.sqlite import SqliteStore

DAY = 86400.0


class Clock:
    def __init__(self) -> None:
        self.time = 1.8e9

    def now(self) -> float:
        self.time += 0.01
        return self.time

    def monotonic(self) -> float:
        return self.time


def call(n: int, at: float) -> tuple[Draft, ...]:
    """The records of one allowed call, as large as a guard's."""
    body = {
        "gen_ai.tool.name": "ehr.read",
        "gen_ai.conversation.id": f"run-{n // 20}",
        "toolguard.tenant": "north",
        "toolguard.policy.sha256": "ab" * 32,
        "toolguard.args.hmac": f"{n:064x}",
        "toolguard.actor.id": f"local:north:user{n % 50}",
        "toolguard.risk.level": "low",
        "toolguard.decision.outcome": "allowed",
    }
    kinds = (Kind.CALL_DECIDED, Kind.CALL_EXECUTING, Kind.CALL_RETURNED)
    return tuple(
        Draft(
            kind=kind,
            at=at + i / 100,
            started=at,
            call=f"{n:032x}",
            trace_id=f"{n:032x}",
            span_id=f"{n * 3 + i + 1:016x}",
            body=body,
        )
        for i, kind in enumerate(kinds)
    )


def timed(what: str, work: Callable[[], Any]) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what:<44} {wall:8.1f} s  {cpu:8.1f} s CPU")
    return found


def size(path: Path) -> str:
    return f"{sum(p.stat().st_size for p in path.parent.glob(path.name + '*')) / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--guards", type=int, default=4)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, anchor, kept = folder / "store.db", folder / "anchor", folder / "kept"
        kept.mkdir()
        clock, key = Clock(), SecretKey.generate(Purpose.AUDIT)
        signer = NoteSigner(key)
        verifier = NoteVerifier([signer.public_key])
        stores = [SqliteStore(path, clock) for _ in range(said.guards)]
        service = SqliteStore(path, clock)
        checkpoints = Checkpointer(service, signer, verifier, anchors=[FileAnchor(anchor)])
        calls = said.records // 3

        def fill() -> None:
            for n in range(0, calls, 50):
                some = tuple(d for i in range(n, min(n + 50, calls)) for d in call(i, clock.now()))
                stores[n // 50 % said.guards].commit(Change(tenant="north", records=some))
                if n % 1000 == 0:
                    checkpoints.tick()

        timed(f"fill ({said.records} records)", fill)
        checkpoints.tick(final=True)
        clock.time += 100 * DAY
        for store in stores:
            for n in range(400):
                store.commit(Change(tenant="north", records=call(10**9 + n, clock.now())))
        checkpoints.tick(final=True)
        before, notes = clock.time - 50 * DAY, read_anchor(anchor).notes
        print(f"load {os.getloadavg()[0]:.1f}; database {size(path)}")
        given: dict[str, Any] = {"before": before, "verifier": verifier}
        report = timed("verify before", lambda: verify(service, verifier=verifier))
        print(f"  {report.records} records, exit {report.exit_code}")
        made = timed("archive", lambda: archive(service, kept, notes=notes, **given))
        print(f"  {len(made)} segments, {sum(p.stat().st_size for p in kept.iterdir()) / 1e6:.1f} MB")
        timed("prune --dry-run", lambda: prune(service, kept, signer=signer, dry_run=True, **given))
        moments: list[float] = []

        def told(done: int, total: int) -> None:
            moments.append(time.perf_counter())

        pruned = timed(
            "prune", lambda: prune(service, kept, signer=signer, anchors=[FileAnchor(anchor)], progress=told, **given)
        )
        chunk = max((b - a for a, b in pairwise(moments)), default=0.0)
        print(f"  {pruned.records} records; slowest chunk {chunk * 1000:.0f} ms; database {size(path)}")
        for store in (*stores, service):
            store.close()
        timed("compact", lambda: compact_store(f"sqlite:///{path}"))
        print(f"  database {size(path)}")
        with closing(SqliteStore(path, clock)) as store:
            report = timed("verify without segments", lambda: verify(store, verifier=verifier))
            print(f"  {report.records} records, {report.unseen} not looked at, exit {report.exit_code}")
            report = timed("verify with segments", lambda: verify(store, verifier=verifier, segments=kept))
            print(f"  {report.records} records, exit {report.exit_code}")
            held = timed("hold segments", lambda: hold_segments(store, kept, verifier=verifier))
            print(f"  {held.records} records, exit {held.exit_code}")


if __name__ == "__main__":
    main()
