"""Work on all cores, in order, with a bounded amount under way: memory stays flat however long the input is."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from toolguard.errors import DatasetError

__all__ = ["Pool", "cores"]

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")
_AHEAD = 3
"""Chunks under way for each worker."""


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class Pool(Generic[Chunk, Result]):
    """Maps chunks to results, in order, in ``jobs`` processes, or in this one where ``jobs`` is 1.

    Args:
        open: makes what works on one chunk; called once in each process. A function or object that can be pickled.
        jobs: how many processes.
        ready: what ``open`` would give in this process, if it is there already.
    """

    def __init__(
        self,
        open: Callable[[], Callable[[Chunk], Result]],
        jobs: int,
        *,
        ready: Callable[[Chunk], Result] | None = None,
    ) -> None:
        self._open = open
        self._ready = ready
        self._jobs = jobs
        self._work: Callable[[Chunk], Result] | None = None
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Pool[Chunk, Result]:
        if self._jobs > 1:
            # a fork shares the loaded model; elsewhere than on Linux it is not safe
            forks = sys.platform == "linux" and threading.active_count() == 1
            if forks:
                global _work
                _work = self._ready or self._open()
            context = multiprocessing.get_context("fork" if forks else "spawn")
            self._executor = ProcessPoolExecutor(
                self._jobs, mp_context=context, initializer=_begin, initargs=(None if forks else self._open,)
            )
            if forks:
                self._executor.submit(os.getpid).result()  # all are forked now, before any thread of ours begins
        else:
            self._work = self._ready or self._open()
        return self

    def __exit__(self, *_: object) -> None:
        global _work
        _work = None
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def map(self, chunks: Iterable[Chunk]) -> Iterator[Result]:
        """One result for each chunk, in order. No more than a few chunks are read ahead.

        Raises:
            DatasetError: a worker was killed.
        """
        if self._executor is None:
            if self._work is None:
                raise RuntimeError("enter the pool first")
            yield from map(self._work, chunks)
            return
        waiting: deque[Future[Any]] = deque()
        try:
            for chunk in chunks:
                waiting.append(self._executor.submit(_run, chunk))
                if len(waiting) >= self._jobs * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise DatasetError(
                "a worker process ended before its work was done (out of memory, or killed); "
                "run again, with fewer --jobs if memory is short"
            ) from None


_work: Callable[[Any], Any] | None = None


def _begin(open: Callable[[], Callable[[Any], Any]] | None) -> None:
    """First thing in a worker: no interrupt (the parent gets it), and no life without the parent."""
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, name="toolguard-parent", daemon=True).start()
    if open is not None:
        _work = open()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            wait([parent.sentinel])
        os._exit(1)


def _run(chunk: Any) -> Any:
    if _work is None:
        raise RuntimeError("the worker was not set up")
    return _work(chunk)
