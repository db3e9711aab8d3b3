"""Telling: reminders and escalations become due, announcements reach channels. Nothing here decides anything."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

from toolguard._core.approval import Approval, State, is_expired
from toolguard._core.steps import Announce, Change, Notice
from toolguard._core.verdicts import waits_for
from toolguard.authority.ending import Ending
from toolguard.authority.freezing import Freezing
from toolguard.errors import ApprovalError, ConflictError, NotFoundError
from toolguard.ports import Channel, NoticeChannel

__all__ = ["Telling"]

log = logging.getLogger("toolguard.authority")

_PAGE = 100
_HOLD = 60.0
"""Seconds an announcement is one worker's."""
_LONGEST = 300.0
"""Seconds between two tries of an announcement, at most."""
_LEAD = 30.0
"""Seconds one service sweeps for all of them."""
_REMIND = 10.0
"""Seconds between two looks for reminders that are due."""
_SAID = 20_000


class Telling(Ending, Freezing):
    """See `toolguard.authority.Authority`."""

    _reminded = 0.0

    def tick(self, channels: Sequence[Channel]) -> int:
        """What a service does every second or so: one of them sweeps and reminds, each delivers. Announcements done."""
        if self._store.lead("sweeper", self._worker, _LEAD):
            self.sweep()
            now = self._store.now()
            if not self._reminded <= now < self._reminded + _REMIND:
                self._reminded = now
                self.remind()
                self._finish_freezes()
        return self.deliver(channels)

    def _finish_freezes(self) -> None:
        """What a service that died had still to invalidate."""
        for tenant in self._directory.tenants():
            try:
                self.invalidate_frozen(tenant)
            except ApprovalError as error:
                log.warning("what is frozen could not be invalidated: %s", error.code)

    # --- reminders

    def remind(self) -> int:
        """Announce every reminder and escalation that is due, each once however many services do; how many there were."""
        said = 0
        for tenant in self._directory.tenants():
            before = None
            while page := self._store.list(tenant, states=(State.PENDING,), limit=_PAGE, before=before):
                before = page[-1].id
                said += sum(
                    self._say(approval.request.tenant, each) for approval in page for each in self._due(approval)
                )
        return said

    def _due(self, approval: Approval) -> Iterator[Announce]:
        now = self._store.now()
        waited = now - approval.request.created
        if is_expired(approval, now):
            return
        for rule in approval.request.approver_rules:
            if not waits_for(approval, rule):
                continue
            for number, step in enumerate(rule.escalate, start=1):
                if waited >= step.after:
                    yield _notice(approval, Notice.ESCALATION, rule.name, number)
            if rule.remind > 0 and (number := int(waited // rule.remind)) > 0:
                yield _notice(approval, Notice.REMINDER, rule.name, number)

    def _say(self, tenant: str, notify: Announce) -> bool:
        if notify.key in self._said:
            return False
        try:
            self._store.commit(Change(tenant=tenant, notify=notify))
        except ConflictError:  # said already, by whomever
            done = False
        else:
            done = True
        self._said[notify.key] = None
        while len(self._said) > _SAID:
            self._said.popitem(last=False)
        return done

    # --- delivery

    def deliver(self, channels: Sequence[Channel]) -> int:
        """Tell ``channels`` what has changed, oldest first; how many announcements are done.

        One that fails stays in the outbox and is tried again later. Nothing waits for it.
        """
        done = 0
        for each in self._store.take(self._worker, _HOLD, _PAGE):
            approval = self._store.get(each.tenant, each.approval)
            told = [_told(channel, approval, each.notice) for channel in channels] if approval is not None else []
            with contextlib.suppress(NotFoundError):  # it took so long that another worker was given it, and is done
                if all(told):
                    self._store.outbox_done(each.row)
                    done += 1
                else:
                    self._store.outbox_later(each.row, min(_LONGEST, 2.0 ** min(each.attempts, 10)))
        return done


def _notice(approval: Approval, notice: Notice, rule: str, number: int) -> Announce:
    return Announce(approval=approval.id, notice=notice, key=f"{notice.value}/{approval.id}/{number}/{rule}")


def _told(channel: Channel, approval: Approval, notice: Notice) -> bool:
    waits = approval.state is State.PENDING
    if notice in (Notice.REMINDER, Notice.ESCALATION) and not waits:
        return True  # it was answered meanwhile
    if notice is Notice.COMMENT and not (approval.state.is_open and isinstance(channel, NoticeChannel)):
        return True  # it is over, or the channel shows states alone
    try:
        if notice is not Notice.STATE and isinstance(channel, NoticeChannel):
            channel.notify(approval, notice)
        else:
            channel.announce(approval)
    except Exception as error:  # noqa: BLE001 - a channel can fail in any way, and may hold nothing up
        log.warning("a channel could not be told about a change: %s; it is tried again", type(error).__name__)
        return False
    return True
