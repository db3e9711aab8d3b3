"""HL7 v2 messages: what identifies, by segment and field (HL7 v2.5.1); the rest of a segment is code, but for its free text."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from collections.abc import Iterator

from toolguard.detection.spans import Span

__all__ = ["hl7"]

_SOURCE = "hl7"
_SEGMENT = re.compile(r"(?:^|(?<=[\r\n\x0b]))[ \t]{0,4}([A-Z][A-Z][A-Z0-9])\|([^\r\n]{0,20000})")
_FIELDS: dict[str, dict[int, str]] = {
    "PID": {2: "ID", 3: "MRN", 4: "MRN", 5: "PERSON", 6: "PERSON", 7: "DATE_OF_BIRTH", 9: "PERSON", 11: "ADDRESS", 12: "LOCATION", 13: "PHONE",
            14: "PHONE", 18: "ACCOUNT", 19: "SSN", 20: "LICENSE", 21: "ID", 23: "LOCATION", 29: "DATE"},
    "NK1": {2: "PERSON", 4: "ADDRESS", 5: "PHONE", 6: "PHONE", 8: "DATE", 9: "DATE", 12: "ID", 13: "FACILITY", 16: "DATE_OF_BIRTH", 30: "PERSON", 31: "PHONE",
            32: "ADDRESS", 33: "ID", 37: "SSN"},
    "GT1": {2: "ID", 3: "PERSON", 4: "PERSON", 5: "ADDRESS", 6: "PHONE", 7: "PHONE", 8: "DATE_OF_BIRTH", 12: "SSN", 16: "PERSON", 17: "ADDRESS", 18: "PHONE",
            19: "ID", 21: "FACILITY", 45: "PERSON", 46: "PHONE"},
    "IN1": {8: "HEALTH_PLAN_ID", 12: "DATE", 13: "DATE", 16: "PERSON", 18: "DATE_OF_BIRTH", 19: "ADDRESS", 36: "HEALTH_PLAN_ID", 44: "ADDRESS",
            49: "HEALTH_PLAN_ID"},
    "IN2": {1: "ID", 2: "SSN", 6: "HEALTH_PLAN_ID", 8: "HEALTH_PLAN_ID", 25: "HEALTH_PLAN_ID", 26: "HEALTH_PLAN_ID", 61: "HEALTH_PLAN_ID", 63: "PHONE"},
    "PV1": {3: "FACILITY", 5: "ID", 6: "FACILITY", 7: "PERSON", 8: "PERSON", 9: "PERSON", 17: "PERSON", 19: "ACCOUNT", 39: "FACILITY", 44: "DATE", 45: "DATE",
            50: "ID", 52: "PERSON"},
    "PV2": {8: "DATE", 9: "DATE", 13: "PERSON", 33: "DATE"},
    "PD1": {3: "FACILITY", 4: "PERSON"},
    "ORC": {2: "ID", 3: "ID", 4: "ID", 9: "DATE", 10: "PERSON", 11: "PERSON", 12: "PERSON", 14: "PHONE", 15: "DATE", 21: "FACILITY", 22: "ADDRESS", 23: "PHONE",
            24: "ADDRESS"},
    "OBR": {2: "ID", 3: "ID", 6: "DATE", 7: "DATE", 8: "DATE", 10: "PERSON", 14: "DATE", 16: "PERSON", 17: "PHONE", 20: "ID", 22: "DATE", 28: "PERSON",
            32: "PERSON", 33: "PERSON", 34: "PERSON", 35: "PERSON", 36: "DATE"},
    "OBX": {14: "DATE", 15: "FACILITY", 16: "PERSON", 19: "DATE", 23: "FACILITY", 24: "ADDRESS", 25: "PERSON"},
    "EVN": {2: "DATE", 3: "DATE", 5: "PERSON", 6: "DATE"},
    "MSH": {4: "FACILITY", 7: "DATE", 10: "ID"},
    "SCH": {1: "ID", 2: "ID", 11: "DATE", 12: "PERSON", 13: "PHONE", 14: "ADDRESS", 16: "PERSON", 17: "PHONE", 20: "PERSON"},
    "AIP": {3: "PERSON", 6: "DATE"}, "AIL": {3: "FACILITY"}, "AIG": {3: "PERSON"},
    "DG1": {5: "DATE", 16: "PERSON", 19: "DATE"}, "PR1": {5: "DATE", 8: "PERSON", 11: "PERSON", 12: "PERSON"}, "AL1": {6: "DATE"},
    "MRG": {1: "MRN", 2: "MRN", 3: "ACCOUNT", 4: "MRN", 7: "PERSON"}, "ROL": {4: "PERSON", 5: "DATE", 11: "ADDRESS", 12: "PHONE"},
    "TXA": {4: "DATE", 5: "PERSON", 6: "DATE", 7: "DATE", 9: "PERSON", 10: "PERSON", 11: "PERSON", 12: "ID", 13: "ID", 14: "ID", 15: "ID", 16: "ID", 22: "PERSON"},
    "SPM": {2: "ID", 3: "ID", 17: "DATE", 18: "DATE"}, "RXA": {3: "DATE", 4: "DATE", 10: "PERSON", 11: "FACILITY"}, "RXE": {13: "PERSON", 14: "PERSON", 15: "ID"},
    "FT1": {2: "ID", 4: "DATE", 5: "DATE", 20: "PERSON", 21: "PERSON", 23: "ID"}, "ACC": {1: "DATE"}, "NTE": {}, "FHS": {7: "DATE"}, "BHS": {7: "DATE"},
    "PRT": {5: "PERSON", 14: "ADDRESS", 15: "PHONE"}, "STF": {1: "ID", 2: "ID", 3: "PERSON", 6: "DATE_OF_BIRTH", 10: "PHONE", 11: "ADDRESS", 15: "EMAIL"},
    "PDA": {2: "LOCATION", 5: "PERSON"}, "UB2": {}, "DB1": {3: "ID"}, "CON": {}, "IAM": {11: "DATE", 13: "DATE", 14: "PERSON"},
}  # fmt: skip
# read as prose: a note, a text result, a comment, a description
_PROSE = {
    "OBX": {5}, "NTE": {3}, "DG1": {4}, "PR1": {4}, "OBR": {13, 31, 39}, "ORC": {16}, "PV2": {3, 12}, "AL1": {5}, "SCH": {7, 8}, "TXA": {25}, "FT1": {8, 9}, "RXE": {7, 21},
    "IN1": {4, 9, 11}, "UB2": {17},
}  # fmt: skip
_SAFE_PARTS = frozenset(
    "MR AN SS PI VN HOME CELL PRN ORN NET PH CP FX Internet L H B M F U S NPI DL USA US MD DO RN DR Dr Mr Mrs Ms Jr Sr JR SR II III IV NK PA NP PHD BSN D".split()
)
_NO_NAMES = frozenset(part for part in _SAFE_PARTS if len(part) > 1)
_DATE = re.compile(r"\d{6,14}(?:\.\d{1,4})?(?:[+-]\d{4})?")
_SEPARATORS = re.compile(r"[\^&]")


def hl7(text: str) -> tuple[list[Span], list[tuple[int, int]]]:
    """Identifying components of the segments in ``text``, masked one by one so that the structure survives, and the
    ranges that hold codes by their place, where other rules have nothing to look for.
    """
    out: list[Span] = []
    fences: list[tuple[int, int]] = []
    for match in _SEGMENT.finditer(text):
        segment = match[1]
        fields = _FIELDS.get(segment)
        if fields is None:
            continue
        prose = _PROSE.get(segment, ())
        at = match.start(2)
        fences.append((match.start(1), at))
        # MSH counts its own separator as field 1
        for index, field in enumerate(match[2].split("|"), start=2 if segment == "MSH" else 1):
            if field and index not in prose:
                fences.append((at, at + len(field)))
                kind = fields.get(index)
                if kind:
                    out += _repeats(field, at, kind)
            at += len(field) + 1
    return out, fences


def _repeats(field: str, at: int, kind: str) -> Iterator[Span]:
    for repeat in field.split("~"):
        start = at
        for position, component in enumerate(_SEPARATORS.split(repeat)):
            value = component.strip()
            if value and _identifies(value, kind, position):
                begin = start + component.find(value)
                yield Span(begin, begin + len(value), "EMAIL" if "@" in value else kind, 0.9, _SOURCE)
            start += len(component) + 1
        at += len(repeat) + 1


def _identifies(value: str, kind: str, position: int) -> bool:
    """Whether a component of a field of this kind is part of the identifier; ``position`` counts from 0."""
    if kind == "PERSON":
        # XPN: family, given, middle, suffix; XCN: id, family, given, middle, suffix
        if position in (3, 4) and value.rstrip(".").upper() in ("JR", "SR", "II", "III", "IV"):
            return True
        return position < 4 and value not in _NO_NAMES and (len(value) > 1 or position in (2, 3))
    if kind == "ADDRESS":
        return position < 5 or position == 8  # street, other, city, state, ZIP; county
    if value in _SAFE_PARTS or len(value) < 2:
        return False
    if kind in ("DATE", "DATE_OF_BIRTH"):
        return position == 0 and _DATE.fullmatch(value) is not None
    if kind == "PHONE":
        return "@" in value or sum(map(str.isdigit, value)) > 2
    if kind == "FACILITY":
        return position in (0, 3) and any(map(str.isalpha, value)) and len(value) > 2
    if kind == "LOCATION":
        return len(value) > 2
    return position == 0
