"""Comments on a request, and news of what changes: a page that has JavaScript is told, and fetches what it shows anew."""

from __future__ import annotations

import re

from fastapi import Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from toolguard.errors import ApprovalError, ConflictError, IdentityError
from toolguard_server.inbox.looking import Looking
from toolguard_server.inbox.pages import Id, fields_of
from toolguard_server.inert import sentence
from toolguard_server.problems import STATUS, Problem

__all__ = ["Talking"]

_EVENT_ID = re.compile(r"[0-9]{1,11}\.[0-9]{6}")


class Talking(Looking):
    """See `toolguard_server.inbox.Inbox`."""

    async def comment(self, request: Request, approval_id: Id) -> Response:
        """Keep what was said; a refusal is shown beside it, with what was typed."""
        form = await fields_of(request)
        text = form.get("text", "")

        def carry_out() -> Response:
            me = self._actor(request)
            try:
                self._authority.comment(me, approval_id, text)
            except (ApprovalError, ConflictError) as error:
                status = STATUS.get(getattr(error, "code", ""), 409)
                approval = self._authority.get(me, approval_id)
                return self._detail(me, approval, status=status, remark=sentence(str(error)), said=text[:4000])
            return RedirectResponse(f"/inbox/{approval_id}#comments", status_code=303)

        return await run_in_threadpool(carry_out)

    async def stream(self, request: Request) -> Response:
        """What `GET /v1/stream` tells, for the browser of whoever is signed in: ids, states and numbers, nothing else."""
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Problem("cross_site", "this is for the service's own pages")
        me = await run_in_threadpool(self._visitor, request)
        if me is None:
            return Response(status_code=204)  # which tells a browser not to come again
        whose = self._key_of(request.headers.get("cookie", ""))
        self._streams.admit(whose)
        last = request.headers.get("last-event-id", "")

        def holds() -> None:
            if self._visitor(request) is None:
                raise IdentityError("not signed in any more")

        body = self._streams.listen(me, whose, float(last) if _EVENT_ID.fullmatch(last) else None, holds)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(body, media_type="text/event-stream", headers=headers)
