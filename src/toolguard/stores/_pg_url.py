"""Where a PostgreSQL store lives, read from its URL. Beyond this machine only with verified TLS."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from toolguard.errors import ConfigError

__all__ = ["Place", "parse"]

_FORM = "'postgresql://user@host:5432/database?sslmode=verify-full'"
_KNOWN = frozenset(
    {"host", "port", "user", "password", "dbname", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One database. ``host`` is a name, an address or the folder of a unix socket; ``tls`` means verified TLS.

    Nothing of it but the password is left to the environment (``PGPASSWORD``, ``PGPASSFILE``, ``~/.pgpass``).
    """

    host: str
    port: int
    user: str
    database: str
    tls: bool
    password: str | None = field(default=None, repr=False)
    passfile: str | None = None
    rootcert: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def shown(self) -> str:
        """The place without its password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.host.startswith("/"):
            return f"postgresql://{self.user}@/{self.database}?host={self.host}&port={self.port}"
        return f"postgresql://{self.user}@{host}:{self.port}/{self.database}"

    def arguments(self) -> dict[str, Any]:
        """What ``asyncpg.connect`` is told.

        Raises:
            ConfigError: a certificate file cannot be used.
        """
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "database": self.database,
            "password": self.password,
            "passfile": self.passfile,
            "ssl": self._context() if self.tls else False,  # nothing is left to PGSSLMODE and its like
            "direct_tls": False,
            "target_session_attrs": "any",
        }

    def _context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer; the certificate must be signed by a known authority and name the host."""
        try:
            context = ssl.create_default_context(cafile=self.rootcert)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the store's TLS files cannot be used ({type(error).__name__}); "
                "check sslrootcert, sslcert and sslkey of its URL"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def parse(url: str) -> Place:
    """The place a ``postgresql:`` URL names.

    Raises:
        ConfigError: it is incomplete, says something this version does not know, or would send clear text beyond
            this machine. The URL is not repeated: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        port = parts.port
    except ValueError:
        raise ConfigError(f"the store's URL cannot be read; write {_FORM}") from None
    said = dict(query)
    unknown = sorted(set(said) - _KNOWN)
    if unknown or len(said) != len(query):
        what = f"says {unknown[0]!r}, which is not known" if unknown else "says something twice"
        raise ConfigError(f"the store's URL {what}; it may say {', '.join(sorted(_KNOWN))}")
    given = {
        "host": unquote(parts.hostname or ""),
        "port": str(port or ""),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    for name, value in given.items():
        if value and said.get(name):
            raise ConfigError(f"the store's URL says {name!r} twice; say it once")
        said[name] = value or said.get(name, "")
    for name in ("host", "user", "dbname"):
        if not said[name]:
            raise ConfigError(f"the store's URL names no {name}; write {_FORM}")
    if not (said["port"] or "5432").isdecimal():
        raise ConfigError("the port in the store's URL is no number")
    return Place(
        host=said["host"],
        port=int(said["port"] or 5432),
        user=said["user"],
        database=said["dbname"],
        password=said["password"] or None,
        passfile=said.get("passfile"),
        tls=_tls(said["host"], said.get("sslmode")),
        rootcert=said.get("sslrootcert"),
        cert=said.get("sslcert"),
        key=said.get("sslkey"),
    )


def _tls(host: str, mode: str | None) -> bool:
    """Whether to use TLS, which is then always verified: what is half checked is not offered."""
    if mode not in (None, "disable", "verify-full"):
        raise ConfigError(
            f"sslmode {mode!r} does not verify the database's name and certificate; write sslmode=verify-full "
            "(or sslmode=disable for a database on this machine)"
        )
    if mode == "verify-full":
        return True
    if not (host.startswith("/") or is_loopback(host)):
        raise ConfigError(
            f"the database on {host!r} would be reached in clear text beyond this machine; "
            "add sslmode=verify-full to the store's URL (and sslrootcert= if its authority is your own)"
        )
    return False


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
