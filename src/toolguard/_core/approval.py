"""Approvals: a request for one exact call, the verdicts people give, and the states between them.

The table `TRANSITIONS` is the whole of what may happen; everything else raises. State is recomputed from
the verdicts, never counted up. Expiry stands in the predicates: a clock that was not swept changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum, StrEnum

from toolguard._core.approver import ApproverRule
from toolguard._core.call import Assurance, CallRef, Json, Person, canonical, keyed_digest
from toolguard.errors import ConflictError
from toolguard.shown import Shown

__all__ = [
    "TRANSITIONS",
    "Answer",
    "Approval",
    "Assured",
    "Grant",
    "Request",
    "StandingTerms",
    "State",
    "Vary",
    "Verdict",
    "is_expired",
    "is_granted",
    "move",
    "request_digest",
    "resolution_payload",
    "terms_body",
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
    BREAK_GLASS = "break_glass"
    """A person broke the glass: it may run once without an approval, and somebody reviews that afterwards."""

    @property
    def is_open(self) -> bool:
        """Something can still happen to it."""
        return any(source is self for source, _ in TRANSITIONS)


_S = State
_VOID = (_S.DENIED, _S.EXPIRED, _S.WITHDRAWN, _S.SUPERSEDED, _S.INVALIDATED)
TRANSITIONS: frozenset[tuple[State, State]] = frozenset(
    [(_S.PENDING, to) for to in (_S.APPROVED, _S.BREAK_GLASS, _S.UNDELIVERABLE, *_VOID)]
    + [(_S.APPROVED, to) for to in (_S.EXECUTING, _S.REVOKED, *_VOID)]
    + [(_S.BREAK_GLASS, to) for to in (_S.EXECUTING, _S.REVOKED, _S.EXPIRED, _S.WITHDRAWN, _S.INVALIDATED)]
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
    be shown, and ``hidden`` names those that are shown in part only; ``sealed_decisive`` holds them in clear for
    the service, where it may reveal them. ``target`` is a keyed digest of what the call is aimed at, ``subject`` of the
    patient it concerns, ``arg_digests`` of each argument (to compare calls, never to run them). ``fallback`` names
    the approver rules whose first stage had nobody. ``bound`` are digests of contents the arguments refer to,
    ``unbound`` the references whose contents nothing binds. ``risk_classes`` are all that any evidence speaks for.
    ``view_digest`` covers all of it (`request_digest`).
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
    hidden: tuple[str, ...] = ()
    sealed_decisive: bytes = b""
    target: str = ""
    subject: str = ""
    arg_digests: Mapping[str, str] = field(default_factory=dict)
    fallback: frozenset[str] = frozenset()
    bound: Mapping[str, str] = field(default_factory=dict)
    unbound: tuple[str, ...] = ()
    risk_classes: tuple[str, ...] = ()


class Assured(IntEnum):
    """How surely the service knows who gave a verdict."""

    SINGLE = 1
    """One factor: a token, a sign-in link, a chat account."""
    STEPPED_UP = 2
    """A second factor, proved again for this verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vary:
    """An argument in which later calls may differ: by any value, or by any number up to ``at_most``."""

    argument: str
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingTerms:
    """What an approver lets stand beyond this one call: ``uses`` calls within ``seconds``, alike but for ``vary``."""

    seconds: float
    uses: int
    session_only: bool = False
    vary: tuple[Vary, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One person's answer to one request, and what they saw when they gave it.

    ``acting`` are the entries they filled for someone else, as (entry, that person). ``seen_decisive_digest``
    shows that the decisive arguments were revealed to them. ``over_budget`` asks for one person more.
    """

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
    assured: Assured = Assured.SINGLE
    acting: tuple[tuple[str, str], ...] = ()
    seen_decisive_digest: str = ""
    over_budget: bool = False
    standing: StandingTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The single-use proof that one call may run: the resolution, signed by the approval service."""

    payload: bytes
    signature: bytes
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Shown):
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
    proposal: Json = None
    """Other arguments an approver asks for instead, in the session's tokens (state SUPERSEDED)."""
    editor: str = ""
    """Who proposed them: they cannot approve what comes of it."""

    @property
    def id(self) -> str:
        return self.request.id


def is_granted(state: State) -> bool:
    """Whether it may be claimed: by a yes, or by broken glass."""
    return state in (State.APPROVED, State.BREAK_GLASS)


def is_expired(approval: Approval, now: float) -> bool:
    """Whether time has run out on it, swept or not."""
    if approval.state is State.PENDING:
        return now >= approval.request.expires
    if is_granted(approval.state):
        return approval.grant_expires is None or now >= approval.grant_expires
    return approval.state is State.EXPIRED


def move(approval: Approval, to: State, *, now: float, **changes: object) -> Approval:
    """The approval in its next state.

    Raises:
        ConflictError: the transition is not in the table, or time has run out on it.
    """
    if (approval.state, to) not in TRANSITIONS:
        raise ConflictError(f"an approval cannot go from {approval.state.value!r} to {to.value!r}; read it again")
    if to in (State.APPROVED, State.BREAK_GLASS, State.EXECUTING) and is_expired(approval, now):
        raise ConflictError("the approval has expired; make the call again to ask anew")
    return replace(approval, state=to, version=approval.version + 1, changed=now, **changes)  # type: ignore[arg-type] # fields are checked by replace


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
            "v": 2,
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
                    "acting": [list(pair) for pair in v.acting],
                    "seen": [v.seen_call_digest, v.seen_view_digest, v.seen_decisive_digest],
                    "reason": v.reason,
                    "channel": v.channel,
                    "auth": [v.auth, int(v.assured)],
                    "over_budget": v.over_budget,
                    "standing": _terms(v.standing),
                    "at": v.at,
                }
                for v in approval.verdicts
            ],
            "grant_expires": approval.grant_expires,
            "proposal": approval.proposal,
            "editor": approval.editor,
        }
    )


def _terms(terms: StandingTerms | None) -> Json:
    return None if terms is None else terms_body(terms)


def terms_body(terms: StandingTerms) -> dict[str, Json]:
    """The terms as JSON, as they are signed and shown."""
    return {
        "seconds": terms.seconds,
        "uses": terms.uses,
        "session_only": terms.session_only,
        "vary": [{"argument": v.argument, "at_most": v.at_most} for v in terms.vary],
    }
