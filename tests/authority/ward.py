"""A small hospital to test in: a directory, keys, a store and requests that wait."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from toolguard._core.approval import Answer, Approval, Request
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.call import Assurance, CallRef, Person, canonical, keyed_digest
from toolguard._core.policy import ApproverRule
from toolguard._core.records import approval_body
from toolguard._core.steps import Change
from toolguard.authority import Authority, Human
from toolguard.detection import DefaultDetector
from toolguard.directory import FileDirectory, TokenFile
from toolguard.keys import Ed25519Signer, KeyRing, PinnedVerifier, Purpose, SecretKey
from toolguard.ports import Store
from toolguard.stores import open_store

START = 1_800_000_000.0

DIRECTORY = """\
version: 1
persons:
  - id: ruiz
    name: Ana Ruiz
    identities: [{issuer: local, tenant: st-marys, subject: ruiz}, {issuer: entra, tenant: st-marys, subject: r-77}]
  - id: ada
    name: Ada Lovelace
    identities: [{issuer: local, tenant: st-marys, subject: ada}, {issuer: entra, tenant: st-marys, subject: a-1}]
  - id: grace
    name: Grace Hopper
    identities: [{issuer: local, tenant: st-marys, subject: grace}]
  - id: joan
    name: Joan Clarke
    identities: [{issuer: local, tenant: st-marys, subject: joan}]
  - id: noor
    name: Noor Haddad
    identities: [{issuer: local, tenant: st-marys, subject: noor}]
  - id: luke
    name: Luke Elsewhere
    identities: [{issuer: local, tenant: st-lukes, subject: luke}]
groups:
  - {name: privacy-officers, tenant: st-marys, members: [ada, grace, joan, ruiz]}
  - {name: privacy-officers, tenant: st-lukes, members: [luke]}
agents:
  - {name: discharge-assistant, tenant: st-marys, owners: [noor]}
services:
  - name: ward-guard
    tenant: st-marys
    owners: [noor]
    agents: [discharge-assistant]
    identities: [{issuer: local, tenant: st-marys, subject: ward-guard}]
  - {name: other-guard, tenant: st-marys, owners: [noor], agents: [other-assistant]}
"""

OFFICERS = ApproverRule(name="privacy", approvers=("group:privacy-officers",))


DETECTOR = DefaultDetector()


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def __call__(self) -> float:
        return self.at


class Ids:
    def new(self) -> str:
        return secrets.token_hex(16)


def human(subject: str, *, tenant: str = "st-marys", issuer: str = "local") -> Human:
    return Human(identity=Person(issuer=issuer, tenant=tenant, subject=subject), channel="rest", auth="token:test")


def asked_record(request: Request) -> Draft:
    """The record a guard writes with the request."""
    return Draft(
        kind=Kind.APPROVAL_REQUESTED,
        at=request.created,
        started=request.created,
        call=request.call,
        trace_id=request.trace_id,
        span_id=request.span_id,
        body=approval_body(request, Outcome.PENDING),
    )


@dataclass
class Ward:
    folder: Path
    store_url: str = "memory:"
    time: Time = field(default_factory=Time)
    signer: Ed25519Signer = field(default_factory=lambda: Ed25519Signer(SecretKey.generate(Purpose.SIGN)))
    ring: KeyRing = field(default_factory=lambda: KeyRing([SecretKey.generate(Purpose.SEAL)]))
    store: Store = field(init=False)
    directory: FileDirectory = field(init=False)
    tokens: TokenFile = field(init=False)
    verifier: PinnedVerifier = field(init=False)
    authority: Authority = field(init=False)

    def __post_init__(self) -> None:
        self.write_directory(lambda text: text)
        self.store = open_store(self.store_url, self.time)
        self.directory = FileDirectory(self.folder / "directory.yaml")
        self.tokens = TokenFile(self.folder / "tokens.json", now=self.time)
        self.verifier = PinnedVerifier([self.signer.public_key])
        self.authority = self.another_authority()

    def another_authority(self) -> Authority:
        return Authority(self.store, self.directory, self.signer, Ids(), verifier=self.verifier, detector=DETECTOR)

    def write_directory(self, change: Callable[[str], str]) -> None:
        (self.folder / "directory.yaml").write_text(change(DIRECTORY))

    def ask(
        self,
        *,
        rules: tuple[ApproverRule, ...] = (OFFICERS,),
        tenant: str = "st-marys",
        agent: str = "discharge-assistant",
        excluded: frozenset[str] = frozenset({"ruiz", "noor"}),
        view: object = None,
        agent_reason: str = "the patient asked for a copy",
        expires: float = 3600.0,
    ) -> Approval:
        """Put a request into the store, as a guard does, and read it back."""
        key = self.ring.sealer(tenant).digest_key
        shown = {"to": "<EMAIL_1>", "body": "Dear <PERSON_1>"} if view is None else view
        decisive = {"recipient": "records@example.org"}
        call = secrets.token_hex(16)
        args = keyed_digest(key, "toolguard.args", canonical(shown))
        request = Request(
            id=secrets.token_hex(16),
            tenant=tenant,
            session="s-1",
            call=call,
            ref=CallRef(run="run-1", call_id=call),
            tool="send_email",
            tool_ref="mail#send_email@0",
            args_digest=args,
            call_digest=keyed_digest(key, "toolguard.call", args.encode(), call.encode()),
            view=shown,
            view_digest=keyed_digest(key, "toolguard.view", canonical([shown, decisive])),
            decisive=decisive,
            requester=Person(issuer="local", tenant=tenant, subject="ruiz"),
            requester_person="ruiz",
            assurance=Assurance.VERIFIED,
            agent=agent,
            excluded=excluded,
            policy_id="hospital",
            policy_version="7",
            policy_sha256="a" * 64,
            rules=("send-outside",),
            because="mail to the outside needs a privacy officer",
            risk_class="communication",
            risk_level="high",
            evidence=("sends a message to an address outside the hospital",),
            approver_rules=rules,
            agent_reason=agent_reason,
            created=self.store.now(),
            expires=self.store.now() + expires,
            claim_ttl=900.0,
            trace_id=secrets.token_hex(16),
            span_id=call[:16],
        )
        self.store.commit(Change(tenant=tenant, create=request, records=(asked_record(request),)))
        return self.read(request.id, tenant)

    def read(self, approval_id: str, tenant: str = "st-marys") -> Approval:
        found = self.store.get(tenant, approval_id)
        assert found is not None
        return found

    def decide(self, who: Human, approval: Approval, answer: Answer = Answer.APPROVE, **changes: object) -> Approval:
        request = approval.request
        given: dict[str, object] = {
            "seen_call_digest": request.call_digest,
            "seen_view_digest": request.view_digest,
            "reason": "checked with the ward",
            "version": approval.version,
            **changes,
        }
        return self.authority.decide(who, approval.id, answer, **given)  # type: ignore[arg-type] # a table fills it in

    def journal(self) -> list[tuple[Kind, dict[str, object]]]:
        """What the service wrote; the log's opening and the guard's request are left out."""
        skipped = (Kind.LOG_OPENED, Kind.APPROVAL_REQUESTED)
        return [(r.draft.kind, dict(r.draft.body)) for r in self.store.records() if r.draft.kind not in skipped]
