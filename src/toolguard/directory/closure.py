"""The requester closure: everyone who stands on the asking side of a call, and so may never approve it."""

from __future__ import annotations

from collections.abc import Iterable

from toolguard.ports import Directory, DirectoryPerson

__all__ = ["closure"]

_SERVICE = "service:"


def closure(
    directory: Directory, tenant: str, agent: str, asking: Iterable[DirectoryPerson], *, at: float
) -> frozenset[str]:
    """Persons: who asks (and who they ask for), who owns the agent, and who owns a service account that asks.

    All identities of a person are one person, so linked accounts are in it by themselves.
    """
    found = set(directory.owners_of(tenant, agent, at=at))
    for person in asking:
        found.add(person.id)
        if not person.human:
            found |= directory.owners_of(tenant, person.id.removeprefix(_SERVICE), at=at)
    return frozenset(found)
