"""Remarks of lint: every one has a code, a severity, a place and an advice, and can be silenced where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["CODES", "Code", "Remark", "Severity", "silenced"]


class Severity(IntEnum):
    """How bad it is; ordered."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of remark: what is wrong in general, and what to do about it."""

    severity: Severity
    title: str
    advice: str


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
CODES: Mapping[str, Code] = {
    code: Code(severity=severity, title=title, advice=advice)
    for code, severity, title, advice in (
        ("TG001", _E, "the policy does not load", "mend it; until then a guard keeps the policy before it, or none"),
        ("TG002", _E, "a rule id stands twice", "rename one of the rules; records name rules by their id"),
        ("TG003", _E, "a condition gives neither yes nor no", "compare what it gives with something"),
        ("TG101", _E, "no such tool", "correct the name, or remove it"),
        ("TG102", _W, "a pattern that fits no tool", "correct the pattern, or remove it"),
        ("TG103", _E, "no such argument of the tool", "name an argument of the tool's schema"),
        ("TG104", _E, "a condition reads an argument that no tool has", "name an argument of the tools it concerns"),
        (
            "TG105",
            _W,
            "a condition reads an argument that may be missing",
            "ask with has() first: it counts as matched",
        ),
        ("TG106", _E, "a condition takes an argument for another type", "compare it as the type its schema gives it"),
        (
            "TG107",
            _N,
            "a tool that the policy does not name",
            "add it under tools, or leave it to defaults.unknown_tool",
        ),
        ("TG201", _E, "a condition that never holds", "correct it, or remove the rule"),
        ("TG202", _W, "a condition that always holds", "correct it, or leave 'when' out"),
        ("TG203", _W, "a part of a condition that is always the same", "correct it, or leave the part out"),
        ("TG204", _E, "a range without a number in it", "turn the comparison round, or correct the bounds"),
        ("TG205", _E, "match and when exclude each other", "correct one of the two; together they fit no call"),
        ("TG206", _E, "a match that fits no call", "correct one of its fields"),
        ("TG301", _W, "a rule that never changes an outcome", "remove it, or make the wider rule narrower"),
        ("TG302", _N, "a word that another one covers", "remove it"),
        ("TG303", _W, "every tool is allowed", "say under match which tools are meant"),
        ("TG401", _E, "nobody stands behind an approver entry", "correct the name, or add people in the directory"),
        ("TG402", _E, "a quorum the directory cannot reach", "add people to the group, or lower the quorum"),
        (
            "TG403",
            _W,
            "one person's own calls can never be approved",
            "add another person: nobody approves their own call",
        ),
        ("TG404", _W, "an approval that nothing asks for", "remove it, or name it in a rule"),
        (
            "TG405",
            _N,
            "an approval that does not say when it expires",
            "write expires: (1h holds where nothing is said)",
        ),
        ("TG501", _W, "trust by name alone", "say with source: or digest: which tool is meant"),
        ("TG502", _W, "tools nobody named are let through", "set defaults.unknown_tool to deny or require_approval"),
        ("TG503", _N, "nothing is blocked in shadow mode", "set mode: enforce once its report is as expected"),
        ("TG504", _N, "a rule without a control", "name under controls: what it puts into practice, as others here do"),
        ("TG901", _N, "a comment that silences nothing", "remove it"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Remark:
    """One thing that lint found. ``line`` and ``column`` count from 1; ``first`` is the line its rule or entry begins on."""

    file: str
    line: int
    column: int
    code: str
    message: str
    path: str = ""
    first: int = field(default=0, compare=False)

    @property
    def severity(self) -> Severity:
        return CODES[self.code].severity

    @property
    def advice(self) -> str:
        return CODES[self.code].advice

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity.label} {self.code}: {where}{self.message}"


_COMMENT = re.compile(r"#\s*toolguard:\s*ignore\s+(TG\d{3}(?:\s*,\s*TG\d{3})*)")


def silenced(remarks: Iterable[Remark], text: str, file: str) -> Iterator[Remark]:
    """``remarks`` without those that ``# toolguard: ignore TG104`` silences; a comment that silences none is one.

    It holds for its own line, for the line below if it stands alone, and for a whole rule or entry that begins there.
    """
    wanted: dict[tuple[int, str], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        said = _COMMENT.search(line)
        if said is not None:
            alone = not line[: said.start()].strip()
            for code in re.findall(r"TG\d{3}", said[1]):
                wanted[(number + alone, code)] = number
    used: set[tuple[int, str]] = set()
    for remark in remarks:
        keys = {(remark.line, remark.code), (remark.first, remark.code)} & wanted.keys()
        used |= keys
        if not keys:
            yield remark
    for key, number in wanted.items():
        if key not in used:
            yield Remark(file=file, line=number, column=1, code="TG901", message=f"nothing here is {key[1]}")
