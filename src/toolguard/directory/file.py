"""A directory in a YAML file, read again whenever the file changes.

A file that has become unreadable or wrong answers nothing: every question raises until it is corrected.
What was read before is not used, since it may still name someone who was just removed.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from toolguard._core.call import Person
from toolguard.directory.index import Index, linked
from toolguard.directory.lines import read_yaml
from toolguard.directory.model import DirectoryFile, ServiceAccount, check, faults
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
        self._content = b""
        self._index: Index | ConfigError | None = None
        self._read()

    def person(self, identity: Person, *, at: float) -> DirectoryPerson | None:
        """Whoever holds ``identity``, with the groups they are in at ``at`` *in the identity's tenant*."""
        index = self._read()
        holder = index.holders.get(identity)
        if holder is None:
            return None
        if isinstance(holder, ServiceAccount):
            return DirectoryPerson(
                id=holder.id, name=holder.name, identities=linked(holder.identities), groups=frozenset(), human=False
            )
        return index.as_person(holder, tenant=identity.tenant, at=at)

    def owners_of(self, tenant: str, agent: str, *, at: float) -> frozenset[str]:
        """Owners of the agent, and of every service account that is or may speak for it."""
        return self._read().owners.get((tenant, agent), frozenset())

    def owners(self) -> frozenset[str]:
        """Everybody who owns an agent or a service account."""
        return frozenset().union(*self._read().owners.values())

    def members(self, tenant: str, group: str, *, at: float) -> tuple[DirectoryPerson, ...]:
        """Persons who are in the group at ``at`` (with ``oncall:NAME``, on that schedule) and can sign in to its tenant."""
        index = self._read()
        return tuple(
            index.as_person(index.persons[person], tenant=tenant, at=at)
            for person in index.members(tenant, group, at)
            if tenant in index.tenants_of[person]
        )

    def duty(self, tenant: str, name: str, *, at: float) -> frozenset[str]:
        """Persons who have the duty at ``at`` and can sign in to the tenant."""
        index = self._read()
        duties = index.duties.get(tenant)
        found: set[str] = set()
        for entry in duties.entries(name) if duties is not None else ():
            kind, _, who = entry.partition(":")
            if kind == "person":
                found.add(who)
            else:
                found.update(index.members(tenant, entry if kind == "oncall" else who, at))
        return frozenset(p for p in found if tenant in index.tenants_of[p])

    def find(self, person_id: str, *, tenant: str | None = None, at: float = 0.0) -> DirectoryPerson | None:
        """The person with this id; groups are those of ``tenant`` (none without it)."""
        index = self._read()
        entry = index.persons.get(person_id)
        return None if entry is None else index.as_person(entry, tenant=tenant or "", at=at)

    def overview(self, *, at: float) -> tuple[Entry, ...]:
        """Everyone, one entry a tenant, for display."""
        index = self._read()
        rows = [
            Entry(id=p.id, name=p.name, tenant=tenant, groups=tuple(sorted(found.groups)))
            for p in index.file.persons
            for tenant in dict.fromkeys(i.tenant for i in p.identities)
            for found in [index.as_person(p, tenant=tenant, at=at)]
        ]
        rows += [Entry(id=s.id, name=s.name, tenant=s.tenant) for s in index.file.services]
        return tuple(rows)

    def service(self, name: str) -> ServiceAccount | None:
        """The service account of this name."""
        return next((s for s in self._read().file.services if s.name == name), None)

    def tenants(self) -> tuple[str, ...]:
        """Every tenant the directory speaks of, in order."""
        return self._read().tenants

    def _read(self) -> Index:
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
        content = hashlib.sha256(raw).digest()
        if content == self._content:
            return  # not settled, but what it says is known
        self._content = content
        try:
            self._index = Index.of(parse_directory(raw.decode(), where=f"directory file {str(self._path)!r}"))
        except UnicodeDecodeError:
            self._index = ConfigError(f"directory file {str(self._path)!r} is not UTF-8 text; save it as UTF-8")
        except ConfigError as error:
            self._index = error

    @staticmethod
    def _stamp(status: os.stat_result) -> tuple[int, int, int]:
        return (status.st_mtime_ns, status.st_size, status.st_ino)
