"""Several processes on one file, and processes that die: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from stores.helpers import files, output, python
from toolguard._core.audit import Kind, verify_chain
from toolguard._core.call import CallRef
from toolguard._core.steps import Standing
from toolguard._core.vault import Need
from toolguard.ports import SessionKey, Store
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractSealer

_WORK = """
import json, sys, threading
from toolguard._core.audit import Kind
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim
from toolguard.errors import ConflictError
from toolguard.stores.sqlite import SqliteStore
from stores.helpers import draft
store = SqliteStore(sys.argv[1], busy_timeout=30)
threads, first, calls = map(int, sys.argv[2:5])
out = threading.Lock()
def work():
    for i in range(first, first + calls):
        claim = Claim(ref=CallRef(run="r", call_id=str(i)), call_digest="d", asked=False)
        records = (draft(str(i)), draft(str(i), Kind.CALL_EXECUTING))
        try:
            done = store.commit(Change(tenant="north", records=records, claim=claim))
        except ConflictError:
            continue
        with out:
            print(json.dumps([i, done[0].log_id, done[1].seq, done[1].hash]), flush=True)
workers = [threading.Thread(target=work) for _ in range(threads)]
[w.start() for w in workers]; [w.join() for w in workers]
"""


def faults_of(store: Store) -> list[object]:
    """Every fault of every log, each verified by itself."""
    return [
        fault for _, records in groupby(store.records(), key=lambda r: r.log_id) for fault in verify_chain(records)[1]
    ]


def test_processes_and_threads_that_race_for_the_same_calls_run_each_once(tmp_path: Path) -> None:
    """Invariant 5, I3: 3 processes × 4 threads; one winner per call, no gap or fork in any log."""
    path = tmp_path / "store.db"
    racers = [python(_WORK, path, 4, 0, 120) for _ in range(3)]
    won = [line for racer in racers for line in output(racer)]
    assert Counter(i for i, *_ in won) == dict.fromkeys(range(120), 1)
    store = SqliteStore(path)
    assert faults_of(store) == []
    executing = Counter(r.draft.call for r in store.records() if r.draft.kind is Kind.CALL_EXECUTING)
    assert executing == {str(i): 1 for i in range(120)}
    assert len({log for _, log, *_ in won}) == len(store.logs()) <= 3
    assert [h.seq for h in store.heads()] == [len(list(store.records(log_id=h.log_id))) for h in store.heads()]
    store.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_process_killed_at_any_moment_loses_nothing_it_acknowledged(tmp_path: Path, seed: int) -> None:
    """I1, I4, invariant 6: kill -9 in a loop; a claim is there exactly with its records."""
    path, chance = tmp_path / "store.db", random.Random(seed)
    SqliteStore(path).close()
    acknowledged = []
    for round_ in range(5):
        process = python(_WORK, path, 2, round_ * 100_000, 100_000)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.08))
        os.kill(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        assert not err
        acknowledged += [json.loads(line) for line in (first + out).splitlines(keepends=True) if line.endswith("\n")]
    store = SqliteStore(path)
    assert faults_of(store) == []
    there = {(r.log_id, r.seq): r for r in store.records()}
    for call, log, seq, hash_ in acknowledged:
        assert there[log, seq].hash == hash_
        row = store.ledger("north", CallRef(run="r", call_id=str(call)))
        assert row is not None
        assert row.standing is Standing.EXECUTING
    recorded = {r.draft.call for r in there.values() if r.draft.kind is Kind.CALL_EXECUTING}
    db = store._writer
    assert db is not None
    claims = {CallRef(run="r", call_id=c).ref for c in recorded}
    assert {ref for (ref,) in db.execute("SELECT ref FROM ledger")} == claims
    assert len(acknowledged) >= 5
    store.close()


_FORKS = """
import json, os, sys
from stores.helpers import draft
from toolguard._core.steps import Change
from toolguard.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
say = lambda who: store.commit(Change(tenant="north", records=(draft(who),)))
say("parent")
store.heads()
child = os.fork()
if child == 0:
    say("child"), say("child")
    os._exit(len(store.heads()) != 2)
say("parent")
code = os.waitpid(child, 0)[1]
say("parent")
print(json.dumps(code))
"""


def test_after_a_fork_each_process_has_a_log_of_its_own(tmp_path: Path) -> None:
    assert output(python(_FORKS, tmp_path / "store.db")) == [0]
    store = SqliteStore(tmp_path / "store.db")
    assert faults_of(store) == []
    by_log = [[r.draft.call for r in store.records(log_id=log)][1:] for log in store.logs()]
    assert by_log == [["parent"] * 3, ["child"] * 2]
    store.close()


_FORKS_IN_MEMORY = """
import json, os
from toolguard._core.call import CallRef
from toolguard._core.steps import Change, Claim
from toolguard.errors import StoreError
from toolguard.stores.memory import MemoryStore
store = MemoryStore()
child = os.fork()
if child == 0:
    try:
        store.commit(Change(tenant="north", claim=Claim(ref=CallRef(run="r", call_id="1"), call_digest="d", asked=False)))
    except StoreError as error:
        os._exit(7 if "forked" in str(error) else 8)
    os._exit(9)
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""


def test_a_memory_store_refuses_to_be_a_second_authority_after_a_fork() -> None:
    assert output(python(_FORKS_IN_MEMORY)) == [7]


_ALLOCATES = """
import json, sys
from toolguard._core.vault import Need
from toolguard.ports import SessionKey
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractSealer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
sealer = ContractSealer()
sealer.digest_key, sealer._aead = b"d" * 32, AESGCM(b"k" * 32)
store = SqliteStore(sys.argv[1], busy_timeout=30)
key = SessionKey(tenant="north", session="s")
for i in range(60):
    n = (i * 7 + int(sys.argv[2])) % 30
    need = Need(type="PERSON", text=["Ann Lee %d", "ANN  LEE %d"][i % 2] % n)
    print(json.dumps([need.text, str(store.allocate(key, [need], sealer)[need])]))
"""


def test_processes_that_mask_the_same_session_agree_on_every_token(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    seen: dict[str, set[str]] = {}
    for process in [python(_ALLOCATES, path, n) for n in range(3)]:
        for text, token in output(process):
            seen.setdefault(text, set()).add(token)
    assert all(len(tokens) == 1 for tokens in seen.values())
    assert len({t.strip("<>").rstrip("bc") for tokens in seen.values() for t in tokens}) == 30


def test_a_purge_in_one_process_empties_the_memory_of_the_others(tmp_path: Path) -> None:
    sealer, key = ContractSealer(), SessionKey(tenant="north", session="s")
    one, two = SqliteStore(tmp_path / "store.db"), SqliteStore(tmp_path / "store.db")
    need = Need(type="PERSON", text="Ann Lee")
    token = one.allocate(key, [need], sealer)[need]
    assert two.values(key, sealer, [token]) == {token: "Ann Lee"}
    assert two.allocate(key, [need], sealer) == {need: token}
    one.purge(key)
    assert two.values(key, sealer, [token]) == {}
    assert str(two.allocate(key, [need], sealer)[need]) == "<PERSON_2>"
    one.close()
    two.close()


def test_no_identifier_lies_in_the_files_in_clear(tmp_path: Path) -> None:
    """I7, the canary: values are sealed, lookups are keyed digests."""
    path, sealer = tmp_path / "store.db", ContractSealer()
    store, key = SqliteStore(path), SessionKey(tenant="north", session="s")
    canaries = ["Zebedee Quill", "zebedee quill", "987-65-4321", "Quillstraße 17"]
    store.allocate(key, [Need(type="PERSON", text=c) for c in canaries], sealer)
    while_open = files(path)
    store.close()
    for text in (while_open, files(path)):
        for canary in ("Zebedee", "zebedee", "Quill", "987-65-4321", "987654321", "Quillstra"):
            assert canary.encode() not in text
    assert sealer.sealed == len(canaries)


def test_a_value_opens_only_in_its_own_place(tmp_path: Path) -> None:
    """A row moved to another session or token by hand does not open: the place is part of the seal."""
    path, sealer = tmp_path / "store.db", ContractSealer()
    store, key = SqliteStore(path), SessionKey(tenant="north", session="s")
    store.allocate(key, [Need(type="PERSON", text="Ann Lee"), Need(type="PERSON", text="Bo Ek")], sealer)
    db = store._writer
    assert db is not None
    db.execute("UPDATE tokens SET session = 't' WHERE idx = 1")
    db.execute("UPDATE tokens SET idx = 3 WHERE idx = 2")
    for session in ("s", "t"):
        with pytest.raises(Exception, match=r"^$") as caught:
            store.values(SessionKey(tenant="north", session=session), sealer)
        assert type(caught.value).__name__ == "InvalidTag"
    store.close()
