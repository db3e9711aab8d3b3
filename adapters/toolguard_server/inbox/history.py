"""What was asked and answered before, of what the visitor may see."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from toolguard.authority import State
from toolguard_server.inbox.pages import Pages

__all__ = ["History"]

_SIZE = 25
_STATES = tuple(state for state in State if state is not State.PENDING)

Text = Annotated[str, Query(max_length=200)]


class History(Pages):
    """See `toolguard_server.inbox.Inbox`."""

    def history_page(
        self,
        request: Request,
        whose: Text = "",
        state: Text = "",
        tool: Text = "",
        agent: Text = "",
        after: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
    ) -> Response:
        """Filters that no page offers are left out; the next page starts ``after`` an approval."""
        me = self._visitor(request)
        if me is None:
            return RedirectResponse("/signin", status_code=303)
        mine = whose == "me"
        states = tuple(each for each in _STATES if each.value == state)
        page = self._authority.history(
            me, mine=mine, states=states, tool=tool, agent=agent, cursor=after or None, limit=_SIZE
        )
        chosen = {
            "whose": "me" if mine else "",
            "state": states[0].value if states else "",
            "tool": tool.strip(),
            "agent": agent.strip(),
        }
        return self._page(
            "history.html",
            me=me,
            here="/history",
            approvals=page.approvals,
            names=self._names(page.approvals),
            chosen=chosen,
            filtered=any(chosen[name] for name in ("state", "tool", "agent")),
            states=[each.value for each in _STATES],
            first=not after,
            everyone=_address({**chosen, "whose": ""}),
            only_me=_address({**chosen, "whose": "me"}),
            newest=_address(chosen),
            older=_address({**chosen, "after": page.cursor}) if page.cursor else "",
        )


def _address(chosen: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"/history?{query}" if query else "/history"
