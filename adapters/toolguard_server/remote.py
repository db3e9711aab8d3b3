"""REST for guards without a database: ask, find, claim, report. A service token only; nothing here decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse

from toolguard.authority import Approval, Authority, CallRef
from toolguard.authority.confirm import Confirming
from toolguard_server.asking import (
    AskBody,
    ClaimBody,
    ClaimedShape,
    HeldShape,
    OutcomeBody,
    RegisterShape,
    UseBody,
    UsedShape,
    claimed,
    grant_of,
    signed_shape,
)
from toolguard_server.credentials import Credentials
from toolguard_server.problems import Problem, more
from toolguard_server.shapes import describe

__all__ = ["remote_routes"]

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="32 hex digits")]
Name = Annotated[str, Query(min_length=1, max_length=256)]
Place = Annotated[int, Query(ge=0, le=2**53, description="the number of the last act you have")]
IfMatch = Annotated[str | None, Header(description="the ETag you checked", max_length=64)]


def remote_routes(
    authority: Authority,
    credentials: Credentials,
    confirming: Confirming | None,
    version: Callable[[str | None], int],
) -> APIRouter:
    """The routes; ``version`` reads an If-Match."""
    api = APIRouter()

    def held(approval: Approval, status: int = 200) -> JSONResponse:
        shape = HeldShape(
            **describe(approval, authority, can_decide=False).model_dump(), grant=grant_of(approval)
        ).model_dump()
        headers = {"ETag": f'"{approval.version}"', "Cache-Control": "no-store"}
        if status == 201:
            headers["Location"] = f"/v1/approvals/{approval.id}"
        return JSONResponse(shape, status_code=status, headers=headers)

    @api.post(
        "/approvals",
        status_code=201,
        response_model=HeldShape,
        responses=more(s409="another request of this call, or frozen", s413="too large", s429="asked too often"),
        summary="Ask for an approval (a guard's service token only)",
    )
    def ask(request: Request, body: AskBody) -> JSONResponse:
        return held(authority.request(credentials.actor(request), body.request()), 201)

    @api.get(
        "/approvals/by-call",
        response_model=HeldShape,
        summary="The newest approval of a call (a guard's service token only)",
    )
    def by_call(
        request: Request, run: Name, call_id: Name, ordinal: Annotated[int, Query(ge=0, le=10_000)] = 0
    ) -> JSONResponse:
        return held(authority.find(credentials.actor(request), CallRef(run=run, call_id=call_id, ordinal=ordinal)))

    @api.post(
        "/approvals/{approval_id}/claim",
        response_model=ClaimedShape,
        responses=more(
            s409="not approved, claimed before, or void",
            s410="expired",
            s412="not what you checked",
            s428="no If-Match",
        ),
        summary="Take the one execution of an approved call (a guard's service token only)",
    )
    def claim(request: Request, approval_id: Id, body: ClaimBody, if_match: IfMatch = None) -> JSONResponse:
        actor = credentials.actor(request)
        if request.headers.get("idempotency-key") is not None:
            raise Problem("invalid", "a claim is given once and never repeated; send it without Idempotency-Key")
        after = authority.claim(
            actor,
            approval_id,
            version=version(if_match),
            call_digest=body.call_digest,
            lease=body.lease,
            confirm=None if confirming is None else lambda: confirming.confirm(actor, approval_id, body.call_digest),
        )
        return JSONResponse(
            claimed(after, authority.claim_receipt(after, body.nonce)).model_dump(),
            headers={"ETag": f'"{after.version}"', "Cache-Control": "no-store"},
        )

    @api.post(
        "/approvals/{approval_id}/outcome",
        response_model=HeldShape,
        responses=more(s409="not running", s412="another call"),
        summary="Say how a claimed call ended (a guard's service token only)",
    )
    def outcome(request: Request, approval_id: Id, body: OutcomeBody) -> JSONResponse:
        actor = credentials.actor(request)
        return held(
            authority.outcome(
                actor,
                approval_id,
                call_digest=body.call_digest,
                ended=body.ended,
                error=body.error,
                withheld=body.withheld,
            )
        )

    @api.post(
        "/uses",
        response_model=UsedShape,
        responses=more(s409="used up, used for this call before, or frozen", s410="expired"),
        summary="Take one use of what stands, for one call (a guard's service token only)",
    )
    def use(request: Request, body: UseBody) -> JSONResponse:
        actor = credentials.actor(request)
        if request.headers.get("idempotency-key") is not None:
            raise Problem("invalid", "a use is given once and never repeated; send it without Idempotency-Key")
        signed = authority.use(
            actor,
            body.act,
            tool=body.tool,
            ref=body.ref(),
            call=body.call,
            call_digest=body.call_digest,
            nonce=body.nonce,
        )
        shape = UsedShape(receipt=signed_shape(signed))
        return JSONResponse(shape.model_dump(), headers={"Cache-Control": "no-store"})

    @api.get(
        "/register",
        response_model=RegisterShape,
        responses=more(s409="it does not hold together"),
        summary="What was frozen, revoked and let stand since (a guard's service token only)",
    )
    def register(
        request: Request,
        nonce: Annotated[str, Query(pattern=r"^[0-9a-f]{32}$", description="random; it comes back signed")],
        after: Place = 0,
        all_after: Place = 0,
    ) -> JSONResponse:
        page = authority.register_page(credentials.actor(request), after=after, all_after=all_after, nonce=nonce)
        shape = RegisterShape(
            acts=[signed_shape(act) for act in page.acts],
            all_acts=[signed_shape(act) for act in page.all_acts],
            receipt=signed_shape(page.receipt),
        )
        return JSONResponse(shape.model_dump(), headers={"Cache-Control": "no-store"})

    return api
