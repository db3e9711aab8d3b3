"""Conditions: what a rule's ``when`` is to the core: something that answers yes, no, or fails aloud.

The core does not know the expression language. A condition is compiled and type-checked where the policy
is loaded; here it is evaluated against `Facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from toolguard._core.call import Caller, Json, Tool
from toolguard._core.frozen import made_fast
from toolguard._core.history import UNREAD, History
from toolguard._core.mask import Finding
from toolguard._core.provenance import UNTRACED, Provenance
from toolguard._core.risk import Risk

__all__ = ["Condition", "ConditionError", "Facts"]


class ConditionError(Exception):
    """A condition could not be evaluated. ``code`` is an enum-like word, never engine text (it prints values)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a decision may depend on. All of it concerns the arguments the tool would really get.

    Attributes:
        data: the resolved, validated arguments as JSON.
        present: identifiers present in the arguments, whether as values or as tokens.
        revealed: real values that would reach the tool.
        risk: the risk of this call, with evidence.
        hour, minute: local time of day, 0–23 and 0–59.
        weekday: local day of the week, 0 for Monday.
        now: the same moment as UTC seconds.
        environment: ``production``, ``development``, …
        session: facts about the session so far: ``id``, ``run``, ``calls`` (made in this process).
        history: what outlives this process: taint, labels and counts, as far as a rule asks for them.
        provenance: where the deciding values came from: the user, a result, the model.
        memo: what conditions worked out on the way, so that several rules don't repeat it; dies with the facts.
    """

    tool: Tool
    caller: Caller
    data: Json = field(repr=False)
    risk: Risk
    present: tuple[Finding, ...] = ()
    revealed: tuple[Finding, ...] = ()
    hour: int = 0
    minute: int = 0
    weekday: int = 0
    now: float = 0.0
    environment: str = "production"
    session: Mapping[str, Json] = field(default_factory=dict, repr=False)
    history: History = UNREAD
    provenance: Provenance = UNTRACED
    memo: dict[object, Json] = field(default_factory=dict, repr=False, compare=False)


class Condition(Protocol):
    """A compiled, type-checked boolean expression."""

    @property
    def source(self) -> str:
        """The expression as written."""
        ...

    def holds(self, facts: Facts) -> bool:
        """Whether the condition holds. Raises ConditionError on anything but a clean yes or no."""
        ...
