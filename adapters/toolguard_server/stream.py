"""What changes, as it changes: one look at the store a second for everyone who listens, none while nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.concurrency import run_in_threadpool

from toolguard.authority import Actor, Approval, Authority, Human
from toolguard.errors import ApprovalError, NotFoundError, StoreError
from toolguard_server.closing import Closing
from toolguard_server.problems import Problem, note
from toolguard_server.shapes import standing

__all__ = ["Streams"]

_EVERY = 1.0
"""Seconds between two looks."""
_BEAT = 15.0
"""Seconds between two signs of life. The credential is looked at again with each."""
_MOST = 200
_MOST_EACH = 5
_BEHIND = 1000
"""Changes a listener may be behind before it is sent away to come again."""
_OVERLAP = 2.0
"""Seconds that are told once more after ``Last-Event-ID``: writers' times may cross."""


class _Listener:
    def __init__(self) -> None:
        self.news: dict[str, Approval] = {}
        self.talk: dict[str, tuple[int, float]] = {}
        """Approval → how many comments it has, and when the newest was made."""
        self.told = asyncio.Event()


class Streams:
    """Listeners of one process. For one event loop."""

    def __init__(
        self, authority: Authority, closing: Closing, *, every: float = _EVERY, beat: float = _BEAT, most: int = _MOST
    ) -> None:
        self._authority = authority
        self._closing = closing
        self._every, self._beat, self._most = every, beat, most
        self._listeners: dict[str, set[_Listener]] = {}
        self._seen: dict[str, Mapping[str, Approval]] = {}
        self._said: dict[str, int] = {}
        """Tenant → how many comments were seen."""
        self._whose: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self.looks = 0
        """How often the store was looked at."""

    def admit(self, whose: str) -> None:
        """Raises Problem ``too_many`` where too many listen, all together or by this credential."""
        if self._whose.total() >= self._most or self._whose[whose] >= _MOST_EACH:
            raise Problem("too_many", f"too many streams are open ({_MOST_EACH} by one credential); close one")

    async def listen(
        self, actor: Actor, whose: str, since: float | None, holds: Callable[[], object]
    ) -> AsyncIterator[str]:
        """Server-sent events of what ``actor`` may see: first what is open (or changed after ``since``, UTC seconds), then
        what changes. Ends when the service stops, or ``holds`` raises: the credential does not hold any more.
        """
        listener = _Listener()
        self._whose[whose] += 1
        self._listeners.setdefault(actor.tenant, set()).add(listener)
        try:
            with self._closing.waking(listener.told.set):
                first = await run_in_threadpool(self._look, actor.tenant)
                self._seen.setdefault(actor.tenant, first)
                if actor.tenant not in self._said:
                    await self._hear(actor.tenant)
                if since is not None:
                    listener.talk |= await run_in_threadpool(self._talk_since, actor.tenant, since - _OVERLAP)
                for each in first.values():
                    known = listener.news.get(each.id)  # what came meanwhile is newer
                    if known is None and (_is_open(each) if since is None else _at(each) >= since - _OVERLAP):
                        listener.news[each.id] = each
                self._start()
                yield ": welcome\n\n"
                async for event in self._events(actor, listener, holds):
                    yield event
        finally:
            self._whose[whose] -= 1
            self._whose += Counter()  # drops what is zero
            listeners = self._listeners.get(actor.tenant, set())
            listeners.discard(listener)
            if not listeners:
                self._listeners.pop(actor.tenant, None)
                self._seen.pop(actor.tenant, None)
                self._said.pop(actor.tenant, None)

    async def _events(self, actor: Actor, listener: _Listener, holds: Callable[[], object]) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._beat
        while not self._closing.is_set:
            listener.told.clear()
            news, listener.news = listener.news, {}
            if len(news) > _BEHIND:
                return
            talk, listener.talk = listener.talk, {}
            for text in await run_in_threadpool(self._shown, actor, news, talk):
                yield text
            if loop.time() >= due:
                try:
                    await run_in_threadpool(holds)
                except Exception:  # noqa: BLE001 - whatever is wrong with the credential, it opens nothing more
                    return
                due = loop.time() + self._beat
                yield ": still here\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(listener.told.wait(), max(0.0, due - loop.time()))

    def _shown(self, actor: Actor, news: Mapping[str, Approval], talk: Mapping[str, tuple[int, float]]) -> list[str]:
        now = self._authority.now()
        ordered = sorted(news.values(), key=lambda a: (_at(a), a.id))
        told = [_event(a, now) for a in ordered if self._authority.sees(actor, a)]
        if isinstance(actor, Human):  # programs hear nothing of what people say to each other
            ids = sorted(talk, key=lambda each: talk[each][1])
            told += [_comment_event(each, *talk[each]) for each in ids if self._may_hear(actor, each)]
        return told

    def _may_hear(self, actor: Human, approval: str) -> bool:
        try:
            self._authority.get(actor, approval)
        except NotFoundError:
            return False
        return True

    async def _hear(self, tenant: str) -> Mapping[str, tuple[int, float]]:
        """What was said in a tenant since this was last asked."""
        before = self._said.get(tenant)
        try:
            count, said = await run_in_threadpool(self._authority.commented, tenant, before)
        except (ApprovalError, StoreError):  # comments that do not hold together are told where they are read
            return {}
        self._said[tenant] = count
        return said

    def _talk_since(self, tenant: str, since: float) -> Mapping[str, tuple[int, float]]:
        try:
            found: Mapping[str, tuple[int, float]] = self._authority.commented(tenant, since=since)[1]
        except (ApprovalError, StoreError):  # as above
            return {}
        return found

    def _look(self, tenant: str) -> Mapping[str, Approval]:
        self.looks += 1
        found: Mapping[str, Approval] = self._authority.current(tenant, self._seen.get(tenant, {}))
        return found

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_looking())

    async def _keep_looking(self) -> None:
        while self._listeners and not self._closing.is_set:
            for tenant, listeners in list(self._listeners.items()):
                try:
                    found = await run_in_threadpool(self._look, tenant)
                    said = await self._hear(tenant)
                except Exception as error:  # noqa: BLE001 - a store that is down now is looked at again
                    note(error)
                    continue
                before = self._seen.get(tenant)
                if before is None:
                    continue  # whoever listened left
                self._seen[tenant] = found
                moved = {i: a for i, a in found.items() if i not in before or before[i].version != a.version}
                for listener in list(listeners) if moved or said else ():
                    listener.news |= moved
                    listener.talk |= said
                    listener.told.set()
            await asyncio.sleep(self._every)


def _at(approval: Approval) -> float:
    return approval.changed or approval.request.created


def _is_open(approval: Approval) -> bool:
    return approval.state.is_open


def _event(approval: Approval, now: float) -> str:
    data = {
        "id": approval.id,
        "state": standing(approval, now).value,
        "version": approval.version,
    }
    return f"event: approval\nid: {_at(approval):.6f}\ndata: {json.dumps(data)}\n\n"


def _comment_event(approval: str, count: int, at: float) -> str:
    data = {"id": approval, "comments": count}
    return f"event: comment\nid: {at:.6f}\ndata: {json.dumps(data)}\n\n"
