"""The file: who may read it, which files are refused, and what a full, locked, read-only or damaged one does."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stores.helpers import output, python
from toolguard._core.audit import verify_chain
from toolguard._core.steps import Change
from toolguard.errors import ConfigError, ConflictError, StoreError
from toolguard.stores import _sql, open_store
from toolguard.stores.memory import MemoryStore
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractClock, a_draft, a_request, all_of

ONE = Change(tenant="north", records=(a_draft(),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, busy_timeout=0.3)
    yield store
    store.close()


def test_only_the_owner_may_read_the_files(store: SqliteStore, path: Path) -> None:
    old = os.umask(0)
    try:
        store.commit(ONE)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm", "store.db-turn"), 0o600)


def test_durability_is_switched_on(store: SqliteStore) -> None:
    """I4: a commit is on disk when it returns."""
    store.commit(ONE)
    db = store._writer
    assert db is not None
    settings = {
        name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    ("url", "kind"), [("memory:", MemoryStore), ("memory://", MemoryStore), ("sqlite:///{}", SqliteStore)]
)
def test_a_store_is_opened_by_its_url(url: str, kind: type, path: Path) -> None:
    store = open_store(url.format(path))
    assert isinstance(store, kind)
    store.close()


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///", "postgres://u:secret@h/db", "mysql://u:secret@h/db", "memory:x", "nonsense"]
)
def test_a_url_that_names_no_store_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///path") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no-such.*check that its directory exists"):
        SqliteStore(tmp_path / "no-such" / "store.db")


def test_a_newer_schema_is_refused(store: SqliteStore, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    db.close()
    with pytest.raises(StoreError, match=r"newer toolguard \(schema 99.*upgrade"):
        SqliteStore(path)


def test_an_older_schema_is_brought_forward(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.commit(ONE)
    before, epoch = all_of(store), store.epoch
    store.close()
    monkeypatch.setattr(
        _sql, "MIGRATIONS", (*_sql.MIGRATIONS, "CREATE TABLE added (x);\nINSERT INTO added VALUES (1);\n")
    )
    store = SqliteStore(path)
    assert (all_of(store), store.epoch) == (before, epoch)
    assert store._writer is not None
    assert store._writer.execute("SELECT x FROM added").fetchall() == [(1,)]
    assert store._writer.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (
        len(_sql.MIGRATIONS),
    )
    store.close()


def test_a_migration_that_fails_leaves_the_old_schema(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(ONE)
    store.close()
    with monkeypatch.context() as broken:
        broken.setattr(
            _sql, "MIGRATIONS", (*_sql.MIGRATIONS, "CREATE TABLE added (x);\nINSERT INTO nowhere VALUES (1);\n")
        )
        with pytest.raises(StoreError):
            SqliteStore(path)
    store = SqliteStore(path)
    assert len(list(store.records())) == 2
    store.close()


def test_another_applications_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE meta (key, value)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another application's database"):
        SqliteStore(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("meta",)]
    assert len(before) == path.stat().st_size


@pytest.mark.parametrize(
    "content", [b"not a database at all, by any means" * 100, b"SQLite format 3\x00" + b"\xff" * 8000]
)
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|no SQLite database"):
        SqliteStore(path)
    with pytest.raises(StoreError):
        SqliteStore(path, read_only=True)


def test_a_damaged_file_is_an_error_with_advice(store: SqliteStore, path: Path) -> None:
    for i in range(300):
        store.commit(Change(tenant="north", records=(a_draft(call=f"c{i}"),)))
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 600] = b"\xee" * 600
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged.*restore a backup"):
        damaged = SqliteStore(path)
        try:
            list(damaged.records())
        finally:
            damaged.close()


def test_a_store_locked_by_another_process_is_given_up_after_a_bound(store: SqliteStore, path: Path) -> None:
    store.commit(ONE)
    before = all_of(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"another process holds it locked.*nothing was written"):
        store.commit(ONE)
    assert 0.2 < time.monotonic() - began < 10.0
    assert all_of(store) == before, "reading goes on while another process writes"
    other.execute("ROLLBACK")
    other.close()
    store.commit(ONE)
    assert verify_chain(store.records()) == (3, ())


def test_a_full_disk_is_an_error_and_nothing_is_half_written(store: SqliteStore) -> None:
    store.commit(ONE)
    db = store._writer
    assert db is not None
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 1}")
    big = Change(
        tenant="north",
        records=(a_draft(), a_draft(filling="x" * 20_000)),
        create=a_request("big", agent_reason="y" * 20_000),
    )
    before = all_of(store)
    for _ in range(3):
        with pytest.raises(StoreError, match=r"full.*free space.*nothing was written"):
            store.commit(big)
        assert all_of(store) == before
    db.execute("PRAGMA max_page_count = 1000000")
    store.commit(big)
    assert verify_chain(store.records()) == (4, ())


_FILLS_THE_DISK = """
import json, resource, signal, sys
from toolguard.errors import StoreError
from toolguard.stores.sqlite import SqliteStore
from stores.helpers import draft
from toolguard._core.steps import Change
store = SqliteStore(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
failures = 0
while failures < 3:
    try:
        for record in store.commit(Change(tenant="north", records=(draft("c", filling="x" * 5000),))):
            print(json.dumps([record.seq, record.hash]), flush=True)
    except StoreError as error:
        assert "nothing was written" in str(error), error
        failures += 1
"""


def test_the_operating_systems_limit_is_met_and_what_was_acknowledged_is_there(path: Path) -> None:
    """I2, I4: a real write that fails in the middle."""
    acknowledged = output(python(_FILLS_THE_DISK, path))
    assert len(acknowledged) > 10
    store = SqliteStore(path)
    records = list(store.records())
    assert verify_chain(records)[1] == ()
    assert [[r.seq, r.hash] for r in records[1 : len(acknowledged) + 1]] == acknowledged
    store.commit(ONE)
    assert verify_chain(store.records(log_id=store.logs()[-1])) == (2, ())
    store.close()


_READS_ONLY = """
import json, os, sys
from toolguard.errors import StoreError
from toolguard.stores.sqlite import SqliteStore
from stores.helpers import draft
from toolguard._core.steps import Change
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    store = SqliteStore(sys.argv[1])
    store.commit(Change(tenant="north", records=(draft("c"),)))
except StoreError as error:
    print(json.dumps(str(error)))
reading = SqliteStore(sys.argv[1], read_only=True)
print(json.dumps(len(list(reading.records()))))
"""


def test_a_read_only_file_can_be_read_and_says_so_when_written() -> None:
    """In a folder of its own: the process that tries gives up its rights, where it has more than its share."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = SqliteStore(folder / "store.db")
        store.commit(ONE)
        store.close()
        (folder / "store.db").chmod(0o444)
        folder.chmod(0o555)
        said, count = output(python(_READS_ONLY, folder / "store.db"))
        folder.chmod(0o700)
    assert "nothing was written" in said or "cannot be made" in said
    assert "check the owner and mode" in said or "directory" in said
    assert count == 2


def test_a_store_opened_for_reading_changes_nothing(store: SqliteStore, path: Path) -> None:
    store.commit(ONE)
    reading = SqliteStore(path, read_only=True)
    assert all_of(reading) == all_of(store)
    with pytest.raises(StoreError, match="for reading only"):
        reading.commit(ONE)
    reading.close()
    with pytest.raises(StoreError, match="there is no store"):
        SqliteStore(path.with_name("missing.db"), read_only=True)
    assert not path.with_name("missing.db").exists()


def test_a_closed_store_says_so(store: SqliteStore) -> None:
    store.close()
    store.close()
    for use in (lambda: store.commit(ONE), lambda: store.get("north", "x"), lambda: store.heads()):
        with pytest.raises(StoreError, match="is closed; open it again"):
            use()


def test_time_does_not_go_back_over_a_restart(path: Path) -> None:
    """T4, invariant 8: neither a set-back clock nor a new process makes it earlier."""
    late, early = ContractClock(2_000_000_000.0), ContractClock(1_900_000_000.0)
    store = SqliteStore(path, late)
    store.commit(ONE)
    store.close()
    store = SqliteStore(path, early)
    assert store.now() == 2_000_000_000.0
    early.ticks += 10.0
    assert store.now() == 2_000_000_010.0
    store.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "'nonsense'"),
        ("tenant", "tenant || 'x'"),
        ("expires", "expires + 3600"),
        ("call_digest", "'v1:other'"),
        ("ref", "'1:r/1:c/0'"),
        ("request", "'{}'"),
        ("request", "'[1'"),
        ("request", "replace(request, '\"created\":', '\"unknown\":')"),
    ],
)
def test_an_approval_edited_by_hand_is_not_believed(store: SqliteStore, path: Path, column: str, value: str) -> None:
    """T4: what the row says and what the request says must be the same."""
    request = a_request()
    store.commit(Change(tenant="north", create=request))
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE approvals SET {column} = {value}")
    db.close()
    tenant = "northx" if column == "tenant" else "north"
    with pytest.raises(StoreError, match=r"edited|cannot be read"):
        store.get(tenant, request.id)
    with pytest.raises((StoreError, ConflictError)):
        store.list(tenant)
