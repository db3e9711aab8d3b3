"""The directory file: persons, groups, agents, service accounts; who is on call, who stands in, who has which duty.

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
    schedules:
      - name: privacy-nights
        tenant: st-marys
        tz: Europe/Berlin
        weekly: [{person: grace, days: [mon, tue, wed], from: "19:00", until: "07:00"}]
        entries: [{person: ada, from: 2026-03-01T19:00:00Z, until: 2026-03-02T07:00:00Z}]
    delegations:
      - {from: ada, to: grace, tenant: st-marys, since: 2026-07-01, until: 2026-07-14, groups: [privacy-officers]}
    duties:
      - {tenant: st-marys, freeze: ["group:security"], review: ["group:privacy-officers"], resolve: ["person:ada"]}

A group belongs to one tenant; one of the same name elsewhere is another group.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints

from toolguard.errors import ConfigError

__all__ = [
    "Agent",
    "Delegation",
    "DirectoryFile",
    "Duties",
    "Group",
    "Identity",
    "Member",
    "PersonEntry",
    "Schedule",
    "ServiceAccount",
    "Shift",
    "Weekly",
    "faults",
]

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


def _within(since: dt.datetime | dt.date | None, until: dt.datetime | dt.date | None, at: float) -> bool:
    """From ``since`` on, up to ``until``; a plain date counts whole (UTC)."""
    if since is not None and at < _seconds(since):
        return False
    if until is None:
        return True
    end = until if isinstance(until, dt.datetime) else until + dt.timedelta(days=1)
    return at < _seconds(end)


class Member(_Part):
    """Membership of one person. ``from`` is inclusive; ``until`` is exclusive, but a plain date counts whole (UTC)."""

    person: Name
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None

    def holds(self, at: float) -> bool:
        """Whether it holds at ``at`` (UTC seconds)."""
        return _within(self.since, self.until, at)


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


class Shift(_Part):
    """One person on call from one moment to another. As with `Member`, a plain date counts whole (UTC)."""

    person: Name
    since: Moment = Field(alias="from")
    until: Moment

    def holds(self, at: float) -> bool:
        """Whether it holds at ``at`` (UTC seconds)."""
        return _within(self.since, self.until, at)


def _minutes(value: object) -> int:
    """Minutes since midnight. Unquoted, YAML reads ``19:00`` as the number 1140, which is just that."""
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]{1,2}):([0-5][0-9])", value)):
        value = int(found[1]) * 60 + int(found[2])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _DAY:
        raise ValueError('not a time of day: write "07:00" or "19:30", with quotes')
    return value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a zone that is not found is a KeyError
        raise ValueError("no such time zone is known here; write one such as Europe/Berlin or UTC") from None
    return name


_DAY = 24 * 60
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Minutes = Annotated[int, PlainValidator(_minutes)]
Zone = Annotated[str, AfterValidator(_zone)]


class Weekly(_Part):
    """One person on call on the same days of every week, by the clock on the wall of ``tz``.

    A shift that ends no later than it begins goes past midnight into the next day.
    """

    person: Name
    days: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], Field(min_length=1)]
    start: Minutes = Field(alias="from")
    until: Minutes
    tz: Zone | None = None

    def holds(self, at: float, tz: str) -> bool:
        """Whether it holds at ``at`` (UTC seconds); ``tz`` is the schedule's zone."""
        weekday, minute = _on_the_wall(int(at // 60), self.tz or tz)
        today, yesterday = _DAYS[weekday] in self.days, _DAYS[weekday - 1] in self.days
        if self.start < self.until:
            return today and self.start <= minute < self.until
        return (today and minute >= self.start) or (yesterday and minute < self.until)


@lru_cache(maxsize=4096)
def _on_the_wall(minutes: int, tz: str) -> tuple[int, int]:
    """(weekday, minutes since midnight) in a zone, at so many minutes since the epoch."""
    there = dt.datetime.fromtimestamp(minutes * 60, ZoneInfo(tz))
    return there.weekday(), there.hour * 60 + there.minute


class Schedule(_Part):
    """Who is on call when: ``oncall:NAME`` names whoever that is at the moment."""

    name: Name
    tenant: Text
    tz: Zone = "UTC"
    entries: tuple[Shift, ...] = ()
    weekly: tuple[Weekly, ...] = ()

    def on_call(self, at: float) -> frozenset[str]:
        """Persons on call at ``at`` (UTC seconds)."""
        now = {shift.person for shift in self.entries if shift.holds(at)}
        return frozenset(now | {shift.person for shift in self.weekly if shift.holds(at, self.tz)})


class Delegation(_Part):
    """``to`` stands in for ``by``: fills their seats as an approver, in ``groups`` (names, or ``oncall:NAME``) or in all.

    It has an end, and what ``by`` holds as a stand-in is not passed on. Duties are not delegated.
    """

    by: Name = Field(alias="from")
    to: Name
    tenant: Text
    since: Moment
    until: Moment
    groups: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None

    def holds(self, at: float) -> bool:
        """Whether it holds at ``at`` (UTC seconds)."""
        return _within(self.since, self.until, at)

    def covers(self, entry: str) -> bool:
        """Whether it reaches the seat ``entry`` (``group:NAME``, ``oncall:NAME`` or ``person:ID``)."""
        return self.groups is None or entry.removeprefix("group:") in self.groups


Entry = Annotated[str, StringConstraints(pattern=r"^(group|person|oncall):\S+$", max_length=256)]


DUTIES = ("freeze", "freeze_all", "review", "resolve", "redact", "hold")


class Duties(_Part):
    """Who may do what stands beside approving, in one tenant.

    ``freeze``: stop an agent, or all of the tenant; ``freeze_all``: all tenants. ``review``: look at what was done
    behind broken glass, and at figures about approvers. ``resolve``: say what became of a call nobody saw end.
    ``redact``: propose and confirm that kept contents are deleted. ``hold``: put them under legal hold, and lift it.
    """

    tenant: Text
    freeze: tuple[Entry, ...] = ()
    freeze_all: tuple[Entry, ...] = ()
    review: tuple[Entry, ...] = ()
    resolve: tuple[Entry, ...] = ()
    redact: tuple[Entry, ...] = ()
    hold: tuple[Entry, ...] = ()

    def entries(self, name: str) -> tuple[str, ...]:
        """The entries of one duty; none for a duty there is not."""
        return tuple(getattr(self, name)) if name in DUTIES else ()


class DirectoryFile(_Part):
    """The whole file."""

    version: Literal[1]
    persons: tuple[PersonEntry, ...] = ()
    groups: tuple[Group, ...] = ()
    agents: tuple[Agent, ...] = ()
    services: tuple[ServiceAccount, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    duties: tuple[Duties, ...] = ()


def faults(file: DirectoryFile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What no single entry shows: (location, message) for every contradiction between entries."""
    yield from _twice((("persons", i), p.id) for i, p in enumerate(file.persons))
    yield from _twice((("groups", i), f"{g.name} of {g.tenant}") for i, g in enumerate(file.groups))
    yield from _twice((("agents", i), f"{a.name} of {a.tenant}") for i, a in enumerate(file.agents))
    yield from _twice((("services", i), s.name) for i, s in enumerate(file.services))
    yield from _twice((("schedules", i), f"{s.name} of {s.tenant}") for i, s in enumerate(file.schedules))
    yield from _twice((("duties", i), d.tenant) for i, d in enumerate(file.duties))
    yield from _linked_twice(file)
    yield from _pointless(file)
    known = {person.id for person in file.persons}
    named: list[tuple[tuple[str | int, ...], Iterable[str]]] = [
        *((("groups", i, "members"), [m.person for m in g.members]) for i, g in enumerate(file.groups)),
        *((("agents", i, "owners"), a.owners) for i, a in enumerate(file.agents)),
        *((("services", i, "owners"), s.owners) for i, s in enumerate(file.services)),
        *((("schedules", i, "entries"), [e.person for e in s.entries]) for i, s in enumerate(file.schedules)),
        *((("schedules", i, "weekly"), [w.person for w in s.weekly]) for i, s in enumerate(file.schedules)),
        *((("delegations", i), (d.by, d.to)) for i, d in enumerate(file.delegations)),
    ]
    for location, people in named:
        for index, person in enumerate(people):
            if person not in known:
                yield (*location, index), f"no person has the id {person!r}; add them under 'persons' or correct it"


def _pointless(file: DirectoryFile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Entries that name what is not there, and times that never come: somebody would rely on them."""
    groups = {(g.tenant, g.name) for g in file.groups}
    rotas = {(s.tenant, s.name) for s in file.schedules}
    persons = {p.id for p in file.persons}
    for i, d in enumerate(file.delegations):
        if d.by == d.to:
            yield ("delegations", i), f"{d.by!r} cannot stand in for themselves; name someone else"
        if _seconds(d.until) < _seconds(d.since):
            yield ("delegations", i, "until"), "it ends before it begins; correct one of the two"
        for name in d.groups or ():
            kind, _, rota = name.partition(":")
            if (d.tenant, rota) not in rotas if kind == "oncall" else (d.tenant, name) not in groups:
                yield ("delegations", i, "groups"), f"tenant {d.tenant!r} has no group or schedule {name!r}; correct it"
    for i, s in enumerate(file.schedules):
        for j, shift in enumerate(s.entries):
            if _seconds(shift.until) < _seconds(shift.since):
                yield ("schedules", i, "entries", j, "until"), "it ends before it begins; correct one of the two"
    for i, duties in enumerate(file.duties):
        for duty in DUTIES:
            for j, entry in enumerate(duties.entries(duty)):
                kind, _, name = entry.partition(":")
                known = {"group": groups, "oncall": rotas}.get(kind)
                there = name in persons if known is None else (duties.tenant, name) in known
                if not there:
                    yield ("duties", i, duty, j), f"{entry!r} names nobody in tenant {duties.tenant!r}; correct it"


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
