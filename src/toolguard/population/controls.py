"""Which control a record speaks for: counts of evidence, never a verdict on compliance, and *none* where there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from toolguard.population._body import texts
from toolguard.population.evidence import KINDS
from toolguard.population.frameworks import FRAMEWORKS, Control
from toolguard.population.population import Population

__all__ = ["FRAMEWORKS", "Control", "Evidence", "Matrix", "Row", "matrix_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One count: "12 signed reviews", and the file of a pack that lists them."""

    kind: str
    count: int
    words: str
    member: str

    @property
    def text(self) -> str:
        return f"{self.count:,} {self.words}"


_ONE = {
    "answers": "answer",
    "attempts": "attempt",
    "calls": "call",
    "checkpoints": "checkpoint",
    "credentials": "credential",
    "days": "day",
    "emergencies": "emergency",
    "exceptions": "exception",
    "executions": "execution",
    "identifiers": "identifier",
    "liftings": "lifting",
    "freezes": "freeze",
    "loads": "load",
    "records": "record",
    "requests": "request",
    "reviews": "review",
    "times": "time",
    "versions": "version",
    "yeses": "yes",
}


def _counted(count: int, words: str) -> str:
    """``words`` for this count: "1 call denied", "2 calls denied"; only the first noun changes."""
    if count != 1:
        return words
    parts = words.split(" ")
    at = next((n for n, part in enumerate(parts) if part in _ONE), None)
    if at is not None:
        parts[at] = _ONE[parts[at]]
    return " ".join(parts).replace("freeze and liftings", "freeze or lifting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A control and its evidence; ``absent`` are kinds it asks for that no record shows."""

    control: Control
    evidence: tuple[Evidence, ...]
    absent: tuple[str, ...]

    @property
    def has_any(self) -> bool:
        return bool(self.evidence)


@dataclass(frozen=True)
class Matrix:
    """The controls of one framework over a population."""

    framework: str
    population: Population

    @property
    def title(self) -> str:
        return FRAMEWORKS[self.framework].title

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(_row(c, self.population, self._named) for c in FRAMEWORKS[self.framework].controls)

    @cached_property
    def _named(self) -> Mapping[str, int]:
        """Calls decided by rules that name a control: control → calls."""
        return Counter(name for c in self.population.calls for name in texts(c.decided.draft.body, _CONTROLS))

    @property
    def with_evidence(self) -> int:
        return sum(row.has_any for row in self.rows)


_CONTROLS = "toolguard.policy.controls"


def matrix_of(population: Population, framework: str) -> Matrix:
    """The matrix of ``framework``, a key of `FRAMEWORKS`. Raises KeyError for another."""
    if framework not in FRAMEWORKS:
        raise KeyError(framework)
    return Matrix(framework=framework, population=population)


def _row(control: Control, population: Population, named: Mapping[str, int]) -> Row:
    found, absent = [], []
    for name in control.evidence:
        kind = KINDS[name]
        count = 0 if population.is_empty and name not in _WITHOUT_CALLS else kind.count(population)
        if count:
            found.append(Evidence(kind=name, count=count, words=_counted(count, kind.words), member=kind.member))
        elif kind.words:
            absent.append(kind.words)
    if count := named.get(control.name, 0):
        words = _counted(count, "calls decided by rules that name this control")
        found.append(Evidence(kind="rules", count=count, words=words, member="population.csv"))
    return Row(control=control, evidence=tuple(found), absent=tuple(absent))


_WITHOUT_CALLS = frozenset({"reviews", "break_glass_reviewed", "frozen", "refused"})
"""What people did counts also where no call was made; a chain over nothing, or an unused policy, is evidence of nothing."""
