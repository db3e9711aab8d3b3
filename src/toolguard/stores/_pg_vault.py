"""The vault in PostgreSQL: one transaction and one lock per session, a few statements however many identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from toolguard._core.vault import Namespace, Need, Token, canonical_form
from toolguard.errors import StoreError
from toolguard.ports import Sealer, SessionKey
from toolguard.stores import _pg_sql
from toolguard.stores._pg_lock import lock
from toolguard.stores._tokens import MAX_INDEX, MAX_VARIANT
from toolguard.stores._vault import context, digest, opened

__all__ = ["allocate", "purge", "sealed_values"]


async def allocate(
    db: asyncpg.Connection, key: SessionKey, needs: Sequence[Need], sealer: Sealer
) -> tuple[dict[Need, Token], int]:
    """The token of each need, made if it is new, and the store's count of purges. Call inside a transaction."""
    where = (key.tenant, key.session)
    await lock(db, {("session", *where): True})
    spellings = {need: digest(sealer, "toolguard.vault.spelling", key, need, need.text) for need in needs}
    rows = await db.fetch(_pg_sql.KNOWN, *where, list(spellings.values()))
    known = {row[0]: row for row in rows}
    tokens: dict[Need, Token] = {}
    for need in needs:
        row = known.get(spellings[need])
        if row is not None:
            token = Token(type=need.type, index=row[1], namespace=need.namespace, variant=row[2])
            if opened(sealer, key, token, row[3]) != need.text:
                raise StoreError(
                    "a stored token stands for something else than it is filed under: the store was edited"
                )
            tokens[need] = token
    new = [need for need in needs if need not in tokens]
    if new:
        made = await _make(db, key, new, sealer, spellings)
        tokens.update(made)
    return {need: tokens[need] for need in needs}, await db.fetchval(_pg_sql.PURGES)


async def _make(
    db: asyncpg.Connection, key: SessionKey, needs: Sequence[Need], sealer: Sealer, spellings: dict[Need, str]
) -> dict[Need, Token]:
    where = (key.tenant, key.session)
    identities = {
        need: digest(sealer, "toolguard.vault.identity", key, need, canonical_form(need.type, need.text))
        for need in needs
    }
    last = {i: (index, v) for i, index, v in await db.fetch(_pg_sql.LAST_VARIANTS, *where, list(identities.values()))}
    counters = {(namespace, kind): n for namespace, kind, n in await db.fetch(_pg_sql.COUNTERS, *where)}
    moved: set[tuple[str, str]] = set()
    made: dict[Need, Token] = {}
    for need in needs:
        index, variant = last.get(identities[need], (0, MAX_VARIANT))
        if variant < MAX_VARIANT:
            token = Token(type=need.type, index=index, namespace=need.namespace, variant=variant + 1)
        else:
            counter = (need.namespace.value, need.type)
            counters[counter] = counters.get(counter, 0) + 1
            moved.add(counter)
            if counters[counter] > MAX_INDEX:
                raise StoreError(f"this session has more than {MAX_INDEX} identifiers of one type; begin a new session")
            token = Token(type=need.type, index=counters[counter], namespace=need.namespace)
        last[identities[need]] = (token.index, token.variant)
        made[need] = token
    await db.executemany(_pg_sql.COUNT_INDEX, [(*where, *counter, counters[counter]) for counter in sorted(moved)])
    await db.executemany(
        _pg_sql.ADD_VALUE,
        [
            (
                *where,
                need.namespace.value,
                need.type,
                token.index,
                token.variant,
                identities[need],
                spellings[need],
                sealer.seal(need.text.encode("utf-8", "surrogatepass"), context=context(key, token)),
            )
            for need, token in made.items()
        ],
    )
    return made


async def sealed_values(db: asyncpg.Connection, key: SessionKey, tokens: Sequence[Token] | None) -> dict[Token, bytes]:
    """Sealed values of ``tokens`` (None: all of the session's); unknown ones are left out."""
    if tokens is None:
        rows = await db.fetch(_pg_sql.VALUES, key.tenant, key.session)
    else:
        rows = await db.fetch(
            _pg_sql.SOME_VALUES,
            key.tenant,
            key.session,
            [t.namespace.value for t in tokens],
            [t.type for t in tokens],
            [t.index for t in tokens],
            [t.variant for t in tokens],
        )
    return {Token(type=k, index=i, namespace=Namespace(n), variant=v): value for n, k, i, v, value in rows}


async def purge(db: asyncpg.Connection, key: SessionKey) -> int:
    """Forget a session's tokens. The counters stay: a token once shown never comes to mean something else."""
    count = len(await db.fetch(_pg_sql.PURGE, key.tenant, key.session))
    await db.execute(_pg_sql.ADD_PURGE)
    return count
