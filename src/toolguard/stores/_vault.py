"""The vault in SQLite: tokens and their sealed values, found by keyed digest, with a cache in front."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from toolguard._core.call import keyed_digest
from toolguard._core.vault import Namespace, Need, Token, canonical_form
from toolguard.errors import StoreError
from toolguard.ports import Sealer, SessionKey
from toolguard.stores import _sql
from toolguard.stores._rows import blob
from toolguard.stores._tokens import MAX_INDEX, MAX_VARIANT

__all__ = ["Cache", "Known", "allocate", "context", "digest", "merge", "opened", "purge", "read_values"]


class Known:
    """What this process knows of one session's vault."""

    def __init__(self) -> None:
        self.tokens: dict[Need, Token] = {}
        self.values: dict[Token, str] = {}
        self.whole = False


class Cache:
    """Tokens and clear values of the sessions used last, in memory only.

    Good for as long as no session was purged, by whatever process: the store counts purges, and the cache
    is emptied when that count moves.
    """

    def __init__(self, sessions: int = 256) -> None:
        self._most = sessions
        self._lock = threading.Lock()
        self._purges = -1
        self._sessions: OrderedDict[SessionKey, Known] = OrderedDict()

    def at(self, key: SessionKey, purges: int) -> Known:
        """What is known of a session; ``purges`` is the store's count, read just now."""
        with self._lock:
            if purges > self._purges:
                self._sessions.clear()
                self._purges = purges
            elif purges < self._purges:
                return Known()
            known = self._sessions.get(key)
            if known is None:
                known = self._sessions[key] = Known()
                if len(self._sessions) > self._most:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(key)
            return known

    def clear(self) -> None:
        with self._lock:
            self._sessions.clear()


def context(key: SessionKey, token: Token) -> str:
    """What a sealed value is bound to."""
    return f"{key.tenant}/{key.session}/{token}"


def digest(sealer: Sealer, purpose: str, key: SessionKey, need: Need, text: str) -> str:
    """What a spelling or an identity is looked up by."""
    parts = (key.tenant, key.session, need.namespace.value, need.type, text)
    return keyed_digest(sealer.digest_key, purpose, *(p.encode("utf-8", "surrogatepass") for p in parts))


def opened(sealer: Sealer, key: SessionKey, token: Token, value: object) -> str:
    """The clear value of a token, from its sealed one."""
    return sealer.open(blob(value), context=context(key, token)).decode("utf-8", "surrogatepass")


def allocate(
    connection: sqlite3.Connection, key: SessionKey, needs: Sequence[Need], sealer: Sealer
) -> dict[Need, Token]:
    """The token of each need, made if it is new. Call inside a write transaction."""
    return {need: _allocate(connection, key, need, sealer) for need in needs}


def _allocate(connection: sqlite3.Connection, key: SessionKey, need: Need, sealer: Sealer) -> Token:
    where = (key.tenant, key.session)
    spelling = digest(sealer, "toolguard.vault.spelling", key, need, need.text)
    row = connection.execute(_sql.KNOWN, (*where, spelling)).fetchone()
    if row is not None:
        token = Token(type=need.type, index=row[0], namespace=need.namespace, variant=row[1])
        if opened(sealer, key, token, row[2]) != need.text:
            raise StoreError("a stored token stands for something else than it is filed under: the store was edited")
        return token
    identity = digest(sealer, "toolguard.vault.identity", key, need, canonical_form(need.type, need.text))
    row = connection.execute(_sql.LAST_VARIANT, (*where, identity)).fetchone()
    if row is not None and row[1] < MAX_VARIANT:
        token = Token(type=need.type, index=row[0], namespace=need.namespace, variant=row[1] + 1)
    else:
        token = Token(type=need.type, index=_next_index(connection, key, need), namespace=need.namespace)
    sealed = sealer.seal(need.text.encode("utf-8", "surrogatepass"), context=context(key, token))
    connection.execute(
        _sql.ADD_VALUE,
        (*where, need.namespace.value, need.type, token.index, token.variant, identity, spelling, sealed),
    )
    return token


def _next_index(connection: sqlite3.Connection, key: SessionKey, need: Need) -> int:
    counter = (key.tenant, key.session, need.namespace.value, need.type)
    row = connection.execute(_sql.LAST_INDEX, counter).fetchone()
    index = 1 if row is None else int(row[0]) + 1
    if index > MAX_INDEX:
        raise StoreError(f"this session has more than {MAX_INDEX} identifiers of one type; begin a new session")
    connection.execute(_sql.COUNT_INDEX, (*counter, index))
    return index


def read_values(
    connection: sqlite3.Connection, key: SessionKey, sealer: Sealer, tokens: Iterable[Token] | None
) -> dict[Token, str]:
    """Values of ``tokens`` (None: all of the session's); unknown ones are left out."""
    sealed: dict[Token, bytes] = {}
    if tokens is None:
        for namespace, kind, index, variant, value in connection.execute(_sql.VALUES, (key.tenant, key.session)):
            sealed[Token(type=kind, index=index, namespace=Namespace(namespace), variant=variant)] = value
    else:
        for token in tokens:
            place = (key.tenant, key.session, token.namespace.value, token.type, token.index, token.variant)
            row = connection.execute(_sql.VALUE, place).fetchone()
            if row is not None:
                sealed[token] = row[0]
    return {token: opened(sealer, key, token, value) for token, value in sealed.items()}


def purge(connection: sqlite3.Connection, key: SessionKey) -> int:
    """Forget a session's tokens. The counters stay: a token once shown never comes to mean something else."""
    count = connection.execute(_sql.PURGE, (key.tenant, key.session)).rowcount
    connection.execute(_sql.ADD_PURGE)
    return count


def merge(into: Known, tokens: Mapping[Need, Token], values: Mapping[Token, str]) -> None:
    into.tokens.update(tokens)
    into.values.update(values)
