"""A guard that keeps masked content beside its records, and persons with the duties to redact and to hold it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from toolguard import Caller
from toolguard._core.audit import COMMITMENT, CONTENT_ID, AuditRecord, Kind
from toolguard.errors import ApprovalError
from toolguard.journal import VerifyReport, verify
from toolguard.keys import PinnedVerifier
from toolguard.keys.content import open_content
from toolguard.ports import Store
from toolguard.testing import WordDetector
from toolguard.testing.desk import DIRECTORY, Desk
from toolguard.testing.store_contract import ContractClock

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: kept, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  look: {risk: low, trusted_for: [PERSON], args: {query: pass}}
  opened: {risk: low, results: pass}
"""
PEOPLE = DIRECTORY + (
    'duties:\n  - {tenant: general, redact: ["person:chen", "person:okafor"], hold: ["person:lee", "person:chen"]}\n'
)
CANARY = "Zebedee Quill"
ANA = Caller.of("ana", agent="discharge-agent", tenant="general")
WHY = "asked for by the patient"


def look(name: str, query: str = "", pad: str = "") -> str:
    """Look a patient up."""
    return f"{name} was seen{pad}"


def opened(name: str) -> str:
    """Give what is there as it is."""
    return f"{name} was seen"


class Place:
    """A desk whose guards keep content."""

    def __init__(self, folder: Path, store: Store | str | None = None) -> None:
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        self.clock = ContractClock()
        self.path = folder / "toolguard.db"
        self.desk = Desk(folder, store=store, clock=self.clock, directory=PEOPLE)
        self.store = self.desk.store
        self.authority = self.desk.authority
        self.chen, self.okafor, self.lee, self.ana = map(self.desk.human, ("chen", "okafor", "lee", "ana"))

    def call(
        self, tool: object = look, *, keep: bool = True, run: str = "run-1", caller: Caller = ANA, **args: str
    ) -> str:
        """One call; its id."""
        before = {record.draft.call for record in self.store.records()}
        words = WordDetector({CANARY: "PERSON"})
        guard = self.desk.guard(self.desk.folder / "policy.yaml", detector=words, keep=keep)
        with guard.session(caller=caller, run=run) as session:
            session.call(tool, {"name": CANARY, **args})  # type: ignore[arg-type] # any of the two
        (call,) = {record.draft.call for record in self.store.records() if record.draft.call} - before
        return call

    def named(self, call: str) -> list[AuditRecord]:
        """Records of a call that name content."""
        return [record for record in self.store.records(call=call) if CONTENT_ID in record.draft.body]

    def contents(self, *calls: str) -> list[str]:
        """Names of what was kept of calls, in order."""
        return [str(record.draft.body[CONTENT_ID]) for call in calls for record in self.named(call)]

    def open(self, record: AuditRecord) -> str:
        """As somebody with the guard's key."""
        name = str(record.draft.body[CONTENT_ID])
        kept = self.store.contents("general", [name])[name]
        return open_content(kept, str(record.draft.body[COMMITMENT]), self.desk.keys.sealer("general"))

    def redact(self, call: str) -> int:
        """Two persons redact a call."""
        proposed = self.authority.propose_redaction(self.chen, scope="call", target=call, reason=WHY)
        return self.authority.confirm_redaction(self.okafor, proposed.id, reason=WHY)

    def redactions(self) -> list[AuditRecord]:
        return [record for record in self.store.records() if record.draft.kind is Kind.CONTENT_REDACTED]

    def verify(self, *, pinned: bool = True) -> VerifyReport:
        return verify(self.store, service=PinnedVerifier(self.desk.trusted) if pinned else None)

    def faults(self) -> set[str]:
        return {fault.code for fault in self.verify().contents}

    def edit(self, *statements: str, values: Iterable[object] = ()) -> None:
        """As somebody with the database alone."""
        with sqlite3.connect(self.path) as db:
            for statement in statements:
                assert db.execute(statement, tuple(values)).rowcount != 0, statement
        db.close()

    def bytes_on_disk(self) -> bytes:
        return b"".join(file.read_bytes() for file in sorted(self.path.parent.glob(self.path.name + "*")))


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(ApprovalError) as caught:
        yield
    assert caught.value.code == code
    assert not re.search(CANARY, str(caught.value))
