"""What the service has yet to hear: how calls ended, and which questions are taken back. Delivered until it is taken.

The store's outbox holds it, in the transaction of what happened, so it outlives this process. Nothing here decides:
a call whose end does not arrive is indeterminate at the service when its lease ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from toolguard._core.approval import Approval, State
from toolguard._core.audit import Kind
from toolguard.errors import ServiceError, StoreError, ToolguardError
from toolguard.journal import close_overdue
from toolguard.ports import Announcement, Store
from toolguard.remote.link import Link, Reply

__all__ = ["Courier"]

log = logging.getLogger("toolguard.remote")

_EVERY = 5.0
"""Seconds between looks where nobody calls."""
_HELD = 60.0
"""Seconds a message is this process's while it is being delivered."""
_LONGEST = 60.0
_SWEEP = 30.0
_FLUSH = 3.0
_BACK = frozenset({State.WITHDRAWN, State.INVALIDATED, State.SUPERSEDED})
_ENDS = {Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE}
_LATER = frozenset({"identity", "wrong_audience", "not_a_service", "too_many", "timeout", "unavailable", "wrong_host"})
"""Refusals that say nothing of what was sent."""


class Courier:
    """One per process and store; processes on one store share the work."""

    def __init__(self, store: Store, link: Link) -> None:
        self._store = store
        self._link = link
        self._me = secrets.token_hex(16)
        self._lock = threading.Lock()
        self._task: Future[None] | None = None
        self._called: asyncio.Event | None = None
        self._delivering: asyncio.Lock | None = None
        self._saying: set[Future[Reply]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._swept = 0.0

    def begin(self) -> None:
        """Deliver, from now on, in this process. What a crash left open is written down first."""
        with self._lock:
            if self._pid == os.getpid() and self._task is not None and not self._task.done():
                return
            self._pid, self._called, self._delivering, self._saying = os.getpid(), None, None, set()
            self._task = self._link.start(self._keep_delivering)

    def wake(self) -> None:
        """There is something to deliver."""
        try:
            self.begin()
            called, loop = self._called, self._loop
            if called is not None and loop is not None:
                loop.call_soon_threadsafe(called.set)
        except (ToolguardError, RuntimeError):  # closing: what is left is delivered by the next one on this store
            return

    def flush(self) -> None:
        """Deliver what waits or is on its way, as far as it goes in a moment. Raises ServiceError."""
        if self._pid == os.getpid():
            self._link.run(self._last_round, _FLUSH)

    async def _last_round(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH):
                await self._round()
                for saying in list(self._saying):
                    await asyncio.wait({asyncio.wrap_future(saying)})

    async def _keep_delivering(self) -> None:
        self._loop, self._called, self._delivering = asyncio.get_running_loop(), asyncio.Event(), asyncio.Lock()
        while True:
            try:
                await self._sweep()
                await self._round()
            except ToolguardError as fault:
                log.warning("what the approval service should hear could not be read: %s", fault)
            try:
                await asyncio.wait_for(self._called.wait(), _EVERY)
            except TimeoutError:
                continue
            self._called.clear()

    async def _sweep(self) -> None:
        """Nobody else looks after this store: an execution whose process died is indeterminate when its lease ends."""
        now = asyncio.get_running_loop().time()
        if self._swept and now - self._swept < _SWEEP:
            return
        self._swept = now
        await asyncio.to_thread(close_overdue, self._store)

    async def _round(self) -> None:
        """Whoever waits for the round of another finds everything delivered that was on its way."""
        async with self._delivering or contextlib.nullcontext():
            await self._deliver_all()

    async def _deliver_all(self) -> None:
        while rows := await asyncio.to_thread(self._store.take, self._me, _HELD, 20):
            for n, row in enumerate(rows):
                try:
                    await self._deliver(row)
                except BaseException:  # closing: whoever comes next need not wait until they are free again
                    for left in rows[n:]:
                        with contextlib.suppress(StoreError):
                            self._store.outbox_later(left.row, 0.0)
                    raise

    async def _deliver(self, row: Announcement) -> None:
        approval = await asyncio.to_thread(self._store.get, row.tenant, row.approval)
        try:
            done = approval is None or await self._told(approval)
        except ServiceError:
            done = False
        try:
            if done:
                await asyncio.to_thread(self._store.outbox_done, row.row)
            else:
                wait = min(_LONGEST, 0.5 * 2 ** min(row.attempts, 8))
                await asyncio.to_thread(self._store.outbox_later, row.row, wait)
        except StoreError:  # somebody else was at it
            return

    async def _told(self, approval: Approval) -> bool:
        """Whether the service knows of it, or need not."""
        if approval.state in _BACK:
            reply = await self._link.aask("POST", f"/v1/approvals/{approval.id}/withdraw")
        elif approval.state in (State.EXECUTED, State.INDETERMINATE):
            body = await asyncio.to_thread(self._outcome, approval)
            reply = await self._outcome_said(approval, body)
        else:
            return True
        if reply.status < 300 or (approval.state in _BACK and reply.status in (404, 409)):
            return True
        if reply.status >= 500 or reply.code in _LATER:
            return False
        log.warning("the approval service does not take how approval %s ended: %s", approval.id, reply.code)
        return True

    async def _outcome_said(self, approval: Approval, body: Mapping[str, Any]) -> Reply:
        return await self._link.aask("POST", f"/v1/approvals/{approval.id}/outcome", body=body)

    def _outcome(self, approval: Approval) -> dict[str, Any]:
        request = approval.request
        ends = [r.draft for r in self._store.records(call=request.call) if r.draft.kind in _ENDS]
        facts = ends[-1].body if ends else {}
        ended = "indeterminate" if approval.state is State.INDETERMINATE else "returned"
        if approval.outcome == "error":
            ended = "failed"
        body = {"call_digest": request.call_digest, "ended": ended}
        error = facts.get("error.type")
        if isinstance(error, str) and error.isascii() and error.isidentifier() and len(error) <= 64:
            body["error"] = error
        return {**body, "withheld": facts.get("toolguard.result.withheld") is True}

    def did_not_run(self, approval: Approval, why: str) -> None:
        """A call that was claimed at the service could not be begun here. Said once, as well as it goes."""
        body = {"call_digest": approval.request.call_digest, "ended": "failed", "error": why}
        try:
            saying = self._link.start(lambda: self._outcome_said(approval, body))
        except ServiceError:
            return
        self._saying.add(saying)
        saying.add_done_callback(self._said)

    def _said(self, saying: Future[Reply]) -> None:
        self._saying.discard(saying)
        if not saying.cancelled():
            saying.exception()  # looked at, or it would be complained of
