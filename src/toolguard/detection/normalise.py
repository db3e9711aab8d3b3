"""Text as a recognizer should see it, with the way back to the text as it was written.

Full-width and other scripts' digits, typographic hyphens, quotes and spaces, ligatures and characters of no
width hide identifiers from patterns (``123‑45‑6789`` with U+2011), as do letters of other scripts that look like
Latin ones. `normalise` removes the disguise (NFKC and a few mappings); `Normalised.original` maps a range of the
result back. Plain ASCII is returned as it is.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache

from toolguard.detection.confusables import latin_doubles

__all__ = ["Normalised", "fold", "normalise"]

_NON_ASCII = re.compile(r"[^\x00-\x7f]+")
_HYPHENS = "\u00ad\u02d7\u058a\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2796\ufe58\ufe63\uff0d"
_SINGLE = "\u2018\u2019\u201a\u201b\u2032\u02bc\u02b9\u00b4\uff07"
_DOUBLE = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02"
_INVISIBLE = frozenset(
    [
        173,
        847,
        1564,
        4447,
        4448,
        6068,
        6069,
        6155,
        6156,
        6157,
        6158,
        8419,
        12644,
        65279,
        65440,
        *range(8203, 8208),
        *range(8234, 8239),
        *range(8288, 8304),
        *range(65024, 65040),
        *range(917504, 918000),
    ]
)
_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "ß": "ss", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŋ": "n"}
)


@dataclass(frozen=True, slots=True)
class Normalised:
    """``text``, and for each of its characters where it begins and ends in the original.

    ``starts`` and ``ends`` are None where both texts have the same length, character for character.
    """

    text: str
    starts: array[int] | None = None
    ends: array[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original text that holds ``text[start:end]`` (not empty)."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """What one character stands for; ``""`` for one without width."""
    if char != "\u00ad" and char in _HYPHENS:
        return "-"
    if char in _SINGLE:
        return "'"
    if char in _DOUBLE:
        return '"'
    if ord(char) in _INVISIBLE:
        return ""
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Zs":
        return " "
    return unicodedata.normalize("NFKC", char)


@lru_cache(maxsize=4096)
def _alone(char: str) -> bool:
    """Whether a character stands for one other, whatever is beside it."""
    return len(_plain(char)) == 1 and not unicodedata.combining(char)


def _plain_run(run: re.Match[str]) -> str:
    return "".join(map(_plain, run[0]))


def normalise(text: str) -> Normalised:
    """``text`` without typographic disguise. Linear; ASCII costs one scan."""
    if text.isascii():
        return Normalised(text)
    if all(map(_alone, "".join(_NON_ASCII.findall(text)))):
        return Normalised(latin_doubles(_NON_ASCII.sub(_plain_run, text)))
    out: list[str] = []
    starts: array[int] = array("q")
    ends: array[int] = array("q")
    changed = False
    at = 0
    for run in _NON_ASCII.finditer(text):
        begin, stop = run.span()
        out.append(text[at:begin])
        starts.extend(range(at, begin))
        ends.extend(range(at + 1, begin + 1))
        for index in range(begin, stop):
            char = text[index]
            plain = _plain(char)
            if out and unicodedata.combining(char) and starts and out[-1]:
                joined = unicodedata.normalize("NFC", out[-1][-1] + char)
                if len(joined) == 1:  # a base and its accent: one letter, as wide as both
                    out[-1] = out[-1][:-1] + joined
                    ends[-1] = index + 1
                    changed = True
                    continue
                if out[-1][-1].isascii():
                    ends[-1] = index + 1  # struck through or heaped with marks: the letter under them counts
                    changed = True
                    continue
            if len(plain) != 1:
                changed = True
            out.append(plain) if plain else None
            for _ in plain:
                starts.append(index)
                ends.append(index + 1)
        at = stop
    out.append(text[at:])
    result = latin_doubles("".join(out))
    if not changed:
        return Normalised(result)
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return Normalised(result, starts, ends)


def fold(word: str) -> str:
    """Lower case without accents, for look-ups: ``Núñez`` → ``nunez``, ``Łukasz`` → ``lukasz``."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.lower())
    return "".join(c for c in plain if not unicodedata.combining(c)).translate(_STROKES)
