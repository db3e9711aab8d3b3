"""What PostgreSQL reports, in plain words and without its own text, which may quote what was stored."""

from __future__ import annotations

import ssl

import asyncpg

from toolguard.errors import ConflictError, StoreError

__all__ = ["FAULTS", "Lost", "fault", "is_lost", "may_pass", "unknown_outcome"]

_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
FAULTS = (asyncpg.PostgresError, *_LOST)
"""What a conversation with the database may end in; a timeout is an OSError."""

_ADVICE = {
    "08": "the connection broke; check that the database runs and can be reached",
    "22": "a value does not fit its column",
    "25006": "it is read-only here; connect to the primary, not to a standby",
    "28": "it did not let this user in; check user, password and pg_hba.conf",
    "3D": "there is no such database; create it",
    "3F": "there is no toolguard schema in it; run 'toolguard store migrate' as its owner",
    "40": "it was busy with the same rows for too long; try again",
    "42501": "this user may not do that; see 'toolguard store roles --print'",
    "42": "its schema is not what this version expects; run 'toolguard store migrate' as its owner",
    "53100": "its disk is full; free space and try again",
    "53": "it has no resources left (connections, memory); try again later",
    "55P03": "another session holds a row or the schema locked; end that session or try again",
    "57014": "a statement took longer than the limit; try again later",
    "57": "it is shutting down or starting; try again",
    "58": "it failed to read or write its disk; check the database's log",
    "TG": "a trigger of the schema refused it: this user may not make this change",
    "XX": "it reports damage; check the database's log and restore a backup",
}


class Lost(Exception):  # noqa: N818 - no error of its own: it says that the answer to a COMMIT did not come
    """The connection broke while committing."""


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or not to be trusted any more."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error).startswith(("08", "57P0"))
    return isinstance(error, (*_LOST, Lost))


def may_pass(error: BaseException) -> bool:
    """Whether the same transaction, begun anew, may go through: another one came first."""
    return _state(error) in ("40001", "40P01", "23505")


def fault(error: BaseException, shown: str, *, tail: str = "; nothing was written") -> StoreError:
    """The error for what the database or the way to it reports."""
    state = _state(error)
    name = f"{type(error).__name__} {state}".strip()
    for prefix in (state[:5], state[:2]):
        if prefix in _ADVICE:
            return StoreError(f"the store {shown!r} failed ({name}): {_ADVICE[prefix]}{tail}")
    if state.startswith("23"):
        return ConflictError(f"the store {shown!r} refused a row that is there already or does not fit ({name}){tail}")
    if isinstance(error, ssl.SSLError):
        why = "its certificate does not hold; check sslrootcert and the host's name in the URL"
        return StoreError(f"the store {shown!r} cannot be reached ({name}): {why}{tail}")
    if is_lost(error):
        why = "check that the database runs and can be reached"
        return StoreError(f"the store {shown!r} cannot be reached ({name}): {why}{tail}")
    return StoreError(f"the store {shown!r} failed ({name}){tail}")


def unknown_outcome(shown: str) -> StoreError:
    """For a commit whose answer was lost."""
    return StoreError(
        f"the connection to the store {shown!r} was lost while it committed: it is unknown whether this was written; "
        "read the store to see what it holds"
    )
