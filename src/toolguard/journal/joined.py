"""A store together with the segments of its logs, read as one: what was taken out of the store comes from the segments.

A record comes from the store where it still stands there. What is read from a segment is no more believed than what a store
says: `verify` holds both against checkpoints.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.call import quoted
from toolguard._core.pruning import begins
from toolguard._core.stored import Stored, stored_record
from toolguard.errors import StoreError
from toolguard.journal._segment import header_of, names_in, rows_of
from toolguard.ports import Store

__all__ = ["Joined", "joined", "reaching_back"]

_LOADED = 2
"""Segments kept in memory."""
_PAGE = 4000
_KIND, _CALL = 4, 7


class _Segments:
    """The segments of one store in a folder, found by log and number."""

    def __init__(self, folder: Path, epoch: str, *, lenient: bool) -> None:
        self._lenient = lenient
        if not folder.is_dir():
            raise StoreError(f"there is no folder {str(folder)!r} with segments; mount it, or name the right one")
        self._of: dict[str, list[tuple[int, int, Path]]] = {}
        for name in names_in(folder):
            said = header_of(folder / name)
            if said is not None and said.epoch == epoch:
                self._of.setdefault(said.log_id, []).append((said.first, said.last, folder / name))
        for parts in self._of.values():
            parts.sort()
        self._loaded: OrderedDict[Path, Sequence[Stored]] = OrderedDict()
        self._operations: list[Stored] | None = None

    def rows(self, log_id: str, after: int, upto: int) -> Iterator[Stored]:
        """Records after ``after`` up to ``upto``, as far as there are segments without a gap."""
        for first, last, path in self._of.get(log_id, ()):
            if last <= after:
                continue
            if first > after + 1 or after >= upto:
                return
            rows = self._rows(path)
            yield from rows[after + 1 - first : upto + 1 - first]
            after = last

    def of_call(self, call: str) -> Iterator[Stored]:
        """The records of a call, of every segment."""
        yield from (row for row in self._some(f',"call":{quoted(call)},'.encode()) if row[_CALL] == call)

    def _some(self, containing: bytes) -> Iterator[Stored]:
        for parts in self._of.values():
            for _, _, path in parts:
                yield from self._read(path, containing)

    @property
    def operations(self) -> list[Stored]:
        """Records of no call, of every segment."""
        if self._operations is None:
            self._operations = list(self.of_call(""))
        return self._operations

    def _rows(self, path: Path) -> Sequence[Stored]:
        if path in self._loaded:
            self._loaded.move_to_end(path)
        else:
            self._loaded[path] = self._read(path)
            while len(self._loaded) > _LOADED:
                self._loaded.popitem(last=False)
        return self._loaded[path]

    def _read(self, path: Path, containing: bytes = b"") -> Sequence[Stored]:
        try:
            return rows_of(path, containing)
        except StoreError:
            if self._lenient:
                return ()
            raise


class Joined:
    """A store for reading whose logs are whole. Whatever is not about records is the store's own."""

    def __init__(self, store: Store, folder: str | os.PathLike[str], *, lenient: bool = False) -> None:
        self.store = store
        self._segments = _Segments(Path(folder), store.epoch, lenient=lenient)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def stored(self, log_id: str, after: int = 0, limit: int = 4000) -> Sequence[Stored]:
        first = self.store.stored(log_id, after, 1)
        begin = max(after, 0)
        if first and (not isinstance(first[0][1], int) or first[0][1] <= begin + 1):
            hot = self.store.stored(log_id, after, limit)
            if hot[:1] == first:
                return hot
            return self.stored(log_id, after, limit)  # they were taken out this moment
        upto = first[0][1] - 1 if first else 2**62
        found = list(self._segments.rows(log_id, begin, min(upto, begin + limit)))
        if not found or (found[-1][1] == upto and len(found) < limit):
            found += self.store.stored(log_id, upto if found else after, limit - len(found))
        return found

    def hashes(self, log_id: str, after: int = 0, limit: int = 20_000) -> Sequence[tuple[int, str]]:
        first = self.store.hashes(log_id, after, 1)
        if first and first[0][0] <= after + 1:
            hot = self.store.hashes(log_id, after, limit)
            if hot[:1] == first:
                return hot
        return [(row[1], row[3]) for row in self.stored(log_id, after, limit)]

    def records(
        self, *, log_id: str | None = None, after: int = 0, limit: int | None = None, call: str | None = None
    ) -> Iterator[AuditRecord]:
        found = self._of_call(call, log_id, after) if call is not None else self._in_turn(log_id, after)
        for n, record in enumerate(found):
            if limit is not None and n >= limit:
                return
            yield record

    def _of_call(self, call: str, log_id: str | None, after: int) -> Iterator[AuditRecord]:
        hot = {(r.log_id, r.seq): r for r in self.store.records(call=call, log_id=log_id, after=after)}
        cold = (
            stored_record(row)
            for row in (self._segments.of_call(call) if call else ())
            if (row[0], row[1]) not in hot and row[1] > after and log_id in (None, row[0])
        )
        yield from chain(cold, hot.values())

    def _in_turn(self, log_id: str | None, after: int) -> Iterator[AuditRecord]:
        for log in [log_id] if log_id is not None else self.store.written():
            at = after
            while page := self.stored(log, at, _PAGE):
                yield from map(stored_record, page)
                if len(page) < _PAGE:
                    break
                at = page[-1][1]

    def operations(self, kind: Kind) -> Iterator[AuditRecord]:
        hot = {(r.log_id, r.seq): r for r in self.store.operations(kind)}
        cold = {
            (row[0], row[1]): row
            for row in self._segments.operations
            if row[_KIND] == kind and (row[0], row[1]) not in hot
        }
        for place in sorted((*hot, *cold)):
            yield hot[place] if place in hot else stored_record(cold[place])


def joined(store: Store, folder: str | os.PathLike[str] | None, *, lenient: bool = False) -> Store:
    """``store`` with the segments in ``folder`` (None: as it is). With ``lenient`` one that cannot be read is left out, for who
    verifies and sees the gap.

    Raises:
        StoreError: the folder is not there; and later, wherever a segment is needed that cannot be read.
    """
    if folder is None:
        return store
    return cast("Store", Joined(store, folder, lenient=lenient))  # what it does not say itself, the store says


def reaching_back(store: Store, since: float) -> Store:
    """The store alone where nothing that was taken out of it is as new as ``since`` (UTC seconds): then no segment is read."""
    if not isinstance(store, Joined):
        return store
    taken = begins(store.store.operations(Kind.AUDIT_PRUNED)).values()
    return cast("Store", store) if any(begin.newest >= since for begin in taken) else store.store
