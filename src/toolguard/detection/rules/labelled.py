"""Values that a label announces: forms, ``key=value`` logs, JSON and SQL in prose (``patient: doe, john``).

Codes with digits are found by `identifiers`; here are names, places and what else has no shape of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from toolguard.detection.fields import field_type, is_weak, type_of_words
from toolguard.detection.gazetteer import CLINICAL, FAMILY, GIVEN, REGION, WORD
from toolguard.detection.lexer import Lexed
from toolguard.detection.rules.name_words import STOP, TITLES
from toolguard.detection.spans import Span
from toolguard.detection.values import fits

__all__ = ["initials", "labelled"]

_SOURCE = "label"
_SEPARATOR = re.compile(
    r"[\"'\])*]{0,3}\s{0,4}(?::=|=>|==?|:|\|+|\.{2,20}|(?: \.){2,20}|(?i:i?like)(?=\s?['\"]))\s{0,4}[\"'\[(*]{0,3}"
)
_MARK = re.compile(r"[:=|]|\.\.|\. \.|(?<=[\w\"]) i?like ['\"]", re.IGNORECASE)
_PLAIN_MARK = re.compile(r"[:=|]")
_LABEL_GAP = frozenset((" ", "_", "-", ".", "'s ", "/", "", " / ", ". ", "'"))
_LINE = re.compile(r"[^\n|;\t\"<>{}\[\]]{1,120}")
_NEXT_LABEL = re.compile(r"[,.]?\s{1,4}[A-Za-z][A-Za-z ]{1,24}\s?[:=]")
_NAME_GAP = frozenset((" ", ", ", ". ", "-", ".", ",", "' ", "^", " ^ "))
_SENTENCE = re.compile(r"(?:(?<=[\d)])|(?<=[a-z]{5}))\.\s|\.$|\s{3,}|\s-\s")
_LOGINS = frozenset(["user", "username", "login", "uid", "userid"])
_PLAIN = frozenset(
    {
        "PERSON",
        "FACILITY",
        "LOCATION",
        "ADDRESS",
        "ID",
        "MRN",
        "HEALTH_PLAN_ID",
        "ACCOUNT",
        "LICENSE",
        "VEHICLE",
        "EMAIL",
        "ZIP",
    }
)


_INITIALS = re.compile(r"\b[Ii](?:nitials?|NITIALS?)\s?[:=]?\s?([A-Z](?:[-. ]?[A-Z]){1,3})(?![A-Za-z])")


def initials(lexed: Lexed) -> list[Span]:
    """``initials R-M-V``."""
    if lexed.vocabulary.isdisjoint(("initials", "initial")):
        return []
    return [Span(*m.span(1), "PERSON", 0.8, _SOURCE) for m in _INITIALS.finditer(lexed.text)]


def labelled(lexed: Lexed) -> list[Span]:
    """Identifiers by the label before them, in a text with a separator."""
    text = lexed.text
    out: list[Span] = []
    ends, starts = lexed.ends, lexed.starts
    done = 0
    special = ".." in text or ". ." in text or "like" in lexed.vocabulary or "ilike" in lexed.vocabulary
    for mark in (_MARK if special else _PLAIN_MARK).finditer(text):
        if mark.start() < done:
            continue
        i = bisect_left(ends, mark.start() + 1) - 1
        if i < 0 or i + 1 >= len(starts):
            continue
        gap = _SEPARATOR.match(text, ends[i])
        if not gap or gap.end() <= mark.start():
            continue
        kind, strong = _label(lexed, i)
        if kind not in _PLAIN:
            continue
        span = _value(lexed, i, gap.end(), kind, strong, text[gap.end() - 1])
        if span:
            out.append(span)
            done = span.end
    return out


def _label(lexed: Lexed, i: int) -> tuple[str | None, bool]:
    """The type announced by the words that end in token ``i``, and whether it is one that is clear by itself."""
    first = i
    while first and i - first < 3 and lexed.gap(first - 1) in _LABEL_GAP and lexed.words[first - 1][0].isalpha():
        first -= 1
    for start in range(first, i + 1):
        words = " ".join(lexed.folded[start : i + 1])
        kind = type_of_words(words)
        if kind is None and start == i:
            kind = field_type(lexed.words[i])
        if kind is not None:
            return kind, not is_weak(words)
    return None, False


def _value(lexed: Lexed, i: int, at: int, kind: str, strong: bool, opener: str) -> Span | None:
    text = lexed.text
    if opener in "\"'":
        close = text.find(opener, at, at + 160)
        if close > at:
            inside = text[at:close].strip("%")
            if kind == "PERSON" and not strong and not _looks_named(lexed, at, close):
                return None
            span = fits(kind, inside)
            if span is None or span[1] <= span[0] or "\n" in inside:
                return None
            begin = at + text[at:close].find(inside)
            return Span(begin + span[0], begin + span[1], kind, 0.85, _SOURCE)
    if kind == "PERSON":
        return _person(lexed, i + 1, at, strong)
    line = _LINE.match(text, at)
    if not line:
        return None
    value = line[0]
    cut = _NEXT_LABEL.search(value)
    if cut:
        value = value[: cut.start()]
    if kind in ("FACILITY", "LOCATION"):
        value = re.split(r"[,.](?=\s|$)|\s{2,}|\s[-(@]", value, maxsplit=1)[0]
        if (
            not value[:1].isupper()
            or value.count(" ") > 5
            or (
                not strong
                and value.count(" ") < 1
                and (opener != " " or text[at - 2 : at - 1] != ":" or lexed.flags[i + 1] & WORD)
            )
        ):
            return None
    elif kind == "ADDRESS":
        value = _SENTENCE.split(value, maxsplit=1)[0]
        if not (value[:1].isdigit() and " " in value):
            return None
    else:
        value = re.split(r"[\s,;)]", value, maxsplit=1)[0].rstrip(".")
        if (
            kind == "ID"
            and (opener == "=" or lexed.folded[i] != "user")
            and lexed.folded[i] in _LOGINS
            and 2 < len(value) < 40
            and value[0].isalpha()
        ):
            return Span(at, at + len(value), kind, 0.7, _SOURCE)
        if (kind == "ZIP" and len(value) < 4) or (kind != "ZIP" and not strong and opener != "="):
            return None
    value = value.rstrip(" ,.")
    span = fits(kind, value)
    if span is None or span[1] <= span[0]:
        return None
    return Span(at + span[0], at + span[1], kind, 0.7, _SOURCE)


def _looks_named(lexed: Lexed, start: int, end: int) -> bool:
    """Whether a quoted value after a weak label (``"name": "search"``) is a person's name."""
    inside = range(bisect_left(lexed.starts, start), bisect_left(lexed.starts, end))
    if not inside or any(lexed.flags[i] & CLINICAL or lexed.folded[i] in STOP for i in inside):
        return False
    known = [i for i in inside if lexed.flags[i] & (GIVEN | FAMILY) and not lexed.flags[i] & WORD]
    return bool(known) and (lexed.caps[inside[0]] or len(known) > 1)


def _person(lexed: Lexed, j: int, at: int, strong: bool) -> Span | None:
    """The words after a label that make a name, as far as they can."""
    if j >= len(lexed.words) or lexed.starts[j] != at:
        return None
    count = len(lexed.words)
    first = j
    while j < count and lexed.folded[j] in TITLES and lexed.gap(j) in (" ", ". ", "."):
        j += 1
    last = -1
    commas = 0
    good = 0
    for k in range(j, min(j + 6, count)):
        word, flags = lexed.folded[k], lexed.flags[k]
        if not word[0].isalpha() or _is_label(lexed, k):
            break
        initial = len(word) == 1 and lexed.caps[k]
        named = bool(flags & (GIVEN | FAMILY)) or not flags & (WORD | REGION)
        if word in STOP or (flags & CLINICAL and not flags & GIVEN):
            break
        if (
            not initial
            and not (lexed.caps[k] if (strong and last < 0) or named else False)
            and not (named and not flags & WORD and len(word) > 2)
        ):
            break
        if not initial and named:
            good += 1
        elif not initial and not lexed.caps[k]:
            break
        last = k
        gap = lexed.gap(k)
        if gap not in _NAME_GAP:
            break
        if gap in (". ", ".") and not initial:
            break
        if "," in gap:
            commas += 1
            if commas > 1 or k > j + 2:
                break
    if last < 0 or not good:
        return None
    if lexed.folded[j - 1] == "subject" and not any(lexed.flags[k] & (GIVEN | FAMILY) for k in range(j, last + 1)):
        return None  # of a message
    if last == j and lexed.flags[j] & WORD and not strong:
        return None
    end = lexed.ends[last]
    if len(lexed.words[last]) == 1 and lexed.text[end : end + 1] == ".":
        end += 1
    return Span(lexed.starts[first], end, "PERSON", 0.8, _SOURCE)


def _is_label(lexed: Lexed, k: int) -> bool:
    gap = lexed.gap(k).lstrip("\"' ")
    return gap[:1] in (":", "=")
