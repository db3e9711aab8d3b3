"""The inbox: sign in by a link, look, decide. Plain forms; a decision is never made by GET."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from toolguard.authority import Answer, Approval, Authority, Human, Revealed, StandingTerms, State
from toolguard.channels import CONSEQUENCE, HINTS, STATE_WORDS, duration
from toolguard.directory import Audience
from toolguard.errors import ApprovalError, ConflictError, IdentityError
from toolguard_server.credentials import Credentials
from toolguard_server.inert import inert, one_line, rows, sentence
from toolguard_server.oidc import SignIn
from toolguard_server.oidc.provider import Claims
from toolguard_server.oidc.signin import LASTS
from toolguard_server.problems import STATUS, Problem
from toolguard_server.shapes import standing, utc

__all__ = ["Inbox"]

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
_RECENT = 20


class Inbox:
    """The pages. ``https`` says how visitors reach them: it decides the cookie's name and flags."""

    def __init__(
        self, authority: Authority, credentials: Credentials, *, https: bool, sign_ins: Sequence[SignIn] = ()
    ) -> None:
        self._sign_ins = {each.provider.label: each for each in sign_ins}
        self._authority = authority
        self._credentials = credentials
        self._https = https
        self._cookie = "__Host-toolguard" if https else "toolguard_session"
        self._way_cookie = "__Host-toolguard-signin" if https else "toolguard_signin"
        self._pages = _templates()

    def routes(self) -> APIRouter:
        api = APIRouter(include_in_schema=False)
        api.add_api_route("/", lambda: RedirectResponse("/inbox", status_code=303), methods=["GET"])
        api.add_api_route("/signin", self.sign_in_page, methods=["GET"])
        api.add_api_route("/signin", self.sign_in, methods=["POST"])
        api.add_api_route("/signin/with/{label}", self.begin, methods=["GET"])
        api.add_api_route("/signin/with/{label}/callback", self.come_back, methods=["GET"])
        api.add_api_route("/signout", self.sign_out, methods=["POST"])
        api.add_api_route("/inbox", self.list_page, methods=["GET"])
        api.add_api_route("/inbox/{approval_id}", self.detail_page, methods=["GET"])
        api.add_api_route("/inbox/{approval_id}", self.decide, methods=["POST"])
        api.add_api_route("/inbox/{approval_id}/reveal", self.reveal, methods=["POST"])
        api.add_api_route("/inbox/{approval_id}/break-glass", self.break_glass, methods=["POST"])
        api.add_api_route("/inbox/{approval_id}/resolve", self.resolve, methods=["POST"])
        return api

    # --- signing in ---------------------------------------------------------------------------------

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
        form = await _form(request)
        try:
            secret, lifetime = await run_in_threadpool(self._exchange, form.get("code", "").strip())
        except IdentityError as error:
            return self._sign_in_page(str(error), 401)
        return self._signed_in(secret, lifetime)

    def _signed_in(self, secret: str, lifetime: float) -> Response:
        reply = RedirectResponse("/inbox", status_code=303)
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
            reply = self._signed_in(secret, lifetime)
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
        await _form(request)
        visitor = await run_in_threadpool(self._visitor, request)
        if visitor is not None:
            await run_in_threadpool(
                lambda: self._credentials.tokens.revoke(token_id=visitor.auth.removeprefix("browser:"))
            )
        reply = RedirectResponse("/signin", status_code=303)
        reply.delete_cookie(self._cookie, path="/", httponly=True, samesite="lax", secure=self._https)
        return reply

    def _visitor(self, request: Request) -> Human | None:
        secret = request.cookies.get(self._cookie)
        if not secret:
            return None
        try:
            return self._credentials.visitor(secret)
        except IdentityError:
            return None

    # --- looking ------------------------------------------------------------------------------------

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
            waiting=waiting.approvals,
            more=waiting.cursor is not None,
            recent=recent[:_RECENT],
            names=self._names([*waiting.approvals, *recent]),
        )

    def detail_page(self, request: Request, approval_id: Id) -> Response:
        me = self._visitor(request)
        if me is None:
            return RedirectResponse("/signin", status_code=303)
        return self._detail(me, self._authority.get(me, approval_id))

    def _detail(
        self, me: Human, approval: Approval, *, code: str = "", typed: str = "", revealed: Revealed | None = None
    ) -> Response:
        can_decide = self._authority.can_decide(me, approval)
        asks = self._authority.asks(me, approval)
        return self._page(
            "detail.html",
            status=STATUS.get(code, 422) if code else 200,
            me=me,
            approval=approval,
            can_decide=can_decide,
            asks=asks,
            names=self._names([approval]),
            hint=HINTS.get(code, ""),
            why_not=HINTS["self_approval" if asks else "not_an_approver"],
            typed=typed,
            revealed=revealed,
            may_resolve=not asks,
            must_reveal=bool(approval.request.hidden and approval.request.sealed_decisive)
            and any(rule.reveal for rule in approval.request.approver_rules),
        )

    # --- deciding -----------------------------------------------------------------------------------

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
        self, request: Request, approval_id: str, act: Callable[[Human, str, dict[str, str]], Response | None]
    ) -> Response:
        """Do what a form asks for, as whoever is signed in; a refusal is shown on the request's own page."""
        form = await _form(request)

        def carry_out() -> Response:
            me = self._visitor(request)
            if me is None:
                raise IdentityError("you are not signed in any more; open a new sign-in link; nothing was done")
            try:
                page = act(self._credentials.stepped_up(me, form.get("code", "")), approval_id, form)
            except (ApprovalError, ConflictError) as error:
                code = error.code if error.code in HINTS else "conflict"
            except IdentityError:
                code = "wrong_code"
            else:
                return page or RedirectResponse(f"/inbox/{approval_id}", status_code=303)
            return self._detail(
                me, self._authority.get(me, approval_id), code=code, typed=form.get("reason", "")[:2000]
            )

        return await run_in_threadpool(carry_out)

    def _decide(self, me: Human, approval_id: str, form: dict[str, str]) -> None:
        answer = {"approve": Answer.APPROVE, "deny": Answer.DENY}.get(form.get("answer", ""))
        version = form.get("version", "")
        if answer is None or not _is_number(version):
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
            standing=_terms(form) if answer is Answer.APPROVE else None,
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

    # --- pages --------------------------------------------------------------------------------------

    def _names(self, approvals: list[Approval]) -> dict[str, str]:
        """Person id → name, for everyone these approvals speak of."""
        names: dict[str, str] = {}
        for approval in approvals:
            names[approval.request.requester_person] = self._authority.name_of(approval)
            for verdict in approval.verdicts:
                found = self._authority.person(Human(identity=verdict.identity, channel="", auth=""))
                names[verdict.person] = found.name if found is not None else verdict.person
        return names

    def problem(self, request: Request, title: str, detail: str, status: int) -> Response:
        """A refusal as a page."""
        return self._page("problem.html", status=status, me=None, title=title, detail=detail)

    def _page(self, name: str, *, me: Human | None, status: int = 200, **values: Any) -> HTMLResponse:
        person = self._authority.person(me) if me is not None else None
        shared = {"me": person, "now": self._authority.now(), "stamp": self._authority.stamp()}
        text = self._pages.get_template(name).render(**shared, **values)
        return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store"})


def _is_number(text: str) -> bool:
    """Whether it is a whole number of a size that any of these can have."""
    return len(text) <= 9 and text.isascii() and text.isdigit()


def _terms(form: dict[str, str]) -> StandingTerms | None:
    """What a form lets stand; None where the yes is for one call."""
    minutes, uses = form.get("standing_minutes", ""), form.get("standing_uses", "")
    if minutes in ("", "0"):
        return None
    if not (_is_number(minutes) and _is_number(uses)):
        raise Problem("invalid", "say how long the yes stands and for how many calls; open the request again")
    return StandingTerms(seconds=int(minutes) * 60.0, uses=int(uses), session_only="standing_session" in form)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that this site's own page sent.

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
        fields = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=20)
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
    pages.filters.update(inert=inert, one_line=one_line, utc=utc, duration=duration, rows=rows, sentence=sentence)
    pages.globals.update(CONSEQUENCE=CONSEQUENCE, STATE_WORDS=STATE_WORDS, standing=standing)
    return pages
