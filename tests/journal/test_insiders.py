"""What an insider can hide, with the database alone, with the audit key as well, and from whom.

Each attack is tried twice: without anything kept outside the store, and with the anchor. What is hidden without
and found with it is asserted on both sides, so that neither is ever promised wrongly.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from journal.insiders import KEY, NOTE, SIGNER, VERIFIER, Place, codes
from journal.lives import allowed
from toolguard._core.audit import Draft, Kind
from toolguard._core.checkpoint import Checkpoint, Note
from toolguard.errors import TamperedError
from toolguard.journal import FileAnchor, read_anchor, verify
from toolguard.keys import NoteSigner, NoteVerifier, Purpose, SecretKey
from toolguard.stores.sqlite import SqliteStore


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    place.live("one")
    place.tick()
    place.clock.advance(100.0)
    place.live("two")
    place.tick()
    yield place
    place.close()


def not_checkpoints(draft: Draft) -> Draft | None:
    return None if draft.kind is Kind.AUDIT_CHECKPOINT else draft


def lied(draft: Draft) -> Draft:
    """Another tool was used."""
    return replace(draft, body={**draft.body, "gen_ai.tool.name": "mail.read"}) if draft.call == "plain-one" else draft


def unanchored(draft: Draft) -> Draft:
    """No anchor was ever written to."""
    return replace(draft, body={k: v for k, v in draft.body.items() if k != "toolguard.audit.anchored"})


def cut(draft: Draft) -> Draft | None:
    """What happened in the second half never happened."""
    return None if "two" in draft.call else draft


def forget_approvals(place: Place) -> None:
    place.edit(
        "DELETE FROM outbox WHERE approval LIKE '%two'",
        "DELETE FROM verdicts WHERE approval LIKE '%two'",
        "DELETE FROM approvals WHERE id LIKE '%two'",
    )


def test_what_nobody_touched_is_borne_out_by_checkpoints_and_anchor(place: Place) -> None:
    found = place.verify()
    assert (found.exit_code, codes(found), found.signed) == (0, set(), True)
    assert found.checkpoints >= 4
    assert [(anchor.notes >= 6, anchor.codes) for anchor in found.anchors] == [(True, ())]


def test_a_cut_that_leaves_the_checkpoints_is_found_without_an_anchor(place: Place) -> None:
    place.close()
    place.rewrite(cut)
    forget_approvals(place)
    assert "checkpoint" in codes(place.verify(anchored=False))
    assert place.verify(anchored=False).exit_code == 1


def test_a_cut_together_with_its_checkpoints_is_found_through_the_anchor_alone(place: Place) -> None:
    place.close()
    place.rewrite(lambda draft: not_checkpoints(cut(draft) or draft) if cut(draft) else None)
    forget_approvals(place)
    assert place.verify(anchored=False).exit_code == 0
    found = place.verify()
    assert (found.exit_code, "anchor" in codes(found)) == (1, True)


def test_a_log_rewritten_without_the_key_is_found_by_its_checkpoints(place: Place) -> None:
    place.close()
    place.rewrite(lied)
    assert codes(place.verify(anchored=False)) == {"checkpoint"}


def test_a_log_rewritten_and_signed_anew_with_another_key_is_found_by_the_signature(place: Place) -> None:
    place.close()
    place.rewrite(lied, key=NoteSigner(SecretKey.generate(Purpose.AUDIT)))
    assert codes(place.verify(anchored=False)) == {"signature"}


def test_a_log_rewritten_and_signed_anew_with_the_stolen_key_is_found_through_the_anchor_alone(place: Place) -> None:
    place.close()
    place.rewrite(lied, key=SIGNER)
    assert (place.verify(anchored=False).exit_code, codes(place.verify(anchored=False))) == (0, set())
    found = place.verify()
    assert (found.exit_code, "anchor" in codes(found)) == (1, True)


def test_a_whole_older_database_put_in_place_is_found_through_the_anchor_alone(place: Place, tmp_path: Path) -> None:
    place.close()
    shutil.copy(place.path, tmp_path / "backup.db")
    again = Place(tmp_path)
    again.live("three")
    again.tick()
    again.close()
    shutil.copy(tmp_path / "backup.db", again.path)
    assert again.verify(anchored=False).exit_code == 0
    found = again.verify()
    # the newest logs are not there at all, and the service's registry was longer
    assert (found.exit_code, codes(found)) == (2, {"missing"})


def test_a_split_view_is_found_by_whoever_holds_the_other_half(place: Place, tmp_path: Path) -> None:
    """Two auditors are shown two databases, each signed and whole."""
    place.close()
    other = Place.__new__(Place)
    other.path, other.anchor_path = tmp_path / "other.db", tmp_path / "other.anchor"
    shutil.copy(place.path, other.path)
    other.rewrite(lambda draft: unanchored(lied(draft)), key=SIGNER)
    copy = SqliteStore(other.path, read_only=True)
    notes = [str(r.draft.body[NOTE]) for r in copy.operations(Kind.AUDIT_CHECKPOINT)]
    copy.close()
    mine = FileAnchor(other.anchor_path)
    for note in notes:
        mine.publish(note)
    assert other.verify().exit_code == 0
    assert place.verify().exit_code == 0
    shutil.copy(other.anchor_path, place.anchor_path)
    found = place.verify()
    assert found.exit_code == 1
    assert {"anchor", "split"} <= codes(found)


def test_a_stamp_from_a_mailbox_finds_what_an_anchor_would(place: Place) -> None:
    stamp = Checkpoint.parse_stamp(place.checkpointer.stamp, epoch=place.service.epoch)
    place.close()
    assert place.verify(anchored=False, stamps=[stamp]).exit_code == 0
    place.rewrite(lied, key=SIGNER)
    assert place.verify(anchored=False).exit_code == 0
    assert "anchor" in codes(place.verify(anchored=False, stamps=[stamp]))


def remove(place: Place, log_id: str) -> None:
    place.edit(f"DELETE FROM records WHERE log_id = '{log_id}'", f"DELETE FROM logs WHERE log_id = '{log_id}'")


def test_the_newest_log_removed_with_the_registry_edited_to_match_is_missed_by_the_checkpoints(place: Place) -> None:
    newest = SqliteStore(place.path, place.clock)
    allowed(newest, "plain-secret")
    place.tick()
    newest.close()
    place.close()
    remove(place, list(place.drafts())[-1])
    found = place.verify(anchored=False)
    assert (found.exit_code, codes(found)) == (2, {"missing"})


def test_the_newest_log_removed_with_its_checkpoints_is_missed_through_the_anchor_alone(place: Place) -> None:
    """The service's own log is the newest, and all checkpoints stand in it."""
    place.close()
    remove(place, list(place.drafts())[-1])
    assert place.verify(anchored=False).exit_code == 0
    found = place.verify()
    assert (found.exit_code, codes(found)) == (2, {"missing"})


def test_a_log_removed_with_every_checkpoint_is_missed_through_the_anchor_alone(place: Place) -> None:
    """T21: an insider deletes a whole log."""
    place.close()
    guards = next(log for log, drafts in place.drafts().items() if any(d.call for d in drafts))
    drafts = {log: [d for d in made if not_checkpoints(d)] for log, made in place.drafts().items() if log != guards}
    kept = {id(d) for made in drafts.values() for d in made}
    whole = place.drafts
    place.drafts = lambda: {log: [d for d in made if id(d) in kept] for log, made in drafts.items()}  # type: ignore[method-assign] # the insider's own view
    place.rewrite(lambda draft: draft)
    place.drafts = whole  # type: ignore[method-assign] # and back
    place.edit("DELETE FROM outbox", "DELETE FROM verdicts", "DELETE FROM approvals")
    assert place.verify(anchored=False).exit_code == 0
    found = place.verify()
    assert found.exit_code == 1  # what is left was written anew as well
    assert any(log.log_id == guards and {f.code for f in log.faults} == {"missing"} for log in found.logs)


def test_a_log_forged_in_the_place_of_another_with_its_id_and_process_is_found(place: Place) -> None:
    """The registry's checkpoint binds the first record of each log, so the same id and process id do not help."""
    place.close()

    def older(draft: Draft) -> Draft:
        return (
            replace(draft, at=draft.at - 1.0, started=draft.started - 1.0) if draft.kind is Kind.LOG_OPENED else draft
        )

    place.rewrite(older)
    found = place.verify(anchored=False)
    assert found.exit_code == 1
    assert {fault.code for fault in found.registry} == {"checkpoint"}


@pytest.mark.parametrize(
    ("attack", "code", "exit_code"),
    [
        (lambda path: path.unlink(), "missing", 2),
        (lambda path: path.write_bytes(b""), "empty", 2),
        (lambda path: path.write_bytes(b"nonsense\n" * 9), "empty", 2),
        (lambda path: path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[1:])), "chain", 1),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"n": 3', b'"n": 4')), "chain", 1),
        (lambda path: path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:1]) + b"\n"), "cut", 2),
    ],
)
def test_an_anchor_that_is_gone_or_was_cut_or_edited_is_seen(place: Place, attack, code: str, exit_code: int) -> None:  # type: ignore[no-untyped-def] # a lambda a row
    attack(place.anchor_path)
    found = place.verify()
    assert code in codes(found)
    assert found.exit_code == exit_code


def test_an_anchor_of_another_store_vouches_for_nothing(place: Place, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    other = Place(tmp_path / "two")
    other.live("x")
    other.tick()
    other.close()
    shutil.copy(other.anchor_path, place.anchor_path)
    assert (codes(place.verify()), place.verify().exit_code) == ({"empty", "absent"}, 2)


def test_a_note_slipped_into_the_anchor_unsigned_is_not_believed(place: Place) -> None:
    note = Note.parse(read_anchor(place.anchor_path).notes[0])
    forged = NoteSigner(SecretKey.generate(Purpose.AUDIT)).checkpoint(replace(Checkpoint.parse(note.body), size=10**6))
    FileAnchor(place.anchor_path).publish(forged)
    assert "signature" in codes(place.verify())


def test_without_a_pinned_key_checkpoints_still_have_to_fit(place: Place) -> None:
    place.close()
    place.rewrite(lied)
    store = SqliteStore(place.path, read_only=True)
    found = verify(store)
    store.close()
    assert (codes(found), found.signed) == ({"checkpoint"}, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"toolguard.tenant":', '"toolguard.tenant": '),
        ('"toolguard.tenant":"north"', '"toolguard.tenant":"south","toolguard.tenant":"north"'),
        ("mail.send", "mail\\u002esend"),
    ],
)
def test_a_body_that_says_the_same_in_other_letters_is_found(place: Place, old: str, new: str) -> None:
    """Spaces, a name twice, an escape: a reader who sees something else there would be misled."""
    place.edit(f"UPDATE records SET body = replace(body, '{old}', '{new}') WHERE call = 'plain-one'")
    assert codes(place.verify(anchored=False)) == {"hash"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("n", "n + 10"),
        ("log_id", "log_id || '0'"),
        ("opened", "opened - 1"),
        ("first", "hash"),
        ("seq", "seq - 1"),
        ("seq", "seq + 1"),
        ("hash", "first"),
    ],
)
def test_every_column_of_the_registry_is_held_against_the_logs(place: Place, column: str, value: str) -> None:
    """Every column of a record is in its hash (test_verify); acts and uses are in tests/authority."""
    place.close()
    place.edit(f"UPDATE logs SET {column} = {value} WHERE n = 1")
    assert place.verify(anchored=False).exit_code in (1, 2)


def test_the_key_is_not_in_the_store(place: Place) -> None:
    place.close()
    data = place.path.read_bytes()
    assert KEY.secret not in data
    assert KEY.line.encode() not in data
    assert VERIFIER.key_ids == (KEY.id,)
    assert NoteVerifier([SIGNER.public_key]).key_ids == (KEY.id,)


def test_a_service_that_restarts_on_a_rewritten_store_signs_nothing_of_it(place: Place) -> None:
    place.close()
    place.rewrite(lambda draft: not_checkpoints(lied(draft)))
    service = SqliteStore(place.path, place.clock)
    allowed(service, "call-new")
    again = place.checkpoints(service, held=[read_anchor(place.anchor_path).notes])
    with pytest.raises(TamperedError, match="no checkpoint was made"):
        again.tick(final=True)
    service.close()
