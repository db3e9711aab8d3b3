"""What a run is to do: how identifiers are found, what takes their place, and whose records they are."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from toolguard._core.call import Json
from toolguard._core.masking import UNSAID, Masking, Profile
from toolguard._core.operators import Operator
from toolguard.detection import DefaultDetector
from toolguard.keys import SecretKey
from toolguard.keys.seal import derive
from toolguard.ports import Detector

__all__ = ["DEFAULTS", "Plan", "detector_of", "steps"]

DEFAULTS: Mapping[str, Operator] = MappingProxyType(
    {
        "DATE": Operator.DATE_SHIFT,
        "DATE_OF_BIRTH": Operator.DATE_SHIFT,
        "AGE": Operator.AGE_BIN,
        "ZIP": Operator.ZIP3,
        "SECRET": Operator.REDACT,
        "PHOTO": Operator.REDACT,
        "BIOMETRIC": Operator.REDACT,
    }
)
"""What takes the place of a type that neither the policy nor the command names; for all others a pseudonym."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings of a run. The same plan gives the same bytes for the same record, wherever it stands.

    Attributes:
        key: what pseudonyms, shifts and encryption are keyed with; the same key joins runs.
        masking: the ``masking:`` section of a policy.
        profile: how identifiers are found; None: as the policy says.
        operators: identifier type → what takes its place; before the policy's and the defaults.
        columns: column → type of identifier it holds. A column is a name, or a JSON pointer (``/subject/reference``;
            ``*`` is every item of a list).
        keep: columns in which nothing is an identifier, except what the policy always denies.
        subjects: columns that say whose record it is; the first that a record has counts.
        withhold: go on after a line that is no record, and say so in its place.
        year: this year; nobody's year of birth tells that they are older than 89.
    """

    key: SecretKey = field(repr=False)
    masking: Masking = UNSAID
    profile: Profile | None = None
    operators: Mapping[str, Operator] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    withhold: bool = False
    year: int

    def __reduce__(self) -> tuple[Any, ...]:
        # mapping proxies cannot be pickled, and other processes need the plan
        masking = self.masking
        plain = {
            "shapes": masking.shapes,
            "deny": dict(masking.deny),
            "allow": masking.allow,
            "fields": dict(masking.fields),
            "operators": dict(masking.operators),
            "typed": masking.typed,
            "profile": masking.profile,
        }
        own = {
            "key": self.key,
            "profile": self.profile,
            "operators": dict(self.operators),
            "columns": dict(self.columns),
            "keep": self.keep,
            "subjects": self.subjects,
            "withhold": self.withhold,
            "year": self.year,
        }
        return _restored, (plain, own)

    def detector(self) -> Detector:
        """A new detector for this plan."""
        return detector_of(self.masking, self.profile)

    def operator(self, type: str) -> Operator:
        """What takes the place of an identifier of ``type``."""
        chosen = self.operators.get(type) or self.masking.operators.get(type) or DEFAULTS.get(type)
        return chosen or Operator.PSEUDONYM

    def schema(self) -> dict[str, Json] | None:
        """A JSON Schema that says of each named column what it holds."""
        said = {**dict.fromkeys(self.subjects, "ID"), **self.columns, **dict.fromkeys(self.keep, "none")}
        root: dict[str, Json] = {}
        for column, type in said.items():
            at = root
            for step in steps(column):
                at = at.setdefault("items", {}) if step == "*" else at.setdefault("properties", {}).setdefault(step, {})
            at["x-phi"] = type
        return root or None

    def digest(self, *more: Json) -> str:
        """A keyed digest of the settings and ``more``: a run is only resumed under the same ones."""
        _, (plain, own) = self.__reduce__()
        settings = {**own, "key": self.key.id, "masking": plain, "more": more}
        text = json.dumps(settings, sort_keys=True, default=repr)
        return hmac.digest(derive(self.key, "dataset", "run"), text.encode(), "sha256").hex()[:32]


def detector_of(masking: Masking, profile: Profile | None = None) -> Detector:
    """A new detector, as a policy's masking section says; ``profile`` before the section's own."""
    return DefaultDetector(
        profile=profile or masking.profile,
        allow=masking.allow,
        deny=masking.deny,
        shapes=masking.shapes,
        fields=masking.fields,
    )


def steps(column: str) -> list[str]:
    """A column as the keys that lead to it."""
    if not column.startswith("/"):
        return [column]
    return [part.replace("~1", "/").replace("~0", "~") for part in column[1:].split("/")]


def _restored(masking: dict[str, Any], own: dict[str, Any]) -> Plan:
    return Plan(masking=Masking(**masking), **own)
