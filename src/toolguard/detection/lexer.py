"""A text cut into words and numbers once, for all rules that look at words."""

from __future__ import annotations

import re
from bisect import bisect_left

from toolguard.detection.gazetteer import gazetteer
from toolguard.detection.normalise import fold

__all__ = ["Lexed"]

_TOKEN = re.compile(r"([\W_]*+)([^\W\d_]+(?:'[^\W\d_]+)*|\d+|\Z)")
_BEGIN = re.compile(r"(?:\A|[.!?]\s|\n)[\s\"'(*>#-]{0,4}([^\W\d_])")
_SAME_LINE = re.compile(r"[^\n|:;=\t]{0,3}")


class Lexed:
    """Words and numbers of ``text`` (normalised) as parallel lists.

    Attributes:
        text: the text.
        starts, ends: where a token lies; a possessive ``'s`` is left out of its word.
        words: the tokens as written.
        folded: the tokens in lower case without accents.
        flags: what the gazetteer knows of them (0 = unknown, and for numbers).
        caps: whether a token begins with a capital letter.
        vocabulary: the distinct folded words: a rule whose words are not among them has nothing to look for.
        numbers: the lengths of the numbers.
        fences: ranges that hold codes by their place (fields of a message), in order; set by the rules that know.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        pairs: list[tuple[str, str]] = _TOKEN.findall(text)
        while pairs and not pairs[-1][1]:
            pairs.pop()
        words = [word for _, word in pairs]
        gaps = [gap for gap, _ in pairs]
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for gap, word in pairs:
            at += len(gap)
            starts.append(at)
            at += len(word)
            ends.append(at)
        gaps.append("")
        if "'s" in text or "'S" in text:
            for index, word in enumerate(words):
                if word[-2:] in ("'s", "'S"):
                    words[index] = word[:-2]
                    ends[index] -= 2
                    gaps[index + 1] = word[-2:] + gaps[index + 1]
        self.starts = starts
        self.ends = ends
        self.words = words
        if starts:
            gaps[len(starts)] = ""
        self._gaps = gaps
        self.folded = [word.lower() for word in words] if text.isascii() else [fold(word) for word in words]
        get = gazetteer().flags.get
        self.flags = [get(word, 0) for word in self.folded]
        self.caps = [word[0].isupper() for word in words]
        self.vocabulary = frozenset(self.folded)
        self.numbers = frozenset([len(word) for word in self.vocabulary if word[0] <= "9"])
        self.fences: list[tuple[int, int]] = []
        self._lower_style: bool | None = None
        self._shouts: frozenset[int] | None = None

    def fenced(self, start: int, end: int) -> bool:
        """Whether a range touches a fence."""
        at = bisect_left(self.fences, (end, 0)) - 1
        return at >= 0 and self.fences[at][1] > start

    @property
    def lower_style(self) -> bool:
        """The writer uses no capital letters to speak of, so their absence says nothing."""
        if self._lower_style is None:
            capitals = sum(1 for word, cap in zip(self.words, self.caps, strict=True) if cap and not word.isupper())
            few = capitals * 12 < sum(1 for word in self.folded if word[0] > "9")
            self._lower_style = few and self._starts_low()
        return self._lower_style

    def _starts_low(self) -> bool:
        """Sentences and lines begin with a small letter more often than with a capital."""
        begins = _BEGIN.findall(self.text)
        return sum(map(str.islower, begins)) * 2 >= len(begins)

    def gap(self, index: int) -> str:
        """What stands between token ``index`` and the next one ('' at the end)."""
        return self._gaps[index + 1]

    def shouting(self, index: int) -> bool:
        """In a passage of capitals (four words or more, on one line, not across ``:`` or ``|``): here one says nothing."""
        if self._shouts is None:
            self._shouts = self._shouted()
        return index in self._shouts

    def _shouted(self) -> frozenset[int]:
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
