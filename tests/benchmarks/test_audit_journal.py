"""The benchmark of the journal measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit_journal import Throughput, filled, journal_throughput, verify_throughput
from toolguard.journal import verify
from toolguard.stores import open_store


@pytest.mark.parametrize("threads", [1, 4])
def test_every_record_that_is_counted_is_in_the_journal(tmp_path: Path, threads: int) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    found = journal_throughput(url, threads, 0.2, records=2)
    store = open_store(url, read_only=True)
    report = verify(store)
    store.close()
    assert (report.exit_code, report.records) == (0, found.records + 2)
    assert found.threads == threads
    assert found.per_second > 0


def test_what_is_verified_is_all_there_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    store = open_store(url)
    filled(store, 1200)
    store.close()
    assert verify_throughput(url).records == 1201


def test_a_rate_is_records_by_seconds() -> None:
    assert Throughput(records=300, seconds=1.5).per_second == 200.0
