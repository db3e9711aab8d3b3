"""From a request's credential to whoever it stands for. Bearer tokens for the API, a cookie for the inbox alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fastapi import Request

from toolguard.authority import Actor, Assured, Authority, Human, Service
from toolguard.directory import Audience, FileDirectory, SecondFactors, TokenEntry, TokenFile
from toolguard.errors import ApprovalError, IdentityError
from toolguard_server.oidc import Provider
from toolguard_server.oidc.provider import issuer_of
from toolguard_server.problems import Problem

__all__ = ["SEEN", "Credentials"]

SEEN = "toolguard.seen"
"""Where a request's scope says, under ``actor``, whose credential held."""


class Credentials:
    """Looks tokens up, and looks at the directory again each time."""

    def __init__(
        self,
        authority: Authority,
        tokens: TokenFile,
        directory: FileDirectory,
        factors: SecondFactors | None = None,
        providers: Sequence[Provider] = (),
    ) -> None:
        self._providers = tuple(p for p in providers if p.settings.audience)
        self._authority = authority
        self.tokens = tokens
        self._directory = directory
        self._factors = factors

    def actor(self, request: Request) -> Actor:
        """A person or a service, by bearer token.

        Raises:
            IdentityError: no token, or none that holds.
            Problem: ``wrong_audience``.
        """
        seen = request.scope.setdefault(SEEN, {})
        if "actor" not in seen:
            seen["actor"] = self.again(request)
        actor: Actor = seen["actor"]
        return actor

    def again(self, request: Request) -> Actor:
        """See `actor`: looked up once more, for a request that lasts."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise IdentityError("send a token: 'Authorization: Bearer …'; 'toolguard people token' makes one")
        if self._providers and secret.count(".") == 2:
            return self._elsewhere(secret.strip())
        entry = self.tokens.verify(secret.strip(), audiences=tuple(Audience))
        if entry.audience is Audience.SERVICE:
            return self._service(entry)
        if entry.audience is Audience.DECIDE:
            return self._human(entry, channel="rest", auth="token")
        raise Problem(
            "wrong_audience",
            f"a token for {entry.audience.value!r} cannot be used here; use one for 'decide' or 'service'",
        )

    def _elsewhere(self, token: str) -> Human:
        """A person, by an access token of an identity provider. Which one, the token itself may say; whether, it may not."""
        issuer = issuer_of(token)
        found = next((p for p in self._providers if p.settings.issuer == issuer), None)
        if found is None:
            raise IdentityError("this token is of no identity provider this service knows")
        claims = found.verify(token, audience=found.settings.audience)
        actor = Human(identity=claims.identity, channel="rest", auth=f"oidc:{found.label}")
        person = self._authority.person(actor)
        if person is None or not person.human:
            raise IdentityError("you are not in the directory; ask an administrator to add you")
        return actor

    def person(self, request: Request) -> Human:
        """A person, by their own bearer token; a service is refused."""
        return self.stepped_up(self._a_person(request), request.headers.get("toolguard-step-up", ""))

    def person_once_more(self, request: Request) -> Human:
        """See `person` and `once_more`."""
        return self.once_more(self._a_person(request), request.headers.get("toolguard-step-up", ""))

    def _a_person(self, request: Request) -> Human:
        actor = self.actor(request)
        if isinstance(actor, Service):
            raise Problem("not_a_person", "a service token cannot decide; only a person's own token can")
        return actor

    def stepped_up(self, actor: Human, code: str) -> Human:
        """``actor``, more surely known if they gave a one-time code.

        Raises:
            IdentityError: the code is not theirs, or not a fresh one.
        """
        if not code.strip():
            return actor
        person = self._authority.person(actor)
        if self._factors is None or person is None:
            raise IdentityError("this service knows no second factors; set [directory] second_factors")
        self._factors.verify(person.id, code)
        return replace(actor, assured=Assured.STEPPED_UP, auth=f"{actor.auth}+totp")

    def once_more(self, actor: Human, code: str) -> Human:
        """`stepped_up`, where the person has a second factor at all: then without a code it is refused.

        Raises:
            ApprovalError: ``step_up_required``.
            IdentityError: as `stepped_up`.
        """
        if not code.strip() and self.has_factor(actor):
            raise ApprovalError(
                "this needs your second factor: give the code your authenticator app shows now", code="step_up_required"
            )
        return self.stepped_up(actor, code)

    def has_factor(self, actor: Human) -> bool:
        """Whether the person has enrolled a second factor."""
        person = self._authority.person(actor)
        return self._factors is not None and person is not None and self._factors.has(person.id)

    def called(self, tenant: str, person: str) -> str:
        """Somebody's name in the directory; their id where it has nobody of that id there."""
        found = self._directory.find(person, tenant=tenant, at=self._authority.now())
        return found.name if found is not None else person

    def visitor(self, secret: str) -> Human:
        """A person, by the inbox's cookie."""
        return self._human(self.tokens.verify(secret, audiences=(Audience.BROWSER,)), channel="inbox", auth="browser")

    def _human(self, entry: TokenEntry, *, channel: str, auth: str) -> Human:
        actor = Human(identity=entry.identity, channel=channel, auth=f"{auth}:{entry.id}")
        person = self._authority.person(actor)
        if person is None or person.id != entry.person:
            raise IdentityError("this token's person is no longer in the directory; ask an administrator")
        return actor

    def _service(self, entry: TokenEntry) -> Service:
        account = self._directory.service(entry.person.removeprefix("service:"))
        if account is None or account.tenant != entry.tenant:
            raise IdentityError("this token's service account is no longer in the directory; ask an administrator")
        return Service(
            name=account.name, tenant=account.tenant, agents=frozenset(account.agents), auth=f"token:{entry.id}"
        )
