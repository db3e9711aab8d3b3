"""T21: who prunes could make things disappear. Whoever can write to the database, or to the folder of segments, or is there at
the wrong moment, tries to have pruning lose a record, hide one, or let a call run again.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from audit_keep.place import WHY
from audit_keep.place import Place as Kept
from audit_keep.shelf import LATER, Shelf
from journal.insiders import SIGNER, VERIFIER, codes
from journal.lives import allowed, draft, executing, read
from toolguard._core.approval import State
from toolguard._core.audit import Draft, Kind, seal
from toolguard._core.call import CallRef
from toolguard._core.checkpoint import Checkpoint, log_origin
from toolguard._core.pruning import Begin, begin_of
from toolguard._core.steps import Change, Claim, Prune
from toolguard._core.tree import Frontier
from toolguard.errors import ConflictError, EvidenceError, RegisterMovedError, StoreError, TamperedError
from toolguard.evidence import build_pack, verify_pack
from toolguard.journal import FileAnchor, archive, hold_segments, joined, prune, read_anchor, verify
from toolguard.keys import NoteSigner, PinnedVerifier, Purpose, SecretKey
from toolguard.population import Population, read_period
from toolguard.stores._rows import record_row
from toolguard.stores._sql import APPEND
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import START

STRANGER = NoteSigner(SecretKey.generate(Purpose.AUDIT))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.close()


def everything(shelf: Shelf) -> set[tuple[str, int, str]]:
    """What is in the store or in a segment."""
    return set(shelf.payloads(joined(shelf.service, shelf.folder)))


def append(shelf: Shelf, log_id: str, made: Draft) -> None:
    """A record at a log's end, with chain and registry as they should be."""
    with sqlite3.connect(shelf.path) as db:
        seq, hash_ = db.execute("SELECT seq, hash FROM logs WHERE log_id = ?", (log_id,)).fetchone()
        (record,) = seal([made], log_id=log_id, seq=seq, prev=hash_)
        db.execute(APPEND, record_row(record))
        db.execute("UPDATE logs SET seq = ?, hash = ? WHERE log_id = ?", (record.seq, record.hash, log_id))
    db.close()


def a_begin(shelf: Shelf, log_id: str, last: int) -> Begin:
    """Where a log would begin, with all that can be computed."""
    leaves = [hash_ for _, hash_ in shelf.service.hashes(log_id)][:last]
    tree = Frontier(leaves)
    return Begin(
        log_id=log_id,
        last=last,
        root=tree.root,
        hash=leaves[-1],
        peaks=tree.peaks,
        newest=START,
        segment="ab" * 32,
        by="mallory",
    )


def told(shelf: Shelf, begin: Begin, note: str) -> Draft:
    now = shelf.clock.now()
    body = {**begin.body(1), "toolguard.prune.note": note}
    return Draft(kind=Kind.AUDIT_PRUNED, at=now, started=now, span_id="ab" * 8, body=body)


def cut(shelf: Shelf, log_id: str, last: int) -> None:
    shelf.edit(f"DELETE FROM records WHERE log_id = '{log_id}' AND seq <= {last}")


# --- deletion disguised as pruning


@pytest.mark.parametrize("archived", [False, True])
def test_1_rows_are_deleted_and_nothing_is_said(shelf: Shelf, archived: bool) -> None:
    if archived:
        shelf.archive()
    cut(shelf, shelf.guards_log, 3)
    assert shelf.verify().exit_code == 1
    assert "begin" in codes(shelf.whole())
    assert shelf.exit() == 1


def notes(shelf: Shelf, begin: Begin) -> dict[str, str]:
    """What somebody without the audit key can put in the place of a signature."""
    said = begin.checkpoint(shelf.service.epoch)
    plain = next(note for note in shelf.notes if note.startswith(said.origin + "\n"))
    return {
        "2 no note": "",
        "3 a note signed by another key": STRANGER.checkpoint(said),
        "4 a checkpoint of this log": plain,
        "5 a checkpoint with the line added": plain.replace("\n\n", f"\n{said.extensions[0]}\n\n", 1),
        "6 brackets without end": "[" * 100_000,
    }


@pytest.mark.parametrize("which", ["2 no note", "3 a note signed by another key", "4 a checkpoint of this log"])
@pytest.mark.parametrize("also", ["", "5 a checkpoint with the line added", "6 brackets without end"])
def test_2_to_6_a_record_of_pruning_is_forged(shelf: Shelf, which: str, also: str) -> None:
    log_id = shelf.guards_log
    shelf.archive()
    begin = a_begin(shelf, log_id, 4)
    for name in filter(None, (which, also)):
        append(shelf, log_id, told(shelf, begin, notes(shelf, begin)[name]))
    cut(shelf, log_id, 4)
    assert {"begin", "signature"} <= codes(shelf.verify())
    assert shelf.exit() == 1
    with pytest.raises(TamperedError):
        shelf.prune()
    with pytest.raises(TamperedError):
        shelf.checkpoints().tick(final=True)


def test_7_the_note_of_another_logs_pruning_is_used(shelf: Shelf) -> None:
    shelf.shelve()
    signed = [b for r in shelf.service.operations(Kind.AUDIT_PRUNED) if (b := begin_of(r.draft.body))]
    other = next(log for log in shelf.rows() if log not in {b.log_id for b in signed}) if len(signed) < 2 else ""
    target = other or signed[0].log_id
    source = next(b for b in signed if b.log_id != target)
    made = replace(source, log_id=target)
    append(shelf, shelf.guards_log, told(shelf, made, source.note))
    assert "signature" in codes(shelf.verify())


def test_8_a_log_is_said_to_begin_later_than_was_signed(shelf: Shelf) -> None:
    shelf.shelve()
    log_id = shelf.guards_log
    (begin,) = [
        b for r in shelf.service.operations(Kind.AUDIT_PRUNED) if (b := begin_of(r.draft.body)) and b.log_id == log_id
    ]
    tree, more = begin.tree, shelf.service.hashes(log_id, begin.last, 2)
    tree.extend(hash_ for _, hash_ in more)
    further = replace(begin, last=tree.size, root=tree.root, peaks=tree.peaks, hash=more[-1][1])
    append(shelf, log_id, told(shelf, further, begin.note))
    cut(shelf, log_id, further.last)
    assert {"begin", "signature"} <= codes(shelf.verify())
    assert shelf.exit() == 1


def test_9_more_is_deleted_than_was_pruned(shelf: Shelf) -> None:
    shelf.shelve()
    first = shelf.rows()[shelf.guards_log][0]
    cut(shelf, shelf.guards_log, first)
    assert shelf.verify().exit_code == 1
    assert shelf.exit() == 1


def test_10_the_record_of_pruning_is_taken_out(shelf: Shelf) -> None:
    shelf.shelve()
    shelf.edit("DELETE FROM records WHERE kind = 'audit.pruned'")
    assert shelf.verify().exit_code == 1
    assert shelf.exit() == 1


def test_11_peaks_are_put_beside_a_note_that_is_true(shelf: Shelf) -> None:
    shelf.shelve()
    (record, *_) = shelf.service.operations(Kind.AUDIT_PRUNED)
    body = {**record.draft.body, "toolguard.prune.peaks": ["00" * 32], "toolguard.prune.last": 2**40}
    append(shelf, shelf.guards_log, replace(record.draft, body=body))
    assert "signature" in codes(shelf.verify())


def test_12_a_whole_log_goes_down_to_its_last_record(shelf: Shelf) -> None:
    """The segments may well have all of it: a log's newest record is never taken out."""
    shelf.archive(before=LATER + 1e9)
    shelf.prune(before=LATER + 1e9)
    log_id = shelf.guards_log
    shelf.edit(f"DELETE FROM records WHERE log_id = '{log_id}'")
    assert shelf.verify().exit_code in (1, 2)
    assert shelf.exit() == 1


def with_the_stolen_key(shelf: Shelf, log_id: str, last: int, *, tell: bool = False) -> None:
    """Records disappear, and a record of pruning that is signed as it should be says that they are in a segment."""
    begin = a_begin(shelf, log_id, last)
    note = SIGNER.checkpoint(begin.checkpoint(shelf.service.epoch))
    if tell:
        shelf.anchor.publish(note)
    append(shelf, log_id, told(shelf, begin, note))
    cut(shelf, log_id, last)


def test_t21_a_pruning_that_the_stolen_key_signed_is_seen_by_the_anchor_that_was_not_told(shelf: Shelf) -> None:
    with_the_stolen_key(shelf, shelf.guards_log, 4)
    assert codes(shelf.verify(anchored=False)) == {"pruned"}, "nothing in the store shows it"
    shelf.clock.advance(60.0)
    shelf.checkpoints().tick(final=True)
    assert codes(shelf.verify(anchored=False)) == {"pruned"}
    found = shelf.verify()
    assert (found.exit_code, codes(found)) == (2, {"pruned", "untold"})
    assert shelf.exit() == 2, "and no segment has them"


def test_t21_telling_the_anchor_afterwards_does_not_help(shelf: Shelf) -> None:
    log_id = shelf.guards_log
    with_the_stolen_key(shelf, log_id, 4)
    shelf.checkpoints().tick(final=True)
    begin = next(b for r in shelf.service.operations(Kind.AUDIT_PRUNED) if (b := begin_of(r.draft.body)))
    shelf.anchor.publish(begin.note)
    assert "untold" in codes(shelf.verify())


def test_t21_who_tells_the_anchor_first_is_found_by_the_segments_alone(shelf: Shelf) -> None:
    """Whoever has the key and writes to the anchor, too. What the anchor knew before is still to be shown."""
    with_the_stolen_key(shelf, shelf.guards_log, 4, tell=True)
    shelf.checkpoints().tick(final=True)
    assert (shelf.verify().exit_code, codes(shelf.verify())) == (2, {"pruned"})
    assert shelf.exit() == 2


def test_a_true_pruning_was_told_and_its_segments_show_all_that_anchors_knew(shelf: Shelf) -> None:
    shelf.shelve()
    shelf.live("next")
    shelf.clock.advance(60.0)
    shelf.checkpoints().tick(final=True)
    assert (shelf.verify().exit_code, codes(shelf.verify())) == (2, {"pruned"})
    assert shelf.exit() == 0


def test_t21_an_older_copy_of_the_anchor_does_not_accuse(shelf: Shelf, tmp_path: Path) -> None:
    """It was copied before the pruning, so it could not be told; nor could one that was begun after it."""
    older, newer = tmp_path / "older.anchor", tmp_path / "newer.anchor"
    shutil.copy(shelf.anchor_path, older)
    shelf.shelve()
    shelf.clock.advance(60.0)
    shelf.live("next")
    shelf.checkpoints(anchors=[FileAnchor(newer, now=shelf.clock.now)]).tick(final=True)
    store = SqliteStore(shelf.path, read_only=True)
    for path in (older, newer):
        assert "untold" not in codes(verify(store, verifier=VERIFIER, anchors=[read_anchor(path)]))
    store.close()


@pytest.mark.parametrize("seq", [-5, 0, 1, 2])
def test_13_a_record_is_put_below_the_beginning(shelf: Shelf, seq: int) -> None:
    shelf.shelve()
    log_id = shelf.guards_log
    made = draft(Kind.CALL_RETURNED, "plain-one", at=START, outcome="executed", **{"gen_ai.tool.name": "slipped.in"})
    (record,) = seal([made], log_id=log_id, seq=seq - 1, prev="0" * 64)
    with sqlite3.connect(shelf.path) as db:
        db.execute(APPEND, record_row(record))
    db.close()
    shown = [r for r in shelf.service.records(call="plain-one") if r.draft.body["gen_ai.tool.name"] == "slipped.in"]
    assert shelf.verify().exit_code == 1 or not shown
    assert shelf.exit() == 1


def test_14_a_record_left_behind_is_edited(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.archive()
    interrupted(shelf, monkeypatch, after=1, chunk=2)
    log_id = shelf.guards_log if shelf.rows()[shelf.guards_log][0] > 1 else next(iter(shelf.rows()))
    first = shelf.rows()[log_id][0]
    assert not shelf.verify().tampered
    shelf.edit(f"UPDATE records SET span = 'x' WHERE log_id = '{log_id}' AND seq = {first}")
    assert shelf.verify().exit_code == 1
    with pytest.raises(TamperedError):
        shelf.prune()


# --- segments that are other than they should be


def first_segment(shelf: Shelf, log_id: str = "") -> Path:
    return min(shelf.folder.glob(f"{log_id or shelf.guards_log}*.gz"))


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes())), mtime=0))


ALTERED: dict[str, Callable[[bytes], bytes]] = {
    "15 a word in a record": lambda text: text.replace(b'"gen_ai.tool.name":"mail', b'"gen_ai.tool.name":"male', 1),
    "16 a record less": lambda text: b"\n".join(text.split(b"\n")[:3] + text.split(b"\n")[4:]),
    "17 a header that says less": lambda text: text.replace(b'"first":1,', b'"first":2,', 1),
    "18 a line more": lambda text: text + b"{}\n",
}


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("how", ALTERED)
def test_15_to_18_a_segment_is_altered(shelf: Shelf, how: str, pruned: bool) -> None:
    shelf.archive()
    if pruned:
        shelf.prune()
    rewritten(first_segment(shelf), ALTERED[how])
    before = shelf.rows()
    with pytest.raises(TamperedError):
        shelf.prune()
    assert shelf.rows() == before
    assert shelf.exit() == 1


def rechained(path: Path) -> None:
    """A word is changed, and all that follows made to fit, down to the header: only the checkpoint's signature is out of reach."""
    head, *lines = gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
    header = json.loads(head)
    prev, made = header["prev"], []
    for line in lines:
        said = json.loads(line.replace(b"mail.send", b"none.sent"))
        old = f'"prev":"{said["prev"]}"'.encode()
        made.append(line.replace(b"mail.send", b"none.sent").replace(old, f'"prev":"{prev}"'.encode()))
        prev = sha256(b"\x00" + made[-1]).hexdigest()
    header["root"] = Frontier([sha256(b"\x00" + line).hexdigest() for line in made]).root
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(gzip.compress(text + b"".join(line + b"\n" for line in made), mtime=0))


def test_19_a_segment_is_written_anew_with_every_hash(shelf: Shelf) -> None:
    shelf.shelve()
    rechained(first_segment(shelf))
    assert shelf.held().exit_code == 1
    assert shelf.whole().exit_code == 1


def test_20_two_logs_segments_are_swapped(shelf: Shelf) -> None:
    shelf.archive()
    one, other, *_ = sorted(shelf.folder.glob("*.gz"))
    aside = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(aside)
    with pytest.raises(TamperedError):
        shelf.prune()
    assert shelf.exit() == 1


def three(shelf: Shelf) -> list[Path]:
    """Several segments of the guard's log."""
    for name in ("x", "y"):
        shelf.live(name)
        shelf.tick()
    shelf.archive(before=LATER + 1e9, most=3)
    found = sorted(shelf.folder.glob(f"{shelf.guards_log}*.gz"))
    assert len(found) >= 3
    return found


def test_21_a_segment_in_the_middle_is_gone(shelf: Shelf) -> None:
    parts = three(shelf)
    parts[1].unlink()
    report = {log.log_id: log for log in shelf.prune(before=LATER + 1e9).logs}
    assert report[shelf.guards_log].count == 0
    assert shelf.held().exit_code == 2


def test_22_a_segment_of_what_was_taken_out_is_gone(shelf: Shelf) -> None:
    parts = three(shelf)
    shelf.prune(before=LATER + 1e9)
    parts[1].unlink()
    assert shelf.held().exit_code == 2
    assert shelf.exit() != 0
    source = joined(shelf.service, shelf.folder)
    assert read_period(source, since=START - 1.0, until=LATER).unseen or verify(source, verifier=VERIFIER).exit_code


def test_23_the_folder_is_emptied(shelf: Shelf) -> None:
    shelf.shelve()
    for path in shelf.folder.iterdir():
        path.unlink()
    assert shelf.exit() == 2
    with pytest.raises(StoreError, match="no longer in the store"):
        shelf.archive(before=LATER + 1e9)


def test_24_an_older_segment_is_put_back(shelf: Shelf, tmp_path: Path) -> None:
    """The folder is set back to how it was before the newest segment, which was pruned by."""
    parts = three(shelf)
    (tmp_path / "copy").mkdir()
    shutil.copy(parts[0], tmp_path / "copy" / parts[0].name)
    shelf.prune(before=LATER + 1e9)
    for path in parts:
        path.unlink()
    shutil.copy(tmp_path / "copy" / parts[0].name, parts[0])
    assert shelf.held().exit_code == 2
    assert shelf.exit() != 0


def test_25_another_stores_segments_vouch_for_nothing(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Shelf(tmp_path / "other")
    other.archive()
    for path in other.folder.iterdir():
        shutil.copy(path, shelf.folder)
    assert shelf.prune().records == 0
    assert {fault.code for fault in shelf.held().faults} == {"stranger"}
    other.close()


def test_26_a_second_gzip_member_is_hung_on(shelf: Shelf) -> None:
    shelf.archive()
    path = first_segment(shelf)
    path.write_bytes(path.read_bytes() + gzip.compress(b'{"seq":99}\n'))
    with pytest.raises(TamperedError):
        shelf.prune()


def test_27_what_lies_around_in_the_folder_is_passed_by(shelf: Shelf) -> None:
    (shelf.folder / "half.seg.part").write_bytes(b"half")
    (shelf.folder / "README").write_text("keep these")
    assert shelf.shelve().records > 0
    assert shelf.exit() == 0


def test_28_the_store_was_rewritten_after_it_was_archived(shelf: Shelf) -> None:
    """Hashes and all: what would go is not what was kept."""
    shelf.archive()
    shelf.rewrite(lambda d: replace(d, span_id="0f" * 8) if d.kind is Kind.CALL_DECIDED else d)
    with pytest.raises(TamperedError):
        shelf.prune()


# --- calls that ran already


def test_29_a_pruned_call_is_asked_to_run_again(shelf: Shelf) -> None:
    """Whoever writes to the database sets the rows of a call back that ran and was pruned: the journal knows nothing of it, and
    so it does not run.
    """
    before = read(shelf.guard, "approval-north-one")
    assert before.state is State.EXECUTED
    shelf.shelve()
    assert not list(shelf.service.records(call=before.request.call))
    shelf.edit(
        "UPDATE approvals SET state = 'approved', grant_expires = 1e12, expires = 1e12, deadline = 1e12, lease_until = NULL "
        "WHERE id = 'approval-north-one'",
        "UPDATE ledger SET standing = 'asked' WHERE ref IN (SELECT ref FROM approvals WHERE id = 'approval-north-one')",
    )
    with sqlite3.connect(shelf.path) as db:  # the request says when it expires, too
        (text,) = db.execute("SELECT request FROM approvals WHERE id = 'approval-north-one'").fetchone()
        said = {**json.loads(text), "expires": 1e12}
        db.execute("UPDATE approvals SET request = ? WHERE id = 'approval-north-one'", (json.dumps(said),))
    db.close()
    with pytest.raises(ConflictError, match="records are in segments"):
        executing(shelf.guard, read(shelf.guard, "approval-north-one"))
    assert "reset" in codes(shelf.whole())


def test_30_the_reference_of_a_pruned_allowed_call_is_used_again(shelf: Shelf) -> None:
    shelf.shelve()
    with pytest.raises(ConflictError):
        allowed(shelf.guard, "plain-one")
    again = Claim(ref=CallRef(run="run-1", call_id="plain-one"), call_digest="d", asked=False)
    with pytest.raises(ConflictError):
        shelf.guard.commit(Change(tenant="north", claim=again))


def test_31_a_row_that_was_set_back_after_pruning_is_seen_with_the_segments(shelf: Shelf) -> None:
    shelf.shelve()
    shelf.edit("UPDATE approvals SET state = 'denied' WHERE id = 'approval-north-one'")
    assert "unrecorded" in codes(shelf.whole())
    assert shelf.verify().exit_code == 2  # without them it is said that they were not looked at


# --- the store itself refuses


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("32 no record tells of it", lambda log: Change(tenant="", prune=Prune(log_id=log, upto=3))),
        ("33 in a tenant's name", lambda log: Change(tenant="north", prune=Prune(log_id=log, upto=3))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_32_33_rows_are_not_taken_out_by_the_way(shelf: Shelf, what: str, change: Callable[[str], Change]) -> None:
    before = shelf.rows()
    with pytest.raises(StoreError):
        shelf.guard.commit(change(shelf.guards_log))
    assert shelf.rows() == before


def test_34_a_record_of_pruning_is_no_ordinary_record(shelf: Shelf) -> None:
    made = told(shelf, a_begin(shelf, shelf.guards_log, 3), "")
    with pytest.raises(StoreError, match="of its own"):
        shelf.guard.commit(Change(tenant="", records=(made,)))


# --- legal hold


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Kept]:
    place = Kept(tmp_path)
    (tmp_path / "kept").mkdir()
    yield place
    place.store.close()


def checkpoint(place: Kept) -> list[str]:
    """Sign how far each log has come."""
    found = []
    for head in place.store.heads():
        root = Frontier(hash_ for _, hash_ in place.store.hashes(head.log_id)).root
        made = Checkpoint(origin=log_origin(place.store.epoch, head.log_id), size=head.seq, root=root)
        found.append(SIGNER.checkpoint(made))
    return found


def take(place: Kept, **said: Any) -> int:
    folder = place.path.parent / "kept"
    given = {"before": START + 1e6, "verifier": VERIFIER}
    archive(place.store, folder, notes=checkpoint(place), **given)  # type: ignore[arg-type] # both take these
    service = PinnedVerifier(place.desk.trusted)
    return prune(place.store, folder, signer=SIGNER, service=service, **{**given, **said}).records  # type: ignore[arg-type] # as the test says


@pytest.mark.parametrize("scope", ["call", "session", "tenant"])
def test_35_what_is_under_legal_hold_stays(held: Kept, scope: str) -> None:
    first, last = held.call(), held.call(run="run-2")
    (record, *_) = held.named(first)
    target = {"call": first, "session": str(record.draft.body["toolguard.session.id"]), "tenant": ""}[scope]
    held.authority.hold(held.lee, scope=scope, target=target, reason=WHY)
    take(held)
    assert held.named(first)
    assert held.named(last)


def test_36_a_hold_that_comes_while_others_look_comes_first(held: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    call = held.call()
    held.call(run="run-2")
    commit, raced = held.store.commit, []

    def slow(change: Change) -> object:
        if change.prune is not None and not raced:
            raced.append(held.authority.hold(held.lee, scope="call", target=call, reason=WHY))
        return commit(change)

    monkeypatch.setattr(held.store, "commit", slow)
    take(held)
    assert raced
    assert held.named(call)


def test_37_an_act_that_was_taken_out_of_the_register_frees_nothing(held: Kept) -> None:
    call = held.call()
    held.call(run="run-2")
    held.authority.hold(held.lee, scope="call", target=call, reason=WHY)
    held.edit("DELETE FROM acts WHERE n = (SELECT max(n) FROM acts)")
    with pytest.raises(TamperedError, match="legal hold"):
        take(held)
    assert held.named(call)


def test_38_an_act_signed_by_nobody_pinned_stops_it(held: Kept) -> None:
    call = held.call()
    held.authority.hold(held.lee, scope="call", target=call, reason=WHY)
    held.edit("UPDATE acts SET signature = zeroblob(64)")
    with pytest.raises(TamperedError):
        take(held)


def test_39_the_store_compares_the_register_in_the_very_transaction(shelf: Shelf) -> None:
    shelf.archive()
    made = told(shelf, a_begin(shelf, shelf.guards_log, 3), "")
    wrong = Prune(log_id=shelf.guards_log, upto=3, acts={"north": 7})
    before = shelf.rows()
    with pytest.raises(RegisterMovedError):
        shelf.guard.commit(Change(tenant="", records=(made,), prune=wrong))
    assert shelf.rows() == before


# --- at the wrong moment


class Killed(BaseException):
    pass


def interrupted(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, *, after: int, chunk: int = 2000) -> None:
    """Prune, and end right after so many transactions that take rows out."""
    commit, done = shelf.service.commit, []

    def counted(change: Change) -> object:
        found = commit(change)
        done.extend([1] if change.prune is not None else [])
        if len(done) == after:
            raise Killed
        return found

    monkeypatch.setattr("toolguard.journal.pruning._CHUNK", chunk)
    monkeypatch.setattr(shelf.service, "commit", counted)
    with pytest.raises(Killed):
        shelf.prune()
    monkeypatch.undo()


@pytest.mark.parametrize("after", range(1, 5))
def test_40_interrupted_anywhere_nothing_is_lost_and_it_goes_on(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    before = everything(shelf)
    shelf.archive()
    interrupted(shelf, monkeypatch, after=after, chunk=3)
    assert before <= everything(shelf)
    assert shelf.exit() == 0
    assert not shelf.verify().tampered
    assert shelf.prune().records > 0
    assert before <= everything(shelf)
    assert shelf.exit() == 0


MOMENTS = ["part", "file", "told", "note", "first rows", "more rows"]


def _killed_at(shelf: Shelf, moment: str) -> None:
    """In a process of its own: archive and prune, and be killed at a moment."""
    import toolguard.journal.pruning as pruning
    import toolguard.journal.segments as segments

    def die(*_: object, **__: object) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    store = SqliteStore(shelf.path, shelf.clock)
    shelf.service = store
    pruning._CHUNK = 3
    if moment == "part":
        segments.Path.replace = die  # type: ignore[method-assign,assignment] # in a process that ends
    if moment == "file":
        segments._told = die
    commit, rows = store.commit, []

    def commits(change: Change) -> Any:
        found = commit(change)
        rows.append(change.prune)
        if moment == "told" and change.records and change.records[-1].kind is Kind.AUDIT_ARCHIVED:
            die()
        if change.prune is not None and (moment == "first rows" or (moment == "more rows" and not change.records)):
            die()
        return found

    store.commit = commits  # type: ignore[method-assign] # in a process that ends
    shelf.archive()
    if moment == "note":
        pruning.Prune = die  # type: ignore[misc,assignment] # after the anchor has it, before the store does
    shelf.prune()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_41_sigkill_between_any_two_steps_loses_nothing(shelf: Shelf, moment: str) -> None:
    before = everything(shelf)
    child = os.fork()
    if child == 0:
        try:
            _killed_at(shelf, moment)
        finally:
            os._exit(7)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert before <= everything(shelf)
    assert not shelf.verify().tampered
    shelf.clock.advance(1000.0)  # its lease is over
    shelf.archive()
    shelf.prune()
    assert before <= everything(shelf)
    assert shelf.exit() == 0
    assert min(rows[0] for rows in shelf.rows().values()) >= 1
    assert shelf.rows()[shelf.guards_log][0] > 1


def test_42_the_folders_disk_is_full(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr("toolguard.journal.segments.os.fsync", full)
    with pytest.raises(StoreError, match="nothing was taken out"):
        shelf.archive()
    monkeypatch.undo()
    assert list(shelf.folder.iterdir()) == []
    assert shelf.prune().records == 0
    assert shelf.shelve().records > 0
    assert shelf.exit() == 0


def test_43_an_anchor_that_cannot_be_told_stops_it(shelf: Shelf) -> None:
    class Away:
        head = ""
        name = "away"

        def publish(self, note: str) -> None:
            raise StoreError("not mounted")

    shelf.archive()
    before = shelf.rows()
    with pytest.raises(StoreError, match="not mounted"):
        shelf.prune(anchors=[Away()])
    assert shelf.rows() == before


def test_44_two_at_once_and_one_does_it(shelf: Shelf) -> None:
    shelf.archive()
    assert shelf.guard.lead("audit.prune", "another", 60.0)
    with pytest.raises(StoreError, match="another process"):
        shelf.prune()
    assert shelf.prune(dry_run=True).records > 0


def test_45_two_at_once_without_a_lease_do_no_harm(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(shelf)
    shelf.archive()
    commit, again = shelf.service.commit, []

    def other_first(change: Change) -> object:
        if change.prune is not None and not again:
            again.append(1)
            monkeypatch.setattr(shelf.guard, "lead", lambda *_: True)
            shelf.prune(store=shelf.guard)
        return commit(change)

    monkeypatch.setattr(shelf.service, "commit", other_first)
    shelf.prune()
    assert before <= everything(shelf)
    assert shelf.exit() == 0


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_46_others_go_on_writing_meanwhile(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, old=[f"o{n}" for n in range(20)])
    shelf.archive()
    before = everything(shelf)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store = SqliteStore(shelf.path, shelf.clock)
            for n in range(60):
                allowed(store, f"child-{n}")
            code = 0
        finally:
            os._exit(code)
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for n in range(60):
                allowed(shelf.guard, f"thread-{n}")
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    report = shelf.prune()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert not errors
    assert report.records > 100
    assert before <= everything(shelf)
    shelf.tick()
    assert shelf.exit() == 0
    shelf.close()


def test_47_who_reads_meanwhile_misses_nothing(shelf: Shelf) -> None:
    """A report is half way through a log when its records go."""
    shelf.archive()
    source = joined(shelf.guard, shelf.folder)
    before = shelf.payloads(source)
    reading = iter(source.records(log_id=shelf.guards_log))
    first = next(reading)
    shelf.prune()
    rest = [first, *reading]
    assert [(r.log_id, r.seq, r.hash) for r in rest] == [one for one in before if one[0] == shelf.guards_log]


# --- packs


def test_48_a_pack_is_not_made_of_what_is_not_there(shelf: Shelf, tmp_path: Path) -> None:
    from toolguard.cli.evidence import population_of

    shelf.shelve()
    with pytest.raises(EvidenceError, match="--segments"):
        population_of(shelf.service, START - 1.0, LATER)


def test_49_a_pack_of_a_forged_segment_does_not_verify(shelf: Shelf, tmp_path: Path) -> None:
    shelf.shelve()
    rechained(first_segment(shelf))
    source = joined(shelf.service, shelf.folder)
    made = build_pack(Population(read_period(source, since=START - 1.0, until=LATER)), SIGNER, anchors=shelf.notes)
    (tmp_path / "pack.zip").write_bytes(made.bytes)
    assert verify_pack(tmp_path / "pack.zip", [SIGNER.public_key.line])


def test_50_a_pack_of_true_segments_verifies(shelf: Shelf, tmp_path: Path) -> None:
    shelf.shelve()
    source = joined(shelf.service, shelf.folder)
    made = build_pack(Population(read_period(source, since=START - 1.0, until=LATER)), SIGNER, anchors=shelf.notes)
    (tmp_path / "pack.zip").write_bytes(made.bytes)
    assert verify_pack(tmp_path / "pack.zip", [SIGNER.public_key.line]) == ()


def test_51_a_segment_says_it_was_held_against_nothing(shelf: Shelf) -> None:
    """Without the store, too, what a folder holds is held against its own checkpoints."""
    shelf.archive()
    assert hold_segments(None, shelf.folder, verifier=VERIFIER).exit_code == 0
    rechained(first_segment(shelf))
    assert hold_segments(None, shelf.folder, verifier=VERIFIER).exit_code == 1
