"""Ending a request otherwise: asking for other arguments, taking a yes back, and taking back what one asked."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from toolguard.authority import Human
from toolguard_server.inbox.deciding import Deciding
from toolguard_server.inbox.pages import Id, is_number
from toolguard_server.inbox.proposing import MOST_FIELDS, arguments_of
from toolguard_server.problems import Problem

__all__ = ["Ending"]


class Ending(Deciding):
    """See `toolguard_server.inbox.Inbox`."""

    async def propose(self, request: Request, approval_id: Id) -> Response:
        return await self._act(request, approval_id, self._propose, most=MOST_FIELDS, where="propose")

    async def revoke(self, request: Request, approval_id: Id) -> Response:
        return await self._act(request, approval_id, self._revoke, where="revoke")

    async def withdraw(self, request: Request, approval_id: Id) -> Response:
        return await self._act(request, approval_id, self._withdraw)

    def _propose(self, me: Human, approval_id: str, form: dict[str, str]) -> None:
        approval = self._authority.get(me, approval_id)
        self._authority.propose(me, approval_id, arguments_of(approval, form), reason=form.get("reason", "")[:2000])

    def _revoke(self, me: Human, approval_id: str, form: dict[str, str]) -> None:
        self._authority.revoke(me, approval_id, reason=form.get("reason", "")[:2000])

    def _withdraw(self, me: Human, approval_id: str, form: dict[str, str]) -> None:
        """Only what was looked at: a yes that came meanwhile is not taken back by somebody who did not see it."""
        version = form.get("version", "")
        if not is_number(version):
            raise Problem("invalid", "this form is not whole; open the request again")
        self._authority.withdraw(me, approval_id, version=int(version))
