"""Checkpoints on PostgreSQL: guards write, the service signs, an auditor verifies, each with a login of its own."""

from __future__ import annotations

from pathlib import Path

from journal.insiders import SIGNER, VERIFIER, codes
from journal.lives import allowed
from postgres.conftest import Place
from toolguard.journal import Checkpointer, FileAnchor, VerifyReport, read_anchor, verify

EDIT = "ALTER TABLE toolguard.records DISABLE TRIGGER USER; {}; ALTER TABLE toolguard.records ENABLE TRIGGER USER"


def test_the_service_signs_what_all_guards_write_and_an_auditor_holds_it_against_the_anchor(
    place: Place, tmp_path: Path
) -> None:
    guard, other, service = place.store("north_guard"), place.store("south_guard"), place.store("service")
    path = tmp_path / "elsewhere.anchor"
    checkpointer = Checkpointer(service, SIGNER, VERIFIER, anchors=[FileAnchor(path)])
    for n in range(3):
        allowed(guard, f"plain-{n}")
    checkpointer.tick()
    for n in range(3, 6):
        allowed(guard, f"plain-{n}")
    checkpointer.tick(final=True)

    def audit() -> VerifyReport:
        auditor = place.store("auditor")
        try:
            return verify(auditor, verifier=VERIFIER, anchors=[read_anchor(path)])
        finally:
            auditor.close()

    found = audit()
    assert (found.exit_code, codes(found)) == (0, set())
    assert found.checkpoints >= 3
    log_id = guard.logs()[0]
    place.owner(EDIT.format(f"UPDATE toolguard.records SET span = 'x' WHERE log_id = '{log_id}' AND seq = 5"))
    assert codes(audit()) == {"hash"}
    place.owner(EDIT.format(f"DELETE FROM toolguard.records WHERE log_id = '{log_id}' AND seq > 12"))
    place.owner(
        f"UPDATE toolguard.logs SET seq = 12, hash = (SELECT hash FROM toolguard.records WHERE log_id = '{log_id}' AND seq = 12) "
        f"WHERE log_id = '{log_id}'"
    )
    assert {"anchor", "hash"} <= codes(audit())
    for store in (guard, other, service):
        store.close()
