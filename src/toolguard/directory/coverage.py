"""Does every hour have someone to ask? A lint for rotas: where a quorum could not come together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from toolguard.ports import Directory

__all__ = ["Gap", "coverage"]

_STEP = 900
"""Seconds between two looks: shifts change on the quarter of an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From ``start`` to ``end`` (UTC seconds) no more than ``present`` of the persons asked for are there."""

    start: float
    end: float
    present: int


def coverage(
    directory: Directory, tenant: str, entries: Iterable[str], quorum: int, *, start: float, hours: int = 168
) -> tuple[Gap, ...]:
    """When fewer than ``quorum`` distinct persons fill ``entries`` (``group:…``, ``person:…``, ``oncall:…``).

    Whoever stands in for someone adds nobody: a seat counts once. Who may not approve a particular call (who asks
    for it, or owns the agent) is not known here; leave room for that in the quorum.

    Args:
        start: UTC seconds; looked at from the quarter of an hour it stands in.
        hours: how many to look at (a week).
    """
    wanted, gaps = tuple(entries), list[Gap]()
    begin = start - start % _STEP
    for step in range(hours * 3600 // _STEP):
        at = begin + step * _STEP
        present = _present(directory, tenant, wanted, at)
        if present >= quorum:
            continue
        if gaps and gaps[-1].end == at:
            gaps[-1] = replace(gaps[-1], end=at + _STEP, present=max(present, gaps[-1].present))
        else:
            gaps.append(Gap(start=at, end=at + _STEP, present=present))
    return tuple(gaps)


def _present(directory: Directory, tenant: str, entries: tuple[str, ...], at: float) -> int:
    persons: set[str] = set()
    for entry in entries:
        kind, _, name = entry.partition(":")
        if kind == "person":
            persons.add(name)
        else:
            found = directory.members(tenant, entry if kind == "oncall" else name, at=at)
            persons.update(p.id for p in found if p.human)
    return len(persons)
