"""What a policy says of masking: a tenant's own identifiers, what is and is not one, and what takes their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, TypeAlias

from toolguard._core.operators import Operator

__all__ = ["TYPES", "UNSAID", "Masking", "Profile", "Shape", "Typed"]

Profile: TypeAlias = Literal["fast", "accurate"]


TYPES = frozenset(
    {"ACCOUNT", "ADDRESS", "AGE", "BIOMETRIC", "CREDIT_CARD", "DATE", "DATE_OF_BIRTH", "DEA", "DEVICE", "EMAIL"}
    | {"FACILITY", "FAX", "FHIR_ID", "HEALTH_PLAN_ID", "ID", "IP_ADDRESS", "LICENSE", "LOCATION", "MRN", "NPI"}
    | {"PERSON", "PHONE", "PHOTO", "SECRET", "SSN", "URL", "VEHICLE", "ZIP"}
)
"""Identifier types that are known without being declared."""


class Typed(StrEnum):
    """What becomes of an identifier in a field that cannot carry a token (a date, an integer, an enum)."""

    SURROGATE = "surrogate"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An identifier of the tenant's own.

    Attributes:
        name: what the rule is called; stands in findings as their source.
        type: the identifier type found, ``[A-Z][A-Z0-9_]*``.
        pattern: a regular expression in RE2's syntax (no back-reference, no look-around), matched in linear time.
        labels: words of which one must stand before it in the same line; empty: it needs none.
        score: confidence of a finding, in (0, 1].
    """

    name: str
    type: str
    pattern: str
    labels: tuple[str, ...] = ()
    score: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """The ``masking:`` section of a policy.

    Attributes:
        shapes: identifiers of the tenant's own.
        deny: text that is always an identifier (found as whole words, any case) -> its type.
        allow: text that never is one (whole findings, any case).
        fields: field name (any case) -> type; what stands in such a field is an identifier whatever it looks like.
        types: further identifier types, which a detector of the application's own finds.
        operators: identifier type -> what takes its place; a type that is not listed becomes a token.
        typed: what becomes of an identifier where a schema leaves no room for a token.
        profile: how identifiers are found.
    """

    shapes: tuple[Shape, ...] = ()
    deny: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    allow: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    types: frozenset[str] = frozenset()
    operators: Mapping[str, Operator] = field(default_factory=lambda: MappingProxyType({}))
    typed: Typed = Typed.SURROGATE
    profile: Profile = "fast"

    @property
    def finds(self) -> tuple[str, ...]:
        """Which of its keys say what is found, and hold something."""
        return tuple(name for name in ("shapes", "deny", "allow", "fields") if getattr(self, name))


UNSAID = Masking()
"""What holds where a policy says nothing of masking."""
