"""Processes that share one SQLite file, go down and come back, are killed, or find the database locked or full."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from toolguard import Suspended
from toolguard.errors import ReplayError, StoreError
from toolguard.journal import verify
from toolguard.keys import write_key
from toolguard.stores import open_store
from toolguard.stores.sqlite import SqliteStore

WORKER = """
import json, os, sys
from pathlib import Path
from toolguard import Caller, Guard, Suspended, ToolguardError
from toolguard.keys import KeyRing
from toolguard.testing import NoDetector

folder, what = Path(sys.argv[1]), json.loads(sys.argv[2])

def export(path: str) -> str:
    "Export a cohort."
    with open(folder / "effects", "a") as effects:
        effects.write(path + "\\n")
    if what.get("hang"):
        print("running", flush=True)
        import time
        time.sleep(60)
    return "wrote " + path

guard = Guard(folder / "policy.yaml", store=what["store"], keys=KeyRing.load(folder / "guard.key"),
              directory=folder / "directory.yaml", trusted=what["trusted"], detector=NoDetector(), suspend="raise")
if what.get("limit"):  # a full disk: files may grow only this much more
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = max((folder / n).stat().st_size for n in ("toolguard.db", "toolguard.db-wal")) + what["limit"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
ana = Caller.of("ana", agent="discharge-agent", tenant="general")
with guard.session(caller=ana, run="run-1") as session:
    for n in range(what.get("times", 1)):
        try:
            print(json.dumps({"ran": session.call(export, {"path": what["path"] + "/" * n if what.get("limit") else what["path"]}, call_id=what["call"] + (str(n) if what.get("limit") else ""))}), flush=True)
        except Suspended as waiting:
            print(json.dumps({"waits": waiting.approval_id}), flush=True)
        except ToolguardError as refused:
            text = {"text": str(refused)} if what.get("limit") else {}
            print(json.dumps({"refused": type(refused).__name__, **text}), flush=True)
guard.close()
"""


@pytest.fixture
def start(desk):
    write_key(desk.folder / "guard.key", desk.seal_key)
    running = []

    def go(**what):
        what = {"store": desk.store_url, "trusted": desk.trusted, "path": "/x", "call": "c1"} | what
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), str(desk.folder), json.dumps(what)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        running.append(process)
        return process

    yield go
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def said(process):
    out, _ = process.communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()]


def effects(desk):
    file = desk.folder / "effects"
    return file.read_text().splitlines() if file.exists() else []


def test_s17_a_call_approved_while_its_process_is_down_runs_once_after_a_restart(desk, policy, start):
    ((waiting,),) = [said(start())]
    desk.approve(waiting["waits"])
    assert effects(desk) == []
    assert said(start(times=2)) == [{"ran": "wrote /x"}, {"refused": "ReplayError"}]
    assert said(start()) == [{"refused": "ReplayError"}]
    assert effects(desk) == ["/x"]


def test_invariant_5_four_processes_claim_one_approval_once(desk, policy, start):
    (waiting,) = said(start())
    desk.approve(waiting["waits"])
    outcomes = [line for process in [start() for _ in range(4)] for line in said(process)]
    assert outcomes.count({"ran": "wrote /x"}) == 1
    assert outcomes.count({"refused": "ReplayError"}) == 3
    assert effects(desk) == ["/x"]


def test_invariant_6_a_process_killed_while_its_tool_runs_is_never_run_again(desk, policy, start):
    (waiting,) = said(start())
    desk.approve(waiting["waits"])
    victim = start(hang=True)
    assert victim.stdout.readline() == "running\n"
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert said(start()) == [{"refused": "ReplayError"}]
    assert effects(desk) == ["/x"]
    assert desk.store.get("general", waiting["waits"]).state.value == "executing"


def test_two_processes_share_one_file_and_every_log_holds_together(desk, policy, start):
    workers = [start(times=15, call=f"c{i}", path=f"/{i}") for i in range(2)]
    for worker in workers:
        assert len(said(worker)) == 15
    assert verify(desk.store).ok
    assert len(desk.store.list("general")) == 2


def export(path: str) -> str:
    """Export a cohort."""
    raise AssertionError("must not run")


def test_a_locked_database_stops_the_call_with_advice(desk, policy, ana):
    store = SqliteStore(desk.folder / "toolguard.db", busy_timeout=0.2)
    guard = desk.guard(policy, store=store)
    other = sqlite3.connect(desk.folder / "toolguard.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with guard.session(caller=ana) as session:
        started = time.monotonic()
        with pytest.raises(StoreError) as refused:
            session.call(export, {"path": "/x"})
        assert time.monotonic() - started < 5
    assert "locked" in str(refused.value) or "busy" in str(refused.value)
    other.rollback()
    other.close()
    with guard.session(caller=ana) as session, pytest.raises(Suspended):
        session.call(export, {"path": "/x"})
    store.close()


def test_a_full_disk_stops_the_call_with_advice_and_loses_nothing(desk, policy, start):
    (waiting,) = said(start())
    before = len(list(desk.store.records()))
    lines = said(start(limit=8192, times=20, call="c9"))
    assert lines[-1]["refused"] == "StoreError"
    assert "full" in lines[-1]["text"] or "disk" in lines[-1]["text"]
    assert effects(desk) == []
    assert len(list(desk.store.records())) >= before
    desk.approve(waiting["waits"])
    assert said(start()) == [{"ran": "wrote /x"}]


def test_a_replay_by_a_second_guard_in_this_process_is_refused(desk, policy, ana):
    with desk.guard(policy).session(caller=ana, run="r") as session, pytest.raises(Suspended) as waiting:
        session.call(export_ok, {"path": "/x"}, call_id="c1")
    desk.approve(waiting.value.approval_id)
    with desk.guard(policy, store=open_store(desk.store_url)).session(caller=ana, run="r") as session:
        assert session.call(export_ok, {"path": "/x"}, call_id="c1") == "ok"
    with desk.guard(policy).session(caller=ana, run="r") as session, pytest.raises(ReplayError):
        session.call(export_ok, {"path": "/x"}, call_id="c1")


def export_ok(path: str) -> str:
    """Export a cohort."""
    return "ok"


export_ok.__name__ = "export"
