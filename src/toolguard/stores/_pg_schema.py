"""The PostgreSQL schema: numbered migrations, each in one transaction, one process at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from importlib import resources

import asyncpg

from toolguard._core.approval import TRANSITIONS, State
from toolguard.errors import StoreError
from toolguard.stores import _log
from toolguard.stores._pg_faults import FAULTS, fault
from toolguard.stores._pg_url import parse
from toolguard.stores._schema import Schema

__all__ = ["GUARD_MOVES", "latest", "look", "migrate", "state_of"]

_LOCK = 0x7467_7264_0001
"""The advisory lock of whoever migrates."""

_NO_FACTS = (
    "SELECT current_setting('server_version') AS server, current_user::text AS role, "
    "CASE WHEN ssl THEN ssl.version ELSE 'no' END AS tls, current_setting('fsync') AS fsync, "
    "current_setting('synchronous_commit') AS synchronous_commit "
    "FROM pg_stat_ssl AS ssl WHERE pid = pg_backend_pid()"
)
_FACTS = _NO_FACTS.replace(
    " FROM pg_stat_ssl",
    """,
    CASE WHEN pg_has_role(current_user, (SELECT nspowner FROM pg_namespace WHERE nspname = 'toolguard'), 'USAGE')
        THEN 'owner: it may do everything, so nothing holds it back; see toolguard store roles --print'
    WHEN has_column_privilege('toolguard.approvals', 'grant_payload', 'UPDATE') THEN 'service'
    WHEN has_table_privilege('toolguard.records', 'DELETE') THEN 'keeper'
    WHEN has_table_privilege('toolguard.records', 'INSERT') THEN 'guard'
    WHEN has_table_privilege('toolguard.records', 'SELECT') THEN 'auditor' ELSE 'nothing' END AS may,
    array_to_string(toolguard.tenants(), ' ') AS tenants,
    CASE WHEN has_table_privilege('toolguard.records', 'DELETE') OR EXISTS (SELECT FROM pg_roles
        WHERE rolname = 'toolguard_keeper' AND pg_has_role(current_user, oid, 'MEMBER')) THEN 'yes' ELSE 'no' END AS deletes
    FROM pg_stat_ssl""",
)

_S = State
GUARD_MOVES = frozenset(
    (source, target)
    for source, target in TRANSITIONS
    if target in (_S.EXPIRED, _S.WITHDRAWN, _S.SUPERSEDED, _S.INVALIDATED, _S.EXECUTING, _S.EXECUTED, _S.INDETERMINATE)
    and source is not _S.INDETERMINATE
)
"""What needs no person's word: everything else is the approval service's, also for the database."""


def _scripts() -> tuple[str, ...]:
    """``[n]`` takes the schema from version n to n + 1."""
    folder = resources.files("toolguard.stores") / "postgresql_schema"
    names = sorted(item.name for item in folder.iterdir() if item.name[:4].isdecimal())
    return tuple((folder / name).read_text("utf-8") for name in names)


def latest() -> int:
    """The version this toolguard writes."""
    return len(_scripts())


def look(url: str) -> Schema:
    """What schema a database has, and what the user of the URL may do with it; it is only read.

    Raises:
        ConfigError, StoreError: see `toolguard.stores.open_store`.
    """
    place = parse(url)

    async def ask() -> Schema:
        try:
            connection = await asyncpg.connect(**place.arguments(), timeout=5.0, command_timeout=15.0)
            try:
                found = await state_of(connection, place.shown)
                facts = await connection.fetchrow(_FACTS if found.version else _NO_FACTS)
            finally:
                await connection.close()
        except FAULTS as error:
            raise fault(error, place.shown, tail="") from None
        return replace(found, facts=(("kind", "PostgreSQL"), *facts.items()))

    return asyncio.run(ask())


async def state_of(connection: asyncpg.Connection, shown: str) -> Schema:
    """What the database holds.

    Raises:
        StoreError: its schema is newer than this version, or another application's.
    """
    there = await connection.fetchval("SELECT to_regnamespace('toolguard') IS NOT NULL")
    if not there or not await connection.fetchval("SELECT to_regclass('toolguard.meta') IS NOT NULL"):
        if there and await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('toolguard')"
        ):
            raise StoreError(
                f"the schema 'toolguard' of {shown!r} is another application's; give the store a database of its own"
            )
        return Schema(version=0, latest=latest())
    rows = dict(await connection.fetch("SELECT key, coalesce(word, num::bigint::text) FROM toolguard.meta"))
    version = int(rows.get("schema_version") or 0)
    if version > latest():
        raise StoreError(
            f"the store {shown!r} was written by a newer toolguard (schema {version}, this one knows {latest()}); "
            "upgrade toolguard-middleware"
        )
    if not rows.get("epoch"):
        raise StoreError(f"the store {shown!r} has lost its identity; restore a backup")
    return Schema(version=version, latest=latest(), epoch=rows["epoch"])


async def migrate(connection: asyncpg.Connection, shown: str) -> Schema:
    """Bring the schema up to date. Of several processes that start at once, one does it and the others wait.

    Raises:
        StoreError: see `state_of`.
    """
    async with connection.transaction():
        await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        await connection.execute("CREATE SCHEMA IF NOT EXISTS toolguard")
        found = await state_of(connection, shown)
        for number, script in enumerate(_scripts()[found.version :], start=found.version + 1):
            await connection.execute(script)
            await connection.execute(
                "INSERT INTO toolguard.meta (key, num) VALUES ('schema_version', $1) "
                "ON CONFLICT (key) DO UPDATE SET num = excluded.num",
                float(number),
            )
        if found.version == 0:
            await connection.execute("INSERT INTO toolguard.meta (key, word) VALUES ('epoch', $1)", _log.new_id())
        if found.pending:
            await connection.execute("DELETE FROM toolguard.transitions")
            await connection.executemany(
                "INSERT INTO toolguard.transitions (source, target, guard) VALUES ($1, $2, $3)",
                sorted((s.value, t.value, (s, t) in GUARD_MOVES) for s, t in TRANSITIONS),
            )
        return await state_of(connection, shown)
