"""How fast the journal takes records durably, and how fast it is verified.

python benchmarks/audit_journal.py                          both, on SQLite in a temporary folder
python benchmarks/audit_journal.py --store postgresql://…   on a database of yours (it is written to)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial

from toolguard._core.audit import Draft, Kind
from toolguard._core.steps import Change
from toolguard.journal import Workers, verify
from toolguard.ports import Store
from toolguard.stores import open_store

__all__ = ["Throughput", "a_draft", "filled", "journal_throughput", "verify_throughput"]

_BODY = {
    "gen_ai.agent.name": "triage",
    "gen_ai.conversation.id": "run-2026-11-22-0001",
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.call.id": "call_0123456789abcdef",
    "gen_ai.tool.name": "ehr.lookup_patient",
    "gen_ai.tool.type": "function",
    "toolguard.actor.assurance": "verified",
    "toolguard.actor.id": "v1:" + "5e" * 32,
    "toolguard.args.hmac": "v1:" + "a7" * 32,
    "toolguard.decision.effect": "allow",
    "toolguard.decision.outcome": "allowed",
    "toolguard.decision.reason_code": "rule",
    "toolguard.policy.id": "hospital",
    "toolguard.policy.rule.id": ["read-own-patients"],
    "toolguard.policy.sha256": "3c" * 32,
    "toolguard.policy.version": "12",
    "toolguard.risk.class": "read",
    "toolguard.risk.level": "low",
    "toolguard.session.id": "session-0001",
    "toolguard.tenant": "north",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What was measured: records in seconds, and the threads that did it."""

    records: int
    seconds: float
    threads: int = 1

    @property
    def per_second(self) -> float:
        return self.records / self.seconds


def a_draft(number: int, *, at: float | None = None) -> Draft:
    """A record of the size a decided call's has."""
    call = f"{number:032x}"
    moment = time.time() if at is None else at
    return Draft(
        kind=Kind.CALL_DECIDED,
        at=moment,
        started=moment - 0.0012,
        call=call,
        trace_id="0a" * 16,
        span_id=call[16:],
        parent_id="0b" * 8,
        body={**_BODY, "toolguard.call.id": call},
    )


def journal_throughput(store_url: str, threads: int = 1, seconds: float = 3.0, *, records: int = 1) -> Throughput:
    """Append for ``seconds`` from ``threads`` threads, ``records`` in each commit, every commit durable on its return."""
    store = open_store(store_url)
    counts = [0] * threads
    start, until = threading.Barrier(threads + 1), 0.0

    def work(who: int) -> None:
        number = who << 64
        start.wait()
        while time.perf_counter() < until:
            store.commit(Change(tenant="north", records=tuple(a_draft(number + n) for n in range(records))))
            number += records
            counts[who] += records

    workers = [threading.Thread(target=work, args=(who,)) for who in range(threads)]
    try:
        store.commit(Change(tenant="north", records=(a_draft(0),)))
        for worker in workers:
            worker.start()
        begun = time.perf_counter()
        until = begun + seconds
        start.wait()
        for worker in workers:
            worker.join()
        taken = time.perf_counter() - begun
    finally:
        store.close()
    return Throughput(records=sum(counts), seconds=taken, threads=threads)


def filled(store: Store, records: int) -> None:
    """Put ``records`` records into ``store``, many a commit."""
    for begin in range(0, records, 500):
        drafts = tuple(a_draft((1 << 96) + n) for n in range(begin, min(begin + 500, records)))
        store.commit(Change(tenant="north", records=drafts))


def verify_throughput(store_url: str, jobs: int = 1) -> Throughput:
    """Verify a store as it is, once, with ``jobs`` processes that are there already."""
    opener = partial(open_store, store_url, read_only=True)
    store = opener()
    try:
        if jobs == 1:
            return _verified(store, None)
        with Workers(opener, jobs) as workers:
            _verified(store, workers)  # they start with the first work they get
            return _verified(store, workers)
    finally:
        store.close()


def _verified(store: Store, workers: Workers | None) -> Throughput:
    begun = time.perf_counter()
    report = verify(store, workers=workers)
    seconds = time.perf_counter() - begun
    assert report.exit_code == 0
    return Throughput(records=report.records, seconds=seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="", help="store URL; a SQLite file in a temporary folder by default")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--records", type=int, default=200_000, help="how many to verify")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.store or f"sqlite:///{folder}/append.db"
        for threads in (1, 8, 32):
            found = journal_throughput(url, threads, asked.seconds)
            print(f"append   {found.per_second:>9,.0f} durable records/s at {threads} threads, one a commit")
        url = asked.store or f"sqlite:///{folder}/verify.db"
        store = open_store(url)
        filled(store, asked.records)
        store.close()
        for jobs in (1, os.cpu_count() or 1):
            found = verify_throughput(url, jobs)
            print(f"verify   {found.per_second:>9,.0f} records/s with {jobs} processes, {found.records:,} records")


if __name__ == "__main__":
    main()
