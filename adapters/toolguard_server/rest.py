"""The REST API under ``/v1``. Bearer tokens only: a browser's cookie opens nothing here."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from toolguard.authority import Actor, Answer, Approval, Authority, State
from toolguard.authority.confirm import Confirming
from toolguard_server.acts import act_routes
from toolguard_server.closing import Closing
from toolguard_server.comments import comment_routes
from toolguard_server.credentials import Credentials
from toolguard_server.problems import REFUSALS, Problem, more
from toolguard_server.remote import remote_routes
from toolguard_server.shapes import (
    ApprovalShape,
    ConfirmBody,
    DecisionBody,
    EventShape,
    PageShape,
    describe,
    event_of,
    standing,
)
from toolguard_server.stream import Streams

__all__ = ["router"]

_LOOK = 15.0
"""Seconds between two looks while someone waits, should what tells of changes have been lost."""

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="32 hex digits")]


def router(
    authority: Authority,
    credentials: Credentials,
    confirming: Confirming | None,
    closing: Closing,
    streams: Streams,
    key_of: Callable[[str], str],
) -> APIRouter:
    """The routes. ``key_of`` stands for a credential."""

    def known(request: Request) -> None:
        """Whoever comes is known before anything they sent is looked at."""
        credentials.actor(request)

    api = APIRouter(prefix="/v1", responses=REFUSALS, dependencies=[Depends(known)])

    def shown(approval: Approval, actor: Actor) -> JSONResponse:
        shape = describe(approval, authority, can_decide=authority.can_decide(actor, approval))
        return JSONResponse(shape.model_dump(), headers=_headers(approval))

    @api.get("/approvals", response_model=PageShape, summary="List approvals you may see, newest first")
    def list_approvals(
        request: Request,
        response: Response,
        state: Annotated[list[State] | None, Query()] = None,
        assigned_to: Annotated[Literal["me"] | None, Query()] = None,
        cursor: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> PageShape:
        actor = credentials.actor(request)
        page = authority.list(
            actor, states=tuple(state or ()), assigned=assigned_to is not None, cursor=cursor, limit=limit
        )
        response.headers["Cache-Control"] = "no-store"
        items = [describe(a, authority, can_decide=authority.can_decide(actor, a)) for a in page.approvals]
        return PageShape(items=items, next_cursor=page.cursor)

    api.include_router(remote_routes(authority, credentials, confirming, _exactly))  # 'by-call' comes before any id

    @api.get("/approvals/{approval_id}", response_model=ApprovalShape, summary="One approval")
    def get_approval(request: Request, approval_id: Id) -> Response:
        actor = credentials.actor(request)
        return shown(authority.get(actor, approval_id), actor)

    @api.get(
        "/approvals/{approval_id}/wait",
        response_model=ApprovalShape,
        responses={204: {"description": "not decided yet"}},
        summary="Wait for the answer (asking side)",
    )
    async def wait(
        request: Request, approval_id: Id, seconds: Annotated[float, Query(alias="timeout", ge=0, le=60)] = 25.0
    ) -> Response:
        actor = await run_in_threadpool(credentials.actor, request)

        def look() -> tuple[Approval, float]:
            approval = authority.get(actor, approval_id)
            if not authority.asks(actor, approval):
                raise Problem("not_requester", "only who asked waits for the answer; read the approval instead")
            return approval, authority.now()

        approval, _ = await run_in_threadpool(look)
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        every = _LOOK * (1.0 + int(approval_id[:2], 16) / 768)  # those who came together do not look together

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the service stops, and nobody waits any more
                loop.call_soon_threadsafe(told.set)

        stop = authority.watch(approval, wake)
        try:
            with closing.waking(told.set):
                until = time.monotonic() + seconds
                while True:
                    told.clear()  # before the look: what happens after it is told again
                    approval, now = await run_in_threadpool(look)
                    if standing(approval, now) is not State.PENDING:
                        return await run_in_threadpool(shown, approval, actor)
                    left = until - time.monotonic()
                    if left <= 0 or closing.is_set or await request.is_disconnected():
                        return Response(status_code=204, headers={"Cache-Control": "no-store"})
                    lasts = max(0.05, approval.request.expires - now)  # nobody tells when it runs out
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(told.wait(), min(every, left, lasts))
        finally:
            stop()

    @api.get(
        "/approvals/{approval_id}/events",
        response_model=list[EventShape],
        summary="What the journal says of one approval (its approvers, and persons with the duty 'review')",
    )
    def events(request: Request, response: Response, approval_id: Id) -> list[EventShape]:
        response.headers["Cache-Control"] = "no-store"
        return [event_of(record) for record in authority.events(credentials.actor(request), approval_id)]

    @api.get(
        "/stream",
        response_class=StreamingResponse,
        responses={
            **more(s429="too many streams"),
            200: {"description": "server-sent events `approval` and `comment`", "content": {"text/event-stream": {}}},
        },
        summary="Changes of approvals you may see, as they happen (server-sent events)",
    )
    async def stream(
        request: Request,
        last_event_id: Annotated[
            str | None, Header(pattern=r"^[0-9]{1,11}\.[0-9]{6}$", description="id of the last event you have")
        ] = None,
    ) -> Response:
        actor = await run_in_threadpool(credentials.actor, request)
        whose = key_of(request.headers.get("authorization", ""))
        streams.admit(whose)
        since = None if last_event_id is None else float(last_event_id)
        body = streams.listen(actor, whose, since, lambda: credentials.again(request))
        return StreamingResponse(body, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @api.post(
        "/approvals/{approval_id}/decision",
        response_model=ApprovalShape,
        responses=more(
            s409="already decided", s410="expired", s412="not what you saw", s415="not JSON", s428="If-Match is missing"
        ),
        summary="Approve once, or deny (a person's own token only)",
    )
    def decide(
        request: Request,
        approval_id: Id,
        body: DecisionBody,
        if_match: Annotated[
            str | None, Header(description='the ETag you saw; "*" is enough to deny', max_length=64)
        ] = None,
    ) -> Response:
        actor = credentials.person(request)
        answer = Answer(body.answer)
        after = authority.decide(
            actor,
            approval_id,
            answer,
            seen_call_digest=body.seen_call_digest,
            seen_view_digest=body.seen_view_digest,
            reason=body.reason,
            version=_version(if_match, answer),
            seen_decisive=body.seen_decisive,
            standing=None if body.standing is None else body.standing.terms(),
        )
        return shown(after, actor)

    @api.post(
        "/approvals/{approval_id}/withdraw",
        response_model=ApprovalShape,
        responses=more(s409="already decided", s412="not what you saw"),
        summary="Take a request back (asking side)",
    )
    def withdraw(
        request: Request,
        approval_id: Id,
        if_match: Annotated[
            str | None, Header(description="the ETag you saw, if it has to be that", max_length=64)
        ] = None,
    ) -> Response:
        actor = credentials.actor(request)
        version = None if if_match is None else _exactly(if_match)
        return shown(authority.withdraw(actor, approval_id, version=version), actor)

    @api.post(
        "/approvals/{approval_id}/confirm",
        status_code=200,
        responses=more(s409="not, or no longer, approved", s410="expired"),
        summary="Confirm, once, that the service stands by an approval (a service token only)",
    )
    def confirm(request: Request, approval_id: Id, body: ConfirmBody) -> dict[str, str]:
        actor = credentials.actor(request)
        if confirming is None:
            raise Problem("unavailable", "this service confirms nothing; set [service] witness")
        after = confirming.confirm(actor, approval_id, body.call_digest)
        return {"id": after.id, "state": after.state.value}

    comment_routes(api, authority, credentials, _exactly)
    api.include_router(act_routes(authority, credentials, shown))
    return api


def _headers(approval: Approval) -> dict[str, str]:
    return {"ETag": f'"{approval.version}"', "Cache-Control": "no-store"}


def _version(if_match: str | None, answer: Answer) -> int | None:
    """The version someone looked at. A no may come with ``*``: it holds whatever was answered in between."""
    return None if if_match is not None and if_match.strip() == "*" and answer is Answer.DENY else _exactly(if_match)


def _exactly(if_match: str | None) -> int:
    """The version an If-Match names."""
    if if_match is None:
        raise Problem("precondition_required", "send If-Match with the ETag of what you looked at")
    value = if_match.strip()
    if value == "*":
        raise Problem("precondition_required", "for this, If-Match has to name the ETag of what you looked at")
    digits = value[1:-1]
    if len(value) > 2 and value[0] == value[-1] == '"' and digits.isascii() and digits.isdigit():
        return int(digits)
    raise Problem("stale", "If-Match does not name a version of this request; read it again")
