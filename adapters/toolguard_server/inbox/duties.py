"""What else people answer for: standing approvals, reviews, freezes. Each act is refused with its reason, or done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from toolguard.authority import Human
from toolguard.errors import ApprovalError, ConflictError, IdentityError, NotFoundError
from toolguard.register import ALL
from toolguard_server.inbox.pages import Id, Pages, fields_of
from toolguard_server.inert import sentence
from toolguard_server.problems import STATUS, Problem

__all__ = ["Duties"]

KINDS = {
    "break_glass": ("!", "Emergency", "The glass was broken: calls ran without an approval."),
    "standing_approval": ("\u221e", "Standing approval", "A yes was made to stand for calls like it."),
    "indeterminate": ("?", "Unclear end", "A call began, and nobody saw its end."),
    "store_set_back": ("\u21ba", "Store set back", "A store that had been set back was taken into use again."),
}
"""What waits for a review → (mark, word, sentence)."""

Act = Callable[[Human, dict[str, str]], None]


class Duties(Pages):
    """See `toolguard_server.inbox.Inbox`."""

    # --- standing approvals

    def standing_page(self, request: Request) -> Response:
        return self._shown(request, self._standing)

    def _standing(self, me: Human, **said: Any) -> Response:
        views = self._authority.standings(me)
        people = {p for v in views for p in (v.standing.person, *v.standing.approvers)}
        return self._page(
            "standing.html", me=me, here="/standing", views=views, names=self._called(me.tenant, people), **_said(said)
        )

    async def end_standing(self, request: Request, act_id: Id) -> Response:
        def act(me: Human, form: dict[str, str]) -> None:
            self._authority.end_standing(me, act_id, reason=_reason(form))

        return await self._done(request, act, "/standing", self._standing, act_id)

    # --- reviews

    def reviews_page(self, request: Request) -> Response:
        return self._shown(request, self._reviews)

    def _reviews(self, me: Human, **said: Any) -> Response:
        waiting = self._authority.awaiting_review(me)
        return self._page(
            "reviews.html",
            me=me,
            here="/reviews",
            waiting=waiting,
            kinds=KINDS,
            on_duty="review" in self._authority.duties(me),
            names=self._called(me.tenant, {each.by for each in waiting}),
            **_said(said),
        )

    async def review(self, request: Request, act_id: Id) -> Response:
        def act(me: Human, form: dict[str, str]) -> None:
            self._authority.sign_review(me, act_id, finding=form.get("finding", ""), reason=_reason(form))

        return await self._done(request, act, "/reviews", self._reviews, act_id)

    # --- freezes

    def freezes_page(self, request: Request) -> Response:
        return self._shown(request, self._freezes)

    def _freezes(self, me: Human, **said: Any) -> Response:
        freezes = self._authority.freezes(me)
        person, duties = self._authority.person(me), self._authority.duties(me)
        return self._page(
            "freezes.html",
            me=me,
            here="/freezes",
            freezes=freezes,
            all_tenants=ALL,
            my_id=person.id if person is not None else "",
            tenant=me.tenant,
            may_freeze=bool(duties & {"freeze", "freeze_all"}),
            may_freeze_all="freeze_all" in duties,
            has_factor=self._credentials.has_factor(me),
            names=self._called(me.tenant, {f.person for f in freezes}),
            **_said(said),
        )

    async def freeze(self, request: Request) -> Response:
        def act(me: Human, form: dict[str, str]) -> None:
            whom, agent = form.get("whom", ""), form.get("agent", "").strip()
            if whom not in ("agent", "tenant", "everyone") or len(agent) > 256 or (whom == "agent") != bool(agent):
                raise Problem("invalid", "say what to freeze: one agent by its name, or all of them without a name")
            self._authority.freeze(me, agent=agent or None, everyone=whom == "everyone", reason=_reason(form))

        return await self._done(request, act, "/freezes", self._freezes, "new", once_more=True)

    async def unfreeze(self, request: Request, act_id: Id) -> Response:
        def act(me: Human, form: dict[str, str]) -> None:
            self._authority.unfreeze(me, act_id, reason=_reason(form))

        return await self._done(request, act, "/freezes", self._freezes, act_id, once_more=True)

    # --- how a page is shown, and a form carried out

    def _shown(self, request: Request, page: Callable[[Human], Response]) -> Response:
        me = self._visitor(request)
        return RedirectResponse("/signin", status_code=303) if me is None else page(me)

    async def _done(
        self,
        request: Request,
        act: Act,
        back: str,
        page: Callable[..., Response],
        where: str,
        *,
        once_more: bool = False,
    ) -> Response:
        """Do what a form asks for; a refusal is shown on the page it came from, with what was typed ``where`` it was.

        ``once_more``: whoever has a second factor has to give a code of it.
        """
        form = await fields_of(request)
        sure = self._credentials.once_more if once_more else self._credentials.stepped_up

        def carry_out() -> Response:
            me = self._actor(request)
            try:
                act(sure(me, form.get("code", "")), form)
            except (ApprovalError, ConflictError, NotFoundError, IdentityError, Problem) as error:
                code = _code(error)
                return page(
                    me, refusal=sentence(str(error)), status=STATUS.get(code, 422), typed=_reason(form), where=where
                )
            return RedirectResponse(back, status_code=303)

        return await run_in_threadpool(carry_out)


def _code(error: Exception) -> str:
    if isinstance(error, IdentityError):
        return "step_up_required"
    if isinstance(error, NotFoundError):
        return "not_found"
    return getattr(error, "code", "") or "conflict"


def _reason(form: dict[str, str]) -> str:
    return form.get("reason", "")[:2000]


def _said(said: dict[str, Any]) -> dict[str, Any]:
    """What a refusal leaves on the page; nothing of it where there was none."""
    return {"refusal": "", "typed": "", "where": "", **said}
