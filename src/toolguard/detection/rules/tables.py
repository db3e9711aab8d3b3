"""Tables in prose: CSV and Markdown with a header line, SQL ``insert``; and numbers in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard.detection.fields import SAFE, field_type
from toolguard.detection.lexer import Lexed
from toolguard.detection.spans import Span
from toolguard.detection.values import fits

__all__ = ["spoken_numbers", "tables"]

_SOURCE = "table"
_INSERT = re.compile(r"insert\s+into\s+[\w.\"`\[\]]{1,64}\s*\(([^()]{1,2000})\)\s*values\s*", re.IGNORECASE)
_SQL_VALUE = re.compile(r"\s*(?:'((?:[^']|''){0,400})'|([^,()']{0,80}))\s*(,|\))")
_DIGIT_WORD = "zero|oh|o|one|two|three|four|five|six|seven|eight|nine|niner|double|triple|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
_SPOKEN = re.compile(
    rf"(?<![\w-])(?:(?:{_DIGIT_WORD}|dash|hyphen|\d)(?:[\s,.-]{{1,3}}|$)){{4,30}}(?:{_DIGIT_WORD}|\d)(?![\w-])",
    re.IGNORECASE,
)
_SPOKEN_PAIR = re.compile(rf"(?<![\w-])(?:{_DIGIT_WORD})[\s,.-]{{1,3}}(?:{_DIGIT_WORD})(?![\w-])", re.IGNORECASE)
_DIGIT_WORDS = frozenset(_DIGIT_WORD.split("|")) - {"o"}


def tables(text: str) -> list[Span]:
    """Cells of CSV, TSV, semicolon and Markdown tables whose header names an identifier; SQL ``insert`` rows."""
    out: list[Span] = []
    if "\n" in text:
        out += _delimited(text)
    if "insert" in text or "INSERT" in text:
        out += _inserts(text)
    return out


def _delimited(text: str) -> Iterator[Span]:
    at = 0
    header: list[str | None] = []
    delimiter = ""
    for line in text.split("\n"):
        if header and line.count(delimiter) + 1 >= len(header) > 0 and delimiter in line:
            cells = _cells(line, delimiter)
            if len(cells) == len(header):
                for kind, (start, end) in zip(header, cells, strict=True):
                    if kind and end > start:
                        span = fits(kind, line[start:end])
                        if span and span[1] > span[0]:
                            yield Span(at + start + span[0], at + start + span[1], kind, 0.85, _SOURCE)
            elif line.strip("|-: \t"):
                header = []
        else:
            header = []
            for candidate in ("|", "\t", ",", ";"):
                if line.count(candidate) > 0 and len(line) < 2000:
                    names = [line[s:e] for s, e in _cells(line, candidate)]
                    kinds = [field_type(name) if 1 < len(name) < 40 else None for name in names]
                    if len(names) > 1 and sum(k is not None for k in kinds) >= max(2, (len(names) + 1) // 3):
                        header = [None if k == SAFE else k for k in kinds]
                        delimiter = candidate
                        break
        at += len(line) + 1


def _cells(line: str, delimiter: str) -> list[tuple[int, int]]:
    """Where the cells of a line lie, quotes and blanks left out."""
    out: list[tuple[int, int]] = []
    start = 0
    quoted = False
    for index, char in enumerate([*line, delimiter]):
        if char == '"':
            quoted = not quoted
        if index == len(line) or (char == delimiter and not quoted):
            left, right = start, index
            while left < right and line[left] in " \t\"'\r":
                left += 1
            while right > left and line[right - 1] in " \t\"'\r":
                right -= 1
            out.append((left, right))
            start = index + 1
    if delimiter == "|" and out and line.lstrip().startswith("|"):
        out = out[1:]
        if line.rstrip().endswith("|") and out:
            out = out[:-1]
    return out


def _inserts(text: str) -> Iterator[Span]:
    for match in _INSERT.finditer(text):
        kinds = [field_type(name.strip(" \t\n\"'`[]")) for name in match[1].split(",")]
        at = match.end()
        while text[at : at + 1] == "(":
            at += 1
            for kind in kinds:
                value = _SQL_VALUE.match(text, at)
                if not value:
                    return
                group = 1 if value[1] is not None else 2
                inside = value[group]
                if kind and kind != SAFE and inside and inside.lower() != "null":
                    span = fits(kind, inside)
                    if span and span[1] > span[0]:
                        yield Span(value.start(group) + span[0], value.start(group) + span[1], kind, 0.9, _SOURCE)
                at = value.end()
                if value[3] == ")":
                    break
            tail = re.compile(r"\s*,\s*(?=\()").match(text, at)
            at = tail.end() if tail else len(text)


def spoken_numbers(lexed: Lexed) -> list[Span]:
    """``five five five, one two one two``: five or more digits said one by one."""
    if len(lexed.vocabulary & _DIGIT_WORDS) < 2:
        return []
    out = []
    for match in _SPOKEN.finditer(lexed.text):
        if _SPOKEN_PAIR.search(match[0]):
            before = lexed.text[max(0, match.start() - 40) : match.start()].lower()
            kind = (
                "PHONE" if any(w in before for w in ("phone", "call", "number is", "cell", "reach", "mobile")) else "ID"
            )
            out.append(Span(*match.span(), kind, 0.75, _SOURCE))
    return out
