"""S17: a call that waits goes on in another process, which has nothing but the store and what was kept."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.contract.driver import Call, Driver
from adapters.contract.table import PATHS, rule
from adapters.contract.ward import ADA, PERSON, assert_masked


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Any]:
    """One other process for all these tests: starting one takes longer than what it does."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    started = [sys.executable, str(Path(__file__).with_name("elsewhere.py"))]
    with subprocess.Popen(
        started, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def go_on(driver: Driver, place: Any, kept: dict[str, Any]) -> dict[str, Any]:
            desk = driver.ward.desk
            told = {
                "place": [PATHS.index(place[0]), *place[1:]],
                "folder": str(driver.ward.folder),
                "names": driver.ward.names,
                "seal": desk.seal_key.line,
                "trusted": desk.trusted[0],
                "kept": kept,
            }
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
            found: dict[str, Any] = json.loads(process.stdout.readline())
            return found

        yield go_on
        process.stdin.close()  # it ends; how long that takes on a busy machine is nobody's promise
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


@rule("S17")
async def test_a_suspended_call_goes_on_in_another_process_and_runs_once(
    drive: Any, place: Any, elsewhere: Any
) -> None:
    driver = await drive("send", "find", durable=True)
    paused = await driver.start(Call("send", {"to": PERSON, "text": "hello"}), Call("find", {"patient": PERSON}, "c2"))
    assert len(paused.waiting) == 1
    kept = json.loads(json.dumps(driver.freeze()))
    assert_masked(json.dumps(kept)) if not driver.masks_context or "blob" in kept else None
    ran_here = driver.ward.count("find")
    driver.ward.desk.approve(paused.waiting[0])

    first = elsewhere(driver, place, kept)
    assert "fault" not in first, first
    assert first["pid"] != os.getpid()
    assert first["answers"]["c1"] == f"sent to {PERSON}"
    assert [ran for ran in first["ran"] if ran[0] == "send"] == [["send", ADA, "hello"]]
    assert len([ran for ran in first["ran"] if ran[0] == "find"]) == 1 - ran_here, "once, here or there"

    again = elsewhere(driver, place, kept)
    assert again["ran"] == [], "neither runs again"
    assert driver.ward.count("send") == 0
    assert_masked(driver.model_saw)
