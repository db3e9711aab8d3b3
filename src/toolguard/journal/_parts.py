"""A log read in parts, here or in several processes; what each part tells is put together in the order of the log."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from toolguard._core.audit import GENESIS, Fault
from toolguard._core.stored import ChainCheck, Stored
from toolguard.journal._facts import Facts
from toolguard.journal._pages import BEFORE_ALL, pages
from toolguard.ports import LogHead, Store

__all__ = ["Part", "Workers", "read_part", "read_parts"]

_RECORDS = 20_000
"""How many records are one part."""
_LEAD = 16
"""So many rows before a part are looked at again: a call's decision and beginning are written together."""


@dataclass(slots=True, kw_only=True)
class Part:
    """What a part of a log holds: its hashes in order, its faults, what it tells, and whether the log's end is in it."""

    first: Stored | None
    last: int
    count: int
    faults: list[Fault]
    facts: Facts
    hashes: list[str] = field(repr=False)
    reaches_head: bool


def read_part(
    store: Store,
    log_id: str,
    after: int,
    upto: int | None,
    head: LogHead | None,
    prev: str | None = None,
    hashed: bool = True,
) -> Part:
    """The records after ``after`` up to ``upto`` (None: to the end). ``prev`` is the hash of the one at ``after``, looked up
    where it is not given. Without ``hashed`` the hashes are left out, which are most of what a process has to hand over.
    """
    facts, begin = Facts(), max(after, 0)
    if begin:
        lead = [row for row in store.stored(log_id, begin - _LEAD - 1, _LEAD + 1) if row[1] <= begin]
        facts.prime(lead)
        if prev is None:
            prev = lead[-1][3] if lead and lead[-1][1] == begin else ""
    chain = ChainCheck(log_id, after=begin, prev=GENESIS if prev is None else prev)
    hashes: list[str] = []
    reaches = head is None or (begin, prev) == (head.seq, head.hash)
    for page in pages(store, log_id, after):
        rows: Sequence[Stored] = page
        done = upto is not None and not (isinstance(page[-1][1], int) and page[-1][1] < upto)
        if done and upto is not None:
            rows = [row for row in page if isinstance(row[1], int) and row[1] <= upto]
        chain.page(rows)
        facts.learn(rows)
        hashes += [row[3] for row in rows] if hashed else ()
        if not reaches and head is not None and chain.last >= head.seq:
            reaches = any(row[1] == head.seq and row[3] == head.hash for row in rows)
        if done:
            break
    return Part(
        first=chain.first,
        last=chain.last,
        count=chain.count,
        faults=chain.faults,
        facts=facts,
        hashes=hashes,
        reaches_head=reaches,
    )


def read_parts(
    store: Store, log_id: str, begin: int, prev: str, head: LogHead | None, workers: Workers | None, *, hashed: bool
) -> Iterator[Part]:
    """A log from the record after ``begin`` on (0: from its very beginning), in order."""
    start = begin or BEFORE_ALL
    size = head.seq if head is not None else 0
    cuts = range(begin + _RECORDS, size, _RECORDS)
    bounds = list(zip((start, *cuts), (*cuts, None), strict=True))
    if workers is None or len(bounds) == 1:
        for n, (after, upto) in enumerate(bounds):
            yield _joined(read_part(store, log_id, after, upto, head, None if n else prev, hashed), log_id, upto)
        return
    for part, (_, upto) in zip(workers.parts(log_id, bounds, head, prev, hashed=hashed), bounds, strict=True):
        yield _joined(part, log_id, upto)


def _joined(part: Part, log_id: str, upto: int | None) -> Part:
    """A part that ends before its end leaves a gap that the next one, which begins at its beginning, cannot see."""
    if upto is not None and part.last != upto:
        part.faults.append(Fault(log_id=log_id, seq=part.last, code="gap"))
    return part


_store: Store | None = None


def _open(opener: Callable[[], Store]) -> None:
    global _store
    _store = opener()


def _read(log_id: str, after: int, upto: int | None, head: LogHead | None, prev: str | None, hashed: bool) -> Part:
    if _store is None:
        raise AssertionError("a worker that opened no store")
    return read_part(_store, log_id, after, upto, head, prev, hashed)


class Workers:
    """Processes that read one store. ``opener`` opens it, for reading only, in each of them (it has to be picklable)."""

    def __init__(self, opener: Callable[[], Store], count: int) -> None:
        self._pool = ProcessPoolExecutor(
            count, mp_context=multiprocessing.get_context("spawn"), initializer=_open, initargs=(opener,)
        )
        self._ahead = count + 2

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def parts(
        self, log_id: str, bounds: Sequence[tuple[int, int | None]], head: LogHead | None, prev: str, *, hashed: bool
    ) -> Iterator[Part]:
        """The parts within ``bounds``, in order; a few are read ahead."""
        waiting: deque[Future[Part]] = deque()
        for n, (after, upto) in enumerate(bounds):
            waiting.append(self._pool.submit(_read, log_id, after, upto, head, None if n else prev, hashed))
            if len(waiting) > self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
