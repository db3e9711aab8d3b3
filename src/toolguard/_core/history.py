"""History: what a rule may know of the time before a call. The store keeps marks; here stands what they mean.

A mark says of a subject (a session, a person, a reference) that something was so: ``Mark("session:…", "taint",
"untrusted")``. It is written in the transaction of the record it belongs to, so it is there if and only if that
happened. Subjects and values are ids, keyed digests and words of the policy, never what a call held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

__all__ = [
    "LABELS",
    "NO_HISTORY",
    "TAINTS",
    "UNREAD",
    "After",
    "Ask",
    "Before",
    "By",
    "Carried",
    "Counted",
    "History",
    "Limit",
    "Mark",
    "Near",
    "Past",
    "Patients",
    "Pattern",
    "Rate",
    "Watch",
]

UNTRUSTED = "untrusted"
"""Text of strangers was read: it may speak to the model."""
PHI = "phi"
"""Identifiers were read or written."""
UNKNOWN = "unknown"
"""Of a reference: nobody wrote it through this guard."""
TAINTS = frozenset({UNTRUSTED, PHI})
LABELS = frozenset({UNTRUSTED, PHI, UNKNOWN})


# --- what a store keeps -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One fact about a subject. Writing it again only moves its time on.

    ``keep`` is how long it is needed, in seconds; 0 is for ever. The store stamps the time with its own clock.
    """

    subject: str
    kind: str
    value: str = ""
    keep: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How many marks of a kind a subject has since ``since`` (UTC seconds), each value once.

    With ``value`` only that one; those in ``apart`` are not counted. Counting ends at ``upto``, so that it costs no
    more than the answer is worth.
    """

    subject: str
    kind: str
    value: str | None = None
    since: float = 0.0
    apart: tuple[str, ...] = ()
    upto: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What ``ask`` counts and ``adds`` together may be ``most`` at the moment of the commit, else it loses."""

    ask: Ask
    adds: int
    most: int


# --- what a rule asks ---------------------------------------------------------------------------------


class By(StrEnum):
    """Whose calls count."""

    SESSION = "session"
    PERSON = "person"
    AGENT = "agent"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Which calls: tools by glob, and risk classes. Empty means any; both must fit.

    ``alike``: a tool whose name only looks like one of these is one of them, as for a rule that restricts.
    """

    tool: tuple[str, ...] = ()
    category: frozenset[str] = frozenset()
    alike: bool = True

    @property
    def key(self) -> str:
        """One word for the pattern; the order of its parts never matters. It holds nothing but words of the policy."""
        said = json.dumps(
            [sorted(t.casefold() for t in self.tool), sorted(self.category), *([] if self.alike else [0])]
        )
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """``match.after``: such a call ran earlier in this session, or one it belongs to, ``within`` so many seconds.

    0 seconds: at any time before.
    """

    calls: Pattern
    within: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``match.more_than``: more than ``most`` such calls in ``per`` seconds, this one included."""

    calls: Pattern
    most: int
    per: float
    by: By = By.SESSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Patients:
    """``match.patients``: more than ``most`` distinct patients in ``per`` seconds, this call's included."""

    most: int
    per: float
    by: By = By.PERSON


Counted: TypeAlias = After | Rate | Patients


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One of these words, as the session's ``taint`` or a reference's ``label``."""

    kind: str
    words: frozenset[str]


Near: TypeAlias = Counted | Carried
"""What may come to hold between judging a call and running it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of the time before a call.

    Attributes:
        known: whether it could be read; where not, a rule that asks for it counts as matched.
        taints: what the session, or one it belongs to, has read: ``untrusted``, ``phi``.
        labels: what the references in the arguments carry: ``untrusted``, ``phi``, ``unknown``.
        counts: how many, this call included, for each condition that was asked; counting ends one above its limit.
    """

    known: bool = True
    taints: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    counts: Mapping[Counted, int] = field(default_factory=dict)

    def told(self) -> Iterator[str]:
        """In words and numbers, for people and records: ``taint:untrusted``, ``patients:31>30``."""
        if not self.known:
            yield "unread"
        yield from (f"taint:{t}" for t in sorted(self.taints))
        yield from (f"label:{label}" for label in sorted(self.labels))
        yield from sorted({_told(asked, n) for asked, n in self.counts.items() if n})


def _told(asked: Counted, n: int) -> str:
    match asked:
        case After():
            return "after:yes"
        case Rate(most=most):
            return f"calls:{n}{'>' if n > most else '/'}{most}"
        case Patients(most=most):
            return f"patients:{n}{'>' if n > most else '/'}{most}"


NO_HISTORY = History()
"""Nothing was before, or nothing was asked."""
UNREAD = History(known=False)
"""Nobody looked. Rules that ask for history then count as matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is taken for the time before a call, instead of what a store holds: for trying policies.

    ``calls`` ran and ``patients`` were seen before it, of each kind a rule counts; ``after``: what a rule waits for ran.
    """

    taints: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    calls: int = 0
    patients: int = 0
    after: bool = False

    def count(self, asked: Counted) -> int:
        match asked:
            case After():
                return int(self.after)
            case Rate():
                return self.calls
            case Patients():
                return self.patients


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The part of a ``match`` that is about the time before the call. All that is said must hold.

    ``reads``: the rule's condition reads ``session.taints``.
    """

    after: After | None = None
    more_than: Rate | None = None
    patients: Patients | None = None
    taint: frozenset[str] = frozenset()
    label: frozenset[str] = frozenset()
    reads: bool = False

    @property
    def counted(self) -> tuple[Counted, ...]:
        return tuple(c for c in (self.after, self.more_than, self.patients) if c is not None)

    @property
    def matches(self) -> bool:
        """Whether anything has to hold."""
        return bool(self.counted or self.taint or self.label)

    def met(self, history: History) -> bool | None:
        """Whether all of it holds; None where that is not known."""
        if not self.matches:
            return True
        answers = [a for _, a in self._answers(history)]
        return False if False in answers else None if None in answers else True

    def near(self, history: History) -> Near | None:
        """A part that does not hold, and that others may make hold meanwhile. As long as it does not, nor does the rule."""
        for asked, answer in self._answers(history):
            if answer is False:
                if not isinstance(asked, Carried):
                    return asked
                if asked.words & TAINTS:  # what was written once is never unknown again
                    return Carried(kind=asked.kind, words=asked.words & TAINTS)
        return None

    def _answers(self, history: History) -> Iterator[tuple[Near, bool | None]]:
        for name, wanted, there in (("taint", self.taint, history.taints), ("label", self.label, history.labels)):
            if wanted:
                yield Carried(kind=name, words=wanted), not wanted.isdisjoint(there) if history.known else None
        for asked in self.counted:
            yield asked, _over(asked, history)


def _over(asked: Counted, history: History) -> bool | None:
    count = history.counts.get(asked)
    if not history.known or count is None:
        return None
    return count > (0 if isinstance(asked, After) else asked.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a whole policy asks of history, and so what its calls have to leave behind.

    Times are the longest in seconds for which a mark counts, 0 for ever. ``flows`` is whether taint and labels count.
    """

    ran: Mapping[Pattern, float] = field(default_factory=dict)
    rates: Mapping[tuple[By, Pattern], float] = field(default_factory=dict)
    patients: Mapping[By, float] = field(default_factory=dict)
    flows: bool = False
    most: int = 0
    """The most patients any rule lets pass: beyond one more of them, nobody counts."""

    @property
    def by(self) -> frozenset[By]:
        return frozenset(self.patients) | {by for by, _ in self.rates}

    @property
    def anything(self) -> bool:
        return bool(self.ran or self.rates or self.patients or self.flows)

    @classmethod
    def of(cls, pasts: tuple[Past, ...]) -> Watch:
        rates: dict[tuple[By, Pattern], float] = {}
        patients: dict[By, float] = {}
        ran: dict[Pattern, float] = {}
        for past in pasts:
            if (after := past.after) is not None:
                others = ran.get(after.calls, after.within)
                ran[after.calls] = max(after.within, others) if after.within and others else 0.0
            if (rate := past.more_than) is not None:
                rates[rate.by, rate.calls] = max(rate.per, rates.get((rate.by, rate.calls), 0.0))
            if (budget := past.patients) is not None:
                patients[budget.by] = max(budget.per, patients.get(budget.by, 0.0))
        return cls(
            ran=ran,
            rates=rates,
            patients=patients,
            flows=any(p.taint or p.label or p.reads for p in pasts),
            most=max((p.patients.most for p in pasts if p.patients is not None), default=0),
        )
