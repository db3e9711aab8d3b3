"""The part of a rule's ``match`` that is about the time before the call, and what makes no sense there."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard._core.history import After, By, Past, Patients, Pattern, Rate
from toolguard.policyfile.cel import CelCondition
from toolguard.policyfile.document import At, Document
from toolguard.policyfile.faults import Problem
from toolguard.policyfile.models import MatchModel, RuleModel

__all__ = ["check_past", "past_of", "reads_taints"]

_GROWS = ("more_than", "patients", "taint", "label")
"""What only ever comes to hold: the more happened, the more of it."""


def reads_taints(condition: CelCondition) -> bool:
    """Whether a condition may read ``session.taints``."""
    return "session" in condition.program.reads.names and "taints" in condition.source


def past_of(model: MatchModel, *, reads: bool, restricts: bool = True) -> Past | None:
    """What the rule asks of the time before the call; None where it asks nothing."""
    past = Past(
        after=None
        if model.after is None
        else After(
            calls=Pattern(
                tool=tuple(model.after.tool or ()),
                category=frozenset(model.after.category or ()),
                alike=restricts,
            ),
            within=model.after.within or 0.0,
        ),
        more_than=None
        if model.more_than is None
        else Rate(
            calls=Pattern(tool=tuple(model.tool or ()), category=frozenset(model.category or ())),
            most=model.more_than.calls,
            per=model.more_than.per,
            by=By(model.more_than.by),
        ),
        patients=None
        if model.patients is None
        else Patients(most=model.patients.more_than, per=model.patients.per, by=By(model.patients.by)),
        taint=frozenset(model.taint or ()),
        label=frozenset(model.label or ()),
        reads=reads,
    )
    return past if past.matches or past.reads else None


def check_past(model: RuleModel, at: At, document: Document) -> Iterator[Problem]:
    match = model.match
    if match.after is not None and match.after.tool is None and match.after.category is None:
        yield document.problem((*at, "match", "after"), "names no calls; add tool or category", key=True)
    if model.effect == "allow":
        for name in _GROWS:
            if getattr(match, name) is not None:
                yield document.problem(
                    (*at, "match", name),
                    "would allow more the more has happened; restrict with it, or ask for 'after'",
                    key=True,
                )
