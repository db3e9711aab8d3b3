"""A small hospital to test in: a directory, keys, a store and requests that wait."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from toolguard._core.approval import Answer, Approval, Assured, Request, State, move
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.call import Assurance, CallRef, Person, canonical, keyed_digest
from toolguard._core.flow.stand import arg_digests
from toolguard._core.policy import ApproverRule
from toolguard._core.records import approval_body
from toolguard._core.register import Act, Register, act_of
from toolguard._core.steps import Change, Claim, Update
from toolguard.authority import Authority, Human
from toolguard.detection import DefaultDetector
from toolguard.directory import FileDirectory, TokenFile
from toolguard.errors import ApprovalError
from toolguard.keys import Ed25519Signer, KeyRing, PinnedVerifier, Purpose, SecretKey
from toolguard.ports import Store
from toolguard.register import RegisterReader
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
  - {id: sid, name: Sid Meier, identities: [{issuer: local, tenant: st-marys, subject: sid}]}
  - {id: tess, name: Tess Vale, identities: [{issuer: local, tenant: st-marys, subject: tess}]}
  - {id: emma, name: Emma Stone, identities: [{issuer: local, tenant: st-marys, subject: emma}]}
  - {id: rena, name: Rena Ito, identities: [{issuer: local, tenant: st-marys, subject: rena}]}
  - id: luke
    name: Luke Elsewhere
    identities: [{issuer: local, tenant: st-lukes, subject: luke}]
groups:
  - {name: privacy-officers, tenant: st-marys, members: [ada, grace, joan, ruiz]}
  - {name: privacy-officers, tenant: st-lukes, members: [luke]}
  - {name: security, tenant: st-marys, members: [sid, tess]}
  - {name: emergency, tenant: st-marys, members: [emma, ruiz]}
agents:
  - {name: discharge-assistant, tenant: st-marys, owners: [noor]}
services:
  - name: ward-guard
    tenant: st-marys
    owners: [noor]
    agents: [discharge-assistant]
    identities: [{issuer: local, tenant: st-marys, subject: ward-guard}]
  - {name: other-guard, tenant: st-marys, owners: [noor], agents: [other-assistant]}
duties:
  - {tenant: st-marys, freeze: ["group:security"], freeze_all: ["person:sid"], review: ["person:rena"],
     resolve: ["group:security"], redact: ["group:security"], hold: ["group:security", "person:rena"]}
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


def human(subject: str, *, tenant: str = "st-marys", issuer: str = "local", sure: bool = False) -> Human:
    """``sure``: they have just proved who they are once more."""
    return Human(
        identity=Person(issuer=issuer, tenant=tenant, subject=subject),
        channel="rest",
        auth="token:test",
        assured=Assured.STEPPED_UP if sure else Assured.SINGLE,
    )


@contextmanager
def refused(code: str) -> Iterator[None]:
    """What is inside is refused, for this reason."""
    with pytest.raises(ApprovalError) as caught:
        yield
    assert caught.value.code == code


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
    reveals: KeyRing = field(default_factory=lambda: KeyRing([SecretKey.generate(Purpose.REVEAL)]))
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
        return Authority(
            self.store,
            self.directory,
            self.signer,
            Ids(),
            verifier=self.verifier,
            detector=DETECTOR,
            revealer=self.reveals.sealer,
        )

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
        sealed: Mapping[str, object] | None = None,
        **changes: object,
    ) -> Approval:
        """Put a request into the store, as a guard does, and read it back. ``sealed``: what is hidden, in clear."""
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
            arg_digests=arg_digests(key, shown),
        )
        if sealed:
            shut = self.reveals.sealer(tenant).seal(canonical(sealed), context=f"{tenant}/decisive/{request.id}")
            request = replace(request, hidden=tuple(sealed), sealed_decisive=shut)
        request = replace(request, **changes)  # type: ignore[arg-type] # a test says which fields
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

    def claim(self, approval: Approval, *, lease: float = 300.0) -> Approval:
        """Claim it as a guard does, under the registers as they are."""
        registers = RegisterReader(self.store, self.verifier, approval.request.tenant).read()
        now = self.store.now()
        running = move(approval, State.EXECUTING, now=now, lease_until=now + lease)
        self.store.commit(
            Change(
                tenant=approval.request.tenant,
                records=(replace(asked_record(approval.request), kind=Kind.CALL_EXECUTING),),
                claim=Claim(ref=approval.request.ref, call_digest=approval.request.call_digest, asked=True),
                update=Update(
                    approval=running,
                    from_version=approval.version,
                    from_state=approval.state,
                    alive_until=approval.grant_expires,
                ),
                heads=registers.heads,
            )
        )
        return self.read(approval.id, approval.request.tenant)

    def register(self, tenant: str = "st-marys") -> Register:
        """The tenant's acts as a guard reads them."""
        return RegisterReader(self.store, self.verifier, tenant).read().tenant

    def acts(self, tenant: str = "st-marys") -> list[Act]:
        return [act_of(grant) for grant in self.store.acts(tenant)]

    def journal(self) -> list[tuple[Kind, dict[str, object]]]:
        """What the service wrote; the log's opening and the guard's request are left out."""
        skipped = (Kind.LOG_OPENED, Kind.APPROVAL_REQUESTED)
        return [(r.draft.kind, dict(r.draft.body)) for r in self.store.records() if r.draft.kind not in skipped]
