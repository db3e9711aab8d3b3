"""Segments: the same bytes twice, ended by a signed checkpoint, and whatever happens to one is seen."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal.insiders import VERIFIER, Place
from toolguard._core.audit import Kind
from toolguard.errors import StoreError, TamperedError
from toolguard.journal import Segment, SegmentReport, archive, hold_segments, read_anchor
from toolguard.keys import NoteVerifier, PublicKey, Purpose, SecretKey
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import START

DATA = Path(__file__).parent / "data"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "kept").mkdir()
    place = Place(tmp_path)
    place.live("one")
    place.tick()
    place.clock.advance(100.0)
    place.live("two")
    place.tick()
    yield place
    place.close()


def kept(place: Place) -> Path:
    return place.path.parent / "kept"


def write(place: Place, *, before: float = START + 1e6, to: Path | None = None) -> tuple[Segment, ...]:
    return archive(place.service, to or kept(place), before=before, verifier=VERIFIER)


def held(place: Place) -> SegmentReport:
    store = SqliteStore(place.path, read_only=True)
    try:
        return hold_segments(store, kept(place), verifier=VERIFIER)
    finally:
        store.close()


def codes(place: Place) -> set[str]:
    return {fault.code for fault in held(place).faults}


def test_what_was_archived_holds_and_the_journal_says_so(place: Place) -> None:
    made = write(place)
    assert {segment.first for segment in made} == {1}
    report = held(place)
    assert (report.exit_code, report.faults) == (0, ())
    assert report.records == sum(segment.last for segment in made)
    told = [r.draft.body for r in place.service.records() if r.draft.kind is Kind.AUDIT_ARCHIVED]
    assert [body["toolguard.archive.sha256"] for body in told] == [segment.sha256 for segment in made]
    assert place.verify().ok


def test_a_segment_holds_the_very_bytes_that_were_hashed_in_order(place: Place) -> None:
    segment = write(place)[0]
    _, *lines = gzip.decompress((kept(place) / segment.name).read_bytes()).splitlines()
    hashes = [hash_ for _, hash_ in place.service.hashes(segment.log_id)][: segment.last]
    assert [hashlib.sha256(b"\x00" + line).hexdigest() for line in lines] == hashes


def test_the_same_part_gives_the_same_bytes(place: Place, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = write(place, before=START + 50.0)
    second = write(place, before=START + 50.0, to=tmp_path / "again")
    assert [s.sha256 for s in first] == [s.sha256 for s in second] != []


def test_the_next_one_goes_on_where_the_last_one_ended(place: Place) -> None:
    early = {s.log_id: s for s in write(place, before=START + 50.0)}
    later = {s.log_id: s for s in write(place)}
    both = early.keys() & later.keys()
    assert both
    assert all(later[log].first == early[log].last + 1 for log in both)
    assert held(place).exit_code == 0
    assert not {s.log_id for s in write(place)} & (later.keys() - {place.service.logs()[-1], place.service.logs()[0]})


def test_nothing_younger_than_asked_and_nothing_beyond_a_checkpoint_is_archived(place: Place) -> None:
    place.live("three")
    heads = {head.log_id: head.seq for head in place.service.heads()}
    made = write(place)
    assert all(segment.last < heads[segment.log_id] for segment in made)
    assert write(place, before=START - 1.0) == ()


@pytest.mark.parametrize(("which", "code"), [(0, "missing"), (-1, "missing")])
def test_a_missing_segment_is_exit_2(place: Place, which: int, code: str) -> None:
    write(place, before=START + 50.0)
    write(place)
    sorted(kept(place).glob("*.seg.gz"))[which].unlink()
    report = held(place)
    assert (report.exit_code, {f.code for f in report.faults}) == (2, {code})


def test_no_segment_at_all_is_exit_2(place: Place) -> None:
    assert held(place).exit_code == 2


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    text = gzip.decompress(path.read_bytes())
    assert old in text
    path.write_bytes(gzip.compress(text.replace(old, new, 1), mtime=0))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"gen_ai.tool.name":"', b'"gen_ai.tool.name":"x'),
        (b'"seq":2', b'"seq":3'),
        (b'"first":1', b'"first":2'),
        (b'"root":"', b'"root":"0'),
    ],
)
def test_an_edited_segment_is_exit_1(place: Place, old: bytes, new: bytes) -> None:
    write(place)
    path = next(p for p in sorted(kept(place).glob("*")) if old in gzip.decompress(p.read_bytes()))
    rewrite(path, old, new)
    report = held(place)
    assert report.exit_code == 1
    assert "edited" in {fault.code for fault in report.faults}


def test_a_torn_file_is_exit_1_and_nothing_is_added_to_it(place: Place) -> None:
    write(place)
    path = min(kept(place).glob("*"))
    path.write_bytes(path.read_bytes()[:-20])
    assert held(place).exit_code == 1
    with pytest.raises(StoreError, match="cannot be read"):
        write(place)


def test_a_checkpoint_nobody_pinned_signed_is_seen(place: Place) -> None:
    write(place)
    other = NoteVerifier([PublicKey.of(SecretKey.generate(Purpose.AUDIT))])
    report = hold_segments(place.service, kept(place), verifier=other)
    assert {fault.code for fault in report.faults} == {"signature"}
    assert report.exit_code == 1


def test_a_store_rewritten_after_it_was_archived_is_seen(place: Place) -> None:
    """Even with all its hashes: the segment still has the old ones."""
    write(place)
    place.edit("UPDATE records SET hash = '" + "0" * 64 + "' WHERE call = 'plain-one' AND kind = 'call.decided'")
    assert "differs" in codes(place)


def test_a_log_that_was_changed_is_not_archived(place: Place) -> None:
    place.edit("UPDATE records SET call = 'other' WHERE call = 'plain-one'")
    with pytest.raises(TamperedError):
        write(place)
    assert list(kept(place).iterdir()) == []


def test_segments_of_another_store_are_strangers(place: Place, tmp_path: Path) -> None:
    write(place)
    other = SqliteStore(tmp_path / "other.db")
    report = hold_segments(other, kept(place), verifier=VERIFIER)
    other.close()
    assert {fault.code for fault in report.faults} == {"stranger"}


def test_a_log_whose_newest_checkpoint_stands_in_an_anchor_alone_is_archived_up_to_that(place: Place) -> None:
    """The service's own log is covered last, by a note that only anchors have."""
    without = {s.log_id: s.last for s in write(place)}
    for path in kept(place).iterdir():
        path.unlink()
    notes = read_anchor(place.anchor_path).notes
    made = archive(place.service, kept(place), before=START + 1e6, verifier=VERIFIER, notes=(*notes, "no note"))
    assert {s.log_id: s.last for s in made}.items() > without.items()
    assert not [f for f in held(place).faults if f.code != "missing"]


def test_a_folder_that_is_not_there_is_not_made(place: Place) -> None:
    with pytest.raises(StoreError, match="no folder"):
        write(place, to=place.path.parent / "not-mounted")


def test_t26_segments_written_in_november_2026_verify() -> None:
    """Format 1, kept for good: the segments of a store that is gone, and the key that signed its checkpoints."""
    report = hold_segments(
        None, DATA / "segments-v1", verifier=NoteVerifier([(DATA / "audit.pub").read_text("ascii").strip()])
    )
    assert (report.exit_code, report.segments > 1, report.records > 10) == (0, True, True)
