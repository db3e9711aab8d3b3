"""The schema of a store that outlives its processes: which version it has, and bringing it up to date."""

from __future__ import annotations

import hashlib
from contextlib import closing
from importlib import resources
from urllib.parse import unquote

from toolguard.errors import ConfigError, MissingExtraError
from toolguard.stores import open_store
from toolguard.stores._schema import Schema

__all__ = ["Schema", "compact_store", "migrate_store", "roles_sql", "schema_of", "store_mark"]


def schema_of(url: str) -> Schema:
    """What the store at ``url`` holds; nothing is made or changed.

    Raises:
        ConfigError: the URL names no store that has a schema.
        StoreError: the store cannot be read, or a newer version wrote it.
    """
    if url.startswith("sqlite:///"):
        from toolguard.stores._connect import look

        return look(unquote(url.removeprefix("sqlite:///")))
    if not url.startswith("postgresql:"):
        raise ConfigError("only stores in SQLite and PostgreSQL have a schema; name one of those")
    try:
        from toolguard.stores._pg_schema import look as look_there
    except ModuleNotFoundError as missing:
        if missing.name != "asyncpg":
            raise
        raise MissingExtraError(
            "a store in PostgreSQL needs the 'postgres' extra; install toolguard-middleware[postgres]"
        ) from None
    return look_there(url)


def migrate_store(url: str) -> Schema:
    """Bring the store at ``url`` up to date, making it if it is not there. → what it holds now

    Raises:
        ConfigError, StoreError: see `toolguard.stores.open_store`.
    """
    if not url.startswith(("sqlite:///", "postgresql:")):
        raise ConfigError("only stores in SQLite and PostgreSQL have a schema; name one of those")
    with closing(open_store(url)):
        return schema_of(url)


def compact_store(url: str) -> None:
    """Give the space of what was deleted back to the disk: a SQLite file is written anew, which takes as much room again.

    Raises:
        ConfigError: the store is not in SQLite; PostgreSQL does that itself (VACUUM), within its tables.
        StoreError: it cannot be done, e.g. because somebody writes.
    """
    if not url.startswith("sqlite:///"):
        raise ConfigError("only a store in SQLite is compacted from here; in PostgreSQL run VACUUM as its owner")
    from toolguard.stores._connect import connect, translated

    path = unquote(url.removeprefix("sqlite:///"))
    with translated(path), closing(connect(path, busy_timeout=15.0)) as db:
        db.set_authorizer(None)  # VACUUM copies through tables of its own
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def roles_sql() -> str:
    """SQL for PostgreSQL that makes the roles of a store, each with what it needs and no more."""
    return (resources.files("toolguard.stores") / "postgresql_schema" / "roles.sql").read_text("utf-8")


def store_mark(epoch: str) -> str:
    """Which store it is, for whoever compares two: 16 hex digits that say nothing else of it."""
    return hashlib.sha256(b"toolguard.store\x00" + epoch.encode()).hexdigest()[:16]
