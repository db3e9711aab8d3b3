"""Processes race for the same approvals and are killed; a store without its guarantees is found out.

The full race (10,000 requests a store) is ``make race``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent


def race(store: str, *options: object) -> tuple[int, dict[str, Any]]:
    """Exit code and result of a race in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "race", "--store", store, "--json", *map(str, options)],
        cwd=TESTS,
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        | {"PYTHONPATH": os.pathsep.join([str(TESTS), *(p for p in sys.path if p)])},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    (result,) = json.loads(done.stdout)
    return done.returncode, result


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_invariants_4_to_8_hold_while_processes_race_and_are_killed(store: str) -> None:
    """On PostgreSQL the server crashes as well, a few times, and comes back."""
    code, result = race(store, "--seed", 20261122, "-n", 300, "--bound", 30, "--crash-every", 20)
    counts = result["counts"]
    assert result["faults"] == [], f"seed {result['seed']}"
    assert code in (0, 3)
    assert counts["requests"] >= 60, "a machine this busy has raced too little to say anything"
    hard = ("kills", "executions", "vetoes of a yes", "expired", "withdrawn", "conflicts", "verdicts refused")
    assert min(counts[name] for name in hard) > 0, counts
    assert (counts["database crashes"] > 0) is (store == "postgresql")


BROKEN = {
    "no-checks": {"double execution", "lost veto"},
    "no-compare-and-set": {"lost update"},
    "no-claim-check": {"double execution"},
    "effect-first": {"double execution"},
    "lost-write": {"lost update"},
    "veto-dropped": {"lost veto"},
    "no-locks": {"lost update", "illegal transition", "lost veto", "double execution"},
}
"""What is taken out of the store, and what of it must be seen (at least one)."""


CASES = [
    (store, mutant)
    for store in ("sqlite", "postgresql")
    for mutant in BROKEN
    if (store, mutant) != ("sqlite", "no-locks")  # SQLite has one writer, and no locks of its own to take out
]


@pytest.fixture
def place(store: str, request: pytest.FixtureRequest) -> str:
    """What to race on: a file of its own, or an empty database."""
    url: str = request.getfixturevalue("database") if store == "postgresql" else store
    return url


@pytest.mark.parametrize(("store", "mutant"), CASES)
def test_a_store_without_one_guarantee_is_found_out(place: str, mutant: str) -> None:
    """The race's own proof: it fails where it has to."""
    code, result = race(
        place, "--mutant", mutant, "--seed", 7, "-n", 60, "--dawdle", 0.5, "--kill-every", 0, "--bound", 60
    )
    assert code == 1
    assert {fault["code"] for fault in result["faults"]} & BROKEN[mutant]
