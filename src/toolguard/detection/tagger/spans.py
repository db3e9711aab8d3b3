"""From one label per token to spans of characters."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from toolguard.detection.tagger.tokens import NEWLINE

__all__ = ["spans_of"]

_UUID: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])")
_TITLES: Final = frozenset("dr mr mrs ms miss mx prof sr sra srta doña dña".split())


def spans_of(
    text: str,
    words: Sequence[str],
    starts: Sequence[int],
    ends: Sequence[int],
    labels: Sequence[str],
    flags: Mapping[str, str],
) -> list[tuple[int, int, str]]:
    """``(start, end, type)`` of every labelled run, trimmed of punctuation at its ends, plus repeats of found names.

    A name found once is a name wherever the same capitalised word stands again in the text, unless it is a plain
    English word: those stay as the model left them.
    """
    found: list[tuple[int, int, str]] = []
    covered = [False] * len(words)
    names: set[str] = set()
    at, total = 0, len(labels)
    while at < total:
        label = labels[at]
        if label == "O":
            at += 1
            continue
        kind = label[2:]
        first = at
        at += 1
        while at < total and labels[at] == "I-" + kind:
            at += 1
        last = at - 1
        if kind == "PERSON":
            last = at - 1 if (stop := _sentence_end(words, first, last, flags)) is None else stop
            first = _with_title(words, first)
        start, end = starts[first], ends[last]
        opening = "(+" if kind == "PHONE" else ""
        while start < end and not text[start].isalnum() and text[start] not in opening:
            start += 1
        closing = "." if kind == "PERSON" else ""
        while start < end and not text[end - 1].isalnum() and text[end - 1] not in closing:
            end -= 1
        if not any(map(str.isalnum, text[start:end])) or _no_identifier(text, start, end, kind, flags):
            continue
        found.append((start, end, kind))
        for index in range(first, last + 1):
            covered[index] = True
            word = words[index]
            if kind == "PERSON" and _repeats(word, flags):
                names.add(word)
    if names:
        found += [
            (starts[index], ends[index], "PERSON")
            for index, word in enumerate(words)
            if not covered[index] and word in names
        ]
        found.sort()
    return found


def _no_identifier(text: str, start: int, end: int, kind: str, flags: Mapping[str, str]) -> bool:
    """A single word known as a clinical term and not as a name, or a piece of a UUID (which names a record, nobody)."""
    if kind == "PERSON":
        known = flags.get(text[start:end].lower(), "")
        return "M" in known and "F" not in known and "L" not in known
    if kind in ("ID", "PHONE"):
        near = max(0, start - 36)
        return any(m.start() + near <= start and end <= m.end() + near for m in _UUID.finditer(text[near : end + 36]))
    return False


def _sentence_end(words: Sequence[str], first: int, last: int, flags: Mapping[str, str]) -> int | None:
    """Where a name ends if a sentence ends inside it ("per Dr. Young. Aircast given"); None: it does not.

    What follows must be words known as plain or clinical ones and not as names, or the name goes on.
    """
    for at in range(first + 1, last):
        before = words[at - 1]
        if words[at] == "." and len(before) > 2 and before.isalpha() and before.lower() not in _TITLES:
            rest = [flags.get(word.lower(), "") for word in words[at + 1 : last + 1] if word[0].isalpha()]
            if rest and all(set("WM") & set(known) and not set("FL") & set(known) for known in rest):
                return at - 1
    return None


def _with_title(words: Sequence[str], first: int) -> int:
    """Index of the title before a name, or ``first``: "Dr. Patel" is one mention, so it is hidden as one."""
    at = first - 1
    if at > 0 and words[at] == ".":
        at -= 1
    return at if at >= 0 and words[at].lower() in _TITLES else first


def _repeats(word: str, flags: Mapping[str, str]) -> bool:
    return (
        len(word) > 2
        and word != NEWLINE
        and word[0].isupper()
        and word.isalpha()
        and not set("WEM") & set(flags.get(word.lower(), ""))
    )
