"""What someone who edits the database file can and cannot hide."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from journal.lives import allowed, asked, decided, draft, executed, executing
from toolguard._core.approval import Answer
from toolguard._core.audit import GENESIS, Kind, seal
from toolguard._core.steps import Change
from toolguard.journal import VerifyReport, verify
from toolguard.stores._rows import record_row
from toolguard.stores._sql import APPEND
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractClock


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three logs; five calls, three of them with an approval: executed, denied, pending."""
    path = tmp_path_factory.mktemp("journal") / "store.db"
    for part in range(3):
        store = SqliteStore(path, ContractClock())
        if part == 0:
            allowed(store, "call-x")
            executed(store, executing(store, decided(store, asked(store, "ran"))))
        elif part == 1:
            decided(store, asked(store, "no"), Answer.DENY)
        else:
            asked(store, "wait")
            allowed(store, "call-y")
        store.close()
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path / "store.db"))


def report(path: Path) -> VerifyReport:
    store = SqliteStore(path, read_only=True)
    try:
        return verify(store)
    finally:
        store.close()


def edit(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        for statement in statements:
            assert db.execute(statement).rowcount != 0, statement
    db.close()


def codes(found: VerifyReport) -> set[str]:
    return {fault.code for fault in found.faults} | {fault.code for fault in found.states}


def nth(path: Path, n: int) -> str:
    with sqlite3.connect(path) as db:
        (log,) = db.execute("SELECT log_id FROM logs ORDER BY n LIMIT 1 OFFSET ?", (n,)).fetchone()
    db.close()
    return str(log)


def test_what_nobody_touched_holds_together(path: Path) -> None:
    found = report(path)
    assert (found.ok, found.exit_code, codes(found)) == (True, 0, set())
    assert ([log.records for log in found.logs], found.approvals, found.running) == ([9, 4, 6], 3, ())


def test_an_empty_store_says_none_rather_than_all_well(tmp_path: Path) -> None:
    found = verify(MemoryStore())
    assert (found.records, found.logs, found.incomplete, found.exit_code) == (0, (), True, 2)
    SqliteStore(tmp_path / "empty.db").close()
    assert report(tmp_path / "empty.db").records == 0


@pytest.mark.parametrize("call", ['say "no"', "back\\slash", "line\nfeed", "\u0001", "Zoë", '","kind":"call.failed'])
def test_a_name_that_json_writes_otherwise_verifies_and_cannot_be_edited(tmp_path: Path, call: str) -> None:
    path = tmp_path / "odd.db"
    store = SqliteStore(path, ContractClock())
    store.commit(Change(tenant="north", records=(draft(Kind.CALL_DECIDED, call, at=9.5),)))
    store.close()
    assert report(path).exit_code == 0
    edit(path, "UPDATE records SET link = call, call = link WHERE call <> ''")
    assert "hash" in codes(report(path))


@pytest.mark.parametrize("seq", [1, 2, 5, 9])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kind", "'call.failed'"),
        ("kind", "'no.such.kind'"),
        ("at", "at + 1"),
        ("at", "'yesterday'"),
        ("started", "started - 1"),
        ("call", "call || 'x'"),
        ("trace", "trace || '0'"),
        ("span", "span || '0'"),
        ("parent", "'ffffffffffffffff'"),
        ("link", "'ffffffffffffffff'"),
        ("body", "replace(body, '}', ',\"x\":1}')"),
        ("body", "'{}'"),
        ("body", "'not json'"),
        ("body", "x'00'"),
        ("prev", "'" + "0" * 63 + "1'"),
        ("hash", "'" + "0" * 64 + "'"),
        ("hash", "''"),
        ("seq", "seq + 1000"),
        ("seq", "-seq"),
        ("seq", "'first'"),
        ("log_id", "'another'"),
    ],
)
def test_each_edited_column_is_found(path: Path, column: str, value: str, seq: int) -> None:
    edit(path, f"UPDATE records SET {column} = {value} WHERE seq = {seq} AND log_id = '{nth(path, 0)}'")
    found = report(path)
    assert found.exit_code == 1
    assert codes(found)


@pytest.mark.parametrize("seq", [1, 2, 5, 9])
def test_a_removed_record_is_found(path: Path, seq: int) -> None:
    edit(path, f"DELETE FROM records WHERE seq = {seq} AND log_id = '{nth(path, 0)}'")
    assert report(path).exit_code == 1


def test_two_records_that_changed_places_are_found(path: Path) -> None:
    log = nth(path, 0)
    edit(
        path,
        f"UPDATE records SET seq = 100 WHERE seq = 3 AND log_id = '{log}'",
        f"UPDATE records SET seq = 3 WHERE seq = 4 AND log_id = '{log}'",
        f"UPDATE records SET seq = 4 WHERE seq = 100 AND log_id = '{log}'",
    )
    assert {"hash", "chain"} <= codes(report(path))


def test_a_record_put_in_is_found_even_with_a_right_hash(path: Path) -> None:
    """Re-chained: everything after it is recomputed as well, but the registry knows how the log ended."""
    log = nth(path, 0)
    store = SqliteStore(path, read_only=True)
    drafts = [r.draft for r in store.records(log_id=log)]
    store.close()
    forged = seal(
        [*drafts[:4], draft(Kind.CALL_RETURNED, "call-z", at=1.0), *drafts[4:]], log_id=log, seq=0, prev=GENESIS
    )
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM records WHERE log_id = ?", (log,))
        db.executemany(APPEND, [record_row(r) for r in forged])
    db.close()
    found = report(path)
    assert found.exit_code == 1
    assert codes(found) == {"end"}


@pytest.mark.parametrize("kept", [8, 4, 1])
def test_a_log_cut_short_is_found(path: Path, kept: int) -> None:
    edit(path, f"DELETE FROM records WHERE seq > {kept} AND log_id = '{nth(path, 0)}'")
    assert "end" in codes(report(path))


def test_a_whole_log_that_is_gone_is_missed(path: Path) -> None:
    """T21: exit 2, not an empty all-clear."""
    edit(path, f"DELETE FROM records WHERE log_id = '{nth(path, 2)}'", "DELETE FROM approvals WHERE id LIKE '%wait'")
    found = report(path)
    assert codes(found) == {"missing"}
    assert (found.tampered, found.exit_code) == (False, 2)


def test_a_log_that_is_gone_with_its_registry_row_is_missed_by_the_next_one(path: Path) -> None:
    log = nth(path, 1)
    edit(
        path,
        f"DELETE FROM records WHERE log_id = '{log}'",
        f"DELETE FROM logs WHERE log_id = '{log}'",
        "DELETE FROM verdicts",
        "DELETE FROM outbox WHERE approval LIKE '%no'",
        "DELETE FROM approvals WHERE id LIKE '%no'",
    )
    found = report(path)
    assert codes(found) == {"registry"}
    assert found.exit_code == 2


def test_a_log_nobody_opened_is_found(path: Path) -> None:
    forged = seal([draft(Kind.CALL_RETURNED, "call-z", at=1.0)], log_id="f" * 32, seq=0, prev=GENESIS)
    with sqlite3.connect(path) as db:
        db.executemany(APPEND, [record_row(r) for r in forged])
    db.close()
    assert codes(report(path)) == {"unregistered"}


def test_what_only_an_anchor_outside_would_show_is_not_claimed(path: Path) -> None:
    """The newest log cut short, and the registry edited to match: this passes here, and the command says so."""
    log = nth(path, 2)
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM records WHERE log_id = ? AND seq > 5", (log,))
        (digest,) = db.execute("SELECT hash FROM records WHERE log_id = ? AND seq = 5", (log,)).fetchone()
        db.execute("UPDATE logs SET seq = 5, hash = ? WHERE log_id = ?", (digest, log))
    db.close()
    assert report(path).ok


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE approvals SET state = 'approved' WHERE id LIKE '%wait'", "unrecorded"),
        ("UPDATE approvals SET state = 'executed' WHERE id LIKE '%wait'", "unrecorded"),
        ("UPDATE approvals SET state = 'indeterminate' WHERE id LIKE '%wait'", "unrecorded"),
        ("UPDATE approvals SET state = 'approved' WHERE id LIKE '%ran'", "reset"),
        ("UPDATE approvals SET state = 'executing' WHERE id LIKE '%ran'", "reset"),
        ("UPDATE approvals SET state = 'pending' WHERE id LIKE '%no'", "reset"),
        ("UPDATE approvals SET state = 'approved' WHERE id LIKE '%no'", "reset"),
    ],
)
def test_a_state_edited_by_hand_contradicts_the_records(path: Path, statement: str, code: str) -> None:
    """T4: a state reset so that a call can run again, or set so that it can run at all."""
    edit(path, statement)
    found = report(path)
    assert [fault.code for fault in found.states] == [code]
    assert found.exit_code == 1


def test_an_approval_that_was_removed_is_missed(path: Path) -> None:
    edit(path, "DELETE FROM outbox", "DELETE FROM approvals WHERE id LIKE '%wait'")
    assert [fault.code for fault in report(path).states] == ["gone"]


def test_an_approval_put_in_by_hand_has_no_records(path: Path) -> None:
    columns = "tenant, version, session, tool, args_digest, call_digest, view_digest, policy_sha256, risk_level, "
    columns += "requester, agent, created, expires, outcome, changed, sealed"
    edit(
        path,
        f"INSERT INTO approvals (id, ref, state, request, {columns}) SELECT 'forged', ref, 'approved', "
        f"replace(request, id, 'forged'), {columns} FROM approvals WHERE id LIKE '%wait'",
    )
    assert [(fault.approval, fault.code) for fault in report(path).states] == [("forged", "unrecorded")]


def test_a_store_in_use_verifies_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writing, stop = SqliteStore(path, ContractClock()), threading.Event()
    allowed(writing, "first")

    def work(who: int) -> None:
        n = 0
        while not stop.is_set():
            executed(writing, executing(writing, decided(writing, asked(writing, f"{who}-{n}"))))
            n += 1

    threads = [threading.Thread(target=work, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    try:
        found = [report(path) for _ in range(4)]
        until = time.monotonic() + 60.0
        while found[-1].records == found[0].records and time.monotonic() < until:
            found.append(report(path))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        writing.close()
    assert [(r.exit_code, r.faults, r.states) for r in found] == [(0, (), ())] * len(found)
    assert found[-1].records > found[0].records


def test_executions_without_an_end_are_counted(path: Path) -> None:
    store = SqliteStore(path, ContractClock())
    allowed(store, "call-open", ended=False)
    store.close()
    found = report(path)
    assert (found.ok, found.running) == (True, ("call-open",))


def test_the_memory_store_verifies_too() -> None:
    memory = MemoryStore(ContractClock())
    executed(memory, executing(memory, decided(memory, asked(memory, "a"))))
    memory.commit(Change(tenant="", records=(draft(Kind.POLICY_LOADED, "", at=1.0),)))
    assert verify(memory).ok
