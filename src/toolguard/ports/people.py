"""Who is who."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from toolguard._core.call import Person

__all__ = ["Directory", "DirectoryPerson"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryPerson:
    """A human as the directory knows them: one id, whatever issuers call them."""

    id: str
    name: str
    identities: tuple[Person, ...]
    groups: frozenset[str]
    """Groups they are in now; a schedule they are on now stands among them as ``oncall:NAME``."""
    human: bool = True
    acting: tuple[tuple[str, str], ...] = ()
    """Seats they fill for others now, as (entry, that person): ``("group:privacy", "ada")``, ``("person:ada", "ada")``."""


class Directory(Protocol):
    """Who is who. Read anew at every verdict, so that a removed approver no longer counts."""

    def person(self, identity: Person, *, at: float) -> DirectoryPerson | None:
        """Who this identity is, with groups and seats as of ``at`` (UTC seconds); None for one it does not know."""
        ...

    def owners_of(self, tenant: str, agent: str, *, at: float) -> frozenset[str]:
        """Persons who own this agent or service account; they may not approve its calls."""
        ...

    def members(self, tenant: str, group: str, *, at: float) -> tuple[DirectoryPerson, ...]:
        """Who is in a group (or, with ``oncall:NAME``, on that schedule), without those who stand in for them."""
        ...

    def duty(self, tenant: str, name: str, *, at: float) -> frozenset[str]:
        """Persons who may do what one duty is for: ``freeze``, ``freeze_all``, ``review``, ``resolve``,
        ``redact`` or ``hold``.
        """
        ...

    def tenants(self) -> tuple[str, ...]:
        """Every tenant the directory speaks of, in order."""
        ...
