"""Every refusal as problem details (RFC 9457): ``{type, title, status, detail, code}``.

``code`` is stable; ``detail`` says what happened, why and what to do. Neither holds a value someone sent.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from toolguard.errors import (
    ApprovalError,
    ConfigError,
    ConflictError,
    IdentityError,
    NotFoundError,
    StoreError,
    ToolguardError,
)

__all__ = ["REFUSALS", "STATUS", "TITLES", "Problem", "ProblemShape", "install", "more", "of_error", "response"]

log = logging.getLogger("toolguard.server")

STATUS: dict[str, int] = {
    "bad_request": 400,
    "identity": 401,
    "wrong_audience": 403,
    "self_approval": 403,
    "not_an_approver": 403,
    "not_a_person": 403,
    "not_requester": 403,
    "cross_site": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "not_your_turn": 403,
    "step_up_required": 403,
    "reveal_required": 403,
    "reveal_off": 403,
    "second_person": 403,
    "not_on_duty": 403,
    "not_in_emergency_role": 403,
    "never_in_emergency": 403,
    "no_subject": 403,
    "requester_not_verified": 403,
    "not_a_service": 403,
    "not_your_agent": 403,
    "requester_unknown": 403,
    "clock": 422,
    "request_invalid": 422,
    "idempotency": 422,
    "standing_refused": 422,
    "proposal_identifiers": 422,
    "proposal_invalid": 422,
    "proposal_same": 422,
    "evidence_required": 422,
    "purpose_required": 422,
    "finding_invalid": 422,
    "comment_invalid": 422,
    "scope_invalid": 422,
    "too_many_contents": 422,
    "decided": 409,
    "not_approved": 409,
    "spent": 409,
    "used_up": 409,
    "denied_before": 409,
    "frozen": 409,
    "not_eligible": 409,
    "conflict": 409,
    "repeated": 409,
    "tampered": 409,
    "on_hold": 409,
    "expired": 410,
    "stale": 412,
    "too_large": 413,
    "unsupported_media_type": 415,
    "wrong_host": 421,
    "reason_required": 422,
    "invalid": 422,
    "precondition_required": 428,
    "request_cap": 429,
    "comment_cap": 429,
    "too_many": 429,
    "internal": 500,
    "unavailable": 503,
}
"""The published table: problem code → HTTP status."""

TITLES: dict[str, str] = {
    "bad_request": "The request cannot be understood",
    "comment_invalid": "This comment cannot be kept",
    "comment_cap": "Too many comments",
    "identity": "Not signed in",
    "wrong_audience": "This token is for something else",
    "self_approval": "Who asked cannot decide",
    "not_an_approver": "Not an approver",
    "not_a_person": "Only a person can decide",
    "not_requester": "Not the requester",
    "cross_site": "Sent from another site",
    "not_found": "Not found",
    "method_not_allowed": "Method not allowed",
    "timeout": "Too slow",
    "not_your_turn": "Not your turn yet",
    "step_up_required": "A second factor is needed",
    "reveal_required": "Look at what decides it first",
    "reveal_off": "Nothing can be revealed",
    "second_person": "A second person has to",
    "not_on_duty": "Not your duty",
    "not_in_emergency_role": "The glass stays whole",
    "never_in_emergency": "Not even in an emergency",
    "no_subject": "No patient is named",
    "requester_not_verified": "The requester is not verified",
    "not_a_service": "Only a guard can",
    "not_your_agent": "Not your agent",
    "requester_unknown": "The requester is not known",
    "clock": "The clock is off",
    "request_invalid": "The request contradicts itself",
    "idempotency": "This key was used for something else",
    "repeated": "Sent before",
    "request_cap": "Asked too often",
    "too_many": "Too many requests",
    "standing_refused": "It cannot be made to stand",
    "proposal_identifiers": "The proposal holds identifiers",
    "proposal_invalid": "The proposal does not fit",
    "proposal_same": "The proposal changes nothing",
    "evidence_required": "Evidence is required",
    "purpose_required": "A purpose is required",
    "finding_invalid": "No such finding",
    "scope_invalid": "Nothing that can be named so",
    "too_many_contents": "Too many contents at once",
    "decided": "Already decided",
    "not_approved": "Not approved",
    "spent": "Used before",
    "used_up": "No use is left",
    "denied_before": "Denied a short while ago",
    "frozen": "Frozen",
    "not_eligible": "No longer eligible",
    "conflict": "Changed meanwhile",
    "tampered": "The record has been tampered with",
    "on_hold": "Under legal hold",
    "expired": "Expired",
    "stale": "Not what you saw",
    "too_large": "Too large",
    "unsupported_media_type": "Unsupported media type",
    "wrong_host": "Wrong host",
    "reason_required": "A reason is required",
    "invalid": "The request does not fit",
    "precondition_required": "If-Match is required",
    "internal": "Something went wrong",
    "unavailable": "Not available now",
}


class Problem(Exception):  # noqa: N818 - it is a response, by the name the standard gives it
    """A refusal of the server's own making."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ProblemShape(BaseModel):
    """RFC 9457 problem details, as the OpenAPI page shows them."""

    type: str
    title: str
    status: int
    detail: str
    code: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemShape, "content": {"application/problem+json": {}}, "description": text}
    for status, text in {
        401: "no token, or none that holds",
        403: "may not",
        404: "none for you",
        422: "does not fit",
        503: "store or directory down",
    }.items()
}
"""What every route may answer besides."""


def more(**texts: str) -> dict[int | str, dict[str, Any]]:
    """`REFUSALS` and more of them: ``more(s409="already decided")``."""
    problem = {"model": ProblemShape, "content": {"application/problem+json": {}}}
    return {**REFUSALS, **{int(k.removeprefix("s")): {**problem, "description": v} for k, v in texts.items()}}


_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def of_error(error: Exception) -> tuple[str, str]:
    """(code, detail) of any error. What is not known says nothing but that it happened."""
    match error:
        case Problem():
            return error.code, error.detail
        case ApprovalError():
            return (error.code if error.code in STATUS else "conflict"), str(error)
        case NotFoundError():
            return "not_found", str(error)
        case ConflictError():
            return "conflict", str(error)
        case IdentityError():
            return "identity", str(error)
        case ConfigError() | StoreError():
            return "unavailable", "the service cannot read what it needs; nothing was decided; see its log"
        case RequestValidationError():
            where = sorted({_place(e["type"], e["loc"]) for e in error.errors()})
            return "invalid", f"these do not fit: {', '.join(where[:10])}; see the API description"
        case HTTPException():
            code = _BY_STATUS.get(error.status_code, "bad_request")
            return code, TITLES[code].lower()
        case _:
            return "internal", "the service failed; nothing was decided; see its log"


def _place(kind: str, location: tuple[str | int, ...]) -> str:
    """Where a fault is, in our own names: one that somebody sent may hold anything."""
    named = location[:-1] if kind == "extra_forbidden" else location
    return ".".join(map(str, named)) + (" (a field too many)" if kind == "extra_forbidden" else "")


def response(code: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The problem as a response. Never cached."""
    status = STATUS[code]
    body = {
        "type": f"urn:toolguard:problem:{code}",
        "title": TITLES[code],
        "status": status,
        "detail": detail,
        "code": code,
    }
    extra = {"Cache-Control": "no-store", **(headers or {})}
    if status == 401:
        extra["WWW-Authenticate"] = 'Bearer realm="toolguard"'
    if status == 503:
        extra["Retry-After"] = "5"
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=extra)


Page = Callable[[Request, str, str, int], Response]
"""How a refusal looks to a browser: (request, title, detail, status) → page."""


def install(app: FastAPI, page: Page) -> None:
    """Make every error of ``app`` a problem, or a page under ``/inbox`` and ``/signin``."""

    async def handle(request: Request, error: Exception) -> Response:
        code, detail = of_error(error)
        if code in ("internal", "unavailable"):
            note(error)
        if request.url.path.startswith(("/inbox", "/signin", "/signout")):
            return page(request, TITLES[code], detail, STATUS[code])
        allow = error.headers if isinstance(error, HTTPException) and error.status_code == 405 else None
        return response(code, detail, allow)

    for kind in (Problem, ToolguardError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def note(error: Exception) -> None:
    """Log that it happened and where; its text only if it is one of ours (those hold no values)."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = f"{frame[0].filename}:{frame[0].lineno}" if frame else "?"
    text = str(error) if isinstance(error, ToolguardError) else ""
    log.error("%s at %s %s", type(error).__name__, place, text)
