"""Short-lived database users: a role of its own for each call, made when it is asked for, dropped when the call ends.

The configuration names an *issuer*: a role that may make roles (CREATEROLE) and give out the one to be granted
(WITH ADMIN OPTION), and nothing else. A call gets a URL with a new user and a random password, good for as long as
the call may run. Its end cuts the user's connections and drops the user. What a crash leaves behind cannot sign in
any more once its time is over, and the next acquisition drops it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from toolguard.credentials.credential import UnavailableError
from toolguard.credentials.plain import EnvProvider, FileProvider
from toolguard.errors import ConfigError, MissingExtraError
from toolguard.ports import CredentialProvider, CredentialUse, Lease
from toolguard.stores._pg_url import Place, parse

__all__ = ["PREFIX", "PostgresRoles"]

log = logging.getLogger("toolguard.credentials")
T = TypeVar("T")

PREFIX = "toolguard_lease_"
"""How every user made here begins; nothing else in the cluster may."""
_PATIENCE = 10.0
"""Seconds for connecting, and for one statement."""
_SWEEP_EVERY = 60.0
_OWN = ("grant", "ttl", "connections", "password")

_MAKE = """SELECT format(
    'CREATE ROLE %1$I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT CONNECTION LIMIT %2$s '
    'PASSWORD %3$L VALID UNTIL %4$L; GRANT %5$I TO %1$I; GRANT %1$I TO CURRENT_USER %6$s',
    $1::text, $2::int, $3::text, (now() + make_interval(secs => $4::float8))::text, $5::text,
    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'WITH INHERIT TRUE, SET TRUE' ELSE '' END),
    extract(epoch FROM now() + make_interval(secs => $4::float8))::float8"""
_CUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1"
_DROP = """SELECT format('REASSIGN OWNED BY %1$I TO CURRENT_USER; DROP OWNED BY %1$I; DROP ROLE %1$I', $1::text)"""
_LEFT = """SELECT r.rolname FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles g ON g.oid = m.roleid
    WHERE starts_with(r.rolname, $1) AND g.rolname = $2 AND r.rolvaliduntil < now()"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What every user is given: the granted role, seconds at most, and how many connections at once."""

    grant: str
    ttl: float
    connections: int


class PostgresRoles:
    """A provider of database users. Its credential is a URL that ``asyncpg``, ``libpq`` and others take."""

    kind = "postgresql"

    def __init__(
        self,
        place: Place,
        *,
        grant: str,
        ttl: float = 300.0,
        connections: int = 4,
        password: Callable[[], str] | None = None,
    ) -> None:
        try:
            import asyncpg
        except ImportError:
            raise MissingExtraError(
                "database users on demand need an extra; run pip install 'toolguard-middleware[postgres]'"
            ) from None
        self._connect = asyncpg.connect
        self._place = place
        self._terms = _Terms(grant=grant, ttl=ttl, connections=connections)
        self._password = password
        self._live: set[str] = set()
        self._lock = threading.Lock()
        self._swept = -_SWEEP_EVERY

    @classmethod
    def from_url(cls, name: str, url: str, *, at: Callable[[str], Path] = Path) -> PostgresRoles:
        """From ``postgresql://ISSUER@HOST/DATABASE?grant=ROLE&ttl=300&connections=4&password=file:PATH``.

        Raises:
            ConfigError: it says too little or too much; the URL is not repeated.
        """
        parts = urlsplit(url)
        if parts.password:
            raise ConfigError(
                f"the URL of credential {name!r} holds a password; keep it in a private file and say "
                "password=file:PATH (or env:VARIABLE)"
            )
        said = parse_qsl(parts.query, keep_blank_values=True)
        own = {key: value for key, value in said if key in _OWN}
        rest = urlencode([(key, value) for key, value in said if key not in _OWN])
        try:
            place = parse(urlunsplit(parts._replace(query=rest)))
        except ConfigError as fault:
            raise ConfigError(str(fault).replace("the store's URL", f"the URL of credential {name!r}")) from None
        if not own.get("grant"):
            raise ConfigError(
                f"credential {name!r} does not say which role its users are granted; add grant=ROLE to its URL"
            )
        try:
            ttl, connections = float(own.get("ttl", "300")), int(own.get("connections", "4"))
        except ValueError:
            ttl, connections = 0.0, 0
        if not 1 <= ttl <= 86_400 or not 1 <= connections <= 1_000:
            raise ConfigError(f"credential {name!r}: ttl is 1 to 86400 seconds and connections 1 to 1000; mend its URL")
        source = _source(name, own["password"], at) if "password" in own else None
        return cls(place, grant=own["grant"], ttl=ttl, connections=connections, password=source)

    def __repr__(self) -> str:
        return f"PostgresRoles({self._place.shown!r}, grant={self._terms.grant!r})"

    def acquire(self, name: str, use: CredentialUse) -> Lease:
        seconds = min(self._terms.ttl, use.seconds)
        user, password = PREFIX + secrets.token_hex(12), secrets.token_urlsafe(32)
        expires = self._run(lambda: self._make(user, password, seconds))
        with self._lock:
            self._live.add(user)
        url = _url(self._place, user, password)
        return Lease(value=url, expires=expires, parts=(password,), release=lambda: self._release(user))

    def _release(self, user: str) -> None:
        self._run(lambda: self._end(user))
        with self._lock:
            self._live.discard(user)

    def sweep(self) -> int:
        """Drop users whose time is over, whoever left them; how many there were."""
        return self._run(self._sweep)

    def close(self) -> None:
        """Drop every user of this guard that is left."""
        with self._lock:
            left, self._live = self._live, set()
        for user in left:
            try:
                self._run(lambda user=user: self._end(user))  # type: ignore[misc]  # binds the loop's variable
            except UnavailableError as fault:
                log.warning("a database user could not be dropped: %s; it cannot sign in once its time is over", fault)

    # --- on a loop of its own

    def _run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of ``make``, on a loop in a thread of its own: whoever asks may be on a loop already."""
        done: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(asyncio.run(make()))
            except BaseException as fault:  # noqa: BLE001 - raised again by whoever waits
                failed.append(fault)

        thread = threading.Thread(target=run, name="toolguard-credentials", daemon=True)
        thread.start()
        thread.join()
        if failed:
            raise _told(failed[0]) from None
        return done[0]

    async def _connection(self) -> Any:
        given = self._place.arguments()
        if self._password is not None:
            given["password"] = self._password()
        return await self._connect(
            **given,
            timeout=_PATIENCE,
            command_timeout=_PATIENCE,
            server_settings={"application_name": "toolguard", "search_path": "pg_catalog"},
        )

    async def _make(self, user: str, password: str, seconds: float) -> float:
        connection = await self._connection()
        try:
            if time.monotonic() - self._swept >= _SWEEP_EVERY:
                self._swept = time.monotonic()
                await self._drop_left(connection)
            terms = self._terms
            sql, expires = await connection.fetchrow(
                _MAKE, user, terms.connections, scram(password), seconds, terms.grant
            )
            await connection.execute(sql)
            return float(expires)
        finally:
            await connection.close(timeout=_PATIENCE)

    async def _end(self, user: str) -> None:
        connection = await self._connection()
        try:
            await self._drop(connection, user)
        finally:
            await connection.close(timeout=_PATIENCE)

    async def _sweep(self) -> int:
        connection = await self._connection()
        try:
            return await self._drop_left(connection)
        finally:
            await connection.close(timeout=_PATIENCE)

    async def _drop_left(self, connection: Any) -> int:
        count = 0
        for row in await connection.fetch(_LEFT, PREFIX, self._terms.grant):
            try:
                await self._drop(connection, row["rolname"])
            except Exception as fault:  # noqa: BLE001 - another issuer's, or dropped meanwhile: the next sweep sees
                log.warning("a database user whose time is over could not be dropped (%s)", type(fault).__name__)
            else:
                count += 1
        return count

    async def _drop(self, connection: Any, user: str) -> None:
        """Cut the user off, then drop it; what it made goes to the issuer."""
        await connection.execute(f'ALTER ROLE "{user}" NOLOGIN')
        await connection.fetch(_CUT, user)
        await connection.execute(await connection.fetchval(_DROP, user))


def _source(name: str, source: str, at: Callable[[str], Path]) -> Callable[[], str]:
    scheme, _, rest = source.partition(":")
    provider: CredentialProvider
    if scheme == "file" and rest:
        provider = FileProvider(name, at(rest))
    elif scheme == "env" and rest:
        provider = EnvProvider(name, rest)
    else:
        raise ConfigError(
            f"the issuer's password of credential {name!r} is not said as password=file:PATH or password=env:VARIABLE"
        )
    nobody = CredentialUse(call="", tool="", tenant="", agent="", until=0.0, seconds=0.0)
    return lambda: provider.acquire(name, nobody).value


def _told(fault: BaseException) -> BaseException:
    """What is said of a failure: never the server's text, which may repeat a statement."""
    if not isinstance(fault, Exception) or isinstance(fault, UnavailableError | ConfigError):
        return fault
    state = getattr(fault, "sqlstate", "") or ""
    return UnavailableError(f"the database refused or cannot be reached: {type(fault).__name__} {state}".rstrip())


def scram(password: str, *, salt: bytes | None = None, rounds: int = 4096) -> str:
    """The password as PostgreSQL keeps it (SCRAM-SHA-256, RFC 5803): so it stands in no statement and no log."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${rounds}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _url(place: Place, user: str, password: str) -> str:
    """Where the call's user signs in: the issuer's place, as somebody else."""
    there = replace(place, user=f"{user}:{quote(password, safe='')}")
    more = {"sslmode": "verify-full" if place.tls else "disable", "sslrootcert": place.rootcert if place.tls else None}
    query = urlencode({key: value for key, value in more.items() if value})
    return there.shown + ("&" if "?" in there.shown else "?") + query
