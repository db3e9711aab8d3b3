"""T4, T21: whoever can write to the database file tries to have the journal say something else, unseen by verify.

What got through when it was first tried: records below the first number or in a log without a name (readers showed them),
``1.0`` for ``1`` (an act taken out was not missed), a registry set back to an earlier record of its log, a record of long
ago at a log's end (the whole log left the evidence), a lease held for good (no checkpoints, no alarm), an anchor begun
anew, brackets without end in an anchor, escapes and times beyond the calendar at the terminal. The rest held.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from journal.insiders import Place, codes
from journal.lives import allowed, draft
from toolguard._core.audit import Draft, Kind, seal, whole
from toolguard._core.steps import Change
from toolguard.cli.audit import app
from toolguard.journal import FileAnchor, timeline
from toolguard.population import Population, read_period
from toolguard.stores._rows import record_row
from toolguard.stores._sql import APPEND
from toolguard.stores.sqlite import SqliteStore

RUN = CliRunner()
LOWEST = -(2**63)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.live("one")
    place.tick()
    place.close()
    return place


def guards_log(place: Place) -> str:
    return next(log for log, drafts in place.drafts().items() if any(d.call for d in drafts))


def insert(place: Place, made: Draft, *, log_id: str, seq: int, prev: str = "0" * 64) -> None:
    """A record as nobody sealed it, at any number of any log; its own hash fits."""
    (record,) = seal([made], log_id=log_id, seq=seq - 1, prev=prev)
    with sqlite3.connect(place.path) as db:
        db.execute(APPEND, record_row(record))
    db.close()


def append(place: Place, log_id: str, made: Draft) -> None:
    """A record at a log's end, with the chain and the registry as they should be."""
    with sqlite3.connect(place.path) as db:
        seq, hash_ = db.execute("SELECT seq, hash FROM logs WHERE log_id = ?", (log_id,)).fetchone()
        (record,) = seal([made], log_id=log_id, seq=seq, prev=hash_)
        db.execute(APPEND, record_row(record))
        db.execute("UPDATE logs SET seq = ?, hash = ? WHERE log_id = ?", (record.seq, record.hash, log_id))
    db.close()


def policy(at: float) -> Draft:
    """A policy that was never loaded, as somebody would like to have signed it."""
    return Draft(kind=Kind.POLICY_LOADED, at=at, started=at, span_id="ab" * 8, body={"toolguard.policy.id": "lax"})


def seen_by_readers(place: Place) -> bool:
    """Whether anything that shows the journal shows what was slipped in."""
    store = SqliteStore(place.path, read_only=True)
    try:
        loads = any(r.draft.body.get("toolguard.policy.id") == "lax" for r in store.operations(Kind.POLICY_LOADED))
        calls = any(r.draft.body.get("gen_ai.tool.name") == "slipped.in" for r in timeline(store, "plain-one"))
        everything = any(
            r.draft.body.get("gen_ai.tool.name") == "slipped.in" or r.draft.body.get("toolguard.policy.id") == "lax"
            for r in store.records()
        )
        return loads or calls or everything
    finally:
        store.close()


def slipped(at: float) -> Draft:
    made = draft(Kind.CALL_RETURNED, "plain-one", at=at, outcome="executed")
    return Draft(
        **{
            **{f: getattr(made, f) for f in ("kind", "at", "started", "call", "trace_id", "span_id")},
            "body": {**made.body, "gen_ai.tool.name": "slipped.in"},
        }
    )


HIDING = [
    ("a number below every other", lambda log: (log, LOWEST)),
    ("just below every other", lambda log: (log, LOWEST + 1)),
    ("a negative number", lambda log: (log, -5)),
    ("number nought", lambda log: (log, 0)),
    ("a log without a name", lambda log: ("", 1)),
    ("a log without a name, a low number", lambda log: ("", LOWEST)),
    ("a log that was never registered", lambda log: ("0" * 32, 1)),
    ("a log with a name beyond all others", lambda log: ("\U0010ffff" * 3, 1)),
    ("a gap at the end", lambda log: (log, 2**40)),
]


@pytest.mark.parametrize("made", [policy, slipped], ids=["an operation", "a call's record"])
@pytest.mark.parametrize(("where", "spot"), HIDING, ids=[h[0] for h in HIDING])
def test_no_record_can_stand_where_readers_look_and_verify_does_not(
    place: Place, where: str, spot: Callable[[str], tuple[str, int]], made: Callable[[float], Draft]
) -> None:
    log_id, seq = spot(guards_log(place))
    insert(place, made(place.clock.now()), log_id=log_id, seq=seq)
    assert place.verify().exit_code == 1 or not seen_by_readers(place)


def test_a_number_with_the_same_value_in_another_spelling_hides_no_act(tmp_path: Path) -> None:
    """``5`` and ``5.0`` have one canonical form, so the hash fits; the act it tells of has to be missed all the same."""
    place = Place(tmp_path)
    body = {
        "toolguard.act.id": "a1",
        "toolguard.act.number": 1,
        "toolguard.act.hash": "00" * 32,
        "toolguard.tenant": "north",
        "toolguard.act.kind": "freeze",
    }
    at = place.clock.now()
    made = Draft(kind=Kind.ACT_RECORDED, at=at, started=at, span_id="cd" * 8, body=body)
    place.guard.commit(Change(tenant="north", records=(made,)))
    place.close()
    assert "gone" in codes(place.verify(anchored=False))
    place.edit(
        "UPDATE records SET body = replace(body, '\"toolguard.act.number\":1', '\"toolguard.act.number\":1.0') "
        "WHERE kind = 'act.recorded'"
    )
    assert place.verify(anchored=False).exit_code == 1


def test_an_act_taken_out_is_missed_even_if_a_later_record_calls_another_by_its_id(tmp_path: Path) -> None:
    place = Place(tmp_path)

    def tell(n: int) -> None:
        body = {"toolguard.act.id": "a1", "toolguard.act.number": n, "toolguard.act.hash": "00" * 32}
        at = place.clock.now()
        made = Draft(
            kind=Kind.ACT_RECORDED, at=at, started=at, span_id="cd" * 8, body={**body, "toolguard.tenant": "north"}
        )
        place.guard.commit(Change(tenant="north", records=(made,)))

    tell(1)
    tell(2)
    place.close()
    assert len(place.verify(anchored=False).acts) == 2


SPELLINGS = [
    ("a whole number as a decimal", '"n":1', '"n":1.0'),
    ("a whole number with an exponent", '"n":1', '"n":1e0'),
    ("minus nought", '"z":0', '"z":-0.0'),
    ("NaN", '"n":1', '"n":NaN'),
    ("an infinity", '"n":1', '"n":Infinity'),
    ("a huge number", '"n":1', '"n":1' + "0" * 400),
    ("a name twice", '"n":1', '"n":2,"n":1'),
    ("a text instead", '"n":1', '"n":"1"'),
    ("a space", '"n":1', '"n": 1'),
    ("an escape", '"n":1', '"\\u006e":1'),
    ("yes instead", '"n":1', '"n":true'),
]


@pytest.mark.parametrize(("what", "old", "new"), SPELLINGS, ids=[s[0] for s in SPELLINGS])
def test_a_body_reads_as_it_was_sealed_or_is_found(tmp_path: Path, what: str, old: str, new: str) -> None:
    """What a program that asks for a whole number gets is what was sealed."""
    place = Place(tmp_path)
    at = place.clock.now()
    made = Draft(kind=Kind.POLICY_LOADED, at=at, started=at, span_id="cd" * 8, body={"n": 1, "z": 0})
    place.guard.commit(Change(tenant="", records=(made,)))
    place.close()
    place.edit(f"UPDATE records SET body = replace(body, '{old}', '{new}') WHERE kind = 'policy.loaded'")
    found = place.verify(anchored=False)
    store = SqliteStore(place.path, read_only=True)
    (read,) = store.operations(Kind.POLICY_LOADED)
    store.close()
    same = (whole(read.draft.body.get("n")), whole(read.draft.body.get("z"))) == (1, 0)
    assert found.exit_code == (0 if same and (old, new) in FREE else 1)


FREE = {('"n":1', '"n":1.0'), ('"z":0', '"z":-0.0')}
"""Two spellings of one number, which RFC 8785 writes alike: whoever asks for a whole number gets the same."""
COLUMNS = [
    ("seq", "CAST('x' || seq AS TEXT)"),
    ("seq", "seq + 0.5"),
    ("seq", "CAST(seq AS BLOB)"),
    ("at", "'1.0'"),
    ("at", "'soon'"),
    ("at", "9e999"),
    ("at", "at + 0.001"),
    ("started", "x'00'"),
    ("body", "CAST(body AS BLOB)"),
    ("body", "body || ' '"),
    ("body", "body || char(0)"),
    ("call", "call || char(0)"),
    ("call", "CAST(call AS BLOB)"),
    ("call", "''"),
    ("kind", "'policy.loaded'"),
    ("kind", "'no.such.kind'"),
    ("kind", "CAST(kind AS BLOB)"),
    ("log_id", "CAST(log_id AS BLOB)"),
    ("hash", "upper(hash)"),
    ("prev", "upper(prev)"),
    ("trace", "upper(trace)"),
    ("span", "'0000000000000000'"),
    ("parent", "''"),
    ("link", "span"),
]


@pytest.mark.parametrize(("column", "value"), COLUMNS)
def test_a_column_of_another_kind_or_spelling_is_found(place: Place, column: str, value: str) -> None:
    with sqlite3.connect(place.path) as db:
        db.execute(f"UPDATE records SET {column} = {value} WHERE call = 'plain-one' AND kind = 'call.returned'")
    db.close()
    found = place.verify()
    assert found.exit_code == 1, codes(found)


def test_a_registry_set_back_to_an_earlier_record_of_the_same_log_is_found(place: Place) -> None:
    """Every number of it fits a record that is there; what stands after it would be read by no pump and no checkpoint."""
    log = guards_log(place)
    with sqlite3.connect(place.path) as db:
        db.execute(
            "UPDATE logs SET seq = 2, hash = (SELECT hash FROM records WHERE log_id = ? AND seq = 2) WHERE log_id = ?",
            (log, log),
        )
    db.close()
    assert place.verify(anchored=False).exit_code == 1


def test_a_record_of_long_ago_at_a_logs_end_takes_nothing_out_of_the_evidence(place: Place) -> None:
    """Whoever can append can choose the time: the log still has to count for the period its other records are of."""
    now = place.clock.now()
    log = guards_log(place)
    before = len(Population(read_period(SqliteStore(place.path, read_only=True), since=now - 60, until=now + 60)).calls)
    assert before == 2
    append(place, log, policy(1.0))
    store = SqliteStore(place.path, read_only=True)
    assert len(Population(read_period(store, since=now - 60, until=now + 60)).calls) == before
    store.close()


def test_a_record_of_the_far_future_takes_nothing_out_either(place: Place) -> None:
    now = place.clock.now()
    append(place, guards_log(place), policy(now + 1e9))
    store = SqliteStore(place.path, read_only=True)
    assert len(Population(read_period(store, since=now - 60, until=now + 60)).calls) == 2
    store.close()


def test_an_answer_that_nobody_gave_is_not_found_at_a_logs_end(place: Place) -> None:
    """A limit, and said so: a guard's log is not signed by the guard, so what somebody appends to it looks like its own."""
    verdict = next(d for drafts in place.drafts().values() for d in drafts if d.kind is Kind.APPROVAL_VERDICT)
    append(place, guards_log(place), replace(verdict, body={**verdict.body, "toolguard.approver.id": "dora"}))
    assert place.verify().exit_code == 0


# --- checkpoints that are never made, and anchors that were exchanged


def test_a_lease_that_somebody_else_sits_on_stops_no_checkpoints(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One row in the database would otherwise leave everything from now on unsigned, and nobody would say so."""
    place = Place(tmp_path)
    place.live("one")
    assert place.checkpointer.tick()
    place.edit("UPDATE leases SET holder = 'nobody', until = 9e15 WHERE name = 'audit.checkpoint'")
    made: list[str] = []
    with caplog.at_level(logging.CRITICAL, logger="toolguard.journal"):
        for n in range(8):
            place.clock.advance(30.0)
            allowed(place.guard, f"later-{n}")
            made += place.checkpointer.tick()
    place.close()
    assert made
    assert "lease" in caplog.text


def test_a_lease_that_another_service_really_works_under_is_no_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path)
    other = place.checkpoints(anchors=[])
    made = 0
    for n in range(60):
        place.clock.advance(7.0 if n % 20 else 500.0)
        if n % 3:
            allowed(place.guard, f"later-{n}")
        made += bool(other.tick())
        place.checkpointer.tick()
    place.close()
    assert made > 2
    assert caplog.text == ""


def test_an_anchor_that_was_taken_away_and_begun_anew_is_missed(tmp_path: Path) -> None:
    """A fresh file that the service has filled again vouches only for what came after; the journal remembers the first."""
    place = Place(tmp_path)
    place.live("one")
    place.tick()
    place.clock.advance(100.0)
    place.live("two")
    place.tick()
    place.anchor_path.unlink()
    again = place.checkpoints(anchors=[FileAnchor(place.anchor_path)])
    place.clock.advance(100.0)
    place.live("three")
    again.tick(final=True)
    place.close()
    found = place.verify()
    assert (found.exit_code, codes(found)) == (2, {"absent"})


def test_every_anchor_the_journal_knows_of_is_enough(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.live("one")
    place.tick()
    place.clock.advance(100.0)
    place.live("two")
    place.tick()
    place.close()
    assert place.verify().exit_code == 0


ANCHORS: list[tuple[str, Callable[[Path], object], int]] = [
    ("its lines in another order", lambda p: p.write_bytes(b"".join(reversed(p.read_bytes().splitlines(True)))), 1),
    ("a line twice", lambda p: p.write_bytes(p.read_bytes() + p.read_bytes().splitlines(True)[-1]), 1),
    ("a folder in its place", lambda p: (p.unlink(), p.mkdir()), 2),
    ("a link that leads nowhere", lambda p: (p.unlink(), p.symlink_to("nowhere")), 2),
    ("bytes that are no text", lambda p: p.write_bytes(b"\xff\xfe" * 99), 2),
    ("brackets without end", lambda p: p.write_bytes(b"[" * 200_000), 2),
    ("a number without end", lambda p: p.write_bytes(b'{"n":' + b"1" * 5000 + b',"prev":"","note":""}\n'), 2),
    ("an entry more", lambda p: p.write_bytes(p.read_bytes() + b'{"n": 99, "prev": "x", "note": "y"}\n'), 1),
]


@pytest.mark.parametrize(("what", "attack", "code"), ANCHORS, ids=[a[0] for a in ANCHORS])
def test_whatever_is_done_to_an_anchors_file_ends_in_a_verdict(
    place: Place, what: str, attack: Callable[[Path], object], code: int
) -> None:
    attack(place.anchor_path)
    assert place.verify().exit_code == code


# --- what is printed


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
EDITS = [
    ("call", "UPDATE records SET call = '{e}' || call WHERE kind = 'call.decided'"),
    ("log_id", "UPDATE records SET log_id = '{e}' || log_id"),
    ("registry", "UPDATE logs SET log_id = '{e}' || log_id"),
    ("hash", "UPDATE records SET hash = '{e}' || hash"),
    ("body", "UPDATE records SET body = replace(body, 'mail.send', 'mail' || '{e}')"),
    ("span", "UPDATE records SET span = '{e}'"),
    ("trace", "UPDATE records SET trace = '{e}'"),
    ("approvals", "UPDATE records SET body = replace(body, 'one', '{e}') WHERE body LIKE '%approval.id%'"),
    ("markup", "UPDATE logs SET log_id = '[red]a[/red][link=file:///x]' WHERE n = 1"),
    ("a far future", "UPDATE records SET at = 1e300, started = 1e300"),
    ("a far past", "UPDATE records SET at = -1e300"),
    ("no body", "UPDATE records SET body = ''"),
    ("a deep body", "UPDATE records SET body = '{deep}'"),
    ("a seq that is text", "UPDATE records SET seq = 'x' || seq"),
]
COMMANDS = [
    ("tail",),
    ("tail", "--json"),
    ("verify",),
    ("verify", "--json"),
    ("show", "plain-one"),
    ("show", "plain-one", "--json"),
    ("show", "{e}plain-one"),
    ("sample", "--from", "2000-01-01", "--seed", "s"),
    ("review",),
]


@pytest.mark.parametrize(("what", "edit"), EDITS, ids=[e[0] for e in EDITS])
def test_what_somebody_wrote_into_the_store_steers_no_terminal_and_crashes_no_command(
    place: Place, what: str, edit: str
) -> None:
    deep = '{"a":' + "[" * 3000 + "]" * 3000 + "}"
    with sqlite3.connect(place.path) as db:
        db.execute(edit.replace("{e}", ESCAPES).replace("{deep}", deep))
    db.close()
    for command in COMMANDS:
        given = [part.replace("{e}", ESCAPES) for part in command]
        done = RUN.invoke(app, [*given, "--store", f"sqlite:///{place.path}"])
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, repr(done.exception))
        assert done.exit_code in (0, 1, 2, 3), command
        shown = done.output.replace("\n", "")
        assert all(c.isprintable() for c in shown), (command, {hex(ord(c)) for c in shown if not c.isprintable()})
