"""A text cut into words and numbers once, for all rules that look at words."""

from __future__ import annotations

import re
from functools import cached_property

from toolguard.detection.gazetteer import gazetteer
from toolguard.detection.normalise import fold

__all__ = ["Lexed"]

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+")


class Lexed:
    """Words and numbers of ``text`` (normalised) as parallel lists.

    Attributes:
        text: the text.
        starts, ends: where a token lies; a possessive ``'s`` is left out of its word.
        words: the tokens as written.
        folded: the tokens in lower case without accents.
        flags: what the gazetteer knows of them (0 = unknown, and for numbers).
    """

    def __init__(self, text: str) -> None:
        self.text = text
        starts: list[int] = []
        ends: list[int] = []
        words: list[str] = []
        for match in _TOKEN.finditer(text):
            word = match[0]
            start, end = match.span()
            if word[-2:] in ("'s", "'S") and len(word) > 2:
                word = word[:-2]
                end -= 2
            starts.append(start)
            ends.append(end)
            words.append(word)
        self.starts = starts
        self.ends = ends
        self.words = words
        self.folded = [w.lower() for w in words] if text.isascii() else [fold(w) for w in words]

    @cached_property
    def flags(self) -> list[int]:
        get = gazetteer().flags.get
        return [get(word, 0) for word in self.folded]

    @cached_property
    def caps(self) -> list[bool]:
        """Whether a token begins with a capital letter."""
        return [word[0].isupper() for word in self.words]

    @cached_property
    def lower_style(self) -> bool:
        """The writer uses no capital letters to speak of, so their absence says nothing."""
        letters = [word for word in self.words if word[0].isalpha()]
        capitals = sum(1 for word in letters if word[0].isupper() and not word.isupper())
        return capitals * 12 < len(letters)

    def gap(self, index: int) -> str:
        """What stands between token ``index`` and the next one ('' at the end)."""
        if index + 1 >= len(self.starts):
            return ""
        return self.text[self.ends[index] : self.starts[index + 1]]

    def shouting(self, index: int) -> bool:
        """In a run of capitals: here a capital letter says nothing."""
        word = self.words[index]
        if len(word) < 2 or not word.isupper():
            return False
        for other in (index - 1, index + 1):
            if 0 <= other < len(self.words):
                near = self.words[other]
                if len(near) > 1 and near.isupper():
                    return True
        return False
