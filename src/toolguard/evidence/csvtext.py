"""CSV as RFC 4180 has it, in which no cell is a formula to a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

__all__ = ["cell", "csv_parts"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


_INNER = re.compile(rf"([;\t\r\n]\W*?)(?=[{re.escape(''.join(_FORMULA[:4] + _FORMULA[7:]))}])")
"""What may become a cell of its own where a spreadsheet takes a semicolon or a tab for the end of one, as many do."""


def _guarded(text: str) -> str:
    shown = next((n for n, c in enumerate(text) if c.isprintable() and not c.isspace()), len(text))
    lead, rest = text[:shown], text[shown:]
    formula = rest.startswith(_FORMULA) or lead.lstrip(" \u00a0\u200b\ufeff").startswith(_FORMULA)
    return ("'" if formula else "") + lead + _INNER.sub(r"\1'", rest)


def cell(value: object) -> str:
    """A value as a cell: an apostrophe goes before whatever a spreadsheet could take for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset):
        return cell("; ".join(str(item) for item in value))
    return _guarded(str(value))


def csv_parts(header: Sequence[str], rows: Iterable[Sequence[object]], *, most: int) -> list[bytes]:
    """The table as files of at most ``most`` bytes, each with the header. There is always one."""
    parts: list[bytes] = []
    head = _line(header)
    held = [head]
    size = len(head)
    for row in rows:
        line = _line([cell(value) for value in row])
        if size + len(line) > most and len(held) > 1:
            parts.append(b"".join(held))
            held, size = [head], len(head)
        held.append(line)
        size += len(line)
    return [*parts, b"".join(held)]


def _line(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode("utf-8", "replace")
