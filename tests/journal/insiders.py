"""A store with checkpoints and an anchor, and what an insider with the database, or with the audit key as well, does to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from journal.lives import allowed, asked, decided, executed, executing
from toolguard._core.audit import GENESIS, AuditRecord, Draft, Kind, seal
from toolguard._core.checkpoint import Checkpoint, log_origin, registry_origin
from toolguard._core.tree import root
from toolguard.journal import Checkpointer, FileAnchor, VerifyReport, read_anchor, verify
from toolguard.keys import NoteSigner, NoteVerifier, Purpose, SecretKey
from toolguard.stores._rows import record_row
from toolguard.stores._sql import APPEND
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing.store_contract import ContractClock

NOTE = "toolguard.audit.checkpoint.note"
KEY = SecretKey.generate(Purpose.AUDIT)
SIGNER = NoteSigner(KEY)
VERIFIER = NoteVerifier([SIGNER.public_key])


class Place:
    """A store on disk with guards that write to it, a service that makes checkpoints, and an anchor elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.anchor_path = folder / "elsewhere.anchor"
        self.clock = ContractClock()
        self.service = SqliteStore(self.path, self.clock)
        self.guard = SqliteStore(self.path, self.clock)
        self.anchor = FileAnchor(self.anchor_path, now=self.clock.now)
        self.checkpointer = self.checkpoints()

    def checkpoints(self, store: SqliteStore | None = None, **given: object) -> Checkpointer:
        made = {"anchors": [self.anchor], "every": 60.0, "monotonic": self.clock.monotonic, **given}
        return Checkpointer(store or self.service, SIGNER, VERIFIER, **made)  # type: ignore[arg-type] # a test's own words

    def live(self, *names: str) -> None:
        """Calls are made, asked about, decided and executed."""
        for name in names:
            allowed(self.guard, f"plain-{name}")
            executed(self.guard, executing(self.guard, decided(self.guard, asked(self.guard, name))))

    def tick(self) -> tuple[str, ...]:
        return self.checkpointer.tick(final=True)

    def close(self) -> None:
        self.guard.close()
        self.service.close()

    # --- an auditor

    def verify(self, *, anchored: bool = True, **given: object) -> VerifyReport:
        """What verify finds in the file as it is, with or without the anchor."""
        store = SqliteStore(self.path, read_only=True)
        anchors = [read_anchor(self.anchor_path)] if anchored else []
        try:
            return verify(store, verifier=VERIFIER, anchors=anchors, **given)  # type: ignore[arg-type] # a test's own words
        finally:
            store.close()

    # --- an insider

    def edit(self, *statements: str) -> None:
        with sqlite3.connect(self.path) as db:
            for statement in statements:
                assert db.execute(statement).rowcount != 0, statement
        db.close()

    def drafts(self) -> dict[str, list[Draft]]:
        """Every log's drafts, in the order of the registry."""
        store = SqliteStore(self.path, read_only=True)
        found = {log: [record.draft for record in store.records(log_id=log)] for log in store.logs()}
        self.epoch = store.epoch
        store.close()
        return found

    def rewrite(self, change: Callable[[Draft], Draft | None], *, key: NoteSigner | None = None) -> None:
        """Write every log anew with each draft changed (None: left out): hashes, chain, registry, and with ``key`` the
        checkpoints, too. Whatever can be computed inside the database fits afterwards.
        """
        logs: dict[str, list[AuditRecord]] = {}
        before = GENESIS
        for log_id, drafts in self.drafts().items():
            sealed: list[AuditRecord] = []
            for draft in drafts:
                changed = change(draft)
                if changed is None:
                    continue
                if changed.kind is Kind.LOG_OPENED:
                    number = {"toolguard.audit.registry.number": len(logs) + 1, "toolguard.audit.registry.prev": before}
                    changed = replace(changed, body={**changed.body, **number})
                if key is not None and changed.kind is Kind.AUDIT_CHECKPOINT:
                    logs_so_far = {**logs, log_id: sealed}
                    resigned = self._resigned(changed, logs_so_far, key)
                    if resigned is None:
                        continue
                    changed = resigned
                prev = sealed[-1].hash if sealed else GENESIS
                sealed += seal([changed], log_id=log_id, seq=len(sealed), prev=prev)
            if sealed:
                logs[log_id], before = sealed, sealed[0].hash
        self.put(logs)

    def _resigned(self, draft: Draft, logs: dict[str, list[AuditRecord]], key: NoteSigner) -> Draft | None:
        about, size = (
            str(draft.body["toolguard.audit.checkpoint.log_id"]),
            int(draft.body["toolguard.audit.checkpoint.size"]),
        )
        if about == "registry":
            leaves, origin = [log[0].hash for log in logs.values() if log], registry_origin(self.epoch)
        else:
            leaves, origin = [record.hash for record in logs.get(about, ())], log_origin(self.epoch, about)
        if not leaves:
            return None
        size = min(size, len(leaves))
        point = Checkpoint(origin=origin, size=size, root=root(leaves[:size]))
        said = {"toolguard.audit.checkpoint.size": size, "toolguard.audit.checkpoint.root": point.root}
        return replace(draft, body={**draft.body, **said, NOTE: key.checkpoint(point)})

    def put(self, logs: dict[str, Sequence[AuditRecord]] | dict[str, list[AuditRecord]]) -> None:
        with sqlite3.connect(self.path) as db:
            db.execute("DELETE FROM records")
            db.execute("DELETE FROM logs")
            for n, (log_id, records) in enumerate(logs.items(), start=1):
                db.executemany(APPEND, [record_row(record) for record in records])
                place = (n, log_id, records[0].draft.at, records[0].hash, records[-1].seq, records[-1].hash)
                db.execute("INSERT INTO logs (n, log_id, opened, first, seq, hash) VALUES (?, ?, ?, ?, ?, ?)", place)
        db.close()


def codes(found: VerifyReport) -> set[str]:
    """Every code of every fault."""
    anchors = {code for anchor in found.anchors for code in anchor.codes}
    return {fault.code for fault in (*found.faults, *found.states, *found.acts)} | anchors
