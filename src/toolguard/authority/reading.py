"""Reading: who sees which requests, and what waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from toolguard._core.approval import Answer, Approval, State, is_expired, is_granted, resolution_payload
from toolguard._core.verdicts import open_seats, turn_of
from toolguard.authority.access import Actor, Human, answers_for, may_answer, may_see
from toolguard.authority.base import Base
from toolguard.authority.past import YES, Past, Short, past_of
from toolguard.errors import ApprovalError, InvalidatedError, NotFoundError
from toolguard.ports import DirectoryPerson

__all__ = ["Page", "Reading"]

_PAGE = 100
_SCANNED = 5000
"""How many approvals one page of a list may look through before it hands back a cursor."""
_LOOK = 500
"""How many earlier approvals are looked through for what came before a request."""


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
        if not assigned:
            return self._page(actor, states, cursor, limit, lambda _: True)
        if states and State.PENDING not in states:
            return Page(approvals=())
        person, now = self._whois(actor), self._store.now()
        return self._page(
            actor, (State.PENDING,), cursor, limit, lambda approval: self._is_due(approval, actor, person, now)
        )

    def history(
        self,
        actor: Actor,
        *,
        mine: bool = False,
        states: Sequence[State] = (),
        tool: str = "",
        agent: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """What is over or was answered, of what ``actor`` may see, newest first.

        Args:
            mine: only what ``actor`` answered.
            states: only these (none: every one but pending).
            tool, agent: parts of the names, in any spelling of capitals.
        """
        person, tool, agent = self._whois(actor), tool.strip().casefold(), agent.strip().casefold()

        def fits(approval: Approval) -> bool:
            request = approval.request
            return (
                (not mine or (person is not None and any(v.person == person.id for v in approval.verdicts)))
                and tool in request.tool.casefold()
                and agent in request.agent.casefold()
            )

        wanted = tuple(states) or tuple(state for state in State if state is not State.PENDING)
        return self._page(actor, wanted, cursor, limit, fits)

    def past(self, actor: Actor, approval: Approval) -> Past:
        """What came before ``approval`` with its tool, among the last requests that ``actor`` may see.

        The call it is compared with is the last one the service signed a yes to: the same person's through the same
        agent if there is one, else anyone's.
        """
        person, now = self._whois(actor), self._store.now()
        by_duty = self._by_duty(actor, person)
        looked: list[Approval] = []
        cursor = approval.id
        batch: Sequence[Approval] = ()
        while len(looked) < _LOOK:
            batch = self._store.list(approval.request.tenant, limit=_PAGE, before=cursor)
            looked += batch
            if len(batch) < _PAGE:
                break
            cursor = batch[-1].id
        of_tool = [
            a
            for a in looked
            if a.request.tool == approval.request.tool and (may_see(a, actor, person, now) or by_duty(a))
        ]
        return past_of(
            approval,
            of_tool,
            self._last_yes(approval, of_tool),
            looked_at=len(looked),
            more=len(batch) == _PAGE,
        )

    def _last_yes(self, approval: Approval, others: Iterable[Approval]) -> Approval | None:
        request = approval.request
        void = frozenset[str]()
        with suppress(ApprovalError):  # a register that does not hold adds nothing to what the signatures say
            void = self._registers(request.tenant).tenant.void
        anyone = None
        for other in others:
            if other.id in void or not self._holds_yes(other):
                continue
            if (other.request.requester_person, other.request.agent) == (request.requester_person, request.agent):
                return other
            anyone = anyone or other
        return anyone

    def _holds_yes(self, approval: Approval) -> bool:
        """Whether the service signed the yes it carries; whatever else the database says of it does not count."""
        if approval.state not in YES or approval.grant is None:
            return False
        if not any(v.answer is Answer.APPROVE for v in approval.verdicts):
            return False
        if approval.grant.payload != resolution_payload(replace(approval, state=State.APPROVED)):
            return False
        try:
            self._verifier.verify(approval.grant)
        except InvalidatedError:
            return False
        return True

    def short_of(self, approval: Approval) -> tuple[Short, ...]:
        """The rules of a request that waits which nobody, or too few, could complete at this moment.

        For display, by the directory as it is now. Who stands in for someone adds nobody: a seat counts once.
        """
        now = self._store.now()
        if approval.state is not State.PENDING or is_expired(approval, now):
            return ()
        widened = self._widened(approval, now)
        found = []
        for entries, needed in open_seats(widened, now):
            able = len(self._able(widened, entries, now))
            if able < needed:
                found.append(Short(entries=tuple(sorted(entries)), able=able, needed=needed))
        return tuple(found)

    def _able(self, approval: Approval, entries: Iterable[str], now: float) -> set[str]:
        request, able = approval.request, set[str]()
        for entry in entries:
            kind, _, name = entry.partition(":")
            if kind == "person":
                able.add(name)
            else:
                group = entry if kind == "oncall" else name
                members = self._directory.members(request.tenant, group, at=now)
                able |= {person.id for person in members if person.human}
        return able - request.excluded

    def _page(
        self,
        actor: Actor,
        states: Sequence[State],
        cursor: str | None,
        limit: int,
        fits: Callable[[Approval], bool],
    ) -> Page:
        person, now = self._whois(actor), self._store.now()
        by_duty = self._by_duty(actor, person)
        found: list[Approval] = []
        scanned, size = 0, min(_PAGE, limit + 1)
        while scanned < _SCANNED:
            batch = self._store.list(actor.tenant, states=states, limit=size, before=cursor)
            for approval in batch:
                cursor = approval.id
                scanned += 1
                if fits(approval) and (may_see(approval, actor, person, now) or by_duty(approval)):
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
