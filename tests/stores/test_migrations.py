"""Schemas are brought forward with everything that was in them, once, and by nobody who may not."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typer.testing import CliRunner

from postgres_server import Server, by_hand
from stores.helpers import output, python
from toolguard._core.approval import TRANSITIONS, State
from toolguard._core.audit import verify_chain
from toolguard._core.steps import Change, Standing
from toolguard.cli.store import app
from toolguard.errors import ConfigError, StoreError
from toolguard.ports import SessionKey
from toolguard.stores import _pg_schema, _sql
from toolguard.stores.postgres import PostgresStore
from toolguard.stores.schema import migrate_store, roles_sql, schema_of
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_samples import ContractClock, ContractSealer, a_draft, a_request, all_of

V1 = Path(__file__).parent / "data" / "sqlite-v1.sql"
"""A store as the first schema had it: what the first version wrote, dumped."""
RUN = CliRunner()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(V1.read_text("utf-8"))
    return path


# --- SQLite


def test_a_store_of_the_first_schema_keeps_everything(old: Path) -> None:
    store = SqliteStore(old, ContractClock())
    asked = {a.id.removeprefix("approval-north-"): a for a in store.list("north")}
    assert {name: a.state for name, a in asked.items()} == {
        "waiting": State.DENIED,
        "approved": State.APPROVED,
        "ran": State.EXECUTED,
    }
    for name, approval in asked.items():
        request = a_request(name)
        assert (approval.request.view, approval.request.sealed) == (request.view, request.sealed)
        assert approval.request.excluded == request.excluded
        assert [v.person for v in approval.verdicts] == ["bo"]
    assert asked["approved"].grant is not None
    assert [a.request.id for a in store.list("south")] == ["approval-south-elsewhere"]
    row = store.ledger("north", asked["ran"].request.ref)
    assert row is not None
    assert (row.standing, row.result) == (Standing.EXECUTED, b"sealed")
    assert {(a.tenant, a.approval) for a in store.outbox()} == {
        ("north", "approval-north-waiting"),
        ("north", "approval-north-approved"),
        ("north", "approval-north-ran"),
        ("south", "approval-south-elsewhere"),
    }
    (log,) = store.logs()
    assert verify_chain(store.records(log_id=log)) == (8, ())
    assert store.cursor("jaeger") == {log: 3}
    sealer = ContractSealer()
    sealer.digest_key, sealer._aead = b"d" * 32, AESGCM(b"k" * 32)
    assert {str(t): v for t, v in store.values(SessionKey(tenant="north", session="s"), sealer).items()} == {
        "<PERSON_1>": "Ann Lee",
        "<PERSON_1b>": "ANN LEE",
        "<PERSON_2>": "Bo Ek",
    }
    store.commit(Change(tenant="north", records=(a_draft(),), create=a_request("new")))
    assert store.recent("north", "ana", "mail.send", 0.0)
    store.close()


def test_processes_that_open_an_old_store_at_once_migrate_it_once(old: Path) -> None:
    code = (
        "import sys; from toolguard.stores.sqlite import SqliteStore\n"
        "store = SqliteStore(sys.argv[1], busy_timeout=30); print(len(store.list('north'))); store.close()"
    )
    assert [output(process) for process in [python(code, old) for _ in range(3)]] == [[3]] * 3
    assert schema_of(f"sqlite:///{old}").pending == 0


def test_an_old_store_is_looked_at_without_being_changed(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(StoreError, match=r"has schema 1 .*run 'toolguard store migrate'"):
        SqliteStore(old, read_only=True)
    found = schema_of(f"sqlite:///{old}")
    assert (found.version, found.latest, found.pending) == (1, len(_sql.MIGRATIONS), len(_sql.MIGRATIONS) - 1)
    assert old.read_bytes() == before


# --- PostgreSQL


def test_processes_that_start_at_once_make_the_schema_once(database: str) -> None:
    code = (
        "import sys; from toolguard.stores.postgres import PostgresStore\n"
        "store = PostgresStore(sys.argv[1]); print('\"' + store.epoch + '\"'); store.close()"
    )
    epochs = [output(process) for process in [python(code, database) for _ in range(4)]]
    assert len({epoch for (epoch,) in epochs}) == 1


def test_threads_that_migrate_at_once_do_it_once(database: str) -> None:
    threads = [threading.Thread(target=migrate_store, args=(database,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert by_hand(database, "SELECT count(*) FROM toolguard.meta WHERE key = 'epoch'")[0][0] == 1


def test_a_schema_is_brought_forward_with_what_it_holds(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PostgresStore(database)
    store.commit(Change(tenant="north", records=(a_draft(),), create=a_request()))
    before, epoch = all_of(store), store.epoch
    store.close()
    more = (*_pg_schema._scripts(), "CREATE TABLE toolguard.added (x int); INSERT INTO toolguard.added VALUES (1);")
    monkeypatch.setattr(_pg_schema, "_scripts", lambda: more)
    store = PostgresStore(database)
    assert (all_of(store), store.epoch) == (before, epoch)
    store.close()
    assert by_hand(database, "SELECT x FROM toolguard.added")[0][0] == 1
    newest = _pg_schema.latest()
    assert schema_of(database).version == newest
    monkeypatch.undo()
    with pytest.raises(StoreError, match=rf"newer toolguard \(schema {newest}.*upgrade"):
        PostgresStore(database)
    with pytest.raises(StoreError, match="newer toolguard"):
        schema_of(database)


def test_a_migration_that_fails_leaves_the_old_schema(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PostgresStore(database).close()
    more = (*_pg_schema._scripts(), "CREATE TABLE toolguard.added (x int); INSERT INTO nowhere VALUES (1);")
    with monkeypatch.context() as broken:
        broken.setattr(_pg_schema, "_scripts", lambda: more)
        with pytest.raises(StoreError):
            PostgresStore(database)
    assert by_hand(database, "SELECT to_regclass('toolguard.added')")[0][0] is None
    PostgresStore(database).close()


def test_another_applications_schema_is_left_alone(database: str) -> None:
    by_hand(database, "CREATE SCHEMA toolguard; CREATE TABLE toolguard.things (x int);")
    with pytest.raises(StoreError, match="another application's"):
        PostgresStore(database)
    assert by_hand(database, "SELECT count(*) FROM pg_class WHERE relnamespace = 'toolguard'::regnamespace")[0][0] == 1


def test_who_may_not_migrate_is_told_who_has_to(database: str, postgres: Server) -> None:
    name = database.partition("@/")[2].partition("?")[0]
    role = f"{name}_guard"
    by_hand(database, f'CREATE ROLE "{role}" LOGIN')
    try:
        with pytest.raises(StoreError, match=r"has schema 0 .*run 'toolguard store migrate' as its owner"):
            PostgresStore(postgres.url(name, role))
        PostgresStore(database).close()
        by_hand(database, roles_sql())
        by_hand(database, f'GRANT toolguard_guard TO "{role}"')
        with pytest.MonkeyPatch.context() as newer:
            here = _pg_schema.latest()
            newer.setattr(_pg_schema, "_scripts", lambda: ("",) * (here + 1))
            with pytest.raises(StoreError, match=f"has schema {here} and this version needs {here + 1}"):
                PostgresStore(postgres.url(name, role))
    finally:
        postgres.drop(name)
        postgres.execute(f'DROP ROLE "{role}"')


def test_the_database_knows_the_same_transitions(store_database: str) -> None:
    """Invariant 7, once more in the database: the table of the schema is the core's."""
    rows = by_hand(store_database, "SELECT source, target, guard FROM toolguard.transitions")
    assert {(s, t) for s, t, _ in rows} == {(s.value, t.value) for s, t in TRANSITIONS}
    needs_a_person = {(s, t) for s, t, guard in rows if not guard}
    assert {t for _, t in needs_a_person} == {
        "approved",
        "denied",
        "break_glass",
        "revoked",
        "undeliverable",
        "executed",
    }
    assert ("indeterminate", "executed") in needs_a_person
    assert ("executing", "executed") not in needs_a_person


# --- the command


def test_the_command_shows_and_migrates(old: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{old}"
    before = RUN.invoke(app, ["status", "--store", url])
    assert (before.exit_code, before.output.splitlines()[0]) == (
        2,
        f"schema 1 of {len(_sql.MIGRATIONS)}: {len(_sql.MIGRATIONS) - 1} to run: toolguard store migrate",
    )
    done = RUN.invoke(app, ["migrate", "--store", url, "--json"])
    assert done.exit_code == 0
    told = json.loads(done.output)
    assert (told["version"], told["pending"], told["kind"]) == (len(_sql.MIGRATIONS), 0, "SQLite")
    config = tmp_path / "toolguard.toml"
    config.write_text('[guard]\npolicy = "p.yaml"\n[store]\nurl = "sqlite:///old.db"\n')
    after = RUN.invoke(app, ["status", "--config", str(config)])
    assert (after.exit_code, told["epoch"] in after.output) == (0, True)


def test_the_command_tells_what_a_database_user_may_do(database: str) -> None:
    assert json.loads(RUN.invoke(app, ["status", "--store", database, "--json"]).output)["version"] == 0
    assert RUN.invoke(app, ["migrate", "--store", database]).exit_code == 0
    told = json.loads(RUN.invoke(app, ["status", "--store", database, "--json"]).output)
    assert (told["pending"], told["kind"], told["role"], told["tls"]) == (0, "PostgreSQL", "postgres", "no")
    assert told["may"].startswith("owner")


@pytest.mark.parametrize("url", ["memory:", "mysql://u:sesame@h/d", "sqlite:////no/such/file.db"])
def test_the_command_refuses_what_has_no_schema(url: str) -> None:
    for command in ("status", "migrate"):
        refused = RUN.invoke(app, [command, "--store", url])
        assert refused.exit_code == 3
        assert "sesame" not in refused.output
    with pytest.raises((ConfigError, StoreError)):
        migrate_store(url)


def test_the_roles_are_printed_and_not_run() -> None:
    assert RUN.invoke(app, ["roles"]).exit_code == 2
    printed = RUN.invoke(app, ["roles", "--print"])
    assert (printed.exit_code, printed.output) == (0, roles_sql())
