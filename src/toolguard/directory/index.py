"""A directory file made ready for questions: each is answered without walking through the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from toolguard._core.call import Person
from toolguard.directory.model import (
    Delegation,
    DirectoryFile,
    Duties,
    Group,
    Identity,
    Member,
    PersonEntry,
    Schedule,
    ServiceAccount,
)
from toolguard.ports import DirectoryPerson

__all__ = ["Index", "linked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One reading of the file. Keys are (tenant, name) or (tenant, person)."""

    file: DirectoryFile
    persons: Mapping[str, PersonEntry]
    holders: Mapping[Person, PersonEntry | ServiceAccount]
    tenants: tuple[str, ...]
    tenants_of: Mapping[str, frozenset[str]]
    owners: Mapping[tuple[str, str], frozenset[str]]
    groups: Mapping[tuple[str, str], Group]
    belongs: Mapping[tuple[str, str], tuple[tuple[str, Member], ...]]
    """What a person belongs to in a tenant: group names, each with its membership."""
    schedules: Mapping[tuple[str, str], Schedule]
    on_rota: Mapping[tuple[str, str], tuple[Schedule, ...]]
    """The schedules of a tenant on which a person ever stands."""
    delegated_to: Mapping[tuple[str, str], tuple[Delegation, ...]]
    duties: Mapping[str, Duties]

    @classmethod
    def of(cls, file: DirectoryFile) -> Index:
        holders: dict[Person, PersonEntry | ServiceAccount] = {}
        for person in file.persons:
            holders.update(dict.fromkeys(linked(person.identities), person))
        for service in file.services:
            holders.update(dict.fromkeys(linked(service.identities), service))
        return cls(
            file=file,
            persons={p.id: p for p in file.persons},
            holders=holders,
            tenants=_tenants(file),
            tenants_of={p.id: frozenset(i.tenant for i in p.identities) for p in file.persons},
            owners=_owners(file),
            groups={(g.tenant, g.name): g for g in file.groups},
            belongs=_grouped(((g.tenant, m.person), (g.name, m)) for g in file.groups for m in g.members),
            schedules={(s.tenant, s.name): s for s in file.schedules},
            on_rota=_grouped(((s.tenant, person), s) for s in file.schedules for person in _ever(s)),
            delegated_to=_grouped(((d.tenant, d.to), d) for d in file.delegations),
            duties={d.tenant: d for d in file.duties},
        )

    def members(self, tenant: str, name: str, at: float) -> tuple[str, ...]:
        """Persons in a group, or with ``oncall:NAME`` on a schedule, in the order of the file."""
        if name.startswith("oncall:"):
            schedule = self.schedules.get((tenant, name.removeprefix("oncall:")))
            return tuple(sorted(schedule.on_call(at))) if schedule is not None else ()
        group = self.groups.get((tenant, name))
        return tuple(dict.fromkeys(m.person for m in group.members if m.holds(at))) if group is not None else ()

    def groups_of(self, tenant: str, person: str, at: float) -> frozenset[str]:
        """Groups a person is in; a schedule they are on as ``oncall:NAME``."""
        groups = {name for name, member in self.belongs.get((tenant, person), ()) if member.holds(at)}
        groups.update(f"oncall:{s.name}" for s in self.on_rota.get((tenant, person), ()) if person in s.on_call(at))
        return frozenset(groups)

    def as_person(self, entry: PersonEntry, *, tenant: str, at: float) -> DirectoryPerson:
        """A person with the groups and seats they have in ``tenant`` at ``at`` (UTC seconds)."""
        return DirectoryPerson(
            id=entry.id,
            name=entry.name,
            identities=linked(entry.identities),
            groups=self.groups_of(tenant, entry.id, at),
            acting=tuple(self._acting(tenant, entry.id, at)),
        )

    def _acting(self, tenant: str, person: str, at: float) -> Iterator[tuple[str, str]]:
        """Seats filled for others: what they hold themselves, not what they hold for a third."""
        seats: dict[tuple[str, str], None] = {}
        for each in self.delegated_to.get((tenant, person), ()):
            if each.holds(at) and tenant in self.tenants_of[each.by]:
                held = sorted(self.groups_of(tenant, each.by, at))
                entries = [g if g.startswith("oncall:") else f"group:{g}" for g in held]
                seats.update(((e, each.by), None) for e in (*entries, f"person:{each.by}") if each.covers(e))
        yield from seats


def linked(identities: Iterable[Identity]) -> tuple[Person, ...]:
    """Identities as the core knows them."""
    return tuple(Person(issuer=i.issuer, tenant=i.tenant, subject=i.subject) for i in identities)


K = TypeVar("K")
V = TypeVar("V")


def _grouped(pairs: Iterable[tuple[K, V]]) -> Mapping[K, tuple[V, ...]]:
    found: defaultdict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}


def _ever(schedule: Schedule) -> frozenset[str]:
    return frozenset({s.person for s in schedule.entries} | {s.person for s in schedule.weekly})


def _owners(file: DirectoryFile) -> Mapping[tuple[str, str], frozenset[str]]:
    owners: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for agent in file.agents:
        owners[agent.tenant, agent.name].update(agent.owners)
    for service in file.services:
        for name in (service.name, *service.agents):
            owners[service.tenant, name].update(service.owners)
    return {key: frozenset(persons) for key, persons in owners.items()}


def _tenants(file: DirectoryFile) -> tuple[str, ...]:
    named = {i.tenant for p in file.persons for i in p.identities}
    named |= {x.tenant for x in file.groups} | {x.tenant for x in file.agents} | {x.tenant for x in file.services}
    named |= {x.tenant for x in file.schedules} | {x.tenant for x in file.delegations} | {x.tenant for x in file.duties}
    return tuple(sorted(named))
