"""Literals in SQL: compared with an identifying column, set or inserted into one."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard.detection.fields import SAFE, field_type
from toolguard.detection.gazetteer import CLINICAL, FAMILY, GIVEN, WORD, gazetteer
from toolguard.detection.lexer import Lexed
from toolguard.detection.normalise import fold
from toolguard.detection.spans import Span
from toolguard.detection.values import fits

__all__ = ["sql"]

_SOURCE = "sql"
_ANY = frozenset("select update delete insert where values".split())
_COMPARED = re.compile(
    r"([A-Za-z_\"`\[][\w.\"`\[\]]{0,80})\s{0,3}\)?\s{0,3}(?:=|<>|!=|<=|>=|<|>|\b(?:not\s{1,3})?(?:i?like|in|between|similar to|~\*?)\b)\s{0,3}(?:any\s{0,2}|all\s{0,2}|lower|upper|trim|date|timestamp)?\s{0,2}[(\s]{0,4}[NE]?"
    r"(?='|\d)",
    re.IGNORECASE,
)
_LITERAL = re.compile(
    r"\s{0,3}(?:(?:and|date|timestamp)\s{1,3})?(?:'((?:[^']|''){0,400})'|(-?\d{1,20})(?![\w.]))\s{0,3}(,|\band\b)?",
    re.IGNORECASE,
)
_INSERT = re.compile(r"insert\s+into\s+[\w.\"`\[\]]{1,64}\s*(?:\(([^()]{1,2000})\)\s*)?values\s*", re.IGNORECASE)
_VALUE = re.compile(r"(?<!\s)\s*+(?:'((?:[^']|''){0,400})'|([^,()']{0,80}))\s*(,|\))")
_NEXT_ROW = re.compile(r"(?<!\s)\s*+,\s*+(?=\()")


def sql(lexed: Lexed) -> list[Span]:
    """Identifying literals of the statements in the text."""
    if lexed.vocabulary.isdisjoint(_ANY):
        return []
    text = lexed.text
    return [*_comparisons(text), *_inserts(text)]


def _column(name: str) -> str | None:
    kind = field_type(name.rpartition(".")[2].strip(" \t\n\"'`[]"))
    return None if kind == SAFE else kind


def _comparisons(text: str) -> Iterator[Span]:
    for match in _COMPARED.finditer(text):
        kind = _column(match[1])
        if kind is None:
            continue
        at = match.end()
        for _ in range(200):
            literal = _LITERAL.match(text, at)
            if literal is None:
                break
            group = 1 if literal[1] is not None else 2
            yield from _fitting(kind, literal[group], literal.start(group))
            at = literal.end()
            if not literal[3]:
                break


def _fitting(kind: str, value: str, start: int) -> Iterator[Span]:
    inner = value.strip("%_")
    if not inner:
        return
    span = fits(kind, inner)
    if span and span[1] > span[0]:
        begin = start + value.find(inner)
        yield Span(begin + span[0], begin + span[1], kind, 0.9, _SOURCE)


def _inserts(text: str) -> Iterator[Span]:
    for match in _INSERT.finditer(text):
        kinds = [_column(name) for name in match[1].split(",")] if match[1] else []
        at = match.end()
        while text[at : at + 1] == "(":
            at += 1
            column = 0
            while True:
                value = _VALUE.match(text, at)
                if not value:
                    return
                group = 1 if value[1] is not None else 2
                inside = value[group]
                kind = kinds[column] if column < len(kinds) else None
                if inside and inside.lower() != "null":
                    if kind:
                        yield from _fitting(kind, inside, value.start(group))
                    elif not kinds and value[1] is not None and _named(inside):
                        yield Span(*value.span(1), "PERSON", 0.6, _SOURCE)
                at = value.end()
                column += 1
                if value[3] == ")":
                    break
            tail = _NEXT_ROW.match(text, at)
            at = tail.end() if tail else len(text)


def _named(value: str) -> bool:
    """A cell without a column's name that is a name by itself."""
    words = value.split()
    flags = [gazetteer().flags.get(fold(word.strip(".,")), 0) for word in words]
    return (
        0 < len(words) < 4
        and value[:1].isupper()
        and all(f & (GIVEN | FAMILY) and not f & (WORD | CLINICAL) for f in flags)
    )
