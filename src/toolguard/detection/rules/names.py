"""People by rule: titles, labels and roles, initials, given names of many countries, "Last, First", credentials.

A capital letter alone is no evidence: it begins sentences, headings, drugs and brands. What counts is a title, a
cue, or the gazetteer; an English word (Grace, Will, Rose) needs a neighbour that is a name as well.
"""

from __future__ import annotations

from toolguard.detection.gazetteer import CITY, CITY_HEAD, CLINICAL, EPONYM, FAMILY, GIVEN, REGION, WORD
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.name_words import (
    CONTEXT_GAP,
    CREDENTIALS,
    CUES,
    INITIAL_GAP,
    LEADS,
    NEVER_ALONE,
    NOT_AFTER,
    PARTICLES,
    ROLES,
    SPANNED,
    STOP,
    STRONG_CUES,
    TITLES,
    TRIGGERS,
    VERBS,
)
from toolguard.detection.spans import Span

__all__ = ["people"]

_SOURCE = "name"


class _Names:
    """One pass over one text."""

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
        if len(word) < 2 or not word[0].isalpha() or word in STOP or word in TITLES or flags & CLINICAL:
            return 0
        shouting = self.lexed.shouting(i)
        if len(word) < 4 and not shouting and self.words[i].isupper() and not self.beside_capitals(i):
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

    def titled(self, i: int) -> int | None:
        """``Dr. Anna Smith``: the title goes along with the name where it is written as an abbreviation."""
        gap = self.lexed.gap(i)
        if gap not in (" ", ". ", ".", ".  ") or i + 1 >= self.count:
            return None
        title = self.folded[i]
        j = i + 1
        if self.folded[j] in TITLES and self.lexed.gap(j) in (" ", ". "):
            j += 1
        if j >= self.count:
            return None
        if title in (
            "sr",
            "fr",
            "lt",
            "col",
            "maj",
            "father",
            "miss",
            "sir",
            "lady",
            "lord",
            "dame",
            "doctor",
            "judge",
            "hon",
            "pastor",
            "madam",
            "professor",
            "capt",
            "sgt",
        ) and not ((self.caps[i] and self.strength(j) >= 1) or (self.lower_style and self.strength(j) == 3)):
            return None
        if not self.caps[j]:
            known = self.flags[j] & (GIVEN | FAMILY) and not self.flags[j] & (WORD | CLINICAL)
            unknown = not self.flags[j] and len(self.folded[j]) > 3
            rare = (
                self.flags[j] & FAMILY
                and title in SPANNED
                and self.lower_style
                and self.folded[j] not in ("office", "appointment", "visit", "said", "note")
            )
            if not (known or (unknown and self.lower_style) or rare) or (title == "dr" and self.folded[j] in STOP):
                return None
        elif not self.initial(j):
            if self.folded[j] in STOP or (self.flags[j] & CLINICAL and not self.flags[j] & FAMILY):
                return None
            if self.lexed.shouting(j) and self.flags[j] & WORD and not self.flags[j] & (FAMILY | GIVEN):
                return None
        last = self.extend(j)
        return self.add(i if title in SPANNED else j, last, 0.9)

    def role(self, i: int) -> int | None:
        """``patient John Smith``, ``named Anna``, ``seen by R. Patel``: a cue and what follows it."""
        j = i + 1
        if j >= self.count or not (self.caps[j] or self.lower_style) or not CONTEXT_GAP.fullmatch(self.lexed.gap(i)):
            return None
        strong = self.folded[i] in STRONG_CUES
        if self.folded[i] in ("patient", "pt", "client", "mother", "father", "nurse", "his", "her") and self.folded[
            j
        ] in ("name", "named", "is", "called"):
            return None
        if (
            self.initial(j)
            and self.lexed.gap(j) in (". ", " ", ".")
            and j + 1 < self.count
            and self.strength(j + 1) >= 1
        ):
            return self.add(j, self.extend(j), 0.8)
        strength = self.strength(j)
        if strength and self.caps[j]:
            done = self.reversed_name(j, labelled=True)
            if done:
                return done
        if self.eponym(j) or (
            strength == 0
            and not (
                strong
                and self.caps[j]
                and not self.flags[j] & CLINICAL
                and self.folded[j] not in STOP
                and self.folded[j] not in TITLES
                and self.lexed.gap(i) in (" ", ": ")
            )
        ):
            return None
        last = self.extend(j)
        if (last > j and self.eponym(last)) or self.stopped == last + 1:
            return None
        if last == j:
            if (
                strength == 1
                and not strong
                and self.lexed.gap(i) == " "
                and (self.lower_style or self.folded[i] not in ("patient", "nurse", "pt", "dear", "hi", "hello"))
            ):
                return None
            if not self.caps[j] and not (strength == 3 or (strong and strength == 2)):
                return None
            if (
                self.flags[j] & (CITY | REGION | CITY_HEAD)
                and not strong
                and self.folded[i] in ("from", "in", "at", "near")
            ):
                return None
            if (
                strength == 2
                and self.folded[i] in CUES
                and self.folded[i] not in ROLES
                and not strong
                and self.folded[i]
                not in ("by", "contact", "ask", "call", "told", "spoke", "notified", "paged", "met", "known")
            ):
                return None
        return self.add(j, last, 0.8)

    def reversed_name(self, i: int, labelled: bool = False) -> int | None:
        """``Rosefield, Katya`` and ``DOE, JOHN A``."""
        j = i
        while (
            j + 1 < self.count
            and self.lexed.gap(j) in (" ", "-")
            and j - i < 2
            and self.strength(j + 1) >= 2
            and not self.initial(j + 1)
        ):
            j += 1
        if self.lexed.gap(j) not in (", ", ",") or j + 1 >= self.count:
            return None
        k = j + 1
        if not self.caps[k]:
            return None
        given = self.strength(k)
        family = self.strength(i)
        if given == 0 and not self.initial(k):
            return None
        if family == 1 and (given < 3 or (self.sentence_start(i) and not self.lexed.shouting(i))):
            return None
        if family == 1 and (
            (i and self.caps[i - 1] and self.lexed.gap(i - 1) == " ")
            or (k + 1 < self.count and self.lexed.gap(k) == " " and self.strength(k + 1))
        ):
            return None
        if given == 1 and not (self.flags[k] & GIVEN and family >= 2 and (labelled or not self.sentence_start(i))):
            return None
        if given == 2 and self.flags[k] & (CITY | REGION):
            return None
        if self.initial(k) and not (
            self.flags[i] & FAMILY and self.lexed.text[self.lexed.ends[k] : self.lexed.ends[k] + 1] == "."
        ):
            return None
        if given == 2 and not (self.flags[i] & FAMILY and self.flags[k] & (FAMILY | GIVEN)):
            apart = labelled or self.sentence_start(i)
            closed = (
                self.lexed.gap(k)[:1] in ("", ";", ")", "\n", "|", "[", ".")
                or self.lexed.gap(k)[:2] in (" (", " [", " -", " |", " .")
                or self.folded[k + 1] in ("was", "is", "has")
            )
            if not (apart and closed and family == 2 and not self.flags[k] & (CITY | REGION | CLINICAL)):
                return None
        if self.flags[i] & (CITY | REGION) and not self.flags[i] & (FAMILY | GIVEN):
            return None
        last = self.extend(k, limit=3, least=2)
        return self.add(i, last, 0.7)

    def plain(self, i: int) -> int | None:
        """A name without title or cue."""
        strength = self.strength(i)
        if strength == 0 or self.eponym(i):
            return None
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
                    and self.caps[j]
                    and self.flags[j] & WORD
                    and self.folded[j] not in STOP
                    and (self.flags[j] & FAMILY or (self.lexed.gap(j - 1) == ". " and len(self.folded[j]) > 5))
                )
                if (self.strength(j) >= 2 or worded) and not self.initial(j) and self.caps[j]:
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

    def credentials(self, i: int) -> int | None:
        """``Tamsin Oakhart, MD``: two or three capitalised words before a degree."""
        if not self.caps[i] or self.folded[i] in STOP or self.flags[i] & CLINICAL or self.initial(i):
            return None
        j = i
        while (
            j + 1 < self.count
            and j - i < 3
            and self.lexed.gap(j) in (" ", "-", ". ")
            and self.caps[j + 1]
            and self.folded[j + 1] not in STOP
            and not self.flags[j + 1] & CLINICAL
        ):
            if self.folded[j + 1] in CREDENTIALS:
                break
            j += 1
        nxt = j + 1
        if (
            nxt >= self.count
            or self.lexed.gap(j) not in (", ", ",", " ")
            or self.folded[nxt] not in CREDENTIALS
            or not self.words[nxt][:1].isupper()
        ):
            return None
        if self.folded[nxt] in ("jr", "sr", "ii", "iii", "iv", "pt", "ot", "do", "pa", "od", "rd") and (
            self.lexed.gap(j) == " " or not self.words[nxt].isupper()
        ):
            return None
        if (j == i and not self.strength(i) >= 1) or (self.lexed.gap(j) == " " and self.strength(j) < 2):
            return None
        return self.add(i, j, 0.75)


def people(lexed: Lexed) -> list[Span]:
    """Names of people in ``lexed``."""
    return _Names(lexed).run()
