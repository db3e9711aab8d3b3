"""Short names for the evidence the analysers write down, so that rule tables stay readable."""

from __future__ import annotations

from collections.abc import Iterable

from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel, combine

__all__ = [
    "CODE",
    "COMMUNICATION",
    "CRITICAL",
    "DESTRUCTIVE",
    "EXFILTRATION",
    "FINANCIAL",
    "HIGH",
    "LOW",
    "MEDIUM",
    "PRIVILEGE",
    "READ",
    "WRITE",
    "note",
    "risk_of",
]

READ = RiskClass.READ
WRITE = RiskClass.WRITE
COMMUNICATION = RiskClass.COMMUNICATION
FINANCIAL = RiskClass.FINANCIAL
EXFILTRATION = RiskClass.EXFILTRATION
PRIVILEGE = RiskClass.PRIVILEGE
CODE = RiskClass.CODE_EXECUTION
DESTRUCTIVE = RiskClass.DESTRUCTIVE

LOW = RiskLevel.LOW
MEDIUM = RiskLevel.MEDIUM
HIGH = RiskLevel.HIGH
CRITICAL = RiskLevel.CRITICAL

UNKNOWN = Risk(risk_class=WRITE, level=MEDIUM)
"""What nothing speaks for: it may change something."""


def note(source: str, risk_class: RiskClass, level: RiskLevel, text: str) -> Evidence:
    """One observation. ``text`` is plain words and never holds an argument value."""
    return Evidence(source=source, risk_class=risk_class, level=level, text=text)


def risk_of(evidence: Iterable[Evidence], default: Risk = UNKNOWN) -> Risk:
    """The most severe of ``evidence``, each observation kept once, in order of first sight."""
    return combine(tuple(dict.fromkeys(evidence)), default=default)
