"""Personal tokens, service tokens, sign-in links and browser sessions: one file, hashes only.

A token is 256 random bits; the file keeps its SHA-256, whom it stands for and what it may be used for.
What a token may do is its audience, and an audience is never widened.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from toolguard._core.call import Person
from toolguard.errors import ConfigError, IdentityError
from toolguard.privatefile import PrivateFile

__all__ = ["LIFETIMES", "Audience", "IssuedToken", "TokenEntry", "TokenFile"]


class Audience(StrEnum):
    """What a token is for."""

    DECIDE = "decide"
    """A person's own: reads and decides."""
    SESSION = "session"
    """Proves to a guard who is behind an agent's session. Opens nothing else."""
    SERVICE = "service"
    """A program's: reads, waits for and withdraws its own agents' requests. Never decides."""
    LINK = "link"
    """A sign-in link: exchanged once for a browser session."""
    BROWSER = "browser"
    """A browser session in the inbox: reads and decides."""


DAY = 86400.0
LIFETIMES: dict[Audience, float] = {
    Audience.DECIDE: 90 * DAY,
    Audience.SESSION: DAY / 2,
    Audience.SERVICE: 365 * DAY,
    Audience.LINK: 600.0,
    Audience.BROWSER: DAY / 3,
}
"""Seconds a token lives unless said otherwise."""


class TokenEntry(BaseModel):
    """One token as it stands in the file: everything but the token."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: str
    sha256: str
    audience: Audience
    person: str
    issuer: str = ""
    tenant: str
    subject: str = ""
    created: float
    expires: float

    @property
    def identity(self) -> Person:
        """The identity a person's token stands for. A service's token has none.

        Raises:
            IdentityError: this is a service's token.
        """
        return Person(issuer=self.issuer, tenant=self.tenant, subject=self.subject)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    version: Literal[1] = 1
    tokens: tuple[TokenEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A new token. ``secret`` is shown once and kept nowhere."""

    entry: TokenEntry
    secret: str = field(repr=False)


class TokenFile:
    """Tokens in a file of mode 0600. Processes share it through a lock file beside it; threads may share one."""

    def __init__(self, path: str | os.PathLike[str], *, now: Callable[[], float]) -> None:
        """``now`` gives UTC seconds. The file need not be there yet."""
        self._file = PrivateFile(path, what="token file", otherwise="nobody can sign in")
        self._now = now

    def issue(
        self, *, audience: Audience, person: str, identity: Person | None, tenant: str, lifetime: float | None = None
    ) -> IssuedToken:
        """Make a token. ``person`` is the directory's id; a service account's token has no ``identity``."""
        if (identity is None) != (audience is Audience.SERVICE):
            raise IdentityError("a service's token stands for no person, and every other token for one")
        now = self._now()
        token_id = secrets.token_hex(6)
        secret = f"tg_{audience.value}_{token_id}_{secrets.token_urlsafe(32)}"
        entry = TokenEntry(
            id=token_id,
            sha256=_hash(secret),
            audience=audience,
            person=person,
            issuer=identity.issuer if identity else "",
            tenant=tenant,
            subject=identity.subject if identity else "",
            created=now,
            expires=now + (LIFETIMES[audience] if lifetime is None else lifetime),
        )
        with self._change() as tokens:
            tokens[:] = [t for t in tokens if t.expires > now - DAY]
            tokens.append(entry)
        return IssuedToken(entry=entry, secret=secret)

    def verify(self, secret: str, *, audiences: Collection[Audience]) -> TokenEntry:
        """The live entry of this token.

        Raises:
            IdentityError: unknown, revoked, used up, expired, or made for something else.
            ConfigError: the file cannot be read; nobody gets in.
        """
        return self._match(self._load(), secret, audiences)

    def consume(self, secret: str, *, audience: Audience) -> TokenEntry:
        """Like `verify`, and the token is gone: of two who try, one gets through."""
        with self._change() as tokens:
            entry = self._match(tokens, secret, (audience,))
            tokens.remove(entry)
        return entry

    def revoke(self, *, token_id: str | None = None, person: str | None = None) -> int:
        """Take back one token, or all of a person's; how many there were."""
        with self._change() as tokens:
            before = len(tokens)
            tokens[:] = [t for t in tokens if not (t.id == token_id or (person is not None and t.person == person))]
            return before - len(tokens)

    def entries(self) -> tuple[TokenEntry, ...]:
        """Every token in the file, expired ones too."""
        return tuple(self._load())

    def _match(self, tokens: list[TokenEntry], secret: str, audiences: Collection[Audience]) -> TokenEntry:
        hashed = _hash(secret)
        found = None
        for entry in tokens:
            if hmac.compare_digest(entry.sha256, hashed):
                found = entry
        if found is None:
            raise IdentityError("this token is not known: it was revoked, already used, or never made here")
        if self._now() >= found.expires:
            raise IdentityError("this token has expired; have a new one made with 'toolguard people'")
        if found.audience not in audiences:
            raise IdentityError(
                f"a token for {found.audience.value!r} cannot be used here; use one for "
                + " or ".join(repr(a.value) for a in sorted(audiences))
            )
        return found

    def _load(self) -> list[TokenEntry]:
        raw = self._file.read()
        if raw is None:
            return []
        try:
            return list(_File.model_validate_json(raw).tokens)
        except ValidationError:
            raise ConfigError(f"{self._file.name} is damaged; restore it, or remove it and make new tokens") from None

    @contextlib.contextmanager
    def _change(self) -> Iterator[list[TokenEntry]]:
        """The tokens, to change in place; written back atomically unless an error is raised."""
        with self._file.locked():
            tokens = self._load()
            yield tokens
            self._file.write(_File(tokens=tuple(tokens)).model_dump_json(indent=1).encode())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
