"""Who comes to the authority, and what they may see and do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from toolguard._core.approval import Approval, Assured
from toolguard._core.call import Person
from toolguard._core.verdicts import Voter, eligible_for
from toolguard.ports import DirectoryPerson

__all__ = ["Actor", "Human", "Service", "answers_for", "may_answer", "may_see", "voter_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Human:
    """A person whose own credential was checked.

    Attributes:
        identity: as the credential names them; the directory says which person that is.
        channel: where they are: ``inbox``, ``cli``, ``rest``, ``teams``, …
        auth: how they proved it, with the credential's id: ``token:3fa9c1``.
        assured: how surely; `Assured.STEPPED_UP` after a second factor given for this very act.
    """

    identity: Person
    channel: str
    auth: str
    assured: Assured = Assured.SINGLE

    @property
    def tenant(self) -> str:
        return self.identity.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program with a service token. It speaks for ``agents`` of one tenant; it can never decide."""

    name: str
    tenant: str
    agents: frozenset[str]
    auth: str


Actor: TypeAlias = Human | Service


def voter_of(person: DirectoryPerson, identity: Person) -> Voter:
    """The person as they count for a verdict: with the groups of the identity they came with."""
    return Voter(person=person.id, identity=identity, groups=person.groups, human=person.human, acting=person.acting)


def may_answer(approval: Approval, voter: Voter, at: float) -> bool:
    """Whether the request is for this person to decide."""
    return bool(eligible_for(approval.request, voter, at))


def answers_for(approval: Approval, actor: Actor, person: DirectoryPerson | None) -> bool:
    """Whether ``actor`` stands on the asking side: the requester, or the service of the requesting agent."""
    request = approval.request
    if isinstance(actor, Service):
        return actor.tenant == request.tenant and request.agent in actor.agents
    return person is not None and actor.tenant == request.tenant and person.id == request.requester_person


def may_see(approval: Approval, actor: Actor, person: DirectoryPerson | None, at: float) -> bool:
    """Whether ``actor`` may see it: asking side, named approvers (excluded or not), and whoever answered it."""
    if answers_for(approval, actor, person):
        return True
    if not isinstance(actor, Human) or person is None or actor.tenant != approval.request.tenant:
        return False
    named = replace(approval.request, excluded=frozenset[str]())
    return bool(eligible_for(named, voter_of(person, actor.identity), at)) or _answered(approval, (person.id,))


def _answered(approval: Approval, persons: Iterable[str]) -> bool:
    return not {v.person for v in approval.verdicts}.isdisjoint(persons)
