"""Locks by name: PostgreSQL's advisory locks, held to the end of the transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import asyncpg

from toolguard.stores import _pg_sql

__all__ = ["lock"]


async def lock(db: asyncpg.Connection, wanted: Mapping[tuple[str, ...], bool]) -> None:
    """Take the locks of these names, each alone (True) or shared (False), always in the same order."""
    if wanted:
        keys = sorted((_key(name), alone) for name, alone in wanted.items())
        await db.execute(_pg_sql.LOCK, [key for key, _ in keys], [alone for _, alone in keys])


def _key(name: tuple[str, ...]) -> int:
    """A signed 64-bit number. Two names that share one wait for each other, and nothing worse."""
    text = "\x1f".join(("toolguard", *name)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], signed=True)
