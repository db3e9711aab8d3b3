"""What a call is judged by: identifiers found in values, risk seen in tools and arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from toolguard._core.call import Json, Tool
from toolguard._core.mask import Finding
from toolguard._core.provenance import Aimed
from toolguard._core.risk import Evidence, Risk
from toolguard._core.steps import Origin

__all__ = ["Aiming", "Analyser", "Detector", "DetectorSession", "Pointing", "Term", "ToolAnalysis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """An identifier known to the session, for propagation."""

    type: str
    value: str = field(repr=False)


class DetectorSession(Protocol):
    """Detection with memory: what was once accepted as an identifier is found again. Thread-safe."""

    def inspect(self, value: Json, *, origin: Origin, schema: Mapping[str, Json] | None = None) -> tuple[Finding, ...]:
        """Every identifier in ``value``, not overlapping. Raises DetectionError rather than miss silently."""
        ...

    def learn(self, terms: Iterable[Term]) -> None:
        """Make identifiers known that were accepted elsewhere (restored from the vault)."""
        ...


class Detector(Protocol):
    """Finds identifiers. One per guard; one `DetectorSession` per guard session."""

    @property
    def version(self) -> str:
        """Name and version, recorded with every call (``toolguard-rules/1``)."""
        ...

    def session(self) -> DetectorSession:
        """One with nothing learned yet."""
        ...


class ToolAnalysis(Protocol):
    """One tool, worked out once: its static risk, and what its arguments have to be read for."""

    @property
    def static(self) -> Risk:
        """What the tool alone says, before any argument is seen."""
        ...

    def analyse(self, data: Json) -> tuple[Risk, tuple[Evidence, ...]]:
        """The risk of a call with these arguments, and what the arguments alone contributed.

        Fails into severe evidence, never into none.
        """
        ...


@runtime_checkable
class Pointing(Protocol):
    """A `ToolAnalysis` that can also tell which arguments refer to content elsewhere."""

    def pointers(self, data: Json) -> tuple[str, ...]:
        """Names of arguments that hold a path, a URL or another reference, as the tool's schema spells them."""
        ...


@runtime_checkable
class Aiming(Protocol):
    """A `ToolAnalysis` that can also tell which arguments decide what a call does."""

    def aims(self, data: Json, decisive: tuple[str, ...]) -> tuple[Aimed, ...]:
        """The deciding values; ``decisive`` are arguments (dotted) that the policy names as such."""
        ...


class Analyser(Protocol):
    """Sees risk in tools and in what they are called with. One per guard."""

    def tool(self, tool: Tool) -> ToolAnalysis:
        """Work one tool out."""
        ...
