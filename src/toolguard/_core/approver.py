"""Who may decide: approver rules with stages, escalation and fallback, and which seats a person holds in them.

An entry is ``person:ID``, ``group:NAME`` or ``oncall:SCHEDULE``. Who stands in for someone else holds that
person's seat, and a seat counts once, whoever of the two sits in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["ApproverRule", "Escalation", "Stage", "StandingLimits", "entries_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a rule: as many distinct persons (``quorum``) out of ``approvers``."""

    approvers: tuple[str, ...]
    quorum: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """From ``after`` seconds on, ``approvers`` may decide too."""

    after: float
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLimits:
    """The most a standing approval may give: ``seconds`` it lasts and ``uses``."""

    seconds: float
    uses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverRule:
    """Who may approve, how many, and for how long the question and the answer stand. Times in seconds.

    Attributes:
        approvers, quorum: the first stage. ``then`` are further stages, each open once the one before is complete.
        escalate: who may decide as well after a while; ``remind`` is the time between reminders (0: none).
        fallback: who decides where the first stage has too few eligible persons when the request is made.
        claim_ttl: how long an approval may wait for its one execution.
        step_up: an approver must have proved who they are again, just now.
        reveal: approvers may see decisive arguments in clear, and must have where they are hidden.
        standing: whether, and how far, a yes may be made to stand for calls like it; None: never.
        budget: approvals per person and hour; one above it needs another person as well (0: no limit).
        denial_memory: how long a no holds for the same person, tool and target (0: for this one call).
        break_glass: who may break the glass instead of waiting; empty: nobody. It lasts ``break_glass_for``.
    """

    name: str
    approvers: tuple[str, ...]
    quorum: int = 1
    then: tuple[Stage, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    fallback: tuple[str, ...] = ()
    expires: float = 3600.0
    claim_ttl: float = 900.0
    channel: str = "inbox"
    remind: float = 0.0
    reason_required: bool = True
    verified_requester: bool = False
    step_up: bool = False
    reveal: bool = True
    standing: StandingLimits | None = None
    budget: int = 0
    denial_memory: float = 900.0
    break_glass: tuple[str, ...] = ()
    break_glass_for: float = 1800.0

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (Stage(approvers=self.approvers, quorum=self.quorum), *self.then)

    def open_to(self, stage: int, *, waited: float, fallback: bool) -> frozenset[str]:
        """The entries that may decide in ``stage`` when the request has stood for ``waited`` seconds."""
        entries = set(self.stages[stage].approvers)
        for step in self.escalate:
            if waited >= step.after:
                entries.update(step.approvers)
        if fallback:
            entries.update(self.fallback)
        return frozenset(entries)

    def named(self, *, waited: float, fallback: bool) -> frozenset[str]:
        """The entries that may decide in any stage by then."""
        return frozenset().union(*(self.open_to(i, waited=waited, fallback=fallback) for i in range(len(self.stages))))


def entries_of(person: str, groups: Iterable[str]) -> frozenset[str]:
    """The entries a person fills by themselves. A schedule they are on stands among ``groups`` as ``oncall:NAME``."""
    return frozenset(_entries(person, groups))


def _entries(person: str, groups: Iterable[str]) -> Iterator[str]:
    yield f"person:{person}"
    for group in groups:
        yield group if group.startswith("oncall:") else f"group:{group}"
