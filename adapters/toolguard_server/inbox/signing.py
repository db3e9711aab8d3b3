"""Signing in, by a link or an identity provider, and out again. Neither decides anything."""

from __future__ import annotations

import re

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from toolguard.authority import Human
from toolguard.directory import Audience
from toolguard.errors import IdentityError
from toolguard_server.inbox.pages import Pages, fields_of
from toolguard_server.oidc import SignIn
from toolguard_server.oidc.provider import Claims
from toolguard_server.oidc.signin import LASTS

__all__ = ["SigningIn"]

_IS_ID = re.compile(r"[0-9a-f]{32}").fullmatch


class SigningIn(Pages):
    """See `toolguard_server.inbox.Inbox`."""

    def sign_in_page(self, request: Request) -> Response:
        """The link's secret stands behind ``#``: it reaches the server only when the visitor presses the button."""
        if self._visitor(request) is not None:
            return RedirectResponse("/inbox", status_code=303)
        return self._sign_in_page("")

    def _sign_in_page(self, failed: str, status: int = 200) -> Response:
        ways = [(label, each.provider.title) for label, each in self._sign_ins.items()]
        return self._page("signin.html", status=status, me=None, failed=failed, ways=ways)

    async def sign_in(self, request: Request) -> Response:
        """Exchange a link, once, for a session."""
        form = await fields_of(request)
        try:
            secret, lifetime = await run_in_threadpool(self._exchange, form.get("code", "").strip())
        except IdentityError as error:
            return self._sign_in_page(str(error), 401)
        return self._signed_in(request, secret, lifetime)

    def _signed_in(self, request: Request, secret: str, lifetime: float) -> Response:
        wanted = request.cookies.get(self._for_cookie, "")
        came_for = f"/inbox/{wanted}" if _IS_ID(wanted) else "/inbox"  # an address of ours, whatever the cookie says
        reply = RedirectResponse(came_for, status_code=303)
        if wanted:
            reply.delete_cookie(self._for_cookie, path="/", httponly=True, samesite="lax", secure=self._https)
        reply.set_cookie(
            self._cookie, secret, max_age=int(lifetime), path="/", httponly=True, samesite="lax", secure=self._https
        )
        return reply

    def begin(self, label: str) -> Response:
        """To the identity provider. What belongs to this sign-in goes into the visitor's own cookie."""
        try:
            begun = self._way(label).begin()
        except IdentityError as error:
            return self._sign_in_page(str(error), 401)
        reply = RedirectResponse(begun.url, status_code=303)
        reply.set_cookie(
            self._way_cookie, begun.kept, max_age=LASTS, path="/", httponly=True, samesite="lax", secure=self._https
        )
        return reply

    def come_back(self, request: Request, label: str) -> Response:
        """From the identity provider. It signs in, and decides nothing."""
        try:
            claims = self._way(label).finish(dict(request.query_params), request.cookies.get(self._way_cookie, ""))
            secret, lifetime = self._admit(claims)
        except IdentityError as error:
            reply = self._sign_in_page(str(error), 401)
        else:
            reply = self._signed_in(request, secret, lifetime)
        reply.delete_cookie(self._way_cookie, path="/", httponly=True, samesite="lax", secure=self._https)
        return reply

    def _way(self, label: str) -> SignIn:
        found = self._sign_ins.get(label)
        if found is None:
            raise IdentityError("there is no such way to sign in; use one of those below")
        return found

    def _admit(self, claims: Claims) -> tuple[str, float]:
        """A browser session for who signed in elsewhere, if the directory knows them."""
        person = self._authority.person(Human(identity=claims.identity, channel="inbox", auth="oidc"))
        if person is None or not person.human:
            raise IdentityError("you are signed in, but not in the directory; ask an administrator to add you")
        issued = self._credentials.tokens.issue(
            audience=Audience.BROWSER, person=person.id, identity=claims.identity, tenant=claims.identity.tenant
        )
        return issued.secret, issued.entry.expires - issued.entry.created

    def _exchange(self, code: str) -> tuple[str, float]:
        tokens = self._credentials.tokens
        link = tokens.consume(code.rpartition("#")[2], audience=Audience.LINK)
        issued = tokens.issue(audience=Audience.BROWSER, person=link.person, identity=link.identity, tenant=link.tenant)
        self._credentials.visitor(issued.secret)
        return issued.secret, issued.entry.expires - issued.entry.created

    async def sign_out(self, request: Request) -> Response:
        await fields_of(request)
        visitor = await run_in_threadpool(self._visitor, request)
        if visitor is not None:
            await run_in_threadpool(
                lambda: self._credentials.tokens.revoke(token_id=visitor.auth.removeprefix("browser:"))
            )
        reply = RedirectResponse("/signin", status_code=303)
        reply.delete_cookie(self._cookie, path="/", httponly=True, samesite="lax", secure=self._https)
        return reply
