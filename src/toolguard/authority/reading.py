"""Reading: who sees which requests, and what waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from toolguard._core.approval import Approval, State, is_expired, is_granted
from toolguard._core.verdicts import turn_of
from toolguard.authority.access import Actor, Human, answers_for, may_answer, may_see
from toolguard.authority.base import Base
from toolguard.errors import ApprovalError, NotFoundError
from toolguard.ports import DirectoryPerson

__all__ = ["Page", "Reading"]

_PAGE = 100
_SCANNED = 5000
"""How many approvals one page of a list may look through before it hands back a cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Approvals, newest first. ``cursor`` is where the next page starts; None: there is no more."""

    approvals: tuple[Approval, ...]
    cursor: str | None = None


class Reading(Base):
    """See `toolguard.authority.Authority`."""

    def name_of(self, approval: Approval) -> str:
        """The requester's name, as the directory has it now."""
        request = approval.request
        found = self._directory.person(request.requester, at=self._store.now())
        return found.name if found is not None else request.requester_person

    def get(self, actor: Actor, approval_id: str) -> Approval:
        """The approval.

        Raises:
            NotFoundError: there is none, or none that ``actor`` may see.
        """
        approval, person = self._store.get(actor.tenant, approval_id), self._whois(actor)
        if approval is None or not (
            may_see(approval, actor, person, self._store.now()) or self._by_duty(actor, person)(approval)
        ):
            raise NotFoundError("no such approval for you; check the id and who you are signed in as")
        return approval

    def watch(self, approval: Approval, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` when the approval may have changed, until what is returned is called. A hint, from any thread."""
        return self._store.watch(approval.request.tenant, approval.id, wake)

    def can_decide(self, actor: Actor, approval: Approval) -> bool:
        """Whether a verdict by ``actor`` could count now. For display: `decide` looks again."""
        person = self._whois(actor)
        if not isinstance(actor, Human) or person is None or is_expired(approval, self._store.now()):
            return False
        now = self._store.now()
        return (approval.state is State.PENDING or is_granted(approval.state)) and may_answer(
            self._widened(approval, now), self._voter(actor, person), now
        )

    def asks(self, actor: Actor, approval: Approval) -> bool:
        """Whether ``actor`` stands on the asking side (may wait for it and withdraw it)."""
        return answers_for(approval, actor, self._whois(actor))

    def list(
        self,
        actor: Actor,
        *,
        states: Sequence[State] = (),
        assigned: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """What ``actor`` may see, newest first; with ``assigned`` only what waits for their own answer."""
        person, now = self._whois(actor), self._store.now()
        by_duty = self._by_duty(actor, person)
        found: list[Approval] = []
        scanned, size = 0, min(_PAGE, limit + 1)
        if assigned:
            states = (State.PENDING,) if not states or State.PENDING in states else ()
            if not states:
                return Page(approvals=())
        while scanned < _SCANNED:
            batch = self._store.list(actor.tenant, states=states, limit=size, before=cursor)
            for approval in batch:
                cursor = approval.id
                scanned += 1
                if (may_see(approval, actor, person, now) or by_duty(approval)) and (
                    not assigned or self._is_due(approval, actor, person, now)
                ):
                    found.append(approval)
                    if len(found) == limit:
                        return Page(approvals=tuple(found), cursor=cursor)
            if len(batch) < size:
                return Page(approvals=tuple(found))
        return Page(approvals=tuple(found), cursor=cursor)

    def _is_due(self, approval: Approval, actor: Actor, person: DirectoryPerson | None, now: float) -> bool:
        if not isinstance(actor, Human) or person is None or approval.state is not State.PENDING:
            return False
        if is_expired(approval, now) or any(v.person == person.id for v in approval.verdicts):
            return False
        return bool(turn_of(self._widened(approval, now), self._voter(actor, person), now))

    def _by_duty(self, actor: Actor, person: DirectoryPerson | None) -> Callable[[Approval], bool]:
        """What a duty lets its holder see: calls that have to be resolved, and what was done behind broken glass."""
        if not isinstance(actor, Human) or person is None:
            return lambda _: False
        resolves, broken = self._has_duty(actor, person, "resolve"), frozenset[str]()
        if self._has_duty(actor, person, "review"):
            with suppress(ApprovalError):  # a register that does not hold shows nothing
                broken = frozenset(g.approval for g in self._registers(actor.tenant).tenant.glass.values())
        return lambda a: a.id in broken or (resolves and a.state is State.INDETERMINATE)
