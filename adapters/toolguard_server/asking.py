"""What a guard without a database sends: its request, as the store keeps it, and how a call ended."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from toolguard.authority import (
    Approval,
    ApproverRule,
    Assurance,
    CallRef,
    Ended,
    Escalation,
    Grant,
    Person,
    Request,
    Stage,
    StandingLimits,
)
from toolguard_server.shapes import ApprovalShape, utc

__all__ = [
    "AskBody",
    "ClaimBody",
    "ClaimedShape",
    "HeldShape",
    "OutcomeBody",
    "RegisterShape",
    "UseBody",
    "UsedShape",
    "claimed",
    "grant_of",
    "signed_shape",
]

Name = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(max_length=4096)]
Digest = Annotated[str, Field(min_length=1, max_length=200)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Moment = Annotated[float, Field(gt=0, lt=1e11, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)]
Entry = Annotated[str, Field(pattern=r"^(person|group|oncall):.+$", max_length=256)]
Entries = Annotated[list[Entry], Field(max_length=100)]
Quorum = Annotated[int, Field(ge=1, le=100)]
_SEALED = 128 * 1024
_DEEP = 32


def _is_base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    return text


def _is_shallow(value: Any) -> Any:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEEP:
            raise ValueError("too deep")
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
        ]
    return value


Sealed = Annotated[str, Field(max_length=_SEALED), AfterValidator(_is_base64)]
View = Annotated[Any, AfterValidator(_is_shallow)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CallBody(_Body):
    """Which call it is: the run, the provider's call id, the position in the message."""

    run: Name
    call_id: Name
    ordinal: Annotated[int, Field(ge=0, le=10_000)] = 0

    def ref(self) -> CallRef:
        return CallRef(run=self.run, call_id=self.call_id, ordinal=self.ordinal)


class PersonBody(_Body):
    """A person as an issuer names them."""

    issuer: Name
    tenant: Name
    subject: Name


class StageBody(_Body):
    approvers: Entries
    quorum: Quorum = 1


class EscalationBody(_Body):
    after: Seconds
    approvers: Entries


class StandingLimitsBody(_Body):
    seconds: Seconds
    uses: Annotated[int, Field(ge=1)]


class RuleBody(_Body):
    """Who may approve, as the guard's policy says."""

    name: Name
    approvers: Entries
    quorum: Quorum = 1
    then: Annotated[list[StageBody], Field(max_length=10)] = []
    escalate: Annotated[list[EscalationBody], Field(max_length=10)] = []
    fallback: Entries = []
    expires: Seconds = 3600.0
    claim_ttl: Seconds = 900.0
    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = "inbox"
    remind: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)] = 0.0
    reason_required: bool = True
    verified_requester: bool = False
    step_up: bool = False
    reveal: bool = True
    standing: StandingLimitsBody | None = None
    budget: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    denial_memory: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)] = 900.0
    break_glass: Entries = []
    break_glass_for: Seconds = 1800.0

    def rule(self) -> ApproverRule:
        plain = self.model_dump(exclude={"approvers", "then", "escalate", "fallback", "standing", "break_glass"})
        return ApproverRule(
            **plain,
            approvers=tuple(self.approvers),
            then=tuple(Stage(approvers=tuple(s.approvers), quorum=s.quorum) for s in self.then),
            escalate=tuple(Escalation(after=e.after, approvers=tuple(e.approvers)) for e in self.escalate),
            fallback=tuple(self.fallback),
            standing=None
            if self.standing is None
            else StandingLimits(seconds=self.standing.seconds, uses=self.standing.uses),
            break_glass=tuple(self.break_glass),
        )


Names = Annotated[list[Name], Field(max_length=200)]
Texts = Annotated[list[Text], Field(max_length=100)]
Digests = Annotated[dict[Name, Digest], Field(max_length=500)]


class AskBody(_Body):
    """A request, frozen as the guard made it: the store keeps exactly this, and ``view_digest`` covers all of it.

    ``view`` is masked; clear arguments are only in ``sealed`` (which the service cannot open) and ``sealed_decisive``
    (which it opens for an entitled approver, where revealing is switched on), both base64. ``created`` and ``expires``
    are UTC seconds by the guard's clock, which may be off by 30 s.
    """

    id: Hex
    tenant: Name
    session: Name
    call: Hex
    ref: CallBody
    tool: Name
    tool_ref: Text
    args_digest: Digest
    call_digest: Digest
    view: View
    view_digest: Digest
    decisive: Annotated[dict[Name, Text], Field(max_length=100)] = {}
    truncated: bool = False
    sealed: Sealed = ""
    requester: PersonBody
    requester_person: Name
    assurance: Literal["verified", "asserted"]
    agent: Name
    excluded: Names
    policy_id: Name
    policy_version: Annotated[str, Field(max_length=256)]
    policy_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rules: Names
    because: Text
    risk_class: Name
    risk_level: Name
    evidence: Texts = []
    approver_rules: Annotated[list[RuleBody], Field(min_length=1, max_length=20)]
    agent_reason: Text = ""
    created: Moment
    expires: Moment
    claim_ttl: Seconds
    trace_id: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""
    span_id: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")] = ""
    entities: Annotated[dict[Name, Annotated[int, Field(ge=0)]], Field(max_length=100)] = {}
    hidden: Names = []
    sealed_decisive: Sealed = ""
    target: Annotated[str, Field(max_length=200)] = ""
    subject: Annotated[str, Field(max_length=200)] = ""
    arg_digests: Digests = {}
    fallback: Names = []
    bound: Digests = {}
    unbound: Names = []
    risk_classes: Names = []

    def request(self) -> Request:
        """As the store keeps it."""
        made: dict[str, Any] = {
            "ref": self.ref.ref(),
            "requester": Person(**self.requester.model_dump()),
            "assurance": Assurance(self.assurance),
            "excluded": frozenset(self.excluded),
            "rules": tuple(self.rules),
            "evidence": tuple(self.evidence),
            "approver_rules": tuple(rule.rule() for rule in self.approver_rules),
            "hidden": tuple(self.hidden),
            "fallback": frozenset(self.fallback),
            "unbound": tuple(self.unbound),
            "risk_classes": tuple(self.risk_classes),
            "sealed": base64.b64decode(self.sealed),
            "sealed_decisive": base64.b64decode(self.sealed_decisive),
        }
        plain: dict[str, Any] = self.model_dump(exclude=set(made))
        return Request(**plain, **made)


class ClaimBody(_Body):
    """What is about to run, and the seconds it may take. ``nonce`` (random) comes back in the signed receipt."""

    call_digest: Digest
    lease: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 300.0
    nonce: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""


class UseBody(_Body):
    """A call that an act of the register (a standing approval, or broken glass) lets run, and a random ``nonce``."""

    act: Hex
    tool: Name
    run: Name
    call_id: Name
    ordinal: Annotated[int, Field(ge=0, le=10_000)] = 0
    call: Hex
    call_digest: Digest
    nonce: Hex

    def ref(self) -> CallRef:
        return CallRef(run=self.run, call_id=self.call_id, ordinal=self.ordinal)


class OutcomeBody(_Body):
    """How a claimed call ended. ``error`` is an exception's class, never its text."""

    call_digest: Digest
    ended: Ended
    error: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,63})?$")] = ""
    withheld: bool = False


class GrantShape(BaseModel):
    """The resolution as the service signed it (Ed25519): base64 bytes, to be checked with the key the guard has pinned."""

    payload: str
    signature: str
    key_id: str


class RegisterShape(BaseModel):
    """Acts of the tenant's register, and of that of all tenants, as the service signed them. ``receipt`` says, signed with
    your nonce, where both end: ask again until you are there.
    """

    acts: list[GrantShape]
    all_acts: list[GrantShape]
    receipt: GrantShape


class HeldShape(ApprovalShape):
    """An approval as its guard sees it: with what was signed, once something was."""

    grant: GrantShape | None


class UsedShape(BaseModel):
    """One use was counted for this call; ``receipt`` says so, signed with your nonce."""

    receipt: GrantShape


class ClaimedShape(BaseModel):
    """The one execution is the guard's, until ``lease_until``. ``grant`` is what it was approved by; ``receipt``, signed
    with your nonce, that this was said now and to you.
    """

    id: str
    version: int
    state: str
    call_digest: str
    lease_until: str
    grant: GrantShape
    receipt: GrantShape


def grant_of(approval: Approval) -> GrantShape | None:
    return None if approval.grant is None else signed_shape(approval.grant)


def signed_shape(signed: Grant) -> GrantShape:
    """Signed bytes as the API gives them."""
    return GrantShape(
        payload=base64.b64encode(signed.payload).decode(),
        signature=base64.b64encode(signed.signature).decode(),
        key_id=signed.key_id,
    )


def claimed(approval: Approval, receipt: Grant) -> ClaimedShape:
    """A claim as its guard is told of it."""
    grant, until = grant_of(approval), approval.lease_until
    assert grant is not None  # noqa: S101 - narrows the type; what is not signed is not claimed
    assert until is not None  # noqa: S101 - as above
    return ClaimedShape(
        id=approval.id,
        version=approval.version,
        state=approval.state.value,
        call_digest=approval.request.call_digest,
        lease_until=utc(until),
        grant=grant,
        receipt=signed_shape(receipt),
    )
