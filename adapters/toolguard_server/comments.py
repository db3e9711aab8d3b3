"""REST: what people say to each other about a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from toolguard.authority import Authority, Comment
from toolguard_server.credentials import Credentials
from toolguard_server.problems import more
from toolguard_server.shapes import utc

__all__ = ["comment_routes"]

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="32 hex digits")]


class CommentBody(BaseModel):
    """Plain text. Identifiers are masked before it is kept."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    text: Annotated[str, Field(min_length=1, max_length=2000)]


class CommentShape(BaseModel):
    """One comment. ``text`` is masked and untrusted: show it as plain text.

    ``side`` is where ``person`` stood when they said it: ``asking``, ``approver`` or ``other``. ``digest`` is what the
    journal's record of it names, ``at`` RFC 3339, UTC.
    """

    id: str
    approval: str
    person: str
    name: str
    side: str
    text: str
    at: str
    digest: str


def comment_routes(
    api: APIRouter, authority: Authority, credentials: Credentials, version_of: Callable[[str | None], int]
) -> None:
    """Add the routes to ``api``. ``version_of`` reads an If-Match."""

    def shape(comment: Comment, tenant: str) -> CommentShape:
        return CommentShape(
            id=comment.id,
            approval=comment.approval,
            person=comment.person,
            name=credentials.called(tenant, comment.person),
            side=comment.side.value,
            text=comment.text,
            at=utc(comment.at),
            digest=comment.digest,
        )

    @api.get(
        "/approvals/{approval_id}/comments",
        response_model=list[CommentShape],
        responses=more(s409="they do not hold together"),
        summary="What people said about one approval, oldest first (a person's own token only)",
    )
    def comments(request: Request, response: Response, approval_id: Id) -> list[CommentShape]:
        response.headers["Cache-Control"] = "no-store"
        actor = credentials.person(request)
        return [shape(each, actor.tenant) for each in authority.comments(actor, approval_id)]

    @api.post(
        "/approvals/{approval_id}/comments",
        response_model=CommentShape,
        status_code=201,
        responses=more(s409="over", s410="expired", s412="not what you saw", s429="too many comments"),
        summary="Say something about an open approval (a person's own token only); it changes nothing of it",
    )
    def comment(
        request: Request,
        response: Response,
        approval_id: Id,
        body: CommentBody,
        if_match: Annotated[
            str | None, Header(description="the ETag you saw, if it has to be that one still", max_length=64)
        ] = None,
    ) -> CommentShape:
        actor = credentials.person(request)
        version = None if if_match is None or if_match.strip() == "*" else version_of(if_match)
        made = authority.comment(actor, approval_id, body.text, version=version)
        response.headers["Cache-Control"] = "no-store"
        return shape(made, actor.tenant)
