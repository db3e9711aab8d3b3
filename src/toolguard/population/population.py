"""The population of a period: every call that was decided in it, and everything counted from the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from toolguard._core.audit import AuditRecord, Kind
from toolguard.population._body import count_of, decimal, texts, word
from toolguard.population.calls import Call, Question, calls_of, questions_of
from toolguard.population.exceptions import Exceptional, Reviewed, exceptions_of, reviews_of
from toolguard.population.people import ApproverFigures, Reciprocity, approvers_of, reciprocity_of
from toolguard.population.period import Period

__all__ = ["Found", "PolicyVersion", "Population"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """A policy that was loaded, or decided calls. ``calls`` were decided under it; ``loads`` are its load records."""

    sha256: str
    id: str
    version: str
    calls: int
    loads: tuple[AuditRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Identifiers of one type in one place: in a call's ``arguments`` or its ``result``."""

    call: str
    at: float
    place: str
    type: str
    count: int


@dataclass(frozen=True)
class Population:
    """Everything that pages, packs and tables say of a period, worked out once, from its records alone."""

    period: Period

    @cached_property
    def records(self) -> tuple[AuditRecord, ...]:
        return tuple(self.period.records())

    @cached_property
    def _calls(self) -> tuple[tuple[Call, ...], int]:
        return calls_of(self.records)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls decided in the period, by time."""
        return self._calls[0]

    @property
    def earlier(self) -> int:
        """Calls decided before the period that have records in it."""
        return self._calls[1]

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        return questions_of(self.records)

    @cached_property
    def reviews(self) -> tuple[Reviewed, ...]:
        return reviews_of(self.records)

    @cached_property
    def exceptions(self) -> tuple[Exceptional, ...]:
        return exceptions_of(self.records, self.reviews)

    @cached_property
    def awaiting(self) -> tuple[Exceptional, ...]:
        """What waits for a review, oldest first, each subject once."""
        subjects = {e.subject: e for e in reversed(self.exceptions) if e.awaits}
        return tuple(sorted(subjects.values(), key=lambda e: (e.at, e.subject)))

    @cached_property
    def approvers(self) -> tuple[ApproverFigures, ...]:
        return approvers_of(self.questions)

    @cached_property
    def reciprocity(self) -> tuple[Reciprocity, ...]:
        return reciprocity_of(self.questions)

    @cached_property
    def outcomes(self) -> Counter[str]:
        """Where the calls stood at the end of the period: outcome → calls."""
        return Counter(call.outcome or "unknown" for call in self.calls)

    @cached_property
    def kinds(self) -> Counter[Kind]:
        """Records of the period by kind."""
        return Counter(record.draft.kind for record in self.records)

    @cached_property
    def found(self) -> tuple[Found, ...]:
        """Identifiers found in calls of the population: types and counts, never values."""
        places = {Kind.CALL_DECIDED: "arguments", Kind.CALL_RETURNED: "result", Kind.CALL_FAILED: "result"}
        found = []
        for call in self.calls:
            for record in call.story:
                if place := places.get(record.draft.kind):
                    for entity in texts(record.draft.body, "toolguard.phi.entities"):
                        kind, _, count = entity.rpartition(":")
                        number = int(count) if count.isdigit() else 0
                        found.append(Found(call=call.id, at=record.draft.at, place=place, type=kind, count=number))
        return tuple(found)

    @cached_property
    def masked(self) -> int:
        """Identifiers that tools got as tokens or not at all, over all calls."""
        return sum(count_of(call.decided.draft.body, "toolguard.phi.masked") for call in self.calls)

    @cached_property
    def disclosures(self) -> tuple[Call, ...]:
        """Calls that ran and whose tools got identifiers in clear."""
        keys = ("toolguard.phi.revealed", "toolguard.phi.released")
        return tuple(c for c in self.calls if c.ran and any(texts(c.decided.draft.body, key) for key in keys))

    @cached_property
    def policies(self) -> tuple[PolicyVersion, ...]:
        """Every policy version that was loaded before the period's end, or decided a call in it, by hash."""
        used = Counter(call.says("toolguard.policy.sha256") for call in self.calls)
        loads = self.period.loads
        shas = ({word(r.draft.body, "toolguard.policy.sha256") for r in loads} | set(used)) - {""}
        return tuple(self._policy(sha, used[sha], loads) for sha in sorted(shas))

    def _policy(self, sha: str, calls: int, loads: Sequence[AuditRecord]) -> PolicyVersion:
        mine = sorted(
            (r for r in loads if word(r.draft.body, "toolguard.policy.sha256") == sha),
            key=lambda r: (r.draft.at, r.log_id, r.seq),
        )
        first = mine[0] if mine else next(c.decided for c in self.calls if c.says("toolguard.policy.sha256") == sha)
        body = first.draft.body
        version = body.get("toolguard.policy.version", "")
        return PolicyVersion(
            sha256=sha, id=word(body, "toolguard.policy.id"), version=str(version), calls=calls, loads=tuple(mine)
        )

    @property
    def is_empty(self) -> bool:
        """No call was decided: there is nothing to give evidence of."""
        return not self.calls

    def question(self, name: str) -> Question | None:
        return next((q for q in self.questions if q.id == name), None)

    @cached_property
    def longest_wait(self) -> float:
        """The longest wait for an answer that ended in the period, in seconds."""
        return max((decimal(r.draft.body, "toolguard.approval.wait_s") or 0.0 for r in self.records), default=0.0)
