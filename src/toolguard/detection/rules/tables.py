"""Tables in prose: HL7 v2 segments, CSV and Markdown with a header line, SQL ``insert``; and numbers in words."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard.detection.fields import SAFE, field_type
from toolguard.detection.lexer import Lexed
from toolguard.detection.spans import Span
from toolguard.detection.values import fits

__all__ = ["hl7", "spoken_numbers", "tables"]

_SOURCE = "table"
_SEGMENT = re.compile(r"(?:^|(?<=[\r\n\x0b]))[ \t]{0,4}([A-Z][A-Z][A-Z0-9])\|([^\r\n]{0,8000})")
# HL7 v2.5.1 fields that identify, by segment; components are masked one by one, so the structure survives
_HL7: dict[str, dict[int, str]] = {
    "PID": {2: "ID", 3: "MRN", 4: "MRN", 5: "PERSON", 6: "PERSON", 7: "DATE_OF_BIRTH", 9: "PERSON", 11: "ADDRESS", 12: "LOCATION", 13: "PHONE",
            14: "PHONE", 18: "ACCOUNT", 19: "SSN", 20: "LICENSE", 21: "ID", 23: "LOCATION", 29: "DATE"},
    "NK1": {2: "PERSON", 4: "ADDRESS", 5: "PHONE", 6: "PHONE", 16: "DATE_OF_BIRTH", 30: "PERSON", 31: "PHONE", 32: "ADDRESS", 37: "SSN"},
    "GT1": {3: "PERSON", 5: "ADDRESS", 6: "PHONE", 7: "PHONE", 8: "DATE_OF_BIRTH", 12: "SSN", 19: "ID"},
    "IN1": {2: "HEALTH_PLAN_ID", 8: "HEALTH_PLAN_ID", 16: "PERSON", 18: "DATE_OF_BIRTH", 19: "ADDRESS", 36: "HEALTH_PLAN_ID", 49: "HEALTH_PLAN_ID"},
    "IN2": {1: "ID", 2: "SSN", 6: "HEALTH_PLAN_ID", 8: "HEALTH_PLAN_ID"},
    "PV1": {3: "FACILITY", 7: "PERSON", 8: "PERSON", 9: "PERSON", 17: "PERSON", 19: "ACCOUNT", 44: "DATE", 45: "DATE", 52: "PERSON"},
    "PD1": {4: "PERSON"},
    "ORC": {2: "ID", 3: "ID", 9: "DATE", 10: "PERSON", 12: "PERSON", 15: "DATE"},
    "OBR": {2: "ID", 3: "ID", 6: "DATE", 7: "DATE", 8: "DATE", 14: "DATE", 16: "PERSON", 22: "DATE", 32: "PERSON"},
    "OBX": {14: "DATE", 16: "PERSON"},
    "EVN": {2: "DATE", 5: "PERSON", 6: "DATE"},
    "MSH": {4: "FACILITY", 6: "FACILITY", 7: "DATE", 10: "ID"},
    "SCH": {1: "ID", 11: "DATE", 12: "PERSON", 16: "PERSON"},
    "DG1": {5: "DATE", 16: "PERSON"}, "PR1": {5: "DATE", 8: "PERSON", 11: "PERSON"}, "AL1": {6: "DATE"}, "MRG": {1: "MRN", 7: "PERSON"}, "ROL": {4: "PERSON"},
    "TXA": {4: "DATE", 5: "PERSON", 9: "PERSON", 12: "ID"}, "SPM": {2: "ID", 17: "DATE"}, "RXA": {3: "DATE", 10: "PERSON"}, "ZPI": {},
}  # fmt: skip
_COMPONENT = re.compile(r"[^|^~&\\]{1,200}")
_SAFE_PARTS = frozenset(
    "MR AN SS PI VN HOME CELL PRN ORN NET PH CP FX Internet L H B M F U S NPI DL USA US MD DO RN Dr Mr Mrs Ms Jr Sr II III IV NK".split()
)
_INSERT = re.compile(r"insert\s+into\s+[\w.\"`\[\]]{1,64}\s*\(([^()]{1,2000})\)\s*values\s*", re.IGNORECASE)
_SQL_VALUE = re.compile(r"\s*(?:'((?:[^']|''){0,400})'|([^,()']{0,80}))\s*(,|\))")
_DIGIT_WORD = "zero|oh|o|one|two|three|four|five|six|seven|eight|nine|niner|double|triple|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
_SPOKEN = re.compile(
    rf"(?<![\w-])(?:(?:{_DIGIT_WORD}|dash|hyphen|\d)(?:[\s,.-]{{1,3}}|$)){{4,30}}(?:{_DIGIT_WORD}|\d)(?![\w-])",
    re.IGNORECASE,
)
_SPOKEN_PAIR = re.compile(rf"(?<![\w-])(?:{_DIGIT_WORD})[\s,.-]{{1,3}}(?:{_DIGIT_WORD})(?![\w-])", re.IGNORECASE)
_DIGIT_WORDS = frozenset(_DIGIT_WORD.split("|")) - {"o"}


def hl7(text: str) -> list[Span]:
    """Identifying components of HL7 v2 segments."""
    out: list[Span] = []
    for match in _SEGMENT.finditer(text):
        fields = _HL7.get(match[1])
        if fields is None:
            continue
        at = match.start(2)
        # MSH counts its own separator as field 1
        for index, field in enumerate(match[2].split("|"), start=2 if match[1] == "MSH" else 1):
            kind = fields.get(index)
            if kind and field:
                out += _components(field, at, kind)
            at += len(field) + 1
    return out


def _components(field: str, at: int, kind: str) -> Iterator[Span]:
    for position, part in enumerate(_COMPONENT.finditer(field)):
        value = part[0].strip()
        if len(value) < 2 or value in _SAFE_PARTS or (kind == "LOCATION" and len(value) < 3):
            continue
        if kind == "ADDRESS" and len(value) == 2:
            continue  # the state stays
        if (position and kind in ("MRN", "ID", "ACCOUNT", "HEALTH_PLAN_ID", "SSN", "LICENSE")) or (
            position > 4 and kind == "PERSON"
        ):
            continue
        if kind in ("DATE", "DATE_OF_BIRTH") and (not value[:6].isdigit() or len(value) < 6):
            continue
        if kind == "PHONE" and not any(c.isdigit() or c == "@" for c in value):
            continue
        yield Span(at + part.start(), at + part.end(), "EMAIL" if "@" in value else kind, 0.9, _SOURCE)


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
