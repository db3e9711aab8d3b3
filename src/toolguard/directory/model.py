"""The directory file: persons, groups, agents and service accounts.

    version: 1
    persons:
      - id: ada
        name: Ada Lovelace
        identities:
          - {issuer: local, tenant: st-marys, subject: ada}
    groups:
      - name: privacy-officers
        tenant: st-marys
        members: [ada, {person: grace, from: 2026-01-01, until: 2026-06-30}]
    agents:
      - {name: discharge-assistant, tenant: st-marys, owners: [ada]}
    services:
      - {name: ward-guard, tenant: st-marys, owners: [ada], agents: [discharge-assistant]}

A group belongs to one tenant; one of the same name elsewhere is another group.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints

from toolguard.errors import ConfigError

__all__ = ["Agent", "DirectoryFile", "Group", "Identity", "Member", "PersonEntry", "ServiceAccount", "faults"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$", max_length=128)]
"""Ids and names in the directory. No colon: ``service:NAME`` cannot be taken by a person."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)


class Identity(_Part):
    """A person or service as one issuer names them."""

    issuer: Text
    tenant: Text
    subject: Text


class PersonEntry(_Part):
    """A human. All of ``identities`` are this one person."""

    id: Name
    name: Text
    identities: Annotated[tuple[Identity, ...], Field(min_length=1)]


def _moment(value: object) -> dt.datetime | dt.date:
    """What YAML reads as a time or a date. A time needs a zone; what a plain date means depends on which end it is."""
    if not isinstance(value, dt.date):
        raise ValueError("not a valid time: write 2026-01-31T08:00:00Z or 2026-01-31")
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        raise ValueError("a time needs a zone: write 2026-01-31T08:00:00Z")
    return value


Moment = Annotated[dt.datetime | dt.date, PlainValidator(_moment)]


def _seconds(moment: dt.datetime | dt.date) -> float:
    if isinstance(moment, dt.datetime):
        return moment.timestamp()
    return dt.datetime.combine(moment, dt.time(), dt.UTC).timestamp()


class Member(_Part):
    """Membership of one person. ``from`` is inclusive; ``until`` is exclusive, but a plain date counts whole (UTC)."""

    person: Name
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None

    def holds(self, at: float) -> bool:
        """Whether it holds at ``at`` (UTC seconds)."""
        if self.since is not None and at < _seconds(self.since):
            return False
        if self.until is None:
            return True
        until = self.until if isinstance(self.until, dt.datetime) else self.until + dt.timedelta(days=1)
        return at < _seconds(until)


def _member(value: object) -> object:
    return {"person": value} if isinstance(value, str) else value


class Group(_Part):
    """Persons who may answer for something, in one tenant."""

    name: Name
    tenant: Text
    members: tuple[Annotated[Member, BeforeValidator(_member)], ...] = ()


class Agent(_Part):
    """An agent and the persons who answer for it: they cannot approve its calls."""

    name: Text
    tenant: Text
    owners: tuple[Name, ...] = ()


class ServiceAccount(_Part):
    """A program. It may speak for ``agents`` (read, wait, withdraw); it can never decide."""

    name: Name
    tenant: Text
    owners: tuple[Name, ...] = ()
    agents: tuple[Text, ...] = ()
    identities: tuple[Identity, ...] = ()

    @property
    def id(self) -> str:
        return f"service:{self.name}"


class DirectoryFile(_Part):
    """The whole file."""

    version: Literal[1]
    persons: tuple[PersonEntry, ...] = ()
    groups: tuple[Group, ...] = ()
    agents: tuple[Agent, ...] = ()
    services: tuple[ServiceAccount, ...] = ()


def faults(file: DirectoryFile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What no single entry shows: (location, message) for every contradiction between entries."""
    yield from _twice((("persons", i), p.id) for i, p in enumerate(file.persons))
    yield from _twice((("groups", i), f"{g.name} of {g.tenant}") for i, g in enumerate(file.groups))
    yield from _twice((("agents", i), f"{a.name} of {a.tenant}") for i, a in enumerate(file.agents))
    yield from _twice((("services", i), s.name) for i, s in enumerate(file.services))
    yield from _linked_twice(file)
    known = {person.id for person in file.persons}
    named: list[tuple[tuple[str | int, ...], Iterable[str]]] = [
        *((("groups", i, "members"), [m.person for m in g.members]) for i, g in enumerate(file.groups)),
        *((("agents", i, "owners"), a.owners) for i, a in enumerate(file.agents)),
        *((("services", i, "owners"), s.owners) for i, s in enumerate(file.services)),
    ]
    for location, people in named:
        for index, person in enumerate(people):
            if person not in known:
                yield (*location, index), f"no person has the id {person!r}; add them under 'persons' or correct it"


def _twice(entries: Iterable[tuple[tuple[str | int, ...], str]]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    seen: set[str] = set()
    for location, name in entries:
        if name in seen:
            yield location, f"{name!r} stands twice; keep one"
        seen.add(name)


def _linked_twice(file: DirectoryFile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """One identity of two persons would let one of them approve the other's calls as a stranger."""
    holder: dict[tuple[str, str, str], str] = {}
    entries: list[tuple[tuple[str | int, ...], str, tuple[Identity, ...]]] = [
        *((("persons", i, "identities"), p.id, p.identities) for i, p in enumerate(file.persons)),
        *((("services", i, "identities"), s.id, s.identities) for i, s in enumerate(file.services)),
    ]
    for location, owner, identities in entries:
        for index, identity in enumerate(identities):
            key = (identity.issuer, identity.tenant, identity.subject)
            other = holder.setdefault(key, owner)
            if other != owner:
                yield (
                    (*location, index),
                    f"this identity is already linked to {other!r}; an identity belongs to one person only",
                )


def check(problems: Iterable[str]) -> None:
    """Raise a ConfigError that holds all of ``problems``, if there are any."""
    found = list(problems)
    if found:
        raise ConfigError("; ".join(found))
