"""REST beyond single verdicts: revealing, editing, revoking, resolving, emergencies, freezes, standing approvals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from toolguard.authority import Actor, Approval, Authority, Freeze, Review, StandingView, Stats
from toolguard.register import ALL
from toolguard_server.credentials import Credentials
from toolguard_server.problems import more
from toolguard_server.redactions import redaction_routes
from toolguard_server.shapes import ApprovalShape, utc

__all__ = ["act_routes"]

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="32 hex digits")]
Reason = Annotated[str, Field(max_length=2000)]
Show = Callable[[Approval, Actor], JSONResponse]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ReasonBody(_Body):
    """Why."""

    reason: Reason


class GlassBody(_Body):
    """Which request cannot wait, and why."""

    approval: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="32 hex digits")]
    reason: Reason


class RevealBody(_Body):
    """What the values are needed for; kept in the audit trail."""

    purpose: Annotated[str, Field(min_length=1, max_length=200)]


class RevealedShape(BaseModel):
    """Decisive arguments in clear. Send ``digest`` as ``seen_decisive`` with your answer."""

    values: dict[str, str]
    digest: str


class ProposalBody(_Body):
    """Other arguments, with the tokens that were shown in place of identifiers."""

    arguments: dict[str, Any]
    reason: Reason


class ResolveBody(_Body):
    """What became of a call whose end nobody saw."""

    ran: bool
    evidence: Annotated[str, Field(min_length=1, max_length=2000)]


class FreezeBody(_Body):
    """``agent`` alone, or with null every agent of your tenant; ``everyone``: every tenant."""

    agent: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    everyone: bool = False
    reason: Reason


class FreezeShape(BaseModel):
    id: str
    agent: str | None
    everyone: bool
    person: str
    at: str
    reason: str


class VaryShape(BaseModel):
    argument: str
    at_most: float | None


class StandingShape(BaseModel):
    """A yes that stands for calls like the one it was given for."""

    id: str
    approval: str
    requester: str
    agent: str
    tool: str
    risk_level: str
    session_only: bool
    vary: list[VaryShape]
    used: int
    uses: int
    since: str
    expires: str
    approvers: list[str]


class ReviewBody(_Body):
    """What a second person thinks of an emergency."""

    finding: Literal["justified", "not_justified"]
    reason: Reason


class ReviewShape(BaseModel):
    """An emergency that nobody else has looked at yet."""

    id: str
    approval: str
    person: str
    agent: str
    since: str
    expires: str
    reason: str
    used: int


class ApproverStatsShape(BaseModel):
    """One person's answers. ``fast``: within a second of the request, in which nobody has read it."""

    person: str
    approved: int
    denied: int
    approve_rate: float
    median_seconds: float
    fast: int
    over_budget: int


class FavoursShape(BaseModel):
    """Two persons who approve each other's requests."""

    one: str
    other: str
    forth: int
    back: int


class StatsShape(BaseModel):
    """``alike`` are groups of requests that differ in one argument at most."""

    since: str
    requests: int
    approvers: list[ApproverStatsShape]
    favours: list[FavoursShape]
    alike: list[list[str]]
    open_reviews: int
    truncated: bool


def act_routes(authority: Authority, credentials: Credentials, shown: Show) -> APIRouter:
    """The routes; ``shown`` gives an approval as the API shows it."""
    api = APIRouter()

    @api.post(
        "/approvals/{approval_id}/reveal",
        response_model=RevealedShape,
        responses=more(s409="already decided"),
        summary="See decisive arguments in clear (an eligible approver; recorded)",
    )
    def reveal(request: Request, approval_id: Id, body: RevealBody) -> JSONResponse:
        found = authority.reveal(credentials.person(request), approval_id, purpose=body.purpose)
        shape = RevealedShape(values=dict(found.values), digest=found.digest)
        return JSONResponse(shape.model_dump(), headers={"Cache-Control": "no-store"})

    @api.post(
        "/approvals/{approval_id}/proposal",
        response_model=ApprovalShape,
        responses=more(s409="already decided"),
        summary="Ask for other arguments instead: the agent has to make that call anew",
    )
    def propose(request: Request, approval_id: Id, body: ProposalBody) -> JSONResponse:
        actor = credentials.person(request)
        return shown(authority.propose(actor, approval_id, body.arguments, reason=body.reason), actor)

    @api.post(
        "/approvals/{approval_id}/revoke",
        response_model=ApprovalShape,
        responses=more(s409="not approved, or running already"),
        summary="Take a yes back",
    )
    def revoke(request: Request, approval_id: Id, body: ReasonBody) -> JSONResponse:
        actor = credentials.person(request)
        return shown(authority.revoke(actor, approval_id, reason=body.reason), actor)

    @api.post(
        "/approvals/{approval_id}/resolve",
        response_model=ApprovalShape,
        responses=more(s409="not indeterminate"),
        summary="Say what became of a call whose end nobody saw",
    )
    def resolve(request: Request, approval_id: Id, body: ResolveBody) -> JSONResponse:
        actor = credentials.person(request)
        return shown(authority.resolve(actor, approval_id, ran=body.ran, evidence=body.evidence), actor)

    @api.post(
        "/break-glass",
        response_model=ApprovalShape,
        responses=more(s409="already decided"),
        summary="Go ahead without an approval, in an emergency (second factor; reviewed afterwards)",
    )
    def break_glass(request: Request, body: GlassBody) -> JSONResponse:
        actor = credentials.person(request)
        return shown(authority.break_glass(actor, body.approval, reason=body.reason), actor)

    @api.get("/freeze", response_model=list[FreezeShape], summary="What is frozen")
    def freezes(request: Request) -> list[FreezeShape]:
        return [_freeze(f) for f in authority.freezes(credentials.person(request))]

    @api.post(
        "/freeze",
        response_model=FreezeShape,
        status_code=201,
        summary="Freeze an agent, your tenant or everyone (second factor, if you have one)",
    )
    def freeze(request: Request, body: FreezeBody) -> FreezeShape:
        actor = credentials.person_once_more(request)
        return _freeze(authority.freeze(actor, agent=body.agent, everyone=body.everyone, reason=body.reason))

    @api.post(
        "/freeze/{freeze_id}/lift",
        status_code=204,
        responses=more(s409="lifted already"),
        summary="Lift a freeze (second factor, if you have one)",
    )
    def unfreeze(request: Request, freeze_id: Id, body: ReasonBody) -> None:
        authority.unfreeze(credentials.person_once_more(request), freeze_id, reason=body.reason)

    @api.get("/standing-approvals", response_model=list[StandingShape], summary="Standing approvals in force")
    def standings(request: Request) -> list[StandingShape]:
        return [_standing(s) for s in authority.standings(credentials.person(request))]

    @api.post("/standing-approvals/{standing_id}/end", status_code=204, summary="End a standing approval")
    def end_standing(request: Request, standing_id: Id, body: ReasonBody) -> None:
        authority.end_standing(credentials.person(request), standing_id, reason=body.reason)

    @api.get("/reviews", response_model=list[ReviewShape], summary="Emergencies nobody else has looked at")
    def reviews(request: Request) -> list[ReviewShape]:
        return [_review(r) for r in authority.reviews(credentials.person(request))]

    @api.post(
        "/reviews/{subject}",
        status_code=204,
        responses=more(s409="reviewed already"),
        summary="Sign a review of an emergency, another act, or a call",
    )
    def review(request: Request, subject: Id, body: ReviewBody) -> None:
        authority.sign_review(credentials.person(request), subject, finding=body.finding, reason=body.reason)

    @api.get(
        "/stats",
        response_model=StatsShape,
        summary="How approvers decide: counts, speed, pairs that approve each other",
    )
    def stats(request: Request, hours: Annotated[float, Query(gt=0, le=24 * 366)] = 168.0) -> StatsShape:
        actor = credentials.person(request)
        return _stats(authority.stats(actor, since=authority.now() - hours * 3600.0))

    redaction_routes(api, authority, credentials)
    return api


def _freeze(freeze: Freeze) -> FreezeShape:
    return FreezeShape(
        id=freeze.id,
        agent=freeze.agent or None,
        everyone=freeze.tenant == ALL,
        person=freeze.person,
        at=utc(freeze.at),
        reason=freeze.reason,
    )


def _standing(view: StandingView) -> StandingShape:
    s = view.standing
    return StandingShape(
        id=s.id,
        approval=s.approval,
        requester=s.person,
        agent=s.agent,
        tool=s.tool,
        risk_level=s.level.label,
        session_only=s.terms.session_only,
        vary=[VaryShape(argument=v.argument, at_most=v.at_most) for v in s.terms.vary],
        used=view.used,
        uses=s.terms.uses,
        since=utc(s.begins),
        expires=utc(s.expires),
        approvers=list(s.approvers),
    )


def _review(review: Review) -> ReviewShape:
    glass = review.glass
    return ReviewShape(
        id=glass.id,
        approval=glass.approval,
        person=glass.person,
        agent=glass.agent,
        since=utc(glass.begins),
        expires=utc(glass.expires),
        reason=glass.reason,
        used=review.used,
    )


def _stats(stats: Stats) -> StatsShape:
    return StatsShape(
        since=utc(stats.since),
        requests=stats.requests,
        approvers=[
            ApproverStatsShape(
                person=a.person,
                approved=a.approved,
                denied=a.denied,
                approve_rate=a.approve_rate,
                median_seconds=a.median_s,
                fast=a.fast,
                over_budget=a.over_budget,
            )
            for a in stats.approvers
        ],
        favours=[FavoursShape(one=f.one, other=f.other, forth=f.forth, back=f.back) for f in stats.favours],
        alike=[list(group) for group in stats.alike],
        open_reviews=stats.open_reviews,
        truncated=stats.truncated,
    )
