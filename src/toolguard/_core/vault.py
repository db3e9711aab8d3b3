"""Tokens: the placeholders that stand for identifiers, and where they may turn back into values.

A token is ``<TYPE_N>`` for a value that came from a protected source, ``<TYPE_MN>`` for one the model
wrote itself: two namespaces, so that a guess the model writes down never meets a protected token.
A letter suffix (``<PERSON_1b>``) is another spelling of the same identifier, so that unmasking gives
back exactly what was masked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from toolguard._core import surrogate
from toolguard._core.call import Json
from toolguard._core.frozen import made_fast

__all__ = [
    "LITERAL",
    "RESERVED",
    "SLOTS",
    "Namespace",
    "Need",
    "Token",
    "TokenSpan",
    "canonical_form",
    "has_token",
    "may_hold_token",
    "release",
    "token_spans",
    "tokens_in",
    "unmask_text",
]

LITERAL = "LITERAL"
"""Type of token-shaped text that was not ours: escaped at ingress, so that it resolves only to itself."""
SLOTS = frozenset(form.value for form in surrogate.Form)
"""Types under which surrogates are numbered. The value of such a token is the token the surrogate stands for."""
RESERVED = SLOTS | {LITERAL}
"""Types no detector may give."""


class Namespace(StrEnum):
    """Where a value came from: a protected source, or the model itself."""

    PROTECTED = ""
    MODEL = "M"


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One placeholder. ``variant`` 0 is the first spelling seen, 1 is ``b``, 2 is ``c``, …"""

    type: str
    index: int
    namespace: Namespace = Namespace.PROTECTED
    variant: int = 0

    def __str__(self) -> str:
        return f"<{self.type}_{self.namespace.value}{self.index}{_letters(self.variant)}>"


def _letters(variant: int) -> str:
    text = ""
    while variant > 0:
        variant, digit = divmod(variant, 26)
        text = chr(97 + digit) + text
    return text


def _variant(letters: str) -> int:
    number = 0
    for letter in letters.lower():
        number = number * 26 + ord(letter) - 97
    return number


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """An identifier that needs a token: its type, exact text and namespace."""

    type: str
    text: str = field(repr=False)
    namespace: Namespace = Namespace.PROTECTED


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSpan:
    """A token-shaped piece of text, half-open range."""

    start: int
    end: int
    token: Token


_BODY = r"(?P<t{n}>[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z][A-Za-z0-9]*){{0,4}})_(?P<m{n}>[Mm]?)(?P<i{n}>[0-9]{{1,6}})(?P<v{n}>[a-z]{{0,2}})"
# the written form, the forms models mangle it into, and the bare word (upper case only: "step_1" is not a token)
_SHAPES = re.compile(
    "|".join(
        (
            "<" + _BODY.format(n=1) + ">",
            r"\[" + _BODY.format(n=2) + r"\]",
            "&lt;" + _BODY.format(n=3) + "&gt;",
            r"(?<![A-Za-z0-9_])(?P<t4>[A-Z][A-Z0-9]*(?:_[A-Z][A-Z0-9]*){0,4})_(?P<m4>M?)(?P<i4>[0-9]{1,6})(?P<v4>[a-z]{0,2})(?![A-Za-z0-9_])",
        )
    )
)
_HINT = re.compile(r"_[Mm]?[0-9]")


def token_spans(text: str) -> list[TokenSpan]:
    """Everything in ``text`` that reads as a token, written exactly, mangled or as a surrogate, in order."""
    stand_ins = _surrogates(text) if surrogate.hints(text) else []
    if _HINT.search(text) is None:
        return stand_ins
    spans = []
    for match in _shaped(text):
        n = next(n for n in "1234" if match["t" + n] is not None)
        token = Token(
            type=match["t" + n].upper(),
            index=int(match["i" + n]),
            namespace=Namespace.MODEL if match["m" + n] else Namespace.PROTECTED,
            variant=_variant(match["v" + n]),
        )
        spans.append(TokenSpan(start=match.start(), end=match.end(), token=token))
    if not stand_ins:
        return spans
    return sorted([*spans, *_apart(stand_ins, spans)], key=lambda span: span.start)


def _apart(some: list[TokenSpan], others: list[TokenSpan]) -> Iterator[TokenSpan]:
    """Those of ``some`` that no one of ``others`` overlaps; both in order."""
    at = 0
    for span in some:
        while at < len(others) and others[at].end <= span.start:
            at += 1
        if at == len(others) or others[at].start >= span.end:
            yield span


_WORD = re.compile(r"[A-Za-z0-9_]+")
_WORD_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def _shaped(text: str) -> Iterator[re.Match[str]]:
    """Every match of `_SHAPES`, which is slow: it is asked only about words in which a token's number may stand."""
    at = 0
    while hint := _HINT.search(text, at):
        word = _WORD.match(text, hint.start())
        start = hint.start()
        while start > at and text[start - 1] in _WORD_CHARS:
            start -= 1
        end = hint.end() if word is None else word.end()
        match = _SHAPES.search(text, max(at, start - len("&lt;")), end + len("&gt;"))
        if match is None or match.start() >= end:  # cut off by the end of the search, it may be anything
            at = end
        else:
            yield match
            at = match.end()


def _surrogates(text: str) -> list[TokenSpan]:
    return [
        TokenSpan(start=f.start, end=f.end, token=Token(type=f.form.value, index=f.number))
        for f in surrogate.find(text)
    ]


def may_hold_token(text: str) -> bool:
    """A fast and safe no: False only if nothing in ``text`` reads as a token."""
    return _HINT.search(text) is not None or surrogate.hints(text)


def has_token(canonical: bytes) -> bool:
    """A fast and safe no: False only if nothing in the canonical bytes can hold a token."""
    return _HINT_BYTES.search(canonical) is not None or surrogate.hints(canonical.decode("utf-8", "replace"))


_HINT_BYTES = re.compile(rb"_[Mm]?[0-9]")
_JOINERS = re.compile(r"[\s.,'’\-]+")
_NOT_ALNUM = re.compile(r"[\W_]+")
_TITLES = re.compile(
    r"^(?:(?:mr|mrs|ms|miss|mx|dr|doctor|prof|professor|sir|dame|rev|fr|sr|sra|herr|frau|mme|nurse|rn|md) )+"
)
_NAMELIKE = frozenset({"PERSON", "FACILITY", "LOCATION", "ADDRESS"})
_CODELIKE = frozenset({"SSN", "MRN", "PHONE", "FAX", "NPI", "DEA", "CREDIT_CARD", "ACCOUNT", "HEALTH_PLAN_ID", "ID"})


def canonical_form(type: str, text: str) -> str:
    """The form under which two spellings are one identifier (``JOHN  SMITH`` and ``John Smith``)."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    if type in _NAMELIKE:
        words = _JOINERS.sub(" ", folded).strip()
        return (_TITLES.sub("", words) or words) if type == "PERSON" else words
    if type in _CODELIKE:
        return _NOT_ALNUM.sub("", folded) or folded
    return folded


Path = tuple[str | int, ...]
Allowed = Callable[[Path, Token, bool], bool]
"""(path, token, is the token the whole value) → may its value be put here."""


def release(data: Json, lookup: Mapping[Token, str], allowed: Allowed) -> tuple[Json, tuple[tuple[Path, Token], ...]]:
    """A copy of ``data`` with each token that may be released replaced by its value, and what was released.

    Keys are never touched: a key is part of the call's shape.
    """
    released: list[tuple[Path, Token]] = []

    def visit(value: Json, path: Path) -> Json:
        if isinstance(value, str):
            return _release_text(value, path, lookup, allowed, released)
        if isinstance(value, Mapping):
            return {key: visit(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [visit(item, (*path, i)) for i, item in enumerate(value)]
        return value

    return visit(data, ()), tuple(released)


def _release_text(
    text: str,
    path: Path,
    lookup: Mapping[Token, str],
    allowed: Allowed,
    released: list[tuple[Path, Token]],
) -> str:
    spans = token_spans(text)
    if not spans:
        return text
    whole = len(spans) == 1 and text.strip() == text[spans[0].start : spans[0].end]
    parts: list[str] = []
    at = 0
    for span in spans:
        value = lookup.get(span.token)
        if value is None or not allowed(path, span.token, whole):
            continue
        released.append((path, span.token))
        parts += [text[at : span.start], value]
        at = span.end
    if whole and parts:
        return parts[1]
    return "".join([*parts, text[at:]])


def unmask_text(text: str, lookup: Mapping[Token, str]) -> tuple[str, tuple[Token, ...]]:
    """``text`` with every known token replaced by its value, and the tokens that are not known."""
    parts: list[str] = []
    unknown: list[Token] = []
    at = 0
    for span in token_spans(text):
        value = lookup.get(span.token)
        if value is None:
            unknown.append(span.token)
            continue
        parts += [text[at : span.start], value]
        at = span.end
    return "".join([*parts, text[at:]]), tuple(unknown)


def tokens_in(data: Json) -> frozenset[Token]:
    """Every token-shaped piece of every string and number in ``data``, keys included."""
    found: set[Token] = set()

    def visit(value: Json) -> None:
        if isinstance(value, str):
            found.update(span.token for span in token_spans(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.update(span.token for span in _surrogates(str(value)))
        elif isinstance(value, Mapping):
            for key, item in value.items():
                visit(key)
                visit(item)
        elif isinstance(value, list | tuple):
            for item in value:
                visit(item)

    visit(data)
    return frozenset(found)
