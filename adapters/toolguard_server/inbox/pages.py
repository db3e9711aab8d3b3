"""What every page of the inbox stands on: who looks, what a form said, and how a page is made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from toolguard.authority import Approval, Authority, Human
from toolguard.channels import CONSEQUENCE, STATE_WORDS, duration
from toolguard.errors import IdentityError
from toolguard_server.credentials import Credentials
from toolguard_server.inert import as_text, brief, inert, one_line, rows, sentence
from toolguard_server.oidc import SignIn
from toolguard_server.problems import Problem
from toolguard_server.shapes import standing, utc
from toolguard_server.stream import Streams

__all__ = ["MOST_FIELDS", "Id", "Pages", "fields_of", "is_number"]

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
MOST_FIELDS = 20
"""Fields of a form, but for those that have one for each argument of a call."""
_COMES_BACK = 900
"""Seconds for which a browser keeps which request its visitor wanted to see before they signed in."""
_NAV = (
    ("/inbox", "Inbox"),
    ("/history", "History"),
    ("/standing", "Standing"),
    ("/reviews", "Reviews"),
    ("/freezes", "Freezes"),
)


class Pages:
    """See `toolguard_server.inbox.Inbox`."""

    def __init__(
        self,
        authority: Authority,
        credentials: Credentials,
        *,
        https: bool,
        sign_ins: Sequence[SignIn] = (),
        streams: Streams,
        key_of: Callable[[str], str],
    ) -> None:
        """``key_of`` stands for a credential."""
        self._streams = streams
        self._key_of = key_of
        self._sign_ins = {each.provider.label: each for each in sign_ins}
        self._authority = authority
        self._credentials = credentials
        self._https = https
        self._cookie = "__Host-toolguard" if https else "toolguard_session"
        self._for_cookie = "__Host-toolguard-for" if https else "toolguard_for"
        self._way_cookie = "__Host-toolguard-signin" if https else "toolguard_signin"
        self._pages = _templates()

    def _visitor(self, request: Request) -> Human | None:
        secret = request.cookies.get(self._cookie)
        if not secret:
            return None
        try:
            return self._credentials.visitor(secret)
        except IdentityError:
            return None

    def _first_sign_in(self, approval_id: str) -> Response:
        """To the sign-in page; the visitor's own browser keeps what they came for, and comes back to it."""
        reply = RedirectResponse("/signin", status_code=303)
        reply.set_cookie(
            self._for_cookie,
            approval_id,
            max_age=_COMES_BACK,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self._https,
        )
        return reply

    def _actor(self, request: Request) -> Human:
        """Whoever sent a form. Raises IdentityError where nobody is signed in any more."""
        me = self._visitor(request)
        if me is None:
            raise IdentityError("you are not signed in any more; open a new sign-in link; nothing was done")
        return me

    def _names(self, approvals: Iterable[Approval]) -> dict[str, str]:
        """Person id → name, for everyone these approvals speak of."""
        names: dict[str, str] = {}
        for approval in approvals:
            names[approval.request.requester_person] = self._authority.name_of(approval)
            for verdict in approval.verdicts:
                found = self._authority.person(Human(identity=verdict.identity, channel="", auth=""))
                names[verdict.person] = found.name if found is not None else verdict.person
        return names

    def _called(self, tenant: str, persons: Iterable[str]) -> dict[str, str]:
        """Person id → name, by the directory; the id where it knows nobody of that id in the tenant."""
        return {person: self._credentials.called(tenant, person) for person in persons}

    def problem(self, request: Request, title: str, detail: str, status: int) -> HTMLResponse:
        """A refusal as a page."""
        return self._page("problem.html", status=status, me=None, title=title, detail=detail)

    def _page(self, name: str, *, me: Human | None, status: int = 200, **values: Any) -> HTMLResponse:
        person = self._authority.person(me) if me is not None else None
        shared = {
            "me": person,
            "now": self._authority.now(),
            "stamp": _stamp(self._authority.stamp()),
            "nav": _NAV,
            "here": "",
            **values,
        }
        text = self._pages.get_template(name).render(**shared)
        return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})


def _stamp(stamp: str) -> dict[str, str] | None:
    """The journal's stamp in its parts; None where there is none, or none of a shape people could compare."""
    parts = stamp.split()
    return {"size": parts[1], "root": parts[2], "whole": stamp} if len(parts) == 3 else None


def is_number(text: str) -> bool:
    """Whether it is a whole number of a size that any of these can have."""
    return len(text) <= 9 and text.isascii() and text.isdigit()


async def fields_of(request: Request, *, most: int = MOST_FIELDS) -> dict[str, str]:
    """The fields of a form that this site's own page sent, ``most`` of them.

    Raises:
        Problem: ``cross_site`` or ``invalid``.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    host = request.headers.get("host", "")
    same_site = site is None or site == "same-origin"
    same_origin = origin is None or urlsplit(origin).netloc == host
    if not (same_site and same_origin) or (site is None and origin is None):
        raise Problem("cross_site", "this form was not sent from this service's own page; open the page and use it")
    try:
        fields = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=most)
    except (UnicodeDecodeError, ValueError):
        raise Problem("invalid", "this form cannot be read; open the page and use it") from None
    if any(len(values) != 1 for values in fields.values()):
        raise Problem("invalid", "a field of this form stands twice; open the page and use it")
    return {name: values[0] for name, values in fields.items()}


@functools.cache
def _templates() -> Environment:
    pages = Environment(
        loader=PackageLoader("toolguard_server"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        inert=inert,
        one_line=one_line,
        utc=utc,
        duration=duration,
        rows=rows,
        sentence=sentence,
        as_text=as_text,
        brief=brief,
    )
    pages.globals.update(CONSEQUENCE=CONSEQUENCE, STATE_WORDS=STATE_WORDS, standing=standing)
    return pages
