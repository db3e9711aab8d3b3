"""A text cut into words and numbers once, for all rules that look at words."""

from __future__ import annotations

import re
from functools import cached_property

from toolguard.detection.gazetteer import gazetteer
from toolguard.detection.normalise import fold

__all__ = ["Lexed"]

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+")
_SAME_LINE = re.compile(r"[^\n|:;=\t]{0,3}")


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
        words: list[str] = _TOKEN.findall(text)
        spans = [match.span() for match in _TOKEN.finditer(text)]
        self.starts = [span[0] for span in spans]
        ends = [span[1] for span in spans]
        if "'s" in text or "'S" in text:
            for index, word in enumerate(words):
                if word[-2:] in ("'s", "'S"):
                    words[index] = word[:-2]
                    ends[index] -= 2
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
    def vocabulary(self) -> frozenset[str]:
        """The distinct folded words: a rule whose words are not among them has nothing to look for."""
        return frozenset(self.folded)

    @cached_property
    def numbers(self) -> frozenset[int]:
        """The lengths of the numbers in the text."""
        return frozenset(len(word) for word in self.vocabulary if word[0].isdigit())

    @cached_property
    def lower_style(self) -> bool:
        """The writer uses no capital letters to speak of, so their absence says nothing."""
        letters = capitals = 0
        for word, cap in zip(self.words, self.caps, strict=True):
            if cap:
                letters += 1
                if not word.isupper():
                    capitals += 1
            elif word[0] > "9":
                letters += 1
        return capitals * 12 < letters

    def gap(self, index: int) -> str:
        """What stands between token ``index`` and the next one ('' at the end)."""
        if index + 1 >= len(self.starts):
            return ""
        return self.text[self.ends[index] : self.starts[index + 1]]

    @cached_property
    def _shouts(self) -> frozenset[int]:
        """Tokens in a run of at least four words in capitals, on one line and not across ``:`` or ``|``."""
        out: set[int] = set()
        run: list[int] = []
        for index, cap in enumerate([*self.caps, True]):
            if not run and not cap:
                continue
            word = self.words[index] if index < len(self.words) else "End"
            upper = len(word) > 1 and word.isupper()
            broken = not upper and len(word) > 1 and word[0] > "9"
            if run and (broken or not _SAME_LINE.fullmatch(self.gap(index - 1))):
                if len(run) > 3:
                    out.update(run)
                run = []
            if upper:
                run.append(index)
        return frozenset(out)

    def shouting(self, index: int) -> bool:
        """In a passage of capitals: here a capital letter says nothing."""
        return index in self._shouts
