"""Stores: where approvals, the ledger, the vault and the journal live. One port, one contract suite."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from toolguard.errors import ConfigError, MissingExtraError
from toolguard.stores._time import SystemClock

if TYPE_CHECKING:
    from toolguard.ports import Clock, Store

__all__ = ["SystemClock", "open_store"]


def open_store(url: str, clock: Clock | None = None, *, read_only: bool = False) -> Store:
    """The store at ``url``.

    Args:
        url: ``memory:``, ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
            ``postgresql://user@host:5432/database?sslmode=verify-full``.
        clock: where time comes from; by default this machine's. In PostgreSQL the database's own time takes the
            place of a machine's clock, and only of that.
        read_only: for looking only; nothing is made or changed (a SQLite file has to exist).

    Raises:
        ConfigError: the URL names no store this version knows, or one that may not be reached this way.
        MissingExtraError: the driver for it is not installed.
        StoreError: the store cannot be opened.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "memory" and not rest.strip("/"):
        from toolguard.stores.memory import MemoryStore

        return MemoryStore(clock)
    if scheme == "sqlite" and rest.startswith("///") and len(rest) > 3:
        from toolguard.stores.sqlite import SqliteStore

        return SqliteStore(unquote(rest[3:]), clock, read_only=read_only)
    if scheme == "postgresql":
        try:
            from toolguard.stores.postgres import PostgresStore
        except ModuleNotFoundError as missing:
            if missing.name != "asyncpg":
                raise
            raise MissingExtraError(
                "a store in PostgreSQL needs the 'postgres' extra; install toolguard-middleware[postgres]"
            ) from None
        return PostgresStore(url, None if isinstance(clock, SystemClock) else clock, read_only=read_only)
    shown = scheme if scheme.isalnum() else "?"
    raise ConfigError(
        f"no store can be opened for the scheme {shown!r}; write 'memory:', 'sqlite:///path/to/file.db' "
        "('sqlite:////path' for an absolute path) or 'postgresql://user@host/database'"
    )
