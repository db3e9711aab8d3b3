"""REST: deleting what is kept beside records, by two persons, and putting it under legal hold."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from toolguard.authority import Authority, Hold, Redaction
from toolguard_server.credentials import Credentials
from toolguard_server.problems import more
from toolguard_server.shapes import utc

__all__ = ["redaction_routes"]

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="32 hex digits")]
Reason = Annotated[str, Field(max_length=2000)]
Target = Annotated[str, Field(max_length=300)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class WhyBody(_Body):
    """Why."""

    reason: Reason


class RedactionBody(_Body):
    """``target`` as records name it: ``LOG:NUMBER``, a call's id, ``toolguard.session.id`` or ``toolguard.actor.id``."""

    scope: Literal["record", "call", "session", "actor"]
    target: Annotated[Target, Field(min_length=1)]
    reason: Reason


class RedactionShape(BaseModel):
    """What was proposed. ``contents``: how many contents it deletes once another person confirms it."""

    id: str
    scope: str
    target: str
    contents: int
    person: str
    at: str
    reason: str


class RedactedShape(BaseModel):
    """How many contents were deleted."""

    contents: int


class HoldBody(_Body):
    """As of a redaction; ``tenant`` takes no target."""

    scope: Literal["record", "call", "session", "actor", "tenant"]
    target: Target = ""
    reason: Reason


class HoldShape(BaseModel):
    """A legal hold. ``lift_by`` has proposed to lift it; ``""``: nobody has."""

    id: str
    scope: str
    target: str
    person: str
    at: str
    reason: str
    lift_by: str


class LiftedShape(BaseModel):
    """Whether the hold is lifted now, or waits for a second person."""

    lifted: bool


def redaction_routes(api: APIRouter, authority: Authority, credentials: Credentials) -> None:
    """Add the routes to ``api``."""

    @api.get("/redactions", response_model=list[RedactionShape], summary="Redactions that wait for a second person")
    def redactions(request: Request) -> list[RedactionShape]:
        return [_redaction(r) for r in authority.redactions(credentials.person(request))]

    @api.post(
        "/redactions",
        response_model=RedactionShape,
        status_code=201,
        responses=more(s409="under legal hold"),
        summary="Propose to delete what is kept beside records",
    )
    def propose_redaction(request: Request, body: RedactionBody) -> RedactionShape:
        actor = credentials.person(request)
        found = authority.propose_redaction(actor, scope=body.scope, target=body.target, reason=body.reason)
        return _redaction(found)

    @api.post(
        "/redactions/{redaction_id}/confirm",
        response_model=RedactedShape,
        responses=more(s409="under legal hold"),
        summary="Delete it, as another person than who proposed it",
    )
    def confirm_redaction(request: Request, redaction_id: Id, body: WhyBody) -> RedactedShape:
        actor = credentials.person(request)
        return RedactedShape(contents=authority.confirm_redaction(actor, redaction_id, reason=body.reason))

    @api.get("/holds", response_model=list[HoldShape], summary="What is under legal hold")
    def holds(request: Request) -> list[HoldShape]:
        return [_hold(h) for h in authority.holds(credentials.person(request))]

    @api.post("/holds", response_model=HoldShape, status_code=201, summary="Put what is kept under legal hold")
    def hold(request: Request, body: HoldBody) -> HoldShape:
        actor = credentials.person(request)
        return _hold(authority.hold(actor, scope=body.scope, target=body.target, reason=body.reason))

    @api.post(
        "/holds/{hold_id}/lift",
        response_model=LiftedShape,
        summary="Propose to lift a hold, or as a second person lift it",
    )
    def lift_hold(request: Request, hold_id: Id, body: WhyBody) -> LiftedShape:
        return LiftedShape(lifted=authority.lift_hold(credentials.person(request), hold_id, reason=body.reason))


def _redaction(r: Redaction) -> RedactionShape:
    return RedactionShape(
        id=r.id,
        scope=r.scope,
        target=r.target,
        contents=len(r.contents),
        person=r.person,
        at=utc(r.at),
        reason=r.reason,
    )


def _hold(h: Hold) -> HoldShape:
    return HoldShape(
        id=h.id, scope=h.scope, target=h.target, person=h.person, at=utc(h.at), reason=h.reason, lift_by=h.lift_by
    )
