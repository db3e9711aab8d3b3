"""Figures that make fatigue and favours visible: who approves what, how fast, and whose requests."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from toolguard._core.approval import Answer, Approval, Request, State
from toolguard.authority.access import Actor
from toolguard.authority.base import Base

__all__ = ["ApproverStats", "Favours", "Figures", "Stats", "near_duplicates", "stats_of"]

IMPLAUSIBLE = 1.0
"""Seconds in which nobody has read a request."""
_PAGE = 500
_MOST = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverStats:
    """One person's answers. ``median_s`` is from the request to the answer; ``fast`` came within a second of it."""

    person: str
    approved: int
    denied: int
    median_s: float
    fast: int
    over_budget: int

    @property
    def decisions(self) -> int:
        return self.approved + self.denied

    @property
    def approve_rate(self) -> float:
        """Share of yes among all answers, 0 to 1."""
        return self.approved / self.decisions if self.decisions else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Favours:
    """Two persons who approve each other's requests: ``one`` approved ``forth`` of ``other``'s, who approved ``back``."""

    one: str
    other: str
    forth: int
    back: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Figures since ``since`` (UTC seconds). ``truncated``: there was more than could be read.

    ``alike`` are groups of requests of one tool that differ in one argument at most: for display, never for authority.
    """

    since: float
    requests: int
    approvers: tuple[ApproverStats, ...]
    favours: tuple[Favours, ...]
    alike: tuple[tuple[str, ...], ...]
    open_reviews: int = 0
    truncated: bool = False


class Figures(Base):
    """See `toolguard.authority.Authority`."""

    def stats(self, actor: Actor, *, since: float) -> Stats:
        """Figures of the actor's tenant over requests made since ``since`` (UTC seconds). For who has the duty ``review``.

        Raises:
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``not_on_duty`` or ``tampered``.
        """
        human, _ = self._on_duty(actor, "review")
        register = self._registers(human.tenant).tenant
        found, truncated = self._since(human.tenant, since)
        waiting = len(register.glass.keys() - register.reviewed)
        return stats_of(found, since=since, open_reviews=waiting, truncated=truncated)

    def _since(self, tenant: str, since: float) -> tuple[list[Approval], bool]:
        found: list[Approval] = []
        before = None
        while page := self._store.list(tenant, limit=_PAGE, before=before):
            before = page[-1].id
            found += [a for a in page if a.request.created >= since]
            if page[-1].request.created < since:
                return found, False
            if len(found) >= _MOST:
                return found, True
        return found, False


def stats_of(approvals: Iterable[Approval], *, since: float, open_reviews: int = 0, truncated: bool = False) -> Stats:
    """The figures of these approvals."""
    approvals = [a for a in approvals if a.request.created >= since]
    answers: defaultdict[str, list[tuple[Answer, float, bool]]] = defaultdict(list)
    helped: Counter[tuple[str, str]] = Counter()
    for approval in approvals:
        for v in approval.verdicts:
            answers[v.person].append((v.answer, v.at - approval.request.created, v.over_budget))
            if v.answer is Answer.APPROVE:
                helped[v.person, approval.request.requester_person] += 1
    return Stats(
        since=since,
        requests=len(approvals),
        approvers=tuple(_approver(person, given) for person, given in sorted(answers.items())),
        favours=tuple(
            Favours(one=one, other=other, forth=count, back=helped[other, one])
            for (one, other), count in sorted(helped.items())
            if one < other and helped[other, one]
        ),
        alike=near_duplicates([a.request for a in approvals if a.state is State.PENDING]),
        open_reviews=open_reviews,
        truncated=truncated,
    )


def _approver(person: str, given: Sequence[tuple[Answer, float, bool]]) -> ApproverStats:
    waits = [wait for _, wait, _ in given]
    approved = sum(answer is Answer.APPROVE for answer, _, _ in given)
    return ApproverStats(
        person=person,
        approved=approved,
        denied=len(given) - approved,
        median_s=statistics.median(waits),
        fast=sum(wait < IMPLAUSIBLE for wait in waits),
        over_budget=sum(over for _, _, over in given),
    )


def near_duplicates(requests: Iterable[Request]) -> tuple[tuple[str, ...], ...]:
    """Ids of requests of one tool whose arguments differ in one at most, in groups of two or more, oldest first."""
    ordered = sorted(requests, key=lambda r: (r.created, r.id))
    leader = {r.id: r.id for r in ordered}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    first: dict[object, str] = {}
    for request in ordered:
        for name in request.arg_digests or ("",):
            rest = frozenset((k, d) for k, d in request.arg_digests.items() if k != name)
            other = first.setdefault((request.tool_ref, name, rest), request.id)
            leader[find(request.id)] = find(other)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for request in ordered:
        groups[find(request.id)].append(request.id)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
