"""Risk: the class and level of a call, with the evidence that led there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from toolguard._core.frozen import made_fast
from toolguard.shown import Shown

__all__ = ["Evidence", "Risk", "RiskClass", "RiskLevel", "combine"]


class RiskClass(StrEnum):
    """What kind of effect a call has."""

    READ = "read"
    WRITE = "write"
    COMMUNICATION = "communication"
    FINANCIAL = "financial"
    EXFILTRATION = "exfiltration"
    PRIVILEGE = "privilege"
    CODE_EXECUTION = "code_execution"
    DESTRUCTIVE = "destructive"


class RiskLevel(IntEnum):
    """How much harm a call can do; ordered."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    label: str
    """The lower-case word used in policies, spans and reports."""

    def __init__(self, level: int) -> None:
        self.label = self._name_.lower()

    @classmethod
    def of(cls, label: str) -> RiskLevel:
        """The level named ``label`` (``low`` to ``critical``). Raises KeyError otherwise."""
        return cls[label.upper()]


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One observation that raises a call's risk.

    Attributes:
        source: where it was seen: ``name``, ``description``, ``annotation``, ``schema``, ``policy``,
            ``args.sql``, ``args.shell``, ``args.url``, … (never a value).
        risk_class: the class it speaks for.
        level: the level it speaks for.
        text: the observation in plain words, fit for an approver; holds no argument value.
    """

    source: str
    risk_class: RiskClass
    level: RiskLevel
    text: str


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Risk(Shown):
    """The class and level of a call: the most severe evidence, all of it kept for the explanation."""

    risk_class: RiskClass
    level: RiskLevel
    evidence: tuple[Evidence, ...] = ()

    @property
    def classes(self) -> frozenset[str]:
        """Every class any evidence speaks for (what a rule's ``category`` matches)."""
        return frozenset([self.risk_class.value, *(e.risk_class.value for e in self.evidence)])


_ORDER = {c: i for i, c in enumerate(RiskClass)}


def combine(evidence: Iterable[Evidence], *, default: Risk) -> Risk:
    """The maximum over ``evidence``; ``default`` where there is none."""
    seen = tuple(evidence)
    if not seen:
        return default
    top = max(seen, key=lambda e: (e.level, _ORDER[e.risk_class]))
    return Risk(risk_class=top.risk_class, level=top.level, evidence=seen)
