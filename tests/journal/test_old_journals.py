"""T26: what was written years ago verifies today, and for as long as this project lives.

The journal in ``data`` is of November 2020, format 1, schema 4: three logs with records of most kinds, numbers and texts of every
shape, checkpoints, an anchor, the public key and a stamp. It was written once and is never written again: where a change
makes this test fail, the change is wrong, and a new format needs a number of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.insiders import codes
from toolguard._core.audit import Kind
from toolguard._core.checkpoint import Checkpoint
from toolguard._core.stored import stored_record
from toolguard.journal import read_anchor, timeline, verify
from toolguard.keys import NoteVerifier
from toolguard.stores.sqlite import SqliteStore

DATA = Path(__file__).parent / "data"
VERIFIER = NoteVerifier([(DATA / "journal-v1.pub").read_text()])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        db.executescript((DATA / "journal-v1.sql").read_text("utf-8"))
    db.close()
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


def test_a_journal_of_years_ago_verifies_with_its_checkpoints_anchor_and_stamp(store: SqliteStore) -> None:
    stamp = Checkpoint.parse_stamp((DATA / "journal-v1.stamp").read_text(), epoch=store.epoch)
    found = verify(store, verifier=VERIFIER, anchors=[read_anchor(DATA / "journal-v1.anchor")], stamps=[stamp])
    assert (found.exit_code, codes(found)) == (0, set())
    assert (found.records, len(found.logs), found.approvals, found.checkpoints) == (35, 3, 2, 4)
    assert found.anchors[0].notes == 6


def test_its_records_can_still_be_read(store: SqliteStore) -> None:
    assert len({record.draft.kind for record in store.records()}) >= 15
    assert [r.draft.kind for r in timeline(store, "plain-one")] == [
        Kind.CALL_DECIDED,
        Kind.CALL_EXECUTING,
        Kind.CALL_RETURNED,
    ]
    shaped = next(r for r in store.operations(Kind.POLICY_LOADED)).draft.body
    assert shaped["whole"] == 42.0
    assert (shaped["small"], shaped["big"]) == (1e-7, 1e21)


def test_an_edit_of_it_is_found(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(
            """UPDATE records SET body = replace(body, '"small":1e-07', '"small":2e-07') WHERE kind = 'policy.loaded'"""
        )
        assert db.total_changes == 1
    db.close()
    store = SqliteStore(path)
    assert codes(verify(store, verifier=VERIFIER)) == {"hash"}
    store.close()


def test_every_row_of_it_comes_back_as_the_record_it_was(store: SqliteStore) -> None:
    for log in store.written():
        assert [stored_record(row) for row in store.stored(log)] == list(store.records(log_id=log))
