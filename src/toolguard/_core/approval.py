"""Approvals: a request for one exact call, the verdicts people give, and the states between them.

The table `TRANSITIONS` is the whole of what may happen; everything else raises. State is recomputed from
the verdicts, never counted up. Expiry stands in the predicates: a clock that was not swept changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum

from toolguard._core.call import Assurance, CallRef, Json, Person, canonical, keyed_digest
from toolguard._core.policy import ApproverRule
from toolguard.errors import ApprovalError, ConflictError

__all__ = [
    "TRANSITIONS",
    "Answer",
    "Approval",
    "Grant",
    "Request",
    "State",
    "Verdict",
    "Voter",
    "add_verdict",
    "eligible_for",
    "is_expired",
    "move",
    "request_digest",
    "resolution_payload",
    "tally",
]


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    EXECUTING = "executing"
    EXECUTED = "executed"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    UNDELIVERABLE = "undeliverable"
    REVOKED = "revoked"
    INVALIDATED = "invalidated"
    INDETERMINATE = "indeterminate"

    @property
    def is_open(self) -> bool:
        """Something can still happen to it."""
        return any(source is self for source, _ in TRANSITIONS)


_S = State
TRANSITIONS: frozenset[tuple[State, State]] = frozenset(
    [(_S.PENDING, to) for to in (_S.APPROVED, _S.DENIED, _S.EXPIRED, _S.WITHDRAWN, _S.SUPERSEDED, _S.UNDELIVERABLE)]
    + [
        (_S.APPROVED, to)
        for to in (_S.EXECUTING, _S.DENIED, _S.EXPIRED, _S.WITHDRAWN, _S.SUPERSEDED, _S.REVOKED, _S.INVALIDATED)
    ]
    + [(_S.EXECUTING, _S.EXECUTED), (_S.EXECUTING, _S.INDETERMINATE), (_S.INDETERMINATE, _S.EXECUTED)]
)


class Answer(StrEnum):
    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, frozen when it is asked. ``view`` is masked; the clear arguments are only in ``sealed``.

    Times are UTC seconds since the epoch. ``excluded`` holds the directory persons who may never decide
    it (requester, delegator, owner of the agent, …). ``agent_reason`` is the agent's own text: untrusted.
    ``decisive`` shows the arguments that decide what happens (recipient, host, target) as far as they may
    be shown. ``bound`` are digests of contents the arguments refer to, ``unbound`` the references whose
    contents nothing binds. ``view_digest`` covers all of it (`request_digest`).
    """

    id: str
    tenant: str
    session: str
    call: str
    ref: CallRef
    tool: str
    tool_ref: str
    args_digest: str
    call_digest: str
    view: Json
    view_digest: str
    decisive: Mapping[str, str] = field(default_factory=dict)
    truncated: bool = False
    sealed: bytes = b""
    requester: Person
    requester_person: str
    assurance: Assurance
    agent: str
    excluded: frozenset[str]
    policy_id: str
    policy_version: str
    policy_sha256: str
    rules: tuple[str, ...]
    because: str
    risk_class: str
    risk_level: str
    evidence: tuple[str, ...] = ()
    approver_rules: tuple[ApproverRule, ...]
    agent_reason: str = ""
    created: float
    expires: float
    claim_ttl: float
    trace_id: str = ""
    span_id: str = ""
    entities: Mapping[str, int] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    unbound: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One person's answer to one request, and what they saw when they gave it."""

    request: str
    answer: Answer
    person: str
    identity: Person
    groups: tuple[str, ...]
    seen_call_digest: str
    seen_view_digest: str
    reason: str
    channel: str
    auth: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The single-use proof that one call may run: the resolution, signed by the approval service."""

    payload: bytes
    signature: bytes
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A request and where it stands. ``version`` counts changes; every change is a compare-and-set on it."""

    request: Request
    state: State = State.PENDING
    version: int = 1
    verdicts: tuple[Verdict, ...] = ()
    grant: Grant | None = None
    grant_expires: float | None = None
    lease_until: float | None = None
    outcome: str = ""
    changed: float = 0.0

    @property
    def id(self) -> str:
        return self.request.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Voter:
    """A person at the moment of a verdict, as the directory knows them."""

    person: str
    identity: Person
    groups: frozenset[str]
    human: bool = True


def is_expired(approval: Approval, now: float) -> bool:
    """Whether time has run out on it, swept or not."""
    if approval.state is State.PENDING:
        return now >= approval.request.expires
    if approval.state is State.APPROVED:
        return approval.grant_expires is None or now >= approval.grant_expires
    return approval.state is State.EXPIRED


def move(approval: Approval, to: State, *, now: float, **changes: object) -> Approval:
    """The approval in its next state.

    Raises:
        ConflictError: the transition is not in the table, or time has run out on it.
    """
    if (approval.state, to) not in TRANSITIONS:
        raise ConflictError(f"an approval cannot go from {approval.state.value!r} to {to.value!r}; read it again")
    if to in (State.APPROVED, State.EXECUTING) and is_expired(approval, now):
        raise ConflictError("the approval has expired; make the call again to ask anew")
    return replace(approval, state=to, version=approval.version + 1, changed=now, **changes)  # type: ignore[arg-type] # fields are checked by replace


def eligible_for(request: Request, voter: Voter) -> tuple[ApproverRule, ...]:
    """The approver rules this voter counts for: none for the excluded and for anyone who is not human."""
    if not voter.human or voter.person in request.excluded:
        return ()
    return tuple(rule for rule in request.approver_rules if _listed(rule, voter.person, voter.groups))


def _listed(rule: ApproverRule, person: str, groups: Iterable[str]) -> bool:
    held = set(groups)
    return any(
        (kind == "person" and name == person) or (kind == "group" and name in held)
        for kind, _, name in (entry.partition(":") for entry in rule.approvers)
    )


def tally(approval: Approval) -> State:
    """Where the verdicts leave the request: any person's latest no is a veto; every rule needs its quorum."""
    latest = {v.person: v for v in sorted(approval.verdicts, key=lambda v: v.at)}
    if any(v.answer is Answer.DENY for v in latest.values()):
        return State.DENIED
    request = approval.request
    counted = [v for v in latest.values() if v.person not in request.excluded and _saw_this(request, v)]
    satisfied = bool(request.approver_rules) and all(
        sum(_listed(rule, v.person, v.groups) for v in counted) >= max(1, rule.quorum)
        for rule in request.approver_rules
    )
    return State.APPROVED if satisfied else State.PENDING


def _saw_this(request: Request, verdict: Verdict) -> bool:
    return verdict.seen_call_digest == request.call_digest and verdict.seen_view_digest == request.view_digest


def add_verdict(approval: Approval, verdict: Verdict, voter: Voter, *, now: float) -> Approval:
    """The approval with one more verdict, in the state the verdicts then give.

    Raises:
        ApprovalError: with ``code`` ``decided``, ``expired``, ``self_approval``, ``not_an_approver``,
            ``stale`` (another request or view was seen) or ``reason_required``.
    """
    if approval.state not in (State.PENDING, State.APPROVED):
        raise ApprovalError(f"this request is already {approval.state.value}; nothing was changed", code="decided")
    if is_expired(approval, now):
        raise ApprovalError("this request has expired; the agent has to ask again", code="expired")
    if approval.state is State.APPROVED and verdict.answer is Answer.APPROVE:
        raise ApprovalError("this request is already approved; nothing was changed", code="decided")
    if voter.person in approval.request.excluded:
        raise ApprovalError("whoever asked for a call cannot decide it; another approver has to", code="self_approval")
    rules = eligible_for(approval.request, voter)
    if not rules:
        raise ApprovalError("you are not an approver of this request; ask someone who is", code="not_an_approver")
    if not _saw_this(approval.request, verdict):
        raise ApprovalError("what you saw is not this request; open it again and look", code="stale")
    if not verdict.reason.strip() and any(rule.reason_required for rule in rules):
        raise ApprovalError("a reason is required; say why in a few words", code="reason_required")
    after = replace(approval, verdicts=(*approval.verdicts, verdict))
    to = tally(after)
    if to is approval.state:
        return replace(after, version=approval.version + 1, changed=now)
    expires = now + approval.request.claim_ttl if to is State.APPROVED else None
    return move(after, to, now=now, grant_expires=expires, grant=None)


def request_digest(key: bytes, request: Request) -> str:
    """Keyed digest over the whole request: what a person sees and says yes to. It is the request's ``view_digest``.

    Who can write to the store but has no key cannot show an approver another request than the one that was asked.
    """
    rest = {f.name: getattr(request, f.name) for f in fields(request) if f.name not in ("view", "view_digest")}
    return keyed_digest(key, "toolguard.view", canonical(rest), canonical(request.view))


def resolution_payload(approval: Approval) -> bytes:
    """The canonical bytes a resolution's signature covers."""
    request = approval.request
    return canonical(
        {
            "v": 1,
            "request": request.id,
            "tenant": request.tenant,
            "state": approval.state.value,
            "args_digest": request.args_digest,
            "call_digest": request.call_digest,
            "view_digest": request.view_digest,
            "rules": list(request.rules),
            "policy_sha256": request.policy_sha256,
            "verdicts": [
                {
                    "answer": v.answer.value,
                    "person": v.person,
                    "identity": v.identity.ref,
                    "groups": sorted(v.groups),
                    "seen": [v.seen_call_digest, v.seen_view_digest],
                    "at": v.at,
                }
                for v in approval.verdicts
            ],
            "grant_expires": approval.grant_expires,
        }
    )
