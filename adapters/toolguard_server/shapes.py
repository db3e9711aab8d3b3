"""What the REST API takes and gives."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from toolguard.authority import Approval, AuditRecord, Authority, StandingTerms, State, Vary, is_expired

__all__ = [
    "ApprovalShape",
    "ConfirmBody",
    "DecisionBody",
    "EventShape",
    "PageShape",
    "describe",
    "event_of",
    "standing",
    "utc",
]

Digest = Annotated[str, Field(max_length=200)]


class ConfirmBody(BaseModel):
    """What a guard is about to claim."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    call_digest: Digest


class VaryBody(BaseModel):
    """An argument in which later calls may differ: by any value, or by any number up to ``at_most``."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    argument: Annotated[str, Field(min_length=1, max_length=200)]
    at_most: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None


class StandingBody(BaseModel):
    """Let a yes stand for calls like this one: ``uses`` of them within ``seconds``."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    uses: Annotated[int, Field(ge=1)]
    session_only: bool = False
    vary: Annotated[list[VaryBody], Field(max_length=20)] = []

    def terms(self) -> StandingTerms:
        return StandingTerms(
            seconds=self.seconds,
            uses=self.uses,
            session_only=self.session_only,
            vary=tuple(Vary(argument=v.argument, at_most=v.at_most) for v in self.vary),
        )


class DecisionBody(BaseModel):
    """A person's answer, bound to what they saw. ``seen_decisive`` is the digest that revealing gave."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    answer: Literal["approve", "deny"]
    reason: Annotated[str, Field(max_length=2000)] = ""
    seen_call_digest: Digest
    seen_view_digest: Digest
    seen_decisive: Digest = ""
    standing: StandingBody | None = None


class RequesterShape(BaseModel):
    """Who asks. ``assurance`` is ``verified`` or ``asserted`` (the application says so)."""

    person: str
    name: str
    assurance: str
    agent: str
    run: str


class RiskShape(BaseModel):
    risk_class: str
    level: str
    evidence: list[str]


class PolicyShape(BaseModel):
    id: str
    version: str
    sha256: str
    rules: list[str]
    because: str


class StageShape(BaseModel):
    approvers: list[str]
    quorum: int


class StandingLimitsShape(BaseModel):
    seconds: float
    uses: int


class ApproverRuleShape(BaseModel):
    name: str
    approvers: list[str]
    quorum: int
    reason_required: bool
    step_up: bool
    stages: list[StageShape]
    standing: StandingLimitsShape | None
    break_glass: bool


class VerdictShape(BaseModel):
    person: str
    answer: str
    reason: str
    channel: str
    at: str


class ApprovalShape(BaseModel):
    """One approval. ``arguments`` and ``decisive`` are masked, ``hidden`` names what decides it and is shown in part
    only (reveal it before you approve); ``proposal`` is what an approver asks for instead; ``agent_reason`` is the agent's own, untrusted text.

    ``contents_bound`` holds, by argument, the digest of what it refers to: another content is not approved.
    ``contents_not_bound`` names arguments that refer to something which may change after the answer.
    Times are RFC 3339, UTC. ``state`` says ``expired`` as soon as time has run out. ``journal`` is the journal's stamp
    (log, size, root), to be kept with the message: it shows later that nothing before it was changed.
    """

    id: str
    version: int
    state: str
    tenant: str
    tool: str
    arguments: Any
    decisive: dict[str, str]
    hidden: list[str]
    contents_bound: dict[str, str]
    contents_not_bound: list[str]
    truncated: bool
    agent_reason: str
    requester: RequesterShape
    risk: RiskShape
    policy: PolicyShape
    approver_rules: list[ApproverRuleShape]
    verdicts: list[VerdictShape]
    args_digest: str
    call_digest: str
    view_digest: str
    created: str
    expires: str
    grant_expires: str | None
    outcome: str
    proposal: Any
    can_decide: bool
    journal: str


class PageShape(BaseModel):
    """A page, newest first. ``next_cursor`` is null at the end."""

    items: list[ApprovalShape]
    next_cursor: str | None


class EventShape(BaseModel):
    """A record of the journal: ids, enums, counts, keyed digests and times. ``log``, ``seq`` and ``hash`` are its place."""

    log: str
    seq: int
    hash: str
    kind: str
    at: str
    trace: str
    span: str
    parent: str
    body: dict[str, Any]


def event_of(record: AuditRecord) -> EventShape:
    """The record as the API gives it."""
    draft = record.draft
    return EventShape(
        log=record.log_id,
        seq=record.seq,
        hash=record.hash,
        kind=draft.kind.value,
        at=utc(draft.at),
        trace=draft.trace_id,
        span=draft.span_id,
        parent=draft.parent_id,
        body=dict(draft.body),
    )


def utc(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def standing(approval: Approval, now: float) -> State:
    """The state as it is by now: what has run out is expired, swept or not."""
    return State.EXPIRED if is_expired(approval, now) else approval.state


def describe(approval: Approval, authority: Authority, *, can_decide: bool) -> ApprovalShape:
    """The approval as the API gives it."""
    request = approval.request
    return ApprovalShape(
        id=approval.id,
        version=approval.version,
        state=standing(approval, authority.now()).value,
        tenant=request.tenant,
        tool=request.tool,
        arguments=request.view,
        decisive=dict(request.decisive),
        hidden=list(request.hidden),
        contents_bound=dict(request.bound),
        contents_not_bound=list(request.unbound),
        truncated=request.truncated,
        agent_reason=request.agent_reason,
        requester=RequesterShape(
            person=request.requester_person,
            name=authority.name_of(approval),
            assurance=request.assurance.value,
            agent=request.agent,
            run=request.ref.run,
        ),
        risk=RiskShape(risk_class=request.risk_class, level=request.risk_level, evidence=list(request.evidence)),
        policy=PolicyShape(
            id=request.policy_id,
            version=request.policy_version,
            sha256=request.policy_sha256,
            rules=list(request.rules),
            because=request.because,
        ),
        approver_rules=[
            ApproverRuleShape(
                name=rule.name,
                approvers=list(rule.approvers),
                quorum=rule.quorum,
                reason_required=rule.reason_required,
                step_up=rule.step_up,
                stages=[StageShape(approvers=list(s.approvers), quorum=s.quorum) for s in rule.stages],
                standing=None
                if rule.standing is None
                else StandingLimitsShape(seconds=rule.standing.seconds, uses=rule.standing.uses),
                break_glass=bool(rule.break_glass),
            )
            for rule in request.approver_rules
        ],
        verdicts=[
            VerdictShape(person=v.person, answer=v.answer.value, reason=v.reason, channel=v.channel, at=utc(v.at))
            for v in approval.verdicts
        ],
        args_digest=request.args_digest,
        call_digest=request.call_digest,
        view_digest=request.view_digest,
        created=utc(request.created),
        expires=utc(request.expires),
        grant_expires=None if approval.grant_expires is None else utc(approval.grant_expires),
        outcome=approval.outcome,
        proposal=approval.proposal,
        can_decide=can_decide,
        journal=authority.stamp(),
    )
