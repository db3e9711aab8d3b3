"""People by rule: titles, labels and roles, initials, given names of many countries, "Last, First", credentials.

A capital letter alone is no evidence: it begins sentences, headings, drugs and brands. What counts is a title, a
cue, or the gazetteer; an English word (Grace, Will, Rose) needs a neighbour that is a name as well.
"""

from __future__ import annotations

from toolguard.detection.gazetteer import CITY, CITY_HEAD, CLINICAL, EPONYM, FAMILY, GIVEN, REGION, WORD
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.name_cues import CuedNames
from toolguard.detection.rules.name_words import (
    CUES,
    INITIAL_GAP,
    LEADS,
    NEVER_ALONE,
    NOT_AFTER,
    ROLES,
    STOP,
    TITLES,
    TRIGGERS,
    VERBS,
)
from toolguard.detection.rules.support import ANATOMY, is_pair
from toolguard.detection.rules.vocabulary import is_maker
from toolguard.detection.spans import Span

__all__ = ["people"]


class _Names(CuedNames):
    """One pass over one text."""

    def plain(self, i: int) -> int | None:
        """A name without title or cue."""
        strength = self.strength(i)
        if strength == 0 or self.eponym(i):
            return None
        if is_maker(self.folded[i]) and not self.flags[i] & GIVEN:
            return None
        if is_pair(self.lexed, i):
            return i + 2  # "Mallory-Weiss", "Bence Jones"
        if (
            self.lexed.gap(i) == "-"
            and i + 2 < self.count
            and self.folded[i + 2] in NOT_AFTER
            and self.lexed.gap(i + 1) == " "
        ):
            return i + 3  # "Frank-Starling law"
        if self.lexed.gap(i) == "-" and self.flags[i] & EPONYM and i + 1 < self.count and self.flags[i + 1] & EPONYM:
            return i + 2  # "Kaplan-Meier", "Rokitansky-Aschoff"
        last = self.extend(i)
        flags = self.flags[i]
        if last > i and self.eponym(last):
            return last + 1
        if self.stopped == last + 1:
            return self.stopped + 1
        if last == i:
            if strength == 1 and flags & GIVEN and self.by_grammar(i):
                return self.add(i, i, 0.5)
            if strength == 3 and not self.caps[i]:
                return self.dotted(i)
            if strength < 3 or not self.caps[i] or len(self.folded[i]) < 3:
                return None
            if flags & (CITY | REGION | CITY_HEAD | EPONYM) or self.lexed.shouting(i) or self.words[i].isupper():
                return None
            return self.add(i, i, 0.45)
        cased = self.caps[i]
        second = (self.strength(i + 1) or self.surname_by_place(i, i + 1)) if not self.initial(i + 1) else 2
        dotted = (
            self.initial(last)
            and last == i + 1
            and self.lexed.text[self.lexed.ends[last] : self.lexed.ends[last] + 1] == "."
        )
        if self.initial(i + 1) and last == i + 1:
            if (
                strength == 3
                or (strength == 2 and dotted and not self.sentence_start(i))
                or (strength == 1 and dotted and flags & GIVEN and not self.sentence_start(i))
            ):
                return self.add(i, last, 0.8)
            return None
        if strength == 3 and (second >= 1 or last > i + 1):
            if not cased and second < 2:
                return None
            if second == 1 and self.sentence_start(i) and flags & (CITY | REGION):
                return None
            return self.add(i, last, 0.85)
        if strength == 2 and cased and self.caps[last]:
            known = any(self.flags[k] & (GIVEN | FAMILY) for k in range(i, last + 1) if len(self.folded[k]) > 2)
            if second >= 2 and not self.lexed.shouting(i):
                return self.add(i, last, 0.6 if known else 0.5)
            if known and self.lexed.shouting(i) and any(self.flags[k] & GIVEN for k in range(i, last + 1)):
                return self.add(i, last, 0.6)
            return None
        if strength == 1 and flags & GIVEN and cased and second >= 2 and not self.lexed.shouting(i):
            return self.add(i, last, 0.65)
        return None

    def by_grammar(self, i: int) -> bool:
        """``Grace reports``, ``Will was seen``, ``Mark's cough``: a word that stands where only a name can."""
        if not self.caps[i] or self.lexed.shouting(i) or self.words[i].isupper() or i + 1 >= self.count:
            return False
        after, gap = self.folded[i + 1], self.lexed.gap(i)
        start = self.sentence_start(i)
        if gap == "'s " and not start:
            return after not in NOT_AFTER
        if gap == " " and after in VERBS and not self.caps[i + 1]:
            if self.folded[i] == "will":
                return after in ("was", "is", "has", "had", "reports", "reported", "denies", "states", "says", "said")
            return self.folded[i] not in ("may", "hope", "an", "in", "so", "my", "see", "long", "many") and not (
                start and after in ("is", "was", "will", "may", "can", "has", "had", "in", "an", "my")
            )
        if gap == ", " and after in ("her", "his", "their", "my", "who"):
            return True
        if start or self.caps[i + 1] or gap not in (" ", ", ", ". ", "? ", ".") or self.folded[i] in NEVER_ALONE:
            return False
        return i > 0 and not self.caps[i - 1] and self.lexed.gap(i - 1) == " " and self.words[i - 1][0].isalpha()

    def dotted(self, i: int) -> int | None:
        """``kevin.marsh``: a user name made of a given and a family name."""
        nxt = i + 1
        if (
            nxt >= self.count
            or self.lexed.gap(i) not in (".", "_")
            or self.caps[i]
            or not self.flags[nxt] & FAMILY
            or len(self.folded[nxt]) < 4
        ):
            return None
        start, end = self.lexed.starts[i], self.lexed.ends[nxt]
        if self.lexed.text[start - 1 : start] in (".", "/", "@", "_") or self.lexed.text[end : end + 1] in (
            "(",
            ".",
            "@",
            "_",
            "=",
        ):
            return None
        return self.add(i, nxt, 0.5)

    def run(self) -> list[Span]:
        i = 0
        caps, folded, lower, flags = self.caps, self.folded, self.lower_style, self.flags
        if "_" in self.lexed.text or "/" in self.lexed.text:
            for at, flag in enumerate(flags):
                if flag & (GIVEN | FAMILY) and not flag & WORD:
                    self.paired(at)
        while i < self.count:
            word = folded[i]
            if word not in TRIGGERS:
                if not caps[i] and not lower and not flags[i] & GIVEN:
                    i += 1
                    continue
            elif word in TITLES:
                done = self.titled(i)
                if done:
                    i = done
                    continue
            if word in LEADS:
                done = self.role(i)
                if done:
                    i = done
                    continue
            if self.initial(i) and i + 1 < self.count and self.lexed.gap(i) in (". ", ".", ".-"):
                j = i + 1
                while self.initial(j) and j + 1 < self.count and self.lexed.gap(j) in INITIAL_GAP and j - i < 3:
                    j += 1
                lexed_before = self.lexed.text[max(0, self.lexed.starts[i] - 4) : self.lexed.starts[i]]
                alone = (
                    i == 0
                    or self.lexed.gap(i - 1) not in (" ", "-")
                    or self.folded[i - 1] in CUES
                    or self.folded[i - 1] in ROLES
                )
                alone = alone and (
                    i == 0
                    or (
                        lexed_before[-1:] in " \n\t([\"'"
                        and not lexed_before.rstrip(" ")[-1:].isdigit()
                        and "°" not in lexed_before
                    )
                )
                worded = (
                    alone
                    and self.folded[j] not in ANATOMY
                    and self.caps[j]
                    and self.flags[j] & WORD
                    and self.folded[j] not in STOP
                    and (self.flags[j] & FAMILY or (self.lexed.gap(j - 1) == ". " and len(self.folded[j]) > 5))
                )
                if (
                    (self.strength(j) >= 2 or worded)
                    and self.folded[j] not in ANATOMY
                    and not self.initial(j)
                    and self.caps[j]
                ):
                    i = self.add(i, self.extend(j, limit=3), 0.75)
                    continue
            if (
                not self.caps[i]
                and not self.lower_style
                and self.flags[i] & GIVEN
                and not self.flags[i] & (WORD | CLINICAL)
            ):
                done = self.dotted(i)
                if done:
                    i = done
                    continue
            if self.caps[i] or self.lower_style:
                done = (self.reversed_name(i) if self.strength(i) else None) or self.plain(i) or self.credentials(i)
                if done:
                    i = done
                    continue
            i += 1
        return self.out


def people(lexed: Lexed) -> list[Span]:
    """Names of people in ``lexed``."""
    return _Names(lexed).run()
