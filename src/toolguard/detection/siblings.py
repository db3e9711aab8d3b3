"""An identifier in parts: beside each other in an object or a list, each harmless alone.

``["123", "45", "6789"]``, ``{"a": "Femi", "b": "Okonkwo"}``, ``{"Femi": "Okonkwo"}``, one letter per item. The parts
are read as one, and each part of what is found is an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from toolguard._core.mask import Path
from toolguard.detection.gazetteer import CITY, CLINICAL, FAMILY, GIVEN, REGION, WORD, gazetteer
from toolguard.detection.normalise import fold

__all__ = ["Part", "joined", "named_key"]

LONGEST = 24
"""Characters of the longest leaf that is looked at as a part."""
_SHAPES = {(3, 2, 4): "SSN", (3, 3, 4): "PHONE", (4, 4, 4, 4): "CREDIT_CARD", (3, 7): "PHONE"}
_KEY = re.compile(r"\A([A-Za-z]+?)(?:[_.-]|(?<=[a-z])(?=[A-Z]))([A-Za-z]+)")


class Part(NamedTuple):
    """A short leaf, or a key, in its place among its siblings."""

    path: Path
    text: str
    key: bool
    number: bool


def joined(parts: Sequence[Part]) -> Iterator[tuple[Part, str]]:
    """The parts that make an identifier with their neighbours, each with its type."""
    run: list[Part] = []
    for part in [*parts, None]:
        if part is not None and part.text.strip().isdigit() and not part.number:
            run.append(part)
            continue
        if len(run) > 1:
            yield from _numbers(run)
        run = []
    yield from _names([part for part in parts if not part.number])
    yield from _spelled(parts)


def _numbers(run: list[Part]) -> Iterator[tuple[Part, str]]:
    at = 0
    while at < len(run):
        for size in (4, 3, 2):
            kind = _SHAPES.get(tuple(len(p.text.strip()) for p in run[at : at + size]))
            if kind and (kind != "PHONE" or (size == len(run) and run[at].text.strip()[0] not in "01")):
                yield from ((part, kind) for part in run[at : at + size])
                at += size - 1
                break
        at += 1


def _names(parts: Sequence[Part]) -> Iterator[tuple[Part, str]]:
    for first, second in pairwise(parts):
        if second.key or not (first.text[:1].isupper() and second.text[:1].isupper()):
            continue
        if _is(first.text, GIVEN) and _is(second.text, FAMILY, known=False):
            yield first, "PERSON"
            yield second, "PERSON"


def _is(word: str, flag: int, known: bool = True) -> bool:
    word = word.strip()
    if not (1 < len(word) <= 20) or not word.replace("-", "").replace("'", "").isalpha() or word.isupper():
        return False
    flags = gazetteer().flags.get(fold(word), 0)
    return bool(flags & flag) and not flags & (WORD | CLINICAL | REGION | (CITY if known else 0))


def _spelled(parts: Sequence[Part]) -> Iterator[tuple[Part, str]]:
    """One character per item, eight or more: a number or a name spelled out."""
    run: list[Part] = []
    for part in [*parts, None]:
        if part is not None and len(part.text) == 1 and part.text.isalnum() and not part.key:
            run.append(part)
            continue
        text = "".join(p.text for p in run)
        if len(run) > 6 and text.isdigit() and len(set(text)) > 1 and not text.startswith("12345678"):
            yield from ((p, "SSN" if len(run) == 9 else "ID") for p in run)
        elif len(run) > 3 and text.isalpha() and gazetteer().flags.get(fold(text), 0) & (GIVEN | FAMILY):
            yield from ((p, "PERSON") for p in run)
        run = []


def named_key(key: str) -> bool:
    """``femi_okonkwo``, ``FemiOkonkwo``: a key that is a person's name."""
    match = _KEY.fullmatch(key)
    if match is None:
        return False
    flags = gazetteer().flags
    first, second = flags.get(match[1].lower(), 0), flags.get(match[2].lower(), 0)
    return bool(first & GIVEN and second & FAMILY) and not (first | second) & (WORD | CLINICAL)
