"""A directory in a YAML file, read again whenever the file changes.

A file that has become unreadable or wrong answers nothing: every question raises until it is corrected.
What was read before is not used, since it may still name someone who was just removed.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from toolguard._core.call import Person
from toolguard.directory.lines import read_yaml
from toolguard.directory.model import DirectoryFile, Identity, PersonEntry, ServiceAccount, check, faults
from toolguard.errors import ConfigError
from toolguard.ports import DirectoryPerson

__all__ = ["FileDirectory", "parse_directory"]

_SETTLED = 2.0
"""Seconds after which a file's time of change tells two writes apart on any common file system."""


def parse_directory(text: str, *, where: str = "directory") -> DirectoryFile:
    """Validate a directory.

    Raises:
        ConfigError: with every fault and its line.
    """
    document = read_yaml(text, where=where)
    try:
        file = DirectoryFile.model_validate(document.data if document.data is not None else {})
    except ValidationError as error:
        raise ConfigError(
            "; ".join(
                f"{where}, line {document.line(e['loc'])}: {'.'.join(map(str, e['loc'])) or 'file'}: {_plain(e['msg'])}"
                for e in error.errors(include_url=False, include_input=False)
            )
        ) from None
    check(f"{where}, line {document.line(location)}: {message}" for location, message in faults(file))
    return file


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    file: DirectoryFile
    persons: dict[str, PersonEntry]
    holders: dict[Person, PersonEntry | ServiceAccount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A person in one tenant, or a service account."""

    id: str
    name: str
    tenant: str
    groups: tuple[str, ...] = ()


class FileDirectory:
    """A `toolguard.ports.Directory` over one YAML file. Thread-safe."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads the file at once, so that a wrong one stops the start.

        Raises:
            ConfigError: missing, unreadable or wrong; every fault is named with its line.
        """
        self._path = Path(path)
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._index: _Index | ConfigError | None = None
        self._read()

    def person(self, identity: Person, *, at: float) -> DirectoryPerson | None:
        """Whoever holds ``identity``, with the groups they are in at ``at`` *in the identity's tenant*."""
        index = self._read()
        holder = index.holders.get(identity)
        if holder is None:
            return None
        if isinstance(holder, ServiceAccount):
            return DirectoryPerson(
                id=holder.id, name=holder.name, identities=_linked(holder.identities), groups=frozenset(), human=False
            )
        return _as_person(index, holder, tenant=identity.tenant, at=at)

    def owners_of(self, tenant: str, agent: str, *, at: float) -> frozenset[str]:
        """Owners of the agent, and of every service account that is or may speak for it."""
        file = self._read().file
        owners = {o for a in file.agents if (a.tenant, a.name) == (tenant, agent) for o in a.owners}
        for service in file.services:
            if service.tenant == tenant and (agent == service.name or agent in service.agents):
                owners.update(service.owners)
        return frozenset(owners)

    def members(self, tenant: str, group: str, *, at: float) -> tuple[DirectoryPerson, ...]:
        """Persons who are in the group at ``at`` and have an identity in its tenant."""
        index = self._read()
        entries = {
            m.person: index.persons[m.person]
            for g in index.file.groups
            if (g.tenant, g.name) == (tenant, group)
            for m in g.members
            if m.holds(at)
        }
        return tuple(
            _as_person(index, entry, tenant=tenant, at=at)
            for entry in entries.values()
            if any(i.tenant == tenant for i in entry.identities)
        )

    def deputies(self, tenant: str, person: str, *, at: float) -> frozenset[str]:
        """Persons who stand in for ``person``; nobody, as the file has no delegations yet."""
        return frozenset()

    def find(self, person_id: str, *, tenant: str | None = None, at: float = 0.0) -> DirectoryPerson | None:
        """The person with this id; groups are those of ``tenant`` (none without it)."""
        index = self._read()
        entry = index.persons.get(person_id)
        return None if entry is None else _as_person(index, entry, tenant=tenant or "", at=at)

    def overview(self, *, at: float) -> tuple[Entry, ...]:
        """Everyone, one entry a tenant, for display."""
        index = self._read()
        rows = [
            Entry(id=p.id, name=p.name, tenant=tenant, groups=tuple(sorted(found.groups)))
            for p in index.file.persons
            for tenant in dict.fromkeys(i.tenant for i in p.identities)
            for found in [_as_person(index, p, tenant=tenant, at=at)]
        ]
        rows += [Entry(id=s.id, name=s.name, tenant=s.tenant) for s in index.file.services]
        return tuple(rows)

    def service(self, name: str) -> ServiceAccount | None:
        """The service account of this name."""
        return next((s for s in self._read().file.services if s.name == name), None)

    def tenants(self) -> tuple[str, ...]:
        """Every tenant the directory speaks of, in order."""
        file = self._read().file
        named = {i.tenant for p in file.persons for i in p.identities}
        named.update(g.tenant for g in file.groups)
        named.update(a.tenant for a in file.agents)
        named.update(s.tenant for s in file.services)
        return tuple(sorted(named))

    def _read(self) -> _Index:
        with self._lock:
            try:
                if self._index is None or self._seen is None or self._stamp(self._path.stat()) != self._seen:
                    self._load()
            except OSError as error:
                self._seen = None
                raise ConfigError(
                    f"directory file {str(self._path)!r} cannot be read ({type(error).__name__}); "
                    "nobody can be looked up until it is back"
                ) from None
            if isinstance(self._index, ConfigError):
                raise ConfigError(str(self._index))
            assert self._index is not None  # noqa: S101 - for the type checker: _load sets it or raises OSError
            return self._index

    def _load(self) -> None:
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read()
        settled = time.time() - status.st_mtime > _SETTLED
        self._seen = self._stamp(status) if settled else None
        try:
            self._index = _index(parse_directory(raw.decode(), where=f"directory file {str(self._path)!r}"))
        except UnicodeDecodeError:
            self._index = ConfigError(f"directory file {str(self._path)!r} is not UTF-8 text; save it as UTF-8")
        except ConfigError as error:
            self._index = error

    @staticmethod
    def _stamp(status: os.stat_result) -> tuple[int, int, int]:
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def _index(file: DirectoryFile) -> _Index:
    holders: dict[Person, PersonEntry | ServiceAccount] = {}
    for person in file.persons:
        holders.update(dict.fromkeys(_linked(person.identities), person))
    for service in file.services:
        holders.update(dict.fromkeys(_linked(service.identities), service))
    return _Index(file=file, persons={p.id: p for p in file.persons}, holders=holders)


def _linked(identities: tuple[Identity, ...]) -> tuple[Person, ...]:
    return tuple(Person(issuer=i.issuer, tenant=i.tenant, subject=i.subject) for i in identities)


def _as_person(index: _Index, entry: PersonEntry, *, tenant: str, at: float) -> DirectoryPerson:
    groups = frozenset(
        g.name
        for g in index.file.groups
        if g.tenant == tenant and any(m.person == entry.id and m.holds(at) for m in g.members)
    )
    return DirectoryPerson(id=entry.id, name=entry.name, identities=_linked(entry.identities), groups=groups)
