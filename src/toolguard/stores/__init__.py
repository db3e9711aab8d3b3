"""Stores: where approvals, the ledger, the vault and the journal live. One port, one contract suite."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from toolguard.errors import ConfigError

if TYPE_CHECKING:
    from toolguard.ports import Clock, Store

__all__ = ["open_store"]


def open_store(url: str, clock: Clock | None = None, *, read_only: bool = False) -> Store:
    """The store at ``url``.

    Args:
        url: ``memory:``, ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
        clock: where time comes from; this machine's by default.
        read_only: for looking only; nothing is made or changed (a SQLite file has to exist).

    Raises:
        ConfigError: the URL names no store this version knows.
        StoreError: the store cannot be opened.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "memory" and not rest.strip("/"):
        from toolguard.stores.memory import MemoryStore

        return MemoryStore(clock)
    if scheme == "sqlite" and rest.startswith("///") and len(rest) > 3:
        from toolguard.stores.sqlite import SqliteStore

        return SqliteStore(unquote(rest[3:]), clock, read_only=read_only)
    shown = scheme if scheme.isalnum() else "?"
    raise ConfigError(
        f"no store can be opened for the scheme {shown!r}; write 'memory:' or 'sqlite:///path/to/file.db' "
        "('sqlite:////path' for an absolute path)"
    )
