"""What a rule's ``match`` restricts, field by field."""

from __future__ import annotations

from dataclasses import fields

from toolguard._core.policy import Match

__all__ = ["restricts", "same_match"]

_EMPTY = Match()
_HOW = frozenset({"all_origins"})
"""Fields that only say how another one is read."""


def restricts(match: Match) -> frozenset[str]:
    """Names of the fields of ``match`` that some calls do not fit."""
    found = {f.name for f in fields(Match) if f.name not in _HOW and getattr(match, f.name) != getattr(_EMPTY, f.name)}
    if match.past is not None and not match.past.matches:
        found.discard("past")  # it only says what the condition reads
    return frozenset(found)


def same_match(one: Match, other: Match) -> bool:
    """Whether both restrict the same in the same way."""
    names = restricts(one)
    return names == restricts(other) and all(getattr(one, name) == getattr(other, name) for name in names)
