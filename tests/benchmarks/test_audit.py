"""The benchmark of loss measures what it says, on both ways."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def bench() -> Any:
    folder = Path(__file__).parents[2] / "benchmarks"
    sys.path.append(str(folder))
    spec = importlib.util.spec_from_file_location("bench_audit", folder / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_what_is_rejected_for_a_while_is_lost_to_one_and_not_to_the_other(bench: Any) -> None:
    stock, ours = (bench.lose("rejected", way, True) for way in bench.WAYS)
    assert (stock["arrived"], stock["flushed"]) == (0, True)
    assert (ours["arrived"], ours["lost %"]) == (ours["spans"], 0.0)


@pytest.mark.parametrize("way", ["memory", "SQLite", "bare SQLite", "a file"])
def test_what_a_calls_records_cost_is_measured(bench: Any, tmp_path: Path, way: str) -> None:
    opened = {
        "memory": lambda: bench.in_store("memory:"),
        "SQLite": lambda: bench.in_store(f"sqlite:///{tmp_path / 'bench.db'}"),
        "bare SQLite": lambda: bench.in_bare_sqlite(tmp_path),
        "a file": lambda: bench.in_a_file(tmp_path),
    }
    with opened[way]() as write:
        write(0)  # however slow the disk is
        row = bench.cost(write, 2, 0.2)
    assert row["threads"] == 2
    assert 0 < row["call p50 ms"] <= row["call p95 ms"] <= row["call p99 ms"]
    assert row["records/s"] > 0
    assert row["cpu µs"] > 0
