"""Words of a text as candidates for names: how much each is a name by itself, and how far a name reaches."""

from __future__ import annotations

from toolguard.detection.gazetteer import CLINICAL, EPONYM, FAMILY, GIVEN, REGION, WORD
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.name_words import CONTEXT_GAP, NOT_AFTER, PARTICLES, STOP, TITLES, VERBS
from toolguard.detection.rules.vocabulary import is_term
from toolguard.detection.spans import Span

__all__ = ["NameReader"]

_SOURCE = "name"
_LONGEST = 32  # letters of a word that can be a name


class NameReader:
    """One text, word by word."""

    def __init__(self, lexed: Lexed) -> None:
        self.lexed = lexed
        self.words = lexed.words
        self.folded = lexed.folded
        self.flags = lexed.flags
        self.caps = lexed.caps
        self.count = len(lexed.words)
        self._strengths = [-1] * self.count
        self.lower_style = lexed.lower_style
        self.out: list[Span] = []
        self.stopped = -1

    def initial(self, i: int) -> bool:
        """A single capital letter; in ``Anna S.`` and ``J. R. Smith``."""
        return i < self.count and len(self.words[i]) == 1 and self.caps[i]

    def strength(self, i: int) -> int:
        """3 a given name, 2 a family name or unknown word, 1 a name that is a word too, 0 no name."""
        known = self._strengths[i]
        if known < 0:
            known = self._strengths[i] = self._strength(i)
        return known

    def _strength(self, i: int) -> int:
        if not self.caps[i] and not self.lower_style:
            return 0
        word, flags = self.folded[i], self.flags[i]
        if not 1 < len(word) < _LONGEST or not word[0].isalpha() or word in STOP or word in TITLES or flags & CLINICAL:
            return 0
        shouting = self.lexed.shouting(i)
        if len(word) < 4 and not shouting and self.words[i].isupper() and not self.beside_capitals(i):
            return 0
        if not flags & (GIVEN | FAMILY | WORD) and is_term(self.words[i], word):
            return 0
        if flags & WORD:
            if flags & (GIVEN | FAMILY):
                return 1
            return 0
        if flags & GIVEN:
            return 3
        if flags & FAMILY:
            return 2
        if flags & REGION:
            return 0
        if "'" in self.words[i] and self.caps[i] and not shouting:
            tail = word.rpartition("'")[2]
            return 2 if len(tail) > 2 else 0
        if shouting or not self.caps[i] or (self.words[i].isupper() and len(word) < 5):
            return 0
        return (
            2
            if len(word) > 2
            and not any(
                c.isupper()
                for c in self.words[i][2:-1]
                if c != "'"
                and not self.words[i].isupper()
                and not word.startswith(("mc", "mac", "de", "di", "la", "le"))
            )
            else 0
        )

    def beside_capitals(self, i: int) -> bool:
        """``LI WEI``, ``COX, ANN``: a short word in capitals is a name only next to one that is longer."""
        for other, gap in ((i - 1, i - 1), (i + 1, i)):
            if 0 <= other < self.count and self.lexed.gap(gap) in (" ", ", ", ","):
                near = self.words[other]
                if (
                    len(near) > 3
                    and near.isupper()
                    and self.flags[other] & (GIVEN | FAMILY)
                    and not self.flags[other] & (WORD | CLINICAL)
                ):
                    return True
        return False

    def extend(self, i: int, limit: int = 4, least: int = 1) -> int:
        """The last token of the name that begins at ``i``: initials, particles and names after it."""
        last = i
        self.stopped = -1
        taken = 1
        at = i
        while at + 1 < self.count and taken < limit:
            gap = self.lexed.gap(at)
            nxt = at + 1
            if self.initial(nxt) and gap in (" ", ". ", "."):
                follow = self.lexed.text[self.lexed.ends[nxt] : self.lexed.ends[nxt] + 2]
                # "Anna S." and "Anna S," are names; "hepatitis A virus" is not
                if (
                    follow[:1] in ("", ".", ",", ")", "'", "?", ";", "\n", "(")
                    or (nxt + 1 < self.count and self.strength(nxt + 1))
                    or follow[:1] == " "
                ):
                    last = at = nxt
                    taken += 1
                    continue
                break
            if gap not in (" ", "-", "  ") and not (
                gap in (". ", ".") and (self.initial(at) or self.folded[at] in ("jr", "sr", "st", "ma", "mo"))
            ):
                break
            if (
                self.folded[nxt] in PARTICLES
                and nxt + 1 < self.count
                and self.lexed.gap(nxt) in (" ", "-", "'")
                and not (self.folded[nxt] in ("do", "e", "y", "la", "o", "den", "ten") and not self.lower_particle(nxt))
            ):
                reach = nxt + 1
                if self.folded[reach] in PARTICLES and reach + 1 < self.count and self.lexed.gap(reach) == " ":
                    reach += 1
                if self.caps[reach] and self.strength(reach) >= 1:
                    last = at = reach
                    taken += 1
                    continue
                break
            if (
                gap == "-"
                and not self.caps[nxt]
                and self.strength(at) >= 2
                and self.flags[nxt] & (GIVEN | FAMILY)
                and len(self.folded[nxt]) < 6
            ):
                last = at = nxt  # "Ji-woo"
                continue
            strength = self.strength(nxt) or self.surname_by_place(at, nxt)
            if strength < least or (
                self.lower_style and strength < 2 and not self.caps[nxt] and not self.lower_surname(at, nxt)
            ):
                break
            if self.eponym(nxt, gap):
                self.stopped = nxt
                break
            last = at = nxt
            taken += 1
        if (
            last + 1 < self.count
            and self.folded[last + 1] in ("jr", "sr", "ii", "iii", "iv")
            and self.lexed.gap(last) in (" ", ", ")
            and last > i
        ):
            last += 1
        return last

    def lower_surname(self, i: int, nxt: int) -> bool:
        """``amanda foster`` in a text without capitals: a family name that is a word, after a given name."""
        return (
            self.strength(i) == 3
            and bool(self.flags[nxt] & FAMILY)
            and len(self.folded[nxt]) > 3
            and self.folded[nxt] not in VERBS
        )

    def surname_by_place(self, i: int, nxt: int) -> int:
        """``Tobias Driftwood``: an English word with a capital right after a given name, in the middle of a line."""
        word = self.folded[nxt]
        if (
            self.strength(i) != 3
            or not (self.caps[i] and self.caps[nxt])
            or self.lexed.shouting(nxt)
            or word in STOP
            or word in TITLES
            or self.flags[nxt] & CLINICAL
            or len(word) < 3
            or not self.flags[nxt] & WORD
        ):
            return 0
        after = nxt + 1
        return 1 if after >= self.count or not self.caps[after] or self.lexed.gap(nxt) != " " else 0

    def lower_particle(self, i: int) -> bool:
        return (
            i > 0
            and self.strength(i - 1) >= 2
            and i + 1 < self.count
            and self.caps[i + 1]
            and self.strength(i + 1) >= 2
        )

    def eponym(self, i: int, gap: str = " ") -> bool:
        """``Wilson disease``, ``Crohn's disease``, ``Babinski negative``: the name of a thing."""
        nxt = i + 1
        if nxt >= self.count:
            return False
        after = self.folded[nxt]
        between = self.lexed.gap(i)
        if between not in (" ", "'s ", "' ", "-"):
            return False
        if after in ("positive", "negative", "catheter"):
            return bool(self.flags[i] & EPONYM)
        return after in NOT_AFTER and (
            between == "'s "
            or bool(self.flags[i] & EPONYM)
            or after in ("disease", "syndrome", "sign", "lymphoma", "score", "criteria", "classification")
        )

    def add(self, i: int, j: int, score: float) -> int:
        lexed = self.lexed
        end = lexed.ends[j]
        if self.initial(j) and lexed.text[end : end + 1] == ".":
            end += 1
        self.out.append(Span(lexed.starts[i], end, "PERSON", score, _SOURCE))
        return j + 1

    def cue(self, i: int) -> str:
        """The word before a candidate if only a thin separator stands between, else ''."""
        if i == 0:
            return ""
        gap = self.lexed.gap(i - 1)
        if len(gap) > 10 or not CONTEXT_GAP.fullmatch(gap.replace("'s", "")):
            return ""
        return self.folded[i - 1]

    def sentence_start(self, i: int) -> bool:
        start = self.lexed.starts[i]
        before = self.lexed.text[max(0, start - 3) : start].rstrip(" \"'(")
        return not before or before[-1] in ".!?\n:;|>-*\t"
