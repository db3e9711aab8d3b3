"""The parts a guard has where none is given."""

from __future__ import annotations

import os
from collections.abc import Sequence

from toolguard._core.audit import AuditRecord
from toolguard._core.call import Json, Person, Tool
from toolguard._core.masking import UNSAID, Masking
from toolguard._core.provenance import Aimed
from toolguard._core.risk import Evidence, Risk
from toolguard.analysis import Plan, analyser_for, fhir_facts, shell_facts, sql_facts, url_facts
from toolguard.analysis.aims import Aims, aims_for
from toolguard.detection import DefaultDetector, Reports
from toolguard.ports import (
    Detector,
    DirectoryPerson,
    Sink,
    ToolAnalysis,
)
from toolguard.stores import SystemClock

__all__ = ["ANALYSES", "NoDirectory", "RandomIds", "RiskAnalyser", "Sinks", "SystemClock", "default_detector"]


class RandomIds:
    """Identifiers from the operating system's randomness."""

    def new(self) -> str:
        return os.urandom(16).hex()


ANALYSES = {"sql": sql_facts, "shell": shell_facts, "url": url_facts, "fhir": fhir_facts}
"""What conditions of a policy may ask of an argument's text."""


class RiskAnalyser:
    """The built-in classifier."""

    def tool(self, tool: Tool) -> ToolAnalysis:
        return _Analysed(analyser_for(tool), aims_for(tool))


class _Analysed:
    """One tool's plan as the flow asks it."""

    def __init__(self, plan: Plan, aims: Aims) -> None:
        self.static = plan.static
        self._plan = plan
        self._aims = aims

    def analyse(self, data: Json) -> tuple[Risk, tuple[Evidence, ...]]:
        return self._plan.judge(data)

    def pointers(self, data: Json) -> tuple[str, ...]:
        return self._plan.pointers(data)

    def aims(self, data: Json, decisive: tuple[str, ...]) -> tuple[Aimed, ...]:
        return self._aims.of(data, decisive)


class NoDirectory:
    """A directory without persons: nobody can ask for an approval, and nobody can give one."""

    def person(self, identity: Person, *, at: float) -> DirectoryPerson | None:
        return None

    def owners_of(self, tenant: str, agent: str, *, at: float) -> frozenset[str]:
        return frozenset()

    def members(self, tenant: str, group: str, *, at: float) -> tuple[DirectoryPerson, ...]:
        return ()

    def duty(self, tenant: str, name: str, *, at: float) -> frozenset[str]:
        return frozenset()

    def tenants(self) -> tuple[str, ...]:
        return ()


def default_detector(masking: Masking = UNSAID, *, feedback: Reports | None = None) -> Detector:
    """The detector of guards and of the approval service: structure, rules and the tagger, and what a policy and feedback add."""
    return DefaultDetector(
        profile=masking.profile,
        allow=masking.allow,
        deny=masking.deny,
        shapes=masking.shapes,
        fields=masking.fields,
        feedback=feedback,
    )


class Sinks:
    """Several sinks as one."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def emit(self, records: Sequence[AuditRecord]) -> None:
        for sink in self._sinks:
            sink.emit(records)
