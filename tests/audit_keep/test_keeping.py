"""Masked content beside records: kept where that is asked for, sealed, and bound to its record by a keyed commitment."""

from __future__ import annotations

import hashlib
import json

import pytest

from audit_keep.place import CANARY, Place, opened
from toolguard._core.audit import COMMITMENT, CONTENT_ID, Kept, Kind
from toolguard.errors import KeyUnavailableError, StoreError
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.keys.content import open_content

ARGUMENTS, RESULT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"


def test_nothing_is_kept_unless_it_is_asked_for(place: Place) -> None:
    call = place.call(keep=False)
    assert place.named(call) == []
    assert list(place.store.content_ids("general")) == []


def test_arguments_and_result_are_kept_masked(place: Place) -> None:
    call = place.call(query=f"about {CANARY}")
    decided, returned = place.named(call)
    assert (decided.draft.kind, returned.draft.kind) == (Kind.CALL_DECIDED, Kind.CALL_RETURNED)
    assert json.loads(place.open(decided)) == {ARGUMENTS: '{"name":"<PERSON>","pad":"","query":"about <PERSON>"}'}
    assert json.loads(place.open(returned)) == {RESULT: '"<PERSON_M1> was seen"'}


def test_a_result_nobody_looked_into_is_not_kept(place: Place) -> None:
    assert [record.draft.kind for record in place.named(place.call(opened))] == [Kind.CALL_DECIDED]


def test_long_content_is_cut_and_says_so(place: Place) -> None:
    _, returned = place.named(place.call(pad="x" * 100_000))
    text = place.open(returned)
    assert len(text) < 66_000
    assert "characters)" in text


def test_it_stands_in_no_record_and_on_no_disk_in_clear(disk: Place) -> None:
    call = disk.call(query=f"about {CANARY}, who is well")
    assert disk.named(call)
    everything = str(list(disk.store.records())).encode() + disk.bytes_on_disk()
    for text in (CANARY, "<PERSON>", "was seen", "who is well"):
        assert text.encode() not in everything


def test_the_record_holds_no_bare_hash_of_it(place: Place) -> None:
    """Whoever guesses the content cannot tell from the journal whether the guess is right."""
    for record in place.named(place.call()):
        text = place.open(record)
        said = json.dumps(dict(record.draft.body))
        for name in ("sha256", "sha1", "sha512", "md5"):
            assert hashlib.new(name, text.encode()).hexdigest() not in said
    first, second = (place.named(place.call(run=run))[0] for run in ("run-2", "run-3"))
    assert place.open(first) == place.open(second)
    assert first.draft.body[COMMITMENT] != second.draft.body[COMMITMENT]


def test_the_journal_holds_together_and_says_how_much_is_kept(place: Place) -> None:
    place.call()
    report = place.verify()
    assert (report.ok, report.kept, report.redacted) == (True, 2, 0)


@pytest.mark.parametrize("part", ["key", "body"])
def test_content_that_was_changed_does_not_open(place: Place, part: str) -> None:
    record = place.named(place.call())[0]
    name = str(record.draft.body[CONTENT_ID])
    kept = place.store.contents("general", [name])[name]
    parts = {"key": kept.key, "body": kept.body}
    parts[part] = parts[part][:-1] + bytes([parts[part][-1] ^ 1])
    with pytest.raises(StoreError, match="does not open"):
        open_content(
            Kept(tenant="general", id=name, **parts),
            str(record.draft.body[COMMITMENT]),
            place.desk.keys.sealer("general"),
        )


def test_content_of_another_record_is_not_taken_for_this_ones(place: Place) -> None:
    mine, other = place.named(place.call())
    name = str(other.draft.body[CONTENT_ID])
    kept = place.store.contents("general", [name])[name]
    sealer = place.desk.keys.sealer("general")
    with pytest.raises(StoreError, match="not what its record committed to"):
        open_content(kept, str(mine.draft.body[COMMITMENT]), sealer)
    with pytest.raises(StoreError, match="does not open"):
        moved = Kept(tenant="general", id=str(mine.draft.body[CONTENT_ID]), key=kept.key, body=kept.body)
        open_content(moved, str(mine.draft.body[COMMITMENT]), sealer)


def test_nobody_without_the_guards_key_and_no_other_tenant_opens_it(place: Place) -> None:
    record = place.named(place.call())[0]
    name = str(record.draft.body[CONTENT_ID])
    kept, commitment = place.store.contents("general", [name])[name], str(record.draft.body[COMMITMENT])
    other = KeyRing([SecretKey.generate(Purpose.SEAL)])
    with pytest.raises(KeyUnavailableError):
        open_content(kept, commitment, other.sealer("general"))
    with pytest.raises(StoreError, match="does not open"):
        open_content(kept, commitment, place.desk.keys.sealer("another"))
    assert place.store.contents("another", [name]) == {}


def test_a_key_added_later_still_opens_what_was_kept_before(place: Place) -> None:
    record = place.named(place.call())[0]
    place.desk.keys = KeyRing([place.desk.seal_key, SecretKey.generate(Purpose.SEAL)])
    assert "<PERSON>" in place.open(record)
