"""How many rows a text holds that is not JSON: what Python prints, tables, points, lines of values, markup.

It is told by shape, so it can be wrong by a few: a row of headings is left out only where it can be told from the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

__all__ = ["rows_in"]

_POINT = re.compile(r"(\s*)(?:[-*\u2022]|\d{1,6}[.)])\s+\S")
_ROW = re.compile(r"<(tr|li|row|record|item|entry|result)\b", re.IGNORECASE)
_RULED = re.compile(r"[\s|:+=-]+")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_NESTED = re.compile(r"[\[(]\s*[\[({]")
_BETWEEN = "\t|;,"
_BETWEENS = frozenset(_BETWEEN)
_MAX_PLAIN = 60
_MAX_WORDS = 4


def rows_in(text: str) -> int:
    """The rows of the longest table or list in ``text``; 1 where it is prose."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return max(
        1,
        _printed(text),
        max((_run(lines, between) for between in _BETWEEN), default=0),
        max(Counter(m[1] for line in lines if (m := _POINT.match(line))).values(), default=0),
        max(Counter(tag.lower() for tag in _ROW.findall(text)).values(), default=0),
        _values(lines),
        max(map(_listed, lines), default=0),
    )


def _run(lines: Iterable[str], between: str) -> int:
    """The most lines one below the other that are parted alike by ``between``."""
    most, run, count, above = 0, 0, 0, ""
    for line in lines:
        if _RULED.fullmatch(line):
            continue
        parts = (_QUOTED.sub("", line) if '"' in line else line).count(between)
        headed = run == 1 and not any(map(str.isdigit, above))
        run = run + 1 - headed if parts and parts == count else int(bool(parts))
        most, count, above = max(most, run), parts, line
    return most


def _values(lines: Iterable[str]) -> int:
    """The most lines one below the other that hold a value each, and no sentence."""
    most = run = 0
    for line in lines:
        run = run + 1 if _is_value(line.strip()) else 0
        most = max(most, run)
    return most


def _is_value(text: str) -> bool:
    return (
        len(text) <= _MAX_PLAIN
        and _BETWEENS.isdisjoint(text)
        and text[-1:] not in ".,:;!?"
        and text.count(" ") < _MAX_WORDS
    )


def _listed(line: str) -> int:
    """The values in a line such as ``Ann, Bo, Cy``; 0 where it is a sentence."""
    parts = line.split(",") if line.count(",") > 1 else line.split(";")
    return len(parts) if len(parts) > 2 and all(_is_value(p.strip()) for p in parts) else 0


def _printed(text: str) -> int:
    """The items of the longest list or tuple of several things, as Python prints it."""
    start = _NESTED.search(text)
    if start is None and text.lstrip()[:1] not in ("[", "("):
        return 0
    most, quote, skip = 0, "", False
    counts: list[tuple[str, int]] = []
    for char in text[start.start() if start else 0 :]:
        if skip:
            skip = False
        elif quote:
            skip, quote = char == "\\", "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[({":
            counts.append((char, 0))
        elif char == "," and counts:
            counts[-1] = (counts[-1][0], counts[-1][1] + 1)
            if counts[-1][0] == "[" or len(counts) == 1:
                most = max(most, counts[-1][1] + 1)
        elif char in "])}" and counts:
            counts.pop()
    return most
