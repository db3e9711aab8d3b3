"""A text cut into words and numbers once, for all rules that look at words."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate, compress, repeat
from operator import itemgetter

from toolguard.detection.gazetteer import gazetteer
from toolguard.detection.normalise import fold

__all__ = ["Lexed"]

_TOKEN = re.compile(r"([^\W\d_]+(?:'[^\W\d_]+)*|\d+)")
_BEGIN = re.compile(r"(?:\A|[.!?]\s|\n)[\s\"'(*>#-]{0,4}([^\W\d_])")
_SAME_LINE = re.compile(r"[^\n|:;=\t]{0,3}")
_JOINTS = frozenset("-/.()")
_AFTER_SPACE = frozenset("-/. (")


def _goes_on(mark: str) -> bool:
    """Whether the two characters after a number may lead to more of the same date or code."""
    return mark[:1] in _JOINTS if mark[:1] != " " else mark[1:] in _AFTER_SPACE or mark[1:].isdigit()


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
        figures: which tokens are numbers, in order.
        digits: where those begin.
        numbers: the lengths of the numbers.
        fences: ranges that hold codes by their place (fields of a message), in order; set by the rules that know.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = _TOKEN.split(text)  # gap, word, gap, …, word, gap
        words = parts[1::2]
        gaps = parts[0::2]
        bounds = list(accumulate(map(len, parts)))
        starts = bounds[0:-1:2]
        ends = bounds[1::2]
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
        self.folded = list(map(str.lower if text.isascii() else fold, words))
        self.flags = list(map(gazetteer().flags.get, self.folded, repeat(0)))
        self.caps = list(map(str.isupper, map(itemgetter(0), words)))
        self.vocabulary = frozenset(self.folded)
        self.figures = list(compress(range(len(words)), map(str.isdecimal, words)))
        self.digits = [starts[index] for index in self.figures]
        self.numbers = frozenset([len(words[index]) for index in self.figures])
        self.fences: list[tuple[int, int]] = []
        self._lower_style: bool | None = None
        self._joined: list[int] | None = None
        self._shouts: frozenset[int] | None = None

    @property
    def lower_style(self) -> bool:
        """The writer uses no capital letters to speak of, so their absence says nothing."""
        if self._lower_style is None:
            shouted = sum(map(str.isupper, compress(self.words, self.caps)))
            few = (sum(self.caps) - shouted) * 12 < len(self.words) - len(self.figures)
            self._lower_style = few and self._starts_low()
        return self._lower_style

    @property
    def joined(self) -> list[int]:
        """Where those numbers begin that more of a date or a code may follow: ``-``, ``/``, ``.``, a bracket, a digit."""
        if self._joined is None:
            text, ends, starts = self.text, self.ends, self.starts
            self._joined = [starts[index] for index in self.figures if _goes_on(text[ends[index] : ends[index] + 2])]
        return self._joined

    def fenced(self, start: int, end: int) -> bool:
        """Whether a range touches a fence."""
        at = bisect_left(self.fences, (end, 0)) - 1
        return at >= 0 and self.fences[at][1] > start

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
        if sum(map(str.isupper, compress(self.words, self.caps))) < 4:
            return frozenset()
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
