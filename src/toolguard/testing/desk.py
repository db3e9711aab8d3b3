"""An approval desk in a folder: real keys, a real directory file, the real authority; only HTTP is left out.

desk = Desk(tmp_path)
guard = desk.guard("policy.yaml")
...
desk.approve(suspended.approval_id, by="chen")
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolguard._core.approval import Answer, Approval, Assured
from toolguard._core.call import Person
from toolguard._core.policy import Policy
from toolguard.authority import Authority, Human
from toolguard.config import RandomIds
from toolguard.directory import FileDirectory
from toolguard.errors import NotFoundError
from toolguard.guard import Guard
from toolguard.keys import Ed25519Signer, KeyRing, PinnedVerifier, Purpose, SecretKey
from toolguard.ports import Clock, Store
from toolguard.stores import open_store
from toolguard.testing.fakes import NoDetector

__all__ = ["DIRECTORY", "Desk"]

DIRECTORY = """\
version: 1
persons:
  - {id: ana, name: Ana Ruiz, identities: [{issuer: local, tenant: general, subject: ana},
                                           {issuer: badge, tenant: general, subject: "7781"}]}
  - {id: chen, name: Wei Chen, identities: [{issuer: local, tenant: general, subject: chen}]}
  - {id: okafor, name: Ngozi Okafor, identities: [{issuer: local, tenant: general, subject: okafor}]}
  - {id: lee, name: Sam Lee, identities: [{issuer: local, tenant: general, subject: lee}]}
groups:
  - {name: privacy-office, tenant: general, members: [ana, chen, okafor]}
agents:
  - {name: discharge-agent, tenant: general, owners: [okafor]}
"""
"""Ana asks and is herself in the privacy office; Chen may approve; Okafor owns the agent; Lee is nobody special."""


class Desk:
    """Keys, people and an authority for tenant ``general``, kept in ``folder`` (the store: SQLite there, or given)."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        store: Store | str | None = None,
        clock: Clock | None = None,
        directory: str = DIRECTORY,
    ) -> None:
        self.folder = Path(folder)
        self.directory_file = self.folder / "directory.yaml"
        self.directory_file.write_text(directory, "utf-8")
        self.clock = clock
        self.store_url = f"sqlite:///{self.folder / 'toolguard.db'}" if store is None else store
        self.store: Store = (
            open_store(self.store_url, clock=clock) if isinstance(self.store_url, str) else self.store_url
        )
        self.seal_key = SecretKey.generate(Purpose.SEAL)
        self.keys = KeyRing([self.seal_key])
        self.reveal_keys = KeyRing([SecretKey.generate(Purpose.REVEAL)])
        self.signer = Ed25519Signer(SecretKey.generate(Purpose.SIGN))
        self.trusted = (self.signer.public_key.line,)
        self.directory = FileDirectory(self.directory_file)
        self.authority = self.authority_on(self.store)

    def authority_on(self, store: Store, *, segments: Path | None = None) -> Authority:
        """Another authority with the same key, as a second server would have."""
        return Authority(
            store,
            self.directory,
            self.signer,
            RandomIds(),
            verifier=PinnedVerifier(self.trusted),
            detector=NoDetector(),
            revealer=self.reveal_keys.sealer,
            segments=segments,
        )

    def guard(self, policy: Policy | str | os.PathLike[str], **parts: Any) -> Guard:
        """A guard on this desk's store that believes this desk's signatures."""
        given = {
            "store": self.store,
            "clock": self.clock,
            "suspend": "raise",
            "detector": NoDetector(),
            "revealer": self.reveal_keys.sealer,
            **parts,
        }
        return Guard(policy, keys=self.keys, directory=self.directory, trusted=self.trusted, **given)

    def approve(self, approval_id: str, *, by: str = "chen", reason: str = "checked", **identity: str) -> Approval:
        """``by`` says yes to what the request shows."""
        return self._decide(approval_id, Answer.APPROVE, by, reason, identity)

    def deny(self, approval_id: str, *, by: str = "chen", reason: str = "not needed", **identity: str) -> Approval:
        """``by`` says no."""
        return self._decide(approval_id, Answer.DENY, by, reason, identity)

    def human(self, by: str, *, assured: Assured = Assured.SINGLE) -> Human:
        """The person as they come to the authority."""
        return Human(identity=_person(by, {}), channel="test", auth="test", assured=assured)

    def read(self, approval_id: str, tenant: str = "general") -> Approval:
        """The approval as it stands in the store."""
        approval = self.store.get(tenant, approval_id)
        if approval is None:
            raise NotFoundError("no such approval in this desk's store")
        return approval

    def _decide(self, approval_id: str, answer: Answer, by: str, reason: str, identity: dict[str, str]) -> Approval:
        who = replace(self.human(by), identity=_person(by, identity))
        approval = self.read(approval_id, who.tenant)
        seen = ""
        if answer is Answer.APPROVE and approval.request.sealed_decisive:
            seen = self.authority.reveal(who, approval_id, purpose="review").digest
        return self.authority.decide(
            who,
            approval_id,
            answer,
            seen_call_digest=approval.request.call_digest,
            seen_view_digest=approval.request.view_digest,
            reason=reason,
            version=approval.version,
            seen_decisive=seen,
        )


def _person(by: str, parts: Mapping[str, str]) -> Person:
    return Person(**{"issuer": "local", "tenant": "general", "subject": by, **parts})
