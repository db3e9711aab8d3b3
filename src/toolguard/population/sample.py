"""A sample that anybody can draw again: calls in the order of SHA-256(seed, newline, call id), the first n of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from toolguard.population.calls import Call

__all__ = ["draw", "rank"]


def rank(seed: str, call: str) -> str:
    """The call's place in the draw: ``printf 'SEED\\nCALL' | sha256sum`` gives the same."""
    return hashlib.sha256(f"{seed}\n{call}".encode()).hexdigest()


def draw(calls: Iterable[Call], *, seed: str, n: int) -> tuple[Call, ...]:
    """``n`` calls (all, if there are fewer), in the order they were drawn. The seed is the auditor's to choose."""
    return tuple(sorted(calls, key=lambda call: rank(seed, call.id))[: max(0, n)])
