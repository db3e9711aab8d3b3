"""Deciding, and what else changes one request: each by a form of this site's own page, as whoever is signed in."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from toolguard.authority import Answer, Human
from toolguard.channels import HINTS
from toolguard.errors import ApprovalError, ConflictError, IdentityError
from toolguard_server.inbox.looking import Looking
from toolguard_server.inbox.pages import MOST_FIELDS, Id, fields_of, is_number
from toolguard_server.inbox.standing import terms_of
from toolguard_server.inert import sentence
from toolguard_server.problems import Problem

__all__ = ["Deciding"]

_SAID_BETTER = ("proposal_invalid", "standing_refused")
"""Refusals whose own words name what to mend."""


class Deciding(Looking):
    """See `toolguard_server.inbox.Inbox`."""

    async def decide(self, request: Request, approval_id: Id) -> Response:
        return await self._act(request, approval_id, self._decide)

    async def reveal(self, request: Request, approval_id: Id) -> Response:
        """Show what decides the call in clear, on this one page."""
        return await self._act(request, approval_id, self._reveal)

    async def break_glass(self, request: Request, approval_id: Id) -> Response:
        return await self._act(request, approval_id, self._break_glass)

    async def resolve(self, request: Request, approval_id: Id) -> Response:
        return await self._act(request, approval_id, self._resolve)

    async def _act(
        self,
        request: Request,
        approval_id: str,
        act: Callable[[Human, str, dict[str, str]], Response | None],
        *,
        most: int = MOST_FIELDS,
        where: str = "answer",
    ) -> Response:
        """Do what a form asks for, as whoever is signed in; a refusal is shown on the request's own page.

        ``most`` fields; ``where`` is the form on that page that gets back what was typed.
        """
        form = await fields_of(request, most=most)

        def carry_out() -> Response:
            me = self._actor(request)
            try:
                page = act(self._credentials.stepped_up(me, form.get("code", "")), approval_id, form)
            except (ApprovalError, ConflictError) as error:
                code = error.code if error.code in HINTS else "conflict"
                why = sentence(str(error)) if code in _SAID_BETTER else ""
            except IdentityError:
                code, why = "wrong_code", ""
            else:
                return page or RedirectResponse(f"/inbox/{approval_id}", status_code=303)
            approval = self._authority.get(me, approval_id)
            return self._detail(me, approval, code=code, why=why, typed=form, where=where)

        return await run_in_threadpool(carry_out)

    def _decide(self, me: Human, approval_id: str, form: dict[str, str]) -> None:
        answer = {"approve": Answer.APPROVE, "deny": Answer.DENY}.get(form.get("answer", ""))
        version = form.get("version", "")
        if answer is None or not is_number(version):
            raise Problem("invalid", "this form is not whole; open the request again")
        self._authority.decide(
            me,
            approval_id,
            answer,
            seen_call_digest=form.get("seen_call_digest", ""),
            seen_view_digest=form.get("seen_view_digest", ""),
            reason=form.get("reason", "")[:2000],
            version=int(version) if answer is Answer.APPROVE else None,
            seen_decisive=form.get("seen_decisive", ""),
            standing=terms_of(self._authority.get(me, approval_id), form) if answer is Answer.APPROVE else None,
        )

    def _reveal(self, me: Human, approval_id: str, form: dict[str, str]) -> Response:
        revealed = self._authority.reveal(me, approval_id, purpose="to decide this request")
        return self._detail(me, self._authority.get(me, approval_id), revealed=revealed)

    def _break_glass(self, me: Human, approval_id: str, form: dict[str, str]) -> None:
        self._authority.break_glass(me, approval_id, reason=form.get("reason", "")[:2000])

    def _resolve(self, me: Human, approval_id: str, form: dict[str, str]) -> None:
        ran = {"yes": True, "no": False}.get(form.get("ran", ""))
        if ran is None:
            raise Problem("invalid", "say whether it ran; open the request again")
        self._authority.resolve(me, approval_id, ran=ran, evidence=form.get("reason", "")[:2000])
