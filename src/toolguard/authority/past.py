"""Beside a request: how it differs from a call that was approved before, and what people said to others like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from toolguard._core.approval import Answer, Approval, State
from toolguard._core.call import Json

__all__ = ["YES", "ArgumentDiff", "Compared", "Likeness", "Past", "Short", "compared", "past_of"]

YES = (State.APPROVED, State.EXECUTING, State.EXECUTED, State.INDETERMINATE)
"""States a call is in that people approved, and whose yes was not taken back."""
_RECENT = 5


class Likeness(StrEnum):
    """An argument beside the one of the same name in another call."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentDiff:
    """One argument in both calls. Whether it is the same, the keyed digests say; ``before`` and ``now`` are masked.

    ``name`` is ``""`` where the views do not show it.
    """

    name: str
    likeness: Likeness
    before: Json = None
    now: Json = None

    @property
    def looks_alike(self) -> bool:
        """It changed, and the masked views do not show it: what differs is behind the masks."""
        return self.likeness is Likeness.CHANGED and self.before == self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A request beside the last call of its tool that was approved.

    ``same_asker``: that one was asked by the same person through the same agent. ``same_tool``: the tool had the same
    schema and description.
    """

    approval: Approval
    same_asker: bool
    same_tool: bool
    arguments: tuple[ArgumentDiff, ...]

    def count(self, likeness: Likeness) -> int:
        """How many arguments are so."""
        return sum(a.likeness == likeness for a in self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was asked before of the same tool, by the same person, among the last ``looked_at`` requests.

    ``more`` says that there are older ones that were not looked at. ``last`` is None where no call of the tool was
    approved, or nobody may show it to whoever looks.
    """

    last: Compared | None
    approved: int
    denied: int
    unanswered: int
    recent: tuple[Approval, ...]
    looked_at: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A rule that cannot get its answers now: ``able`` persons for ``needed`` seats of ``entries``."""

    entries: tuple[str, ...]
    able: int
    needed: int


def compared(now: Approval, before: Approval) -> Compared:
    """How ``now`` differs from ``before``, argument by argument, in the order of ``now``."""
    ours, theirs = now.request.arg_digests, before.request.arg_digests
    names = [*ours, *(name for name in theirs if name not in ours)]
    return Compared(
        approval=before,
        same_asker=_asker(now) == _asker(before),
        same_tool=now.request.tool_ref == before.request.tool_ref,
        arguments=tuple(
            ArgumentDiff(
                name=name if name in _named(now) or name in _named(before) else "",
                likeness=_likeness(ours.get(name), theirs.get(name)),
                before=_value(before, name),
                now=_value(now, name),
            )
            for name in names
        ),
    )


def past_of(
    approval: Approval, others: Sequence[Approval], last: Approval | None, *, looked_at: int, more: bool
) -> Past:
    """The past of ``approval``: ``others`` are earlier requests for its tool, newest first."""
    mine = [a for a in others if a.request.requester_person == approval.request.requester_person]
    approved = sum(_was_approved(a) for a in mine)
    denied = sum(a.state is State.DENIED for a in mine)
    return Past(
        last=compared(approval, last) if last is not None else None,
        approved=approved,
        denied=denied,
        unanswered=len(mine) - approved - denied,
        recent=tuple(mine[:_RECENT]),
        looked_at=looked_at,
        more=more,
    )


def _was_approved(approval: Approval) -> bool:
    """A yes that holds, or was used. Broken glass is none, whatever became of its call."""
    return approval.state in YES and any(v.answer is Answer.APPROVE for v in approval.verdicts)


def _asker(approval: Approval) -> tuple[str, str]:
    return approval.request.requester_person, approval.request.agent


def _likeness(ours: str | None, theirs: str | None) -> Likeness:
    if theirs is None:
        return Likeness.NEW
    if ours is None:
        return Likeness.GONE
    return Likeness.SAME if ours == theirs else Likeness.CHANGED


def _named(approval: Approval) -> Mapping[str, Json]:
    view = approval.request.view
    return view if isinstance(view, Mapping) else {"": view}


def _value(approval: Approval, name: str) -> Json:
    return _named(approval).get(name)
