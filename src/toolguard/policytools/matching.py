"""What a rule's ``match`` restricts, field by field."""

from __future__ import annotations

from dataclasses import fields

from toolguard._core.policy import Match

__all__ = ["may_meet", "restricts", "same_match"]

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


def may_meet(one: str, other: str) -> bool:
    """Whether some name fits both of two patterns (``*`` any run, ``?`` one character, case aside)."""
    wide, narrow = one.casefold(), other.casefold()
    seen: set[tuple[int, int]] = set()
    stack = [(0, 0)]
    while stack:
        at = i, j = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        a, b = wide[i : i + 1], narrow[j : j + 1]
        if not a and not b:
            return True
        if a == "*":
            stack += [(i + 1, j), (i, j + 1)] if b else [(i + 1, j)]
        if b == "*":
            stack += [(i, j + 1), (i + 1, j)] if a else [(i, j + 1)]
        if a and b and "*" not in (a, b) and (a == b or "?" in (a, b)):
            stack.append((i + 1, j + 1))
    return False
