"""Names that their company gives away: a title, a role or another cue before, a degree after, a comma between."""

from __future__ import annotations

from toolguard.detection.gazetteer import CITY, CITY_HEAD, CLINICAL, EPONYM, FAMILY, GIVEN, REGION, WORD
from toolguard.detection.rules.name_reader import NameReader
from toolguard.detection.rules.name_words import (
    ASKED,
    CONTEXT_GAP,
    CREDENTIALS,
    CUES,
    RELEASE,
    ROLES,
    SPANNED,
    STOP,
    STRONG_CUES,
    TITLES,
)
from toolguard.detection.rules.vocabulary import is_term

__all__ = ["CuedNames"]


class CuedNames(NameReader):
    """Names by title, role, degree, and `Last, First`."""

    def titled(self, i: int) -> int | None:
        """``Dr. Anna Smith``: the title goes along with the name where it is written as an abbreviation."""
        gap = self.lexed.gap(i)
        if gap not in (" ", ". ", ".", ".  ") or i + 1 >= self.count:
            return None
        if self.folded[i] == "ms" and i and self.words[i - 1].isdigit():
            return None  # milliseconds
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
            "don",
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
        if self.folded[j] in ("will", "may", "can") and j + 1 < self.count and self.folded[j + 1] in ASKED:
            return None  # "Caller: Will somebody call?"
        if RELEASE.match(self.lexed.text, self.lexed.ends[j]) and not self.flags[j] & (GIVEN | FAMILY):
            return None  # "by RECIST 1.1"
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
                and not is_term(self.words[j], self.folded[j])
                and self.lexed.gap(i) in (" ", ": ")
            )
        ):
            return None
        last = self.extend(j)
        if (last > j and self.eponym(last)) or self.stopped == last + 1:
            return None
        if (
            last > j
            and not strong
            and all(self.flags[k] & WORD and not self.flags[k] & GIVEN for k in range(j, last + 1))
        ):
            return None  # "Retired Teacher, Never Smoker": plain words
        if last == j:
            if strength == 1 and not strong and self.lexed.gap(i) == " " and not self.kin(i, j):
                return None
            if self.lexed.shouting(j) and self.folded[i] not in ROLES and not strong and strength < 3:
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

    def paired(self, i: int) -> int | None:
        """``okafor_tunde``, ``Tunde-Okafor``, ``smith_john``: two names in a file's or a user's name."""
        nxt = i + 1
        if (
            nxt >= self.count
            or self.lexed.gap(i) not in ("_", "-", ".")
            or min(len(self.folded[i]), len(self.folded[nxt])) < 3
        ):
            return None
        first, second = self.flags[i], self.flags[nxt]
        if (first | second) & (WORD | CLINICAL) or not (
            (first & GIVEN and second & FAMILY) or (first & FAMILY and second & GIVEN)
        ):
            return None
        start, end, text = self.lexed.starts[i], self.lexed.ends[nxt], self.lexed.text
        # in a path, or with more of a file's name behind it: ``kevin.marsh(`` is code
        placed = text[start - 1 : start] in ("/", "\\", "_") or text[end : end + 1] in ("_", ".", "-")
        return self.add(i, nxt, 0.6) if placed and text[end : end + 1] not in ("(", "@", "=") else None

    def kin(self, i: int, j: int) -> bool:
        """``her grandson Will on``, ``sister May``: a name that is a word, with its capital, after who it is."""
        return (
            not self.lower_style
            and self.folded[i] in ROLES
            and self.caps[j]
            and not self.lexed.shouting(j)
            and not self.words[j].isupper()
            and bool(self.flags[j] & GIVEN)
            and not (j + 1 < self.count and self.caps[j + 1] and self.lexed.gap(j) == " ")
        )

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
        if not self.caps[k] or (self.flags[i] & EPONYM and self.flags[k] & EPONYM):
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
