"""Patterns tried only where they can begin, instead of at every character of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["at_starts"]


def at_starts(pattern: re.Pattern[str], text: str, starts: Iterable[int]) -> Iterator[re.Match[str]]:
    """What ``pattern.finditer(text)`` gives for a pattern that begins at one of ``starts`` (rising) or nowhere."""
    match = pattern.match
    end = 0
    for start in starts:
        if start >= end:
            found = match(text, start)
            if found is not None:
                end = found.end()
                yield found
