"""How long an evidence pack takes, how large it is, and whether it is the same twice.

    python benchmarks/evidence_packs.py [--records 10000] [--json FILE]

A SQLite store on disk is filled by the real guard (a look-up, a search and a letter in turn; every fiftieth letter is
asked for and approved), checkpointed and anchored; then the pack is built twice from the store and verified.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from toolguard import Caller, Suspended
from toolguard.evidence import Sampling, build_pack, verify
from toolguard.journal import Checkpointer, FileAnchor, read_anchor
from toolguard.keys import NoteSigner, NoteVerifier, Purpose, SecretKey
from toolguard.population import Population, read_period
from toolguard.testing import FakeClock, WordDetector
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1}
defaults:
  by_risk: {low: allow, medium: allow, high: allow, critical: deny}
approvals:
  default: {approvers: ["group:privacy-office"]}
tools:
  find_patient: {risk: low, trusted_for: [PERSON, MRN], trusted_results: true}
  search_papers: {risk: low}
  send_letter: {risk: low, decisive: [to]}
rules:
  - id: phi-leaves
    because: "Identifiable data leaves only with a yes."
    match: {tool: send_letter, data: [PERSON]}
    effect: require_approval
"""
NAME = "Adaeze Quellhund"


def find_patient(name: str) -> dict[str, str]:
    """Find a patient."""
    return {"name": name, "mrn": "MRN-77120934"}


def search_papers(query: str) -> list[str]:
    """Search papers."""
    return ["10.1000/182"]


def send_letter(to: str, body: str) -> str:
    """Send a letter."""
    return "sent"


def fill(folder: Path, records: int) -> tuple[Desk, FakeClock, NoteSigner, Path]:
    """A store with at least so many records."""
    clock = FakeClock(1_780_000_000.0)
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(folder, clock=clock)
    guard = desk.guard(folder / "policy.yaml", detector=WordDetector({NAME: "PERSON", "MRN-77120934": "MRN"}))
    audit, anchor = NoteSigner(SecretKey.generate(Purpose.AUDIT)), folder / "elsewhere.anchor"
    checkpoints = Checkpointer(
        desk.store,
        audit,
        NoteVerifier([audit.public_key]),
        anchors=[FileAnchor(anchor)],
        monotonic=clock.monotonic,
    )
    written, run = 0, 0
    while written < records:
        run += 1
        caller = Caller.of("ana", agent="discharge-agent", tenant="general")
        with guard.session(caller=caller, run=f"run-{run}") as session:
            for n in range(20):
                clock.advance(3.0)
                session.call(find_patient, {"name": NAME})
                session.call(search_papers, {"query": "sepsis"})
                session.call(send_letter, {"to": "ward@general.example", "body": f"bed {n}"})
            letter = {"to": "out@other.example", "body": NAME}
            try:
                session.call(send_letter, letter, call_id="asked")
            except Suspended as waiting:
                desk.approve(waiting.approval_id, by="chen")
                session.call(send_letter, letter, call_id="asked")
        checkpoints.tick()
        written = sum(head.seq for head in desk.store.heads())
    clock.advance(60.0)
    checkpoints.tick(final=True)
    return desk, clock, audit, anchor


def measure(records: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        desk, clock, audit, anchor = fill(folder, records)

        def build() -> tuple[bytes, float, float, Population]:
            start, busy = time.perf_counter(), time.process_time()
            population = Population(read_period(desk.store, since=0.0, until=clock.now() - 30.0))
            notes, sampling = read_anchor(anchor).notes, Sampling(seed="bench", n=60)
            data = build_pack(population, audit, anchors=notes, sampling=sampling).bytes
            return data, time.perf_counter() - start, time.process_time() - busy, population

        first, took, busy, population = build()
        second, again, _, _ = build()
        path = folder / "pack.zip"
        path.write_bytes(first)
        start = time.perf_counter()
        report = verify.verify(str(path), [audit.public_key.line], [str(anchor)])
        verified = time.perf_counter() - start
        desk.store.close()
    return {
        "records": len(population.records),
        "calls": len(population.calls),
        "seconds": round(took, 2),
        "processor_seconds": round(busy, 2),
        "seconds_again": round(again, 2),
        "megabytes": round(len(first) / 1e6, 2),
        "identical": first == second,
        "verify_exit": report.exit_code,
        "verify_faults": report.faults,
        "verify_gaps": report.gaps,
        "verify_seconds": round(verified, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measure(given.records)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
