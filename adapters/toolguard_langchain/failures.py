"""Failures of tools beside a call that waits: LangGraph runs their node again when it goes on, and they are told again.

A node that pauses is run again from its beginning, whatever already ran in it. What succeeded comes from the ledger. What
failed may be a retry, which is to run, or only that second run, which is not. The two are told apart by LangGraph's own account of a
run of a node (`TaskRun`): a retry, whoever asks for it, comes within the same run, or after one that nobody paused.

Kept is the exception's class and its masked text, in this process: a process that only resumes a thread tries such a call again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig

__all__ = ["FAILURES", "Failures", "TaskRun", "run_of"]

_RUNTIME = "__pregel_runtime"
_MOST = 4096


class TaskRun(NamedTuple):
    """One run of a node, with all its retries: LangGraph's task, and when its first attempt began."""

    task: str
    began: float


def run_of(config: RunnableConfig | None) -> tuple[TaskRun, int] | None:
    """Which run of a node this is, and which attempt in it; None outside a graph."""
    configurable: Mapping[str, Any] = (config or {}).get("configurable") or {}
    info = getattr(configurable.get(_RUNTIME), "execution_info", None)
    task, began = getattr(info, "task_id", None), getattr(info, "node_first_attempt_time", None)
    return (TaskRun(task, began), info.node_attempt) if info is not None and task and began is not None else None


@dataclass(frozen=True, slots=True)
class _Failure:
    kind: type[Exception]
    text: str
    run: TaskRun
    told: int = 0
    """In which attempt of ``run`` it was told again; 0 where it happened there."""


class Failures:
    """The last failure of each call, by the call's digest, and the runs of nodes that a pause ended. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, _Failure] = OrderedDict()
        self._paused: OrderedDict[TaskRun, None] = OrderedDict()

    def paused(self, config: RunnableConfig | None) -> None:
        """A call in this run waits: the node will be run again from its beginning."""
        here = run_of(config)
        if here is not None:
            with self._lock:
                self._paused[here[0]] = None
                _trim(self._paused)

    def keep(self, digest: str, config: RunnableConfig | None, kind: type[Exception], text: str) -> None:
        """The call with this digest failed here with an exception of class ``kind``; ``text`` is masked."""
        here = run_of(config)
        with self._lock:
            self._failed.pop(digest, None)
            if here is not None:
                self._failed[digest] = _Failure(kind, text, here[0])
                _trim(self._failed)

    def drop(self, digest: str) -> None:
        """The call was carried out after all."""
        if digest in self._failed:
            with self._lock:
                self._failed.pop(digest, None)

    def again(self, digest: str, config: RunnableConfig | None) -> tuple[type[Exception], str] | None:
        """The failure to tell again in place of running; None where the call is new or a retry."""
        if digest not in self._failed:
            return None
        here = run_of(config)
        with self._lock:
            last = self._failed.get(digest)
            if last is None or here is None or not self._goes_on(last, *here):
                return None
            if here[0].began > last.run.began:
                self._failed[digest] = replace(last, run=here[0], told=here[1])
            return last.kind, last.text

    def _goes_on(self, last: _Failure, run: TaskRun, attempt: int) -> bool:
        """Whether this only gets to where the node was paused. LangGraph's own retry of a node is for running again."""
        if last.run == run:
            return last.told == attempt
        if last.run.task != run.task:
            return False
        if run.began < last.run.began:  # on an event loop what is left of a node that paused runs on, to no end
            return run in self._paused
        return last.run in self._paused and attempt == 1


def _trim(held: OrderedDict[Any, Any]) -> None:
    while len(held) > _MOST:
        held.popitem(last=False)


FAILURES = Failures()
"""One for the process: a call's digest is keyed, so that no two calls of any guards share one."""
