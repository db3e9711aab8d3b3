"""Processes that are killed while they write and deliver, or that fork: what was acknowledged arrives."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from telemetry.receiver import Receiver, slow
from toolguard.journal import verify
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import Delivery, Target


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver(slow(0.01))
    yield receiver
    receiver.stop()


def start(what: str, folder: Path, receiver: Receiver, *more: str) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("delivering.py")
    return subprocess.Popen(
        [sys.executable, script, what, str(folder), receiver.url, *more],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_pump_that_is_killed_again_and_again_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """I4, I6: whatever was acknowledged is there, in order in each log, and a repeat is the same to the byte."""
    chance = random.Random(7)
    for life in range(4):
        process = start("write", tmp_path, receiver, str(life * 100_000))
        until = time.monotonic() + 30
        seen = len(receiver.taken)
        while len(receiver.taken) < seen + 30 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
        process.communicate()
    written = (tmp_path / "written").read_text("utf-8").split()
    store = SqliteStore(tmp_path / "store.db")
    receiver.clients.append(target := Target(receiver.url, timeout=5.0))
    pump = Delivery(store, target, Resource({}), sink="s", grace=0.0, lease=0.3)
    until = time.monotonic() + 30
    while pump.round().left and time.monotonic() < until:
        time.sleep(0.05)
    assert len(written) > 100
    assert set(written) <= set(receiver.ids)
    bytes_of: dict[bytes, set[bytes]] = {}
    for span in receiver.taken:
        bytes_of.setdefault(span.span_id, set()).add(span.SerializeToString(deterministic=True))
    assert {len(each) for each in bytes_of.values()} == {1}
    for life in range(4):
        first = list(dict.fromkeys(s.span_id for s in receiver.taken if _number(s.span_id) // 100_000 == life))
        assert first == sorted(first), "in the order they happened"
    assert verify(store).tampered is False
    store.close()


def test_three_processes_of_eight_threads_on_one_store_send_each_span_once(tmp_path: Path, receiver: Receiver) -> None:
    SqliteStore(tmp_path / "store.db").close()
    processes = [start("some", tmp_path, receiver, str(first)) for first in (0, 1000, 2000)]
    for process in processes:
        _, said = process.communicate(timeout=90)
        assert (process.returncode, said) == (0, "")
    wanted = {f"{first + n + 1:016x}" for first in (0, 1000, 2000) for n in range(100)}
    assert receiver.ids == dict.fromkeys(wanted, 1)


def _number(span_id: bytes) -> int:
    return int.from_bytes(span_id) - 1


def test_parent_and_child_of_a_fork_each_deliver_their_own(tmp_path: Path, receiver: Receiver) -> None:
    process = start("fork", tmp_path, receiver)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    wanted = {f"{n + 1:016x}" for n in (*range(21), *range(101, 121))}
    assert receiver.ids == dict.fromkeys(wanted, 1)
