"""The vault: shared by threads and processes without drift, really emptied, readable after a new key, over turns."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from masking.vault_work import KEY, needs
from toolguard import Guard, Suspended
from toolguard._core.approval import State
from toolguard._core.vault import Need, token_spans
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.ports import SessionKey
from toolguard.stores import open_store
from toolguard.testing import WordDetector
from toolguard.testing.desk import Desk

WORK = Path(__file__).with_name("vault_work.py")


@pytest.mark.slow
def test_processes_share_one_vault_without_drift_or_lost_writes(tmp_path):
    key = SecretKey.generate(Purpose.SEAL)
    path, workers, count = tmp_path / "vault.db", 3, 60
    open_store(f"sqlite:///{path}").close()
    environment = {**os.environ, "PYTHONPATH": str(WORK.parent.parent)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    running = [
        subprocess.Popen(
            [sys.executable, str(WORK), str(path), key.line, str(worker), str(count)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        for worker in range(workers)
    ]
    answers = []
    for process in running:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        answers.append(json.loads(out))
    together: dict[str, str] = {}
    for answer in answers:
        for need, token in answer.items():
            assert together.setdefault(need, token) == token, "one identifier has one token, whoever asked first"
    assert len(set(together.values())) == len(together), "no token stands for two"
    store = open_store(f"sqlite:///{path}")
    values = store.values(KEY, KeyRing([key]).sealer(KEY.tenant))
    wanted = {(n.type, n.text, n.namespace) for worker in range(workers) for n in needs(worker, count)}
    assert {(t.type, v, t.namespace) for t, v in values.items()} == wanted, "nothing was lost"
    store.close()


@pytest.mark.parametrize("url", ["memory:", "sqlite"])
def test_threads_share_one_vault(tmp_path, url):
    store = open_store("memory:" if url == "memory:" else f"sqlite:///{tmp_path / 'v.db'}")
    sealer = KeyRing([SecretKey.generate(Purpose.SEAL)]).sealer("general")
    start = threading.Barrier(6)

    def work(worker):
        start.wait()
        return store.allocate(KEY, needs(worker % 3, 20), sealer)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(work, range(6)))
    tokens = {}
    for answer in answers:
        for need, token in answer.items():
            assert tokens.setdefault(need, token) == token
    assert len(set(tokens.values())) == len(tokens)
    assert store.values(KEY, sealer) == {t: n.text for n, t in tokens.items()}
    store.close()


# --- purging --------------------------------------------------------------------------------------------


def test_a_purge_leaves_nothing_of_the_session_in_the_files(tmp_path):
    path = tmp_path / "v.db"
    store = open_store(f"sqlite:///{path}")
    sealer = KeyRing([SecretKey.generate(Purpose.SEAL)]).sealer("general")
    other = SessionKey(tenant="general", session="kept")
    wanted = [Need(type="PERSON", text=f"Person {n}") for n in range(400)]
    store.allocate(KEY, wanted, sealer)
    store.allocate(other, wanted[:3], sealer)
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT spelling, identity, value FROM tokens WHERE session = 'shared'").fetchall()
    db.close()
    kept = [part if isinstance(part, bytes) else part.encode() for row in rows for part in row]
    assert len(rows) == 400

    def left():
        data = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        return sum(part in data for part in kept)

    assert left() == len(kept)
    assert store.purge(KEY) == 400
    assert left() == 0, "neither in the file, its free pages nor the write-ahead log"
    assert len(store.values(other, sealer)) == 3
    store.close()


EXPORT = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: vault, version: 1}
approvals: {default: {approvers: ["group:privacy-office"]}}
tools:
  export: {risk: high}
  find: {risk: low, trusted_for: [PERSON]}
"""


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "policy.yaml").write_text(EXPORT, "utf-8")
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def export(what: str) -> str:
    """Export."""
    raise AssertionError


def test_forgetting_a_session_invalidates_what_waits_in_it_and_nothing_else(desk, ana):
    guard = desk.guard(desk.folder / "policy.yaml", detector=WordDetector({"Ada Byron": "PERSON"}), suspend="raise")
    waiting = {}
    for run in ("one", "two"):
        with guard.session(caller=ana, run=run) as session:
            session.mask("Ada Byron")
            for call in ("pending", "approved"):
                with pytest.raises(Suspended) as raised:
                    session.call(export, {"what": call}, call_id=call)
                waiting[run, call] = raised.value.approval_id
    desk.approve(waiting["one", "approved"])
    with guard.session(caller=ana, run="one") as session:
        assert session.forget() == 1
    states = {key: desk.store.get("general", id).state for key, id in waiting.items()}
    assert states == {
        ("one", "pending"): State.INVALIDATED,
        ("one", "approved"): State.INVALIDATED,
        ("two", "pending"): State.PENDING,
        ("two", "approved"): State.PENDING,
    }
    ends = [r.draft.body for r in desk.store.records() if r.draft.kind == "approval.resolved"]
    told = [b["toolguard.decision.outcome"] for b in ends if b["toolguard.decision.reason_code"] == "session_forgotten"]
    assert told == ["invalidated"] * 2
    guard.close()


def test_a_forgotten_identifier_is_no_longer_found_by_what_was_learned(policy, ana):
    text = "the tray is kvarnholz today"
    with Guard(policy()).session(caller=ana) as session:
        assert session.mask(text) == text
        session.mask({"resourceType": "Patient", "name": [{"family": "Kvarnholz"}]}, origin="trusted")
        assert session.mask(text) == "the tray is <PERSON_1b> today"
        session.forget()
        assert session.mask(text) == text


# --- keys, turns, processes ------------------------------------------------------------------------------


def test_after_a_new_key_old_tokens_are_read_and_stay_what_they_are(tmp_path, policy, ana):
    old, new = SecretKey.generate(Purpose.SEAL), SecretKey.generate(Purpose.SEAL)
    parts = {"store": f"sqlite:///{tmp_path / 'v.db'}", "detector": WordDetector({"Ada": "PERSON", "Bea": "PERSON"})}
    with Guard(policy(), keys=KeyRing([old]), **parts) as guard, guard.session(caller=ana, run="r") as session:
        assert session.mask("Ada") == "<PERSON_1>"
    with Guard(policy(), keys=KeyRing([old, new]), **parts) as guard, guard.session(caller=ana, run="r") as session:
        assert session.mask("Bea and Ada") == "<PERSON_2> and <PERSON_1>"
        assert session.reveal("<PERSON_1> <PERSON_2>", purpose="treatment").text == "Ada Bea"


def test_what_one_turn_masked_the_next_knows_in_another_process_too(tmp_path, policy, ana):
    parts = {"store": f"sqlite:///{tmp_path / 'v.db'}", "keys": KeyRing([SecretKey.generate(Purpose.SEAL)])}
    with Guard(policy(), **parts) as guard, guard.session(caller=ana, run="r") as session:
        first = session.mask("Patient: Margaret Zorblaxian")
    with Guard(policy(), **parts) as guard, guard.session(caller=ana, run="r") as session:
        assert session.mask("Patient: Margaret Zorblaxian") == first
        again = session.mask("then zorblaxian left")
        assert "zorblaxian" not in again
        assert token_spans(again)
