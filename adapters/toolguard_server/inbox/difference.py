"""The arguments of a call as lines of a table, each marked with how it differs from a call that was approved before."""

from __future__ import annotations

from dataclasses import dataclass

from toolguard.authority import Approval
from toolguard.authority.past import ArgumentDiff, Compared, Likeness
from toolguard_server.inert import as_text, rows

__all__ = ["Line", "lines_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One argument. ``mark`` and ``word`` say how it differs (``""``: it was not compared); texts are masked.

    ``before`` is what it was, None where that is the same or nothing.
    """

    name: str
    text: str
    likeness: str = ""
    mark: str = ""
    word: str = ""
    before: str | None = None
    behind_masks: bool = False


_WORDS = {
    Likeness.SAME: ("=", "same as then"),
    Likeness.CHANGED: ("\u2260", "changed"),
    Likeness.NEW: ("+", "new"),
    Likeness.GONE: ("\u2212", "gone"),
}


def lines_of(approval: Approval, last: Compared | None) -> tuple[Line, ...]:
    """The arguments as they are shown, then those the earlier call had and this one has not."""
    told = {a.name: a for a in last.arguments} if last is not None else {}
    lines = [_line(name, text, told.get(name)) for name, text in rows(approval.request.view)]
    gone = [a for a in told.values() if a.likeness is Likeness.GONE and a.name]
    return (*lines, *(_line(a.name, "", a) for a in gone))


def _line(name: str, text: str, found: ArgumentDiff | None) -> Line:
    if found is None:
        return Line(name=name, text=text)
    mark, word = _WORDS[found.likeness]
    differs = found.likeness in (Likeness.CHANGED, Likeness.GONE)
    return Line(
        name=name,
        text=text,
        likeness=found.likeness.value,
        mark=mark,
        word=word,
        before=as_text(found.before) if differs and not found.looks_alike else None,
        behind_masks=found.looks_alike,
    )
