"""What the service does with calls whose records are in segments: shows, reviews and redacts them; and its witness goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit_keep.place import WHY, Place, refused
from journal.insiders import SIGNER, VERIFIER
from toolguard._core.checkpoint import Checkpoint, log_origin
from toolguard._core.tree import Frontier
from toolguard.authority import Authority
from toolguard.errors import NotFoundError, StoreError
from toolguard.journal import archive, prune, verify
from toolguard.keys import PinnedVerifier
from toolguard.testing.store_contract import START
from toolguard.witness import Witness


class Shelf(Place):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder / "kept"
        self.folder.mkdir()

    def shelve(self) -> None:
        """Take out whatever can be."""
        notes = []
        for head in self.store.heads():
            root = Frontier(hash_ for _, hash_ in self.store.hashes(head.log_id)).root
            origin = log_origin(self.store.epoch, head.log_id)
            notes.append(SIGNER.checkpoint(Checkpoint(origin=origin, size=head.seq, root=root)))
        archive(self.store, self.folder, before=START + 1e6, verifier=VERIFIER, notes=notes)
        assert prune(self.store, self.folder, before=START + 1e6, signer=SIGNER, verifier=VERIFIER).records

    @property
    def service(self) -> Authority:
        return self.desk.authority_on(self.store, segments=self.folder)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.store.close()


def test_what_was_kept_beside_a_pruned_record_can_be_redacted(shelf: Shelf) -> None:
    call = shelf.call()
    names = shelf.contents(call)
    shelf.call(run="run-2")
    shelf.call(run="run-3")
    shelf.shelve()
    assert not shelf.named(call)
    assert verify(shelf.store, verifier=VERIFIER, segments=shelf.folder).ok
    proposed = shelf.service.propose_redaction(shelf.chen, scope="call", target=call, reason=WHY)
    assert shelf.service.confirm_redaction(shelf.okafor, proposed.id, reason=WHY) == len(names) > 0
    assert not shelf.store.contents("general", names)
    found = verify(shelf.store, verifier=VERIFIER, service=PinnedVerifier(shelf.desk.trusted), segments=shelf.folder)
    assert (found.exit_code, found.contents) == (0, ())
    assert found.redacted == len(names)


def test_content_whose_record_is_in_a_segment_is_not_unrecorded(shelf: Shelf) -> None:
    shelf.call()
    shelf.call(run="run-2")
    shelf.shelve()
    found = verify(shelf.store, verifier=VERIFIER)
    assert (found.exit_code, found.contents) == (2, ())


def test_a_review_of_a_pruned_call_reads_its_records_where_the_service_knows_the_segments(shelf: Shelf) -> None:
    people = shelf.desk.folder / "directory.yaml"
    people.write_text(
        people.read_text("utf-8").replace("{tenant: general, ", '{tenant: general, review: ["person:okafor"], ')
    )
    call = shelf.call()
    shelf.call(run="run-2")
    shelf.shelve()
    with pytest.raises(NotFoundError):
        shelf.authority.sign_review(shelf.okafor, call, finding="justified", reason=WHY)
    with refused(
        "self_approval"
    ):  # found, and judged by its records: whose digest stands there could be the reviewer's
        shelf.service.sign_review(shelf.okafor, call, finding="justified", reason=WHY)


def test_the_witness_misses_nothing_that_was_signed_away(shelf: Shelf, tmp_path: Path) -> None:
    shelf.call()
    blind = Witness(tmp_path / "blind", shelf.store.epoch)
    knows = Witness(tmp_path / "knows", shelf.store.epoch, audit=VERIFIER)
    for witness in (blind, knows):
        witness.note(shelf.store)
    for n in range(3):
        shelf.call(run=f"run-{n + 2}")
    shelf.shelve()
    knows.check(shelf.store)
    with pytest.raises(StoreError, match="set back"):
        blind.check(shelf.store)
    shelf.edit("DELETE FROM records WHERE kind = 'audit.pruned'")
    with pytest.raises(StoreError, match="set back"):
        knows.check(shelf.store)
