"""Looking: the list of what waits, and one request with all that speaks for and against it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from toolguard.authority import Approval, Comment, Freeze, Human, Revealed, State
from toolguard.channels import HINTS
from toolguard.errors import ApprovalError, StoreError
from toolguard_server.inbox.difference import lines_of
from toolguard_server.inbox.pages import Id, Pages
from toolguard_server.inbox.proposing import fields_for
from toolguard_server.inbox.standing import standing_of
from toolguard_server.problems import STATUS

__all__ = ["Looking"]

_RECENT = 20


class Looking(Pages):
    """See `toolguard_server.inbox.Inbox`."""

    def list_page(self, request: Request) -> Response:
        me = self._visitor(request)
        if me is None:
            return RedirectResponse("/signin", status_code=303)
        waiting = self._authority.list(me, states=(State.PENDING,), assigned=True, limit=100)
        ids = {a.id for a in waiting.approvals}
        recent = [a for a in self._authority.list(me, limit=_RECENT + len(ids)).approvals if a.id not in ids]
        return self._page(
            "list.html",
            me=me,
            here="/inbox",
            waiting=waiting.approvals,
            more=waiting.cursor is not None,
            recent=recent[:_RECENT],
            names=self._names([*waiting.approvals, *recent]),
            counts=self._authority.comment_counts(me, [*waiting.approvals, *recent[:_RECENT]]),
            frozen=self._frozen(me),
        )

    def _frozen(self, me: Human) -> tuple[Freeze, ...]:
        with suppress(ApprovalError):  # a register that does not hold is told where something is to be done
            return self._authority.freezes(me)
        return ()

    def detail_page(self, request: Request, approval_id: Id, part: str = "") -> Response:
        """With ``part=live`` only where it stands, which a page asks for again and again."""
        me = self._visitor(request)
        if me is None:
            return self._first_sign_in(approval_id)
        approval = self._authority.get(me, approval_id)
        if part == "live":
            return self._page("live.html", me=me, approval=approval, **self._talk(me, approval))
        return self._detail(me, approval)

    def _talk(self, me: Human, approval: Approval) -> dict[str, Any]:
        """What was said about it; None where that does not hold together. Nothing else waits for that."""
        comments: tuple[Comment, ...] | None
        try:
            comments = self._authority.comments(me, approval.id)
        except (ApprovalError, StoreError):
            comments = None
        return {
            "comments": comments,
            "authors": self._called(me.tenant, {c.person for c in comments or ()}),
            "may_comment": comments is not None and self._authority.may_comment(me, approval),
        }

    def _detail(
        self,
        me: Human,
        approval: Approval,
        *,
        code: str = "",
        why: str = "",
        status: int = 0,
        typed: Mapping[str, str] = MappingProxyType({}),
        where: str = "answer",
        remark: str = "",
        said: str = "",
        revealed: Revealed | None = None,
    ) -> Response:
        """``code`` (in better words: ``why``) says why a form was refused, ``remark`` why a comment was.

        What was ``typed`` stands again ``where`` it was, and what was ``said``.
        """
        can_decide = self._authority.can_decide(me, approval)
        asks = self._authority.asks(me, approval)
        past = self._authority.past(me, approval)
        shown = [approval, *past.recent, *([past.last.approval] if past.last is not None else [])]
        return self._page(
            "detail.html",
            status=status or (STATUS.get(code, 422) if code else 200),
            me=me,
            here="/inbox",
            approval=approval,
            can_decide=can_decide,
            asks=asks,
            names=self._names(shown),
            hint=why or HINTS.get(code, ""),
            where=where,
            terms=standing_of(approval),
            fields=fields_for(approval, typed if where == "propose" else None),
            why_not=HINTS["self_approval" if asks else "not_an_approver"],
            typed={name: text[:2000] for name, text in typed.items()},
            revealed=revealed,
            may_resolve=not asks,
            must_reveal=bool(approval.request.hidden and approval.request.sealed_decisive)
            and any(rule.reveal for rule in approval.request.approver_rules),
            past=past,
            lines=lines_of(approval, past.last),
            short_of=self._authority.short_of(approval),
            remark=remark,
            said=said,
            **self._talk(me, approval),
        )
