"""Features of each token, as the lists of strings CRFsuite reads.

Everything that depends on one token alone is computed once per distinct token and kept (`_Entry`), so the work
per token of running text is a few dictionary look-ups and list joins. Names listed in the gazetteer get no
feature of their own spelling: the model learns from their flags and their neighbours, not from a list.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from toolguard.detection.tagger.tokens import NEWLINE

__all__ = ["Features"]

_LIMIT: Final = 60_000  # distinct tokens kept before the cache starts anew
_HEADS: Final = ("-0=", "0+=", "-+=")  # pairs of kinds: before and here, here and after, before and after
_RUN: Final = re.compile(r"(.)\1{4,}")
_MONTHS: Final = frozenset(
    "january february march april may june july august september october november december jan feb mar apr jun jul "
    "aug sep sept oct nov dec enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre".split()
)
_DAYS: Final = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed weds thu thur thurs fri sat sun lunes "
    "martes miércoles miercoles jueves viernes sábado sabado domingo".split()
)
_ORDINALS: Final = frozenset(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth".split()
)
_NUMBERS: Final = frozenset(
    "oh zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand double "
    "triple".split()
)


class _Pairs(dict[str, bytes]):
    """Second kind to the feature made of a first and a second kind."""


class _AnyPairs(_Pairs):
    """Every pair has its feature: for training, when it is not known yet which are worth keeping."""

    def __init__(self, first: str) -> None:
        super().__init__()
        self._first = first

    def get(self, second: str, default: bytes | None = None) -> bytes | None:  # type: ignore[override]  # the only use
        return f"{self._first} {second}".encode("utf-8", "replace")


_NO_PAIRS: Final = _Pairs()


class _Entry(NamedTuple):
    own: list[bytes]
    before: list[bytes]  # as the token directly before
    after: list[bytes]  # as the token directly after
    before2: list[bytes]
    after2: list[bytes]
    word_before: list[bytes]  # as the nearest word before, punctuation skipped
    word_after: list[bytes]
    line_key: list[bytes]  # as the first word of the line
    kind: str  # coarse class, for the pairs
    role: int  # 0 punctuation, 1 word, 2 number, 3 line break
    case: int  # 0 no letters, 1 lower, 2 capitalised, 3 upper
    lower: str
    with_next: _Pairs = _NO_PAIRS  # as seen from the token after this
    to_next: _Pairs = _NO_PAIRS  # as seen from this token
    over: _Pairs = _NO_PAIRS  # as seen from between this token and the one after the next


class Features:
    """Turns token lists into feature lists. Not thread-safe; `CrfTagger` guards it with its lock."""

    def __init__(
        self,
        flags: Mapping[str, str],
        *,
        known: AbstractSet[bytes] | None = None,
        hide: Callable[[str], bool] | None = None,
    ) -> None:
        """``flags``: lower-case word to gazetteer flags. ``known``: the features the model has; the others would say
        nothing to it and are left out. ``hide`` (training only) makes listed names unknown."""
        self._flags = flags
        self._known = known
        self._hide = hide
        self._pairs: dict[str, _Pairs] = {}
        for feature in known or ():
            if feature[:3].decode("latin-1") in _HEADS:
                first, second = feature.decode().split(" ", 1)
                self._pairs.setdefault(first, _Pairs())[second] = feature
        self._cache: dict[tuple[str, str], _Entry] = {}
        self._edge = self._finish(_EDGE)

    def __call__(self, tokens: Sequence[str]) -> list[list[bytes]]:
        """One list of features per token, in order, as UTF-8: that spares CRFsuite's binding the encoding."""
        if len(self._cache) > _LIMIT:
            self._cache.clear()
        rows: list[list[bytes]] = []
        start, total = 0, len(tokens)
        document = ""
        entries: list[_Entry] = []
        bounds: list[tuple[int, int]] = []
        while start < total:
            try:
                end = tokens.index(NEWLINE, start) + 1
            except ValueError:
                end = total
            line = tokens[start:end]
            mode = _mode(line)
            if not mode:
                document = mode = document or _mode(tokens) or "m"
            entries += self._entries(line, mode)
            bounds.append((start, end))
            start = end
        for start, end in bounds:
            self._line_rows(rows, entries, start, end)
        return rows

    def _entries(self, line: Sequence[str], mode: str) -> list[_Entry]:
        cache = self._cache
        found: list[_Entry] = []
        for token in line:
            entry = cache.get((token, mode))
            if entry is None:
                entry = cache[token, mode] = self._finish(self._entry(token, mode))
            found.append(entry)
        return found

    def _finish(self, entry: _Entry) -> _Entry:
        """The entry with only the features the model has, and its pairs."""
        known = self._known

        def kept(features: list[bytes]) -> list[bytes]:
            return features if known is None else [feature for feature in features if feature in known]

        with_next, to_next, over = (self._paired(head + entry.kind) for head in _HEADS)
        return entry._replace(
            own=kept(entry.own),
            before=kept(entry.before),
            after=kept(entry.after),
            before2=kept(entry.before2),
            after2=kept(entry.after2),
            word_before=kept(entry.word_before),
            word_after=kept(entry.word_after),
            line_key=kept(entry.line_key),
            with_next=with_next,
            to_next=to_next,
            over=over,
        )

    def _line_rows(self, rows: list[list[bytes]], entries: list[_Entry], start: int, end: int) -> None:
        """Adds the feature rows of the tokens ``start:end``, which are one line; neighbours reach over its ends."""
        edge = self._edge
        line = entries[start:end]
        next_words: list[_Entry] = []
        word = edge
        for entry in reversed(line):
            next_words.append(word)
            if entry.role in (1, 2):
                word = entry
        next_words.reverse()
        before = entries[start - 1] if start else edge
        before2 = entries[start - 2] if start > 1 else edge
        ahead = [*entries[start + 1 : end + 2], edge, edge]
        word, word2 = edge, edge
        key: list[bytes] = []
        keyed = False
        column = 0
        fielded = len(line) > 6 and line[1].lower == "|" and line[0].case == 3  # an HL7 v2 segment
        first = True
        for entry, after, after2, follows in zip(line, ahead, ahead[1:], next_words, strict=False):
            kind, after_kind = entry.kind, after.kind
            row = [*entry.own, *before.before, *after.after, *before2.before2, *after2.after2]
            if pair := before.with_next.get(kind):
                row.append(pair)
            if pair := entry.to_next.get(after_kind):
                row.append(pair)
            if pair := before.over.get(after_kind):
                row.append(pair)
            row += word2.word_before if word is before else word.word_before
            if follows is not after:
                row += follows.word_after
            if fielded:
                row.append(f"f={line[0].lower}{column}".encode("utf-8", "replace"))
                if entry.lower == "|":
                    column += 1
            else:
                row += key
            if first:
                row.append(b"bol")
                first = False
            if not keyed and entry.role == 1:
                key, keyed = entry.line_key, True
            rows.append(row)
            if entry.role in (1, 2):
                word, word2 = entry, word
            before2, before = before, entry

    def _paired(self, first: str) -> _Pairs:
        if self._known is not None:
            return self._pairs.get(first, _NO_PAIRS)
        return _AnyPairs(first)

    def _entry(self, token: str, mode: str) -> _Entry:
        lower = token.lower()
        if token == NEWLINE:
            return _make("\\n", ["w=\\n"], "\\n", "\\n", 3, 0, lower)
        if not token[0].isalnum():
            return _make(token, ["w=" + token], token, token, 0, 0, lower)
        if "@" in token:
            return _make("@@", ["w=@@"], "@@", "@@", 1, 0, lower)
        if "://" in token:
            return _make("://", ["w=://"], "://", "://", 1, 0, lower)
        if token[0].isdecimal():
            return _number(token, lower)
        return self._word(token, lower, mode)

    def _word(self, token: str, lower: str, mode: str) -> _Entry:
        flags = self._flags.get(lower, "")
        if (not flags and "'" in lower) or "’" in lower:
            flags = self._flags.get(lower.replace("’", "'"), "")
        if flags and self._hide is not None and self._hide(lower):
            flags = "".join(flag for flag in flags if flag not in "FLC")
        classes = "".join(filter(str.islower, flags))
        flags = "".join(filter(str.isupper, flags))
        known = "W" in flags or "M" in flags or "E" in flags or bool(classes)
        shape = _shape(token)
        extra = (
            "T"
            if lower in _MONTHS
            else "D"
            if lower in _DAYS
            else "N"
            if lower in _NUMBERS
            else "O"
            if lower in _ORDINALS
            else ""
        )
        flags += extra
        spelled = known or bool(extra) or not flags or len(token) == 1
        kind = ("" if mode == "m" else mode) + shape + ":" + flags
        own = ["k=" + kind, "s=" + shape + mode]
        if spelled:
            own.append("w=" + lower)
        if not known:
            own += ["p2=" + lower[:2], "p3=" + lower[:3], "z2=" + lower[-2:], "z3=" + lower[-3:], "z4=" + lower[-4:]]
            if len(lower) < 4:
                own.append("len=" + str(len(lower)))
        case = 3 if token.isupper() and len(token) > 1 else 2 if token[0].isupper() else 1
        return _make(lower if spelled else "#" + flags, own, kind, kind, 1, case, lower, classes)


def _mode(line: Sequence[str]) -> str:
    """``l`` all lower case, ``u`` all upper case, ``m`` mixed; empty if there are too few words to tell."""
    letters = [token for token in line if token.isalpha() and len(token) > 1]
    if len(letters) < 3:
        return ""
    lower = sum(map(str.islower, letters))
    if lower == len(letters) or (lower > 20 and lower >= 0.97 * len(letters)):
        return "l"
    return "u" if sum(map(str.isupper, letters)) >= 0.85 * len(letters) else "m"


def _make(
    name: str, own: list[str], kind: str, context: str, role: int, case: int, lower: str, classes: str = ""
) -> _Entry:
    def seen(place: str, *more: str) -> list[bytes]:
        return [
            feature.encode("utf-8", "replace")
            for feature in (f"{place}={name}", *more, *(f"{place}c={c}" for c in classes))
        ]

    return _Entry(
        own=[feature.encode("utf-8", "replace") for feature in (*own, *("c=" + c for c in classes))],
        before=seen("-1", "-1k=" + context),
        after=seen("+1", "+1k=" + context),
        before2=seen("-2"),
        after2=seen("+2"),
        word_before=seen("-w"),
        word_after=seen("+w"),
        line_key=seen("key"),
        kind=kind,
        role=role,
        case=case,
        lower=lower,
    )


def _shape(token: str) -> str:
    if token.isalpha():
        if len(token) == 1:
            return "I" if token.isupper() else "i"
        if token.islower():
            return "x"
        if token.isupper():
            return "X"
        return "Xx" if token[1:].islower() else "M"
    if "'" in token or "’" in token:
        return "X'" if token[0].isupper() else "x'"
    return "A9" if token.isupper() else "a9"


def _number(token: str, lower: str) -> _Entry:
    shape = "".join("9" if char.isdecimal() else "a" if char.isalpha() else char for char in token)
    shape = _RUN.sub(lambda run: run[1] * 4 + str(len(run[0])), shape) if len(shape) > 4 else shape
    kind = "9" * min(len(token), 9) if token.isdecimal() else shape
    own = ["s=" + shape]
    name = shape
    if token.isdecimal():
        value = int(token[:12])
        size = len(token)
        if size <= 2:
            kind = "day" if 1 <= value <= 31 else "2d" if value < 90 else "90+"
            if 1 <= value <= 12:
                own.append("n=month")
        elif size == 3:
            kind = "90+" if value < 125 else "3d"
        elif size == 4:
            kind = "year" if 1900 <= value <= 2035 else "4d"
        elif size in (8, 12, 14) and 1900 <= int(token[:4]) <= 2035 and 1 <= int(token[4:6]) <= 12:
            kind = "ymd" if 1 <= int(token[6:8]) <= 31 else kind
        own.append("n=" + kind)
        if size > 9:
            own.append("long")
    elif token[-1].isalpha():
        tail = lower.lstrip("0123456789.,:/-")
        own.append("tail=" + tail)
        name = "9" + tail
        if tail in ("yo", "y", "yr", "yrs", "f", "m") and token[:2].isdecimal():
            own.append("age90" if int(re.match(r"\d{1,4}", token)[0]) >= 90 else "age")  # type: ignore[index]  # starts with two digits
    else:
        parts = re.split(r"[./:,-]", token)
        if len(parts) <= 3 and all(part.isdecimal() for part in parts):
            own.append("parts=" + "".join(_size(part) for part in parts))
    own.append("k=" + kind)
    return _make(name, own, kind, kind, 2, 0, lower)


def _size(part: str) -> str:
    value = int(part[:6])
    if len(part) > 2:
        return "y" if len(part) == 4 and 1900 <= value <= 2035 else "+"
    return "m" if 1 <= value <= 12 else "d" if 13 <= value <= 31 else "t"


_EDGE: Final = _make("\\n", [], "\\n", "\\n", 3, 0, "")
