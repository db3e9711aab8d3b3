"""What contract suites are made of: a clock, a sealer, and requests, verdicts, records and acts to put into a store."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from toolguard._core.approval import Answer, Approval, Grant, Request, State, Verdict, move
from toolguard._core.approver import ApproverRule
from toolguard._core.audit import Draft, Kind
from toolguard._core.call import Assurance, CallRef, Json, Person
from toolguard._core.register import ALL, Act, ActKind, Heads, act_of, act_payload
from toolguard._core.register import START as BEGINNING
from toolguard._core.steps import Change, Claim, Update
from toolguard.ports import Store

__all__ = [
    "START",
    "ContractClock",
    "ContractSealer",
    "a_draft",
    "a_request",
    "a_verdict",
    "acts_of",
    "all_of",
    "an_act",
    "approve",
    "claimed",
    "in_threads",
    "step",
]

START = 1_800_000_000.25
"""Where `ContractClock` begins, in UTC seconds since the epoch; a fraction that binary floats hold exactly."""


class ContractClock:
    """A clock that stands still until it is told. ``wall`` (UTC seconds) and ``ticks`` (monotonic) may be set apart."""

    def __init__(self, now: float = START) -> None:
        self.wall = now
        self.ticks = 1000.0

    def now(self) -> float:
        """UTC seconds since the epoch."""
        return self.wall

    def monotonic(self) -> float:
        """Seconds from no moment in particular."""
        return self.ticks

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass, by both."""
        self.wall += seconds
        self.ticks += seconds


class ContractSealer:
    """`toolguard.ports.Sealer` with a key of its own (AES-256-GCM, the context as associated data); it counts what it sealed."""

    def __init__(self) -> None:
        self.digest_key = secrets.token_bytes(32)
        self._aead = AESGCM(AESGCM.generate_key(256))
        self.sealed = 0

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """A nonce of 12 bytes, then the sealed text: never twice the same."""
        self.sealed += 1
        nonce = secrets.token_bytes(12)
        return nonce + self._aead.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """What was sealed under this very context. Raises InvalidTag for anything else."""
        return self._aead.decrypt(sealed[:12], sealed[12:], context.encode())


def a_request(name: str = "a", *, tenant: str = "north", created: float = START, **changes: Any) -> Request:
    """A request with no field at its default, so that what is lost on the way is missed."""
    given: dict[str, Any] = {
        "id": f"approval-{tenant}-{name}",
        "tenant": tenant,
        "session": "s1",
        "call": f"call-{name}",
        "ref": CallRef(run="run/1", call_id=f"{name}:0/1", ordinal=2),
        "tool": "mail.send",
        "tool_ref": "module:mail#mail.send@00",
        "args_digest": f"v1:args-{name}",
        "call_digest": f"v1:call-{name}",
        "view": {"to": "<EMAIL_1>", "n": [1, 2.5, True, None, 2**70], "$odd": "ü\u2028\U0001f600"},
        "view_digest": f"v1:view-{name}",
        "decisive": {"to": "host example.org"},
        "truncated": True,
        "sealed": bytes(range(256)),
        "requester": Person(issuer="local", tenant=tenant, subject="ana"),
        "requester_person": "ana",
        "assurance": Assurance.VERIFIED,
        "agent": "scribe",
        "excluded": frozenset({"ana", "olga"}),
        "policy_id": "clinic",
        "policy_version": "7",
        "policy_sha256": "ab" * 32,
        "rules": ("mail-out", "phi-out"),
        "because": "mail leaves the house",
        "risk_class": "communication",
        "risk_level": "high",
        "evidence": ("sends mail",),
        "approver_rules": (ApproverRule(name="two", approvers=("group:nurses", "person:bo"), quorum=2, expires=600.0),),
        "agent_reason": "asked by the user",
        "created": created,
        "expires": created + 600.0,
        "claim_ttl": 60.0,
        "trace_id": "0a" * 16,
        "span_id": "0b" * 8,
        "entities": {"EMAIL": 1},
    }
    return Request(**{**given, **changes})


def a_verdict(request: Request, person: str = "bo", answer: Answer = Answer.APPROVE, at: float = START) -> Verdict:
    """What ``person`` says to ``request`` at ``at`` (UTC seconds), having seen it as it stands."""
    return Verdict(
        request=request.id,
        answer=answer,
        person=person,
        identity=Person(issuer="local", tenant=request.tenant, subject=person),
        groups=("nurses",),
        seen_call_digest=request.call_digest,
        seen_view_digest=request.view_digest,
        reason="seen",
        channel="inbox",
        auth="token",
        at=at,
    )


def a_draft(kind: Kind = Kind.CALL_DECIDED, *, call: str = "c1", at: float = START, **body: Any) -> Draft:
    """What is to be recorded of ``call`` at ``at`` (UTC seconds), with ``body`` beside some of every kind of value."""
    return Draft(
        kind=kind,
        at=at,
        started=at - 0.5,
        call=call,
        trace_id="0a" * 16,
        span_id="0c" * 8,
        parent_id="0b" * 8,
        link_id="0d" * 8,
        body={"gen_ai.tool.name": "mail.send", "toolguard.phi.count": 2, "n": 0.1, "list": ["a", "b"], **body},
    )


def all_of(store: Store, tenant: str = "north") -> dict[str, object]:
    """Everything a failed commit must leave as it was."""
    return {
        "approvals": store.list(tenant),
        "ledger": [store.ledger(tenant, a.request.ref) for a in store.list(tenant)],
        "records": list(store.records()),
        "heads": store.heads(),
        "outbox": store.outbox(),
        "acts": (store.acts(tenant), store.acts(ALL)),
    }


def approve(approval: Approval, now: float) -> Approval:
    """``approval`` after one more yes at ``now``, with a grant that is signed by nobody."""
    verdicts = (*approval.verdicts, a_verdict(approval.request, at=now))
    grant = Grant(payload=b"payload\x00", signature=b"\xff" * 64, key_id="k1")
    expires = now + approval.request.claim_ttl
    return move(approval, State.APPROVED, now=now, verdicts=verdicts, grant=grant, grant_expires=expires)


def claimed(approval: Approval, *, now: float, lease: float = 30.0, heads: Heads | None = None) -> Change:
    """The change that claims an approved call and begins its execution, for ``lease`` seconds."""
    request = approval.request
    return Change(
        tenant=request.tenant,
        records=(a_draft(Kind.CALL_EXECUTING, call=request.call, at=now),),
        update=step(approval, move(approval, State.EXECUTING, now=now, lease_until=now + lease)),
        claim=Claim(ref=request.ref, call_digest=request.call_digest, asked=True),
        heads=heads or Heads(),
    )


def step(before: Approval, after: Approval, alive_until: float | None = None) -> Update:
    """The change from one state to the next; it loses where the row is no longer at ``before``."""
    return Update(approval=after, from_version=before.version, from_state=before.state, alive_until=alive_until)


def an_act(
    kind: ActKind = ActKind.FREEZE,
    *,
    n: int = 1,
    tenant: str = "north",
    prev: str = BEGINNING,
    body: Mapping[str, Json] | None = None,
) -> Act:
    """The act ``n`` of a register. Its signature holds for nobody: stores keep acts, and do not judge them."""
    payload = act_payload(
        tenant=tenant,
        n=n,
        prev=prev,
        kind=kind,
        id=f"act-{tenant}-{n}",
        at=START,
        person="cy",
        identity=Person(issuer="local", tenant=tenant, subject="cy"),
        auth="token:1",
        body={"agent": "scribe", "reason": "odd ü\u2028\U0001f600"} if body is None else body,
    )
    return act_of(Grant(payload=payload, signature=bytes(range(64)), key_id="k1"))


def acts_of(count: int, tenant: str = "north") -> tuple[Act, ...]:
    """The first ``count`` acts of a register, chained."""
    acts: list[Act] = []
    for n in range(1, count + 1):
        acts.append(an_act(n=n, tenant=tenant, prev=acts[-1].hash if acts else BEGINNING))
    return tuple(acts)


def in_threads(work: Callable[[int], None], numbers: Sequence[int]) -> None:
    """Run ``work`` in a thread for each number, all at once; the first error of any is raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(numbers))

    def run(n: int) -> None:
        try:
            start.wait()
            work(n)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
