"""One log in pages, each read by itself, so that a store in use is never held up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolguard._core.stored import Stored
from toolguard.ports import Store

__all__ = ["BEFORE_ALL", "hash_pages", "pages"]

BEFORE_ALL = -(2**62)
"""Below every number a record can have, also one that somebody gave it."""
_ROWS = 1000
_HASHES = 20_000


def pages(store: Store, log_id: str, after: int = BEFORE_ALL) -> Iterator[Sequence[Stored]]:
    """A log's records as they stand in the store, from the one after ``after`` on."""
    while page := store.stored(log_id, after, _ROWS):
        yield page
        if len(page) < _ROWS:
            return
        after = page[-1][1]


def hash_pages(store: Store, log_id: str, after: int = 0, upto: int | None = None) -> Iterator[list[str]]:
    """A log's hashes from the record after ``after`` on, up to ``upto``; ends where a number is left out."""
    while upto is None or after < upto:
        limit = _HASHES if upto is None else min(_HASHES, upto - after)
        page = store.hashes(log_id, after, limit)
        found = [hash_ for n, (seq, hash_) in enumerate(page, start=after + 1) if seq == n]
        yield found
        after += len(found)
        if len(found) < limit:
            return
