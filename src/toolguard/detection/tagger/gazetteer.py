"""Word lists the tagger looks at: which words are given names, family names, places, plain or clinical words.

The file is one zlib stream of UTF-8 lines ``FLAGS word word …`` made by ``python -m training.build_gazetteer``.
A flag only says that a word *can* be that; the model weighs it with everything else. Capital flags say what a word
is; small ones (``training/data/classes.txt``) what it says about its neighbours: a role, a label, a unit.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["CITY", "CLINICAL", "COMMON", "COUNTRY", "FAMILY", "GIVEN", "SPANISH", "STATE", "pack", "unpack"]

GIVEN: Final = "F"
FAMILY: Final = "L"
CITY: Final = "C"
COUNTRY: Final = "K"
STATE: Final = "S"
COMMON: Final = "W"
SPANISH: Final = "E"
CLINICAL: Final = "M"


def pack(flags: Mapping[str, str]) -> bytes:
    """The file for ``flags`` (lower-case word to its flags); equal mappings give equal bytes."""
    groups: dict[str, list[str]] = {}
    for word, kinds in sorted(flags.items()):
        groups.setdefault("".join(sorted(kinds)), []).append(word)
    lines: Iterable[str] = (" ".join([kinds, *words]) for kinds, words in sorted(groups.items()))
    return zlib.compress("\n".join(lines).encode(), 9)


def unpack(data: bytes) -> dict[str, str]:
    """Lower-case word to its flags."""
    flags: dict[str, str] = {}
    for line in zlib.decompress(data).decode().split("\n"):
        kinds, *words = line.split(" ")
        flags.update(dict.fromkeys(words, kinds))
    return flags
