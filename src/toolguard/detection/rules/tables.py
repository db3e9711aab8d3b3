"""Tables in prose: CSV, TSV, semicolon and Markdown tables with a header line."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard.detection.fields import SAFE, field_type
from toolguard.detection.spans import Span
from toolguard.detection.values import fits

__all__ = ["tables"]

_SOURCE = "table"
_WIDEST = 48  # characters of the name of a column: prose has longer stretches between its commas


def tables(text: str) -> list[Span]:
    """Cells of CSV, TSV, semicolon and Markdown tables whose header names an identifier."""
    out: list[Span] = []
    if "\n" in text:
        out += _delimited(text)
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
                if candidate in line and len(line) < 2000 and max(map(len, line.split(candidate))) < _WIDEST:
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
