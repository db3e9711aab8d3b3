"""How approvers answered in a period: how many, how fast, how often yes, and who approves whom."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from toolguard.population.calls import Answered, Question

__all__ = ["ApproverFigures", "Reciprocity", "approvers_of", "reciprocity_of"]

IMPLAUSIBLE = 1.0
"""Seconds in which nobody has read a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverFigures:
    """One person's answers. ``median_s`` is from request to answer; ``fast`` came within a second of it.

    ``stepped_up`` were given after a second factor; ``own`` were answers to their own requests (never counted by the guard).
    """

    person: str
    approved: int
    denied: int
    median_s: float
    fast: int
    stepped_up: int
    own: int
    requesters: int
    methods: tuple[str, ...]

    @property
    def answers(self) -> int:
        return self.approved + self.denied

    @property
    def approve_rate(self) -> float:
        """Share of yes among all answers, 0 to 1."""
        return self.approved / self.answers if self.answers else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reciprocity:
    """Two persons who approve each other: ``one`` approved ``forth`` of ``other``'s requests, who approved ``back``."""

    one: str
    other: str
    forth: int
    back: int


def approvers_of(questions: Iterable[Question]) -> tuple[ApproverFigures, ...]:
    """Figures of everyone who answered, by name."""
    given: defaultdict[str, list[tuple[Answered, Question]]] = defaultdict(list)
    for question in questions:
        for answer in question.answers:
            given[answer.person].append((answer, question))
    return tuple(_figures(person, answers) for person, answers in sorted(given.items()))


def _figures(person: str, given: list[tuple[Answered, Question]]) -> ApproverFigures:
    waits = [
        max(0.0, answer.at - asked)
        for answer, question in given
        if (asked := question.number("toolguard.approval.requested_at")) is not None
    ]
    approved = sum(answer.answer == "approve" for answer, _ in given)
    requesters = {question.says("toolguard.actor.person") for _, question in given} - {""}
    return ApproverFigures(
        person=person,
        approved=approved,
        denied=len(given) - approved,
        median_s=statistics.median(waits) if waits else 0.0,
        fast=sum(wait < IMPLAUSIBLE for wait in waits),
        stepped_up=sum(answer.assured == "stepped_up" for answer, _ in given),
        own=sum(question.says("toolguard.actor.person") == person for _, question in given),
        requesters=len(requesters),
        methods=tuple(sorted({answer.auth.partition(":")[0] for answer, _ in given if answer.auth})),
    )


def reciprocity_of(questions: Iterable[Question]) -> tuple[Reciprocity, ...]:
    """Every pair that approved each other's requests, busiest first."""
    helped: Counter[tuple[str, str]] = Counter()
    for question in questions:
        requester = question.says("toolguard.actor.person")
        for answer in question.answers:
            if answer.answer == "approve" and requester:
                helped[answer.person, requester] += 1
    pairs = [
        Reciprocity(one=one, other=other, forth=count, back=helped[other, one])
        for (one, other), count in helped.items()
        if one < other and helped[other, one]
    ]
    return tuple(sorted(pairs, key=lambda p: (-(p.forth + p.back), p.one, p.other)))
