"""Every page and form of the inbox, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from toolguard_server.inbox.duties import Duties
from toolguard_server.inbox.ending import Ending
from toolguard_server.inbox.history import History
from toolguard_server.inbox.signing import SigningIn
from toolguard_server.inbox.talking import Talking

__all__ = ["Inbox"]


class Inbox(SigningIn, Ending, Talking, History, Duties):
    """The pages. ``https`` says how visitors reach them: it decides the cookie's name and flags."""

    def routes(self) -> APIRouter:
        api = APIRouter(include_in_schema=False)
        api.add_api_route("/", lambda: RedirectResponse("/inbox", status_code=303), methods=["GET"])
        pages: dict[str, Callable[..., Any]] = {
            "/signin": self.sign_in_page,
            "/signin/with/{label}": self.begin,
            "/signin/with/{label}/callback": self.come_back,
            "/inbox": self.list_page,
            "/inbox/stream": self.stream,
            "/inbox/{approval_id}": self.detail_page,
            "/history": self.history_page,
            "/standing": self.standing_page,
            "/reviews": self.reviews_page,
            "/freezes": self.freezes_page,
        }
        for path, page in pages.items():
            api.add_api_route(path, page, methods=["GET"])
        forms: dict[str, Callable[..., Any]] = {
            "/signin": self.sign_in,
            "/signout": self.sign_out,
            "/inbox/{approval_id}": self.decide,
            "/inbox/{approval_id}/comments": self.comment,
            "/inbox/{approval_id}/reveal": self.reveal,
            "/inbox/{approval_id}/break-glass": self.break_glass,
            "/inbox/{approval_id}/resolve": self.resolve,
            "/inbox/{approval_id}/propose": self.propose,
            "/inbox/{approval_id}/revoke": self.revoke,
            "/inbox/{approval_id}/withdraw": self.withdraw,
            "/standing/{act_id}/end": self.end_standing,
            "/reviews/{act_id}": self.review,
            "/freezes": self.freeze,
            "/freezes/{act_id}/lift": self.unfreeze,
        }
        for path, form in forms.items():
            api.add_api_route(path, form, methods=["POST"])
        return api
